import { migrate, postgresMemberships, type PostgresMembershipsOptions } from '@vigie/server/postgres'
import type { FeedCounts } from '../../src/core/index.js'
import { staleRecorder, type StaleRecorder } from '@vigie/server/testing'
import { expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'

interface Feed extends AsyncDisposable {
  readonly sql: TestDatabase['sql']
  readonly session: TestDatabase['session']
  readonly url: string
  readonly told: StaleRecorder
  readonly warnings: string[]
  readonly counts: () => FeedCounts
  /** Resolves once a change made now has been told: then all that was committed before has been told too. */
  settled(): Promise<void>
}

/** The default tables, watched, in a database of their own. */
async function openFeed(options: Partial<PostgresMembershipsOptions> = {}, prepare = ''): Promise<Feed> {
  const database = await freshDatabase()
  const { sql, url } = database
  if (prepare) await sql.unsafe(prepare)
  await migrate(sql, { createTables: true, ...options })
  const warnings: string[] = []
  const log = { debug() {}, info() {}, warn: (message: string) => warnings.push(message), error() {} }
  const memberships = postgresMemberships({ sql: url, feedPollMs: 10, log, ...options })
  const told = staleRecorder()
  await memberships.open(told.onStale)
  let marks = 0
  return {
    sql,
    session: database.session,
    url,
    told,
    warnings,
    counts() {
      const counts = memberships.feed?.()
      if (!counts) throw new Error('There is no feed.')
      return counts
    },
    async settled() {
      const mark = `mark-${++marks}`
      await sql`INSERT INTO vigie.changes (kind, id) VALUES ('group', ${mark})`
      await told.named({ groups: [mark] })
    },
    async [Symbol.asyncDispose]() {
      await memberships.close()
      await database[Symbol.asyncDispose]()
    },
  }
}

it('does not lose a transaction that began earlier and commits later', async () => {
  await using feed = await openFeed()
  const early = feed.session()
  await early`BEGIN`
  await early`INSERT INTO group_users VALUES ('crew', 'early')`
  await feed.sql`INSERT INTO group_users VALUES ('crew', 'late')`
  await feed.told.named({ users: ['late'] })
  await feed.settled()
  expect(feed.told.hasNamed('early')).toBe(false)
  await early`COMMIT`
  await feed.told.named({ users: ['early'] })
})

it('does not tell what was rolled back, in whole or to a savepoint', async () => {
  await using feed = await openFeed()
  const connection = feed.session()
  await connection`BEGIN`
  await connection`INSERT INTO group_users VALUES ('crew', 'never')`
  await connection`ROLLBACK`
  await connection`BEGIN`
  await connection`SAVEPOINT before`
  await connection`INSERT INTO group_users VALUES ('crew', 'nearly')`
  await connection`ROLLBACK TO before`
  await connection`INSERT INTO group_users VALUES ('crew', 'really')`
  await connection`COMMIT`
  await feed.told.named({ users: ['really'] })
  await feed.settled()
  expect([feed.told.hasNamed('never'), feed.told.hasNamed('nearly')]).toEqual([false, false])
})

it('tells each change once', async () => {
  await using feed = await openFeed()
  await feed.sql`INSERT INTO group_users VALUES ('crew', 'ada')`
  await feed.settled()
  await feed.settled()
  const naming = feed.told.calls.filter((stale) => stale !== 'all' && stale.users.some((id) => id === 'ada'))
  expect(naming).toHaveLength(1)
})

it('names 1,000 ids of one statement, and says all for one more', async () => {
  await using feed = await openFeed()
  await feed.sql`INSERT INTO group_users SELECT 'crew', 'user-' || n FROM generate_series(1, 999) AS n`
  await feed.settled()
  expect(feed.told.calls).not.toContain('all')
  expect(feed.told.hasNamed('user-999')).toBe(true)
  await feed.sql`INSERT INTO group_users SELECT 'other', 'user-' || n FROM generate_series(1, 1000) AS n`
  await feed.told.saidAll()
  const rows = await feed.sql`SELECT kind FROM vigie.changes WHERE kind = 'all' OR id = 'other'`
  expect(rows).toEqual([{ kind: 'all' }])
})

it('says all when more has changed between two polls than one answer should hold', async () => {
  await using feed = await openFeed()
  await feed.sql`INSERT INTO vigie.changes (kind, id) SELECT 'user', 'user-' || n FROM generate_series(1, 5001) AS n`
  await feed.told.saidAll()
})

it('says all after TRUNCATE', async () => {
  await using feed = await openFeed()
  await feed.sql`TRUNCATE conversation_users`
  await feed.told.saidAll()
})

it('tells the old and the new of a row that was moved', async () => {
  await using feed = await openFeed()
  await feed.sql`INSERT INTO conversation_users VALUES ('lunch', 'ada')`
  await feed.settled()
  feed.told.clear()
  await feed.sql`UPDATE conversation_users SET conversation_id = 'dinner', user_id = 'bob'`
  await feed.told.named({ users: ['ada', 'bob'], conversations: ['lunch', 'dinner'] })
})

it('does not tell an update of a column that has nothing to do with membership', async () => {
  await using feed = await openFeed(
    {},
    'CREATE TABLE conversation_users (conversation_id text, user_id text, last_read_at timestamptz)',
  )
  await feed.sql`INSERT INTO conversation_users VALUES ('lunch', 'ada')`
  await feed.settled()
  feed.told.clear()
  await feed.sql`UPDATE conversation_users SET last_read_at = now()`
  await feed.settled()
  expect(feed.told.hasNamed('ada')).toBe(false)
})

const SOFT = `
  CREATE TABLE conversation_users (conversation_id text, user_id text, "deleted at" timestamptz, seen int)`
const notDeleted = 'SELECT * FROM conversation_users WHERE "deleted at" IS NULL;'

it.each([
  ['the columns that are named', ['deleted at']],
  ['every column', undefined],
])('tells a soft delete when it watches %s', async (_, watchColumns) => {
  const conversations = { query: notDeleted, ...(watchColumns && { watchColumns }) }
  await using feed = await openFeed({ conversations }, SOFT)
  await feed.sql`INSERT INTO conversation_users VALUES ('lunch', 'ada')`
  await feed.settled()
  feed.told.clear()
  await feed.sql`UPDATE conversation_users SET "deleted at" = now()`
  await feed.told.named({ users: ['ada'], conversations: ['lunch'] })
})

it('goes on after its connections were ended by the server, and says all since it cannot know what it missed', async () => {
  await using feed = await openFeed()
  for (let round = 0; round < 3; round++) {
    feed.told.clear()
    await feed.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'vigie'`
    await feed.sql`INSERT INTO group_users VALUES ('crew', ${`user-${round}`})`
    await feed.told.named({ users: [`user-${round}`] })
    await feed.settled()
  }
})

it('logs an outage once, however long it lasts', async () => {
  await using feed = await openFeed()
  // The first poll is followed by a sweep, and one that meets the outage is logged, too: it is over after some more polls.
  const { polls: first } = feed.counts()
  await expect.poll(() => feed.counts().polls).toBeGreaterThan(first + 10)
  await feed.sql`ALTER TABLE vigie.changes RENAME TO elsewhere`
  await expect.poll(() => feed.warnings.length).toBeGreaterThan(0)
  const polls = () =>
    feed.sql<
      { n: string }[]
    >`SELECT xact_rollback::text AS n FROM pg_stat_database WHERE datname = current_database()`
  const before = Number((await polls())[0]?.n)
  await expect
    .poll(async () => Number((await polls())[0]?.n), { timeout: 10_000 })
    .toBeGreaterThan(before + 5)
  await feed.sql`ALTER TABLE vigie.elsewhere RENAME TO changes`
  await feed.told.saidAll()
  expect(feed.warnings).toEqual(['Changes of memberships cannot be read now; the last known ones stand.'])
})

it('counts polls, failed ones and what it told; and how long ago a row was written that a transaction held back', async () => {
  await using feed = await openFeed()
  await feed.settled()
  const { polls, changes, overruns, failedPolls } = feed.counts()
  expect([polls > 0, changes, overruns, failedPolls]).toEqual([true, 1, 0, 0])
  const early = feed.session()
  await early`BEGIN`
  await early`INSERT INTO group_users VALUES ('crew', 'early')`
  await early`UPDATE vigie.changes SET at = at - interval '20 seconds' WHERE id IN ('crew', 'early')`
  const { completeAt } = feed.counts()
  await early`COMMIT`
  await feed.told.named({ users: ['early'] })
  const { counts, limits, sum } = feed.counts().lagSeconds
  expect(counts[limits.indexOf(60)]).toBe(1)
  expect(sum).toBeGreaterThanOrEqual(20)
  expect(feed.counts().changes).toBe(3)
  expect(feed.counts().completeAt).toBeGreaterThan(completeAt)

  await feed.sql`ALTER TABLE vigie.changes RENAME TO elsewhere`
  await expect.poll(() => feed.counts().failedPolls).toBeGreaterThan(0)
  await feed.sql`ALTER TABLE vigie.elsewhere RENAME TO changes`
  await feed.told.saidAll()
  expect(feed.counts().overruns).toBe(1)
})

it('deletes rows once they have been visible for the retention, and no younger ones', async () => {
  await using feed = await openFeed({ feedRetentionMs: 300 })
  await feed.sql`INSERT INTO vigie.changes (kind, id) VALUES ('user', 'old')`
  const left = async () => (await feed.sql`SELECT FROM vigie.changes WHERE id = 'old'`).length
  await expect.poll(left, { timeout: 10_000 }).toBe(0)
  // Written long ago, but visible only now: others may not have read it yet.
  await feed.sql`INSERT INTO vigie.changes (kind, id, at) VALUES ('user', 'late', now() - interval '2 days')`
  await feed.told.named({ users: ['late'] })
})

it('does not take rows that were copied from another cluster for news', async () => {
  await using feed = await openFeed()
  await feed.sql`INSERT INTO vigie.changes (xid, kind, id) VALUES ('9000000000', 'user', 'foreign')`
  await feed.settled()
  await feed.settled()
  expect(feed.told.hasNamed('foreign')).toBe(false)
})

it('lets an application write its rows without any right on schema vigie', async () => {
  await using feed = await openFeed()
  const role = `app_${new URL(feed.url).pathname.slice(1)}`
  const connection = feed.session()
  await connection.unsafe(`CREATE ROLE ${role}; GRANT ALL ON group_users TO ${role}; SET ROLE ${role}`)
  await expect(connection`SELECT FROM vigie.changes`).rejects.toThrow('permission denied')
  await connection`INSERT INTO group_users VALUES ('crew', 'ada')`
  await connection.unsafe(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}`)
  await feed.told.named({ users: ['ada'], groups: ['crew'] })
})

it('does not let a renamed column fail the statement that wrote the row', async () => {
  await using feed = await openFeed()
  await feed.sql`ALTER TABLE group_users RENAME COLUMN user_id TO person_id`
  await feed.sql`INSERT INTO group_users VALUES ('crew', 'ada')`
  await feed.told.saidAll()
})
