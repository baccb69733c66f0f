/** The HTTP API as the page asks it: by the client that other services use, with the key that was given here. */
import { ApiError, createApiClient, type ApiClient } from '@vigie/server/http'

/** An answer that has not come by then counts as none. */
export const ANSWER_MS = 5_000

export interface Api {
  /** Asks with the key of this moment. */
  client(): ApiClient
  /** From now on everything is asked with this key. It is kept in this object and nowhere else. */
  useKey(key: string): void
  /**
   * Ends a user's sessions, or those of one device. With a `key` of its own: reading goes on with the other, which may be
   * good for reading only. It is kept for the next time if the server has taken it.
   */
  kick(userId: string, options: { readonly deviceId?: string; readonly key?: string }): Promise<void>
  /** Has a dead letter sent again; with a `key` of its own, as {@link Api.kick} has it. */
  resend(id: string, key?: string): Promise<void>
}

/** @param url Of the server: `/v1` is below it. */
export function createApi(url: string, fetcher: typeof fetch = (...asked) => fetch(...asked)): Api {
  const clientWith = (key?: string) => createApiClient({ url, key, timeoutMs: ANSWER_MS, fetch: fetcher })
  let reader = clientWith()
  let actor = reader
  const act = async (key: string | undefined, call: (client: ApiClient) => Promise<void>) => {
    const client = key === undefined ? actor : clientWith(key)
    await call(client)
    actor = client
  }
  return {
    client: () => reader,
    useKey(key) {
      reader = actor = clientWith(key)
    },
    kick: (userId, { key, ...device }) => act(key, (client) => client.kick(userId, device)),
    resend: (id, key) => act(key, (client) => client.resendDeadLetter(id)),
  }
}

/** Why there is no answer. Each kind has a sentence of its own on the page. */
export type ProblemKind =
  /** Nothing answered: no network, no server, or not in time. */
  | 'no_answer'
  | 'key_missing'
  | 'key_wrong'
  /** The key is for something else. */
  | 'not_allowed'
  /** The server has no keys at all. */
  | 'closed'
  | 'too_many'
  /** The server starts or ends. */
  | 'unavailable'
  | 'not_understood'
  /** An error of the server, or an answer that is no Vigie's, as of a proxy. */
  | 'server_error'

const KINDS: ReadonlyMap<string, ProblemKind> = new Map([
  ['unreachable', 'no_answer'],
  ['key_missing', 'key_missing'],
  ['key_invalid', 'key_wrong'],
  ['wrong_keys', 'key_wrong'],
  ['scope_missing', 'not_allowed'],
  ['api_closed', 'closed'],
  ['rate_limited', 'too_many'],
  ['unavailable', 'unavailable'],
  ['invalid_payload', 'not_understood'],
])
/** Of a proxy in front, which has codes of its own. */
const KINDS_BY_STATUS: ReadonlyMap<number, ProblemKind> = new Map([
  [401, 'key_wrong'],
  [403, 'not_allowed'],
  [429, 'too_many'],
  [503, 'unavailable'],
])

export function problemKindOf(problem: unknown): ProblemKind {
  if (!(problem instanceof ApiError)) return 'server_error'
  return KINDS.get(problem.code) ?? KINDS_BY_STATUS.get(problem.status) ?? 'server_error'
}

/** Problems that another key would solve. */
const OF_KEYS: ReadonlySet<ProblemKind> = new Set(['key_missing', 'key_wrong', 'not_allowed'])

export function isOfKey(problem: unknown): boolean {
  return OF_KEYS.has(problemKindOf(problem))
}
