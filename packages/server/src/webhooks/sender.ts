/**
 * Sends webhooks from the audit trail. The trail is the queue: of each endpoint there is a position in each boot, and a
 * window of deliveries that were read and have not arrived. Both are kept in PostgreSQL and move together, so a server
 * that is killed leaves everything to the next one. A delivery is deleted after the 2xx: it may come twice, with the same
 * id, and is never lost. See docs/webhooks.md.
 */
import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Log, WebhookCounts } from '../core/index.js'
import { dayBefore, DAY_MS, dayOf } from '../trail/days.js'
import { createDeriver, type Deriver, type ReadRow, type WebhookEvent } from './events.js'
import { createLanes, type Lanes } from './lanes.js'
import type { Post } from './post.js'
import { messageId, signedHeaders } from './signing.js'
import type { Delivery, Position, WebhookStore } from './store.js'

/** How often the trail is read, and the lease looked at. Milliseconds. */
export const POLL_MS = 500
/** Facts of one boot that are read at once. */
export const READ_ROWS = 500
/** With several boots: facts are this old when they are read, so that those of all boots can be put in order. Milliseconds. */
export const SETTLE_MS = 2_000
/**
 * The sender reads a `stop` only when it is this old. Users who have connected to another boot by then are not reported as
 * offline. It is the re-attach grace, and some time to connect. Milliseconds.
 */
export const STOP_SETTLE_MS = 20_000
/** The right to send is kept for the time-out of an attempt and this long. Milliseconds. */
export const LEASE_SPARE_MS = 10_000
/** The lease is renewed when this much of it has gone. Milliseconds. */
const LEASE_RENEW_MS = 3_000
/** So many failures of an endpoint in a row, and it is taken to be away: once it is back, all that waits is tried at once. */
export const AWAY_AFTER = 5
/** Dead letters that are too old are deleted so often, and what there are is counted. Milliseconds. */
export const TIDY_MS = 60_000
/** How long `close` waits for attempts that are under way. Milliseconds. */
const CLOSE_MS = 5_000

export interface SenderEndpoint {
  readonly name: string
  readonly url: URL
  readonly keys: readonly Buffer[]
}

export interface SenderSettings {
  /** Milliseconds. */
  readonly timeoutMs: number
  /** Attempts of one endpoint at a time. */
  readonly concurrency: number
  /** Waits after the first, second, … failure. Milliseconds. After one more than these it is a dead letter. */
  readonly retryMs: readonly number[]
  /** Deliveries of one endpoint that were read and have not arrived; above it the trail is not read on. */
  readonly windowMax: number
  readonly deadLetterDays: number
}

/** Time and chance; a test moves them. */
export interface WebhookClock {
  /** Monotonic, milliseconds. */
  now(): number
  /** Milliseconds since 1970. */
  wall(): number
  /** Calls back once after so long; what it returns takes it back. */
  after(ms: number, call: () => void): () => void
  /** From 0 up to 1. */
  random(): number
}

export interface SenderOptions {
  readonly store: WebhookStore
  readonly endpoints: readonly SenderEndpoint[]
  readonly post: Post
  readonly clock: WebhookClock
  readonly settings: SenderSettings
  readonly log: Log
}

export interface Sender {
  counts(): WebhookCounts
  /** Waits for attempts that are under way, five seconds at most; what has not arrived is left to the next server. */
  close(): Promise<void>
}

/** What is known of an endpoint while this server sends. */
interface Loaded {
  readonly deriver: Deriver
  readonly positions: Map<string, Position>
  readonly lanes: Lanes
  sequence: number
}

interface Course {
  readonly endpoint: SenderEndpoint
  loaded: Loaded | undefined
  readonly underWay: Set<Promise<void>>
  failuresInRow: number
}

