/**
 * Values that were read, and are read again when they are declared stale. There is one for each user and room that
 * somebody needs, so each is a plain record; what only some need for a moment is kept beside them.
 */
import { PresenceError } from '@vigie/protocol'

export interface Fresh<Value> {
  /** The last value that was read whole; undefined before the first. */
  value: Value | undefined
  state: FreshState
}

type FreshState =
  /** Nobody has asked for it yet. */
  | 'new'
  /** The value stands. */
  | 'known'
  /** It is part of one of the next reads. */
  | 'asked'
  /** It is part of the read under way. */
  | 'reading'
  /** It is part of the slow re-read: the value stands meanwhile, and nobody waits for it. */
  | 'refreshing'
  /** It is being read, and was declared stale meanwhile. */
  | 'overtaken'
  /** It could not be read, and is asked for again after `retryMs`; what is known stands. */
  | 'failed'
  /** Nobody needs it any more. */
  | 'dropped'

/** The states of the entries of one kind, moved by the reader: `take`, then `settle`, `repeats` or `fail`. */
export interface FreshQueue<Value, Entry extends Fresh<Value>> {
  /** How many wait to be taken because they are not known, or stale. */
  readonly size: number
  /** How many wait for the slow re-read. */
  readonly refreshes: number
  /** Calls `visit` with each value that is known and waits for the slow re-read. */
  forEachRefresh(visit: (entry: Entry) => void): void
  /** It will be read, unless it is known. */
  ask(entry: Entry): void
  /**
   * Resolves when the value is known, after the read that is under way.
   * @throws what that read threw; PresenceError `unavailable` when the entry is dropped meanwhile
   */
  load(entry: Entry): Promise<void>
  /** What is known of it, if it is needed, may be wrong: read again. A read under way is repeated before it counts. */
  invalidate(entry: Entry | undefined): void
  /** The same, after those that somebody waits for and those that a change has named: it is one of very many. */
  invalidateLater(entry: Entry): void
  /** What is known stands, and is read again when nothing else is to be read. */
  refresh(entry: Entry): void
  /**
   * The entries of the next read, those that have waited longest first. While somebody waits, only so many of the others
   * come along that the read is hardly longer for them.
   */
  take(most: number): Entry[]
  /** Whether the result of its read does not count, because it was declared stale meanwhile: it is asked for again. */
  repeats(entry: Entry): boolean
  /** The value has come. */
  settle(entry: Entry, value: Value): void
  /** The read that they are part of has failed. */
  fail(entries: readonly Entry[], error: unknown): void
  drop(entry: Entry): void
  close(): void
}

interface FreshQueueOptions {
  /** Something waits to be taken. */
  readonly onAsked: () => void
  readonly retryMs: number
}

/**
 * A result that changed while it was read is thrown away so often; then it counts, and is read again at once. A
 * room that changes all the time would otherwise keep everybody out, and those in it from hearing of it.
 */
const REPEATS_MAX = 3

/** While somebody waits for a read, this share of it may be for entries that can wait. */
const LATER_SHARE = 0.5
/** And so many entries of the slow re-read. */
const REFRESHES_ALONG = 50
/** Most entries of the slow re-read in a read that is only for them: after an outage all of them may be due. */
const REFRESHES_AT_ONCE = 500

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

/**
 * A change that is announced while a read runs may or may not be in its result, so the result of such a read is
 * thrown away: a connection and a change of rows cannot cross. An entry is part of one read at a time, so none
 * goes back.
 */
