/** `vigie doctor` on real PostgreSQL, PgBouncer and HAProxy: each misconfiguration that is planted, and none that is not. */
import { randomBytes } from 'node:crypto'
import { migrate } from '@vigie/server/postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../test/database.js'
import { freePort } from '../support/free-port.js'
import { startHaproxy, type HaproxyOptions } from '../support/haproxy.js'
import { startPgBouncer } from '../support/pgbouncer.js'
import { startProcess } from '../support/process.js'
import { freshSecret, serve, withoutOwnSettings, type Serving } from '../support/serve.js'

const SECRET = freshSecret()
const ORIGIN = 'https://chat.example.org'

/** A chat's database that is right: its tables have indexes and triggers, and Vigie comes with a role of its own. */
interface ChatDatabase extends AsyncDisposable {
  readonly sql: TestDatabase['sql']
  /** Of Vigie's role. */
  readonly url: string
  readonly ownerUrl: string
  readonly role: string
}

async function chatDatabase(): Promise<ChatDatabase> {
  const database = await freshDatabase()
  const { sql } = database
  const role = `reader_${randomBytes(4).toString('hex')}`
  await sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'of-the-reader'`)
  await migrate(sql, { createTables: true, trail: { writer: role } })
  await sql.unsafe(`
    GRANT SELECT ON group_users, conversation_users TO ${role};
    GRANT SELECT ON vigie.migrations TO ${role};
    GRANT SELECT, UPDATE, DELETE ON vigie.changes TO ${role}`)
  const url = new URL(database.url)
  url.username = role
  url.password = 'of-the-reader'
  return {
    sql,
    url: url.href,
    ownerUrl: database.url,
    role,
    async [Symbol.asyncDispose]() {
      await sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      await database[Symbol.asyncDispose]()
    },
  }
}

interface Examination {
  readonly exitCode: number | NodeJS.Signals
  readonly codes: readonly string[]
  readonly text: string
}

type Env = Readonly<Record<string, string>>

async function doctor(env: Env, words: readonly string[] = []): Promise<Examination> {
  await using child = startProcess(['apps/vigie/bin/vigie.js', 'doctor', '--json', ...words], {
    env: { ...withoutOwnSettings(), ...env },
  })
  const exitCode = await child.ended
  const text = child.lines.join('\n')
  const { findings } = JSON.parse(text) as { findings: readonly { code: string }[] }
  return { exitCode, codes: findings.map(({ code }) => code), text }
}

const envOf = ({ url }: Pick<ChatDatabase, 'url'>): Env => ({ DATABASE_URL: url, VIGIE_JWT_SECRET: SECRET })

test('finds nothing in a right configuration on a right database', async () => {
  await using database = await chatDatabase()
  expect(await doctor(envOf(database))).toMatchObject({ exitCode: 0, codes: [] })
})

describe('in the database it finds', () => {
  test.each<[code: string, plant: (database: ChatDatabase) => Promise<unknown>, env?: Env]>([
    ['table_missing', async () => undefined, { VIGIE_GROUPS_TABLE: 'chat.members' }],
    ['column_missing', async () => undefined, { VIGIE_GROUPS_USER_COLUMN: 'person' }],
    ['schema_missing', ({ sql }) => sql`DROP SCHEMA vigie CASCADE`],
    ['schema_old', ({ sql }) => sql`DROP FUNCTION vigie.look`],
    ['triggers_missing', ({ sql }) => sql`DROP TRIGGER vigie_group_insert ON group_users`],
    [
      'triggers_disabled',
      ({ sql }) => sql`ALTER TABLE conversation_users DISABLE TRIGGER vigie_conversation_delete`,
    ],
    [
      'triggers_not_for_replicas',
      ({ sql }) => sql`ALTER TABLE conversation_users ENABLE TRIGGER vigie_conversation_delete`,
    ],
    [
      'triggers_for_other_columns',
      ({ sql }) =>
        sql.unsafe(`ALTER TABLE group_users ADD COLUMN other text;
          SELECT vigie.watch_memberships('group_users', 'group', 'group_id', 'other', '{}')`),
    ],
    [
      'partition_unheard',
      ({ sql, role }) =>
        sql.unsafe(`CREATE TABLE members (group_id text, user_id text) PARTITION BY HASH (group_id);
          CREATE INDEX ON members (group_id); CREATE INDEX ON members (user_id);
          CREATE TABLE members_0 PARTITION OF members FOR VALUES WITH (MODULUS 1, REMAINDER 0);
          GRANT SELECT ON members TO ${role};
          SELECT vigie.watch_memberships('members', 'group', 'group_id', 'user_id', '{}');
          DROP TRIGGER vigie_group_insert ON members_0`),
      { VIGIE_GROUPS_TABLE: 'members' },
    ],
    [
      'table_is_unheard',
      ({ sql, role }) =>
        sql.unsafe(`CREATE VIEW members AS SELECT * FROM group_users; GRANT SELECT ON members TO ${role}`),
      { VIGIE_GROUPS_TABLE: 'members' },
    ],
    ['index_missing', ({ sql }) => sql`DROP INDEX group_users_user_id_idx`],
    ['column_type_slow', ({ sql }) => sql`ALTER TABLE group_users ALTER COLUMN user_id TYPE char(40)`],
    ['table_unreadable', ({ sql, role }) => sql.unsafe(`REVOKE SELECT ON group_users FROM ${role}`)],
    ['rights_missing', ({ sql, role }) => sql.unsafe(`REVOKE DELETE ON vigie.changes FROM ${role}`)],
    ['rights_missing', ({ sql, role }) => sql.unsafe(`REVOKE USAGE ON SCHEMA vigie FROM ${role}`)],
    ['rows_hidden', ({ sql }) => sql`ALTER TABLE group_users ENABLE ROW LEVEL SECURITY`],
    ['connections_few', ({ sql, role }) => sql.unsafe(`ALTER ROLE ${role} CONNECTION LIMIT 9`)],
  ])('%s', async (code, plant, env = {}) => {
    await using database = await chatDatabase()
    await plant(database)
    const { codes, exitCode, text } = await doctor({ ...envOf(database), ...env })
    expect(codes, text).toEqual([code])
    expect(exitCode).toBe(1)
  })

  test('triggers_break_statements, once a table has a foreign partition, until `vigie migrate` has run', async () => {
    await using database = await chatDatabase()
    const { sql, role, ownerUrl } = database
    const { hostname, port, pathname, username, password } = new URL(ownerUrl)
    await sql.unsafe(`CREATE TABLE members (group_id text, user_id text) PARTITION BY LIST (group_id);
      CREATE INDEX ON members (group_id); CREATE INDEX ON members (user_id);
      CREATE TABLE members_near PARTITION OF members FOR VALUES IN ('near');
      SELECT vigie.watch_memberships('members', 'group', 'group_id', 'user_id', '{}');
      CREATE TABLE elsewhere (group_id, user_id) AS VALUES ('far', 'ann');
      CREATE EXTENSION postgres_fdw;
      CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
        OPTIONS (host '${hostname}', port '${port}', dbname '${pathname.slice(1)}');
      CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user '${username}', password '${password}');
      CREATE FOREIGN TABLE members_far PARTITION OF members FOR VALUES IN ('far') SERVER far OPTIONS (table_name 'elsewhere');
      GRANT SELECT ON members TO ${role}`)
    await expect(sql`DELETE FROM members`).rejects.toThrow('child foreign tables')
    const env = { ...envOf(database), VIGIE_GROUPS_TABLE: 'members' }
    const { codes, exitCode, text } = await doctor(env)
    // The trigger for rows has to fire in every session now, and does so for replicated rows only.
    expect(codes, text).toEqual(['triggers_break_statements', 'triggers_not_for_replicas'])
    expect(exitCode).toBe(1)
    await migrate(sql, { groups: { table: 'members' } })
    await sql`DELETE FROM members`
    expect(await doctor(env)).toMatchObject({ exitCode: 0, codes: [] })
  })

  test('database_unreachable', async () => {
    const url = `postgres://reader@127.0.0.1:${await freePort()}/chat`
    expect(await doctor(envOf({ url }))).toMatchObject({ exitCode: 1, codes: ['database_unreachable'] })
  })
})

