/**
 * The promise of the change feed: a row that goes takes people out of each other's sight within a second where
 * PostgreSQL can tell, at the next look at the tables (`feedCheckMs`) where only its catalog shows it, and by the slow
 * re-read (`rereadMs`) where nothing does. Each way on real servers, with a host that also sends messages of its own.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import {
  connect as connectTcp,
  createServer as createTcpServer,
  type AddressInfo,
  type Socket,
} from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { Server } from 'socket.io'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attachPresence } from '@vigie/server'
import { migrate, postgresMemberships, type MembershipTables } from '@vigie/server/postgres'
import { connectClient } from '../support/clients.js'
import { clusterKinds, type Cluster } from '../support/postgres-clusters.js'
import { startProcess } from '../support/process.js'
import { freshSecret, serve, signToken, withoutOwnSettings } from '../support/serve.js'

/** Where a way is found, and how long that may take after the commit. */
const FOUND = {
  /** The feed's poll and a read. */
  heard: { limitMs: 1_000, feedCheckMs: 0, rereadMs: 0 },
  look: { limitMs: 2_000, feedCheckMs: 1_000, rereadMs: 0 },
  reread: { limitMs: 4_000, feedCheckMs: 0, rereadMs: 3_000 },
} as const

interface Way {
  readonly title: string
  readonly found: keyof typeof FOUND
  /** Statements that make `members` and what belongs to it; the two people are in it. */
  readonly schema?: string
  readonly tables?: MembershipTables
  /** Ben's row goes. */
  readonly change: string
  readonly warning?: RegExp
  /** Said when the host starts. */
  readonly atStart?: RegExp
  /** How his row comes back, and is heard. */
  readonly back?: string
}

const ROWS = `('plan', 'ann'), ('plan', 'ben')`
const PLAIN = `CREATE TABLE members (room text, person text, PRIMARY KEY (room, person)); INSERT INTO members VALUES ${ROWS}`
const PARTITIONED = `CREATE TABLE members (room text, person text) PARTITION BY LIST (person);
  CREATE TABLE members_ben PARTITION OF members FOR VALUES IN ('ben');
  CREATE TABLE members_rest PARTITION OF members DEFAULT; INSERT INTO members VALUES ${ROWS}`
const GONE = `DELETE FROM members WHERE person = 'ben'`
const TABLES: MembershipTables = {
  groups: false,
  conversations: { table: 'members', conversationColumn: 'room', userColumn: 'person' },
}
const BACK = `INSERT INTO members VALUES ('plan', 'ben')`

