/**
 * Looks for what is wrong with a database that memberships are to be read from, all of it, and changes nothing. It asks
 * by the same queries as the memberships themselves, so that what it finds is what they would meet.
 */
import { PresenceError } from '@vigie/protocol'
import { silentLog } from '../core/ports.js'
import { connect, sqlState, type Database, type Row, type SqlSource } from './database.js'
import { hasPlainComparison, typesOf } from './reads.js'
import { locateSources, schemaState, serverFacts, VERSION_MIN } from './server-facts.js'
import { hiddenRows, see, UNHEARD_KINDS, type Fault } from './table-look.js'
import { quoteLiteral, resolveSources, type MembershipTables, type Source } from './tables.js'

/** What is wrong. */
export type DatabaseFaultCode =
  | 'server_too_old'
  | 'server_is_standby'
  | 'schema_missing'
  | 'schema_old'
  | 'rights_missing'
  | 'table_missing'
  | 'table_unreadable'
  | 'table_is_unheard'
  | 'column_missing'
  | 'column_type_slow'
  | 'index_missing'
  | 'rows_hidden'
  | 'triggers_missing'
  | 'triggers_disabled'
  | 'triggers_for_other_columns'
  | 'triggers_not_for_replicas'
  | 'triggers_break_statements'
  | 'partition_unheard'

export interface DatabaseFault {
  readonly code: DatabaseFaultCode
  /** The table that it is about, as the options name it. */
  readonly table?: string
  /** What exactly: a column, a right, a trigger, the words of PostgreSQL. */
  readonly detail: string
}

/** How long one query of the inspection may take. Milliseconds. */
const QUERY_MS = 10_000

/**
 * Everything that is wrong with the membership tables and with what the change feed needs, in the order in which it would
 * be met. It reads the catalog and no rows.
 *
 * @throws PresenceError `unavailable` when the database cannot be reached or does not answer; Error with one sentence when
 * a name of a table or column cannot be one.
 * @example
 * const faults = await inspectMemberships(process.env.DATABASE_URL, { conversations: { table: 'chat.members' } })
 */
export async function inspectMemberships(
  sql: SqlSource,
  tables: MembershipTables = {},
): Promise<readonly DatabaseFault[]> {
  const sources = resolveSources(tables)
  const database = connect(sql, { timeoutMs: QUERY_MS, log: silentLog })
  try {
    const faults = await serverFaults(database)
    const schema = await schemaFaults(database)
    faults.push(...schema.faults)
    for (const source of sources) faults.push(...(await tableFaults(database, source, schema.isUsable)))
    return faults
  } finally {
    await database.close()
  }
}

async function serverFaults(database: Database): Promise<DatabaseFault[]> {
  const { major, isStandby } = await serverFacts(database)
  const faults: DatabaseFault[] = []
  if (!(major >= VERSION_MIN)) {
    faults.push({ code: 'server_too_old', detail: `PostgreSQL ${major}; it must be ${VERSION_MIN} or later` })
  }
  if (isStandby) faults.push({ code: 'server_is_standby', detail: 'pg_is_in_recovery() is true' })
  return faults
}

interface SchemaFaults {
  readonly faults: readonly DatabaseFault[]
  /** Whether its functions can say what is wrong with a table's triggers. */
  readonly isUsable: boolean
}

/** By numbers, not names: without the right to use the schema no name in it can be looked up. */
const RIGHTS = `
SELECT quote_ident(current_user) AS role, has_schema_privilege(n.oid, 'USAGE')::text AS usage,
  has_table_privilege(c.oid, 'SELECT')::text AS "SELECT", has_table_privilege(c.oid, 'UPDATE')::text AS "UPDATE",
  has_table_privilege(c.oid, 'DELETE')::text AS "DELETE"
FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'changes' WHERE n.nspname = 'vigie'`

/** The sweep of old rows locks them first, which takes the right to update. */
const CHANGES_RIGHTS = ['SELECT', 'UPDATE', 'DELETE'] as const

async function schemaFaults(database: Database): Promise<SchemaFaults> {
  const [rights] = await database.query(RIGHTS)
  if (!rights)
    return { faults: [{ code: 'schema_missing', detail: 'there is no vigie.changes' }], isUsable: false }
  const role = rights['role'] ?? ''
  if (rights['usage'] !== 'true') {
    return {
      faults: [{ code: 'rights_missing', detail: `USAGE on schema vigie TO ${role}` }],
      isUsable: false,
    }
  }
  const lacking = CHANGES_RIGHTS.filter((right) => rights[right] !== 'true')
  const faults: DatabaseFault[] =
    lacking.length === 0
      ? []
      : [{ code: 'rights_missing', detail: `${lacking.join(', ')} on vigie.changes TO ${role}` }]
  const isCurrent = (await schemaState(database)) === 'current'
  if (!isCurrent) faults.push({ code: 'schema_old', detail: 'vigie.look is missing' })
  return { faults, isUsable: isCurrent }
}