export function createFreshQueue<Value, Entry extends Fresh<Value>>({
  onAsked,
  retryMs,
}: FreshQueueOptions): FreshQueue<Value, Entry> {
  const asked = new Set<Entry>()
  const later = new Set<Entry>()
  const refreshes = new Set<Entry>()
  const repeated = new Map<Entry, number>()
  const waiting = new Map<Entry, Waiter[]>()
  const retries = new Set<ReturnType<typeof setTimeout>>()
  let isClosed = false

  function ask(entry: Entry): void {
    if (entry.state === 'new' || entry.state === 'failed') enqueue(entry)
  }

  function enqueue(entry: Entry): void {
    entry.state = 'asked'
    later.delete(entry)
    asked.add(entry)
    onAsked()
  }

  /** Somebody who has come meanwhile may wait for it. */
  function enqueueLater(entry: Entry): void {
    if (entry.value === undefined || waiting.has(entry)) return enqueue(entry)
    entry.state = 'asked'
    later.add(entry)
    onAsked()
  }

  function takeFrom(entries: Set<Entry>, taken: Entry[], most: number): void {
    for (const entry of entries) {
      if (taken.length >= most) return
      entries.delete(entry)
      entry.state = 'reading'
      taken.push(entry)
    }
  }

  function takeRefreshes(taken: Entry[], most: number): void {
    for (const entry of refreshes) {
      if (taken.length >= most) return
      refreshes.delete(entry)
      // Read since it was due, or about to be.
      if (entry.state !== 'known') continue
      entry.state = 'refreshing'
      taken.push(entry)
    }
  }

  function release(entry: Entry, tell: (waiter: Waiter) => void): void {
    const waiters = waiting.get(entry)
    if (!waiters) return
    waiting.delete(entry)
    for (const waiter of waiters) tell(waiter)
  }

  function drop(entry: Entry): void {
    entry.state = 'dropped'
    asked.delete(entry)
    later.delete(entry)
    refreshes.delete(entry)
    repeated.delete(entry)
    release(entry, (waiter) => {
      waiter.reject(new PresenceError('unavailable'))
    })
  }

  /** Only entries that have not been asked for since: the others have been read already. */
  function retryLater(entries: readonly Entry[]): void {
    const timer = setTimeout(() => {
      retries.delete(timer)
      for (const entry of entries) if (entry.state === 'failed') enqueueLater(entry)
    }, retryMs)
    timer.unref()
    retries.add(timer)
  }

  return {
    get size() {
      return asked.size + later.size
    },
    get refreshes() {
      return refreshes.size
    },
    forEachRefresh(visit) {
      // One that was declared stale since is read for another reason.
      for (const entry of refreshes) if (entry.state === 'known') visit(entry)
    },
    ask,
    async load(entry) {
      if (entry.state === 'known' || entry.state === 'refreshing') return
      if (entry.state === 'dropped') throw new PresenceError('unavailable')
      if (later.has(entry)) enqueue(entry)
      else ask(entry)
      await new Promise<void>((resolve, reject) => {
        const waiters = waiting.get(entry)
        if (waiters) waiters.push({ resolve, reject })
        else waiting.set(entry, [{ resolve, reject }])
      })
    },
    invalidate(entry) {
      if (!entry) return
      if (entry.state === 'reading' || entry.state === 'refreshing') entry.state = 'overtaken'
      else if (entry.state === 'known' || entry.state === 'failed' || later.has(entry)) enqueue(entry)
    },
    invalidateLater(entry) {
      if (entry.state === 'reading' || entry.state === 'refreshing') entry.state = 'overtaken'
      else if (entry.state === 'known' || entry.state === 'failed') enqueueLater(entry)
    },
    refresh(entry) {
      if (entry.state !== 'known') return
      refreshes.add(entry)
      onAsked()
    },
    take(most) {
      const taken: Entry[] = []
      takeFrom(asked, taken, most)
      const awaited = taken.length
      const share = awaited === 0 ? most : Math.floor(most * LATER_SHARE)
      takeFrom(later, taken, Math.min(most, awaited + share))
      const along = taken.length === 0 ? REFRESHES_AT_ONCE : REFRESHES_ALONG
      takeRefreshes(taken, Math.min(most, taken.length + along))
      return taken
    },
    repeats(entry) {
      const repeats = repeated.get(entry) ?? 0
      if (entry.state !== 'overtaken' || repeats >= REPEATS_MAX) return false
      repeated.set(entry, repeats + 1)
      enqueue(entry)
      return true
    },
    settle(entry, value) {
      const isStale = entry.state === 'overtaken'
      entry.value = value
      entry.state = 'known'
      repeated.delete(entry)
      release(entry, (waiter) => {
        waiter.resolve()
      })
      if (isStale) enqueue(entry)
    },
    fail(entries, error) {
      const failed: Entry[] = []
      for (const entry of entries) {
        if (entry.state === 'refreshing') {
          // What is known stands, and it is still due.
          entry.state = 'known'
          refreshes.add(entry)
        } else if (entry.state !== 'dropped' && entry.state !== 'asked') {
          // One that is asked for again already has its next read.
          failed.push(entry)
        }
      }
      for (const entry of failed) {
        entry.state = 'failed'
        repeated.delete(entry)
        release(entry, (waiter) => {
          waiter.reject(error)
        })
      }
      if (failed.length > 0 && !isClosed) retryLater(failed)
    },
    drop,
    close() {
      isClosed = true
      for (const timer of retries) clearTimeout(timer)
      retries.clear()
      for (const entry of [...waiting.keys(), ...asked, ...later]) drop(entry)
      refreshes.clear()
    },
  }
}