const WAYS: readonly Way[] = [
  {
    title: 'a partition is deleted from',
    found: 'heard',
    schema: PARTITIONED,
    change: 'DELETE FROM members_ben',
  },
  { title: 'a partition is truncated', found: 'heard', schema: PARTITIONED, change: 'TRUNCATE members_ben' },
  {
    title: 'session_replication_role is replica',
    found: 'heard',
    change: `SET session_replication_role = replica; ${GONE}; RESET session_replication_role`,
  },
  {
    title: 'a partition is dropped',
    found: 'look',
    schema: PARTITIONED,
    change: 'DROP TABLE members_ben',
    warning: /^Rows of the table members may have changed unheard: its partitions were exchanged/,
  },
  {
    title: 'a partition is detached',
    found: 'look',
    schema: PARTITIONED,
    change: 'ALTER TABLE members DETACH PARTITION members_ben',
    warning: /^Rows of the table members may have changed unheard: its partitions were exchanged/,
  },
  {
    title: 'triggers are disabled and enabled around a load, as a restore does',
    found: 'look',
    change: `ALTER TABLE members DISABLE TRIGGER ALL; ${GONE}; ALTER TABLE members ENABLE TRIGGER ALL`,
    warning: /table members .* trigger vigie_conversation_delete .*does not fire for replicated rows/,
  },
  {
    title: 'triggers stay disabled',
    found: 'look',
    change: `ALTER TABLE members DISABLE TRIGGER ALL; ${GONE}`,
    warning: /table members .* trigger vigie_conversation_delete of public.members is disabled/,
  },
  {
    title: 'the table is swapped by a rename',
    found: 'look',
    change: `BEGIN; CREATE TABLE members_new (LIKE members); INSERT INTO members_new VALUES ('plan', 'ann');
      ALTER TABLE members RENAME TO members_old; ALTER TABLE members_new RENAME TO members; COMMIT`,
    warning: /^Rows of the table members may have changed unheard: another table has its name now/,
  },
  {
    title: 'a materialized view is refreshed',
    found: 'look',
    schema: `CREATE TABLE base (room text, person text); INSERT INTO base VALUES ${ROWS};
      CREATE MATERIALIZED VIEW members AS SELECT * FROM base`,
    change: `DELETE FROM base WHERE person = 'ben'; REFRESH MATERIALIZED VIEW members`,
    atStart: /^Changes of the table members may not be heard: it is a materialized view/,
    back: `INSERT INTO base VALUES ('plan', 'ben'); REFRESH MATERIALIZED VIEW members`,
  },
  {
    title: 'a query has a time in it',
    found: 'reread',
    schema: `CREATE TABLE members (room text, person text, until timestamptz);
      INSERT INTO members VALUES ('plan', 'ann', 'infinity'), ('plan', 'ben', 'infinity')`,
    tables: {
      groups: false,
      conversations: {
        table: 'members',
        conversationColumn: 'room',
        userColumn: 'person',
        query: 'SELECT * FROM members WHERE until > clock_timestamp()',
        watchColumns: [],
      },
    },
    change: `UPDATE members SET until = now() WHERE person = 'ben'`,
    back: `INSERT INTO members VALUES ('plan', 'ben', 'infinity')`,
  },
  {
    title: 'it is a view',
    found: 'reread',
    schema: `CREATE TABLE base (room text, person text); INSERT INTO base VALUES ${ROWS}; CREATE VIEW members AS SELECT * FROM base`,
    change: `DELETE FROM base WHERE person = 'ben'`,
    atStart:
      /^Changes of the table members may not be heard: it is a view\. They are found by the slow re-read/,
  },
  {
    title: 'it is a foreign table',
    found: 'reread',
    schema: `CREATE TABLE base (room text, person text); INSERT INTO base VALUES ${ROWS}; CREATE EXTENSION postgres_fdw;
      CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '<host>', port '<port>', dbname '<database>');
      CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'postgres', password '<password>', password_required 'false');
      CREATE FOREIGN TABLE members (room text, person text) SERVER far OPTIONS (table_name 'base')`,
    change: `DELETE FROM base WHERE person = 'ben'`,
    atStart:
      /^Changes of the table members may not be heard: it is a foreign table\. They are found by the slow re-read/,
  },
]

const took: string[] = []

