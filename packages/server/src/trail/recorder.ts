/**
 * Records what happens: facts wait in memory, in order, and are written in batches beside the data path. Each is written
 * once: a batch whose answer was lost is written again, and adds nothing the second time. See docs/decisions/audit-trail.md.
 */
import { randomUUID } from 'node:crypto'
import { silentLog, type Log, type Recorded, type TrailCounts } from '../core/index.js'
import type { Detail, Entry, Fact, TrailRow } from './facts.js'
import { drawSalts, rowOf } from './rows.js'
import { dayOf } from './days.js'
import type { Head, TrailStore } from './store.js'

/** A boot writes at least this often. Milliseconds. */
export const ALIVE_MS = 10_000
/** A boot that has written nothing for this long, and has not said that it ended, was killed. Milliseconds. */
export const SILENT_MS = 3 * ALIVE_MS
/** Rows of one statement. */
export const BATCH_ROWS = 500
/** Waits between attempts to write grow to this. Milliseconds. */
const RETRY_MAX_MS = 5_000
/** How long `close` waits for what is still to be written. Milliseconds. */
const CLOSE_MS = 5_000

export interface RecorderOptions {
  readonly store: TrailStore
  /** What is so now; a checkpoint repeats it. */
  readonly everything: () => Iterable<Recorded>
  /** From the engine's clock to milliseconds since 1970. */
  readonly toWall: (engineTime: number) => number
  /** Milliseconds since 1970. */
  readonly wall?: () => number
  /** Most facts that wait; what comes after them is counted, and told by a `hole`. */
  readonly bufferMax: number
  /** How long a fact waits for others. Milliseconds. */
  readonly flushMs: number
  readonly typing: boolean
  /** Of `start`: what is in force. */
  readonly start: Detail
  readonly log?: Log
}

export interface Recorder {
  /** Something that the engine told. */
  recorded(effect: Recorded): void
  /** Something else, which happens now. */
  record(fact: Fact): void
  counts(): TrailCounts
  /** Says `stop`, and waits until all is written, five seconds at most. */
  close(): Promise<void>
}

interface Hole {
  count: number
  readonly from: number
  until: number
}

/** One start of this node, or what follows when somebody has written a row in its place. */
interface Boot {
  readonly id: string
  position: number
}

/**
 * The recorder makes a fact of it when it writes the batch. A checkpoint queues everybody at once, and making all their facts
 * then would keep the event loop for four times as long.
 */
interface Queued {
  readonly told: Fact | Recorded
  readonly isRepeated: boolean
  readonly position: number
  readonly at: number
}