export function createSender(options: SenderOptions): Sender {
  const { store, post, clock, settings, log } = options
  const { timeoutMs, concurrency, retryMs, windowMax } = settings
  const holder = randomUUID()
  const leaseMs = timeoutMs + LEASE_SPARE_MS
  const courses: readonly Course[] = options.endpoints.map((endpoint) => ({
    endpoint,
    loaded: undefined,
    underWay: new Set(),
    failuresInRow: 0,
  }))
  const stop = new AbortController()
  // Every attempt listens, of all endpoints.
  setMaxListeners(0, stop.signal)
  let leaseUntil = -Infinity
  let cancelTurn = () => {}
  let cancelPump = () => {}
  let turning: Promise<void> | undefined
  let closing: Promise<void> | undefined
  let isTroubled = false
  let tidiedAt = -Infinity
  let [delivered, failed, dead, deadLetters] = [0, 0, 0, 0]

  function turnAfter(ms: number): void {
    cancelTurn()
    if (!closing) cancelTurn = clock.after(ms, turn)
  }

  function turn(): void {
    turning ??= runTurn().finally(() => {
      turning = undefined
      turnAfter(POLL_MS)
    })
  }

  async function runTurn(): Promise<void> {
    try {
      if (!(await keepLease())) return
      for (const course of courses) await readOn(course)
      await takeUpResent()
      await tidy()
      if (isTroubled) log.info('Webhooks are read from the audit trail again.')
      isTroubled = false
    } catch (error) {
      // What was written last is not known: everything is loaded again.
      for (const course of courses) course.loaded = undefined
      if (!isTroubled) log.error(TROUBLED, { error })
      isTroubled = true
    }
  }

  async function keepLease(): Promise<boolean> {
    // Before the question: the lease may have begun at any moment since.
    const asked = clock.now()
    if (asked < leaseUntil - leaseMs + LEASE_RENEW_MS) return true
    if (await store.lease(holder, leaseMs)) {
      leaseUntil = asked + leaseMs
      return true
    }
    leaseUntil = -Infinity
    for (const course of courses) course.loaded = undefined
    return false
  }

  /** An attempt that begins now ends before another server may send. */
  function maySend(): boolean {
    return !closing && clock.now() < leaseUntil - timeoutMs
  }

  async function readOn(course: Course): Promise<void> {
    // What is under way since before would be taken for waiting.
    if (!course.loaded && course.underWay.size > 0) return
    course.loaded ??= await load(course.endpoint.name)
    const { loaded } = course
    await findBoots(loaded)
    while (loaded.lanes.size() < windowMax && maySend() && (await advance(course, loaded))) pump()
    pump()
  }

  async function load(name: string): Promise<Loaded> {
    const kept = (await store.load(name)) ?? (await begin(name))
    const deriver = createDeriver()
    const positions = new Map(kept.positions.map((position) => [position.boot, position]))
    for (const position of kept.positions) if (!position.isEnded) await restore(deriver, position)
    return { deriver, positions, lanes: createLanes(kept.waiting), sequence: kept.sequence }
  }

  /** A new endpoint hears of what happens from now on. */
  async function begin(name: string) {
    const fromDay = dayBefore(dayOf(clock.wall()))
    const positions: Position[] = []
    for (const { boot } of await store.boots(fromDay)) {
      const last = await store.last(boot, fromDay)
      if (last) positions.push(positionOf(last))
    }
    const isMine = await store.advance({ endpoint: name, positions, deliveries: [], sequence: 0 }, holder)
    if (!isMine) throw new Error(LEASE_LOST)
    return { positions, waiting: [], sequence: 0 }
  }

  /** What was so at a position: from the checkpoint before it. */
  async function restore(deriver: Deriver, { boot, day, position }: Position): Promise<void> {
    let after = await store.checkpointBefore({ boot, day, position })
    while (after.position < position) {
      const rows = await store.read(after, { limit: READ_ROWS, settledMs: 0, until: position })
      for (const row of rows) deriver.apply(row)
      const last = rows.at(-1)
      if (!last) return
      after = last
    }
  }

  async function findBoots({ positions }: Loaded): Promise<void> {
    const fromDay = dayBefore(latestDay(positions) ?? dayOf(clock.wall()))
    for (const { boot, day } of await store.boots(fromDay))
      if (!positions.has(boot)) positions.set(boot, { boot, day, position: 0, isEnded: false })
    for (const { boot, day, isEnded } of positions.values())
      if (isEnded && day < fromDay) positions.delete(boot)
  }

  /** Reads on, at most as far as there is room, and writes what came of it. False: there is nothing more to read now. */
  async function advance({ endpoint: { name } }: Course, loaded: Loaded): Promise<boolean> {
    const rows = await nextRows(loaded)
    if (rows.length === 0) return false
    const moved = new Map<string, Position>()
    const deliveries: Delivery[] = []
    const room = windowMax - loaded.lanes.size()
    for (const row of rows) {
      if (deliveries.length >= room) break
      tellGap(name, moved.get(row.boot) ?? loaded.positions.get(row.boot), row)
      for (const event of loaded.deriver.apply(row))
        deliveries.push(deliveryOf(name, event, loaded.sequence + deliveries.length + 1))
      moved.set(row.boot, positionOf(row))
    }
    const sequence = loaded.sequence + deliveries.length
    const positions = [...moved.values()]
    if (!(await store.advance({ endpoint: name, positions, deliveries, sequence }, holder)))
      throw new Error(LEASE_LOST)
    for (const position of positions) loaded.positions.set(position.boot, position)
    loaded.sequence = sequence
    for (const delivery of deliveries) loaded.lanes.add(delivery)
    return true
  }

  /** Of all boots, in the order of time. */
  async function nextRows({ positions }: Loaded): Promise<readonly ReadRow[]> {
    const open = [...positions.values()].filter(({ isEnded }) => !isEnded)
    const settledMs = open.length > 1 ? SETTLE_MS : 0
    const rows: ReadRow[] = []
    let until = Infinity
    for (const position of open) {
      const found = await store.read(position, { limit: READ_ROWS, settledMs })
      const stoppedBefore = clock.wall() - STOP_SETTLE_MS
      // The last row of its boot: all before it are read.
      rows.push(...found.filter(({ kind, at }) => kind !== 'stop' || at <= stoppedBefore))
      // More of this boot may follow: of others nothing is taken that is later.
      if (found.length === READ_ROWS) until = Math.min(until, found.at(-1)?.at ?? until)
    }
    return rows
      .filter(({ at }) => at <= until)
      .sort((a, b) => a.at - b.at || (a.boot < b.boot ? -1 : a.boot > b.boot ? 1 : a.position - b.position))
  }

  function tellGap(endpoint: string, before: Position | undefined, row: ReadRow): void {
    if (!before || before.position === 0 || row.position === before.position + 1) return
    log.warn(GAP, { endpoint, boot: row.boot, from: before.position, to: row.position })
  }

  async function takeUpResent(): Promise<void> {
    const names = courses.filter(({ loaded }) => loaded).map(({ endpoint }) => endpoint.name)
    for (const delivery of await store.takeResent(names))
      courses.find(({ endpoint }) => endpoint.name === delivery.endpoint)?.loaded?.lanes.add(delivery)
    pump()
  }

  async function tidy(): Promise<void> {
    const now = clock.now()
    if (now - tidiedAt < TIDY_MS) return
    tidiedAt = now
    deadLetters = (await store.tidy(settings.deadLetterDays * DAY_MS)).deadLetters
  }

  /** Begins what is due, as far as it may. */
  function pump(): void {
    cancelPump()
    if (!maySend()) return
    const now = clock.wall()
    let next = Infinity
    for (const course of courses) {
      const { loaded } = course
      if (!loaded) continue
      while (course.underWay.size < concurrency) {
        const delivery = loaded.lanes.takeDue(now)
        if (!delivery) break
        start(course, loaded, delivery)
      }
      if (course.underWay.size < concurrency) next = Math.min(next, loaded.lanes.nextAt())
    }
    if (next < Infinity) cancelPump = clock.after(Math.max(1, next - now), pump)

    function start(course: Course, loaded: Loaded, delivery: Delivery): void {
      const attempt = deliver(course, loaded, delivery).finally(() => {
        course.underWay.delete(attempt)
        pump()
      })
      course.underWay.add(attempt)
    }
  }

  async function deliver(course: Course, { lanes }: Loaded, delivery: Delivery): Promise<void> {
    const { endpoint } = course
    const failure = await post({
      url: endpoint.url,
      headers: signedHeaders(
        { id: delivery.id, timestamp: Math.floor(clock.wall() / 1_000), body: delivery.body },
        endpoint.keys,
      ),
      body: delivery.body,
      timeoutMs,
      signal: stop.signal,
    })
    if (failure === undefined) {
      delivered++
      if (await mark(course, () => store.delivered(delivery))) lanes.remove(delivery)
      if (course.failuresInRow >= AWAY_AFTER) {
        log.info('A webhook endpoint answers again: all that waits for it is tried at once.', {
          endpoint: endpoint.name,
        })
        lanes.allDue(clock.wall())
      }
      course.failuresInRow = 0
      return
    }
    // It was not the receiver's fault: the next server tries it.
    if (stop.signal.aborted) return
    failed++
    if (++course.failuresInRow === AWAY_AFTER) log.warn(AWAY, { endpoint: endpoint.name, failure })
    const attempts = delivery.attempts + 1
    const wait = retryMs[attempts - 1]
    const isDead = wait === undefined
    // From three quarters to five quarters: what failed together does not come together.
    const next = {
      ...delivery,
      attempts,
      nextAt: clock.wall() + Math.round((wait ?? 0) * (0.75 + clock.random() / 2)),
    }
    if (isDead) {
      dead++
      deadLetters++
      log.error(DEAD, { endpoint: endpoint.name, id: delivery.id, attempts, failure })
    }
    if (!(await mark(course, () => store.failed(next, { failure, isDead })))) return
    if (isDead) lanes.remove(delivery)
    else lanes.putBack(next)
  }

  /** Written until it is: what is not known to be written would be sent again by the next server. False: given up. */
  async function mark({ endpoint }: Course, write: () => Promise<void>): Promise<boolean> {
    for (let isTold = false; ; isTold = true) {
      try {
        await write()
        return true
      } catch (error) {
        if (!isTold) log.error(NOT_MARKED, { endpoint: endpoint.name, error })
        if (stop.signal.aborted) return false
        await pause()
      }
    }
  }

  /** Until the next attempt to write, or until this server ends. */
  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        stop.signal.removeEventListener('abort', done)
        resolve()
      }
      const cancel = clock.after(POLL_MS, done)
      stop.signal.addEventListener('abort', done)
    })
  }

  async function end(): Promise<void> {
    cancelTurn()
    cancelPump()
    await turning
    const underWay = courses.flatMap((course) => [...course.underWay])
    const cancel = clock.after(CLOSE_MS, () => {
      stop.abort()
    })
    await Promise.all(underWay)
    cancel()
    stop.abort()
    try {
      await store.release(holder)
    } catch (error) {
      log.warn(
        'The right to send webhooks could not be given back: another server waits until it has run out.',
        { error },
      )
    }
    await store.close()
  }

  turnAfter(0)

  return {
    counts() {
      const now = clock.wall()
      const lanes = courses.flatMap(({ loaded }) => loaded?.lanes ?? [])
      return {
        delivered,
        failed,
        dead,
        deadLetters,
        waiting: lanes.reduce((sum, each) => sum + each.size(), 0),
        lagMs: lanes.reduce((most, each) => Math.max(most, now - each.oldestAt()), 0),
        isSending: clock.now() < leaseUntil,
      }
    },
    close: () => (closing ??= end()),
  }
}