describe.each(clusterKinds())('on $name', ({ name, hasStandby, start }) => {
  let cluster: Cluster
  let admin: postgres.Sql
  let databases = 0
  beforeAll(async () => {
    cluster = await start()
    admin = connect(cluster.url)
  })
  afterAll(async () => {
    await admin.end()
    await cluster[Symbol.asyncDispose]()
    console.info(`From the commit until it was told, on ${name}:\n${took.splice(0).join('\n')}`)
  })

  async function newDatabase(): Promise<string> {
    const url = new URL(cluster.url)
    url.pathname = `feed_${++databases}`
    await admin.unsafe(`CREATE DATABASE ${url.pathname.slice(1)}`)
    return url.href
  }

  test.each(WAYS)(
    'when $title, Ben is out of sight in time, no message reaches him, and the log says why',
    async (way) => {
      const url = await newDatabase()
      await using host = await startHost(url, way)
      const { limitMs } = FOUND[way.found]
      expect(host.warnings).toEqual(way.atStart ? [expect.stringMatching(way.atStart)] : [])
      // The few who are here are due at the beginning of each period: this change just misses them.
      if (way.found === 'reread') await sleep(FOUND.reread.rereadMs / 6)
      const tookMs = await host.lose(() => host.sql.unsafe(way.change))
      took.push(`  ${way.found.padEnd(6)} ${String(tookMs).padStart(5)} ms  ${way.title}`)
      expect(tookMs).toBeLessThan(limitMs)
      if (way.warning) await expect.poll(() => host.warnings).toEqual([expect.stringMatching(way.warning)])
      // Whatever it was, what comes after it is followed.
      await host.sql.unsafe(way.back ?? BACK.replace('members', way.atStart ? 'base' : 'members'))
      await host.seen()
      expect(host.warnings).toHaveLength(way.warning || way.atStart ? 1 : 0)
    },
  )

  test('when rows arrive by logical replication, Ben is out of sight within a second', async () => {
    const [publisherUrl, url] = [await newDatabase(), await newDatabase()]
    await using publisher = connect(publisherUrl)
    await publisher.unsafe(`${PLAIN}; CREATE PUBLICATION rows FOR TABLE members`)
    await publisher.unsafe(`SELECT pg_create_logical_replication_slot('rows_${databases}', 'pgoutput')`)
    const from = new URL(publisherUrl)
    const source = `host=${from.hostname} port=${from.port} dbname=${from.pathname.slice(1)} user=postgres password=${from.password || 'none'}`
    await using host = await startHost(url, {
      found: 'heard',
      schema: `CREATE TABLE members (room text, person text, PRIMARY KEY (room, person))`,
      prepare: async (sql) => {
        await sql.unsafe(
          `CREATE SUBSCRIPTION rows CONNECTION '${source}' PUBLICATION rows WITH (create_slot = false, slot_name = 'rows_${databases}')`,
        )
        await expect.poll(async () => (await sql`SELECT FROM members`).length, { timeout: 30_000 }).toBe(2)
      },
    })
    const tookMs = await host.lose(() => publisher.unsafe(GONE))
    took.push(`  heard  ${String(tookMs).padStart(5)} ms  rows arrive by logical replication`)
    expect(tookMs).toBeLessThan(FOUND.heard.limitMs)
    await publisher.unsafe(BACK)
    await host.seen()
    expect(host.warnings).toEqual([])
    await host.sql.unsafe('ALTER SUBSCRIPTION rows DISABLE')
  })

  test('row level security that hides rows from the reader stops `vigie serve` with a sentence, and is not taken for empty rooms later', async () => {
    const url = await newDatabase()
    const reader = `reader_${databases}`
    await using owner = connect(url)
    await owner.unsafe(`CREATE TABLE conversation_users (conversation_id text, user_id text);
      INSERT INTO conversation_users VALUES ${ROWS}`)
    await migrate(owner, { groups: false })
    await owner.unsafe(`CREATE ROLE ${reader} LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA vigie TO ${reader};
      GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${reader}; GRANT ALL ON ALL TABLES IN SCHEMA vigie TO ${reader}`)
    const readerUrl = new URL(url)
    readerUrl.username = reader
    readerUrl.password = 'reader'
    const secret = freshSecret()
    const env = {
      DATABASE_URL: readerUrl.href,
      VIGIE_JWT_SECRET: secret,
      VIGIE_GROUPS: '0',
      VIGIE_MIGRATE: '0',
      VIGIE_FEED_CHECK_MS: '200',
      VIGIE_REREAD_MS: '1000',
    }
    {
      await using server = await serve({ env })
      using ann = connectClient(server.url, signToken(secret, 'ann'))
      using ben = connectClient(server.url, signToken(secret, 'ben'))
      await ann.until('Ann sees Ben', ({ picture }) => picture.member('plan', 'ben')?.online === true)
      await ben.until('Ben sees Ann', ({ picture }) => picture.member('plan', 'ann')?.online === true)
      await owner`ALTER TABLE conversation_users ENABLE ROW LEVEL SECURITY`
      await server.process.waitForLine(/Row level security hides rows of conversation_users/)
      // Two periods of the re-read: the rows that are hidden now would say that nobody is in the conversation.
      await owner`SELECT pg_sleep(2)`
      expect(await ann.ask('typing:start', { convId: 'plan' })).toEqual({ ok: true })
      await ben.until('Ann types', ({ picture }) => picture.typists('plan').includes('ann'))
      expect(ann.picture.member('plan', 'ben')?.online).toBe(true)
    }
    await using refused = startProcess(['apps/vigie/bin/vigie.js', 'serve'], {
      env: { ...withoutOwnSettings(), PORT: '0', ...env },
    })
    expect(await refused.ended).toBe(1)
    expect(refused.lines.join('\n')).toMatch(
      /^vigie: Row level security hides rows of conversation_users from the role reader_\d+ .*BYPASSRLS/m,
    )
  })

  if (hasStandby) {
    test('a standby is refused at the start, and one that a pooler puts in its place later is named by a warning', async () => {
      const url = await newDatabase()
      await using owner = connect(url)
      await owner.unsafe(PLAIN)
      await migrate(owner, TABLES)
      const standby = await cluster.startStandby?.()
      const standbyUrl = new URL(standby?.url ?? '')
      standbyUrl.pathname = new URL(url).pathname
      const follower = connect(standby?.url ?? '')
      await expect
        .poll(() => follower`SELECT FROM pg_database WHERE datname = ${new URL(url).pathname.slice(1)}`, {
          timeout: 30_000,
        })
        .toHaveLength(1)
      await follower.end()
      const refused = postgresMemberships({ sql: standbyUrl.href, ...TABLES })
      await expect(refused.open(() => {})).rejects.toThrow(
        'This PostgreSQL is a standby; the change feed must be read from the primary.',
      )
      await refused.close()

      await using pooler = await startPooler(url)
      const lines: string[] = []
      const write = (message: string) => lines.push(message)
      const log = { debug() {}, info: write, warn: write, error: write }
      const memberships = postgresMemberships({ sql: pooler.url, feedCheckMs: 100, log, ...TABLES })
      await memberships.open(() => {})
      pooler.switchTo(standbyUrl.href)
      await expect
        .poll(() => lines, { timeout: 10_000 })
        .toContainEqual(expect.stringMatching(/^A standby of PostgreSQL answers/))
      pooler.switchTo(url)
      await expect
        .poll(() => lines, { timeout: 10_000 })
        .toContain('The primary server of PostgreSQL answers again.')
      expect(lines.filter((line) => line.startsWith('A standby'))).toHaveLength(1)
      await memberships.close()
    })
  }

  test('a URL as hosters write it starts `vigie serve` in the schema that it names, and one with an unknown parameter is refused by its name', async () => {
    const url = await newDatabase()
    await using owner = connect(url)
    await owner.unsafe(`CREATE SCHEMA chat; CREATE TABLE chat.conversation_users (conversation_id text, user_id text);
      INSERT INTO chat.conversation_users VALUES ${ROWS}`)
    const secret = freshSecret()
    const env = { VIGIE_JWT_SECRET: secret, VIGIE_GROUPS: '0' }
    const query =
      'schema=chat&pgbouncer=true&connection_limit=5&channel_binding=prefer&gssencmode=disable&keepalives=1'
    await using server = await serve({ env: { ...env, DATABASE_URL: `${url}?${query}` } })
    using ann = connectClient(server.url, signToken(secret, 'ann'))
    using ben = connectClient(server.url, signToken(secret, 'ben'))
    await ann.until('Ann sees Ben', ({ picture }) => picture.member('plan', 'ben')?.online === true)
    await owner`DELETE FROM chat.conversation_users WHERE user_id = 'ben'`
    await ann.until('Ben is gone', ({ picture }) => picture.member('plan', 'ben')?.online === false)
    expect(ben.connections).toBe(1)
    for (const [parameter, named] of [
      ['nonsense=1', 'does not know the parameter `nonsense` of DATABASE_URL'],
      ['channel_binding=require', 'DATABASE_URL has `channel_binding=require`, which cannot be honoured'],
    ] as const) {
      await using refused = startProcess(['apps/vigie/bin/vigie.js', 'serve'], {
        env: { ...withoutOwnSettings(), PORT: '0', ...env, DATABASE_URL: `${url}?${parameter}` },
      })
      expect(await refused.ended).toBe(1)
      expect(refused.lines.join('\n')).toContain(named)
    }
  })
})

