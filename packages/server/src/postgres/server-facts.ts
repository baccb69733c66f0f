/** What is asked of a database before anything is read from it: by the memberships, and by who looks for faults. */
import type { Database } from './database.js'
import { quoteLiteral, type Source } from './tables.js'

/** The oldest PostgreSQL that is supported. */
export const VERSION_MIN = 14

export async function serverFacts(database: Database): Promise<{ major: number; isStandby: boolean }> {
  const [row] = await database.query(
    `SELECT current_setting('server_version_num') AS version, pg_is_in_recovery()::text AS standby`,
  )
  return { major: Math.floor(Number(row?.['version']) / 10_000), isStandby: row?.['standby'] === 'true' }
}

/** Whether the schema `vigie` is what this version needs. */
export async function schemaState(database: Database): Promise<'missing' | 'old' | 'current'> {
  const [row] = await database.query(
    `SELECT (to_regclass('vigie.changes') IS NOT NULL)::text AS has_feed, (to_regproc('vigie.look') IS NOT NULL)::text AS has_look`,
  )
  if (row?.['has_look'] === 'true') return 'current'
  return row?.['has_feed'] === 'true' ? 'old' : 'missing'
}

/**
 * The sources with the schema of each table in its name. A table of the same name that comes earlier in the search
 * path of some connection, a temporary one say, would otherwise be read instead.
 */
export async function locateSources(
  database: Database,
  sources: readonly Source[],
): Promise<readonly Source[]> {
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
