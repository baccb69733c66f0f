import type { PresenceDevices } from './devices.js'
import type { ConversationId, GroupId, UserId } from './ids.js'

/**
 * Protocol 2: what the SDK hears. A `presence:state` is everything; each `presence:diff` after it is what has
 * changed since, as state and not as events: fold it in, and the picture is right.
 */

/** A place in the history of one boot of one node. Give the last one back as `auth.since`, and only what changed comes. */
export type Position = readonly [epoch: string, n: number]

/** How many devices a user has; 0 is offline, and also what comes when somebody is out of sight. */
export type UserCount = readonly [userId: UserId, count: number]

/** Names up to `namesMax` members, above that a number. */
export type Mode = 'names' | 'count'

/** One group or conversation in a {@link PresenceState}. */
export interface RoomState<Id> {
  readonly id: Id
  readonly mode: Mode
  /** How many members the rows name. */
  readonly members: number
  /** In names mode: its members, as places in the `users` of the same state. */
  readonly roster?: readonly number[]
  /** In count mode: how many members are online. */
  readonly online?: number
  /** Who of the others types there; absent when nobody does. */
  readonly typing?: readonly UserId[]
}

export interface PresenceState {
  /** The protocol that is served. */
  readonly protocol: 2
  /** Absent when diffs follow that belong to the same picture; the last of them has it. */
  readonly at?: Position
  /** Whose picture it is. Give it back as `auth.sinceUser`, together with the last position. */
  readonly user: UserId
  /** Everybody in sight, whether online or not, each once. */
  readonly users: readonly UserCount[]
  readonly groups: readonly RoomState<GroupId>[]
  readonly conversations: readonly RoomState<ConversationId>[]
  readonly devices: PresenceDevices
}

/** What has changed about a group or conversation. Fields that are absent have not. */
export interface RoomChange<Id> {
  readonly id: Id
  /** It is not the user's any more; nothing else is here. */
  readonly gone?: true
  /** A room that is new to the client, or has changed its mode, comes whole, with this. */
  readonly mode?: Mode
  readonly members?: number
  /** All members, replacing what was known. */
  readonly roster?: readonly UserId[]
  readonly add?: readonly UserId[]
  readonly remove?: readonly UserId[]
  readonly online?: number
  /** All who type there now, replacing what was known. */
  readonly typing?: readonly UserId[]
}

/**
 * After each frame, whoever is in no roster and not watched is out of sight: forget their count. On a new
 * connection nobody is watched until `presence:watch` has said so again.
 */
export interface PresenceDiff {
  /** On the last frame of what was written at one moment. */
  readonly at?: Position
  readonly users?: readonly UserCount[]
  readonly groups?: readonly RoomChange<GroupId>[]
  readonly conversations?: readonly RoomChange<ConversationId>[]
  readonly devices?: PresenceDevices
}
