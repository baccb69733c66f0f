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
  readonly onError: (error: unknown, last: Value | undefined) => void
  readonly retryMs: number
}

/**
 * A change that is announced while a read runs may or may not be in its result, so the result of such a read is
 * thrown away: a connection and a change of rows cannot cross.
 */
export function createFresh<Value>({ read, onValue, onError, retryMs }: FreshOptions<Value>): Fresh<Value> {
  let value: Value | undefined
  let isStale = true
  let isClosed = false
  let reading: Promise<Value> | undefined
  let retryTimer: ReturnType<typeof setTimeout> | undefined

  async function readUntilFresh(): Promise<Value> {
    for (;;) {
      isStale = false
      const next = await read()
      // Written by invalidate() while this awaited.
      if (isStale as boolean) continue
      const before = value
      value = next
      if (!isClosed) onValue(next, before)
      return next
    }
  }

  function readOnce(): Promise<Value> {
    clearTimeout(retryTimer)
    reading ??= readUntilFresh().finally(() => {
      reading = undefined
    })
    return reading
  }

  function refresh(): void {
    readOnce().catch((error: unknown) => {
      isStale = true
      if (isClosed) return
      onError(error, value)
      clearTimeout(retryTimer)
      retryTimer = setTimeout(refresh, retryMs)
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
