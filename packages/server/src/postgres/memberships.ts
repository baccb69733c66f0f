import { PresenceError } from '@vigie/protocol'
import { lineLog } from '../core/line-log.js'
import type { Memberships } from '../core/ports.js'
import { changeFeed, type ChangeFeed } from './change-feed.js'
import { connect, operatorError, type Database } from './database.js'
import { refuseWrongMembershipsOptions, type PostgresMembershipsOptions } from './options.js'
import { membershipReads } from './reads.js'
import { tableLook, type TableLook } from './table-look.js'
import { quoteLiteral, resolveSources, type Source } from './tables.js'

/** The oldest PostgreSQL that is supported. */
const VERSION_MIN = 14

/**
 * Memberships as rows in PostgreSQL 14 or later. See {@link Memberships}. The tables are the host's; only the
 * change feed needs something of ours there, and `vigie migrate` (or {@link migrate}) puts it there.
 *
 * @throws TypeError, RangeError or Error with one sentence when an option is none, or a name of a table or column cannot
 * be one.
 * @example
 * const memberships = postgresMemberships({ sql: process.env.DATABASE_URL, conversations: { table: 'chat.members' } })
 */
export function postgresMemberships(options: PostgresMembershipsOptions): Memberships {
  refuseWrongMembershipsOptions(options)
  const { sql, feedPollMs = 200, feedRetentionMs = 600_000, feedCheckMs = 1_000 } = options
  const { readTimeoutMs = 5_000, log = lineLog(console) } = options
  const hasFeed = options.changeFeed ?? true
  const sources = resolveSources(options)
  const database = connect(sql, { timeoutMs: readTimeoutMs, log })
  let located: Promise<readonly Source[]> | undefined
  const locate = (again = false) => {
    if (again) located = undefined
    located ??= locateSources(database, sources).catch((error: unknown) => {
      // Not kept: a server that was away at first is asked again.
      located = undefined
      throw error
    })
    return located
  }
  const reads = membershipReads({ database, locate: () => locate(true), log })
  let feed: ChangeFeed | undefined
  let look: TableLook | undefined

  /** A read that succeeds and is not the truth would take people out of each other's sight. */
  async function whole<Answer>(read: () => Promise<Answer>): Promise<Answer> {
    const answer = await read()
    const hidden = look?.hidden()
    if (hidden) throw new PresenceError('unavailable', undefined, { cause: hidden })
    return answer
  }

  return {
    async open(onStale) {
      try {
        await checkServer(database, hasFeed)
        await reads.check()
        if (hasFeed) {
          await checkSchema(database, sources)
          feed = changeFeed({ database, pollMs: feedPollMs, retentionMs: feedRetentionMs, log, onStale })
          await feed.start()
        }
        look = tableLook({ database, locate, hasFeed, checkMs: feedCheckMs, log, onStale })
        await look.start()
      } catch (error) {
        throw operatorError(error)
      }
    },
    readUsers: (ids) => whole(() => reads.readUsers(ids)),
    readRooms: (groups, conversations, rosterMax) =>
      whole(() => reads.readRooms(groups, conversations, rosterMax)),
    spelling: reads.spelling,
    feedAgeMs: () => feed?.ageMs(),
    async close() {
      await look?.stop()
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

async function checkSchema(database: Database, sources: readonly Source[]): Promise<void> {
  const [row] = await database.query(
    `SELECT (to_regclass('vigie.changes') IS NOT NULL)::text AS has_feed, (to_regproc('vigie.look') IS NOT NULL)::text AS has_look`,
  )
  if (row?.['has_look'] === 'true') return
  const names = sources.map(({ name }) => name).join(' and ')
  const why =
    row?.['has_feed'] === 'true' ? 'the schema `vigie` is of an older version' : 'there is no schema `vigie`'
  throw new Error(
    `Changes of the table ${names} are not told (${why}): run \`vigie migrate\` (\`vigie migrate --print\` prints it), ` +
      'or turn the change feed off.',
  )
}

/**
 * The sources with the schema of each table in its name. A table of the same name that comes earlier in the search
 * path of some connection, a temporary one say, would otherwise be read instead.
 */
async function locateSources(database: Database, sources: readonly Source[]): Promise<readonly Source[]> {
  const rows = await database.query(
    sources
      .map(
        ({ kind, table }) =>
          `SELECT '${kind}' AS kind, format('%I.%I', n.nspname, c.relname) AS name, c.relpersistence::text AS persistence ` +
          `FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(${quoteLiteral(table)})`,
      )
      .join(' UNION ALL '),
  )
  return sources.map((source) => {
    const row = rows.find(({ kind }) => kind === source.kind)
    if (row?.['persistence'] === 't') {
      throw new Error(
        `The table ${source.name} is a temporary one of this connection and hides the real one: write its schema, as in public.${source.name}.`,
      )
    }
    const table = row?.['name'] ?? source.table
    return { ...source, table, relation: source.isPlain ? table : source.relation }
  })
}
