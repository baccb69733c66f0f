/** What a whole run of the server writes while much goes wrong: enough to know it by, and no secret. */
import { randomBytes } from 'node:crypto'
import { migrate } from '@vigie/server/postgres'
import { createSigner } from 'fast-jwt'
import { io, type Socket } from 'socket.io-client'
import { expect, it } from 'vitest'
import { freshDatabase } from '../../../test/database.js'
import { VERSION } from '../src/version.js'
import { startVigie, temporaryFolder } from './vigie-process.js'

const SECRETS = {
  VIGIE_JWT_SECRET: `${randomBytes(24).toString('base64')} now`,
  VIGIE_JWT_PREVIOUS_SECRET: `${randomBytes(24).toString('base64')} before`,
}
const PASSWORD = 'of the reader: @/"1'
const USERS = ['ada-lovelace-1815', 'ben-franklin-1706', 'ida-rhodes-1900'] as const
/** The database has no letters for it, and says so with an error. */
const FOREIGN_USER = 'user-漢字-0001'
const WAIT = { timeout: 20_000 }

interface Line {
  readonly level: string
  readonly time: number
  readonly msg: string
  readonly code?: string
  readonly userId?: string
  readonly sessionId?: string
}

interface Run {
  readonly lines: readonly Line[]
  readonly output: string
  readonly tokens: readonly string[]
  /** What the audit trail says of the configuration. */
  readonly inForce: string
}

