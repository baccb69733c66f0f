/**
 * Every refusal and every close, in one table. `docs/errors.md` is generated from it.
 *
 * `retry` says what a client does next: `now` (connect again at once), `backoff` (again, later and later),
 * `never` (not with what it has: a new token, another message, or not at all).
 */
export const ERRORS = {
  token_missing: {
    retry: 'never',
    meaning: 'The connection carried no token.',
    next: 'Put the token into `auth.token`, or into a header `Authorization: Bearer …`, then connect.',
  },
  token_invalid: {
    retry: 'never',
    meaning:
      'The token is malformed, wrongly signed, of another issuer, audience or algorithm, or not valid yet.',
    next: 'Get a new token, then connect.',
  },
  token_expired: {
    retry: 'never',
    meaning: 'The token has ended.',
    next: 'Get a new token, then connect; inside the grace nobody sees it.',
  },
  token_too_long: {
    retry: 'never',
    meaning: 'The token is longer than the server accepts (`tokenMaxLength`).',
    next: 'Get a token with fewer claims; the operator may raise `tokenMaxLength`.',
  },
  token_without_user: {
    retry: 'never',
    meaning: 'The token is valid but names no user that could be one.',
    next: 'Correct the claim that the server reads the user from.',
  },
  token_other_user: {
    retry: 'never',
    meaning: 'A new token for an open connection names another user.',
    next: 'Connect again as that user.',
  },
  token_superseded: {
    retry: 'never',
    meaning: 'The session sent a newer `presence:token` before this one was checked.',
    next: 'Nothing: the newest token counts, and has an answer of its own.',
  },
  auth_invalid: {
    retry: 'never',
    meaning:
      '`auth.protocol`, `auth.since`, `auth.sinceUser`, `auth.deviceId`, `auth.clientId`, `auth.label` or `auth.audit` has a wrong type or length.',
    next: 'Correct the connection options.',
  },
  protocol_unsupported: {
    retry: 'never',
    meaning: 'The server does not speak this `auth.protocol`; `data.supported` lists what it speaks.',
    next: 'Update the client, or connect without `auth.protocol`.',
  },
  already_connected: {
    retry: 'never',
    meaning: 'This connection already has a session in the namespace.',
    next: 'Use the session that is there.',
  },
  too_many_sessions: {
    retry: 'never',
    meaning: 'The user has as many sessions as one user may have (`sessionsPerUserMax`).',
    next: 'Close one of them first.',
  },
  unavailable: {
    retry: 'backoff',
    meaning: 'Memberships cannot be read now: the database is away.',
    next: 'Nothing: the connection is cut, about a second later, so that the client tries again by itself.',
  },
  overloaded: {
    retry: 'backoff',
    meaning:
      'As many connections wait to be let in as may wait (`pendingMax`), or this one has waited `admissionWaitMs`.',
    next: 'Nothing: the connection is cut, about a second later, so that the client tries again by itself.',
  },
  kicked: {
    retry: 'never',
    meaning: 'The host ended this session for good.',
    next: 'Show that the session was ended; connect again only when the person asks for it.',
  },
  logged_out: {
    retry: 'never',
    meaning: 'Another session of this device logged out.',
    next: 'Show the sign-in; connect again only with a new sign-in.',
  },
  invalid_payload: {
    retry: 'never',
    meaning: 'The message has a missing, unknown, wrongly typed or oversized field.',
    next: 'Correct the message.',
  },
  not_member: {
    retry: 'never',
    meaning:
      'The user is not in this conversation, or there is no such conversation: the answer is the same.',
    next: 'Forget the conversation.',
  },
  rate_limited: {
    retry: 'backoff',
    meaning: 'More messages than the session may send. Far above the limit there is no answer at all.',
    next: 'Send less often: a typing start each 3 s is enough.',
  },
  too_many_watched: {
    retry: 'never',
    meaning: 'The session watches as many people as one may (200).',
    next: 'Stop watching people who are not on screen.',
  },
  session_ended: {
    retry: 'now',
    meaning: 'The message came for a session that has ended meanwhile.',
    next: 'Connect again.',
  },
  internal: {
    retry: 'backoff',
    meaning: 'The server failed in a way that it did not foresee; its log has the cause.',
    next: 'Try again later.',
  },
} as const satisfies Record<string, ErrorRow>

interface ErrorRow {
  readonly retry: Retry
  /** What happened, one sentence. */
  readonly meaning: string
  /** What the client does, one sentence. */
  readonly next: string
}

/** When a client may try again. */
export type Retry = 'now' | 'backoff' | 'never'

/** A key of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS

/** What an acknowledgement, a `presence:closed` and the `data` of a `connect_error` carry. */
export interface ErrorPayload {
  readonly code: ErrorCode
  readonly message: string
  readonly retry: Retry
  /** With `protocol_unsupported` only: the protocol numbers that are spoken. */
  readonly supported?: readonly number[]
}

/**
 * The only error that crosses Vigie's borders. `message` is for people and may be shown to the client;
 * what must stay inside goes into `cause`.
 *
 * @example
 * throw new PresenceError('unavailable', undefined, { cause: error })
 */
export class PresenceError extends Error {
  readonly code: ErrorCode
  readonly data: ErrorPayload

  constructor(
    code: ErrorCode,
    message: string = ERRORS[code].meaning,
    options: ErrorOptions & { readonly supported?: readonly number[] } = {},
  ) {
    super(message, options)
    this.name = 'PresenceError'
    this.code = code
    // Socket.IO sends `data` of a middleware's error to the client: it holds what may be seen, and no more.
    this.data = {
      code,
      message,
      retry: ERRORS[code].retry,
      ...(options.supported && { supported: options.supported }),
    }
  }
}
