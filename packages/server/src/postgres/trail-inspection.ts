/** Looks whether the audit trail can be written, cannot be changed by who writes it, and is kept as long as somebody said. */
import { silentLog } from '../core/ports.js'
import { connect, type Database, type SqlSource } from './database.js'

/**
 * What is wrong.
 *
 *   trail_missing            the schema is there, and the trail is not
 *   trail_rights_missing     the role may not add to it
 *   trail_day_missing        the role may not make days, and nobody has made tomorrow
 *   trail_changeable         the role may change, delete, drop or erase
 *   trail_retention_missing  nobody has said for how long it is kept
 *   trail_retention_late     there are days that are older than that
 */
export type TrailConditionCode =
  | 'trail_missing'
  | 'trail_rights_missing'
  | 'trail_day_missing'
  | 'trail_changeable'
  | 'trail_retention_missing'
  | 'trail_retention_late'

export interface TrailCondition {
  readonly code: TrailConditionCode
  /** What exactly: rights, days. */
  readonly detail: string
}

/** How long one query of the inspection may take. Milliseconds. */
const QUERY_MS = 10_000

/**
 * Everything that is wrong with the audit trail for the role that connects, which is to be the server's. It reads the
 * catalog, and no rows of the trail. A database without the schema `vigie`, or a role that may not use it, is none of its
 * business: `inspectMemberships` says so.
 *
 * @throws PresenceError `unavailable` when the database cannot be reached or does not answer.
 * @example
 * const conditions = await inspectTrail(process.env.DATABASE_URL)
 */
export async function inspectTrail(sql: SqlSource): Promise<readonly TrailCondition[]> {
  const database = connect(sql, { timeoutMs: QUERY_MS, log: silentLog })
  try {
    const [place] = await database.query(PLACE)
    if (place?.['usage'] !== 'true') return []
    if (place['is_there'] !== 'true') {
      return [{ code: 'trail_missing', detail: 'there is no vigie.trail, or one of an older version' }]
    }
    return [...(await rightsConditions(database)), ...(await retentionConditions(database))]
  } finally {
    await database.close()
  }
}

const PLACE = `
SELECT has_schema_privilege(n.oid, 'USAGE')::text AS usage, (2 = (
  SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relname IN ('trail', 'trail_keeping')))::text AS is_there
FROM pg_namespace AS n WHERE n.nspname = 'vigie'`

/** Of what an owner may do nothing has to be listed. */
const RIGHTS = `
WITH held AS (
  SELECT c.oid, c.oid::regclass::text AS name, wanted."right"
  FROM pg_class AS c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS wanted("right")
  WHERE has_table_privilege(c.oid, wanted."right") OR wanted."right" = 'UPDATE' AND has_any_column_privilege(c.oid, 'UPDATE')
), changes AS (
  SELECT name || ' ' || "right" AS change FROM held
  WHERE "right" <> 'INSERT' AND oid IN (SELECT 'vigie.trail'::regclass UNION ALL SELECT partition FROM vigie.trail_days())
    OR oid IN ('vigie.trail_erasures'::regclass, 'vigie.trail_drops'::regclass)
  UNION ALL
  SELECT p.oid::regproc::text || ' EXECUTE' FROM pg_proc AS p
  WHERE p.pronamespace = 'vigie'::regnamespace AND p.proname IN ('drop_trail_before', 'keep_trail', 'erase_from_trail')
    AND has_function_privilege(p.oid, 'EXECUTE')
)
SELECT quote_ident(current_user) AS role,
  pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'vigie.trail'::regclass), 'MEMBER')::text AS owns,
  (SELECT string_agg(change, ', ' ORDER BY change) FROM changes) AS changes,
  concat_ws(', ',
    CASE WHEN NOT has_table_privilege('vigie.trail', 'SELECT') THEN 'SELECT on vigie.trail' END,
    CASE WHEN NOT has_table_privilege('vigie.trail', 'INSERT') THEN 'INSERT on vigie.trail' END,
    CASE WHEN NOT has_table_privilege('vigie.trail_keeping', 'SELECT') THEN 'SELECT on vigie.trail_keeping' END) AS lacks,
  has_function_privilege('vigie.make_trail_day(date)', 'EXECUTE')::text AS makes_days,
  ((clock_timestamp() AT TIME ZONE 'UTC')::date + 1)::text AS tomorrow,
  EXISTS (SELECT FROM vigie.trail_days() WHERE day = (clock_timestamp() AT TIME ZONE 'UTC')::date + 1)::text AS has_tomorrow`

async function rightsConditions(database: Database): Promise<TrailCondition[]> {
  const [rights = {}] = await database.query(RIGHTS)
  const { role, owns, changes, lacks, tomorrow } = rights
  const conditions: TrailCondition[] = []
  if (lacks) conditions.push({ code: 'trail_rights_missing', detail: `${role} lacks ${lacks}` })
  if (rights['makes_days'] !== 'true' && rights['has_tomorrow'] !== 'true') {
    conditions.push({
      code: 'trail_day_missing',
      detail: `${role} may not make days, and there is none for ${tomorrow}`,
    })
  }
  if (owns === 'true') {
    conditions.push({ code: 'trail_changeable', detail: `${role} owns vigie.trail, or may act as its owner` })
  } else if (changes) conditions.push({ code: 'trail_changeable', detail: `${role} has ${changes}` })
  return conditions
}

/** A day is late when the run of a whole day was left out. */
const RETENTION = `
SELECT (k.is_only IS NOT NULL)::text AS is_said, k.days::text AS days, o.day::text AS oldest,
  (o.day < t.today)::text AS has_past, (o.day < t.today - k.days - 1)::text AS is_late
FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS today) AS t
CROSS JOIN (SELECT min(day) AS day FROM vigie.trail_days()) AS o LEFT JOIN vigie.trail_keeping AS k ON true`

async function retentionConditions(database: Database): Promise<TrailCondition[]> {
  const [readable] = await database.query(
    `SELECT has_table_privilege('vigie.trail_keeping', 'SELECT')::text AS is_readable`,
  )
  if (readable?.['is_readable'] !== 'true') return []
  const [kept = {}] = await database.query(RETENTION)
  const { oldest, days } = kept
  if (kept['is_said'] !== 'true') {
    // As long as there is only today, there is nothing to drop.
    return kept['has_past'] === 'true'
      ? [{ code: 'trail_retention_missing', detail: `the oldest day is ${oldest}` }]
      : []
  }
  if (kept['is_late'] !== 'true') return []
  return [
    {
      code: 'trail_retention_late',
      detail: `it is kept for ${days} day${days === '1' ? '' : 's'}, and its oldest day is ${oldest}`,
    },
  ]
}