export function createRecorder(options: RecorderOptions): Recorder {
  const { store, everything, toWall, bufferMax, flushMs, typing } = options
  const { wall = Date.now, log = silentLog } = options
  let boot: Boot = { id: randomUUID(), position: 0 }
  /** What has no row yet, the oldest first. */
  let queue: Queued[] = []
  /** Rows of the batch that is being written: they are made once, so that a second attempt writes the same. */
  let batch: readonly TrailRow[] = []
  /** Of those that wait: how many are, at most, of checkpoints. */
  let repeated = 0
  let lastAt = 0
  let day: string | undefined
  let hole: Hole | undefined
  /** The last row of the chain, and the days whose partitions are there. */
  let head: Head | undefined
  const days = new Set<string>()
  let isStarted = false
  /** The first row of a boot's day names what is before it. */
  let previous: Head | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let writing: Promise<void> | undefined
  let closing: Promise<void> | undefined
  let retryMs = 0
  let written = 0
  let dropped = 0
  let failures = 0
  let lookedForDeadAt = -Infinity

  function waiting(): number {
    return queue.length + batch.length
  }

  /**
   * Once some was not kept, half of the buffer has to be free: otherwise there would be a checkpoint for each few facts. A
   * checkpoint has room of its own: one that filled the buffer would make the next hole.
   */
  function isRoomLeft(): boolean {
    return waiting() - repeated < (hole ? bufferMax / 2 : bufferMax)
  }

  function push(told: Fact | Recorded, at: number, isRepeated = false): void {
    queue.push({ told, isRepeated, position: ++boot.position, at })
  }

  function add(told: Fact | Recorded, wantedAt: number): void {
    lastAt = Math.max(lastAt, wantedAt)
    if (!isRoomLeft()) {
      dropped++
      if (!hole) log.error(FULL, { waiting: waiting() })
      hole ??= { count: 0, from: lastAt, until: lastAt }
      hole.count++
      hole.until = lastAt
      return
    }
    beginDay()
    push(told, lastAt)
    if (queue.length >= BATCH_ROWS) void flush()
  }

  /** Each boot begins each day with all that is so; and what was not kept is followed by it. */
  function beginDay(): void {
    const today = dayOf(lastAt)
    if (hole) {
      const { count, from, until } = hole
      hole = undefined
      day = today
      push({ kind: 'hole', detail: { count, from, until } }, lastAt)
      checkpoint()
    } else if (day !== today) {
      const isFirst = day === undefined
      day = today
      if (!isFirst) checkpoint()
    }
  }

  function checkpoint(): void {
    const from = boot.position + 1
    for (const effect of everything()) push(effect, lastAt, true)
    push({ kind: 'checkpoint', detail: { from } }, lastAt)
    repeated += boot.position - from + 1
  }

  function look(): void {
    const now = wall()
    const isQuiet = now - lastAt >= ALIVE_MS
    const isNextDay = day !== undefined && dayOf(Math.max(lastAt, now)) !== day
    // What was not kept is told once there is room, and a day begins, also when nothing happens.
    if ((isQuiet || isNextDay || hole) && isRoomLeft()) add({ kind: 'alive' }, now)
  }

  function schedule(ms: number): void {
    if (closing) return
    timer = setTimeout(() => {
      look()
      void flush()
    }, ms).unref()
  }

  function flush(): Promise<void> {
    clearTimeout(timer)
    writing ??= writeAll().finally(() => {
      writing = undefined
      schedule(retryMs || flushMs)
    })
    return writing
  }

  async function writeAll(): Promise<void> {
    try {
      if (!isStarted) await begin()
      // What comes meanwhile waits for others, as always: otherwise each of few facts would be a statement of its own.
      let left = waiting()
      while (waiting() > 0 && (left > 0 || queue.length >= BATCH_ROWS)) {
        if (batch.length === 0) batch = nextRows()
        left -= batch.length
        await writeBatch()
        batch = []
        repeated = Math.min(repeated, waiting())
      }
      await tellDeaths()
      if (retryMs > 0) log.info('The audit trail is written again.', { written, dropped })
      retryMs = 0
    } catch (error) {
      failures++
      if (retryMs === 0) log.error(NOT_WRITTEN, { waiting: waiting(), error })
      retryMs = Math.min(RETRY_MAX_MS, Math.max(flushMs, 2 * retryMs)) * (0.75 + Math.random() / 2)
    }
  }

  /** The first row says what came before. */
  async function begin(): Promise<void> {
    previous = await store.lastBoot()
    isStarted = true
  }

  function nextRows(): readonly TrailRow[] {
    const rows: TrailRow[] = []
    const taken = queue.splice(0, BATCH_ROWS)
    const salts = drawSalts(taken.length)
    for (const [place, queued] of taken.entries()) {
      const entry = entryOf(queued)
      const isFirst = head?.day !== dayOf(entry.at)
      // Of a day that has begun: the end of the day before.
      if (isFirst && head) previous = head
      const { kind } = entry.fact
      const isTelling = previous && (kind === 'start' || kind === 'checkpoint')
      const row = rowOf(
        isTelling ? { ...entry, fact: withPrevious(entry.fact, previous) } : entry,
        boot.id,
        isFirst ? undefined : head?.hash,
        salts[place],
      )
      if (isTelling) previous = undefined
      head = row
      rows.push(row)
    }
    return rows
  }

  async function writeBatch(): Promise<void> {
    const missing = [...new Set(batch.map((row) => row.day))].filter((each) => !days.has(each))
    if (missing.length > 0) await store.makeDays(missing)
    for (const each of missing) days.add(each)
    if ((await store.write(batch)) === 'taken') beginAnew()
    else written += batch.length
  }

  /**
   * Somebody took this node for dead and has written the end of this boot in the place of its next row. It goes on as a
   * new boot, with all that is so.
   */
  function beginAnew(): void {
    log.error(TAKEN_FOR_DEAD, { boot: boot.id })
    boot = { id: randomUUID(), position: 0 }
    head = undefined
    previous = undefined
    const lost = waiting()
    dropped += lost
    queue = []
    hole = { count: lost, from: batch[0]?.at ?? lastAt, until: lastAt }
    day = undefined
    push({ kind: 'start', detail: { ...options.start, node: store.node } }, lastAt)
    beginDay()
  }

  /** A boot of this node that was killed ends now; what it had done until then is known up to its last row. */
  async function tellDeaths(): Promise<void> {
    const now = wall()
    if (now - lookedForDeadAt < SILENT_MS) return
    lookedForDeadAt = now
    for (const dead of await store.unfinished()) {
      if (dead.boot === boot.id || dead.silentMs < SILENT_MS) continue
      const at = Math.max(now, dead.at)
      const row = rowOf(
        { fact: { kind: 'death', detail: { lastAt: dead.at } }, position: dead.position + 1, at },
        dead.boot,
        dayOf(at) === dead.day ? dead.hash : undefined,
      )
      await store.makeDays([row.day])
      // Otherwise another has said so before.
      if ((await store.write([row])) === 1) log.warn(DIED, { boot: dead.boot, lastAt: new Date(dead.at) })
    }
  }

  add({ kind: 'start', detail: { ...options.start, node: store.node } }, wall())
  schedule(0)

  return {
    recorded(effect) {
      add(effect, toWall(effect.at))
    },
    record(fact) {
      if (fact.kind !== 'typing' || typing) add(fact, wall())
    },
    counts: () => ({
      written,
      dropped,
      waiting: waiting(),
      failures,
      lagMs: Math.max(0, wall() - (batch[0]?.at ?? queue[0]?.at ?? Infinity)),
    }),
    close() {
      closing ??= (async () => {
        add({ kind: 'stop' }, wall())
        const until = performance.now() + CLOSE_MS
        const isOver = () => waiting() === 0 || performance.now() >= until
        const all = (async () => {
          await flush()
          while (!isOver()) {
            // What came during a write is written at once; after a failure not.
            if (retryMs > 0) await pause(flushMs)
            await flush()
          }
        })()
        // A write that is never answered does not keep the process.
        let limit: ReturnType<typeof setTimeout> | undefined
        const late = new Promise((resolve) => {
          limit = setTimeout(resolve, CLOSE_MS)
        })
        await Promise.race([all, late])
        clearTimeout(limit)
        if (waiting() > 0) log.error(LEFT, { waiting: waiting() })
        clearTimeout(timer)
        await store.close()
      })()
      return closing
    },
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

const FULL =
  'The audit trail cannot be written for so long that no more facts are kept. What follows will be missing in it, and it will say so.'
const NOT_WRITTEN =
  'The audit trail could not be written. Facts wait in memory and are written when PostgreSQL takes them.'
const TAKEN_FOR_DEAD =
  'Another process has written the end of this boot into the audit trail: two nodes have the same name, or this one was ' +
  'out of touch with PostgreSQL. It goes on as a new boot. Give each node a name of its own.'
const DIED =
  'A former boot of this node ended without a word: it was killed. The audit trail says so now, and what it had not written is missing.'
const LEFT = 'The audit trail could not be written before the end: these facts are missing in it.'

function withPrevious(fact: Fact, previous: Head | undefined): Fact {
  if (!previous) return fact
  const { boot, day, position, hash } = previous
  return {
    ...fact,
    detail: { ...(fact as { detail?: Detail }).detail, previous: { boot, day, position, hash } },
  } as Fact
}

function entryOf({ told, isRepeated, position, at }: Queued): Entry {
  return { fact: 'kind' in told ? told : factOf(told, isRepeated), position, at }
}

/** @param isRepeated It has not happened: it is so. */
function factOf(effect: Recorded, isRepeated = false): Fact {
  if (effect.type === 'rooms') {
    const { userId, isFirst, rooms } = effect
    return {
      kind: 'rooms',
      reason: isRepeated ? 'checkpoint' : isFirst ? 'seen' : 'changed',
      userId,
      groups: rooms.flatMap((room) => (room.kind === 'group' ? [room.id] : [])),
      conversations: rooms.flatMap((room) => (room.kind === 'conversation' ? [room.id] : [])),
    }
  }
  const { state, reason, userId, sessionId, device, since } = effect
  return {
    kind: 'session',
    state,
    reason: isRepeated ? 'checkpoint' : reason,
    userId,
    sessionId,
    device,
    detail: { since },
  }
}
