/** What is wrong with the database, asked as the server would ask it. Nothing in it is changed. */
import {
  inspectMemberships,
  inspectTrail,
  type DatabaseFault,
  type DatabaseFaultCode,
  type TrailCondition,
  type TrailConditionCode,
} from '@vigie/server/postgres'
import { silentLog } from '@vigie/server'
import type postgres from 'postgres'
import type { Config } from '../config.js'
import {
  APPLICATION_NAME,
  membershipTables,
  openDatabase,
  readAddress,
  SERVER_CONNECTIONS_MAX,
  type Database,
} from '../database.js'
import { errorMessage, OperatorError } from '../operator-error.js'
import type { Finding } from './finding.js'

/** @throws what stops in the middle of the look: an answer that does not come, say. */
export async function lookAtDatabase(
  config: Config,
  now: () => number = Date.now,
): Promise<readonly Finding[]> {
  let database: Database
  try {
    database = await openDatabase(config, silentLog)
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    return [unreachable(errorMessage(error))]
  }
  try {
    const faults = await inspectMemberships(database.url, membershipTables(config))
    return [
      ...faults.map(faultFinding),
      ...(await trailFindings(database.url, config)),
      ...(await searchPathFindings(database)),
      ...(await connectionFindings(database.sql)),
      ...(await clockFindings(database.sql, { now, toleranceMs: config.settings.tokenClockToleranceMs })),
    ]
  } finally {
    await database.close()
  }
}

function unreachable(what: string): Finding {
  return {
    ...DATABASE,
    code: 'database_unreachable',
    what,
    follows:
      '`vigie serve` does not start. One that runs keeps the memberships last read, and lets nobody new in.',
    todo: 'Correct DATABASE_URL, or let this machine reach that server.',
  }
}

type Text = Pick<Finding, 'what' | 'follows' | 'todo'>

const UNTOLD =
  'Changes of that table are found by the slow re-read (`rereadMs`, a minute) only, not within a second.'
const MIGRATE =
  'Run `vigie migrate` as the owner of the table (`vigie migrate --print` prints the SQL for a migration tool of your own).'

/** Of each fault that the library can find: the sentences. `table` is as the options name it. */
const FAULTS: Readonly<Record<DatabaseFaultCode, (table: string, detail: string) => Text>> = {
  server_too_old: (_, detail) => ({
    what: `The database is ${detail}.`,
    follows: '`vigie serve` does not start.',
    todo: 'Upgrade PostgreSQL.',
  }),
  server_is_standby: () => ({
    what: 'DATABASE_URL leads to a standby of PostgreSQL.',
    follows: '`vigie serve` does not start: a standby cannot tell which changes of memberships are complete.',
    todo: 'Name the primary in DATABASE_URL.',
  }),
  schema_missing: () => ({
    what: 'The database has no schema `vigie`.',
    follows: 'Changes of memberships are not told. With VIGIE_MIGRATE=0 `vigie serve` does not start.',
    todo: `${MIGRATE} Unless VIGIE_MIGRATE is 0, \`vigie serve\` does it when it starts, with the rights of its own role.`,
  }),
  schema_old: () => ({
    what: 'The schema `vigie` is of an older version.',
    follows: 'With VIGIE_MIGRATE=0 `vigie serve` does not start.',
    todo: MIGRATE,
  }),
  rights_missing: (_, detail) => ({
    what: `The role of DATABASE_URL lacks rights: ${detail}.`,
    follows: 'Changes of memberships cannot be read, or those that were read pile up.',
    todo: `As the owner of the schema: GRANT ${detail};`,
  }),
  table_missing: (table, detail) => ({
    what: `There is no table ${table} (looked for as ${detail}).`,
    follows: 'No memberships can be read, so nobody sees anybody.',
    todo:
      'Name yours (VIGIE_GROUPS_TABLE, VIGIE_CONVERSATIONS_TABLE; with its schema if need be), or say VIGIE_GROUPS=0 or ' +
      'VIGIE_CONVERSATIONS=0 if you have none. `vigie migrate` creates those of the default names.',
  }),
  table_unreadable: (table, detail) => ({
    what: `The table ${table} cannot be read: ${detail}.`,
    follows: 'Nobody is let in.',
    todo: `GRANT SELECT ON ${table} TO the role of DATABASE_URL, and USAGE on its schema.`,
  }),
  table_is_unheard: (table, detail) => ({
    what: `Changes of ${table} cannot be heard: ${detail}.`,
    follows: UNTOLD,
    todo: 'Name the table that holds the rows, or attach Vigie as a library, which can watch a table and read a query.',
  }),
  column_missing: (table, detail) => ({
    what: `The table ${table} lacks a column: ${detail}.`,
    follows: '`vigie serve` does not start.',
    todo: 'Name the columns of that table (VIGIE_GROUPS_…_COLUMN, VIGIE_CONVERSATIONS_…_COLUMN).',
  }),
  column_type_slow: (table, detail) => ({
    what: `A column of ${table} has a type that is compared as text: ${detail}.`,
    follows: 'Its index does not serve, so each read goes through the whole table.',
    todo: 'Make the column text, varchar, uuid or an integer, or index its text: CREATE INDEX ON … ((column::text)).',
  }),
  index_missing: (table, detail) => ({
    what: `No index of ${table} begins with the column ${detail}.`,
    follows:
      'Each read of memberships by it goes through the whole table: with many rows people wait to be let in.',
    todo: `CREATE INDEX CONCURRENTLY ON ${table} (${detail});`,
  }),
  rows_hidden: (_, detail) => ({
    what: firstSentences(detail),
    follows: 'Reads would succeed without those rows, so they are refused: nobody is let in.',
    todo: 'Give the role of DATABASE_URL BYPASSRLS, or connect as one that sees all rows.',
  }),
  triggers_missing: (table, detail) => ({
    what: `Triggers of ${table} are missing: ${detail}.`,
    follows: UNTOLD,
    todo: MIGRATE,
  }),
  triggers_disabled: (table, detail) => ({
    what: `Triggers of ${table} are disabled: ${detail}.`,
    follows: UNTOLD,
    todo: MIGRATE,
  }),
  triggers_for_other_columns: (table, detail) => ({
    what: `Triggers of ${table} watch other columns than those that are read: ${detail}.`,
    follows: UNTOLD,
    todo: `${MIGRATE} If two servers name different columns, give both the same.`,
  }),
  triggers_not_for_replicas: (table, detail) => ({
    what: `Triggers of ${table} do not fire for rows that replication writes: ${detail}.`,
    follows: `Where rows are written that way: ${UNTOLD}`,
    todo: MIGRATE,
  }),
  triggers_break_statements: (table, detail) => ({
    what: `Triggers of ${table} stand where PostgreSQL does not allow them: ${detail}.`,
    follows: 'Statements of your own application on that table fail.',
    todo: MIGRATE,
  }),
  partition_unheard: (table, detail) => ({
    what: `Partitions of ${table}, or tables that inherit from it, lack triggers: ${detail}.`,
    follows: `Where rows are written to the partition directly: ${UNTOLD}`,
    todo: MIGRATE,
  }),
}

