/** A small chat back end: Fastify, Socket.IO, PostgreSQL. Presence is the part between the two lines. */
import { createSigner, createVerifier } from 'fast-jwt'
import Fastify from 'fastify'
import postgres from 'postgres'
import { Server } from 'socket.io'
import { attachPresence } from '@vigie/server'
import { migrate, postgresMemberships } from '@vigie/server/postgres'

const secret = process.env['JWT_SECRET'] ?? ''
if (secret === '') throw new Error('Set JWT_SECRET to a long random text.')
const sql = postgres(process.env['DATABASE_URL'] ?? 'postgres://localhost/chat')
const sign = createSigner({ key: secret, expiresIn: '12h' })
const verify = createVerifier({ key: secret, algorithms: ['HS256'] })

await sql.unsafe(`
  create table if not exists group_users (group_id text, user_id text, primary key (group_id, user_id));
  create table if not exists conversation_users (conversation_id text, user_id text, primary key (conversation_id, user_id));
  create table if not exists messages (id bigserial primary key, conversation_id text not null, user_id text not null, body text not null)`)

const app = Fastify({ logger: true })
const io = new Server(app.server, { cors: { origin: process.env['ORIGIN'] ?? false } })

// ── presence ──────────────────────────────────────────────────────────────────────────────────────────────────────
await migrate(sql)
const memberships = postgresMemberships({ sql })
const presence = attachPresence(io, { memberships, auth: { secret } })
await presence.ready
// ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

app.decorateRequest('userId', '')
app.addHook('onRequest', async (request, reply) => {
  if (request.url === '/login') return
  try {
    const claims = verify(request.headers.authorization?.replace(/^Bearer +/i, '') ?? '') as { sub: string }
    request.setDecorator('userId', claims.sub)
  } catch (error) {
    request.log.info(error, 'a request without a valid token')
    await reply.code(401).send({ error: 'Sign in first.' })
  }
})

// A stub: your own log-in checks a password here.
app.post<{ Body: { userId: string } }>('/login', { schema: body('userId') }, ({ body: { userId } }) => {
  return { token: sign({ sub: userId }) }
})

app.get('/conversations', async (request) => {
  const mine = await sql<{ id: string }[]>`
    select conversation_id as id from conversation_users where user_id = ${request.getDecorator<string>('userId')} order by 1`
  return mine.map(({ id }) => ({ id, online: presence.online(id) }))
})

app.post<{ Body: { conversationId: string; text: string } }>(
  '/messages',
  { schema: body('conversationId', 'text') },
  async (request, reply) => {
    const userId = request.getDecorator<string>('userId')
    const { conversationId, text } = request.body
    const [message] = await sql`
      insert into messages (conversation_id, user_id, body)
      select conversation_id, user_id, ${text} from conversation_users
      where conversation_id = ${conversationId} and user_id = ${userId} returning *`
    if (message === undefined) return reply.code(404).send({ error: 'You are in no such conversation.' })
    presence.stopTyping(userId, conversationId)
    // The room is the rows, by presence: nobody joins or leaves it.
    io.to(`conv:${conversationId}`).emit('message:new', message)
    return reply.code(201).send(message)
  },
)

// Before the server waits for its connections to end: closed without a farewell, clients come back by themselves.
app.addHook('preClose', async () => {
  await presence.close()
  io.engine.close()
})
app.addHook('onClose', () => sql.end({ timeout: 5 }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close())
await app.listen({ port: Number(process.env['PORT'] ?? 3000) })

/** Text fields, each required, and no others. */
function body(...fields: readonly string[]) {
  const properties = Object.fromEntries(fields.map((field) => [field, { type: 'string', minLength: 1 }]))
  return { body: { type: 'object', properties, required: fields, additionalProperties: false } }
}
