/**
 * Why a user is shown as online or offline, for operators: never for clients, which may not know most of it.
 */
import type { Mode } from '@vigie/protocol'
import type { Presence } from '../core/index.js'

/** Times are milliseconds since 1970. Everything in it can be written as JSON. */
export interface Explanation {
  readonly userId: string
  /** What others see, who see this user at all. */
  readonly presence: Presence
  /** Sessions on this node, live ones first. */
  readonly sessions: readonly ExplainedSession[]
  /** What other nodes say of this user. */
  readonly nodes: readonly {
    readonly node: string
    readonly devices: readonly string[]
    readonly isLost: boolean
  }[]
  /** The last transitions of this user that this node still remembers, the newest first. */
  readonly transitions: readonly ExplainedTransition[]
  /** The groups and conversations that the user is in, as far as they are held here. */
  readonly rooms: readonly ExplainedRoom[]
  /** Present when a viewer was named. */
  readonly viewer?: ExplainedViewer
}

export interface ExplainedSession {
  readonly sessionId: string
  readonly deviceId: string
  readonly label?: string
  readonly protocol: 1 | 2
  /** `lost`: its connection is gone, and it counts until `graceEndsAt`. */
  readonly state: 'live' | 'lost'
  readonly since: number
  readonly lostAt?: number
  readonly graceEndsAt?: number
  /** When the connection last gave a sign of life. */
  readonly lastHeardAt?: number
  readonly tokenEndsAt?: number
  /** The client said that it is about to be frozen. */
  readonly backgroundGraceMs?: number
  readonly typingIn?: string
}

export type TransitionReason =
  | 'connected'
  | 'returned'
  | 'replaced'
  | 'lost'
  | 'grace_over'
  | 'left'
  | 'logged_out'
  | 'kicked'
  | 'token_expired'
  | 'too_many_sessions'
  | 'other_node'
  | 'node_lost'

export interface ExplainedTransition {
  readonly at: number
  readonly reason: TransitionReason
  readonly sessionId?: string
  readonly deviceId?: string
  /** What others saw from then on. */
  readonly after: Presence
}

export interface ExplainedRoom {
  readonly kind: 'group' | 'conversation'
  readonly id: string
  readonly mode: Mode
}

export interface ExplainedViewer {
  readonly userId: string
  /** Whether the viewer may be told of the user by name. */
  readonly sees: boolean
  /** Why: the rooms with names that both are in; or the viewer is the user, or watches them in a room too large for names. */
  readonly through: readonly ExplainedRoom[]
  readonly isSelf: boolean
  readonly isWatching: boolean
  /** Why not: no room in common, only rooms that are too large for names and nobody watches, or the viewer has no session here. */
  readonly hiddenBy?: 'no_shared_room' | 'only_large_rooms' | 'viewer_not_here'
  /** What the viewer would be told now. */
  readonly told: Presence
  /** The viewer's live sessions, and for how many of them news of this user waits. */
  readonly liveSessions: number
  readonly pendingSessions: number
}
