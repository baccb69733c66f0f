import { createVerifier as createSecretVerifier, TOKEN_ERROR_CODES, type Algorithm } from 'fast-jwt'
import { createRemoteJWKSet, jwksCache, jwtVerify, type JWKSCacheInput } from 'jose'
import { isId, PresenceError, TOKEN_MAX_LENGTH, type UserId } from '@vigie/protocol'
import type { Socket } from 'socket.io'
import type { Settings } from '../core/index.js'
import type { Identity, JwtOptions, Options } from './options.js'
import { withTokenCache } from './token-cache.js'

/** Who a connection belongs to, once it is certain. */
export interface Verified {
  readonly userId: UserId
  /** Milliseconds since 1970, wall clock. */
  readonly expiresAt: number | undefined
}

export type Authenticate = (socket: Socket) => Promise<Verified>

type AuthenticateSettings = Pick<Settings, 'authenticateMs' | 'tokenCacheMax'>

/**
 * Tells who a connection belongs to, within `authenticateMs`. It rejects with a {@link PresenceError} whose code
 * the client may see.
 */
export function createAuthenticate(
  identify: Options['identify'],
  { authenticateMs, tokenCacheMax }: AuthenticateSettings,
): Authenticate {
  const ask =
    'jwt' in identify
      ? createTokenCheck(identify.jwt, tokenCacheMax)
      : withTranslatedErrors(identify.authenticate)
  return async (socket) => {
    const asked = ask(socket)
    // A secret is checked at once: a timer for it would be most of the work.
    const { userId, expiresAt } =
      asked instanceof Promise ? await withinDeadline(asked, authenticateMs) : asked
    if (!isId(userId)) throw new PresenceError('token_without_user')
    if (expiresAt !== undefined && !Number.isFinite(expiresAt)) {
      throw new TypeError(
        `The check of the token gave ${expiresAt} as expiresAt; it must be milliseconds since 1970.`,
      )
    }
    if (expiresAt !== undefined && expiresAt <= Date.now()) throw new PresenceError('token_expired')
    return { userId: userId as UserId, expiresAt }
  }
}

/** A check of the host that never answers would hold its place for ever. */
async function withinDeadline<Value>(work: Promise<Value>, deadlineMs: number): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new PresenceError('unavailable', 'The check of the token took longer than authenticateMs.'))
    }, deadlineMs)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** A host's own check says no in its own words; they go to the log as the cause, not to the client. */
function withTranslatedErrors(authenticate: (socket: Socket) => Identity | Promise<Identity>) {
  return async (socket: Socket): Promise<Identity> => {
    try {
      return await authenticate(socket)
    } catch (error) {
      if (error instanceof PresenceError) throw error
      throw new PresenceError('token_invalid', undefined, { cause: error })
    }
  }
}

/** How tokens are checked, by whatever keys. */
interface Verifier {
  /** The claims of a token that is good. */
  readonly verify: (token: string) => unknown
  /** See {@link withTokenCache}; absent where a check costs no more than a look at what is kept. */
  readonly keysInForce?: () => string | undefined
}

function createTokenCheck(
  options: JwtOptions,
  tokenCacheMax: number,
): (socket: Socket) => Identity | Promise<Identity> {
  const { verify, keysInForce } = createVerifier(options)
  const claim = options.userClaim ?? 'sub'
  const checkOnce = (token: string): Identity | Promise<Identity> => {
    try {
      const claims = verify(token)
      return claims instanceof Promise ? claims.then(toIdentity, fail) : toIdentity(claims)
    } catch (error) {
      return fail(error)
    }
  }
  const toIdentity = (claims: unknown) => identityOf(claims as Readonly<Record<string, unknown>>, claim)
  const fail = (error: unknown): never => {
    throw translate(error)
  }
  const check = keysInForce
    ? withTokenCache({ check: async (token) => checkOnce(token), keysInForce, max: tokenCacheMax })
    : checkOnce
  return (socket) => check(tokenOf(socket))
}

