/** What a host hands to this folder's functions. JavaScript has no types, so it is looked at before it is used. */
import { isObject, refuseNonBoolean, refuseUnknown, refuseWrongLog } from '../core/given-options.js'
import type { Log } from '../core/ports.js'
import type { SqlSource } from './database.js'
import type { ConversationTable, GroupTable, MembershipTables } from './tables.js'

/** Options of `postgresMemberships`. */
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
  /**
   * How often the tables are looked at: swapped ones, partitions, triggers that were off, row level security; 0: only at
   * the start. @default 1000
   */
  readonly feedCheckMs?: number
  /** A query without an answer for this long has failed. @default 5000 */
  readonly readTimeoutMs?: number
  /** Where sentences for operators go; `silentLog`: nowhere. @default warnings and errors to the console */
  readonly log?: Log
}

/** What `migrate` does. */
export interface MigrationOptions extends MembershipTables {
  /**
   * Also create the membership tables where they are missing, with text columns. For a database of our own:
   * a host's tables are the host's.
   * @default false
   */
  readonly createTables?: boolean
  /**
   * Roles that get their rights on the audit trail, and lose all others on it. Its owner says so; where nothing is to be
   * changed anybody may.
   */
  readonly trail?: TrailRoles
}

/**
 * Roles of PostgreSQL, which must be there. Different ones: one that may erase should not be the one that writes. Neither
 * may own the trail, or act as its owner.
 */
export interface TrailRoles {
  /** The server's: it reads, adds rows, and makes days. */
  readonly writer?: string
  /** Retention's and erasure's: it reads, drops days that are over, and empties the rows of a person. */
  readonly keeper?: string
}

/** The compiler asks for each. */
type Names<T> = Readonly<Record<keyof T, true>>

const TABLE = { table: true, userColumn: true, query: true, watchColumns: true } as const
const GROUP_TABLE: Names<GroupTable> = { ...TABLE, groupColumn: true }
const CONVERSATION_TABLE: Names<ConversationTable> = { ...TABLE, conversationColumn: true }
const TABLES: Names<MembershipTables> = { groups: true, conversations: true }
const MEMBERSHIPS: Names<PostgresMembershipsOptions> = {
  ...TABLES,
  sql: true,
  changeFeed: true,
  feedPollMs: true,
  feedRetentionMs: true,
  feedCheckMs: true,
  readTimeoutMs: true,
  log: true,
}
const MIGRATION: Names<MigrationOptions> = { ...TABLES, createTables: true, trail: true }
const TRAIL_ROLES: Names<TrailRoles> = { writer: true, keeper: true }
/** A name, and the least that it may be: 0 only where that has a meaning of its own. */
const TIMES = [
  ['feedPollMs', 1],
  ['feedRetentionMs', 1],
  ['feedCheckMs', 0],
  ['readTimeoutMs', 1],
] as const
/** Timers overflow above. */
export const MILLIS_MAX = 2_147_483_647

/**
 * What each function has in common that connects by `sql` and writes to `log`.
 * @param names Of all its options.
 * @throws TypeError, one sentence that says what to change.
 */
export function givenOptions(
  options: unknown,
  names: Readonly<Record<string, true>>,
  where: string,
): Readonly<Record<string, unknown>> {
  if (!isObject(options)) throw new TypeError(`${where} needs options: \`${where}({ sql: databaseUrl })\`.`)
  const given = options as Readonly<Record<string, unknown>>
  refuseUnknown(given, Object.keys(names), where)
  refuseWrongSql(given['sql'], `${where}({ sql })`)
  refuseWrongLog(given['log'])
  return given
}