/** Lets much go wrong on a server, and gives back all that it has written. */
async function busyRun(env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const role = `reader_${randomBytes(4).toString('hex')}`
  await using folder = await temporaryFolder()
  await using database = await freshDatabase(
    `ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0`,
  )
  const { sql } = database
  await migrate(sql, { createTables: true })
  await sql.unsafe(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${PASSWORD}'`)
  const url = new URL(database.url)
  url.username = role
  url.password = encodeURIComponent(PASSWORD)
  const tokens: string[] = []
  const sign = (claims: Readonly<Record<string, unknown>>, key: string = SECRETS.VIGIE_JWT_SECRET) => {
    const token = createSigner({ key, algorithm: 'HS256' })({ ...claims })
    tokens.push(token)
    return token
  }
  const sockets: Socket[] = []
  try {
    await using vigie = startVigie(['serve'], folder.path, {
      ...{ PORT: '0', DATABASE_URL: url.href, VIGIE_LOG_LEVEL: 'debug' },
      ...SECRETS,
      ...env,
    })
    const address = await vigie.url
    const connect = (token: string) => {
      const socket = io(address, { auth: { token }, forceNew: true, reconnectionDelay: 50 })
      sockets.push(socket)
      return new Promise<Socket>((resolve) => {
        for (const event of ['connect', 'connect_error'] as const) socket.once(event, () => resolve(socket))
      })
    }
    const now = Math.floor(Date.now() / 1_000)
    const [ada, ben, ida] = USERS
    const session = await connect(sign({ sub: ada }))
    await connect(sign({ sub: ben }, SECRETS.VIGIE_JWT_PREVIOUS_SECRET))
    await connect(sign({ sub: FOREIGN_USER }))
    for (const token of [
      sign({ sub: ida, exp: now - 60 }),
      sign({ sub: ida }, 'a secret of somebody else, quite long'),
      sign({ sub: { id: ida } }),
      `${sign({ sub: ida })}${'x'.repeat(9_000)}`,
    ]) {
      await connect(token)
    }
    // Of another user, of nobody, and in a message that is none.
    for (const token of [sign({ sub: ben }), sign({ sub: ada }, 'a secret of somebody else, quite long')]) {
      await session.emitWithAck('presence:token', { token })
    }
    await session.emitWithAck('typing:start', { convId: 'elsewhere', token: sign({ sub: ada }) })
    const bearer = sign({ sub: ada })
    await fetch(`${address}/nowhere?token=${bearer}`, { headers: { Authorization: `Bearer ${bearer}` } })
    await fetch(`${address}/socket.io/?EIO=4&transport=polling&token=${bearer}`, {
      headers: { Origin: 'https://elsewhere.example', Cookie: `token=${bearer}` },
    })
    // The store goes away under those who are there and those who come.
    await sql.unsafe('ALTER TABLE group_users RENAME TO away; ALTER TABLE vigie.changes RENAME TO away')
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = ${role}`
    // It is cut without a word, so that a stock client comes back.
    void connect(sign({ sub: ida }))
    await expect
      .poll(
        async () => ((await (await fetch(`${address}/readyz`)).json()) as { reasons: string[] }).reasons,
        WAIT,
      )
      .toEqual(expect.arrayContaining(['feed_late', 'reads_failing']))
    for (const socket of sockets) socket.disconnect()
    vigie.kill('SIGTERM')
    const { stdout, stderr, code } = await vigie.ended
    expect(code).toBe(0)
    const lines = stderr.split('\n').filter((line) => line !== '')
    const [start] = await sql<[{ detail: string }]>`SELECT detail FROM vigie.trail WHERE kind = 'start'`
    return {
      lines: lines.map((line) => JSON.parse(line) as Line),
      output: stdout + stderr,
      tokens,
      inForce: start.detail,
    }
  } finally {
    for (const socket of sockets) socket.disconnect()
    await sql.unsafe(`REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP ROLE ${role}`)
  }
}

function expectNoSecrets({ output, inForce, tokens }: Run): void {
  expect(tokens.length).toBeGreaterThan(10)
  const secrets = [...tokens, ...Object.values(SECRETS), PASSWORD, encodeURIComponent(PASSWORD)]
  // Of a token its signature alone would do.
  for (const secret of [...secrets, ...tokens.map((token) => token.split('.')[2] ?? '')]) {
    for (const text of [output, inForce]) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(JSON.stringify(secret).slice(1, -1))
    }
  }
}

it('writes lines by which each refusal and failure is known, and no token, secret, password or user id', async () => {
  const run = await busyRun()
  for (const line of run.lines) {
    expect(line).toMatchObject({
      level: expect.stringMatching(/^(?:debug|info|warn|error)$/u) as string,
      time: expect.any(Number) as number,
      msg: expect.any(String) as string,
    })
  }
  expect(JSON.parse(run.inForce)).toMatchObject({
    settings: { graceMs: expect.any(Number) as number },
    host: {
      version: VERSION,
      options: { VIGIE_LOG_LEVEL: 'debug', VIGIE_JWT_SECRET: '(secret)', VIGIE_TRAIL: '1' },
    },
  })
  const refused = (sentence: string) =>
    run.lines.filter(({ msg }) => msg === sentence).map(({ code }) => code)
  expect(new Set(refused('A connection was refused.'))).toEqual(
    new Set(['token_expired', 'token_invalid', 'token_without_user', 'token_too_long', 'unavailable']),
  )
  expect(new Set(refused('A message was refused.'))).toContain('token_other_user')
  const sentences = run.lines.map(({ msg }) => msg).join('\n')
  for (const sentence of [
    'Vigie starts.',
    'An id cannot be asked for',
    'A page of another origin was refused',
    'Changes of memberships cannot be read now',
    'Memberships cannot be read now',
  ]) {
    expect(sentences).toContain(sentence)
  }
  for (const { msg, sessionId } of run.lines.filter(({ code }) => code === 'token_other_user')) {
    expect([msg, sessionId]).toEqual([msg, expect.stringMatching(/^[\w-]{20}$/u)])
  }
  expectNoSecrets(run)
  for (const userId of [...USERS, FOREIGN_USER]) expect(run.output).not.toContain(userId)
  // The lines of one user have one hash.
  const hashes = new Set(
    run.lines.flatMap(({ msg, userId }) => (msg === 'A message was refused.' && userId ? [userId] : [])),
  )
  expect([...hashes]).toEqual([expect.stringMatching(/^#[\w-]{12}$/u)])
}, 60_000)

it('names users by their ids when that is asked for, and still no secret', async () => {
  const run = await busyRun({ VIGIE_LOG_USER_IDS: 'plain' })
  expect(run.lines.some(({ userId }) => userId === USERS[0])).toBe(true)
  expect(run.lines.some(({ userId }) => userId === FOREIGN_USER)).toBe(true)
  expectNoSecrets(run)
}, 60_000)
