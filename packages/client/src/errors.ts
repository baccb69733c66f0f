/**
 * What can go wrong, by the protocol's codes. The table of meanings stays in `docs/errors.md`: nothing of
 * `@vigie/protocol` is loaded here but its types, so that a page pays for neither its texts nor its validation.
 */
import type { ErrorCode, Retry } from '@vigie/protocol'

const RETRIES: readonly Retry[] = ['now', 'backoff', 'never']
/** After these codes the same may be tried again later; after all others but one, not with what one has. */
const BACK_OFF: ReadonlySet<string> = new Set(['unavailable', 'overloaded', 'rate_limited', 'internal'])

function retryAfter(code: ErrorCode): Retry {
  if (code === 'session_ended') return 'now'
  return BACK_OFF.has(code) ? 'backoff' : 'never'
}

/**
 * A refusal by the server, or a failure to reach it (`unavailable`). `message` is a sentence for people who build.
 * A newer server may have codes that this list does not have.
 */
export class PresenceError extends Error {
  readonly code: ErrorCode
  /** When the same may be tried again. */
  readonly retry: Retry

  constructor(code: ErrorCode, message: string = code, retry: Retry = retryAfter(code)) {
    super(message)
    this.name = 'PresenceError'
    this.code = code
    this.retry = retry
  }
}

/** What a server says when it refuses or closes; undefined when it is none of ours (a host's own middleware). */
export function readRefusal(data: unknown): PresenceError | undefined {
  const { code, message, retry } = Object(data) as Readonly<Record<string, unknown>>
  if (typeof code !== 'string') return undefined
  return new PresenceError(
    code as ErrorCode,
    typeof message === 'string' ? message : undefined,
    RETRIES.find((known) => known === retry),
  )
}
