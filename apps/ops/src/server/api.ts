import type { Api, Conversation, ConversationAnswer, Explanation, MonitorAnswer } from './wire.js'

/** Why there is no answer. Each kind has a sentence of its own on the page. */
export type ProblemKind =
  /** Nothing answered: no network, no server, or not in time. */
  | 'no_answer'
  /** 401: no key, or a wrong one. */
  | 'key_needed'
  /** 403: the key may not do this. */
  | 'not_allowed'
  /** 404. */
  | 'not_found'
  /** 429. */
  | 'too_many'
  /** 503 while the server starts or ends. */
  | 'unavailable'
  /** Another 4xx or 5xx, or an answer that is not JSON, as of a proxy. */
  | 'server_error'

/** The server did not answer what was asked for. */
export class ApiError extends Error {
  readonly kind: ProblemKind
  readonly status: number | undefined
  /** What the server asks to wait; 0 where it does not say. */
  readonly retryAfterMs: number

  constructor(kind: ProblemKind, given: { status?: number; retryAfterMs?: number; cause?: unknown } = {}) {
    super(`${kind}${given.status === undefined ? '' : ` (${given.status})`}`, { cause: given.cause })
    this.name = 'ApiError'
    this.kind = kind
    this.status = given.status
    this.retryAfterMs = given.retryAfterMs ?? 0
  }
}

/** An answer that has not come by then counts as none. */
export const ANSWER_MS = 5_000
/** How many conversations the page lists. */
const BUSIEST_COUNT = 20
const KINDS: ReadonlyMap<number, ProblemKind> = new Map([
  [401, 'key_needed'],
  [403, 'not_allowed'],
  [404, 'not_found'],
  [429, 'too_many'],
  [503, 'unavailable'],
])

/** @param base Where `/v1` is, with a slash at the end. */
export function createApi(base: string, fetcher: typeof fetch = (...asked) => fetch(...asked)): Api {
  let key: string | undefined

  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    const { signal } = init
    const limit = AbortSignal.timeout(ANSWER_MS)
    try {
      const response = await fetcher(`${base}v1/${path}`, {
        ...init,
        cache: 'no-store',
        headers: {
          Accept: 'application/json',
          ...(init.body !== undefined && { 'Content-Type': 'application/json' }),
          ...(key !== undefined && { Authorization: `Bearer ${key}` }),
        },
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      })
      if (response.ok) return response
      throw new ApiError(KINDS.get(response.status) ?? 'server_error', {
        status: response.status,
        retryAfterMs: retryAfterMs(response),
      })
    } catch (error) {
      if (error instanceof ApiError || signal?.aborted) throw error
      throw new ApiError('no_answer', { cause: error })
    }
  }

  async function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
    const response = await ask(path, signal ? { signal } : {})
    try {
      return (await response.json()) as Answer
    } catch (error) {
      if (signal?.aborted) throw error
      throw new ApiError('server_error', { status: response.status, cause: error })
    }
  }

  const segment = encodeURIComponent
  return {
    monitor: (signal) => read<MonitorAnswer>('monitor', signal),
    async busiest(signal) {
      const path = `conversations?order=online&limit=${BUSIEST_COUNT}`
      return (await read<{ conversations: readonly Conversation[] }>(path, signal)).conversations
    },
    conversation: (id, signal) => read<ConversationAnswer>(`conversations/${segment(id)}`, signal),
    explain(userId, viewerId, signal) {
      const viewer = viewerId === undefined ? '' : `?viewer=${segment(viewerId)}`
      return read<Explanation>(`users/${segment(userId)}/explanation${viewer}`, signal)
    },
    async kick(userId, deviceId) {
      await ask(`users/${segment(userId)}/kick`, {
        method: 'POST',
        body: JSON.stringify(deviceId === undefined ? {} : { deviceId }),
      })
    },
    useKey(given) {
      key = given
    },
    hasKey: () => key !== undefined,
  }
}

/** In seconds; a date is possible too, and not what our server sends. */
function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get('Retry-After') ?? 0)
  return Number.isFinite(seconds) ? Math.max(0, seconds) * 1_000 : 0
}
