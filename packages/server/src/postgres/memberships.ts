import { silentLog, type Log, type Memberships } from '../core/ports.js'
import { changeFeed, type ChangeFeed } from './change-feed.js'
import { connect, operatorError, type Database, type SqlSource } from './database.js'
import { membershipReads } from './reads.js'
import { resolveSources, type MembershipTables, type Source } from './tables.js'

/** Options of {@link postgresMemberships}. */
export interface PostgresMembershipsOptions extends MembershipTables {
  /** A URL, or a client or pool that the host already has; that one is never ended here. */
  readonly sql: SqlSource
  /**
   * Whether changes are read from the triggers of `vigie migrate`. Without it the host calls
   * `presence.membershipsChanged` after each change.
   * @default true
   */
  readonly changeFeed?: boolean
  /** How often the change feed is read. @default 200 */
  readonly feedPollMs?: number
  /** How long a change is kept for nodes that cannot read it now; after half of it they read everything. @default 600000 */
  readonly feedRetentionMs?: number
  /** A query without an answer for this long has failed. @default 5000 */
  readonly readTimeoutMs?: number
  /** @default silentLog */
  readonly log?: Log
}

/** The oldest PostgreSQL that is supported. */
const VERSION_MIN = 14

/**
 * Memberships as rows in PostgreSQL 14 or later. See {@link Memberships}. The tables are the host's; only the
 * change feed needs something of ours there, and `vigie migrate` (or {@link migrate}) puts it there.
 *
 * @throws Error with one sentence when a table or column name cannot be one.
 * @example
 * const memberships = postgresMemberships({ sql: process.env.DATABASE_URL, conversations: { table: 'chat.members' } })
 */
export function postgresMemberships(options: PostgresMembershipsOptions): Memberships {
  const { sql, feedPollMs = 200, feedRetentionMs = 600_000, readTimeoutMs = 5_000, log = silentLog } = options
  const hasFeed = options.changeFeed ?? true
  const sources = resolveSources(options)
  const database = connect(sql, { timeoutMs: readTimeoutMs, log })
  const reads = membershipReads(database, sources, log)
  let feed: ChangeFeed | undefined

  return {
    async open(onStale) {
      try {
        await checkServer(database, hasFeed)
        await reads.check()
        if (!hasFeed) return
        await checkTriggers(database, sources)
        feed = changeFeed({ database, pollMs: feedPollMs, retentionMs: feedRetentionMs, log, onStale })
        await feed.start()
      } catch (error) {
        throw operatorError(error)
      }
    },
    readUsers: reads.readUsers,
    readRooms: reads.readRooms,
    async close() {
      await feed?.stop()
      await database.close()
    },
  }
}

async function checkServer(database: Database, hasFeed: boolean): Promise<void> {
  const [row] = await database.query(
    `SELECT current_setting('server_version_num') AS version, pg_is_in_recovery()::text AS standby`,
  )
  const major = Math.floor(Number(row?.['version']) / 10_000)
  if (!(major >= VERSION_MIN)) {
    throw new Error(`This is PostgreSQL ${major}; Vigie needs ${VERSION_MIN} or later.`)
  }
  // A standby's snapshots do not list running transactions, so the feed would lose some.
  if (hasFeed && row?.['standby'] === 'true') {
    throw new Error('This PostgreSQL is a standby; the change feed must be read from the primary.')
  }
}

async function checkTriggers(database: Database, sources: readonly Source[]): Promise<void> {
  for (const { kind, name, table } of sources) {
    const rows = await database.query(
      `SELECT FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgenabled <> 'D'
         AND tgname = ANY (ARRAY(SELECT 'vigie_${kind}_' || e FROM unnest('{insert,update,delete,truncate}'::text[]) AS e))`,
      [table],
    )
    if (rows.length < 4) {
      throw new Error(
        `Changes of the table ${name} are not told: run \`vigie migrate\` (\`vigie migrate --print\` prints it), ` +
          'or turn the change feed off.',
      )
    }
  }
}
