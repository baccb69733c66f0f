import { PresenceError, type ConversationId, type GroupId, type UserId } from '@vigie/protocol'
import { migrate, postgresMemberships } from '@vigie/server/postgres'
import { staleRecorder } from '@vigie/server/testing'
import { expect, it } from 'vitest'
import { silentLog } from '../../src/core/ports.js'
import { freshDatabase } from '../../../../test/database.js'

const users = (...ids: string[]) => ids as UserId[]

it('leaves out an id that the encoding of the database has no letters for, and answers for the others', async () => {
  await using database = await freshDatabase(
    `ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0`,
  )
  await migrate(database.sql, { createTables: true })
  await database.sql`INSERT INTO group_users VALUES ('crew', 'ada'), ('crew', 'zoé')`
  const leftOut = new Set<unknown>()
  const warn = (_message: string, fields?: Readonly<Record<string, unknown>>) => leftOut.add(fields?.userId)
  const log = { debug() {}, info() {}, warn, error() {} }
  const memberships = postgresMemberships({ sql: database.url, log })
  const found = await memberships.readUsers(users('ada', '漢字', 'x', '🦜', 'zoé'))
  expect([...found.keys()].sort()).toEqual(['ada', 'zoé'])
  expect(leftOut).toEqual(new Set(['漢字', '🦜']))
  await memberships.close()
})

it('does not take a missing table for missing memberships', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  const memberships = postgresMemberships({ sql: database.sql })
  await database.sql`INSERT INTO group_users VALUES ('crew', 'ada')`
  await memberships.readUsers(users('ada'))
  await database.sql`ALTER TABLE group_users RENAME TO elsewhere`
  await expect(memberships.readUsers(users('ada'))).rejects.toMatchObject({ code: 'unavailable' })
})

it('looks at the columns again after they were altered', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  await database.sql`INSERT INTO group_users VALUES ('7', '42')`
  const memberships = postgresMemberships({ sql: database.sql })
  await memberships.readUsers(users('42'))
  await database.sql`ALTER TABLE group_users ALTER user_id TYPE bigint USING user_id::bigint`
  await expect(memberships.readUsers(users('42'))).rejects.toBeInstanceOf(PresenceError)
  expect((await memberships.readUsers(users('word', '42'))).get('42' as UserId)?.groups).toEqual(['7'])
})

it('names a room once however often it is in the table, and counts a member once', async () => {
  await using database = await freshDatabase()
  await database.sql`CREATE TABLE group_users (group_id varchar(40), user_id varchar(40))`
  await migrate(database.sql, { createTables: true })
  await database.sql`INSERT INTO group_users VALUES ('crew', 'ada'), ('crew', 'ada'), ('crew', NULL), (NULL, 'ada')`
  const memberships = postgresMemberships({ sql: database.sql })
  expect((await memberships.readUsers(users('ada'))).get('ada' as UserId)?.groups).toEqual(['crew'])
  expect(
    (await memberships.readRooms(['crew' as GroupId], [], 250)).groups.get('crew' as GroupId)?.members,
  ).toBe(1)
})

it('compares columns of other types as text, letter by letter', async () => {
  await using database = await freshDatabase()
  await database.sql.unsafe(`
    CREATE DOMAIN person AS uuid; CREATE TYPE team AS ENUM ('red', 'blue');
    CREATE TABLE group_users (group_id team, user_id person)`)
  await migrate(database.sql, { createTables: true })
  const id = 'abcdef00-0000-4000-8000-000000000001'
  await database.sql`INSERT INTO group_users VALUES ('red', ${id})`
  const memberships = postgresMemberships({ sql: database.sql, log: silentLog })
  expect((await memberships.readUsers(users('word', id))).get(id as UserId)?.groups).toEqual(['red'])
  const sizes = await memberships.readRooms(['red', 'green'] as GroupId[], [], 250)
  expect([...sizes.groups].map(([id, { members }]) => [id, members])).toEqual([['red', 1]])
})

it('keeps ids apart that the collation of the host takes for the same', async () => {
  await using database = await freshDatabase()
  await database.sql.unsafe(`
    CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE group_users (group_id text COLLATE loose, user_id text COLLATE loose)`)
  await migrate(database.sql, { createTables: true })
  await database.sql`INSERT INTO group_users VALUES ('crew', 'ada'), ('Crew', 'Ada'), ('Crew', 'bob')`
  const memberships = postgresMemberships({ sql: database.sql })
  const found = await memberships.readUsers(users('ada', 'Ada'))
  expect([found.get('ada' as UserId)?.groups, found.get('Ada' as UserId)?.groups]).toEqual([
    ['crew'],
    ['Crew'],
  ])
  const { groups } = await memberships.readRooms(['crew', 'Crew'] as GroupId[], [], 250)
  expect(groups.get('crew' as GroupId)).toEqual({ members: 1, roster: ['ada'] })
  expect(groups.get('Crew' as GroupId)).toEqual({ members: 2, roster: ['Ada', 'bob'] })
})

