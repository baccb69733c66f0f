/** A token bucket: `burst` at once, `perSecond` in the long run. */
export interface Bucket {
  /** Whether one more may pass at `now` (milliseconds, monotonic). */
  take(now: number): boolean
}

export function createBucket(perSecond: number, burst: number): Bucket {
  let tokens = burst
  let filledAt = 0
  return {
    take(now) {
      tokens = Math.min(burst, tokens + ((now - filledAt) * perSecond) / 1_000)
      filledAt = now
      if (tokens < 1) return false
      tokens--
      return true
    },
  }
}
