import { readdirSync, readFileSync } from 'node:fs'
import { lineLog } from '../core/line-log.js'
import { connect, operatorError, sqlState, type SqlSource } from './database.js'
import {
  refuseWrongMigration,
  refuseWrongMigrationOptions,
  type MigrationOptions,
  type TrailRoles,
} from './options.js'
import { quoteLiteral, quoteName, resolveSources, withoutKind, type Source } from './tables.js'

/** Beside `src` and `dist`, and published with them. */
const FOLDER = new URL('../../migrations/', import.meta.url)
/** Any number that others are unlikely to lock: "vigie" in ASCII. */
const LOCK = 0x7669676965

/**
 * Creates schema `vigie` and attaches its triggers to the membership tables. It may run at each start, by several
 * nodes at once: what is there is left alone, without locks on the host's tables. All or nothing.
 *
 * @throws Error with one sentence for the operator.
 * @example await migrate(databaseUrl, { groups: { table: 'chat.teams' } })
 */
export async function migrate(sql: SqlSource, options: MigrationOptions = {}): Promise<void> {
  refuseWrongMigration(sql, options)
  // Without a limit: it may have to wait for the host's long transactions.
  const database = connect(sql, { timeoutMs: 0, log: lineLog(console) })
  try {
    // Several statements in one message are one transaction; BEGIN would be left open in a pool when one fails.
    await database.query(statements(options).join('\n'))
  } catch (error) {
    throw withHint(operatorError(error), error, options)
  } finally {
    await database.close()
  }
}

/** SQLSTATE of a table that does not exist. */
const NO_TABLE = '42P01'

/** A host that has only one kind of rooms meets the missing table of the other first here. */
function withHint(sentence: Error, cause: unknown, options: MigrationOptions): Error {
  const sources = resolveSources(options)
  if (sqlState(cause) !== NO_TABLE || sources.length < 2) return sentence
  const missing = sources.find(({ name }) => sentence.message.includes(`"${name}"`)) ?? sources[0]
  if (!missing) return sentence
  const hint = `name yours in the options, or say ${withoutKind(missing.kind)} if you have none.`
  return new Error(`${sentence.message.replace(/\.$/, '')}; ${hint}`, { cause })
}

/** What {@link migrate} runs, as text for `psql` or for a team's own migration tool. */
export function migrationSql(options: MigrationOptions = {}): string {
  refuseWrongMigrationOptions(options)
  return ['BEGIN;', ...statements(options), 'COMMIT;', ''].join('\n')
}

function statements({ createTables = false, trail = {}, ...tables }: MigrationOptions): string[] {
  const sources = resolveSources(tables)
  return [
    `SELECT pg_advisory_xact_lock(${LOCK});`,
    // Before our schema: for a role called vigie it would be the first in the search path, and get the tables.
    ...(createTables ? sources.map(creation) : []),
    // Asked first each time: CREATE … IF NOT EXISTS needs the right to create even where nothing is to be done.
    unless(
      `to_regclass('vigie.migrations') IS NOT NULL`,
      `CREATE SCHEMA IF NOT EXISTS vigie;
  CREATE TABLE vigie.migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());`,
    ),
    ...migrationFiles().map(({ name, text }) =>
      unless(
        `EXISTS (SELECT FROM vigie.migrations WHERE name = ${quoteLiteral(name)})`,
        `${text}\nINSERT INTO vigie.migrations (name) VALUES (${quoteLiteral(name)});`,
      ),
    ),
    ...sources.map(watchStatement),
    ...trailGrants(trail),
  ]
}

const TRAIL_TABLES = 'vigie.trail, vigie.trail_erasures, vigie.trail_drops, vigie.trail_keeping'
const WRITER_FUNCTIONS = ['vigie.make_trail_day(date)']
const KEEPER_FUNCTIONS = [
  'vigie.drop_trail_before(date)',
  'vigie.keep_trail(integer)',
  'vigie.erase_from_trail(text)',
]

/** What one role may do with the trail, and the other may not. */
interface TrailRights {
  readonly isWriter: boolean
  readonly may: readonly string[]
  readonly mayNot: readonly string[]
}

