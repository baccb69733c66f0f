import { isId, PresenceError, type ConversationId, type GroupId, type UserId } from '@vigie/protocol'
import { createFeedCounts, type FeedCounts, type Log, type Stale } from '../core/ports.js'
import type { Database, Row } from './database.js'

/** Tells what the triggers wrote into `vigie.changes`, from `start` until `stop`. */
export interface ChangeFeed {
  /** Resolves once every later commit will be told. */
  start(): Promise<void>
  /** Waits for what runs. */
  stop(): Promise<void>
  readonly counts: FeedCounts
}

interface ChangeFeedOptions {
  readonly database: Database
  readonly pollMs: number
  readonly retentionMs: number
  readonly log: Log
  readonly onStale: (stale: Stale) => void
}

/** More entries in one poll than this are told as `'all'`. */
const ENTRIES_MAX = 5_000
/** Most rows that one sweep deletes. */
const SWEEP_MAX = 10_000
/** The retention is kept to within one part in this many. */
const SWEEPS_PER_RETENTION = 10

/** Where the reader stands: what was visible, on which server, when by its clock. */
interface Position {
  readonly snapshot: string
  readonly server: string
  readonly atMs: number
}

/**
 * The reader of the feed. Its place is the last poll's snapshot, and a poll takes exactly what became visible
 * since: ids are not in commit order, so with any "last one seen" a transaction that started early and committed
 * late would be lost.
 */
export function changeFeed({ database, pollMs, retentionMs, log, onStale }: ChangeFeedOptions): ChangeFeed {
  let position: Position | undefined
  let isAway = false
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let polling: Promise<void> = Promise.resolve()
  let sweeping: Promise<void> = Promise.resolve()
  const counts = createFeedCounts(performance.now())
  /** Snapshots of earlier sweeps, oldest first. */
  const kept: Position[] = []

  async function poll(): Promise<void> {
    const startedAt = performance.now()
    try {
      const before = position
      const rows = await database.query(before ? POLL : LOOK, before && [before.snapshot])
      const now = positionOf(rows)
      position = now
      if (before) tell(before, now, rows)
      counts.polls++
      counts.completeAt = startedAt
      sweepWhenDue(now)
    } catch (error) {
      if (!isAway)
        log.warn('Changes of memberships cannot be read now; the last known ones stand.', { error })
      isAway = true
      counts.failedPolls++
    }
  }

  function tell(before: Position, now: Position, rows: readonly Row[]): void {
    const wasAway = isAway
    isAway = false
    if (wasAway) log.info('Changes of memberships can be read again.')
    // What was seen may not be true any more: another server answers (a failover, a restored copy), or this one
    // lost commits that it had not written to disk. Or others have swept rows away before they were read here.
    const isContinued = !wasAway && now.server === before.server && rows[0]?.['follows'] === 'true'
    const isComplete = now.atMs - before.atMs < retentionMs / 2
    const stale = isContinued && isComplete ? staleOf(rows) : 'all'
    count(now, rows, stale)
    if (stale !== undefined && !isStopped) onStale(stale)
  }

  function count(now: Position, rows: readonly Row[], stale: Stale | undefined): void {
    const oldestMs = rows[0]?.['oldest_ms'] ?? null
    if (oldestMs !== null) counts.lagSeconds.observe(Math.max(0, now.atMs - Number(oldestMs)) / 1_000)
    if (stale === 'all') counts.overruns++
    else if (stale) counts.changes += stale.users.length + stale.groups.length + stale.conversations.length
  }

  /**
   * Deletes what every node has read: rows that were visible to a snapshot at least as old as the retention. Their
   * own time of writing would not do, a transaction may commit long after.
   */
  function sweepWhenDue(now: Position): void {
    const last = kept.at(-1)
    if (last && now.atMs - last.atMs < retentionMs / SWEEPS_PER_RETENTION) return
    kept.push(now)
    let old: Position | undefined
    while (kept[0] && now.atMs - kept[0].atMs >= retentionMs) old = kept.shift()
    if (old) sweep(SWEEP, [old.snapshot])
    else if (!last) sweep(SWEEP_LEFT_BEHIND)
  }

  function sweep(statement: string, values?: string[]): void {
    sweeping = sweeping
      .then(() => database.query(statement, values))
      .then(
        () => {},
        (error: unknown) => {
          log.warn('Old rows of vigie.changes cannot be deleted now.', { error })
        },
      )
  }

  function next(): void {
    if (isStopped) return
    timer = setTimeout(() => {
      // Polls never overlap: the next is planned when this one has ended.
      polling = poll().then(next)
    }, pollMs)
  }

  return {
    async start() {
      position = positionOf(await database.query(LOOK))
      counts.completeAt = performance.now()
      next()
    },
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await polling
      await sweeping
    },
    counts,
  }
}

