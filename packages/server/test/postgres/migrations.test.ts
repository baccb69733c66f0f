import { readdir, readFile } from 'node:fs/promises'
import { migrate, migrationSql, postgresMemberships } from '@vigie/server/postgres'
import { describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'

const TRIGGERS = ['insert', 'update', 'delete', 'truncate', 'row']

/** On the tables of memberships. */
async function triggers({ sql }: TestDatabase): Promise<string[]> {
  const rows = await sql<
    { name: string }[]
  >`SELECT tgname AS name FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'vigie%'`
  return rows.map(({ name }) => name).sort()
}

const ALL = ['group', 'conversation']
  .flatMap((kind) => TRIGGERS.map((event) => `vigie_${kind}_${event}`))
  .sort()

describe('migrate', () => {
  it('creates the default tables only when it is asked to', async () => {
    await using database = await freshDatabase()
    await expect(migrate(database.url)).rejects.toThrow(
      'relation "group_users" does not exist; name yours in the options, or say `groups: false` (VIGIE_GROUPS=0) if you have none.',
    )
    expect(await database.sql`SELECT to_regnamespace('vigie') AS schema`).toEqual([{ schema: null }])
    await migrate(database.url, { createTables: true })
    expect(await triggers(database)).toEqual(ALL)
  })

  it('changes nothing the second time, and needs no right to', async () => {
    await using database = await freshDatabase()
    await migrate(database.sql, { createTables: true })
    const before = await database.sql`SELECT oid, xmin::text FROM pg_trigger ORDER BY oid`
    const role = `reader_${new URL(database.url).pathname.slice(1)}`
    const connection = database.session()
    await connection.unsafe(
      `CREATE ROLE ${role}; GRANT USAGE ON SCHEMA vigie TO ${role}; GRANT SELECT ON vigie.migrations TO ${role}; SET ROLE ${role}`,
    )
    await migrate(connection, { createTables: true })
    await connection.unsafe(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}`)
    expect(await database.sql`SELECT oid, xmin::text FROM pg_trigger ORDER BY oid`).toEqual(before)
  })

  it('brings a database of the first version up to date, which is refused until then', async () => {
    await using database = await freshDatabase()
    const first = await readFile(new URL('../../migrations/001-change-feed.sql', import.meta.url), 'utf8')
    await database.sql.unsafe(`CREATE TABLE group_users (group_id text, user_id text); CREATE SCHEMA vigie;
      CREATE TABLE vigie.migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
      ${first}
      INSERT INTO vigie.migrations (name) VALUES ('001-change-feed');
      SELECT vigie.watch_memberships('group_users', 'group', 'group_id', 'user_id')`)
    const memberships = postgresMemberships({ sql: database.sql, conversations: false })
    await expect(memberships.open(() => {})).rejects.toThrow(
      'Changes of the table group_users are not told (the schema `vigie` is of an older version): run `vigie migrate`',
    )
    await migrate(database.sql, { conversations: false })
    await memberships.open(() => {})
    await memberships.close()
    const rows = await database.sql<{ name: string; enabled: string }[]>`
      SELECT tgname AS name, tgenabled AS enabled FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'vigie%' ORDER BY tgname`
    expect(rows.map(({ name, enabled }) => `${name} ${enabled}`)).toEqual([
      'vigie_group_delete A',
      'vigie_group_insert A',
      'vigie_group_row R',
      'vigie_group_truncate A',
      'vigie_group_update A',
    ])
  })

  it('serves a role that may create triggers and does not own the table, but for rows that are replicated', async () => {
    await using database = await freshDatabase()
    await migrate(database.sql, { createTables: true, groups: false })
    await database.sql`CREATE TABLE group_users (group_id text, user_id text)`
    const role = `maker_${new URL(database.url).pathname.slice(1)}`
    const connection = database.session()
    await connection.unsafe(`CREATE ROLE ${role}; GRANT ALL ON SCHEMA vigie TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA vigie TO ${role};
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vigie TO ${role}; GRANT SELECT, TRIGGER ON group_users TO ${role}; SET ROLE ${role}`)
    const warnings: string[] = []
    const log = { debug() {}, info() {}, warn: (message: string) => warnings.push(message), error() {} }
    await migrate(connection, { conversations: false })
    const memberships = postgresMemberships({ sql: connection, conversations: false, log })
    await memberships.open(() => {})
    await memberships.close()
    expect(warnings).toEqual([expect.stringContaining('does not fire for replicated rows')])
    await connection.unsafe(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })

  it('may be run by many nodes at once', async () => {
    await using database = await freshDatabase()
    await Promise.all(Array.from({ length: 5 }, () => migrate(database.url, { createTables: true })))
    expect(await triggers(database)).toEqual(ALL)
    const files = (await readdir(new URL('../../migrations/', import.meta.url))).sort()
    expect(files.length).toBeGreaterThan(2)
    expect(await database.sql`SELECT name FROM vigie.migrations ORDER BY name`).toEqual(
      files.map((file) => ({ name: file.replace('.sql', '') })),
    )
  })

  it('attaches its triggers anew when other columns are to be watched', async () => {
    await using database = await freshDatabase()
    await database.sql`CREATE TABLE group_users (group_id int, user_id int, gone boolean, note text)`
    await migrate(database.sql, { createTables: true })
    await migrate(database.sql, { createTables: true, groups: { watchColumns: ['gone'] } })
    const rows =
      await database.sql`SELECT encode(tgargs, 'escape') AS arguments FROM pg_trigger WHERE tgname = 'vigie_group_update'`
    expect(rows).toEqual([{ arguments: 'group\\000group_id\\000user_id\\000gone\\000' }])
    expect(await triggers(database)).toHaveLength(ALL.length)
  })

  it('keeps the tables out of its own schema, also for a role of the same name', async () => {
    await using database = await freshDatabase()
    const connection = database.session()
    await connection.unsafe(`CREATE ROLE vigie SUPERUSER; SET ROLE vigie`)
    await migrate(connection, { createTables: true })
    await migrate(connection, { createTables: true })
    const tables =
      await connection`SELECT relnamespace::regnamespace::text AS schema FROM pg_class WHERE relname = 'group_users'`
    await connection.unsafe(`RESET ROLE; DROP OWNED BY vigie; DROP ROLE vigie`)
    expect(tables).toEqual([{ schema: 'public' }])
  })

  it('names the column that a table does not have', async () => {
    await using database = await freshDatabase()
    await database.sql`CREATE TABLE group_users (group_id int, member int)`
    await expect(migrate(database.sql, { createTables: true })).rejects.toThrow(
      'Table public.group_users has no column user_id.',
    )
  })

  it('prints text that runs as it is, twice', async () => {
    await using database = await freshDatabase()
    const options = {
      createTables: true,
      groups: {
        table: `we"ird'$vigie$ \\ table`.replaceAll('.', ''),
        groupColumn: `a'b\\%s`,
        userColumn: '100%',
      },
    }
    const quoted = { ...options, groups: { ...options.groups, table: `"we""ird' \\ table"` } }
    const text = migrationSql(quoted)
    const connection = database.session()
    await connection.unsafe(text)
    await connection.unsafe(text)
    expect(await triggers(database)).toEqual(ALL)
    await database.sql.unsafe(`INSERT INTO "we""ird' \\ table" VALUES ('crew', 'ada')`)
    await database.sql.unsafe(`UPDATE "we""ird' \\ table" SET "100%" = 'bob'`)
    const ids = await database.sql<{ id: string }[]>`SELECT DISTINCT id FROM vigie.changes ORDER BY id`
    expect(ids.map(({ id }) => id)).toEqual(['ada', 'bob', 'crew'])
  })
})

