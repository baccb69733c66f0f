/** A value that was read, and is read again when it is declared stale. */
export interface Fresh<Value> {
  /** The last value that was read whole; undefined before the first. */
  readonly value: Value | undefined
  /** Reads the first value, unless it is there, and again until that succeeds. */
  start(): void
  /** The value, after the read that is under way. @throws what that read threw. */
  load(): Promise<Value>
  /** What is known may be wrong: read again. A read under way is repeated before its result counts. */
  invalidate(): void
  close(): void
}

interface FreshOptions<Value> {
  readonly read: () => Promise<Value>
  /** A value has come. */
  readonly onValue: (value: Value, before: Value | undefined) => void
  /** A read has failed; it is tried again after `retryMs`. */
  readonly onError: (error: unknown) => void
  readonly retryMs: number
}

/**
 * A result that changed while it was read is thrown away so often; then it counts, and is read again at once. A
 * room that changes all the time would otherwise keep everybody out, and those in it from hearing of it.
 */
const REPEATS_MAX = 3

/**
 * A change that is announced while a read runs may or may not be in its result, so the result of such a read is
 * thrown away: a connection and a change of rows cannot cross. Reads follow one another, so none goes back.
 */
export function createFresh<Value>({ read, onValue, onError, retryMs }: FreshOptions<Value>): Fresh<Value> {
  let value: Value | undefined
  let isStale = true
  let isClosed = false
  let reading: Promise<Value> | undefined
  let retryTimer: ReturnType<typeof setTimeout> | undefined

  async function readUntilFresh(): Promise<Value> {
    for (let repeats = 0; ; repeats++) {
      isStale = false
      const next = await read()
      // Written by invalidate() while this awaited.
      if ((isStale as boolean) && repeats < REPEATS_MAX) continue
      const before = value
      value = next
      if (!isClosed) onValue(next, before)
      return next
    }
  }

  function readOnce(): Promise<Value> {
    clearTimeout(retryTimer)
    retryTimer = undefined
    reading ??= readUntilFresh()
      .catch((error: unknown) => {
        failed(error)
        throw error
      })
      .finally(() => {
        reading = undefined
        if (isStale && value !== undefined && retryTimer === undefined && !isClosed) refresh()
      })
    return reading
  }

  /** Whoever asked for the read: a value that is stale is read again until that succeeds. */
  function failed(error: unknown): void {
    isStale = true
    if (isClosed) return
    onError(error)
    clearTimeout(retryTimer)
    retryTimer = setTimeout(refresh, retryMs)
    retryTimer.unref()
  }

  function refresh(): void {
    readOnce().catch(() => {
      // Told and tried again by `failed`.
    })
  }

  return {
    get value() {
      return value
    },
    start() {
      if (value === undefined) refresh()
    },
    load: () => (value === undefined || reading || isStale ? readOnce() : Promise.resolve(value)),
    invalidate() {
      isStale = true
      if (value !== undefined) refresh()
    },
    close() {
      isClosed = true
      clearTimeout(retryTimer)
    },
  }
}
