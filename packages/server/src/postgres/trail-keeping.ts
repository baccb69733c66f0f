/** Care for the audit trail: whether it is whole, how long it is kept, what it says of one person, and their erasure. */
import { lineLog } from '../core/line-log.js'
import type { Log } from '../core/ports.js'
import type { TrailRow } from '../trail/facts.js'
import {
  verifyTrail,
  type ListedRow,
  type TrailReader,
  type TrailVerification,
  type VerifyOptions,
} from '../trail/verify.js'
import { isDay } from '../trail/days.js'
import { connect, operatorError, type Database, type Row, type SqlSource } from './database.js'
import { givenOptions } from './options.js'

/** Options of `keepTrail`. */
export interface TrailKeeperOptions {
  /**
   * A URL, or a client or pool that the host already has; that one is never ended here. Its role is the keeper of `migrate`,
   * which the server's role is not.
   */
  readonly sql: SqlSource
  /** Where sentences for operators go; `silentLog`: nowhere. @default warnings and errors to the console */
  readonly log?: Log
}

/** What an erasure has emptied. */
export interface TrailErasure {
  /** Under which the rows are listed; undefined: no row told of that person. */
  readonly erasure: string | undefined
  readonly rows: number
  /** Of each day, the oldest first. */
  readonly days: readonly { readonly day: string; readonly rows: number }[]
}

/** Care for the audit trail. Each method throws an Error with one sentence for the operator. */
export interface TrailKeeper {
  /**
   * Reads all rows, and finds those that were deleted, edited, exchanged or added, and rows that were emptied by no erasure.
   * What is written meanwhile is no fault. Memory does not grow with the trail.
   * @example
   * const { faults } = await keeper.verify({ onFault: (fault) => console.error(fault) })
   */
  verify(options: VerifyOptions): Promise<TrailVerification>
  /**
   * Empties all rows that tell of one user, and lists them, all or nothing. The trail still verifies. A server on which the
   * user is online goes on writing rows about them: let them leave first.
   */
  erase(userId: string): Promise<TrailErasure>
  /**
   * What is stored about one user, the oldest first: lines of NDJSON without line breaks. It reads on as far as it is asked.
   * @example
   * for await (const line of keeper.exportUser('ana')) file.write(`${line}\n`)
   */
  exportUser(userId: string): AsyncGenerator<string, void, undefined>
  /** The same for everything from `from` on and before `to`, both in milliseconds since 1970. */
  exportPeriod(period: {
    readonly from: number
    readonly to: number
  }): AsyncGenerator<string, void, undefined>
  /** Drops all days before this one (YYYY-MM-DD, in UTC), which is over or today. Returns those that were dropped. */
  dropBefore(day: string): Promise<readonly string[]>
  /**
   * Keeps so many whole days before today, in UTC, and drops those before; null: keeps all. It is to be called once a day;
   * `vigie doctor` finds it if nobody does.
   */
  keep(days: number | null): Promise<readonly string[]>
  close(): Promise<void>
}

/** The compiler asks for each. */
const OPTIONS: Readonly<Record<keyof TrailKeeperOptions, true>> = { sql: true, log: true }

/** Rows that are in memory at once. */
const PAGE_ROWS = 1_000
/** The most days that a trail is kept for, unless it is for ever. */
export const DAYS_MAX = 100_000
const NOBODY = '00000000-0000-0000-0000-000000000000'

/**
 * Opens the audit trail for its keeper. It connects with the first question.
 * @throws TypeError with one sentence when an option is none.
 * @example
 * const keeper = keepTrail({ sql: process.env.KEEPER_DATABASE_URL })
 * await keeper.keep(90)
 * await keeper.close()
 */
export function keepTrail(options: TrailKeeperOptions): TrailKeeper {
  givenOptions(options, OPTIONS, 'keepTrail')
  const { sql, log = lineLog(console) } = options
  // Without a limit: an erasure reads all days.
  const database = connect(sql, { timeoutMs: 0, log })
  const reader = readerOf(database)
  const said = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      throw operatorError(error)
    }
  }

  async function* lines(next: (after: Row | undefined) => Promise<readonly Row[]>) {
    let rows = await said(next(undefined))
    while (rows.length > 0) {
      for (const row of rows) yield lineOf(row)
      rows = await said(next(rows.at(-1)))
    }
  }

  async function* linesOfDays(days: readonly string[], query: string, values: readonly string[]) {
    for (const day of days) {
      yield* lines((after) =>
        database.query(query, [
          day,
          after?.['at'] ?? '-infinity',
          after?.['boot'] ?? NOBODY,
          after?.['position'] ?? '0',
          ...values,
        ]),
      )
    }
  }

  return {
    verify: (given) => said(verifyTrail(reader, given)),
    async erase(userId) {
      const rows = await said(
        database.query(
          'SELECT erasure::text, day::text, row_count::text FROM vigie.erase_from_trail($1::text)',
          [userId],
        ),
      )
      const days = rows.map((row) => ({ day: row['day'] ?? '', rows: Number(row['row_count']) }))
      return {
        erasure: rows[0]?.['erasure'] ?? undefined,
        rows: days.reduce((sum, day) => sum + day.rows, 0),
        days,
      }
    },
    async *exportUser(userId) {
      const [own] = await said(database.query(SESSIONS_OF, [userId]))
      yield* linesOfDays(await said(reader.days()), OF_USER, [userId, own?.['sessions'] ?? '[]'])
    },
    async *exportPeriod({ from, to }) {
      const [first, end] = [iso(from), iso(to)]
      const days = (await said(reader.days())).filter(
        (day) => day >= first.slice(0, 10) && day <= end.slice(0, 10),
      )
      yield* linesOfDays(days, OF_PERIOD, [first, end])
    },
    async dropBefore(day) {
      if (!isDay(day)) throw new RangeError(`${JSON.stringify(day)} is no day; write it as YYYY-MM-DD.`)
      return dropped(
        database.query('SELECT d::text AS day FROM vigie.drop_trail_before($1::text::date) AS d', [day]),
      )
    },
    async keep(days) {
      if (days !== null && !(Number.isInteger(days) && days >= 1 && days <= DAYS_MAX)) {
        throw new RangeError(`The trail is kept for 1 to ${DAYS_MAX} whole days, not for ${String(days)}.`)
      }
      const wanted = days === null ? 'NULL' : String(days)
      return dropped(database.query(`SELECT d::text AS day FROM vigie.keep_trail(${wanted}) AS d`))
    },
    close: () => database.close(),
  }

  async function dropped(answer: Promise<readonly Row[]>): Promise<readonly string[]> {
    return (await said(answer)).map((row) => row['day'] ?? '').sort()
  }
}