const HERE =
  'pg_current_snapshot()::text AS snapshot, extract(epoch FROM pg_postmaster_start_time())::text AS server, ' +
  '(extract(epoch FROM clock_timestamp()) * 1000)::text AS at_ms'

const LOOK = `SELECT ${HERE}`

/** Rows from `xmax` on were dumped from another cluster: no snapshot here would ever contain them. */
const CHANGED = `xid >= pg_snapshot_xmin(CAST($1 AS text)::pg_snapshot)
    AND xid < pg_snapshot_xmax(pg_current_snapshot())
    AND NOT pg_visible_in_snapshot(xid, CAST($1 AS text)::pg_snapshot)`

/**
 * The statement's own snapshot is the next position, so that nothing falls between two polls. The age of the first row of
 * the oldest transaction is found by the index: it is read for metrics alone.
 */
const POLL = `
SELECT here.*, c.kind, c.id, o.oldest_ms
FROM (
  SELECT ${HERE}, (pg_snapshot_xmax(pg_current_snapshot()) >= pg_snapshot_xmax(CAST($1 AS text)::pg_snapshot))::text AS follows
) AS here LEFT JOIN (
  SELECT DISTINCT kind, id FROM vigie.changes
  WHERE ${CHANGED}
  LIMIT ${ENTRIES_MAX + 1}
) AS c ON true LEFT JOIN (
  SELECT (extract(epoch FROM at) * 1000)::text AS oldest_ms FROM vigie.changes
  WHERE ${CHANGED}
  ORDER BY xid LIMIT 1
) AS o ON true`

/** Nodes sweep at the same time: each takes rows that no other holds. */
const sweepOf = (condition: string) => `
DELETE FROM vigie.changes WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM vigie.changes WHERE ${condition} ORDER BY xid LIMIT ${SWEEP_MAX} FOR UPDATE SKIP LOCKED
))`
const SWEEP = sweepOf('xid < pg_snapshot_xmin(CAST($1 AS text)::pg_snapshot)')
/** For what nodes left behind that never ran for a whole retention. A day: no transaction is that long. */
const SWEEP_LEFT_BEHIND = sweepOf(`at < clock_timestamp() - interval '1 day'`)

function positionOf(rows: readonly Row[]): Position {
  const [row] = rows
  if (!row?.['snapshot']) throw new PresenceError('internal', 'PostgreSQL gave no snapshot.')
  return { snapshot: row['snapshot'], server: row['server'] ?? '', atMs: Number(row['at_ms']) }
}

function staleOf(rows: readonly Row[]): Stale | undefined {
  if (rows.length > ENTRIES_MAX || rows.some(({ kind }) => kind === 'all')) return 'all'
  const ids = (wanted: string) =>
    rows.flatMap(({ kind, id }) => (kind === wanted && isId(id) ? [id] : [])) as readonly string[]
  const stale = {
    users: ids('user') as readonly UserId[],
    groups: ids('group') as readonly GroupId[],
    conversations: ids('conversation') as readonly ConversationId[],
  }
  return stale.users.length + stale.groups.length + stale.conversations.length > 0 ? stale : undefined
}
