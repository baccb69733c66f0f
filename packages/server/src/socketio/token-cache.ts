/** Tokens that were found good: in a storm everybody comes back with the token that they had. */
import { createHash } from 'node:crypto'
import type { Identity } from './options.js'

interface TokenCacheOptions {
  readonly check: (token: string) => Promise<Identity>
  /**
   * Names the keys that tokens are checked with now; undefined while they are not certain. What was found good
   * counts only for as long as the same keys are in force.
   */
  readonly keysInForce: () => string | undefined
  /** Most tokens that are kept, the oldest go first; 0: none. */
  readonly max: number
  /** A token counts until so long after its end; see `tokenClockToleranceMs`. */
  readonly toleranceMs: number
}

interface Kept {
  readonly identity: Identity
  readonly keys: string
}

/**
 * Checks a token once and remembers that it was good: until it no longer counts, and not past the keys that it was checked
 * with. One that was refused is checked again each time. Tokens themselves are not kept, only what they hash to.
 */
export function withTokenCache({
  check,
  keysInForce,
  max,
  toleranceMs,
}: TokenCacheOptions): (token: string) => Promise<Identity> {
  if (max === 0) return check
  const kept = new Map<string, Kept>()
  return async (token) => {
    const name = createHash('sha256').update(token).digest('base64')
    // Asked before the check: one that an outgoing key passed must not be taken for one of the new key's.
    const keys = keysInForce()
    const known = kept.get(name)
    if (known && known.keys === keys && !hasEnded(known.identity, toleranceMs)) return known.identity
    // Also when it is refused now: an ended token is not kept. One that is found good again becomes the newest.
    kept.delete(name)
    const identity = await check(token)
    if (keys !== undefined) keep(name, { identity, keys })
    return identity
  }

  function keep(name: string, entry: Kept): void {
    kept.set(name, entry)
    if (kept.size <= max) return
    for (const oldest of kept.keys()) {
      kept.delete(oldest)
      return
    }
  }
}

function hasEnded({ expiresAt }: Identity, toleranceMs: number): boolean {
  return expiresAt !== undefined && expiresAt + toleranceMs <= Date.now()
}
