/**
 * A client of the HTTP API of `vigie serve`, for other services: one `fetch` for each call, and nothing else of this
 * package at run time.
 */
import type {
  AuditOnline,
  AuditPeak,
  AuditUser,
  AuditWhy,
  BusyConversation,
  ClientAudit,
  DeadLetter,
  Explanation,
  Monitor,
  Problem,
  RoomPresence,
  UserPresence,
} from './answers.js'

export interface ApiClientOptions {
  /** Of the server, such as `https://presence.example.org`; a path in it is kept. */
  readonly url: string
  /** One of the server's `apiKeys`. The demo lets its own machine read without one. */
  readonly key?: string | undefined
  /** How long one call may take, in milliseconds. @default 10000 */
  readonly timeoutMs?: number
  /** Instead of the global `fetch`: a proxy, a test. */
  readonly fetch?: typeof fetch
}

/**
 * What a server with the API answers. Each call rejects with an {@link ApiError}: what the server refused, or `code`
 * `unreachable` when it gave no answer. Nothing is tried again: whether a call is worth a second try is the caller's to say.
 */
export interface ApiClient {
  /** Scope `read`, as all of these. */
  user(userId: string): Promise<UserPresence>
  /** In the order of the ids, however many: so many calls are made as the server needs. */
  users(userIds: readonly string[]): Promise<readonly UserPresence[]>
  group(groupId: string): Promise<RoomPresence>
  conversation(conversationId: string): Promise<RoomPresence>
  /** The busiest that are held, most online first. `limit`: 1 to 100. @default 20 */
  conversations(options?: { readonly limit?: number }): Promise<readonly BusyConversation[]>
  /** Why the user is shown as online or offline, and, with a viewer, why the viewer sees it or does not. */
  explain(userId: string, options?: { readonly viewer?: string | undefined }): Promise<Explanation>
  monitor(): Promise<Monitor>
  /** Webhooks that could not be delivered, the newest first. `limit`: 1 to 100; `before`: the `id` of the last one that is known. @default 20 */
  deadLetters(options?: {
    readonly limit?: number
    readonly before?: string | undefined
  }): Promise<readonly DeadLetter[]>
  /**
   * Who of a conversation, or of a group, was online at a time of the past, by the audit trail. Times are milliseconds
   * since 1970, here and in all that follow; one that is to come is refused (`invalid_payload`).
   */
  auditOnline(
    question:
      | { readonly conversation: string; readonly at: number }
      | { readonly group: string; readonly at: number },
  ): Promise<AuditOnline>
  /** When a user was online, with which devices, and why it began and ended; 31 days at most. */
  auditUser(question: {
    readonly userId: string
    readonly from: number
    readonly to: number
  }): Promise<AuditUser>
  /**
   * The most users, and the most devices, that were online at one time of a day (YYYY-MM-DD, UTC). The server reads all
   * of that day, for which `timeoutMs` is raised to 60 s, should it be less.
   */
  auditPeak(question: { readonly day: string }): Promise<AuditPeak>
  /** Whether a user was online at a time of the past, and what made it so. */
  auditWhy(question: { readonly userId: string; readonly at: number }): Promise<AuditWhy>
  /** Scope `act`, as all that follow. Ends all sessions of a user, or those of one device, for good. */
  kick(userId: string, options?: { readonly deviceId?: string }): Promise<void>
  /**
   * Asks some clients, picked by chance, whether what they show is what they were told. It takes up to 13 s, for which
   * `timeoutMs` is raised, should it be less. `sample`: 1 to 1,000. @default 100
   */
  auditClients(options?: { readonly sample?: number | undefined }): Promise<ClientAudit>
  /** Has a dead letter sent again, with the id that it had. */
  resendDeadLetter(id: string): Promise<void>
  /** Ends a user's typing, in one conversation or everywhere: call it when their message is sent. */
  stopTyping(userId: string, options?: { readonly conversationId?: string }): Promise<void>
  /**
   * Rows of these changed: read them again. Name the users who were added. At most 1,000 of each kind in one call.
   */
  membershipsChanged(changed: {
    readonly users?: readonly string[]
    readonly groups?: readonly string[]
    readonly conversations?: readonly string[]
  }): Promise<void>
}