describe('behind a PgBouncer in transaction mode', () => {
  test('finds nothing, and the server there is well, however often it is asked', async () => {
    await using database = await chatDatabase()
    await using pooler = await startPgBouncer(database.url)
    const env = envOf({ url: pooler.url })
    expect(await doctor(env)).toMatchObject({ exitCode: 0, codes: [] })
    await using server = await serve({ env })
    for (let n = 0; n < 20; n++) {
      const answers = await Promise.all([fetch(`${server.url}/healthz`), fetch(`${server.url}/readyz`)])
      expect(answers.map(({ status }) => status)).toEqual([200, 200])
    }
  })

  test('finds pooler_drops_schema when the address asks for a schema', async () => {
    await using database = await chatDatabase()
    await using pooler = await startPgBouncer(database.url)
    const direct = { url: `${database.url}?schema=public` }
    expect(await doctor(envOf(direct))).toMatchObject({ exitCode: 0, codes: [] })
    const { codes, exitCode } = await doctor(envOf({ url: `${pooler.url}?schema=public` }))
    expect([codes, exitCode]).toEqual([['pooler_drops_schema'], 1])
  })
})

describe('in the configuration it finds', () => {
  let database: ChatDatabase
  beforeAll(async () => {
    database = await chatDatabase()
  })
  afterAll(() => database[Symbol.asyncDispose]())

  test.each<[code: string, env: Env]>([
    ['secret_weak', { VIGIE_JWT_SECRET: 'too-short-for-a-secret' }],
    ['secret_unreadable', { VIGIE_JWT_SECRET: '', VIGIE_JWT_SECRET_FILE: '/nowhere/secret' }],
    ['tokens_unchecked', { VIGIE_JWT_SECRET: '' }],
    ['variable_unknown', { VIGIE_GRACE_MSS: '3000' }],
    ['configuration_refused', { VIGIE_GRACE_MS: 'long' }],
    ['database_unnamed', { DATABASE_URL: '' }],
    ['redis_without_effect', { REDIS_URL: 'redis://127.0.0.1:6379' }],
    ['keys_unreachable', { VIGIE_JWT_SECRET: '', VIGIE_JWKS_URL: 'http://127.0.0.1:1/keys' }],
  ])('%s', async (code, env) => {
    const { codes, exitCode, text } = await doctor({ ...envOf(database), ...env })
    expect(codes, text).toEqual([code])
    expect(exitCode).toBe(1)
  })
})

