import { PresenceError } from '@vigie/protocol'
import { lineLog } from '../core/line-log.js'
import { deviceIdOf } from '../core/model.js'
import type { Log } from '../core/ports.js'
import type { AuditFact, Peak } from '../trail/answers.js'
import type { Mark, Segment } from '../trail/lives.js'
import { createQuestions, type RoomsRow, type TrailQuestions, type TrailReader } from '../trail/questions.js'
import { dayOf } from '../trail/days.js'
import type { SessionRow } from '../trail/stays.js'
import {
  connect,
  millis,
  operatorError,
  sqlState,
  type Database,
  type Row,
  type SqlSource,
} from './database.js'
import { givenOptions, MILLIS_MAX } from './options.js'

/** Options of `openTrail`. */
export interface OpenTrailOptions {
  /** A URL, or a client or pool that the host already has; that one is never ended here. */
  readonly sql: SqlSource
  /** A question without an answer for this long has failed; `peak` reads a whole day. @default 60000 */
  readonly readTimeoutMs?: number
  /** Where sentences for operators go; `silentLog`: nowhere. @default warnings and errors to the console */
  readonly log?: Log
}

/** The compiler asks for each. */
const OPTIONS: Readonly<Record<keyof OpenTrailOptions, true>> = { sql: true, readTimeoutMs: true, log: true }

/**
 * Asks the audit trail about the past. It needs the right to read `vigie.trail` and `vigie.trail_erasures`, and no
 * running server.
 *
 * @throws TypeError or RangeError with one sentence when an option is none.
 * @example
 * const trail = openTrail({ sql: process.env.DATABASE_URL })
 * const { users, holes } = await trail.online({ conversation: 'general', at: Date.parse('2026-11-29T14:05:00Z') })
 */
export function openTrail(options: OpenTrailOptions): TrailQuestions {
  givenOptions(options, OPTIONS, 'openTrail')
  const { sql, readTimeoutMs = 60_000, log = lineLog(console) } = options
  if (!Number.isInteger(readTimeoutMs) || readTimeoutMs < 1 || readTimeoutMs > MILLIS_MAX) {
    throw new RangeError(`\`readTimeoutMs\` must be a whole number from 1 to ${MILLIS_MAX}.`)
  }
  return createQuestions(readerOf(connect(sql, { timeoutMs: readTimeoutMs, log })))
}

function readerOf(database: Database): TrailReader {
  async function query(text: string, values: readonly (string | number)[]): Promise<readonly Row[]> {
    try {
      return await database.query(text, values.map(String))
    } catch (error) {
      if (sqlState(error) === NO_TABLE) {
        throw new Error('There is no audit trail (table vigie.trail): run `vigie migrate`.', { cause: error })
      }
      throw error instanceof PresenceError ? error : operatorError(error)
    }
  }

  return {
    async marks(from, to) {
      const rows = await query(MARKS, [from, to, dayOf(from), dayOf(to)])
      const facts = rows.find(({ boot }) => boot === null)
      return {
        marks: rows.filter(({ boot }) => boot !== null).map(toMark),
        begin: numberOf(facts?.['from_ms']),
        erasures: Number(facts?.['position']),
        now: Number(facts?.['at']),
      }
    },
    async room({ kind, id }, segments, at) {
      if (segments.length === 0) return { sessions: [], rooms: [] }
      const rows = await query(ROOM[kind], [forSql(segments), ...daysOf(segments, at), at, id])
      const sessions: SessionRow[] = []
      const rooms: RoomsRow[] = []
      for (const row of rows) {
        if (row['kind'] === 'session') sessions.push(toSession(row))
        else rooms.push({ ...placeOf(row), userId: textOf(row['user_id']), isIn: row['is_in'] === 'true' })
      }
      return { sessions, rooms }
    },
    async user(userId, segments, to) {
      if (segments.length === 0) return []
      const rows = await query(USER, [forSql(segments), ...daysOf(segments, to), to, userId])
      return rows.map(toSession)
    },
    async peak(segments, from, to) {
      const days = daysOf(segments, to - 1)
      const peakOf = async (key: string): Promise<Peak> => {
        if (segments.length === 0) return { count: 0, at: null }
        const [row] = await query(peakSql(key), [forSql(segments), ...days, from, to])
        return { count: Number(row?.['count'] ?? 0), at: numberOf(row?.['at']) }
      }
      const [users, devices] = await Promise.all([peakOf('user_id'), peakOf('user_id, device')])
      return { users, devices }
    },
    async facts(userId, at, limit) {
      const rows = await query(FACTS, [userId, at, dayOf(at), limit])
      return rows.map(toFact)
    },
    async lastSession(userId, at) {
      const [row] = await query(LAST_SESSION, [userId, at, dayOf(at)])
      return row && toSession(row)
    },
    close: () => database.close(),
  }
}

