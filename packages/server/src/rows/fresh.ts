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
  /** It is, and was declared stale meanwhile. */
  | 'overtaken'
  /** It could not be read, and is asked for again after `retryMs`; what is known stands. */
  | 'failed'
  /** Nobody needs it any more. */
  | 'dropped'

/** The states of the entries of one kind, moved by whoever reads them: `take`, then `settle`, `repeats` or `fail`. */
export interface FreshQueue<Value, Entry extends Fresh<Value>> {
  /** How many wait to be taken. */
  readonly size: number
  /** It will be read, unless it is known. */
  ask(entry: Entry): void
  /**
   * Resolves when the value is known, after the read that is under way.
   * @throws what that read threw; PresenceError `unavailable` when the entry is dropped meanwhile
   */
  load(entry: Entry): Promise<void>
  /** What is known of it, if it is needed, may be wrong: read again. A read under way is repeated before it counts. */
  invalidate(entry: Entry | undefined): void
  /** The entries of the next read, those that have waited longest first. */
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
  const repeated = new Map<Entry, number>()
  const waiting = new Map<Entry, Waiter[]>()
  const retries = new Set<ReturnType<typeof setTimeout>>()
  let isClosed = false

  function ask(entry: Entry): void {
    if (entry.state === 'new' || entry.state === 'failed') enqueue(entry)
  }

  function enqueue(entry: Entry): void {
    entry.state = 'asked'
    asked.add(entry)
    onAsked()
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
    repeated.delete(entry)
    release(entry, (waiter) => {
      waiter.reject(new PresenceError('unavailable'))
    })
  }

  /** Only those that have not been asked for since: whoever did so has had an answer already. */
  function retryLater(entries: readonly Entry[]): void {
    const timer = setTimeout(() => {
      retries.delete(timer)
      for (const entry of entries) if (entry.state === 'failed') enqueue(entry)
    }, retryMs)
    timer.unref()
    retries.add(timer)
  }

  return {
    get size() {
      return asked.size
    },
    ask,
    async load(entry) {
      if (entry.state === 'known') return
      if (entry.state === 'dropped') throw new PresenceError('unavailable')
      ask(entry)
      await new Promise<void>((resolve, reject) => {
        const waiters = waiting.get(entry)
        if (waiters) waiters.push({ resolve, reject })
        else waiting.set(entry, [{ resolve, reject }])
      })
    },
    invalidate(entry) {
      if (entry?.state === 'reading') entry.state = 'overtaken'
      else if (entry?.state === 'known' || entry?.state === 'failed') enqueue(entry)
    },
    take(most) {
      const taken: Entry[] = []
      for (const entry of asked) {
        if (taken.length >= most) break
        asked.delete(entry)
        entry.state = 'reading'
        taken.push(entry)
      }
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
      // One that is asked for again already has its next read.
      const failed = entries.filter(({ state }) => state !== 'dropped' && state !== 'asked')
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
      for (const entry of [...waiting.keys(), ...asked]) drop(entry)
    },
  }
}
