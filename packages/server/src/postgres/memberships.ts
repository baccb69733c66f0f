import { PresenceError } from '@vigie/protocol'
import { lineLog } from '../core/line-log.js'
import type { Memberships } from '../core/ports.js'
import { changeFeed, type ChangeFeed } from './change-feed.js'
import { connect, operatorError, type Database } from './database.js'
import { refuseWrongMembershipsOptions, type PostgresMembershipsOptions } from './options.js'
import { membershipReads } from './reads.js'
import { locateSources, schemaState, serverFacts, VERSION_MIN } from './server-facts.js'
import { tableLook, type TableLook } from './table-look.js'
import { resolveSources, type Source } from './tables.js'

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
    feed: () => feed?.counts,
    async close() {
      await look?.stop()
      await feed?.stop()
      await database.close()
    },
  }
}

async function checkServer(database: Database, hasFeed: boolean): Promise<void> {
  const { major, isStandby } = await serverFacts(database)
  if (!(major >= VERSION_MIN)) {
    throw new Error(`This is PostgreSQL ${major}; Vigie needs ${VERSION_MIN} or later.`)
  }
  // A standby's snapshots do not list running transactions, so the feed would lose some.
  if (hasFeed && isStandby) {
    throw new Error('This PostgreSQL is a standby; the change feed must be read from the primary.')
  }
}

async function checkSchema(database: Database, sources: readonly Source[]): Promise<void> {
  const state = await schemaState(database)
  if (state === 'current') return
  const names = sources.map(({ name }) => name).join(' and ')
  const why = state === 'old' ? 'the schema `vigie` is of an older version' : 'there is no schema `vigie`'
  throw new Error(
    `Changes of the table ${names} are not told (${why}): run \`vigie migrate\` (\`vigie migrate --print\` prints it), ` +
      'or turn the change feed off.',
  )
}