/** SQLSTATE of a table that does not exist. */
const NO_TABLE = '42P01'

const instant = (parameter: string) => `to_timestamp(${parameter}::bigint / 1000.0)`

/**
 * One statement, so that all is of one snapshot. The index on `kind` holds few rows: a few for each boot and day. The last row
 * of a boot is on its last day that has a mark, or on the day after it, when the node was killed in its first checkpoint.
 * The row without a boot is none of the trail: when it begins, the erasures, and the time.
 */
const MARKS = `
  WITH mark AS MATERIALIZED (
    SELECT boot, kind, day, position, at, CASE WHEN kind IN ('hole', 'checkpoint', 'death') THEN detail::json END AS detail
    FROM vigie.trail WHERE kind IN ('start', 'checkpoint', 'hole', 'stop', 'death')
  ), ours AS MATERIALIZED (
    SELECT * FROM mark AS m
    WHERE NOT EXISTS (SELECT FROM mark AS e
        WHERE e.boot = m.boot AND e.kind IN ('stop', 'death') AND e.at < ${instant('$1')})
      AND (NOT EXISTS (SELECT FROM mark AS s WHERE s.boot = m.boot AND s.kind = 'start' AND s.at > ${instant('$2')})
        OR EXISTS (SELECT FROM mark AS h
          WHERE h.boot = m.boot AND h.kind = 'hole' AND (h.detail ->> 'from')::bigint <= $2::bigint))
  ), boot AS (SELECT boot, max(day) AS day FROM ours GROUP BY boot)
  SELECT NULL AS boot, NULL AS kind, NULL AS day,
    (SELECT count(DISTINCT erasure) FROM vigie.trail_erasures WHERE day BETWEEN $3::date AND $4::date)::text AS position,
    ${millis('clock_timestamp()')}::text AS at,
    (SELECT ${millis('min(at)')} FROM mark WHERE kind IN ('start', 'checkpoint'))::text AS from_ms, NULL AS last_at
  UNION ALL
  SELECT boot::text, kind, day::text, position::text, ${millis('at')}::text, detail ->> 'from', detail ->> 'lastAt'
  FROM ours
  UNION ALL
  SELECT b.boot::text, 'last', l.day::text, l.position::text, ${millis('l.at')}::text, NULL, NULL
  FROM boot AS b CROSS JOIN LATERAL (VALUES (b.day), (b.day + 1)) AS d(day)
    CROSS JOIN LATERAL (SELECT day, position, at FROM vigie.trail AS t
      WHERE t.day = d.day AND t.boot = b.boot ORDER BY position DESC LIMIT 1) AS l`

const SEGMENTS = `segment AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::text::json) AS s(boot uuid, first bigint, before bigint, cut bigint))`
const IN_SEGMENT = `s.boot = r.boot AND r.position >= s.first AND (s.before IS NULL OR r.position < s.before)`
const SESSION = `r.boot::text, r.position::text, ${millis('r.at')}::text AS at, r.kind, r.state, r.reason, r.user_id,
  r.session_id, r.device, CASE WHEN r.kind = 'session' THEN r.detail::json ->> 'since' END AS since`
/** With the days as parameters PostgreSQL looks into their partitions only. */
const IN_DAYS = `r.day BETWEEN $2::date AND $3::date`

/** For each user who has a row that names the room: the last row of each session, and the last `rooms` row on each boot. */
const roomSql = (column: string) => `
  WITH ${SEGMENTS}, candidate AS MATERIALIZED (
    SELECT DISTINCT user_id FROM vigie.trail AS r
    WHERE ${IN_DAYS} AND kind = 'rooms' AND ${column} @> ARRAY[$5::text] AND at <= ${instant('$4')}
  )
  SELECT DISTINCT ON (r.boot, r.kind, r.user_id, r.session_id) ${SESSION}, (r.${column} @> ARRAY[$5::text])::text AS is_in
  FROM candidate AS c
    CROSS JOIN LATERAL (SELECT * FROM vigie.trail AS r
      WHERE ${IN_DAYS} AND r.user_id = c.user_id AND r.at <= ${instant('$4')} AND r.kind IN ('session', 'rooms')) AS r
    JOIN segment AS s ON ${IN_SEGMENT}
  ORDER BY r.boot, r.kind, r.user_id, r.session_id, r.position DESC`
const ROOM = { conversation: roomSql('conversations'), group: roomSql('groups') }

const USER = `
  WITH ${SEGMENTS}
  SELECT ${SESSION} FROM vigie.trail AS r JOIN segment AS s ON ${IN_SEGMENT}
  WHERE ${IN_DAYS} AND r.user_id = $5::text AND r.at <= ${instant('$4')} AND r.kind = 'session'`