/** @throws TypeError or RangeError, one sentence that says what to change. */
export function refuseWrongMembershipsOptions(options: unknown): void {
  const where = 'postgresMemberships'
  const given = givenOptions(options, MEMBERSHIPS, where)
  refuseWrongTables(given, where)
  refuseNonBoolean('changeFeed', given['changeFeed'])
  for (const [name, min] of TIMES) {
    const value = given[name]
    if (value === undefined) continue
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > MILLIS_MAX) {
      throw new RangeError(
        `\`${name}\` of ${where} is ${JSON.stringify(value)}; it must be a whole number of milliseconds from ${min} to ${MILLIS_MAX}.`,
      )
    }
  }
}

/** @throws TypeError, one sentence that says what to change. */
export function refuseWrongMigration(sql: unknown, options: unknown): void {
  refuseWrongSql(sql, 'migrate(sql)')
  refuseWrongMigrationOptions(options)
}

/** @throws TypeError, one sentence that says what to change. */
export function refuseWrongMigrationOptions(options: unknown): void {
  if (!isObject(options)) throw new TypeError('The options of migrate must be an object.')
  const given = options as Readonly<Record<string, unknown>>
  // Of a host that has one object for both functions, the other's options are no mistake.
  refuseUnknown(given, Object.keys({ ...MIGRATION, ...MEMBERSHIPS }), 'migrate')
  refuseWrongTables(given, 'migrate')
  refuseNonBoolean('createTables', given['createTables'])
  refuseWrongTrailRoles(given['trail'])
}

function refuseWrongTrailRoles(trail: unknown): void {
  if (trail === undefined) return
  const where = '`trail` of migrate'
  if (!isObject(trail) || Array.isArray(trail)) {
    throw new TypeError(`${where} must be an object such as \`{ writer: 'chat', keeper: 'chat_keeper' }\`.`)
  }
  const given = trail as Readonly<Record<string, unknown>>
  refuseUnknown(given, Object.keys(TRAIL_ROLES), where)
  const named = Object.keys(TRAIL_ROLES).flatMap((name) => {
    const role = given[name]
    if (role === undefined) return []
    if (typeof role === 'string' && role !== '') return [role]
    throw new TypeError(`\`trail.${name}\` of migrate must be the name of a role.`)
  })
  if (named.length === 2 && named[0] === named[1]) {
    throw new TypeError(
      `\`trail.writer\` and \`trail.keeper\` of migrate are both ${JSON.stringify(named[0])}: who writes the trail must not be able to erase from it; name two roles.`,
    )
  }
}

/** `process.env.DATABASE_URL` that nobody has set is the ordinary case. */
export function refuseWrongSql(sql: unknown, where: string): void {
  if (typeof sql === 'string' && sql !== '') return
  // A client of the package `postgres` is a function.
  if ((isObject(sql) || typeof sql === 'function') && ('unsafe' in sql || 'query' in sql)) return
  const shown = sql === undefined || sql === null || sql === '' ? ' is not set' : ' is none'
  throw new TypeError(
    `The database of ${where}${shown}: give its URL, a client of the package \`postgres\`, or a pool of the package \`pg\`.`,
  )
}

function refuseWrongTables(given: Readonly<Record<string, unknown>>, where: string): void {
  for (const [name, known] of [
    ['groups', GROUP_TABLE],
    ['conversations', CONVERSATION_TABLE],
  ] as const) {
    const table = given[name]
    if (table === undefined || table === false) continue
    if (!isObject(table) || Array.isArray(table)) {
      throw new TypeError(
        `\`${name}\` of ${where} must be false, or an object such as \`{ table: 'chat.members' }\`.`,
      )
    }
    refuseUnknown(table, Object.keys(known), `\`${name}\` of ${where}`)
    for (const [option, value] of Object.entries(table)) {
      if (value === undefined) continue
      const isRight =
        option === 'watchColumns'
          ? Array.isArray(value) && value.every((column) => typeof column === 'string')
          : typeof value === 'string'
      if (isRight) continue
      throw new TypeError(
        `\`${name}.${option}\` of ${where} must be ${option === 'watchColumns' ? 'a list of names of columns' : 'a text'}.`,
      )
    }
  }
}
