/**
 * Beside step 3 · reading a picture, and noting what was read, so that only those wake who read what changed.
 */
import type { ConversationId, Device, Mode, UserId } from '@vigie/protocol'
import type { ConnectionState } from './connection.js'
import { isSame } from './same.js'
import type { VersionedMap } from './versioned-map.js'
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
 * `presence()` where that matters. Two calls return the same object for as long as the answer is the same, however many
 * other questions are asked between them. No question throws; ids of nobody and of no room are answered as unknown.
 *
 * @example
 * const { members, online } = view.groupOccupancy('crew') ?? { members: 0, online: 0 }
 */
export interface PresenceView {
  /** Whether they are a member and online; false in `count` mode, in which no member is known by name. */
  isUserOnlineInConversation(conversationId: string, userId: string): boolean
  isUserOnlineInGroup(groupId: string, userId: string): boolean
  /** In no particular order. Empty in `count` mode: ask `conversationOccupancy`. */
  getOnlineUsersInConversation(conversationId: string): readonly string[]
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
  /** The groups that the user is in. */
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

export const ROOM_KINDS = ['group', 'conversation'] as const
export type RoomKind = (typeof ROOM_KINDS)[number]

/**
 * One thing that can change by itself. `crowd`: who of a room is online; `room`: who is in it, and its numbers;
 * `rooms`: which rooms there are.
 */
export type Kind = 'user' | 'typing' | 'devices' | 'rooms' | 'state' | `${RoomKind} ${'room' | 'crowd'}`

/** An answer, and what it was read from. */
interface Answer {
  readonly from: Shown
  readonly value: unknown
}

/** What may be asked of by id. */
interface Known {
  readonly size: number
  has(id: string): boolean
}

/** Shared by all rooms, so it must not be written. */
const NOBODY: readonly string[] = Object.freeze([])

/** A view of what `shown` returns; `onRead` hears each thing that an answer rests on. */
export function createView(shown: () => Shown, onRead: (kind: Kind, id: string) => void): PresenceView {
  /** The last answers, by question and by what was asked of, so that the same question gets the same object. */
  const kept: Partial<Record<string, Map<string, Answer>>> = {}

  /**
   * The earlier object, where the answer is the same. To no question are more answers kept than there is `known` to ask of:
   * one too many is of something that is not known any more.
   */
  function settled<Value>(question: string, ask: () => Value, id = '', known?: Known): Value {
    const answers = (kept[question] ??= new Map<string, Answer>())
    const earlier = answers.get(id) as { readonly from: Shown; readonly value: Value } | undefined
    const from = shown()
    if (earlier?.from === from) return earlier.value
    if (!earlier && known && answers.size >= known.size) {
      for (const other of answers.keys()) if (!known.has(other)) answers.delete(other)
    }
    let value = ask()
    if (earlier && isSame(earlier.value, value)) value = earlier.value
    answers.set(id, { from, value })
    return value
  }

  const isOnline = (userId: UserId): boolean => (shown().picture.users.get(userId) ?? 0) > 0

  function questionsOf(kind: RoomKind) {
    const crowd = `${kind} crowd` as const
    const rooms = (): VersionedMap<string, Room> => shown().picture[`${kind}s`]

    /** Undefined when the user is not in that room. */
    function ask<Value>(question: string, id: string, answer: (room: Room) => Value): Value | undefined {
      const room = rooms().get(id)
      return room && settled(`${kind} ${question}`, () => answer(room), id, rooms())
    }

    return {
      ask,
      isOnline(id: string, userId: string): boolean {
        onRead(`${kind} room`, id)
        onRead('user', userId)
        return (
          (rooms()
            .get(id)
            ?.roster.has(userId as UserId) ??
            false) &&
          isOnline(userId as UserId)
        )
      },
      online(id: string): readonly string[] {
        onRead(crowd, id)
        return ask('online', id, ({ roster }) => [...roster].filter(isOnline)) ?? NOBODY
      },
      occupancy(id: string): Occupancy | undefined {
        onRead(crowd, id)
        return ask('occupancy', id, ({ mode, members, online, roster }) => {
          if (mode === 'names') for (const userId of roster) if (isOnline(userId)) online += 1
          return { mode, members, online }
        })
      },
      all(): readonly string[] {
        onRead('rooms', '')
        return settled(kind, () => [...rooms().keys()])
      },
    }
  }

  const group = questionsOf('group')
  const conversation = questionsOf('conversation')
  return {
    isUserOnlineInConversation: conversation.isOnline,
    isUserOnlineInGroup: group.isOnline,
    getOnlineUsersInConversation: conversation.online,
    getOnlineUsersInGroup: group.online,
    conversationOccupancy: conversation.occupancy,
    groupOccupancy: group.occupancy,
    conversations: conversation.all,
    groups: group.all,
    typing(id) {
      onRead('typing', id)
      return conversation.ask('typing', id, () => [...typingIn(shown(), id as ConversationId)]) ?? NOBODY
    },
    presence(userId) {
      onRead('user', userId)
      onRead('state', '')
      const { picture, state, unknownSince } = shown()
      const users: VersionedMap<string, number> = picture.users
      const count = users.get(userId)
      const last = count === undefined ? undefined : { online: count > 0, count }
      const ask = (): UserPresence =>
        last && state.name === 'live' && !picture.unheard.has(userId as UserId)
          ? { status: 'known', ...last }
          : { status: 'unknown', since: unknownSince, last }
      // All of whom nothing is known have one answer in common.
      return last ? settled('presence', ask, userId, users) : settled('stranger', ask)
    },
    devices() {
      onRead('devices', '')
      return shown().picture.devices
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