/** The columns of a row, all as text. */
const COLUMNS = `t.day::text AS day, t.boot::text AS boot, t.position::text AS position, t.at::text AS at,
  (extract(epoch FROM t.at) * 1000)::text AS ms, t.kind, t.state, t.reason, t.user_id, t.session_id, t.device,
  to_json(t.groups)::text AS groups, to_json(t.conversations)::text AS conversations, t.detail,
  encode(t.salt, 'hex') AS salt, encode(t.commitment, 'hex') AS commitment, encode(t.hash, 'hex') AS hash`

/** The list of erasures is read with the rows: one that happens in between is in both or in none. */
const PAGE = `
  WITH page AS MATERIALIZED (
    SELECT * FROM vigie.trail WHERE day = $1::text::date AND (boot, position) > ($2::uuid, $3::bigint)
    ORDER BY boot, position LIMIT ${PAGE_ROWS}
  ), listed AS MATERIALIZED (
    SELECT DISTINCT e.boot, p.position FROM vigie.trail_erasures AS e, unnest(e.positions) AS p(position)
    WHERE e.day = $1::text::date AND e.boot IN (SELECT boot FROM page)
  )
  SELECT ${COLUMNS}, (l.boot IS NOT NULL)::text AS is_listed
  FROM page AS t LEFT JOIN listed AS l ON l.boot = t.boot AND l.position = t.position ORDER BY t.boot, t.position`

const AFTER = '(t.at, t.boot, t.position) > ($2::text::timestamptz, $3::uuid, $4::bigint)'
const IN_ORDER = `ORDER BY t.at, t.boot, t.position LIMIT ${PAGE_ROWS}`
const SESSIONS_OF = 'SELECT to_json(vigie.trail_sessions_of($1::text))::text AS sessions'
const OF_USER = `SELECT ${COLUMNS} FROM vigie.trail AS t
  JOIN vigie.trail_rows_of($5::text, ARRAY(SELECT json_array_elements_text($6::text::json)), $1::text::date) AS r ON r.boot = t.boot AND r.position = t.position
  WHERE t.day = $1::text::date AND ${AFTER} ${IN_ORDER}`
const OF_PERIOD = `SELECT ${COLUMNS} FROM vigie.trail AS t
  WHERE t.day = $1::text::date AND ${AFTER} AND t.at >= $5::text::timestamptz AND t.at < $6::text::timestamptz ${IN_ORDER}`

function readerOf(database: Database): TrailReader {
  return {
    async days() {
      const rows = await database.query('SELECT day::text AS day FROM vigie.trail_days() ORDER BY 1')
      return rows.map((row) => row['day'] ?? '')
    },
    async page(day, after) {
      const rows = await database.query(PAGE, [day, after?.boot ?? NOBODY, String(after?.position ?? 0)])
      return rows.map((row): ListedRow => ({ ...rowFrom(row), isListed: row['is_listed'] === 'true' }))
    },
    async hashAt({ day, boot, position }) {
      const [row] = await database.query(
        `SELECT encode(hash, 'hex') AS hash FROM vigie.trail WHERE day = $1::text::date AND boot = $2::uuid AND position = $3::bigint`,
        [day, boot, String(position)],
      )
      return row?.['hash'] ?? undefined
    },
    async isDropped(day) {
      const [row] = await database.query(
        'SELECT EXISTS (SELECT FROM vigie.trail_drops WHERE day = $1::text::date)::text AS is_dropped',
        [day],
      )
      return row?.['is_dropped'] === 'true'
    },
  }
}

function rowFrom(row: Row): TrailRow {
  const list = (text: string | null | undefined) => (text ? (JSON.parse(text) as string[]) : null)
  return {
    day: row['day'] ?? '',
    boot: row['boot'] ?? '',
    position: Number(row['position']),
    at: Number(row['ms']),
    kind: row['kind'] as TrailRow['kind'],
    state: row['state'] ?? null,
    reason: row['reason'] ?? null,
    userId: row['user_id'] ?? null,
    sessionId: row['session_id'] ?? null,
    device: row['device'] ?? null,
    groups: list(row['groups']),
    conversations: list(row['conversations']),
    detail: row['detail'] ?? null,
    salt: row['salt'] ?? null,
    commitment: row['commitment'] ?? '',
    hash: row['hash'] ?? '',
  }
}

/** A row as it is exported: as it is stored, so that its hash can be computed from it; with the time in words. */
function lineOf(row: Row): string {
  const { at, ...rest } = rowFrom(row)
  return JSON.stringify({ at: iso(at), ...rest })
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
