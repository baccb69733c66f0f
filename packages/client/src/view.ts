/**
 * Beside step 3 · reading a picture, and noting what was read, so that only those wake who read what changed.
 */
import type { ConversationId, Device, GroupId, Mode, UserId } from '@vigie/protocol'
import type { ConnectionState } from './connection.js'
import { EMPTY_PICTURE, type Picture, type Room } from './sync.js'

/**
 * What is known of a user. `unknown`: this client is disconnected (`since` when, in milliseconds since 1970, and what was
 * true `last`); or it was never told of the user (both undefined): nothing is shared with them, or only rooms that are
 * too large for names, and they are not watched, or the server has not answered yet.
 */
export type UserPresence =
  | { readonly status: 'known'; readonly online: boolean; readonly count: number }
  | {
      readonly status: 'unknown'
      readonly since: number | undefined
      readonly last: { readonly online: boolean; readonly count: number } | undefined
    }

/** How many of a room's members are online. In `count` mode the server rounds: it tells of changes of 1 % and more. */
export interface Occupancy {
  readonly mode: Mode
  readonly members: number
  readonly online: number
}

/** One's own devices. */
export interface OwnDevices {
  readonly count: number
  readonly devices: readonly Device[]
}

/**
 * Everything that can be asked. Answers are from the last whole picture, also while disconnected: ask `state()` or
 * `presence()` where that matters. Two calls with no change between them return the same object.
 */
export interface PresenceView {
  isUserOnlineInConversation(conversationId: string, userId: string): boolean
  /** In no particular order. Empty in `count` mode: ask `conversationOccupancy`. */
  getOnlineUsersInConversation(conversationId: string): readonly string[]
  isUserOnlineInGroup(groupId: string, userId: string): boolean
  getOnlineUsersInGroup(groupId: string): readonly string[]
  /** Undefined when the user is not in that conversation. */
  conversationOccupancy(conversationId: string): Occupancy | undefined
  groupOccupancy(groupId: string): Occupancy | undefined
  /** Who of the others types there; nobody while disconnected, because an end would not be heard. */
  typing(conversationId: string): readonly string[]
  presence(userId: string): UserPresence
  devices(): OwnDevices
  /** The conversations that the user is in. */
  conversations(): readonly string[]
  groups(): readonly string[]
  state(): ConnectionState
}

/** What a view is a view of. */
export interface Shown {
  readonly picture: Picture
  readonly state: ConnectionState
  /** When it was last known to be true; undefined while it is, and before it ever was. */
  readonly unknownSince: number | undefined
}

export const NOTHING_SHOWN: Shown = {
  picture: EMPTY_PICTURE,
  state: { name: 'idle' },
  unknownSince: undefined,
}

export type RoomKind = 'group' | 'conversation'

/**
 * One thing that can change by itself. `crowd`: who of a room is online; `room`: who is in it, and its numbers;
 * `rooms`: which rooms there are.
 */
export type Kind = 'user' | 'typing' | 'devices' | 'rooms' | 'state' | `${RoomKind} ${'room' | 'crowd'}`

/** Most answers that are kept so that the same question gets the same object. */
const ANSWERS_MAX = 1_000

/** A view of what `shown` returns; `onRead` hears each thing that an answer rests on. */
export function createView(shown: () => Shown, onRead: (kind: Kind, id: string) => void): PresenceView {
  const answers = new Map<string, unknown>()

  /** The earlier object, where the answer is the same. */
  function settled<Value>(question: string, value: Value): Value {
    const earlier = answers.get(question)
    if (earlier !== undefined && isSame(earlier, value)) return earlier as Value
    if (answers.size >= ANSWERS_MAX) answers.clear()
    answers.set(question, value)
    return value
  }

  function roomOf(kind: RoomKind, id: string): Room | undefined {
    const { groups, conversations } = shown().picture
    return kind === 'group' ? groups.get(id as GroupId) : conversations.get(id as ConversationId)
  }

  function isOnlineIn(kind: RoomKind, id: string, userId: string): boolean {
    onRead(`${kind} room`, id)
    onRead('user', userId)
    return (roomOf(kind, id)?.roster.has(userId as UserId) ?? false) && countOf(userId) > 0
  }

  function countOf(userId: string): number {
    return shown().picture.users.get(userId as UserId) ?? 0
  }

  function onlineIn(kind: RoomKind, id: string): readonly string[] {
    onRead(`${kind} crowd`, id)
    const online: string[] = []
    for (const userId of roomOf(kind, id)?.roster ?? []) if (countOf(userId) > 0) online.push(userId)
    return settled(`${kind} online ${id}`, online)
  }

  function occupancyOf(kind: RoomKind, id: string): Occupancy | undefined {
    onRead(`${kind} crowd`, id)
    const room = roomOf(kind, id)
    if (!room) return undefined
    const { mode, members } = room
    let { online } = room
    if (mode === 'names') for (const userId of room.roster) if (countOf(userId) > 0) online += 1
    return settled(`${kind} occupancy ${id}`, { mode, members, online })
  }

  return {
    isUserOnlineInConversation: (id, userId) => isOnlineIn('conversation', id, userId),
    getOnlineUsersInConversation: (id) => onlineIn('conversation', id),
    isUserOnlineInGroup: (id, userId) => isOnlineIn('group', id, userId),
    getOnlineUsersInGroup: (id) => onlineIn('group', id),
    conversationOccupancy: (id) => occupancyOf('conversation', id),
    groupOccupancy: (id) => occupancyOf('group', id),
    typing(id) {
      onRead('typing', id)
      return settled(`typing ${id}`, [...typingIn(shown(), id as ConversationId)])
    },
    presence(userId) {
      onRead('user', userId)
      onRead('state', '')
      const { picture, state, unknownSince } = shown()
      const count = picture.users.get(userId as UserId)
      const value: UserPresence =
        state.name === 'live' && count !== undefined && !picture.unheard.has(userId as UserId)
          ? { status: 'known', online: count > 0, count }
          : {
              status: 'unknown',
              since: unknownSince,
              last: count === undefined ? undefined : { online: count > 0, count },
            }
      return settled(`user ${userId}`, value)
    },
    devices() {
      onRead('devices', '')
      return shown().picture.devices
    },
    conversations() {
      onRead('rooms', '')
      return settled('conversations', [...shown().picture.conversations.keys()])
    },
    groups() {
      onRead('rooms', '')
      return settled('groups', [...shown().picture.groups.keys()])
    },
    state() {
      onRead('state', '')
      return shown().state
    },
  }
}

/** Who may be shown as typing. */
export function typingIn({ picture, state }: Shown, id: ConversationId): ReadonlySet<UserId> {
  return (state.name === 'live' ? picture.conversations.get(id)?.typing : undefined) ?? new Set<UserId>()
}

/** Equal in what it says: lists item by item, plain objects field by field, anything else by identity. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, place) => isSame(item, b[place]))
  }
  if (!isPlain(a) || !isPlain(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isSame(a[name], b[name]))
  )
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
