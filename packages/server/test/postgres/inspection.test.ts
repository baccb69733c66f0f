/** What `inspectMemberships` finds, on a real PostgreSQL; what none is at hand for, on answers that are made up. */
import { inspectMemberships, migrate, type PostgresJs } from '@vigie/server/postgres'
import { expect, it } from 'vitest'
import { freshDatabase } from '../../../../test/database.js'

const codes = (faults: Awaited<ReturnType<typeof inspectMemberships>>) => faults.map(({ code }) => code)

it('finds nothing in a database that was migrated, whichever way it is handed in', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  expect(await inspectMemberships(database.url)).toEqual([])
  expect(await inspectMemberships(database.sql)).toEqual([])
})

it('names all that is wrong at once, with the table and what exactly', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  await database.sql.unsafe(`
    ALTER TABLE group_users DISABLE TRIGGER vigie_group_insert, DISABLE TRIGGER vigie_group_delete;
    DROP TABLE conversation_users`)
  expect(await inspectMemberships(database.sql)).toEqual([
    {
      code: 'triggers_disabled',
      table: 'group_users',
      detail:
        'vigie_group_delete of public.group_users is disabled, vigie_group_insert of public.group_users is disabled',
    },
    { code: 'table_missing', table: 'conversation_users', detail: '"conversation_users"' },
  ])
})

it('looks at the table that a query reads from only for its triggers: nobody says which indexes the query uses', async () => {
  await using database = await freshDatabase()
  await database.sql`CREATE TABLE group_users (group_id text, user_id text, deleted boolean)`
  const groups = { query: 'SELECT group_id, user_id FROM group_users WHERE NOT deleted' }
  const tables = { groups, conversations: false } as const
  await migrate(database.sql, tables)
  expect(await inspectMemberships(database.sql, tables)).toEqual([])
  expect(codes(await inspectMemberships(database.sql, { conversations: false }))).toEqual([
    'index_missing',
    'index_missing',
    'triggers_for_other_columns',
  ])
})

/** A database that answers as told to the questions about the server, and else as the real one. */
function pretending(sql: PostgresJs, answer: Readonly<Record<string, string>>): PostgresJs {
  return {
    unsafe: (text, values) =>
      text.includes('server_version_num') ? Promise.resolve([answer]) : sql.unsafe(text, values),
  }
}

it('finds a server that is too old, and one that is a standby', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  const old = pretending(database.sql, { version: '130014', standby: 'false' })
  expect(await inspectMemberships(old)).toEqual([
    { code: 'server_too_old', detail: 'PostgreSQL 13; it must be 14 or later' },
  ])
  const standby = pretending(database.sql, { version: '180001', standby: 'true' })
  expect(codes(await inspectMemberships(standby))).toEqual(['server_is_standby'])
})

it('says with an error that nobody answers', async () => {
  await expect(inspectMemberships('postgres://nobody@127.0.0.1:1/none')).rejects.toMatchObject({
    code: 'unavailable',
  })
})