const LEASE_LOST = 'another server has taken over the sending of webhooks'
const TROUBLED =
  'Webhooks cannot be read from the audit trail, or what was sent cannot be written. Nothing is lost: it is tried again.'
const GAP =
  'Facts that a webhook endpoint has not been told of are gone from the audit trail: its retention is shorter than the endpoint was away. It is told what is so after the next checkpoint.'
const AWAY =
  'A webhook endpoint does not take anything. What is for it waits and is tried again; see `failure` for why it failed last.'
const DEAD =
  'A webhook was given up after its last attempt. It is kept as a dead letter and can be sent again over the HTTP API.'
const NOT_MARKED = 'What came of a webhook could not be written yet; it is tried again until it is.'

function latestDay(positions: ReadonlyMap<string, Position>): string | undefined {
  return [...positions.values()]
    .map(({ day }) => day)
    .sort()
    .at(-1)
}

function positionOf({ boot, day, position, kind }: ReadRow): Position {
  return { boot, day, position, isEnded: kind === 'stop' || kind === 'death' }
}

function deliveryOf(endpoint: string, event: WebhookEvent, sequence: number): Delivery {
  const { type, subject, at, reason, boot, position } = event
  const isUser = type === 'user.online' || type === 'user.offline'
  const body = {
    type,
    timestamp: new Date(at).toISOString(),
    data: {
      ...(isUser ? { userId: subject } : { conversationId: subject }),
      reason,
      sequence,
      boot,
      position,
    },
  }
  return {
    endpoint,
    sequence,
    id: messageId(endpoint, event),
    userId: isUser ? subject : null,
    conversationId: isUser ? null : subject,
    at,
    body: JSON.stringify(body),
    attempts: 0,
    nextAt: 0,
  }
}
