/** How often each key may call the API: a token bucket per key, and the header fields that say how full it is. */

/** `burst` requests at once, `perSecond` in the long run. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export interface Passage {
  readonly isAllowed: boolean
  /** `RateLimit` and `RateLimit-Policy`, and `Retry-After` when it is not. */
  readonly headers: Readonly<Record<string, string>>
}

export interface Limits {
  /** One more request of this key; if it is allowed it counts as `cost` requests, or as `burst` where that is less. */
  take(key: number, cost: number): Passage
}

/** @param now Milliseconds, monotonic. */
export function createLimits({ perSecond, burst }: Rate, now: () => number): Limits {
  const buckets = new Map<number, { tokens: number; filledAt: number }>()
  const policy = `"key";q=${burst};w=${Math.ceil(burst / perSecond)}`
  const secondsFor = (tokens: number) => Math.max(0, Math.ceil(tokens / perSecond))
  return {
    take(key, cost) {
      const at = now()
      const before = buckets.get(key) ?? { tokens: burst, filledAt: at }
      const filled = Math.min(burst, before.tokens + ((at - before.filledAt) * perSecond) / 1_000)
      const wanted = Math.min(cost, burst)
      const isAllowed = filled >= wanted
      const tokens = isAllowed ? filled - wanted : filled
      buckets.set(key, { tokens, filledAt: at })
      return {
        isAllowed,
        headers: {
          'RateLimit-Policy': policy,
          RateLimit: `"key";r=${Math.floor(tokens)};t=${secondsFor(burst - tokens)}`,
          ...(!isAllowed && { 'Retry-After': String(Math.max(1, secondsFor(wanted - tokens))) }),
        },
      }
    },
  }
}