it('finds users and rooms by index', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  await database.sql`INSERT INTO group_users SELECT 'g' || n % 500, 'u' || n FROM generate_series(1, 20000) AS n`
  await database.sql`ANALYZE group_users`
  const texts: string[] = []
  const recording = {
    unsafe: (text: string, values?: string[]) => {
      if (values) texts.push(text)
      return database.sql.unsafe(text, values)
    },
  }
  const memberships = postgresMemberships({ sql: recording })
  await memberships.readUsers(users('u1'))
  await memberships.readRooms(['g1' as GroupId], [], 250)
  for (const text of texts) {
    const values = Array.from({ length: text.split('CAST(').length - 1 }, () => '["u1"]')
    const plan = await database.sql.unsafe(`EXPLAIN ${text}`, values)
    expect(plan.map((row) => String(row['QUERY PLAN'])).join('\n')).not.toContain('Seq Scan on group_users')
  }
  expect(texts).toHaveLength(2)
})

it('fails as unavailable when the server does not answer in time, and works again afterwards', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  await database.sql`INSERT INTO group_users VALUES ('crew', 'ada')`
  const memberships = postgresMemberships({ sql: database.url, readTimeoutMs: 200 })
  await memberships.readUsers(users('ada'))
  const holder = database.session()
  await holder`BEGIN`
  await holder`LOCK TABLE group_users`
  await expect(memberships.readUsers(users('ada'))).rejects.toMatchObject({ code: 'unavailable' })
  await holder`ROLLBACK`
  expect((await memberships.readUsers(users('ada'))).size).toBe(1)
  await memberships.close()
})

it('a read that is too late ends only itself: the feed and other reads go on', async () => {
  await using database = await freshDatabase()
  const conversations = { query: 'SELECT * FROM conversation_users UNION ALL SELECT * FROM slow_rows' }
  await migrate(database.sql, { createTables: true, conversations })
  await database.sql`CREATE TABLE slow_rows (conversation_id text, user_id text)`
  const warnings: string[] = []
  const log = { debug() {}, info() {}, warn: (message: string) => warnings.push(message), error() {} }
  const memberships = postgresMemberships({
    sql: database.url,
    readTimeoutMs: 400,
    feedPollMs: 10,
    conversations,
    log,
  })
  const told = staleRecorder()
  await memberships.open(told.onStale)
  await memberships.readRooms([], ['c' as ConversationId], 10)
  const holder = database.session()
  await holder`BEGIN`
  await holder`LOCK TABLE slow_rows`
  const late = Promise.all(
    [1, 2].map((n) =>
      expect(memberships.readRooms([], [`c${n}` as ConversationId], 10)).rejects.toMatchObject({
        code: 'unavailable',
      }),
    ),
  )
  const changed = database.sql`INSERT INTO group_users VALUES ('crew', 'ada')`
  await changed
  await told.named({ users: ['ada'] })
  await late
  await database.sql`INSERT INTO group_users VALUES ('crew', 'ben')`
  await told.named({ users: ['ben'] })
  expect(told.calls).not.toContain('all')
  expect(warnings).toEqual([])
  // The server was told to give them up, though what they wait for is still locked.
  await expect
    .poll(
      () => database.sql`SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'vigie' AND wait_event_type = 'Lock' AND query LIKE '%json_agg%'`,
    )
    .toEqual([])
  await holder`ROLLBACK`
  expect((await memberships.readRooms([], ['c' as ConversationId], 10)).conversations.size).toBe(0)
  await memberships.close()
})

it('reads one kind of rooms only when there is no other', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true, groups: false })
  expect(await database.sql`SELECT to_regclass('group_users') AS found`).toEqual([{ found: null }])
  await database.sql`INSERT INTO conversation_users VALUES ('lunch', 'ada')`
  const memberships = postgresMemberships({ sql: database.sql, groups: false })
  const told = staleRecorder()
  await memberships.open(told.onStale)
  expect((await memberships.readUsers(users('ada'))).get('ada' as UserId)).toEqual({
    groups: [],
    conversations: ['lunch'],
  })
  const rooms = await memberships.readRooms(['lunch' as GroupId], ['lunch' as ConversationId], 10)
  expect([rooms.groups.size, rooms.conversations.size]).toEqual([0, 1])
  await database.sql`DELETE FROM conversation_users`
  await told.named({ users: ['ada'], conversations: ['lunch'] })
  await memberships.close()
  expect(() => postgresMemberships({ sql: database.sql, groups: false, conversations: false })).toThrow(
    'keep one of them',
  )
})

it('leaves a pool that was handed in open', async () => {
  await using database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  const memberships = postgresMemberships({ sql: database.sql })
  await memberships.open(() => {})
  await memberships.close()
  expect(await database.sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
})
