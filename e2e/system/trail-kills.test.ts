import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { connectClient, type TestClient } from '../support/clients.js'
import { startPostgresServer } from '../support/postgres-server.js'
import { freshSecret, serve, signToken } from '../support/serve.js'

const KILLS = 3
const TYPISTS = 10
/** Each typist's pause between two words. With it there are about a thousand facts a second. */
const TYPE_EVERY_MS = 20
const LOOK_AGAIN_MS = 50
/** A limit for what never comes. A boot is taken for dead after 30 s without a row. */
const PATIENCE_MS = 60_000
/** A fact waits 250 ms for others, then for one write: more than this was never lost on this machine, however busy. */
const LOST_MAX_MS = 5_000

const secret = freshSecret()
const ENV = {
  VIGIE_JWT_SECRET: secret,
  VIGIE_TRAIL_TYPING: '1',
  VIGIE_EVENTS_PER_SECOND: '10000',
  VIGIE_EVENTS_BURST: '100000',
  VIGIE_GRACE_MS: '2000',
}

test('three kill -9 of PostgreSQL under load: no row that was acknowledged is lost, each fact is there once, none is missing', async () => {
  await using database = await startPostgresServer()
  await using server = await serve({ env: { ...ENV, DATABASE_URL: database.url } })
  await addRows(database.url)
  const typists = await openTypists(server.url)
  try {
    for (let kill = 1; kill <= KILLS; kill++) {
      const before = (await counts(server.url)).rows
      await until('rows are written', async () => (await counts(server.url)).rows > before + 500)
      const acknowledged = (await counts(server.url)).rows
      await database.kill()
      await until('facts wait', async () => (await counts(server.url)).waiting > 300)
      await database.start()
      await until('they are written', async () => (await counts(server.url)).waiting < 200)
      const [{ found } = { found: 0 }] = await ask<{ found: number }>(
        database.url,
        'SELECT count(*)::int AS found FROM vigie.trail',
      )
      expect(found).toBeGreaterThanOrEqual(acknowledged)
    }
    const { dropped, failures } = await counts(server.url)
    expect(dropped).toBe(0)
    expect(failures).toBeGreaterThanOrEqual(KILLS)
  } finally {
    await typists.close()
  }
  expect(await server.process.kill('SIGTERM')).toBe(0)
  const boots = await readBoots(database.url)
  expect(boots).toMatchObject([{ first: 1, kinds: ['start', 'stop'] }])
  expectEachOnce(boots)
  // What was said is what is there: each typist began as often as the server acknowledged it.
  const [{ began } = { began: 0 }] = await ask<{ began: number }>(
    database.url,
    `SELECT count(*)::int AS began FROM vigie.trail WHERE kind = 'typing' AND state = 'live'`,
  )
  expect(began).toBe(typists.acknowledged())
})

test('three kill -9 of the server under load: no row that was acknowledged is lost, what was not written is bounded, and the next start says so', async () => {
  await using database = await startPostgresServer()
  let server = await serve({ env: { ...ENV, DATABASE_URL: database.url } })
  await addRows(database.url)
  const { url } = server
  const typists = await openTypists(url)
  /** Of each boot: the rows that it had been told to be written, and when it was killed. */
  const killed: { readonly acknowledged: number; readonly at: number }[] = []
  try {
    for (let kill = 1; kill <= KILLS; kill++) {
      await until('rows are written', async () => (await counts(url)).rows > 1_000)
      const acknowledged = (await counts(url)).rows
      await server.process.kill('SIGKILL')
      killed.push({ acknowledged, at: Date.now() })
      server = await serve({ env: { ...ENV, DATABASE_URL: database.url, PORT: new URL(url).port } })
    }
    await until('each death is recorded', async () => {
      const rows = await ask(database.url, `SELECT boot FROM vigie.trail WHERE kind = 'death'`)
      return rows.length === KILLS
    })
    // Nobody records a second one.
    await sleep(2_000)
  } finally {
    await typists.close()
    await server.process.kill('SIGTERM')
  }
  const boots = await readBoots(database.url)
  expect(boots).toHaveLength(KILLS + 1)
  expectEachOnce(boots)
  for (const [place, { acknowledged, at }] of killed.entries()) {
    const { rows, kinds, lastAt, deathSays } = boots[place]!
    expect(kinds).toEqual(['start', 'death'])
    expect(rows - 1).toBeGreaterThanOrEqual(acknowledged)
    expect(at - lastAt).toBeLessThan(LOST_MAX_MS)
    expect(deathSays).toBe(lastAt)
  }
  expect(boots.at(-1)?.kinds).toEqual(['start', 'stop'])
})