function faultFinding({ code, table = '', detail }: DatabaseFault): Finding {
  return { ...DATABASE, code, ...FAULTS[code](table, detail) }
}

const GRANT_TRAIL =
  'Name this role in VIGIE_TRAIL_WRITER_ROLE, and let the owner of the schema run `vigie migrate`.'

const TRAIL: Readonly<Record<TrailConditionCode, (detail: string) => Text>> = {
  trail_missing: (detail) => ({
    what: `There is no audit trail: ${detail}.`,
    follows: 'With VIGIE_MIGRATE=0 `vigie serve` does not start, unless VIGIE_TRAIL is 0.',
    todo: MIGRATE,
  }),
  trail_rights_missing: (detail) => ({
    what: `The audit trail cannot be written: ${detail}.`,
    follows: 'What happens is not recorded; once its buffer is full, it is lost.',
    todo: GRANT_TRAIL,
  }),
  trail_day_missing: (detail) => ({
    what: `The audit trail has no place for tomorrow: ${detail}.`,
    follows: 'From midnight (UTC) on nothing is recorded.',
    todo: `${GRANT_TRAIL} Or let its owner call vigie.make_trail_day for each day before it begins.`,
  }),
  trail_changeable: (detail) => ({
    what: `The role of DATABASE_URL may change the audit trail: ${detail}.`,
    follows:
      'Who breaks into the server can delete its traces; `vigie audit verify` shows only that it was done.',
    todo:
      'Let `vigie serve` connect as a role that does not own the schema `vigie`, name it in VIGIE_TRAIL_WRITER_ROLE, and let ' +
      'the owner run `vigie migrate`; see docs/privacy.md.',
  }),
  trail_retention_missing: (detail) => ({
    what: `Nobody has said for how long the audit trail is kept; ${detail}.`,
    follows: 'It grows for ever, and so does what is stored about people.',
    todo: 'Run `vigie audit keep --days 90` once a day, by cron say; `--days all` if it is to be kept for ever.',
  }),
  trail_retention_late: (detail) => ({
    what: `The audit trail is older than it should be: ${detail}.`,
    follows: 'What is stored about people is kept for longer than was said.',
    todo: 'Run `vigie audit keep` once a day, and look why it has not run.',
  }),
}