describe('from outside, through HAProxy in front of two servers,', () => {
  let database: ChatDatabase
  let servers: readonly Serving[] = []
  let env: Env

  beforeAll(async () => {
    database = await chatDatabase()
    env = {
      ...envOf(database),
      VIGIE_CORS_ORIGINS: ORIGIN,
      VIGIE_PING_INTERVAL_MS: '1500',
      VIGIE_PING_TIMEOUT_MS: '1000',
    }
    servers = [await serve({ env }), await serve({ env })]
  })
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  async function through(options: Omit<HaproxyOptions, 'targets'> = {}): Promise<Examination> {
    await using proxy = await startHaproxy({ targets: servers.map(({ url }) => url), ...options })
    return await doctor(env, ['--url', proxy.url])
  }

  test('finds nothing when all is right', async () => {
    expect(await through()).toMatchObject({ exitCode: 0, codes: [] })
  })

  test.each<[code: string, options: Omit<HaproxyOptions, 'targets'>]>([
    ['no_upgrade', { rules: ['http-request del-header Upgrade'] }],
    ['not_sticky', { isSticky: false }],
    ['idle_cut', { tunnelTimeout: '400ms' }],
    ['poll_cut', { serverTimeout: '400ms' }],
    ['host_not_passed', { rules: ['http-request set-header Host inside:8080'] }],
    ['origin_not_passed', { rules: ['http-request del-header Origin'] }],
    ['cors_doubled', { rules: ['http-response add-header Access-Control-Allow-Origin *'] }],
    ['cors_replaced', { rules: ['http-response set-header Access-Control-Allow-Origin *'] }],
    // Whoever comes from this machine seems to be a program of it.
    ['address_not_passed and monitoring_open', { saysAddress: false }],
    [
      'monitoring_open',
      {
        saysAddress: false,
        rules: ['http-request set-header X-Forwarded-For %[src] unless { path /metrics }'],
      },
    ],
    [
      'monitoring_open',
      {
        saysAddress: false,
        // What is asked for by the name that clients use is not for this machine; what names this machine is.
        rules: [
          'http-request set-header X-Forwarded-For %[src] unless { path /metrics }',
          'http-request set-header Host chat.example.org if { path /metrics } !{ req.hdr(Host) localhost }',
        ],
      },
    ],
    [
      'address_forgeable',
      {
        saysAddress: false,
        rules: [
          'http-request set-header X-Forwarded-For %[src] unless { req.hdr(X-Forwarded-For) -m found }',
        ],
      },
    ],
    ['path_not_served', { rules: ['http-request set-path /chat%[path]'] }],
  ])('finds %s', async (code, options) => {
    const { codes, exitCode, text } = await through(options)
    expect(codes, text).toEqual(code.split(' and '))
    expect(exitCode).toBe(1)
  })

  test.each(['http-request deny if { path /metrics }', 'http-request reject if { path_beg /metrics /v1 }'])(
    'finds nothing when the proxy keeps monitoring to itself: %s',
    async (rule) => {
      const rules = ['http-request set-header X-Forwarded-For %[src] unless { path /metrics }', rule]
      expect(await through({ saysAddress: false, rules })).toMatchObject({ exitCode: 0, codes: [] })
    },
  )

  test('finds nothing about monitoring without a proxy, where it is open to this machine', async () => {
    const [{ url } = { url: '' }] = servers
    expect((await fetch(`${url}/metrics`)).status).toBe(200)
    expect(await doctor(env, ['--url', url])).toMatchObject({ exitCode: 0, codes: [] })
  })

  test('finds unencrypted: an address that is not of this machine by its name', async () => {
    await using proxy = await startHaproxy({ targets: servers.map(({ url }) => url) })
    // It leads here, and nothing in it says so.
    const { codes, exitCode, text } = await doctor(env, ['--url', proxy.url.replace('127.0.0.1', '0.0.0.0')])
    expect(codes, text).toEqual(['unencrypted'])
    expect(exitCode).toBe(1)
  })

  test('finds outside_unreachable where nobody listens', async () => {
    const words = ['--url', `http://127.0.0.1:${await freePort()}`]
    expect(await doctor(env, words)).toMatchObject({ exitCode: 1, codes: ['outside_unreachable'] })
  })
})

test('ends with 2 when it could not look: an address that is none, an option that is none', async () => {
  for (const words of [
    ['--url', 'chat.example.org'],
    ['--ulr', 'http://127.0.0.1'],
  ]) {
    await using child = startProcess(['apps/vigie/bin/vigie.js', 'doctor', ...words], {
      env: { ...withoutOwnSettings(), VIGIE_JWT_SECRET: SECRET },
    })
    expect(await child.ended).toBe(2)
  }
})
