/** Attempts to deliver: to an address that was checked, without redirects, one time-out for all of an attempt. */
import { Agent as HttpAgent, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { pinnedLookup, type Resolve } from './addresses.js'

/** A connection without a request for so long is closed: many receivers close theirs after five seconds. Milliseconds. */
const IDLE_MS = 4_000
/**
 * A connection older than this gets no further request, and a new one asks for the name again: else a receiver that has
 * moved is never found while its old address answers. Milliseconds.
 */
export const CONNECTION_AGE_MS = 60_000

export interface Attempt {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Undefined: the receiver answered 2xx. Otherwise why it counts as failed, for operators. */
export type Failure = string | undefined

export type Post = (attempt: Attempt) => Promise<Failure>

export interface PostOptions {
  readonly mayBePrivate: boolean
  readonly resolve?: Resolve
  /** Monotonic, milliseconds. */
  readonly now?: () => number
  readonly idleMs?: number
}

/**
 * Keeps connections open from one attempt to the next. Nobody else is given them: whoever may not connect to private
 * addresses must not get a connection to one.
 */
export function createPost({
  mayBePrivate,
  resolve,
  now = () => performance.now(),
  idleMs = IDLE_MS,
}: PostOptions): Post {
  const checked = (host: string) => pinnedLookup(host, { mayBePrivate, ...(resolve && { resolve }) })
  const lookup: LookupFunction = (host, options, done) => {
    checked(host).then(
      (answer) => {
        answer(host, options, done)
      },
      (error: unknown) => {
        done(error as Error, '')
      },
    )
  }
  let agents = keepingAgents(idleMs)
  let madeAt = now()

  function agentFor(protocol: string): HttpAgent {
    // Connections of the agents before are closed when they are idle.
    if (now() - madeAt > CONNECTION_AGE_MS) [agents, madeAt] = [keepingAgents(idleMs), now()]
    return protocol === 'https:' ? agents.https : agents.http
  }

  /** The status of the answer: what follows it is not read. */
  async function send(attempt: Attempt, signal: AbortSignal): Promise<number> {
    // Nobody looks up what is an address already.
    const host = bareHost(attempt.url)
    if (isIP(host) !== 0) await checked(host)
    try {
      return await ask(attempt, { agent: agentFor(attempt.url.protocol), lookup, signal })
    } catch (error) {
      if (!(error instanceof ClosedMeanwhile)) throw error
      return ask(attempt, { agent: false, lookup, signal })
    }
  }

  return async (attempt) => {
    const timeout = AbortSignal.timeout(attempt.timeoutMs)
    const signal = AbortSignal.any([attempt.signal, timeout])
    try {
      return failureOf(await Promise.race([send(attempt, signal), aborted(signal)]))
    } catch (error) {
      if (timeout.aborted) return `no answer within ${attempt.timeoutMs} ms`
      if (attempt.signal.aborted) return 'the server was stopped before the answer came'
      return error instanceof Error
        ? error.message || ('code' in error ? String(error.code) : error.name)
        : String(error)
    }
  }
}

/** The receiver closed a connection that was kept open while the next request was on its way, which is nobody's fault. */
class ClosedMeanwhile extends Error {}

interface Way {
  /** False: a connection of its own. */
  readonly agent: HttpAgent | false
  readonly lookup: LookupFunction
  readonly signal: AbortSignal
}

function ask({ url, headers, body }: Attempt, { agent, lookup, signal }: Way): Promise<number> {
  const host = bareHost(url)
  return new Promise((done, reject) => {
    const isSecure = url.protocol === 'https:'
    const request = (isSecure ? requestHttps : requestHttp)({
      protocol: url.protocol,
      host,
      port: url.port || (isSecure ? 443 : 80),
      path: url.pathname + url.search,
      method: 'POST',
      agent,
      lookup,
      // A certificate is for the name, not for the address that it was resolved to.
      ...(isSecure && isIP(host) === 0 && { servername: host }),
      headers: {
        ...headers,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'vigie-webhooks',
      },
      signal,
    })
    request.on('response', (response) => {
      done(response.statusCode ?? 0)
      // What follows is read and not looked at, so that the receiver can end in its own way; `signal` ends it otherwise.
      response.on('error', () => {})
      response.resume()
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      const isClosed = error.code === 'ECONNRESET' || error.code === 'EPIPE'
      reject(request.reusedSocket && isClosed ? new ClosedMeanwhile() : error)
    })
    request.end(body)
  })
}

function keepingAgents(idleMs: number) {
  // The time-out ends only connections that wait for a request.
  const options = { keepAlive: true, timeout: idleMs }
  return { http: new HttpAgent(options), https: new HttpsAgent(options) }
}

/** An address of IPv6 without its brackets. */
function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/gu, '')
}

/** A name that is never resolved keeps no attempt. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => {
      reject(new Error('aborted'))
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

function failureOf(status: number): Failure {
  if (status >= 200 && status < 300) return undefined
  return status >= 300 && status < 400
    ? `the receiver answered ${status}: redirects are not followed`
    : `the receiver answered ${status}`
}