function trailGrants({ writer, keeper }: TrailRoles): string[] {
  const asWriter = { isWriter: true, may: WRITER_FUNCTIONS, mayNot: KEEPER_FUNCTIONS }
  const asKeeper = { isWriter: false, may: KEEPER_FUNCTIONS, mayNot: WRITER_FUNCTIONS }
  return [
    ...(writer === undefined ? [] : grantsTo(writer, asWriter)),
    ...(keeper === undefined ? [] : grantsTo(keeper, asKeeper)),
  ]
}

/**
 * What the role had before is taken away first: default privileges may have given it all rights. Where its rights are
 * right already nothing is done, so that the role itself may ask for it at each start of the server.
 */
function grantsTo(name: string, { isWriter, may, mayNot }: TrailRights): string[] {
  const role = quoteName(name)
  return [
    refusal(
      `pg_has_role(${quoteLiteral(name)}, (SELECT relowner FROM pg_class WHERE oid = 'vigie.trail'::regclass), 'MEMBER')`,
      `The role ${role} owns the audit trail, or may act as its owner, so nothing can be kept from it: name another one.`,
    ),
    unless(
      [
        `has_schema_privilege(${quoteLiteral(name)}, 'vigie', 'USAGE')`,
        `${rightsOf(role)} = ${quoteLiteral(`${isWriter ? 'trail INSERT, ' : ''}trail SELECT, trail_drops SELECT, trail_erasures SELECT, trail_keeping SELECT`)}`,
        ...may.map((each) => mayCall(name, each)),
        ...mayNot.map((each) => `NOT ${mayCall(name, each)}`),
      ].join(' AND '),
      `PERFORM vigie.close_trail_day(partition) FROM vigie.trail_days();
  GRANT USAGE ON SCHEMA vigie TO ${role};
  REVOKE ALL ON ${TRAIL_TABLES} FROM ${role};
  REVOKE ALL ON FUNCTION ${mayNot.join(', ')} FROM ${role};
  GRANT SELECT ON ${TRAIL_TABLES} TO ${role};
  ${isWriter ? `GRANT INSERT ON vigie.trail TO ${role};\n  ` : ''}GRANT EXECUTE ON FUNCTION ${may.join(', ')} TO ${role};`,
    ),
  ]
}

/** The rights of its own on the trail, its partitions among them: `trail INSERT, trail SELECT`. */
function rightsOf(role: string): string {
  return `(SELECT string_agg(c.relname || ' ' || a.privilege_type, ', ' ORDER BY c.relname, a.privilege_type COLLATE "C")
    FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE a.grantee = ${quoteLiteral(role)}::regrole AND c.oid IN (
      SELECT unnest('{${TRAIL_TABLES}}'::regclass[]) UNION ALL SELECT partition FROM vigie.trail_days()))`
}

function mayCall(role: string, signature: string): string {
  return `has_function_privilege(${quoteLiteral(role)}, ${quoteLiteral(signature)}, 'EXECUTE')`
}

function refusal(condition: string, sentence: string): string {
  return `DO $vigie$ BEGIN\nIF ${condition} THEN\n  RAISE EXCEPTION '%', ${quoteLiteral(sentence)};\nEND IF;\nEND $vigie$;`
}

function migrationFiles(): { name: string; text: string }[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => ({
      name: file.slice(0, -'.sql'.length),
      text: readFileSync(new URL(file, FOLDER), 'utf8'),
    }))
}

function unless(condition: string, body: string): string {
  return `DO $vigie$ BEGIN\nIF NOT (${condition}) THEN\n  ${body}\nEND IF;\nEND $vigie$;`
}

function creation({ table, room, user }: Source): string {
  return unless(
    `to_regclass(${quoteLiteral(table)}) IS NOT NULL`,
    `CREATE TABLE ${table} (${room} text NOT NULL, ${user} text NOT NULL, PRIMARY KEY (${room}, ${user}));
  CREATE INDEX ON ${table} (${user});`,
  )
}

/** Attaches what is missing of the triggers of a table. */
export function watchStatement({ kind, table, watched }: Source): string {
  const further = watched.further.map(quoteLiteral).join(', ')
  const names = [
    quoteLiteral(table),
    quoteLiteral(kind),
    quoteLiteral(watched.room),
    quoteLiteral(watched.user),
  ]
  return `SELECT vigie.watch_memberships(${names.join(', ')}, ARRAY[${further}]::text[]);`
}
