import { isObject } from '../core/given-options.js'
import { lineLog } from '../core/line-log.js'
import type { WebhookCounts } from '../core/index.js'
import type { FactKind } from '../trail/facts.js'
import type { ReadRow } from '../webhooks/events.js'
import { resolveWebhookOptions, type WebhookOptions } from '../webhooks/options.js'
import { createPost } from '../webhooks/post.js'
import { createSender, type WebhookClock } from '../webhooks/sender.js'
import type { DeadLetter, Delivery, Place, WebhookStore } from '../webhooks/store.js'
import { connect, millis, operatorError, type Database, type Row, type SqlSource } from './database.js'
import { refuseWrongSql } from './options.js'

/** Options of `startWebhooks`. */
export interface PostgresWebhookOptions extends WebhookOptions {
  /** Where the audit trail is: a URL, or a client or pool that the host already has; that one is never ended here. */
  readonly sql: SqlSource
}

/** A sender of webhooks that runs. */
export interface Webhooks {
  /** Rejects with one sentence for the operator when there is no audit trail to send from. Then nothing is sent. */
  readonly ready: Promise<void>
  /** Since the start, and as it is now; all endpoints together. */
  counts(): WebhookCounts
  /** Those that could not be delivered, the newest first. `before`: the `id` of the last one of the page before. */
  deadLetters(page?: {
    readonly limit?: number
    readonly before?: string | undefined
  }): Promise<readonly DeadLetter[]>
  /** Has a dead letter sent again, with the id that it had; false: there is none of that id. */
  resend(id: string): Promise<boolean>
  /** Waits for attempts that are under way, five seconds at most. What has not arrived is sent by the next server. */
  close(): Promise<void>
}

/** A statement without an answer for this long has failed, and is tried again. Milliseconds. */
const STATEMENT_MS = 10_000
/** Most dead letters of one page. */
export const DEAD_LETTERS_MAX = 100

/**
 * Sends signed webhooks from the audit trail: users who come online and go offline, conversations that somebody online is
 * in, or nobody any more. Several servers may call it: one of them sends at a time. See docs/webhooks.md.
 *
 * @throws TypeError or RangeError with one sentence when an option is none.
 * @example
 * const webhooks = startWebhooks({
 *   sql: process.env.DATABASE_URL,
 *   endpoints: [{ name: 'crm', url: 'https://crm.example.org/presence', secret: process.env.CRM_SECRET }],
 * })
 * await webhooks.ready
 */
export function startWebhooks(options: PostgresWebhookOptions): Webhooks {
  if (!isObject(options) || (options as { readonly sql?: unknown }).sql === undefined)
    throw new TypeError(
      'Webhooks are sent from the audit trail, which is kept in PostgreSQL: `startWebhooks({ sql: databaseUrl, endpoints })`.',
    )
  refuseWrongSql(options.sql, 'startWebhooks({ sql })')
  const { endpoints, settings, allowPrivate } = resolveWebhookOptions(options)
  const log = options.log ?? lineLog(console)
  const store = postgresWebhookStore(connect(options.sql, { timeoutMs: STATEMENT_MS, log }))
  const post = createPost({ mayBePrivate: allowPrivate })
  const sender = store
    .check()
    .then(() => createSender({ store, endpoints, post, clock: systemClock, settings, log }))
  const ready = sender.then(() => undefined)
  // A host that awaits `ready` gets the error; one that does not must not lose its process to it.
  ready.catch((error: unknown) => {
    log.error('No webhooks are sent.', { error })
  })
  let counts = () => NOT_SENDING
  sender.then(
    (started) => {
      counts = started.counts
    },
    () => store.close(),
  )
  return {
    ready,
    counts: () => counts(),
    deadLetters: ({ limit = DEAD_LETTERS_MAX, before } = {}) =>
      store.deadLetters({ limit: Math.min(limit, DEAD_LETTERS_MAX), before }),
    resend: store.resend,
    close: () =>
      sender.then(
        (started) => started.close(),
        () => undefined,
      ),
  }
}

const NOT_SENDING: WebhookCounts = {
  delivered: 0,
  failed: 0,
  dead: 0,
  waiting: 0,
  deadLetters: 0,
  lagMs: 0,
  isSending: false,
}

