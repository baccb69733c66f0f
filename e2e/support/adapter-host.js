/**
 * A chat back end with presence on one of the adapters that Socket.IO publishes, as its documentation sets it up.
 * `adapter-hosts.ts` starts it, and asks it over HTTP to do what a host does. With `cluster` it is the primary process
 * of two such back ends.
 *
 * argv: adapter. Environment: REDIS_SOCKET, POSTGRES_URL. stdout: `listens on <url>` for each back end.
 */
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { argv, env, stdout } from 'node:process'
import { createAdapter as createClusterAdapter, setupPrimary } from '@socket.io/cluster-adapter'
import { createAdapter as createPostgresAdapter } from '@socket.io/postgres-adapter'
import { createAdapter as createRedisAdapter, createShardedAdapter } from '@socket.io/redis-adapter'
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter'
import { attachPresence } from '@vigie/server'
import { memoryMemberships } from '@vigie/server/memory'
import pg from 'pg'
import { createClient } from 'redis'
import { Server } from 'socket.io'

const [, , kind] = argv
const sharded = (subscriptionMode) => async () =>
  createShardedAdapter(await redis(), await redis(), { subscriptionMode })

const ADAPTERS = {
  memory: async () => undefined,
  redis: async () => createRedisAdapter(await redis(), await redis()),
  'sharded-static': sharded('static'),
  'sharded-dynamic': sharded('dynamic'),
  'sharded-dynamic-private': sharded('dynamic-private'),
  streams: async () => createStreamsAdapter(await redis()),
  cluster: async () => createClusterAdapter(),
  // Of two connections one listens: the messages go out in order on the other.
  postgres: async () => createPostgresAdapter(new pg.Pool({ connectionString: env.POSTGRES_URL, max: 2 })),
}

if (kind === 'cluster' && cluster.isPrimary) {
  setupPrimary()
  for (let count = 0; count < 2; count++) cluster.fork()
} else await serve(await ADAPTERS[kind]())

async function redis() {
  const client = createClient({ socket: { path: env.REDIS_SOCKET, tls: false } })
  client.on('error', (error) => {
    throw error
  })
  return client.connect()
}

async function serve(adapter) {
  const http = createServer((request, response) => {
    answer(request).then(
      (result) => response.end(JSON.stringify(result ?? null)),
      (error) => response.writeHead(500).end(String(error.stack)),
    )
  })
  const io = new Server(http, { ...(adapter && { adapter }) })
  const rows = memoryMemberships()
  const presence = attachPresence(io, {
    memberships: rows,
    authenticate: (socket) => ({ userId: socket.handshake.auth.token }),
    graceMs: 200,
  })
  const calls = []
  io.on('call', (text, answerCall) => {
    calls.push(text)
    answerCall?.(`heard ${text}`)
  })
  await presence.ready
  // Workers of a cluster would share the port.
  http.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () => {
    stdout.write(`listens on http://127.0.0.1:${http.address().port}\n`)
  })

  const operator = ({ rooms, except = [], local = false }) => {
    const named = io.in(rooms).except(except)
    return local ? named.local : named
  }
  const socketOf = (user) => [...io.of('/').sockets.values()].find(({ data }) => data.userId === user)

  const ACTIONS = {
    emit: (target, { text }) => void operator(target).emit('news', text),
    emitFrom: ({ rooms }, { user, text }) => void socketOf(user).to(rooms).emit('news', text),
    emitToAll: (_, { text }) => void io.emit('fence', text),
    ask: (target, { text }) => operator(target).timeout(5_000).emitWithAck('question', text),
    sockets: async (target) =>
      (await operator(target).fetchSockets()).map(({ id, data, rooms }) => ({
        user: data.userId,
        // Without its own.
        rooms: [...rooms].filter((room) => room !== id).sort(),
      })),
    join: (target, { names }) => void operator(target).socketsJoin(names),
    leave: (target, { names }) => void operator(target).socketsLeave(names),
    disconnect: (target) => void operator(target).disconnectSockets(true),
    serverCount: () => io.of('/').adapter.serverCount(),
    call: (_, { text }) => io.serverSideEmitWithAck('call', text),
    tell: (_, { text }) => void io.serverSideEmit('call', text),
    calls: () => calls,
    addRow: (_, { conversation, user }) => void rows.addToConversation(conversation, user),
    removeRow: (_, { conversation, user }) => void rows.removeFromConversation(conversation, user),
    closePresence: () => presence.close(),
  }

  async function answer(request) {
    let body = ''
    for await (const chunk of request) body += chunk
    const { action, target = { rooms: [] }, ...rest } = JSON.parse(body)
    return ACTIONS[action](target, rest)
  }
}
