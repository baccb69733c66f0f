/**
 * How long a token lives, read without checking it: the server checks, this client only wants to be early.
 */
import { globals } from './platform.js'

/** Where a token comes from. A function is asked at each connection, and again before the token ends. */
export type TokenSource = string | (() => string | Promise<string>)

/** A part of its life between these two, at random, so that clients that came together do not renew together. */
const REFRESH_FROM = 0.75
const REFRESH_TO = 0.9
/**
 * A token that this machine's clock takes for old waits at least a random part of its life between these two. It may
 * be new, and the clock ahead: without a floor such a machine would ask for tokens without a pause.
 */
const FLOOR_FROM = 0.05
const FLOOR_TO = 0.1
/** A floor in milliseconds, too: of a token with a short life, a quarter of that life. */
export const RENEWAL_FLOOR_MS = 5_000
const RENEWAL_FLOOR_SHARE = 0.25

interface RefreshOptions {
  /** Milliseconds since 1970. */
  readonly now: number
  readonly random: number
  /** It has just come in the place of an older one: its life begins about now, whatever this machine's clock says. */
  readonly isRenewed: boolean
}

/**
 * How long to wait from `now` until the token should be renewed: at a random 75 to 90 % of its life, and not before
 * 5 to 10 % of it and {@link RENEWAL_FLOOR_MS} have passed. Undefined when the token does not say when it ends.
 */
export function refreshDelayMs(
  token: string,
  { now, random, isRenewed }: RefreshOptions,
): number | undefined {
  const { exp, iat } = readClaims(token)
  if (typeof exp !== 'number') return undefined
  const endsAt = exp * 1000
  const issuedAt = typeof iat === 'number' ? iat * 1000 : now
  // Where this machine's clock is so wrong that the token is from the future or ended although the server has just
  // taken it, its life begins now.
  const startsAt = !isRenewed && issuedAt <= now && now < endsAt ? issuedAt : now
  const lifeMs = endsAt - issuedAt
  if (lifeMs <= 0) return undefined
  const planned = startsAt - now + lifeMs * between(REFRESH_FROM, REFRESH_TO, random)
  const floorMs = Math.min(RENEWAL_FLOOR_MS, lifeMs * RENEWAL_FLOOR_SHARE)
  return Math.max(planned, lifeMs * between(FLOOR_FROM, FLOOR_TO, random), floorMs)
}

/** Whose token it is, where it says so in the usual way. */
export function userIn(token: string | undefined): string | undefined {
  const { sub } = readClaims(token)
  return typeof sub === 'string' ? sub : undefined
}

function between(from: number, to: number, random: number): number {
  return from + (to - from) * random
}

/** A token that cannot be read, or not here (React Native before 0.74 has no `atob`), has no known life and no known user. */
function readClaims(token = ''): {
  readonly exp?: unknown
  readonly iat?: unknown
  readonly sub?: unknown
} {
  try {
    // One character per byte: enough for numbers and for ids, whatever else the claims hold.
    const text = globals.atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))
    return Object(JSON.parse(text)) as object
  } catch {
    return {}
  }
}
