/** Rows that change without a statement trigger of ours, each in its own way, on a real PostgreSQL. */
import type { GroupId, UserId } from '@vigie/protocol'
import { migrate, postgresMemberships, type PostgresMembershipsOptions } from '@vigie/server/postgres'
import { staleRecorder, type StaleRecorder } from '@vigie/server/testing'
import { describe, expect, inject, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'

interface Looked extends AsyncDisposable {
  readonly sql: TestDatabase['sql']
  readonly session: TestDatabase['session']
  readonly told: StaleRecorder
  /** Lines for operators, as `level: sentence`. */
  readonly lines: string[]
  readonly memberships: ReturnType<typeof postgresMemberships>
  warned(words: string): Promise<void>
  /** Resolves once the tables have been looked at, twice, from now on. */
  looked(): Promise<void>
}

const PLAIN = `CREATE TABLE group_users (group_id text, user_id text);
  INSERT INTO group_users VALUES ('crew', 'ada'), ('crew', 'ben')`
const PARTITIONED = `CREATE TABLE group_users (group_id text, user_id text, part int) PARTITION BY LIST (part);
  CREATE TABLE part_1 PARTITION OF group_users FOR VALUES IN (1);
  CREATE TABLE part_2 PARTITION OF group_users FOR VALUES IN (2) PARTITION BY LIST (part);
  CREATE TABLE part_2_leaf PARTITION OF part_2 FOR VALUES IN (2);
  INSERT INTO group_users VALUES ('crew', 'ada', 1), ('crew', 'ben', 1), ('crew', 'cid', 2)`

interface Setting {
  readonly options?: Partial<PostgresMembershipsOptions>
  /** Before `migrate`. */
  readonly prepare?: string
  /** After it, before the memberships are opened. */
  readonly then?: string
}

async function open({ options = {}, prepare = PLAIN, then = '' }: Setting = {}): Promise<Looked> {
  const database = await freshDatabase()
  const { sql } = database
  await sql.unsafe(prepare)
  const tables = { conversations: false, ...options } as const
  if (options.changeFeed !== false) await migrate(sql, tables)
  await sql.unsafe(then)
  const lines: string[] = []
  let looks = 0
  const write = (level: string) => (message: string) => lines.push(`${level}: ${message}`)
  const log = { debug() {}, info: write('info'), warn: write('warn'), error: write('error') }
  const counted = {
    unsafe(text: string, values?: string[]) {
      if (text.includes('row_security = off')) looks++
      return sql.unsafe(text, values)
    },
  }
  const memberships = postgresMemberships({ sql: counted, feedPollMs: 10, feedCheckMs: 20, log, ...tables })
  const told = staleRecorder()
  try {
    await memberships.open(told.onStale)
  } catch (error) {
    await memberships.close()
    await database[Symbol.asyncDispose]()
    throw error
  }
  return {
    sql,
    session: database.session,
    told,
    lines,
    memberships,
    warned: (words) =>
      expect
        .poll(() => lines.filter((line) => line.startsWith('warn: ')).join('\n'), { timeout: 10_000 })
        .toContain(words),
    async looked() {
      const before = looks
      await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(before + 2)
    },
    async [Symbol.asyncDispose]() {
      await memberships.close()
      await database[Symbol.asyncDispose]()
    },
  }
}

const membersOf = async ({ memberships }: Looked) =>
  (await memberships.readRooms(['crew' as GroupId], [], 250)).groups.get('crew' as GroupId)?.roster ?? []

describe('the feed names who was touched', () => {
  it.each([
    ['in a partition itself', PARTITIONED, `DELETE FROM part_1 WHERE user_id = 'ben'`],
    ['in a partition of a partition', PARTITIONED, `UPDATE part_2_leaf SET user_id = 'ben'`],
    [
      'by a session whose session_replication_role is replica',
      PLAIN,
      `SET session_replication_role = replica; DELETE FROM group_users WHERE user_id = 'ben'`,
    ],
    [
      'in a table that inherits from the one that is named',
      `${PLAIN}; CREATE TABLE group_guests () INHERITS (group_users); INSERT INTO group_guests VALUES ('crew', 'ben')`,
      `DELETE FROM group_guests`,
    ],
  ])('when rows change %s', async (_, prepare, change) => {
    await using looked = await open({ prepare })
    await looked.session().unsafe(change)
    await looked.told.named({ users: ['ben'], groups: ['crew'] })
    expect(looked.told.calls).not.toContain('all')
  })

  it('when rows change one by one without any statement, as logical replication writes them', async () => {
    await using looked = await open()
    // What its worker does: row triggers fire, statement triggers do not.
    await looked.sql.unsafe(
      ['insert', 'update', 'delete'].map((e) => `DROP TRIGGER vigie_group_${e} ON group_users`).join(';'),
    )
    const worker = looked.session()
    await worker`SET session_replication_role = replica`
    await worker`INSERT INTO group_users VALUES ('crew', 'cid')`
    await worker`UPDATE group_users SET group_id = 'other' WHERE user_id = 'ada'`
    await worker`DELETE FROM group_users WHERE user_id = 'ben'`
    const rows = await looked.sql<{ id: string }[]>`SELECT DISTINCT id FROM vigie.changes ORDER BY id`
    expect(rows.map(({ id }) => id)).toEqual(['ada', 'ben', 'cid', 'crew', 'other'])
  })

  it('when rows change by the row, up to a thousand in a transaction, and says all for more', async () => {
    // Without further looks: they would enable the trigger again.
    await using looked = await open({ options: { feedCheckMs: 0 } })
    const worker = looked.session()
    await worker.unsafe(
      `SET session_replication_role = replica; ALTER TABLE group_users DISABLE TRIGGER vigie_group_insert`,
    )
    await worker`INSERT INTO group_users SELECT 'g', 'u' || n FROM generate_series(1, 1000) AS n`
    await worker`INSERT INTO group_users SELECT 'g', 'v' || n FROM generate_series(1, 3000) AS n`
    const rows = await looked.sql`SELECT count(*)::int AS n, count(*) FILTER (WHERE kind = 'all')::int AS alls
      FROM vigie.changes GROUP BY xid ORDER BY xid LIMIT 2`
    expect(rows.map(({ n, alls }) => [n, alls])).toEqual([
      [2_000, 0],
      [2_001, 1],
    ])
  })

  it('in a table with a foreign partition, whose statements do not fail', async () => {
    const { port, hostname, username, password } = new URL(inject('postgresUrl'))
    await using looked = await open({
      prepare: `${PARTITIONED}; CREATE TABLE far_rows (group_id text, user_id text, part int);
        INSERT INTO far_rows VALUES ('crew', 'ben', 3);
        CREATE EXTENSION postgres_fdw;
        DO $$ BEGIN
          EXECUTE format('CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
            '${hostname}', '${port}', current_database());
        END $$;
        CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user '${username}', password '${password}');
        CREATE FOREIGN TABLE part_3 PARTITION OF group_users FOR VALUES IN (3) SERVER far OPTIONS (table_name 'far_rows')`,
    })
    await looked.sql`DELETE FROM group_users WHERE user_id = 'ben'`
    await looked.told.named({ users: ['ben'], groups: ['crew'] })
    expect(looked.told.calls).not.toContain('all')
    expect([...(await membersOf(looked))].sort()).toEqual(['ada', 'cid'])
    await looked.sql`UPDATE group_users SET user_id = 'dan' WHERE user_id = 'cid'`
    await looked.told.named({ users: ['cid', 'dan'] })
  })
})

describe('everything is read again, and one line names the table and the cause', () => {
  it.each<[title: string, prepare: string, change: string, words: string, members: string[]]>([
    ['a partition is truncated', PARTITIONED, 'TRUNCATE part_1', '', ['cid']],
    ['a partition is dropped', PARTITIONED, 'DROP TABLE part_1', 'its partitions were exchanged', ['cid']],
    [
      'a partition is detached',
      PARTITIONED,
      'ALTER TABLE group_users DETACH PARTITION part_1',
      'its partitions were exchanged',
      ['cid'],
    ],
    [
      'a partition is attached',
      `${PARTITIONED}; CREATE TABLE part_4 (LIKE group_users); INSERT INTO part_4 VALUES ('crew', 'dan', 4)`,
      'ALTER TABLE group_users ATTACH PARTITION part_4 FOR VALUES IN (4)',
      'trigger vigie_group_delete of public.part_4 is missing',
      ['ada', 'ben', 'cid', 'dan'],
    ],
    [
      'triggers are disabled and enabled around a load',
      PLAIN,
      `ALTER TABLE group_users DISABLE TRIGGER ALL; DELETE FROM group_users WHERE user_id = 'ben';
       ALTER TABLE group_users ENABLE TRIGGER ALL`,
      'trigger vigie_group_delete of public.group_users does not fire for replicated rows',
      ['ada'],
    ],
    [
      'triggers are disabled and enabled exactly as they were',
      PLAIN,
      `BEGIN; ALTER TABLE group_users DISABLE TRIGGER vigie_group_delete; DELETE FROM group_users WHERE user_id = 'ben';
       ALTER TABLE group_users ENABLE ALWAYS TRIGGER vigie_group_delete; COMMIT`,
      'its triggers were off for a while',
      ['ada'],
    ],
    [
      'triggers stay disabled',
      PLAIN,
      `ALTER TABLE group_users DISABLE TRIGGER ALL; DELETE FROM group_users WHERE user_id = 'ben'`,
      'trigger vigie_group_delete of public.group_users is disabled',
      ['ada'],
    ],
    [
      'a trigger is dropped',
      PLAIN,
      `DROP TRIGGER vigie_group_delete ON group_users; DELETE FROM group_users WHERE user_id = 'ben'`,
      'trigger vigie_group_delete of public.group_users is missing',
      ['ada'],
    ],
    [
      'the table is swapped by a rename',
      PLAIN,
      `BEGIN; CREATE TABLE next (LIKE group_users); INSERT INTO next VALUES ('crew', 'ada');
       ALTER TABLE group_users RENAME TO former; ALTER TABLE next RENAME TO group_users; COMMIT`,
      'another table has its name now',
      ['ada'],
    ],
    [
      'the table is swapped with its schema',
      `CREATE SCHEMA chat; CREATE TABLE chat.members (group_id text, user_id text);
       INSERT INTO chat.members VALUES ('crew', 'ada'), ('crew', 'ben')`,
      `CREATE SCHEMA next; CREATE TABLE next.members (LIKE chat.members); INSERT INTO next.members VALUES ('crew', 'ada');
       BEGIN; ALTER SCHEMA chat RENAME TO former; ALTER SCHEMA next RENAME TO chat; COMMIT`,
      'another table has its name now',
      ['ada'],
    ],
  ])('when %s, and what comes after is heard', async (_, prepare, change, words, members) => {
    const table = prepare.includes('chat.members') ? 'chat.members' : 'group_users'
    await using looked = await open({ prepare, options: { groups: { table } } })
    await looked.session().unsafe(change)
    await looked.told.saidAll()
    expect([...(await membersOf(looked))].sort()).toEqual(members)
    if (words) await looked.warned(words)
    await looked.looked()
    expect(looked.lines).toHaveLength(words ? 1 : 0)
    looked.told.clear()
    await looked.sql
      .unsafe(`INSERT INTO ${table} (group_id, user_id${prepare.includes('part') ? ', part' : ''})
      VALUES ('crew', 'eve'${prepare.includes('part') ? ', 2' : ''})`)
    await looked.told.named({ users: ['eve'] })
    await looked.looked()
    expect(looked.told.calls).not.toContain('all')
  })

  it('when a materialized view is refreshed, which only the re-read would find otherwise', async () => {
    await using looked = await open({
      prepare: `${PLAIN}; ALTER TABLE group_users RENAME TO base;
        CREATE MATERIALIZED VIEW group_users AS SELECT * FROM base`,
    })
    expect(looked.lines).toEqual([
      expect.stringMatching(
        /^warn: Changes of the table group_users .* it is a materialized view\. .*rereadMs/,
      ),
    ])
    await looked.sql`DELETE FROM base WHERE user_id = 'ben'`
    await looked.sql`REFRESH MATERIALIZED VIEW group_users`
    await looked.told.saidAll()
    expect(await membersOf(looked)).toEqual(['ada'])
  })
})

describe('what cannot be heard is said once', () => {
  it.each([
    ['a view', `ALTER TABLE group_users RENAME TO base; CREATE VIEW group_users AS SELECT * FROM base`],
    [
      'a foreign table',
      `ALTER TABLE group_users RENAME TO base; CREATE EXTENSION file_fdw; CREATE SERVER far FOREIGN DATA WRAPPER file_fdw;
       CREATE FOREIGN TABLE group_users (group_id text, user_id text) SERVER far OPTIONS (filename '/dev/null')`,
    ],
  ])('of %s', async (what, change) => {
    await using looked = await open({ prepare: `${PLAIN}; ${change}` })
    await looked.looked()
    expect(looked.lines).toEqual([
      expect.stringContaining(`it is ${what}. They are found by the slow re-read`),
    ])
  })

  it('of triggers that this role may not put right, and once more when somebody has', async () => {
    const role = `reader_${Math.random().toString(36).slice(2)}`
    await using looked = await open({
      then: `CREATE ROLE ${role}; GRANT USAGE ON SCHEMA vigie TO ${role}; GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA vigie TO ${role};
        GRANT SELECT ON group_users TO ${role}`,
    })
    const name = String((await looked.sql`SELECT current_database() AS name`)[0]?.name)
    await looked.sql.unsafe(`ALTER ROLE postgres IN DATABASE ${name} SET role = ${role}`)
    const sessions = looked.session()
    const { lines, told } = looked
    const write = (level: string) => (message: string) => lines.push(`${level}: ${message}`)
    const log = { debug() {}, info: write('info'), warn: write('warn'), error: write('error') }
    const memberships = postgresMemberships({
      sql: sessions,
      conversations: false,
      feedPollMs: 10,
      feedCheckMs: 20,
      log,
    })
    const reader = staleRecorder()
    await memberships.open(reader.onStale)
    // The other one, which has the right, would do it.
    await looked.memberships.close()
    await looked.sql`ALTER TABLE group_users DISABLE TRIGGER vigie_group_delete`
    await looked.warned(
      'trigger vigie_group_delete of public.group_users is disabled. Until that is put right',
    )
    const before = lines.length
    await looked.sql`SELECT pg_sleep(0.2)`
    expect(lines).toHaveLength(before)
    reader.clear()
    await looked.sql`ALTER TABLE group_users ENABLE ALWAYS TRIGGER vigie_group_delete`
    await reader.saidAll()
    await expect
      .poll(() => lines.at(-1))
      .toBe('info: Changes of the table group_users are heard again, and everything is read again.')
    expect(told.calls).toEqual([])
    await memberships.close()
    await looked.sql.unsafe(
      `ALTER ROLE postgres IN DATABASE ${name} RESET role; DROP OWNED BY ${role}; DROP ROLE ${role}`,
    )
  })

  it('of a table that is dropped: reads fail, and nobody is taken for a member of nothing', async () => {
    await using looked = await open()
    await looked.memberships.readUsers(['ada' as UserId])
    await looked.sql`DROP TABLE group_users`
    await looked.warned('there is no table of that name any more')
    await expect(looked.memberships.readUsers(['ada' as UserId])).rejects.toMatchObject({
      code: 'unavailable',
    })
    await looked.sql.unsafe(PLAIN)
    await looked.told.saidAll()
    await expect.poll(() => membersOf(looked).catch(() => [])).toEqual(['ada', 'ben'])
  })

  it('of triggers for other columns, which another node may need: they are left alone', async () => {
    await using looked = await open({
      then: `SELECT vigie.watch_memberships('group_users', 'group', 'user_id', 'group_id')`,
    })
    await looked.looked()
    expect(looked.lines).toEqual([expect.stringContaining('is for other columns')])
    expect(looked.told.calls).toEqual([])
  })
})

it('a host that writes all the time is not held up by triggers that are to be put right', async () => {
  await using looked = await open()
  const host = looked.session()
  await looked.sql`DROP TRIGGER vigie_group_delete ON group_users`
  await host`BEGIN`
  await host`INSERT INTO group_users VALUES ('crew', 'eve')`
  await looked.looked()
  // It gave up waiting for the lock, so this does not wait behind it.
  await looked.sql`INSERT INTO group_users VALUES ('crew', 'fay')`
  await host`COMMIT`
  await looked.told.saidAll()
  await expect
    .poll(async () => (await looked.sql`SELECT FROM pg_trigger WHERE tgname = 'vigie_group_delete'`).length, {
      timeout: 10_000,
    })
    .toBe(1)
})

describe('row level security', () => {
  /** The role of the tests is a superuser, who sees all rows: the reader is another. */
  async function openAsReader(looked: Pick<TestDatabase, 'session'>, options = {}) {
    const role = `reader_${Math.random().toString(36).slice(2)}`
    const session = looked.session()
    await session.unsafe(
      `CREATE ROLE ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}; SET ROLE ${role}`,
    )
    const lines: string[] = []
    const write = (level: string) => (message: string) => lines.push(`${level}: ${message}`)
    const log = { debug() {}, info: write('info'), warn: write('warn'), error: write('error') }
    const memberships = postgresMemberships({
      sql: session,
      conversations: false,
      changeFeed: false,
      feedCheckMs: 20,
      log,
      ...options,
    })
    const told = staleRecorder()
    return {
      memberships,
      lines,
      told,
      opened: memberships.open(told.onStale),
      async [Symbol.asyncDispose]() {
        await memberships.close()
        await session.unsafe(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}`)
      },
    }
  }

  it.each([
    ['the table', 'ALTER TABLE group_users ENABLE ROW LEVEL SECURITY', {}],
    [
      'a table below a view',
      `ALTER TABLE group_users ENABLE ROW LEVEL SECURITY;
       CREATE VIEW members WITH (security_invoker) AS SELECT * FROM group_users`,
      { groups: { table: 'members' } },
    ],
    [
      'a table in a query',
      'CREATE TABLE bans (user_id text); ALTER TABLE bans ENABLE ROW LEVEL SECURITY',
      { groups: { query: 'SELECT * FROM group_users WHERE user_id NOT IN (SELECT user_id FROM bans)' } },
    ],
  ])('that hides rows of %s from the reader is refused at the start', async (_, change, options) => {
    await using database = await freshDatabase()
    await database.sql.unsafe(`${PLAIN}; ${change}`)
    await using reader = await openAsReader(database, options)
    await expect(reader.opened).rejects.toThrow(
      /^Row level security hides rows of .* from the role reader_.*BYPASSRLS/,
    )
  })

  it('that is enabled later makes reads fail at once, is said once, and so is its end', async () => {
    await using database = await freshDatabase()
    await database.sql.unsafe(PLAIN)
    await using reader = await openAsReader(database)
    await reader.opened
    const read = () => reader.memberships.readUsers(['ada' as UserId])
    expect((await read()).size).toBe(1)
    await database.sql`ALTER TABLE group_users ENABLE ROW LEVEL SECURITY`
    await expect(read()).rejects.toMatchObject({ code: 'unavailable' })
    await expect.poll(() => reader.lines.length).toBe(1)
    expect(reader.lines[0]).toMatch(/^warn: Row level security hides rows of group_users/)
    await database.sql`ALTER TABLE group_users DISABLE ROW LEVEL SECURITY`
    await reader.told.saidAll()
    expect((await read()).size).toBe(1)
    expect(reader.lines.slice(1)).toEqual([expect.stringMatching(/^info: All rows .* can be read again/)])
  })

  it('that is enabled later for a table in a query makes reads fail once it was seen', async () => {
    await using database = await freshDatabase()
    await database.sql.unsafe(PLAIN)
    await using reader = await openAsReader(database, { groups: { query: 'SELECT * FROM group_users' } })
    await reader.opened
    await database.sql`ALTER TABLE group_users ENABLE ROW LEVEL SECURITY`
    await expect.poll(() => reader.lines.length).toBe(1)
    await expect(reader.memberships.readUsers(['ada' as UserId])).rejects.toMatchObject({
      code: 'unavailable',
    })
  })
})

it('a temporary table of the same name is not read instead of the real one', async () => {
  await using database = await freshDatabase()
  await database.sql.unsafe(PLAIN)
  const session = database.session()
  const memberships = postgresMemberships({ sql: session, conversations: false, changeFeed: false })
  await memberships.open(() => {})
  await session`CREATE TEMPORARY TABLE group_users (group_id text, user_id text)`
  expect((await memberships.readUsers(['ada' as UserId])).size).toBe(1)
  await memberships.close()
  const late = postgresMemberships({ sql: session, conversations: false, changeFeed: false })
  await expect(late.open(() => {})).rejects.toThrow('is a temporary one of this connection')
  await late.close()
})
