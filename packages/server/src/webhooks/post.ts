/** One attempt to deliver: a new connection to an address that was checked, no redirect, one time-out for all of it. */
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { pinnedLookup, type Resolve } from './addresses.js'

export interface Attempt {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
  readonly mayBePrivate: boolean
  readonly signal: AbortSignal
  readonly resolve?: Resolve
}

/** Undefined: the receiver answered 2xx. Otherwise why it counts as failed, for operators. */
export type Failure = string | undefined

export type Post = (attempt: Attempt) => Promise<Failure>

export const post: Post = async (attempt) => {
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

/** The status of the answer: what follows it is not read. */
async function send(
  { url, headers, body, mayBePrivate, resolve }: Attempt,
  signal: AbortSignal,
): Promise<number> {
  const lookup = await pinnedLookup(url.hostname, { mayBePrivate, ...(resolve && { resolve }) })
  const host = url.hostname.replace(/^\[|\]$/gu, '')
  return new Promise((done, reject) => {
    const isSecure = url.protocol === 'https:'
    const request = (isSecure ? requestHttps : requestHttp)({
      protocol: url.protocol,
      host,
      port: url.port || (isSecure ? 443 : 80),
      path: url.pathname + url.search,
      method: 'POST',
      agent: false,
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
    request.on('error', reject)
    request.end(body)
  })
}

function failureOf(status: number): Failure {
  if (status >= 200 && status < 300) return undefined
  return status >= 300 && status < 400
    ? `the receiver answered ${status}: redirects are not followed`
    : `the receiver answered ${status}`
}
