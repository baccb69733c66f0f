/** Attempts to deliver: to an address that was checked, without redirects, one time-out for all of an attempt. */
import { Agent as HttpAgent, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { bareHost, pinnedLookup, type Resolve } from './addresses.js'

/** A connection without a request for so long is closed: many receivers close theirs after five seconds. Milliseconds. */
const IDLE_MS = 4_000
/**
 * A connection older than this sends no further request. The next connection resolves the name again: otherwise the sender
 * would never notice that the receiver has a new address, as long as the old one answers. Milliseconds.
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
 * Attempts that reuse connections. Each call has connections of its own: a sender that may not connect to private addresses
 * must not reuse a connection to one, which a sender with that right has opened.
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
    // The agents before close their connections when these are idle.
    if (now() - madeAt > CONNECTION_AGE_MS) [agents, madeAt] = [keepingAgents(idleMs), now()]
    return protocol === 'https:' ? agents.https : agents.http
  }

  /** The status of the answer: what follows it is not read. */
  async function send(attempt: Attempt, signal: AbortSignal): Promise<number> {
    // Node.js calls no lookup for a host that is an address already: it is checked here.
    const host = bareHost(attempt.url.hostname)
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

/** The receiver closed a reused connection while the next request was on its way: no failure of the receiver. */
class ClosedMeanwhile extends Error {}

interface Way {
  /** False: a connection of its own. */
  readonly agent: HttpAgent | false
  readonly lookup: LookupFunction
  readonly signal: AbortSignal
}

function ask({ url, headers, body }: Attempt, { agent, lookup, signal }: Way): Promise<number> {
  const host = bareHost(url.hostname)
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
