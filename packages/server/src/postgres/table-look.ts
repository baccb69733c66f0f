/**
 * The recurring look at the membership tables. Some changes write nothing into the feed: a table that is swapped by a
 * rename, a partition that is detached or dropped, triggers that were off for a while, a policy that hides rows from
 * the reader. Each is seen at the next look: what can be put right is put right, and everything is read again.
 */
import { PresenceError } from '@vigie/protocol'
import type { Log, Stale } from '../core/ports.js'
import { sqlState, type Database, type Row } from './database.js'
import { watchStatement } from './migrations.js'
import { quoteLiteral, type Source } from './tables.js'

/** Looks at the tables, from `start` until `stop`. */
export interface TableLook {
  /**
   * The first look.
   * @throws Error with one sentence when changes could not be heard, or rows not be read, from the start.
   */
  start(): Promise<void>
  /** Why reads do not count now: they would succeed and not be the truth. */
  hidden(): Error | undefined
  /** Waits for what runs. */
  stop(): Promise<void>
}

interface TableLookOptions {
  readonly database: Database
  /** The tables as the reads have them; `again`: found anew. */
  readonly locate: (again?: boolean) => Promise<readonly Source[]>
  readonly hasFeed: boolean
  /** 0: only at the start. */
  readonly checkMs: number
  readonly log: Log
  readonly onStale: (stale: Stale) => void
}

/** One table as a look found it. */
interface Seen {
  readonly source: Source
  /** Undefined: there is no such table. */
  readonly oid: string | undefined
  readonly relationKind: string
  readonly faults: readonly Fault[]
  readonly digest: string
}

export interface Fault {
  readonly relation: string
  readonly trigger: string
  readonly what: string
}

/** What is known of a table from look to look. */
interface Known {
  oid: string | undefined
  digest: string
  /** Whether nothing was wrong with its triggers. */
  isFaultless: boolean
  /** What was said to be wrong, until it is right again. */
  trouble: string | undefined
  /** The digest at which putting it right has failed, for want of a right. */
  givenUpAt: string | undefined
  /** So many looks pass before the next attempt at a table that was locked. */
  attemptIn: number
  attempts: number
}

/** While one statement waits for a lock on a table, all writers to it wait behind: an attempt gives up after this. */
const LOCK_MS = 100
/** A table that stays locked is tried less and less often, at most one look in so many. */
const ATTEMPT_EVERY_MAX = 64
/** So many faults are named in one sentence. */
const FAULTS_NAMED = 3

/** Triggers there are for what the server of another node, or an earlier start, was told to watch. */
const OTHER_COLUMNS = 'is for other columns'

/** Relations without triggers of ours, as sentences call them. */
export const UNHEARD_KINDS: ReadonlyMap<string, string> = new Map([
  ['v', 'it is a view'],
  ['m', 'it is a materialized view'],
  ['f', 'it is a foreign table'],
])

