import type { PresenceDevices } from './devices.js'
import type { DigestAnswer, DigestQuestion } from './digest.js'
import type { ErrorPayload } from './errors.js'
import type { ConversationId, DeviceId, GroupId, UserId } from './ids.js'
import type { Position, PresenceDiff, PresenceState } from './sync.js'

/** Protocol numbers that `auth.protocol` may name. Without it, protocol 1 is spoken. */
export const PROTOCOLS = [1, 2] as const
export type Protocol = (typeof PROTOCOLS)[number]

/** To members of a shared group. `online` is `count > 0`, always. */
export interface PresenceUpdate {
  readonly userId: UserId
  readonly online: boolean
  /** Devices, not connections. */
  readonly count: number
}

/** To members of that conversation. */
export interface PresenceConversation extends PresenceUpdate {
  readonly conversationId: ConversationId
}

/** To the other members of that conversation. */
export interface TypingNotice {
  readonly convId: ConversationId
  readonly userId: UserId
}

/** To members of a group or conversation in `count` mode: how many of how many are online. */
export type PresenceOccupancy = (
  | { readonly groupId: GroupId; readonly conversationId?: never }
  | { readonly conversationId: ConversationId; readonly groupId?: never }
) & { readonly members: number; readonly online: number }

/** What the server sends, by event name. Intersect it with your own `ServerToClientEvents`. */
export interface PresenceServerEvents {
  'presence:update': (payload: PresenceUpdate) => void
  'presence:conversation': (payload: PresenceConversation) => void
  'typing:start': (payload: TypingNotice) => void
  'typing:stop': (payload: TypingNotice) => void
  'presence:devices': (payload: PresenceDevices) => void
  'presence:occupancy': (payload: PresenceOccupancy) => void
  /** Protocol 2 only, instead of the events above. */
  'presence:state': (payload: PresenceState) => void
  'presence:diff': (payload: PresenceDiff) => void
  /** The last word before the server ends a session for good. */
  'presence:closed': (payload: ErrorPayload) => void
  /** Protocol 2, and only where `auth.audit` is `true`: what does the client's picture say? */
  'presence:digest': (question: DigestQuestion, answer: (digest: DigestAnswer) => void) => void
}

/** The answer to a client's message, where it asked for one. */
export type Acknowledgement = (answer: Answer) => void
export type Answer =
  { readonly ok: true } | { readonly ok: false; readonly error: Pick<ErrorPayload, 'code' | 'message'> }

/** `typing:start`, `typing:stop`. */
export interface TypingRequest {
  readonly convId: ConversationId
}

/** The client is about to be frozen: its loss, if it comes, then has this grace. */
export interface BackgroundRequest {
  /** 0 to 60,000. */
  readonly graceMs: number
}

/** Ends a session (default) or all sessions of its device (log-out), seen at once. */
export interface LeaveRequest {
  readonly scope?: 'session' | 'device'
}

/** A newer token for the open connection. */
export interface TokenRequest {
  readonly token: string
}

/** Protocol 2: people on screen, each sharing a group or conversation of any mode; at most 200 in all. */
export interface WatchRequest {
  readonly add?: readonly UserId[]
  readonly remove?: readonly UserId[]
}

/** What a client sends, by event name. Intersect it with your own `ClientToServerEvents`. */
export interface PresenceClientEvents {
  'typing:start': (payload: TypingRequest, acknowledge?: Acknowledgement) => void
  'typing:stop': (payload: TypingRequest, acknowledge?: Acknowledgement) => void
  'presence:background': (payload: BackgroundRequest, acknowledge?: Acknowledgement) => void
  /** Takes `presence:background` back: the program runs again. */
  'presence:foreground': (payload?: object, acknowledge?: Acknowledgement) => void
  'presence:leave': (payload?: LeaveRequest, acknowledge?: Acknowledgement) => void
  'presence:watch': (payload: WatchRequest, acknowledge?: Acknowledgement) => void
  'presence:token': (payload: TokenRequest, acknowledge?: Acknowledgement) => void
}

/** What a client puts into Socket.IO's `auth`. Further fields belong to the host and are left alone. */
export interface PresenceAuth {
  readonly token?: string
  readonly protocol?: number
  readonly deviceId?: DeviceId
  readonly clientId?: string
  /** Protocol 2: the last position that this program has. Without {@link PresenceAuth.sinceUser} it means nothing. */
  readonly since?: Position
  /** Whose position that is, as `user` of the state said it: another person on the same device is told everything. */
  readonly sinceUser?: UserId
  readonly label?: string
  /** Protocol 2: this client answers `presence:digest`. Absent: it is never asked. */
  readonly audit?: boolean
}
