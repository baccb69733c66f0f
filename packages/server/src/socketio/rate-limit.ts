/** A token bucket: `burst` at once, `perSecond` in the long run. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** How full a bucket was when it was last asked. Plain data, because there are many. */
export interface Bucket {
  tokens: number
  filledAt: number
}

export function fullBucket({ burst }: Rate): Bucket {
  return { tokens: burst, filledAt: 0 }
}

/** Whether one more may pass at `now` (milliseconds, monotonic); if so, it counts. */
export function take(bucket: Bucket, { perSecond, burst }: Rate, now: number): boolean {
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.filledAt) * perSecond) / 1_000)
  bucket.filledAt = now
  if (bucket.tokens < 1) return false
  bucket.tokens--
  return true
}