async function tableFaults(
  database: Database,
  source: Source,
  hasFeed: boolean,
): Promise<readonly DatabaseFault[]> {
  const table = source.name
  const [located = source] = await locateSources(database, [source])
  const [seen] = await see(database, [located], { hasFeed: false })
  if (seen?.oid === undefined) return [{ code: 'table_missing', table, detail: located.table }]
  const { types, fault } = await readTypes(database, located)
  if (fault) return [fault]
  return [
    ...typeFaults(located, types),
    ...(await indexFaults(database, located, seen.oid)),
    ...(await rowFaults(database, located)),
    ...(hasFeed ? await triggerFaults(database, located) : []),
  ]
}

/** SQLSTATE of a column that does not exist. */
const NO_COLUMN = '42703'

async function readTypes(database: Database, source: Source): Promise<{ types: Row; fault?: DatabaseFault }> {
  try {
    const [types = {}] = await database.query(typesOf(source))
    return { types }
  } catch (error) {
    if (error instanceof PresenceError) throw error
    const code = sqlState(error) === NO_COLUMN ? 'column_missing' : 'table_unreadable'
    const detail = error instanceof Error ? error.message : String(error)
    return { types: {}, fault: { code, table: source.name, detail } }
  }
}

function typeFaults({ name, watched }: Source, types: Row): DatabaseFault[] {
  const columns = [
    [watched.room, types['room']],
    [watched.user, types['member']],
  ] as const
  return columns.flatMap(([column, type]) =>
    hasPlainComparison(type)
      ? []
      : [{ code: 'column_type_slow', table: name, detail: `${column} is ${type ?? 'unknown'}` } as const],
  )
}

/** Rows are read by user when somebody connects, and by room for each roster. */
async function indexFaults(database: Database, source: Source, oid: string): Promise<DatabaseFault[]> {
  if (!source.isPlain) return []
  const columns = [source.watched.room, source.watched.user]
  const rows = await database.query(
    `SELECT DISTINCT a.attname::text AS name FROM pg_index AS i ` +
      'JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] ' +
      `WHERE i.indrelid = ${oid} AND i.indisvalid AND i.indpred IS NULL ` +
      `UNION ALL SELECT ${quoteLiteral('')} FROM pg_class WHERE oid = ${oid} AND relkind NOT IN ('r', 'p')`,
  )
  const names = new Set(rows.map(({ name }) => name))
  // A view has no indexes of its own.
  if (names.has('')) return []
  return columns
    .filter((column) => !names.has(column))
    .map((column) => ({ code: 'index_missing', table: source.name, detail: column }))
}

async function rowFaults(database: Database, source: Source): Promise<DatabaseFault[]> {
  const hidden = await hiddenRows(database, [source])
  return hidden ? [{ code: 'rows_hidden', table: source.name, detail: hidden.message }] : []
}

const TRIGGER_FAULTS: ReadonlyMap<string, DatabaseFaultCode> = new Map([
  ['is missing', 'triggers_missing'],
  ['is disabled', 'triggers_disabled'],
  ['is for other columns', 'triggers_for_other_columns'],
  ['does not fire for replicated rows', 'triggers_not_for_replicas'],
  ['makes statements fail because of a foreign partition', 'triggers_break_statements'],
])

/** One fault for each kind, naming all of its triggers: a table has five, and each partition as many. */
async function triggerFaults(database: Database, source: Source): Promise<DatabaseFault[]> {
  const [seen] = await see(database, [source], { hasFeed: true })
  if (!seen) return []
  const unheard = UNHEARD_KINDS.get(seen.relationKind)
  if (unheard !== undefined) return [{ code: 'table_is_unheard', table: source.name, detail: unheard }]
  const details = new Map<DatabaseFaultCode, string[]>()
  for (const fault of seen.faults) {
    const code = faultCode(source, fault)
    const named = details.get(code) ?? []
    details.set(code, [...named, `${fault.trigger} of ${fault.relation} ${fault.what}`])
  }
  return [...details].map(([code, named]) => ({ code, table: source.name, detail: named.join(', ') }))
}

function faultCode({ table }: Source, { relation, what }: Fault): DatabaseFaultCode {
  const isPart = relation !== table && (what === 'is missing' || what === 'is disabled')
  return isPart ? 'partition_unheard' : (TRIGGER_FAULTS.get(what) ?? 'triggers_missing')
}