const systemClock: WebhookClock = {
  now: () => performance.now(),
  wall: Date.now,
  after(ms, call) {
    // A timer of Node.js cannot be longer; who is called too early looks at the clock.
    const timer = setTimeout(call, Math.min(ms, 2_147_483_647)).unref()
    return () => {
      clearTimeout(timer)
    }
  },
  random: Math.random,
}

/** Exported for tests. */
export function postgresWebhookStore(database: Database): WebhookStore {
  const query = database.query
  return {
    async check() {
      let found: Row | undefined
      try {
        ;[found] = await query(CHECK)
      } catch (error) {
        throw operatorError(error)
      }
      if (found?.['trail'] && found['webhooks']) return
      throw new Error(
        'Webhooks are sent from the audit trail, and there is no table for it (vigie.trail), or none for webhooks: run `vigie migrate`, or configure no webhooks.',
      )
    },
    async lease(holder, forMs) {
      return (await query(LEASE, [holder, String(forMs)])).length > 0
    },
    async release(holder) {
      await query('DELETE FROM vigie.webhook_lease WHERE holder = $1::uuid', [holder])
    },
    async load(endpoint) {
      const [known] = await query('SELECT sequence::text FROM vigie.webhook_endpoints WHERE endpoint = $1', [
        endpoint,
      ])
      if (!known) return undefined
      const positions = await query(
        'SELECT boot::text, day::text, position::text, ended::text FROM vigie.webhook_positions WHERE endpoint = $1',
        [endpoint],
      )
      const waiting = await query(
        `SELECT ${DELIVERY} FROM vigie.webhook_deliveries AS d WHERE endpoint = $1 AND dead_at IS NULL ORDER BY d.sequence`,
        [endpoint],
      )
      return {
        sequence: Number(known['sequence']),
        positions: positions.map((row) => ({ ...placeOf(row), isEnded: row['ended'] === 'true' })),
        waiting: waiting.map(deliveryOf),
      }
    },
    async boots(fromDay) {
      const rows = await query(BOOTS, [fromDay])
      return rows.map((row) => ({ boot: row['boot'] ?? '', day: row['day'] ?? '' }))
    },
    async last(boot, fromDay) {
      const [row] = await query(
        `SELECT ${FACT} FROM vigie.trail AS t WHERE boot = $1::uuid AND day >= $2::text::date ORDER BY t.day DESC, t.position DESC LIMIT 1`,
        [boot, fromDay],
      )
      return row && factOf(row)
    },
    async checkpointBefore(place) {
      const [row] = await query(CHECKPOINT, [place.boot, place.day, String(place.position)])
      return row ? placeOf(row) : { ...place, position: 0 }
    },
    async read({ boot, day, position }, { limit, settledMs, until }) {
      const values = [
        boot,
        day,
        String(position),
        String(limit),
        String(settledMs),
        String(until ?? MAX_BIGINT),
      ]
      return (await query(READ, values)).map(factOf)
    },
    async advance({ endpoint, positions, deliveries, sequence }, holder) {
      const rows = await query(ADVANCE, [
        holder,
        endpoint,
        String(sequence),
        JSON.stringify(positions),
        JSON.stringify(deliveries),
      ])
      return rows.length > 0
    },
    async delivered({ endpoint, sequence }) {
      await query('DELETE FROM vigie.webhook_deliveries WHERE endpoint = $1 AND sequence = $2::bigint', [
        endpoint,
        String(sequence),
      ])
    },
    async failed({ endpoint, sequence, attempts, nextAt }, { failure, isDead }) {
      await query(FAILED, [
        endpoint,
        String(sequence),
        String(attempts),
        String(nextAt),
        failure,
        String(isDead),
      ])
    },
    async takeResent(endpoints) {
      return (await query(TAKE_RESENT, [JSON.stringify(endpoints)])).map(deliveryOf)
    },
    async deadLetters({ limit, before }) {
      return (await query(DEAD_LETTERS, [String(limit), before ?? ''])).map(deadLetterOf)
    },
    async resend(id) {
      return (await query(RESEND, [id])).length > 0
    },
    async tidy(deadLettersMs) {
      await query(TIDY, [String(deadLettersMs)])
      await query(TIDY_POSITIONS)
      const [row] = await query(
        'SELECT count(*)::text AS n FROM vigie.webhook_deliveries WHERE dead_at IS NOT NULL',
      )
      return { deadLetters: Number(row?.['n']) }
    },
    close: () => database.close(),
  }
}

