/** Durations in tenths of a millisecond, counted: a million of them cost as much memory as one. */
export interface Summary {
  readonly samples: number
  /** Milliseconds, like all below. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface Histogram {
  add(ms: number): void
  summary(): Summary
  clear(): void
}

const PER_MS = 10
/** Longer ones are counted as this long; `max` is exact. */
const LONGEST_MS = 60_000

export function createHistogram(): Histogram {
  const counts = new Uint32Array(LONGEST_MS * PER_MS)
  let samples = 0
  let max = 0

  function quantile(share: number): number {
    let left = Math.ceil(samples * share)
    if (left === 0) return 0
    for (let bucket = 0; bucket < counts.length; bucket++) {
      left -= counts[bucket] ?? 0
      if (left <= 0) return (bucket + 0.5) / PER_MS
    }
    return max
  }

  return {
    add(ms) {
      const bucket = Math.min(counts.length - 1, Math.max(0, Math.floor(ms * PER_MS)))
      counts[bucket] = (counts[bucket] ?? 0) + 1
      samples++
      if (ms > max) max = ms
    },
    summary: () => ({ samples, p50: quantile(0.5), p99: quantile(0.99), max }),
    clear() {
      counts.fill(0)
      samples = 0
      max = 0
    },
  }
}