/** Why a call failed. */
export class ApiError extends Error {
  /** Of the answer; 0: there was none. */
  readonly status: number
  /** The server's `code`, such as `key_invalid`, `rate_limited`, `unavailable`; or `unreachable`, `no_api`. */
  readonly code: string
  /** After how many seconds the server wants to be asked again, where it says so. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    message: string,
    facts: { status: number; code: string; retryAfterSeconds?: number | undefined; cause?: unknown },
  ) {
    super(message, { cause: facts.cause })
    this.name = 'ApiError'
    this.status = facts.status
    this.code = facts.code
    this.retryAfterSeconds = facts.retryAfterSeconds
  }
}

/** Most users of one query. The server refuses more. */
const QUERY_MAX = 1_000
const TIMEOUT_MS = 10_000
/** An audit waits for clients. */
const AUDIT_TIMEOUT_MS = 15_000
/** All of a day is read. */
const PEAK_TIMEOUT_MS = 60_000

/**
 * @throws TypeError when `url` is none.
 * @example
 * const vigie = createApiClient({ url: 'http://127.0.0.1:8080', key: process.env.VIGIE_API_KEY })
 * const { online } = await vigie.user('alice')
 */
export function createApiClient(options: ApiClientOptions): ApiClient {
  const { url, key, timeoutMs = TIMEOUT_MS } = options
  const send = options.fetch ?? fetch
  // Checked at once: a misspelt address would otherwise look like a server that is away.
  const base = new URL(url).href.replace(/\/+$/u, '')

  async function call(
    method: 'GET' | 'POST',
    path: string,
    body?: object,
    withinMs = timeoutMs,
  ): Promise<unknown> {
    const request = {
      method,
      headers: {
        Accept: 'application/json, application/problem+json',
        ...(key !== undefined && { Authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }
    const answer = await ask(`${base}/v1${path}`, request, withinMs)
    const { status } = answer
    if (!answer.ok) throw refusal(answer)
    if (status === 202) return undefined
    if (answer.content === undefined) {
      throw new ApiError(`${base} answered ${status} without JSON: it is no Vigie.`, {
        status,
        code: 'no_api',
      })
    }
    return answer.content
  }

  async function ask(address: string, request: RequestInit, withinMs: number): Promise<Answer> {
    try {
      const response = await send(address, {
        ...request,
        // A proxy that leads elsewhere would be given the key.
        redirect: 'error',
        signal: AbortSignal.timeout(withinMs),
      })
      const text = await response.text()
      return {
        ok: response.ok,
        status: response.status,
        retryAfter: response.headers.get('retry-after'),
        content: jsonOf(text),
      }
    } catch (error) {
      throw new ApiError(`${base} gave no answer: ${reasonOf(error)}.`, {
        status: 0,
        code: 'unreachable',
        cause: error,
      })
    }
  }

  return {
    user: async (userId) => (await call('GET', `/users/${segment(userId)}`)) as UserPresence,
    async users(userIds) {
      const found: UserPresence[] = []
      for (let from = 0; from < userIds.length; from += QUERY_MAX) {
        const answer = await call('POST', '/users/query', { userIds: userIds.slice(from, from + QUERY_MAX) })
        found.push(...(answer as { readonly users: readonly UserPresence[] }).users)
      }
      return found
    },
    group: async (groupId) => (await call('GET', `/groups/${segment(groupId)}`)) as RoomPresence,
    conversation: async (id) => (await call('GET', `/conversations/${segment(id)}`)) as RoomPresence,
    async conversations({ limit } = {}) {
      const query = limit === undefined ? '' : `&limit=${limit}`
      const answer = await call('GET', `/conversations?order=online${query}`)
      return (answer as { readonly conversations: readonly BusyConversation[] }).conversations
    },
    async explain(userId, { viewer } = {}) {
      const query = viewer === undefined ? '' : `?viewer=${encodeURIComponent(viewer)}`
      return (await call('GET', `/users/${segment(userId)}/explanation${query}`)) as Explanation
    },
    monitor: async () => (await call('GET', '/monitor')) as Monitor,
    async auditOnline({ at, ...room }) {
      const [kind, id] = 'group' in room ? ['group', room.group] : ['conversation', room.conversation]
      return (await call('GET', `/audit/online${queryOf({ kind, id, at: iso(at) })}`)) as AuditOnline
    },
    async auditUser({ userId, from, to }) {
      return (await call(
        'GET',
        `/audit/user${queryOf({ userId, from: iso(from), to: iso(to) })}`,
      )) as AuditUser
    },
    async auditPeak({ day }) {
      const withinMs = Math.max(timeoutMs, PEAK_TIMEOUT_MS)
      return (await call('GET', `/audit/peak${queryOf({ day })}`, undefined, withinMs)) as AuditPeak
    },
    async auditWhy({ userId, at }) {
      return (await call('GET', `/audit/why${queryOf({ userId, at: iso(at) })}`)) as AuditWhy
    },
    async kick(userId, body = {}) {
      await call('POST', `/users/${segment(userId)}/kick`, body)
    },
    async auditClients(body = {}) {
      const withinMs = Math.max(timeoutMs, AUDIT_TIMEOUT_MS)
      return (await call('POST', '/clients/audit', body, withinMs)) as ClientAudit
    },
    async deadLetters({ limit, before } = {}) {
      const query = new URLSearchParams()
      if (limit !== undefined) query.set('limit', String(limit))
      if (before !== undefined) query.set('before', before)
      const answer = await call('GET', `/webhooks/dead-letters?${query.toString()}`)
      return (answer as { readonly deadLetters: readonly DeadLetter[] }).deadLetters
    },
    async resendDeadLetter(id) {
      await call('POST', `/webhooks/dead-letters/${segment(id)}/resend`, {})
    },
    async stopTyping(userId, body = {}) {
      await call('POST', `/users/${segment(userId)}/stop-typing`, body)
    },
    async membershipsChanged(changed) {
      await call('POST', '/memberships/changed', changed)
    },
  }
}

interface Answer {
  readonly ok: boolean
  readonly status: number
  readonly retryAfter: string | null
  /** Undefined: it is no JSON. */
  readonly content: unknown
}

function refusal({ status, retryAfter, content }: Answer): ApiError {
  const { code, detail } = ((typeof content === 'object' ? content : null) as Partial<Problem> | null) ?? {}
  if (typeof code !== 'string' || typeof detail !== 'string') {
    return new ApiError(`The answer was ${status}, and not of Vigie's API.`, { status, code: 'no_api' })
  }
  const seconds = retryAfter === null ? NaN : Number(retryAfter)
  return new ApiError(detail, {
    status,
    code,
    retryAfterSeconds: Number.isFinite(seconds) ? seconds : undefined,
  })
}

/** @throws RangeError for `.` and `..`, which every `fetch` takes for a place in the path. Ask for such users by `users`. */
function segment(id: string): string {
  if (id === '.' || id === '..')
    throw new RangeError(`The id ${JSON.stringify(id)} cannot stand in an address.`)
  return encodeURIComponent(id)
}

function queryOf(fields: Readonly<Record<string, string>>): string {
  return `?${new URLSearchParams(fields).toString()}`
}

/** @throws RangeError when it is no time. */
function iso(at: number): string {
  return new Date(at).toISOString()
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy's page, say: told apart by the absence of content.
    return undefined
  }
}

/** `fetch` says "fetch failed", and why in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  return cause.message || ('code' in cause ? String(cause.code) : error.message)
}