// JSON, booleans and days are cast from text: where a parameter is of such a type, the package `postgres` writes it anew.

const MAX_BIGINT = '9223372036854775807'

const CHECK = `SELECT to_regclass('vigie.trail')::text AS trail, to_regclass('vigie.webhook_deliveries')::text AS webhooks`

const LEASE = `
  INSERT INTO vigie.webhook_lease AS held (id, holder, until)
  VALUES (1, $1::uuid, clock_timestamp() + $2::bigint * interval '1 millisecond')
  ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE held.holder = excluded.holder OR held.until < clock_timestamp()
  RETURNING 1 AS held`

/**
 * As text, which is the same from every driver. Orders name columns by their table: a bare name would be the text.
 */
const DELIVERY = `endpoint, sequence::text, id, user_id, conversation_id, body, attempts::text,
  ${millis('at')}::text AS at, ${millis('next_at')}::text AS next_at`
const FACT = `day::text, boot::text, position::text, ${millis('at')}::text AS at, kind, state,
  reason, user_id, session_id, to_json(conversations)::text AS conversations, detail`

/** From boot to boot by the primary key: no row between them is read. */
const BOOTS = `
  WITH RECURSIVE found (day, boot) AS (
    (SELECT day, boot FROM vigie.trail WHERE day >= $1::text::date ORDER BY day, boot LIMIT 1)
    UNION ALL
    SELECT next.day, next.boot FROM found CROSS JOIN LATERAL (
      SELECT t.day, t.boot FROM vigie.trail AS t
      WHERE t.day >= found.day AND (t.day, t.boot) > (found.day, found.boot) ORDER BY t.day, t.boot LIMIT 1
    ) AS next
  )
  SELECT boot::text, min(day)::text AS day FROM found GROUP BY boot`

/**
 * A checkpoint of the day, or of the day before: a position may be amid the checkpoint that a day begins with. Without one
 * the boot began on one of these days.
 */
const CHECKPOINT = `
  SELECT $1::text AS boot, coalesce(c.day, $2::text::date - 1)::text AS day, coalesce(c.place - 1, 0)::text AS position
  FROM (SELECT 1) AS one LEFT JOIN (
    SELECT day, (detail::json ->> 'from')::bigint AS place FROM vigie.trail
    WHERE boot = $1::uuid AND kind = 'checkpoint' AND position <= $3::bigint AND day BETWEEN $2::text::date - 1 AND $2::text::date
    ORDER BY position DESC LIMIT 1
  ) AS c ON true`

const READ = `
  SELECT ${FACT} FROM vigie.trail AS t
  WHERE boot = $1::uuid AND day >= $2::text::date AND position > $3::bigint AND position <= $6::bigint
    AND at <= clock_timestamp() - $5::bigint * interval '1 millisecond'
  ORDER BY t.day, t.position LIMIT $4::bigint`

/** All of it or nothing, and nothing once somebody else may send. Written twice it is as if written once. */
const ADVANCE = `
  WITH mine AS (
    SELECT FROM vigie.webhook_lease WHERE holder = $1::uuid AND until > clock_timestamp() FOR UPDATE
  ), told AS (
    INSERT INTO vigie.webhook_endpoints (endpoint, sequence) SELECT $2::text, $3::bigint FROM mine
    ON CONFLICT (endpoint) DO UPDATE SET sequence = excluded.sequence
    RETURNING 1
  ), moved AS (
    INSERT INTO vigie.webhook_positions (endpoint, boot, day, position, ended)
    SELECT $2::text, p.boot, p.day, p.position, p."isEnded"
    FROM json_to_recordset($4::text::json) AS p(boot uuid, day date, position bigint, "isEnded" boolean), mine
    ON CONFLICT (endpoint, boot) DO UPDATE
      SET day = excluded.day, position = excluded.position, ended = excluded.ended
    RETURNING 1
  ), added AS (
    INSERT INTO vigie.webhook_deliveries (endpoint, sequence, id, user_id, conversation_id, at, body, attempts, next_at)
    SELECT $2::text, d.sequence, d.id, d."userId", d."conversationId", to_timestamp(d.at / 1000.0), d.body, 0,
      to_timestamp(d."nextAt" / 1000.0)
    FROM json_to_recordset($5::text::json) AS d(sequence bigint, id text, "userId" text, "conversationId" text, at bigint,
      body text, "nextAt" bigint), mine
    ON CONFLICT DO NOTHING
    RETURNING 1
  )
  SELECT 1 AS done FROM told`