describe('open', () => {
  const refusal = async (database: TestDatabase, options = {}) => {
    const memberships = postgresMemberships({ sql: database.url, ...options })
    const error: unknown = await memberships.open(() => {}).catch((thrown: unknown) => thrown)
    await memberships.close()
    return error instanceof Error ? error.message : undefined
  }

  it('says which tables it cannot read', async () => {
    await using database = await freshDatabase()
    expect(await refusal(database)).toBe(
      'The membership tables group_users and conversation_users cannot be read (relation "group_users" does not exist): ' +
        'name yours in the options, say `groups: false` (VIGIE_GROUPS=0) if you have none, or run `vigie migrate`.',
    )
    await database.sql`CREATE TABLE group_users (group_id int, user_id int)`
    expect(await refusal(database)).toContain('`conversations: false` (VIGIE_CONVERSATIONS=0)')
    expect(await refusal(database, { conversations: false })).toContain('there is no schema `vigie`')
  })

  it('says that the triggers are missing, unless the change feed is off', async () => {
    await using database = await freshDatabase()
    await migrate(database.sql, { createTables: true })
    await database.sql`DROP TRIGGER vigie_conversation_delete ON conversation_users`
    expect(await refusal(database)).toContain(
      'Changes of the table conversation_users are not told ' +
        '(trigger vigie_conversation_delete of public.conversation_users is missing): run `vigie migrate`',
    )
    expect(await refusal(database, { changeFeed: false })).toBeUndefined()
  })

  it('says in one sentence that nobody answers', async () => {
    const memberships = postgresMemberships({ sql: 'postgres://nobody@127.0.0.1:1/none' })
    await expect(memberships.open(() => {})).rejects.toThrow(
      /^PostgreSQL cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:1\.$/,
    )
    await memberships.close()
  })

  it('says in one sentence that the password is wrong', async () => {
    await using database = await freshDatabase()
    const url = new URL(database.url)
    url.password = 'wrong'
    expect(await refusal({ ...database, url: url.href })).toBe(
      'password authentication failed for user "postgres".',
    )
  })
})