interface HostSetting extends Pick<Way, 'found' | 'schema' | 'tables'> {
  /** After `migrate`, before the host starts. */
  readonly prepare?: (sql: postgres.Sql) => Promise<void>
}

/** A host with presence in this process, and Ann and Ben, who are in the conversation `plan`. */
async function startHost(url: string, { found, schema = PLAIN, tables = TABLES, prepare }: HostSetting) {
  const sql = connect(url)
  const place = new URL(url)
  const filled = {
    host: place.hostname,
    port: place.port,
    database: place.pathname.slice(1),
    password: place.password,
  }
  await sql.unsafe(schema.replace(/<(\w+)>/g, (_, name: keyof typeof filled) => filled[name] || 'none'))
  await migrate(sql, tables)
  await prepare?.(sql)
  const warnings: string[] = []
  const log = {
    debug() {},
    info() {},
    warn: (message: string) => warnings.push(message),
    error: console.error,
  }
  const { feedCheckMs, rereadMs } = FOUND[found]
  const http = createServer()
  const io = new Server(http)
  const secret = freshSecret()
  const presence = attachPresence(io, {
    auth: { secret },
    memberships: postgresMemberships({ sql: url, feedCheckMs, log, ...tables }),
    rereadMs,
    log,
  })
  await presence.ready
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const address = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const ann = connectClient(address, signToken(secret, 'ann'))
  const ben = connectClient(address, signToken(secret, 'ben'))
  const seen = async () => {
    await ann.until('Ann sees Ben', ({ picture }) => picture.member('plan', 'ben')?.online === true)
    await ben.until('Ben sees Ann', ({ picture }) => picture.member('plan', 'ann')?.online === true)
  }
  await seen()

  return {
    sql,
    warnings,
    /** Both see each other (again). */
    seen,
    /** Milliseconds from the commit until both are out of each other's sight, and no message reaches Ben. */
    async lose(change: () => Promise<unknown>): Promise<number> {
      await change()
      const at = performance.now()
      await ann.until('Ben is gone', ({ picture }) => picture.member('plan', 'ben')?.online === false)
      await ben.until('Ann is gone', ({ picture }) => picture.member('plan', 'ann')?.online === false)
      const tookMs = Math.round(performance.now() - at)
      io.to('conv:plan').emit('message', 'only for members')
      io.to('user:ben').emit('fence')
      await ann.until('Ann has the message', (client) => client.named('message').length > 0)
      await ben.until('Ben has what came after it', (client) => client.named('fence').length > 0)
      expect(ben.named('message')).toEqual([])
      return tookMs
    },
    async [Symbol.asyncDispose]() {
      for (const client of [ann, ben]) client[Symbol.dispose]()
      await presence.close()
      await io.close()
      await sql.end({ timeout: 1 })
    },
  }
}

/** Where a pooler listens that sends everybody to one server, and to another one when it is told. */
async function startPooler(url: string) {
  let target = new URL(url)
  const sockets = new Set<Socket>()
  const pooler = createTcpServer((near) => {
    const far = connectTcp(Number(target.port), target.hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  pooler.listen(0, '127.0.0.1')
  await once(pooler, 'listening')
  const own = new URL(url)
  own.port = String((pooler.address() as AddressInfo).port)
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: own.href,
    switchTo(other: string) {
      target = new URL(other)
      cut()
    },
    async [Symbol.asyncDispose]() {
      pooler.close()
      cut()
      await once(pooler, 'close')
    },
  }
}

/** One connection, so that what a session sets holds for its next statement. Disposing ends it. */
function connect(url: string): postgres.Sql & AsyncDisposable {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  return Object.assign(sql, { [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) })
}
