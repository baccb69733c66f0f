/** How values are spread, in a fixed number of buckets. It allocates nothing when a value comes. */

/** What has been observed, as it is read. */
export interface HistogramData {
  /** Upper limits, ascending; the last is Infinity. */
  readonly limits: readonly number[]
  /** How many values were above the limit before and at most this one. */
  readonly counts: readonly number[]
  readonly sum: number
  readonly count: number
}

export interface Histogram extends HistogramData {
  observe(value: number): void
}

/**
 * @param limits Ascending; Infinity is added.
 * @example
 * const seconds = createHistogram([0.05, 0.1])
 * seconds.observe(0.07)
 */
export function createHistogram(limits: readonly number[]): Histogram {
  const counts = [...limits.map(() => 0), 0]
  let sum = 0
  let count = 0
  return {
    limits: [...limits, Infinity],
    counts,
    get sum() {
      return sum
    },
    get count() {
      return count
    },
    observe(value) {
      let place = 0
      while (value > (limits[place] ?? Infinity)) place++
      counts[place] = (counts[place] ?? 0) + 1
      sum += value
      count++
    },
  }
}
