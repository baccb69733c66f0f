/** How often one may call the API: a token bucket for each holder, and the header fields that say how full it is. */

/** `burst` requests at once, `perSecond` in the long run. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/**
 * Requests with a key that is not known, of each address: a service that was left behind when a key was exchanged is
 * told to slow down. A key that is known is never refused on account of it: who shares the address of such a service, or
 * its proxy, would be shut out by it.
 */
export const WRONG_KEYS: Rate = { perSecond: 1, burst: 20 }
/** Most addresses that are remembered; above it the one that was quiet for longest begins anew. */
export const ADDRESSES_MAX = 1_000

export interface Passage {
  readonly isAllowed: boolean
  /** `RateLimit` and `RateLimit-Policy`, and `Retry-After` when it is not. */
  readonly headers: Readonly<Record<string, string>>
}

export interface Limits<Holder> {
  /** One more request of this holder; if it is allowed it counts as `cost` requests, or as `burst` where that is less. */
  take(holder: Holder, cost: number): Passage
  /** How many holders are remembered. */
  readonly size: number
}

interface LimitsOptions {
  /** What has a limit, as the header fields name it. */
  readonly name: 'key' | 'address'
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** Most holders that are remembered. */
  readonly holdersMax: number
}

export function createLimits<Holder>(
  { perSecond, burst }: Rate,
  { name, now, holdersMax }: LimitsOptions,
): Limits<Holder> {
  /** The one that was quiet for longest first. */
  const buckets = new Map<Holder, { tokens: number; filledAt: number }>()
  const policy = `"${name}";q=${burst};w=${Math.ceil(burst / perSecond)}`
  const secondsFor = (tokens: number) => Math.max(0, Math.ceil(tokens / perSecond))

  function keep(holder: Holder, bucket: { tokens: number; filledAt: number }): void {
    buckets.delete(holder)
    buckets.set(holder, bucket)
    if (buckets.size <= holdersMax) return
    const [quietest] = buckets.keys()
    buckets.delete(quietest as Holder)
  }

  return {
    take(holder, cost) {
      const at = now()
      const before = buckets.get(holder) ?? { tokens: burst, filledAt: at }
      const filled = Math.min(burst, before.tokens + ((at - before.filledAt) * perSecond) / 1_000)
      const wanted = Math.min(cost, burst)
      const isAllowed = filled >= wanted
      const tokens = isAllowed ? filled - wanted : filled
      keep(holder, { tokens, filledAt: at })
      return {
        isAllowed,
        headers: {
          'RateLimit-Policy': policy,
          RateLimit: `"${name}";r=${Math.floor(tokens)};t=${secondsFor(burst - tokens)}`,
          ...(!isAllowed && { 'Retry-After': String(Math.max(1, secondsFor(wanted - tokens))) }),
        },
      }
    },
    get size() {
      return buckets.size
    },
  }
}