/** Not once it has been tried again by another server: attempts only grow. */
const FAILED = `
  UPDATE vigie.webhook_deliveries SET attempts = $3::integer, next_at = to_timestamp($4::bigint / 1000.0),
    failure = $5::text, dead_at = CASE WHEN $6::text::boolean THEN clock_timestamp() END
  WHERE endpoint = $1 AND sequence = $2::bigint AND attempts < $3::integer`

const TAKE_RESENT = `
  UPDATE vigie.webhook_deliveries SET dead_at = NULL, resend_at = NULL, attempts = 0, next_at = clock_timestamp()
  WHERE resend_at IS NOT NULL AND dead_at IS NOT NULL
    AND endpoint IN (SELECT json_array_elements_text($1::text::json))
  RETURNING ${DELIVERY}`

/** After the last one of the page before, if it is there still; else from the beginning. */
const DEAD_LETTERS = `
  SELECT id, endpoint, ${millis('at')}::text AS at,
    ${millis('dead_at')}::text AS dead_at, attempts::text, failure, body
  FROM vigie.webhook_deliveries AS d
  WHERE dead_at IS NOT NULL AND resend_at IS NULL AND ($2::text = '' OR (d.dead_at, d.id) <
    (SELECT dead_at, id FROM vigie.webhook_deliveries AS last WHERE last.id = $2::text AND last.dead_at IS NOT NULL))
  ORDER BY d.dead_at DESC, d.id DESC LIMIT $1::bigint`

const RESEND = `
  UPDATE vigie.webhook_deliveries SET resend_at = clock_timestamp() WHERE id = $1 AND dead_at IS NOT NULL RETURNING 1 AS one`

const TIDY = `
  DELETE FROM vigie.webhook_deliveries WHERE dead_at < clock_timestamp() - $1::bigint * interval '1 millisecond'`

/** As far back as boots are looked for, an ended one has to be known. */
const TIDY_POSITIONS = `
  DELETE FROM vigie.webhook_positions AS p WHERE p.ended
    AND p.day < (SELECT max(l.day) - 1 FROM vigie.webhook_positions AS l WHERE l.endpoint = p.endpoint)`

function placeOf(row: Row): Place {
  return { boot: row['boot'] ?? '', day: row['day'] ?? '', position: Number(row['position']) }
}

function factOf(row: Row): ReadRow {
  return {
    ...placeOf(row),
    at: Number(row['at']),
    kind: row['kind'] as FactKind,
    state: row['state'] ?? null,
    reason: row['reason'] ?? null,
    userId: row['user_id'] ?? null,
    sessionId: row['session_id'] ?? null,
    conversations: row['conversations'] ? (JSON.parse(row['conversations']) as string[]) : null,
    detail: row['detail'] ?? null,
  }
}

function deliveryOf(row: Row): Delivery {
  return {
    endpoint: row['endpoint'] ?? '',
    sequence: Number(row['sequence']),
    id: row['id'] ?? '',
    userId: row['user_id'] ?? null,
    conversationId: row['conversation_id'] ?? null,
    at: Number(row['at']),
    body: row['body'] ?? '',
    attempts: Number(row['attempts']),
    nextAt: Number(row['next_at']),
  }
}

function deadLetterOf(row: Row): DeadLetter {
  return {
    id: row['id'] ?? '',
    endpoint: row['endpoint'] ?? '',
    at: Number(row['at']),
    deadAt: Number(row['dead_at']),
    attempts: Number(row['attempts']),
    failure: row['failure'] ?? '',
    body: row['body'] ?? '',
  }
}