function identityOf(claims: Readonly<Record<string, unknown>>, claim: string): Identity {
  const userId = claims[claim]
  const { exp } = claims
  return {
    // Many back ends number their users; a number in a claim is that id, written out.
    userId: typeof userId === 'string' ? userId : Number.isSafeInteger(userId) ? String(userId) : '',
    expiresAt: typeof exp === 'number' ? exp * 1_000 : undefined,
  }
}

const SECRET_ALGORITHMS = ['HS256']
const KEY_ALGORITHMS = ['RS256', 'ES256', 'EdDSA']

/** The algorithms are always named: a token does not choose how it is checked. */
function createVerifier(options: JwtOptions): Verifier {
  const { secret, jwksUrl, algorithms = SECRET_ALGORITHMS, issuer, audience } = options
  if (jwksUrl !== undefined) return createPublishedKeyVerifier(jwksUrl, options)
  const verify = createSecretVerifier({
    key: secret ?? '',
    algorithms: algorithms as Algorithm[],
    ...(issuer !== undefined && { allowedIss: issuer }),
    ...(audience !== undefined && { allowedAud: audience }),
    // A token that lacks the claim would pass the two above.
    requiredClaims: [...(issuer === undefined ? [] : ['iss']), ...(audience === undefined ? [] : ['aud'])],
    cache: false,
  })
  const isPublicKey = algorithms.every((algorithm) => !algorithm.startsWith('HS'))
  return { verify, ...(isPublicKey && { keysInForce: () => 'the only one' }) }
}

/** Keys are fetched again for a name that is not known, but not more often: anybody can make up names. */
const KEYS_COOLDOWN_MS = 5_000
/** Keys older than this are fetched again: a token of one that was withdrawn is taken for as long, at most. */
const KEYS_MAX_AGE_MS = 600_000

function createPublishedKeyVerifier(url: string, { algorithms, issuer, audience }: JwtOptions): Verifier {
  /** `jose` puts here what it has fetched, and when. */
  const fetched: JWKSCacheInput = {}
  const keys = createRemoteJWKSet(new URL(url), {
    cooldownDuration: KEYS_COOLDOWN_MS,
    cacheMaxAge: KEYS_MAX_AGE_MS,
    [jwksCache]: fetched,
  })
  const checks = {
    algorithms: [...(algorithms ?? KEY_ALGORITHMS)],
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  }
  let named: { readonly at: number | undefined; readonly name: string } | undefined
  return {
    verify: async (token) => (await jwtVerify(token, keys, checks)).payload,
    keysInForce() {
      if (!keys.fresh) return undefined
      const { uat: at, jwks } = fetched
      if (named?.at !== at) named = { at, name: JSON.stringify(jwks) }
      return named?.name
    },
  }
}

/** `auth.token`, or an `Authorization: Bearer` header; never the URL, which ends up in logs. */
function tokenOf(socket: Socket): string {
  const auth: unknown = socket.handshake.auth
  const given: unknown = typeof auth === 'object' && auth !== null && 'token' in auth ? auth.token : undefined
  const header = socket.handshake.headers.authorization
  const token = given ?? (header?.startsWith('Bearer ') ? header.slice('Bearer '.length) : undefined)
  if (token === undefined || token === '') throw new PresenceError('token_missing')
  if (typeof token !== 'string' || token.length > TOKEN_MAX_LENGTH) throw new PresenceError('token_invalid')
  return token
}

/** The codes of both libraries for a token that was good once. */
const EXPIRED: ReadonlySet<unknown> = new Set([TOKEN_ERROR_CODES.expired, 'ERR_JWT_EXPIRED'])
/** What the token has to do with, in the library that fetches keys; anything else is the fetching. */
const OF_THE_TOKEN = /^(FAST_JWT_|ERR_JW[ST]_|ERR_JOSE_|ERR_JWKS_(NO_MATCHING_KEY|MULTIPLE_MATCHING_KEYS))/

function translate(error: unknown): PresenceError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (EXPIRED.has(code)) return new PresenceError('token_expired', undefined, { cause: error })
  const isOfToken = OF_THE_TOKEN.test(code) && code !== 'ERR_JOSE_GENERIC'
  // The issuer's keys could not be had: that is not the client's fault.
  return new PresenceError(isOfToken ? 'token_invalid' : 'unavailable', undefined, { cause: error })
}