export function tableLook(options: TableLookOptions): TableLook {
  const { database, locate, hasFeed, checkMs, log, onStale } = options
  const known = new Map<Source['kind'], Known>()
  let hidden: Error | undefined
  let isStandby = false
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()

  async function start(): Promise<void> {
    const sources = await locate()
    hidden = await hiddenRows(database, sources)
    if (hidden) throw hidden
    for (const seen of await see(database, sources, { hasFeed })) {
      refuseUnheard(seen)
      const { oid, digest } = seen
      known.set(seen.source.kind, { ...NEW, oid, digest })
    }
    // Nothing has been read yet, so nothing is stale; but what is wrong is said and put right.
    await look()
    next()
  }

  async function look(): Promise<void> {
    const sources = await locate()
    await lookForHiddenRows(sources)
    const found = await see(database, sources, { hasFeed, known })
    // Dropped, and made again in another schema maybe.
    if (found.some(({ oid }) => oid === undefined)) await locate(true)
    lookForStandby(found)
    let isStale = false
    for (const seen of found) isStale = (await compare(seen)) || isStale
    if (isStale && !isStopped) onStale('all')
  }

  /** Whether rows of the table may have changed unheard since the last look. */
  async function compare(seen: Seen): Promise<boolean> {
    const before = known.get(seen.source.kind) ?? { ...NEW }
    known.set(seen.source.kind, before)
    const cause = causeOf(seen, before)
    const isChanged = seen.oid !== before.oid || seen.digest !== before.digest
    const mended = hasFeed && mayMend(seen, before) ? await mend(seen, before) : undefined
    const now = mended ?? seen
    before.oid = now.oid
    before.digest = now.digest
    before.isFaultless = now.faults.length === 0
    const trouble = troubleOf(now)
    report(seen, { before, cause, trouble })
    before.trouble = trouble
    return isChanged || mended !== undefined
  }

  function mayMend({ faults, digest }: Seen, before: Known): boolean {
    if (faults.length === 0) {
      before.attempts = 0
      before.attemptIn = 0
      return false
    }
    // Another node with other columns would put it back: the two would take turns for ever.
    if (faults.some(({ what }) => what === OTHER_COLUMNS) || before.givenUpAt === digest) return false
    return before.attemptIn-- <= 0
  }

  /** The table as it is then; undefined when nothing was changed. */
  async function mend({ source, digest }: Seen, before: Known): Promise<Seen | undefined> {
    try {
      // One message is one transaction, also in a pool.
      await database.query(`SET LOCAL lock_timeout = ${LOCK_MS}; ${watchStatement(source)}`)
    } catch (error) {
      log.debug('The triggers of a table cannot be put right now.', { table: source.name, error })
      if (sqlState(error) === LOCKED) before.attemptIn = Math.min(2 ** before.attempts++, ATTEMPT_EVERY_MAX)
      else if (sqlState(error) !== undefined) before.givenUpAt = digest
      return undefined
    }
    const [now] = await see(database, [source], { hasFeed })
    // A role that may create triggers need not be able to make them fire always.
    if (now && now.faults.length > 0) before.givenUpAt = now.digest
    return now?.digest === digest ? undefined : now
  }

  function report(seen: Seen, { before, cause, trouble }: Report): void {
    const table = seen.source.name
    if (trouble !== undefined && trouble !== before.trouble) {
      log.warn(`Changes of the table ${table} may not be heard: ${trouble}. ${followsOf(seen)}`, {
        table,
        cause: trouble,
      })
    } else if (trouble === undefined && before.trouble !== undefined) {
      log.info(`Changes of the table ${table} are heard again, and everything is read again.`, { table })
    } else if (trouble === undefined && cause !== undefined) {
      log.warn(`Rows of the table ${table} may have changed unheard: ${cause}. ${PUT_RIGHT}`, {
        table,
        cause,
      })
    }
  }

  async function lookForHiddenRows(sources: readonly Source[]): Promise<void> {
    const before = hidden
    hidden = await hiddenRows(database, sources)
    if (hidden && hidden.message !== before?.message) {
      log.warn(`${hidden.message} Until then the last known memberships stand, and nobody new is let in.`)
    } else if (!hidden && before) {
      log.info('All rows of the membership tables can be read again, and everything is read again.')
      onStale('all')
    }
  }

  function lookForStandby(found: readonly (Seen & { readonly isStandby: boolean })[]): void {
    const isOne = found.some((seen) => seen.isStandby)
    if (isOne === isStandby) return
    isStandby = isOne
    if (!isOne) log.info('The primary server of PostgreSQL answers again.')
    else {
      log.warn(
        'A standby of PostgreSQL answers, maybe behind a pooler: rows come late from it, and some changes are only found ' +
          'by the slow re-read (`rereadMs`). Connect to the primary.',
      )
    }
  }

  function next(): void {
    if (isStopped || checkMs === 0) return
    timer = setTimeout(() => {
      looking = look()
        .catch((error: unknown) => {
          // The feed and the reads say so when the server is away.
          log.debug('The membership tables cannot be looked at now.', { error })
        })
        .then(next)
    }, checkMs)
  }

  return {
    start,
    hidden: () => hidden,
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await looking
    },
  }
}

interface Report {
  readonly before: Known
  /** What has happened since the last look, if something has. */
  readonly cause: string | undefined
  /** What is wrong now. */
  readonly trouble: string | undefined
}

const NEW: Known = {
  oid: undefined,
  digest: '',
  isFaultless: false,
  trouble: undefined,
  givenUpAt: undefined,
  attemptIn: 0,
  attempts: 0,
}

/** SQLSTATE of a lock that was not had in time. */
const LOCKED = '55P03'
/** Insufficient privilege. */
const DENIED = '42501'

const PUT_RIGHT = 'It has been put right where it had to be, and everything is read again.'
const BY_REREAD =
  'Until that is put right (`vigie migrate`, as the owner of the table) they are found by the slow re-read (`rereadMs`) only.'

function followsOf({ source, oid, relationKind }: Seen): string {
  if (oid === undefined) return 'Until it is back the last known memberships stand, and nobody new is let in.'
  if (!UNHEARD_KINDS.has(relationKind)) return BY_REREAD
  return (
    'They are found by the slow re-read (`rereadMs`). To hear them at once, name the table that holds the rows as ' +
    `\`table\`, and read ${source.name} with \`query\`.`
  )
}

function causeOf(seen: Seen, before: Known): string | undefined {
  if (seen.oid === before.oid && seen.digest === before.digest && seen.faults.length === 0) return undefined
  if (seen.oid !== before.oid && before.oid !== undefined) return 'another table has its name now'
  return describe(seen.faults) ?? 'its partitions were exchanged, or its triggers were off for a while'
}

function troubleOf({ oid, relationKind, faults }: Seen): string | undefined {
  if (oid === undefined) return 'there is no table of that name any more'
  return UNHEARD_KINDS.get(relationKind) ?? describe(faults)
}

