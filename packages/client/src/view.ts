/**
 * Beside step 3 · reading a picture, and noting what was read, so that only those wake who read what changed.
 */
import type { ConversationId, Device, Mode, UserId } from '@vigie/protocol'
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

/** The last answer to each question about one thing. */
type Answers = Partial<Record<string, Answer>>

/** Shared by all rooms, so it must not be written. */
const NOBODY: readonly string[] = Object.freeze([])

/** A view of what `shown` returns; `onRead` hears each thing that an answer rests on. */
export function createView(shown: () => Shown, onRead: (kind: Kind, id: string) => void): PresenceView {
  /** Kept for what is known, so that the same question gets the same object; see {@link answersOf} for the bound. */
  const kept = {
    user: new Map<string, Answers>(),
    group: new Map<string, Answers>(),
    conversation: new Map<string, Answers>(),
  }
  const keptOfAll: Answers = {}

  /** The earlier object, where the answer is the same. */
  function settled<Value>(answers: Answers, question: string, ask: () => Value): Value {
    const earlier = answers[question] as { readonly from: Shown; readonly value: Value } | undefined
    const from = shown()
    if (earlier?.from === from) return earlier.value
    const answer = ask()
    const value = earlier && isSame(earlier.value, answer) ? earlier.value : answer
    answers[question] = { from, value }
    return value
  }

  /** Never more than there are things: an entry too many is of a thing that is not known any more. */
  function answersOf(
    all: Map<string, Answers>,
    id: string,
    known: { readonly size: number; has(id: string): boolean },
  ): Answers {
    let answers = all.get(id)
    if (!answers) {
      if (all.size >= known.size) for (const other of all.keys()) if (!known.has(other)) all.delete(other)
      answers = {}
      all.set(id, answers)
    }
    return answers
  }

  function roomsOf(kind: RoomKind): ReadonlyMap<string, Room> {
    return shown().picture[`${kind}s`]
  }

  /** Undefined when the user is not in that room. */
  function askRoom<Value>(
    kind: RoomKind,
    id: string,
    question: string,
    ask: (room: Room) => Value,
  ): Value | undefined {
    const rooms = roomsOf(kind)
    const room = rooms.get(id)
    return room && settled(answersOf(kept[kind], id, rooms), question, () => ask(room))
  }

  function isOnlineIn(kind: RoomKind, id: string, userId: string): boolean {
    onRead(`${kind} room`, id)
    onRead('user', userId)
    return (
      (roomsOf(kind)
        .get(id)
        ?.roster.has(userId as UserId) ??
        false) &&
      isOnline(userId as UserId)
    )
  }

  function isOnline(userId: UserId): boolean {
    return (shown().picture.users.get(userId) ?? 0) > 0
  }

  function onlineIn(kind: RoomKind, id: string): readonly string[] {
    onRead(`${kind} crowd`, id)
    return askRoom(kind, id, 'online', ({ roster }) => [...roster].filter(isOnline)) ?? NOBODY
  }

  function occupancyOf(kind: RoomKind, id: string): Occupancy | undefined {
    onRead(`${kind} crowd`, id)
    return askRoom(kind, id, 'occupancy', ({ mode, members, online, roster }) => {
      if (mode === 'names') for (const userId of roster) if (isOnline(userId)) online += 1
      return { mode, members, online }
    })
  }

  function idsOf(kind: RoomKind): readonly string[] {
    onRead('rooms', '')
    return settled(keptOfAll, kind, () => [...roomsOf(kind).keys()])
  }

  function presenceOf(userId: string): UserPresence {
    onRead('user', userId)
    onRead('state', '')
    const { picture, state, unknownSince } = shown()
    const { users }: { users: ReadonlyMap<string, number> } = picture
    const count = users.get(userId)
    // All of whom nothing is known have one answer in common.
    const answers = count === undefined ? keptOfAll : answersOf(kept.user, userId, users)
    return settled<UserPresence>(answers, 'presence', () => {
      const last = count === undefined ? undefined : { online: count > 0, count }
      return last && state.name === 'live' && !picture.unheard.has(userId as UserId)
        ? { status: 'known', ...last }
        : { status: 'unknown', since: unknownSince, last }
    })
  }

  return {
    isUserOnlineInConversation: (id, userId) => isOnlineIn('conversation', id, userId),
    isUserOnlineInGroup: (id, userId) => isOnlineIn('group', id, userId),
    getOnlineUsersInConversation: (id) => onlineIn('conversation', id),
    getOnlineUsersInGroup: (id) => onlineIn('group', id),
    conversationOccupancy: (id) => occupancyOf('conversation', id),
    groupOccupancy: (id) => occupancyOf('group', id),
    typing(id) {
      onRead('typing', id)
      const ask = () => [...typingIn(shown(), id as ConversationId)]
      return askRoom('conversation', id, 'typing', ask) ?? NOBODY
    },
    presence: presenceOf,
    devices() {
      onRead('devices', '')
      const { count, devices } = shown().picture.devices
      // What a newer server says of a device as well is not passed on.
      return settled(keptOfAll, 'devices', () => ({
        count,
        devices: devices.map(({ deviceId, since, label }) => ({
          deviceId,
          since,
          ...(label !== undefined && { label }),
        })),
      }))
    },
    conversations: () => idsOf('conversation'),
    groups: () => idsOf('group'),
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
