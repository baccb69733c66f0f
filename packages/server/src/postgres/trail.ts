import { hostname } from 'node:os'
import { lineLog } from '../core/line-log.js'
import type { Log } from '../core/ports.js'
import type { Head, TrailStore } from '../trail/store.js'
import { connect, millis, operatorError, sqlState, type Row, type SqlSource } from './database.js'
import { givenOptions, MILLIS_MAX } from './options.js'

/** Options of `postgresTrail`. */
export interface PostgresTrailOptions {
  /** A URL, or a client or pool that the host already has; that one is never ended here. */
  readonly sql: SqlSource
  /** The name of this node. Nodes that run at the same time need different names. @default the name of the machine */
  readonly node?: string
  /** A statement without an answer for this long has failed, and is tried again. @default 10000 */
  readonly writeTimeoutMs?: number
  /** Where sentences for operators go; `silentLog`: nowhere. @default warnings and errors to the console */
  readonly log?: Log
}

/** The compiler asks for each. */
const OPTIONS: Readonly<Record<keyof PostgresTrailOptions, true>> = {
  sql: true,
  node: true,
  writeTimeoutMs: true,
  log: true,
}

/**
 * Where the audit trail is kept: table `vigie.trail` of PostgreSQL 14 or later, which `vigie migrate` (or `migrate`)
 * creates. See docs/audit-trail.md.
 *
 * @throws TypeError or RangeError with one sentence when an option is none.
 * @example
 * attachPresence(io, { auth, memberships, trail: postgresTrail({ sql: process.env.DATABASE_URL }) })
 */
export function postgresTrail(options: PostgresTrailOptions): TrailStore {
  refuseWrongOptions(options)
  const { sql, node = hostname(), writeTimeoutMs = 10_000, log = lineLog(console) } = options
  const database = connect(sql, { timeoutMs: writeTimeoutMs, log })

  return {
    node,
    async check() {
      try {
        const [found] = await database.query(CHECK)
        if (found?.['trail'] !== null) return
      } catch (error) {
        throw operatorError(error)
      }
      throw new Error(
        'There is no table for the audit trail (vigie.trail): run `vigie migrate`, or turn the trail off.',
      )
    },
    async makeDays(days) {
      await database.query(
        'SELECT vigie.make_trail_day(day::date) FROM json_array_elements_text($1::text::json) AS d(day)',
        [JSON.stringify(days)],
      )
    },
    async write(rows) {
      try {
        const [written] = await database.query('SELECT vigie.write_trail($1::text::json)::text AS added', [
          JSON.stringify(rows),
        ])
        return Number(written?.['added'])
      } catch (error) {
        if (sqlState(error) === TAKEN) return 'taken'
        throw error
      }
    },
    async lastBoot() {
      const [boot] = await database.query(LAST_BOOT, [node])
      return boot && (await headOf(boot))
    },
    async unfinished() {
      const boots = await database.query(UNFINISHED, [node])
      const found = []
      for (const boot of boots) {
        const head = await headOf(boot)
        if (head) found.push(head)
      }
      return found
    },
    close: () => database.close(),
  }

  /** The last row of a boot: on the last day for which something is known of it, or on the one after it. */
  async function headOf({ boot, day }: Row): Promise<(Head & { readonly silentMs: number }) | undefined> {
    const [row] = await database.query(HEAD, [boot ?? '', day ?? ''])
    return (
      row && {
        boot: row['boot'] ?? '',
        day: row['day'] ?? '',
        position: Number(row['position']),
        at: Number(row['at']),
        hash: row['hash'] ?? '',
        silentMs: Number(row['silent_ms']),
      }
    )
  }
}

/** What `vigie.write_trail` says when it refuses. */
const TAKEN = 'VT001'

const CHECK = `SELECT to_regclass('vigie.trail')::text AS trail`

/** Both by the small index of what tells of nodes. */
const LAST_BOOT = `
  SELECT boot::text, (SELECT max(l.day) FROM vigie.trail AS l
    WHERE l.boot = s.boot AND l.kind IN ('start', 'stop', 'death', 'hole', 'checkpoint', 'alive'))::text AS day
  FROM vigie.trail AS s WHERE kind = 'start' AND detail::json ->> 'node' = $1::text ORDER BY at DESC LIMIT 1`
const UNFINISHED = `
  SELECT boot::text, (SELECT max(l.day) FROM vigie.trail AS l
    WHERE l.boot = s.boot AND l.kind IN ('start', 'stop', 'death', 'hole', 'checkpoint', 'alive'))::text AS day
  FROM vigie.trail AS s WHERE kind = 'start' AND detail::json ->> 'node' = $1::text
    AND NOT EXISTS (SELECT FROM vigie.trail AS e WHERE e.boot = s.boot AND e.kind IN ('stop', 'death'))`
/** By the columns of the table: `position` alone would be the text of the same name, by which 999 is after 1000. */
const HEAD = `
  SELECT boot::text, day::text, position::text, ${millis('at')}::text AS at,
    encode(hash, 'hex') AS hash, ${millis('clock_timestamp() - at')}::text AS silent_ms
  FROM vigie.trail AS t WHERE t.boot = $1::uuid AND t.day >= $2::date ORDER BY t.day DESC, t.position DESC LIMIT 1`

function refuseWrongOptions(options: unknown): void {
  const { node, writeTimeoutMs } = givenOptions(options, OPTIONS, 'postgresTrail')
  if (node !== undefined && (typeof node !== 'string' || node === '' || node.length > NODE_NAME_MAX)) {
    throw new TypeError(`node must be a name of 1 to ${NODE_NAME_MAX} characters.`)
  }
  if (writeTimeoutMs === undefined) return
  if (
    !Number.isInteger(writeTimeoutMs) ||
    Number(writeTimeoutMs) < 1 ||
    Number(writeTimeoutMs) > MILLIS_MAX
  ) {
    throw new RangeError(
      `writeTimeoutMs is ${JSON.stringify(writeTimeoutMs)}; it must be a whole number from 1 to ${MILLIS_MAX}.`,
    )
  }
}

const NODE_NAME_MAX = 128