function describe(faults: readonly Fault[]): string | undefined {
  if (faults.length === 0) return undefined
  const named = faults
    .slice(0, FAULTS_NAMED)
    .map(({ relation, trigger, what }) => `trigger ${trigger} of ${relation} ${what}`)
  const rest = faults.length - named.length
  return named.join(', ') + (rest > 0 ? `, and ${rest} more` : '')
}

/** Without the triggers that `vigie migrate` puts on every table nothing would be heard from the start. */
function refuseUnheard({ source, faults }: Seen): void {
  const unheard = faults.filter(
    ({ relation, what }) => relation === source.table && (what === 'is missing' || what === 'is disabled'),
  )
  const why = describe(unheard)
  if (why === undefined) return
  throw new Error(
    `Changes of the table ${source.name} are not told (${why}): run \`vigie migrate\` ` +
      '(`vigie migrate --print` prints it), or turn the change feed off.',
  )
}

interface SeeOptions {
  readonly hasFeed: boolean
  /** Of earlier looks: what has not changed since is not searched for faults again. */
  readonly known?: ReadonlyMap<Source['kind'], Known>
}

export async function see(
  database: Database,
  sources: readonly Source[],
  { hasFeed, known }: SeeOptions,
): Promise<(Seen & { readonly isStandby: boolean })[]> {
  const queries = sources.map((source) => {
    const before = known?.get(source.kind)
    return hasFeed ? lookAt(source, before?.isFaultless ? before.digest : '') : lookWithoutFeed(source)
  })
  const rows = await database.query(queries.join('\nUNION ALL\n'))
  return sources.flatMap((source) => {
    const row = rows.find(({ kind }) => kind === source.kind)
    // PostgreSQL looks a name up as of now, and all else as of the start of the statement: a table that was exchanged in
    // between is seen at the next look.
    const isBetween = row?.['oid'] && !row['relation_kind']
    return row && !isBetween ? [{ ...seenIn(row, source), isStandby: row['standby'] === 'true' }] : []
  })
}

function seenIn(row: Row, source: Source): Seen {
  const faults = JSON.parse(row['faults'] ?? '[]') as [string, string, string][]
  return {
    source,
    oid: row['oid'] ?? undefined,
    relationKind: row['relation_kind'] ?? '',
    faults: faults.map(([relation, trigger, what]) => ({ relation, trigger, what })),
    digest: row['digest'] ?? '',
  }
}

function lookAt({ kind, table, watched }: Source, knownDigest: string): string {
  const [room, user] = [quoteLiteral(watched.room), quoteLiteral(watched.user)]
  const further = watched.further.map(quoteLiteral).join(', ')
  return (
    `SELECT '${kind}' AS kind, n.oid::text AS oid, l.relation_kind, ` +
    "CASE WHEN l.relation_kind IN ('r', 'p') THEN l.faults::text END AS faults, l.digest, pg_is_in_recovery()::text AS standby " +
    `FROM (SELECT to_regclass(${quoteLiteral(table)})::oid AS oid) AS n ` +
    `LEFT JOIN LATERAL vigie.look(n.oid, ${quoteLiteral(knownDigest)}, '${kind}', ${room}, ${user}, ARRAY[${further}]::text[]) AS l ON n.oid IS NOT NULL`
  )
}

function lookWithoutFeed({ kind, table }: Source): string {
  return (
    `SELECT '${kind}' AS kind, n.oid::text AS oid, 'r' AS relation_kind, NULL AS faults, NULL AS digest, ` +
    `pg_is_in_recovery()::text AS standby FROM (SELECT to_regclass(${quoteLiteral(table)})::oid AS oid) AS n`
  )
}

/**
 * Whether row level security hides rows from this role, in a table, below a view or in a query: PostgreSQL says so when
 * it is told not to filter. To plan is enough, so nothing is read.
 */
export async function hiddenRows(database: Database, sources: readonly Source[]): Promise<Error | undefined> {
  const plans = sources.map(({ relation }) => `EXPLAIN SELECT FROM ${relation} AS r LIMIT 0;`)
  try {
    await database.query(['SET LOCAL row_security = off;', ...plans].join('\n'))
    return undefined
  } catch (error) {
    if (error instanceof PresenceError) throw error
    // A table that is missing, or a right, is seen by the reads, and makes them fail.
    if (sqlState(error) !== DENIED || !(await isReadable(database, plans))) return undefined
    const [row] = await database.query('SELECT current_user AS role')
    const tables = sources.map(({ name }) => name).join(' or ')
    return new Error(
      `Row level security hides rows of ${tables} from the role ${row?.['role'] ?? ''} ` +
        `(${error instanceof Error ? error.message : String(error)}): people would be taken out of each other's sight. ` +
        'Give this role BYPASSRLS, or connect as one that sees all rows.',
    )
  }
}

async function isReadable(database: Database, plans: readonly string[]): Promise<boolean> {
  try {
    await database.query(plans.join('\n'))
    return true
  } catch (error) {
    if (error instanceof PresenceError) throw error
    return false
  }
}