/**
 * Each session row lasts until the next one of the session or the end of its segment. From this the changes of each user,
 * from these how many are online, in the order of time; changes of one instant count together.
 */
const peakSql = (key: string) => `
  WITH ${SEGMENTS}, told AS (
    SELECT user_id, device, state, at AS a, coalesce(
      lead(at) OVER (PARTITION BY r.boot, s.first, user_id, session_id ORDER BY r.position), ${instant('s.cut')}, 'infinity') AS b
    FROM vigie.trail AS r JOIN segment AS s ON ${IN_SEGMENT}
    WHERE ${IN_DAYS} AND r.kind = 'session' AND r.user_id IS NOT NULL AND r.at < ${instant('$5')}
  ), stay AS (
    SELECT ${key}, greatest(a, ${instant('$4')}) AS a, least(b, ${instant('$5')}) AS b FROM told
    WHERE state <> 'ended' AND greatest(a, ${instant('$4')}) < least(b, ${instant('$5')})
  ), step AS (
    SELECT ${key}, at, sum(change) AS change
    FROM (SELECT ${key}, a AS at, 1 AS change FROM stay UNION ALL SELECT ${key}, b, -1 FROM stay) AS e
    GROUP BY ${key}, at HAVING sum(change) <> 0
  ), running AS (
    SELECT at, change, sum(change) OVER (PARTITION BY ${key} ORDER BY at) AS now FROM step
  ), turn AS (
    SELECT at, sum(CASE WHEN now = change THEN 1 ELSE 0 END - CASE WHEN now = 0 THEN 1 ELSE 0 END) AS change
    FROM running WHERE now = change OR now = 0 GROUP BY at
  ), line AS (SELECT at, sum(change) OVER (ORDER BY at) AS count FROM turn)
  SELECT count::text, ${millis('at')}::text AS at FROM line WHERE line.count > 0 ORDER BY line.count DESC, line.at LIMIT 1`

const FACTS = `
  SELECT boot::text, position::text, ${millis('at')}::text AS at_ms, kind, state, reason, session_id, device,
    to_json(groups)::text AS groups, to_json(conversations)::text AS conversations, detail
  FROM vigie.trail AS r
  WHERE user_id = $1::text AND at <= ${instant('$2')} AND day <= $3::date AND reason IS DISTINCT FROM 'checkpoint'
  ORDER BY r.at DESC, boot DESC, r.position DESC LIMIT $4::int`

const LAST_SESSION = `
  SELECT ${SESSION} FROM vigie.trail AS r
  WHERE user_id = $1::text AND r.at <= ${instant('$2')} AND day <= $3::date AND r.kind = 'session'
  ORDER BY r.at DESC, boot DESC, r.position DESC LIMIT 1`

function forSql(segments: readonly Segment[]): string {
  return JSON.stringify(segments.map(({ boot, first, before, cut }) => ({ boot, first, before, cut })))
}

/** From the first day that has to be read to that of `to`. */
function daysOf(segments: readonly Segment[], to: number): readonly [string, string] {
  const last = dayOf(to)
  return [segments.reduce((first, { day }) => (day < first ? day : first), last), last]
}

function toMark(row: Row): Mark {
  return {
    ...placeOf(row),
    kind: textOf(row['kind']) as Mark['kind'],
    day: textOf(row['day']),
    from: numberOf(row['from_ms']) ?? undefined,
    lastAt: numberOf(row['last_at']) ?? undefined,
  }
}

function toSession(row: Row): SessionRow {
  return {
    ...placeOf(row),
    state: textOf(row['state']),
    reason: textOf(row['reason']),
    userId: textOf(row['user_id']),
    sessionId: textOf(row['session_id']),
    device: textOf(row['device']),
    since: numberOf(row['since']),
  }
}

function placeOf(row: Row): { boot: string; position: number; at: number } {
  return { boot: textOf(row['boot']), position: Number(row['position']), at: Number(row['at']) }
}

function toFact(row: Row): AuditFact {
  return {
    at: Number(row['at_ms']),
    boot: textOf(row['boot']),
    kind: textOf(row['kind']),
    state: row['state'] ?? null,
    reason: row['reason'] ?? null,
    sessionId: row['session_id'] ?? null,
    deviceId: row['device'] ? deviceIdOf({ device: row['device'] }) : null,
    groups: jsonOf(row['groups']) as readonly string[] | null,
    conversations: jsonOf(row['conversations']) as readonly string[] | null,
    detail: jsonOf(row['detail']) as AuditFact['detail'],
  }
}

function jsonOf(text: string | null | undefined): unknown {
  return text === null || text === undefined ? null : JSON.parse(text)
}

function textOf(value: string | null | undefined): string {
  return value ?? ''
}

function numberOf(value: string | null | undefined): number | null {
  return value === null || value === undefined ? null : Number(value)
}