interface Boot {
  readonly rows: number
  readonly first: number
  readonly last: number
  /** The first and the last. */
  readonly kinds: readonly string[]
  /** Of the last row that the boot wrote itself. */
  readonly lastAt: number
  /** When it was last heard of, as its death says. */
  readonly deathSays: number | null
}

/** Each boot, in the order in which they began. */
async function readBoots(url: string): Promise<readonly Boot[]> {
  return ask<Boot & Record<string, unknown>>(
    url,
    `SELECT count(*)::int AS rows, min(position)::int AS first, max(position)::int AS last,
       ARRAY[(array_agg(kind ORDER BY position))[1], (array_agg(kind ORDER BY position DESC))[1]] AS kinds,
       (extract(epoch FROM max(at) FILTER (WHERE kind <> 'death')) * 1000)::float8 AS "lastAt",
       max(detail::json ->> 'lastAt') FILTER (WHERE kind = 'death')::float8 AS "deathSays"
     FROM vigie.trail GROUP BY boot ORDER BY min(at)`,
  )
}

/** Positions have no gap, and the primary key lets none be there twice. */
function expectEachOnce(boots: readonly Boot[]): void {
  for (const { rows, first, last } of boots) expect([first, last]).toEqual([1, rows])
}

async function addRows(url: string): Promise<void> {
  for (let n = 0; n < TYPISTS; n++)
    await ask(url, `INSERT INTO conversation_users (conversation_id, user_id) VALUES ('plan', 'u${n}')`)
}

/** People who begin and stop to type all the time, and come back by themselves. */
async function openTypists(url: string) {
  const clients = Array.from({ length: TYPISTS }, (_, n) =>
    connectClient(url, signToken(secret, `u${n}`), { auth: { deviceId: 'desk', clientId: 'a' } }),
  )
  let acknowledged = 0
  let isOver = false
  await Promise.all(
    clients.map((client) => client.until('it is there', ({ connections }) => connections > 0)),
  )
  const work = clients.map(async ({ socket }: TestClient) => {
    while (!isOver) {
      await sleep(TYPE_EVERY_MS)
      if (!socket.connected) continue
      const say = (name: string) =>
        socket
          .timeout(1_000)
          .emitWithAck(name, { convId: 'plan' })
          // The server was killed before it answered.
          .catch(() => ({ ok: false })) as Promise<{ readonly ok: boolean }>
      const began = await say('typing:start')
      if (began.ok) acknowledged++
      await say('typing:stop')
    }
  })
  return {
    acknowledged: () => acknowledged,
    async close() {
      isOver = true
      await Promise.all(work)
      for (const client of clients) client[Symbol.dispose]()
    },
  }
}

/** What the server says of its trail; zeros while it is away. */
async function counts(url: string) {
  const text = await fetch(`${url}/metrics`).then(
    (response) => response.text(),
    () => '',
  )
  const read = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'mu').exec(text)?.[1] ?? 0)
  return {
    rows: read('presence_trail_rows_total'),
    waiting: read('presence_trail_waiting'),
    dropped: read('presence_trail_dropped_total'),
    failures: read('presence_trail_write_failures_total'),
  }
}

async function ask<Row extends Record<string, unknown>>(url: string, query: string): Promise<readonly Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return (await sql.unsafe(query)) as unknown as readonly Row[]
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`${PATIENCE_MS} ms passed without: ${what}.`)
    await sleep(LOOK_AGAIN_MS)
  }
}
