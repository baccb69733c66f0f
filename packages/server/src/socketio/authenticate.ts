import { createVerifier as createSecretVerifier, TOKEN_ERROR_CODES, type Algorithm } from 'fast-jwt'
import type { createRemoteJWKSet, JWKSCacheInput } from 'jose'
import { isId, PresenceError, type UserId } from '@vigie/protocol'
import type { Socket } from 'socket.io'
import type { Settings } from '../core/index.js'
import type { Identity, JwtOptions, Options } from './options.js'
import { withTokenCache } from './token-cache.js'

/** Who a connection belongs to, once it is certain. */
export interface Verified {
  readonly userId: UserId
  /** When the session ends: the token's end and the clock tolerance after it, in milliseconds since 1970. */
  readonly expiresAt: number | undefined
}

export type Authenticate = (socket: Socket) => Promise<Verified>

export type AuthenticateSettings = Pick<
  Settings,
  'authenticateMs' | 'tokenCacheMax' | 'tokenClockToleranceMs' | 'tokenMaxLength'
>

/**
 * Tells who a connection belongs to, within `authenticateMs`. It rejects with a {@link PresenceError} whose code
 * the client may see.
 */
export function createAuthenticate(
  identify: Options['identify'],
  settings: AuthenticateSettings,
): Authenticate {
  const { authenticateMs, tokenClockToleranceMs } = settings
  const ask =
    'jwt' in identify ? createTokenCheck(identify.jwt, settings) : withTranslatedErrors(identify.authenticate)
  return async (socket) => {
    const asked = ask(socket)
    // A secret is checked at once: a timer for it would be most of the work.
    const { userId, expiresAt: tokenEndsAt } =
      asked instanceof Promise ? await withinDeadline(asked, authenticateMs) : asked
    if (!isId(userId)) throw new PresenceError('token_without_user')
    if (tokenEndsAt === undefined) return { userId: userId as UserId, expiresAt: undefined }
    if (!Number.isFinite(tokenEndsAt)) {
      throw new TypeError(
        `The check of the token gave ${tokenEndsAt} as expiresAt; it must be milliseconds since 1970.`,
      )
    }
    const expiresAt = tokenEndsAt + tokenClockToleranceMs
    if (expiresAt <= Date.now()) throw new PresenceError('token_expired')
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
  { tokenCacheMax, tokenClockToleranceMs: toleranceMs, tokenMaxLength }: AuthenticateSettings,
): (socket: Socket) => Identity | Promise<Identity> {
  const { verify, keysInForce } = createVerifier(options, toleranceMs)
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
    ? withTokenCache({
        check: async (token) => checkOnce(token),
        keysInForce,
        max: tokenCacheMax,
        toleranceMs,
      })
    : checkOnce
  return (socket) => check(tokenOf(socket, tokenMaxLength))
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

/**
 * The algorithms are always named: a token does not choose how it is checked. `iat` says when a token was made, not
 * when it is valid (RFC 7519, section 4.1.6): one that is ahead refuses nobody.
 */
function createVerifier(options: JwtOptions, toleranceMs: number): Verifier {
  const { secret = '', jwksUrl, algorithms = SECRET_ALGORITHMS, issuer, audience } = options
  if (jwksUrl !== undefined) return createPublishedKeyVerifier(jwksUrl, options, toleranceMs)
  const verifierOf = (key: string) =>
    createSecretVerifier({
      key,
      algorithms: algorithms as Algorithm[],
      ...(issuer !== undefined && { allowedIss: issuer }),
      ...(audience !== undefined && { allowedAud: audience }),
      // A token that lacks the claim would pass the two above.
      requiredClaims: [...(issuer === undefined ? [] : ['iss']), ...(audience === undefined ? [] : ['aud'])],
      clockTolerance: toleranceMs,
      cache: false,
    })
  let verifiers: ReturnType<typeof verifierOf>[]
  try {
    verifiers = (typeof secret === 'string' ? [secret] : secret).map(verifierOf)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new TypeError(`\`auth.secret\` is no key for ${algorithms.join(', ')}: ${why}`, { cause: error })
  }
  const isPublicKey = algorithms.every((algorithm) => !algorithm.startsWith('HS'))
  return {
    verify: (token) => verifyInTurn(verifiers, token),
    ...(isPublicKey && { keysInForce: () => 'those of the options' }),
  }
}

/** What a token of one secret is refused with by another. All other claims are checked after the signature. */
const OF_ANOTHER_SECRET: ReadonlySet<unknown> = new Set([
  TOKEN_ERROR_CODES.invalidSignature,
  TOKEN_ERROR_CODES.invalidKey,
  TOKEN_ERROR_CODES.verifyError,
])

/** An ended token of the second secret is refused as ended, not as wrongly signed. */
function verifyInTurn(verifiers: readonly ((token: string) => unknown)[], token: string): unknown {
  let refusal: unknown
  for (const verify of verifiers) {
    try {
      return verify(token)
    } catch (error) {
      if (!OF_ANOTHER_SECRET.has(codeOf(error))) throw error
      refusal = error
    }
  }
  throw refusal
}

/** Keys are fetched again for a name that is not known, but not more often: anybody can make up names. */
const KEYS_COOLDOWN_MS = 5_000
/** Keys older than this are fetched again: a token of one that was withdrawn is taken for as long, at most. */
const KEYS_MAX_AGE_MS = 600_000

function createPublishedKeyVerifier(
  url: string,
  { algorithms, issuer, audience }: JwtOptions,
  toleranceMs: number,
): Verifier {
  const address = new URL(url)
  /** `jose` puts here what it has fetched, and when. */
  const fetched: JWKSCacheInput = {}
  /** `jose` is an ES module only, and Jest cannot `require` one: a host with a secret must not need it. */
  const load = async () => {
    const { createRemoteJWKSet, jwksCache, jwtVerify } = await import('jose')
    keys = createRemoteJWKSet(address, {
      cooldownDuration: KEYS_COOLDOWN_MS,
      cacheMaxAge: KEYS_MAX_AGE_MS,
      [jwksCache]: fetched,
    })
    return { keys, jwtVerify }
  }
  let keys: ReturnType<typeof createRemoteJWKSet> | undefined
  // At once: the first who connects should not wait for it. Where it fails, each check says so.
  const loaded = load()
  loaded.catch(() => {})
  const checks = {
    algorithms: [...(algorithms ?? KEY_ALGORITHMS)],
    clockTolerance: toleranceMs / 1_000,
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  }
  let named: { readonly at: number | undefined; readonly name: string } | undefined
  return {
    verify: async (token) => {
      const jose = await loaded
      return (await jose.jwtVerify(token, jose.keys, checks)).payload
    },
    keysInForce() {
      if (!keys?.fresh) return undefined
      const { uat: at, jwks } = fetched
      if (named?.at !== at) named = { at, name: JSON.stringify(jwks) }
      return named?.name
    },
  }
}

/** RFC 9110, section 11: the name of a scheme has no case, and one or more spaces follow it. */
const BEARER = /^bearer(?: +(.*))?$/iu

/**
 * `auth.token`, or else an `Authorization: Bearer` header; never the URL, which ends up in logs. `auth.token` counts
 * where both are given: the header cannot be changed on an open connection, and `presence:token` is newer. An empty
 * `auth.token` is as good as none.
 */
function tokenOf(socket: Socket, maxLength: number): string {
  const auth: unknown = socket.handshake.auth
  const given: unknown = typeof auth === 'object' && auth !== null && 'token' in auth ? auth.token : undefined
  const token = given === undefined || given === null || given === '' ? tokenInHeader(socket) : given
  if (typeof token !== 'string') throw new PresenceError('token_invalid')
  if (token.length > maxLength) throw new PresenceError('token_too_long')
  return token
}

function tokenInHeader(socket: Socket): string {
  const header = socket.handshake.headers.authorization
  if (header === undefined) throw new PresenceError('token_missing')
  const bearer = BEARER.exec(header)
  if (!bearer) {
    throw new PresenceError(
      'token_missing',
      'The connection has no `auth.token`, and its Authorization header has another scheme than Bearer.',
    )
  }
  const token = bearer[1]?.trim() ?? ''
  if (token === '') throw new PresenceError('token_missing', 'The Authorization header has no token.')
  return token
}

/** The codes of both libraries for a token that was good once. */
const EXPIRED: ReadonlySet<unknown> = new Set([TOKEN_ERROR_CODES.expired, 'ERR_JWT_EXPIRED'])
/** What the token has to do with, in the library that fetches keys; anything else is the fetching. */
const OF_THE_TOKEN = /^(FAST_JWT_|ERR_JW[ST]_|ERR_JOSE_|ERR_JWKS_(NO_MATCHING_KEY|MULTIPLE_MATCHING_KEYS))/

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function translate(error: unknown): PresenceError {
  const code = codeOf(error)
  if (EXPIRED.has(code)) return new PresenceError('token_expired', undefined, { cause: error })
  const isOfToken = OF_THE_TOKEN.test(code) && code !== 'ERR_JOSE_GENERIC'
  // The issuer's keys could not be had: that is not the client's fault.
  return new PresenceError(isOfToken ? 'token_invalid' : 'unavailable', undefined, { cause: error })
}
