import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { token as sign } from '../../packages/server/test/support/wire.js'
import { freshDatabase } from '../../test/database.js'
import { connectClient, type TestClient } from '../support/clients.js'
import { startPostgresServer } from '../support/postgres-server.js'
import { startProcess } from '../support/process.js'
import { installPythonClient, PYTHON } from '../support/python.js'
import { startRawClient, type AtCloseFrame, type RawClient } from '../support/raw-client.js'
import { freshSecret, serve, signToken } from '../support/serve.js'

/** How long after the end of its line a client comes back: Java's library waits 1 s at first. */
const RETURN_MS = 500
/** Within which it is to be back. */
const BACK_MS = 2_000
/** From the start of the raw clients to the end of their first token. */
const TOKEN_MS = 1_500
const INSTALL_TIMEOUT_MS = 300_000

const KINDS: Readonly<Record<string, AtCloseFrame>> = { oki: 'stopsReading', cyp: 'staysAway' }
const WATCHER = 'ana'

/** A server on a database in which everybody is in one group and one conversation. */
async function openHouse(env: Readonly<Record<string, string>> = {}) {
  const database = await freshDatabase()
  const secret = freshSecret()
  const settings = { DATABASE_URL: database.url, VIGIE_JWT_SECRET: secret, ...env }
  const server = await serve({ env: settings })
  const people = [WATCHER, ...Object.keys(KINDS)]
  await insertRows(database.url, people)
  return {
    secret,
    server,
    next: () => serve({ env: { ...settings, PORT: new URL(server.url).port } }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

async function insertRows(url: string, people: readonly string[]): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    for (const userId of people) {
      await sql`INSERT INTO group_users (group_id, user_id) VALUES ('team', ${userId})`
      await sql`INSERT INTO conversation_users (conversation_id, user_id) VALUES ('plan', ${userId})`
    }
  } finally {
    await sql.end()
  }
}

/** Whom the watcher was told to be offline, by any event. */
function seenLeaving({ events }: TestClient): string[] {
  return events.flatMap(({ payload }) => {
    const { userId, online } = (payload ?? {}) as { userId?: string; online?: boolean }
    return userId !== undefined && online === false && userId in KINDS ? [userId] : []
  })
}

function seesAll({ picture }: TestClient): boolean {
  return Object.keys(KINDS).every((userId) => picture.member('plan', userId)?.online === true)
}

/** How long after `since` each was let in for the second time. */
async function returns(clients: readonly RawClient[], since: number): Promise<number[]> {
  return Promise.all(clients.map(async (client) => Math.round((await client.letIn(2)) - since)))
}

test('after the end of their token, with a newer one at hand, a client like OkHttp and one like the C++ client are back within 2 s, and nobody sees them leave', async () => {
  await using house = await openHouse({ VIGIE_TOKEN_CLOCK_TOLERANCE_MS: '0' })
  const { server, secret } = house
  using ana = connectClient(server.url, signToken(secret, WATCHER))
  await ana.until('she is in', ({ connections }) => connections === 1)
  const endsAt = Date.now() + TOKEN_MS
  const clients = Object.entries(KINDS).map(([userId, atCloseFrame]) =>
    startRawClient({
      url: server.url,
      returnMs: RETURN_MS,
      atCloseFrame,
      token: () =>
        Date.now() < endsAt ? sign(userId, { exp: endsAt / 1_000 }, secret) : signToken(secret, userId),
    }),
  )
  try {
    await Promise.all(clients.map((client) => client.letIn(1)))
    await ana.until('both are there', seesAll)
    const lineEnds = await Promise.all(clients.map(({ lineEnd }) => lineEnd))
    const backMs = await returns(clients, Math.min(...lineEnds))
    console.log(`Back ${backMs.join(' and ')} ms after the end of their token.`)
    expect(Math.max(...backMs)).toBeLessThan(BACK_MS)
    expect(clients.map(({ closeFrames }) => closeFrames)).toEqual([0, 0])
    expect(await ana.ask('typing:start', { convId: 'plan' })).toEqual({ ok: true })
    expect(seenLeaving(ana)).toEqual([])
    expect(seesAll(ana)).toBe(true)
  } finally {
    for (const client of clients) client[Symbol.dispose]()
  }
})

test('after SIGTERM, with a new server on the same port, a client like OkHttp and one like the C++ client are back within 2 s, and nobody sees them leave', async () => {
  await using house = await openHouse()
  const { server, secret } = house
  using ana = connectClient(server.url, signToken(secret, WATCHER))
  const clients = Object.entries(KINDS).map(([userId, atCloseFrame]) =>
    startRawClient({
      url: server.url,
      returnMs: RETURN_MS,
      atCloseFrame,
      token: () => signToken(secret, userId),
    }),
  )
  try {
    await Promise.all(clients.map((client) => client.letIn(1)))
    await ana.until('both are there', seesAll)
    expect(await server.process.kill('SIGTERM')).toBe(0)
    await using _next = await house.next()
    const backMs = await returns(clients, performance.now())
    console.log(`Back ${backMs.join(' and ')} ms after the next server was there.`)
    expect(Math.max(...backMs)).toBeLessThan(BACK_MS)
    expect(clients.map(({ closeFrames }) => closeFrames)).toEqual([0, 0])
    await ana.until('she sees both again', (client) => client.connections === 2 && seesAll(client))
    expect(seenLeaving(ana)).toEqual([])
  } finally {
    for (const client of clients) client[Symbol.dispose]()
  }
})

const IDLE_LINES = 1_000
/** Waiting for close handshakes, the drain took more than 2 s. */
const DRAIN_MAX_MS = 1_000

test('a drain of 1,000 idle lines waits for none of their clients', async () => {
  await using house = await openHouse()
  const { server, secret } = house
  const clients = Array.from({ length: IDLE_LINES }, (_, i) =>
    startRawClient({
      url: server.url,
      returnMs: 3_600_000,
      atCloseFrame: 'saysNothing',
      token: () => signToken(secret, `idle-${i}`),
    }),
  )
  try {
    await Promise.all(clients.map((client) => client.letIn(1)))
    const from = performance.now()
    const lineEnds = Promise.all(clients.map(({ lineEnd }) => lineEnd))
    const exit = await server.process.kill('SIGTERM')
    const exitMs = Math.round(performance.now() - from)
    const linesMs = Math.round(Math.max(...(await lineEnds)) - from)
    console.log(
      `After SIGTERM ${IDLE_LINES} lines had ended within ${linesMs} ms, the process within ${exitMs} ms.`,
    )
    expect(exit).toBe(0)
    expect(linesMs).toBeLessThan(DRAIN_MAX_MS)
    expect(clients.reduce((sum, { closeFrames }) => sum + closeFrames, 0)).toBe(0)
  } finally {
    for (const client of clients) client[Symbol.dispose]()
  }
})

const FULL_S = 4
/** Held a second each, with jitter, and the start of Python on top: a handful. Refused at once there are hundreds. */
const ATTEMPTS_MAX = 10

test(
  'while a server is full, clients without a back-off make a handful of connections in 4 s',
  async () => {
    await installPythonClient()
    await using database = await startPostgresServer()
    const secret = freshSecret()
    await using server = await serve({
      env: {
        DATABASE_URL: database.url,
        VIGIE_JWT_SECRET: secret,
        VIGIE_ADMITTING_MAX: '1',
        VIGIE_PENDING_MAX: '1',
      },
    })
    // Who comes first waits for the database, and nobody else may wait beside them.
    await database.pause()
    const come = (userId: string) =>
      startRawClient({
        url: server.url,
        returnMs: 0,
        atCloseFrame: 'comesBack',
        token: () => signToken(secret, userId),
      })
    using _first = come('ana')
    using rust = come('rusty')
    const script = fileURLToPath(new URL('../support/python-impatient.py', import.meta.url))
    await using python = startProcess([script, server.url, signToken(secret, 'pya'), String(FULL_S)], {
      command: PYTHON,
      env: { PYTHONUNBUFFERED: '1', PYTHONPATH: undefined, PYTHONHOME: undefined },
    })
    const [, attempts] = await python.waitForLine(/"attempts", "data": (\d+)/u)
    console.log(`In ${FULL_S} s Python connected ${attempts} times, a raw client ${rust.attempts} times.`)
    expect(Number(attempts)).toBeGreaterThan(1)
    expect(Number(attempts)).toBeLessThanOrEqual(ATTEMPTS_MAX)
    expect(rust.attempts).toBeGreaterThan(1)
    expect(rust.attempts).toBeLessThanOrEqual(ATTEMPTS_MAX)
    expect(rust.sessions).toBe(0)
  },
  INSTALL_TIMEOUT_MS,
)
