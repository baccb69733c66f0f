const TICK_MS = 5

/** Says how long what is read now may have waited in a socket while this process did something else. */
export interface Arrivals extends Disposable {
  /** What is read in this turn of the event loop came after this moment, on the clock of `performance.now()`. */
  earliest(): number
}

/**
 * Timers run before sockets are read. Between the last two ticks of a timer all sockets were read, so what is read
 * now came after the first of the two, however long the process stood still since.
 */
export function watchArrivals(): Arrivals {
  let before = performance.now()
  let last = before
  const timer = setInterval(() => {
    before = last
    last = performance.now()
  }, TICK_MS)
  return {
    earliest: () => before,
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