const RETENTION: ReadonlySet<TrailConditionCode> = new Set([
  'trail_retention_missing',
  'trail_retention_late',
])

/** Where the trail is off, what was recorded before still has an age. */
async function trailFindings(url: string, { trail }: Config): Promise<Finding[]> {
  const conditions: readonly TrailCondition[] = await inspectTrail(url)
  return conditions
    .filter(({ code }) => trail || RETENTION.has(code))
    .map(({ code, detail }) => ({ ...DATABASE, code, ...TRAIL[code](detail) }))
}

/** Without what to do, which has its own place. */
function firstSentences(text: string): string {
  return text.replace(/ Give this role.*$/su, '')
}

/** What `schema=` in the address asks for is a setting of the session, which some poolers do not keep. */
async function searchPathFindings({ sql, url }: Database): Promise<Finding[]> {
  const wanted = readAddress(url, silentLog).options.connection['search_path']
  if (wanted === undefined) return []
  const [row] = await sql<{ path: string }[]>`SELECT current_setting('search_path') AS path`
  if (row === undefined || withoutQuotes(row.path) === withoutQuotes(wanted)) return []
  return [
    {
      ...DATABASE,
      code: 'pooler_drops_schema',
      what: `DATABASE_URL names the schema ${wanted}, and the connection has the search path ${row.path}: a pooler in between does not keep it.`,
      follows:
        'Tables are looked for in other schemas: they are missing, or others of the same name are read.',
      todo: 'Write the schema with each table (VIGIE_GROUPS_TABLE=chat.members) and take it out of DATABASE_URL.',
    },
  ]
}

function withoutQuotes(searchPath: string): string {
  return searchPath.replaceAll('"', '').replaceAll(' ', '')
}

/** The most connections that there may be, and how many there are without Vigie's: of the server, the database, the role. */
const CONNECTIONS = `
WITH others AS (
  SELECT datname, usename FROM pg_stat_activity
  -- A role without the right to see them gets nulls for what others do, and their names all the same.
  WHERE usename IS NOT NULL AND coalesce(application_name, '') <> '${APPLICATION_NAME}'
    AND coalesce(backend_type, 'client backend') = 'client backend'
)
SELECT 'max_connections' AS name,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most,
  (SELECT count(*)::int FROM others) AS used
UNION ALL SELECT 'CONNECTION LIMIT of the database ' || quote_ident(datname), datconnlimit,
  (SELECT count(*)::int FROM others WHERE datname = current_database())
FROM pg_database WHERE datname = current_database() AND datconnlimit >= 0
UNION ALL SELECT 'CONNECTION LIMIT of the role ' || quote_ident(rolname), rolconnlimit,
  (SELECT count(*)::int FROM others WHERE usename = current_user)
FROM pg_roles WHERE rolname = current_user AND rolconnlimit >= 0`

async function connectionFindings(sql: postgres.Sql): Promise<Finding[]> {
  const limits = await sql.unsafe<{ name: string; most: number; used: number }[]>(CONNECTIONS)
  return limits
    .filter(({ most, used }) => most - used < SERVER_CONNECTIONS_MAX)
    .map(({ name, most, used }) => ({
      ...DATABASE,
      code: 'connections_few',
      what:
        `${name} allows ${most} connections, of which others have ${used} now; ` +
        `a Vigie server opens up to ${SERVER_CONNECTIONS_MAX}.`,
      follows: 'Under load, connections are refused: memberships are read late, and newcomers wait.',
      todo: 'Raise that limit, or put a pooler in between.',
    }))
}

interface ClockOptions {
  readonly now: () => number
  readonly toleranceMs: number
}

/** Between this machine and the database. Which of the two is wrong, nobody says. */
async function clockFindings(sql: postgres.Sql, { now, toleranceMs }: ClockOptions): Promise<Finding[]> {
  const before = now()
  const [row] = await sql<
    { at: number }[]
  >`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at`
  const after = now()
  if (row === undefined) return []
  // The database read its clock at some moment in between.
  const aheadMs = row.at < before ? row.at - before : Math.max(0, row.at - after)
  if (Math.abs(aheadMs) <= toleranceMs) return []
  const direction = aheadMs > 0 ? 'ahead of' : 'behind'
  return [
    {
      ...DATABASE,
      code: 'clocks_differ',
      what: `The clock of the database is ${Math.round(Math.abs(aheadMs))} ms ${direction} the clock of this machine.`,
      follows: 'If the clock of this machine is wrong, tokens are refused as ended or as not valid yet.',
      todo: 'Let both machines set their clocks by NTP (`timedatectl`).',
    },
  ]
}

const DATABASE = { subject: 'database' } as const
