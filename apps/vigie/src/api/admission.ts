/** Lets a request of the HTTP API through to its route if its key may do that, and has not been used too often. */
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context, MiddlewareHandler } from 'hono'
import type { Log } from '@vigie/server'
import { isLocalRequest } from '../local-request.js'
import { API_KEYS_MAX, type Keyring, type KnownKey } from './keys.js'
import { ADDRESSES_MAX, createLimits, WRONG_KEYS, type Rate } from './limits.js'
import type { PacedLog } from './paced-log.js'
import { ApiProblem, problemResponse } from './problems.js'
import type { Route } from './routes.js'

export interface AdmissionOptions {
  /** Without a key in it the API is closed. */
  readonly keyring: Keyring
  /** Whether programs on this machine may read without a key: in the demo. */
  readonly isOpenToRead: boolean
  /** Of each key. */
  readonly rate: Rate
  /** Of each address, with keys that are not known. @default WRONG_KEYS */
  readonly wrongKeyRate?: Rate
  readonly node: string
  readonly log: Log
  /** Milliseconds, monotonic. */
  readonly now: () => number
  readonly lines: PacedLog
}

/** What a request has once it is let in. */
export interface Admitted {
  readonly Variables: { readonly key: KnownKey }
}

/** RFC 6750. Of the scheme the letters may be large or small. */
const BEARER = /^bearer +([\w.~+/-]+=*)$/iu
const CHALLENGE = 'Bearer realm="vigie"'
/** Of those who need no key: they share one bucket, and may only read. */
const NO_KEY: KnownKey = { id: -1, scopes: new Set(), fingerprint: 'none' }

export function createAdmission(options: AdmissionOptions): (route: Route) => MiddlewareHandler<Admitted> {
  const { keyring, isOpenToRead, rate, wrongKeyRate = WRONG_KEYS, node, log, now, lines } = options
  const limits = createLimits<number>(rate, { name: 'key', now, holdersMax: API_KEYS_MAX + 1 })
  const strangers = createLimits<string>(wrongKeyRate, { name: 'address', now, holdersMax: ADDRESSES_MAX })

  /** @throws ApiProblem */
  function keyOf({ scope }: Route, context: Context): KnownKey {
    const given = context.req.header('authorization')
    if (given === undefined && isOpenToRead && scope === 'read' && isLocalRequest(context)) return NO_KEY
    if (keyring.size === 0) throw new ApiProblem('api_closed')
    if (given === undefined) {
      throw new ApiProblem('key_missing', undefined, { 'WWW-Authenticate': CHALLENGE })
    }
    const key = keyring.find(BEARER.exec(given)?.[1] ?? '')
    if (key === undefined) throw refusalOfStranger(getConnInfo(context).remote.address ?? 'unknown')
    if (!key.scopes.has(scope)) {
      throw new ApiProblem('scope_missing', `The key lacks the scope \`${scope}\`.`, {
        'WWW-Authenticate': `${CHALLENGE}, error="insufficient_scope", scope="${scope}"`,
      })
    }
    return key
  }

  function refusalOfStranger(address: string): ApiProblem {
    const { isAllowed, headers } = strangers.take(address, 1)
    if (isAllowed) {
      return new ApiProblem('key_invalid', undefined, {
        'WWW-Authenticate': `${CHALLENGE}, error="invalid_token"`,
      })
    }
    lines.note('wrong_keys', (leftOut) => {
      log.warn(
        'Too many requests with a key that is not known come from one address; they are answered 429. A service there may have an old key.',
        { address, ...leftOut },
      )
    })
    return new ApiProblem('wrong_keys', undefined, headers)
  }

  return (route) => async (context, next) => {
    const key = keyOf(route, context)
    const { isAllowed, headers } = limits.take(key.id, route.cost)
    context.set('key', key)
    if (isAllowed) await next()
    else context.res = problemResponse(new ApiProblem('rate_limited'))
    for (const [name, value] of Object.entries({ ...headers, 'Vigie-Node': node })) {
      context.res.headers.set(name, value)
    }
    context.res.headers.append('Vary', 'Authorization')
  }
}
