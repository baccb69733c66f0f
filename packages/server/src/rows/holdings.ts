/**
 * The records of users and rooms behind directory.ts: each as long as somebody needs it, and each once, however many
 * need it. There are tens of thousands, so they are plain, and share their strings.
 */
import type { UserId } from '@vigie/protocol'
import type { RosterOrSize, RoomName, RoomRows, UserMemberships } from '../core/index.js'
import type { Fresh, FreshQueue } from './fresh.js'
import { createInterner } from './interner.js'

/** A user whose rows are needed; the value: the rooms that they name, held for this user. */
export interface UserEntry extends Fresh<readonly RoomEntry[]> {
  readonly id: UserId
  /** How many need it; dropped at 0. */
  pins: number
  /** When its turn of the slow re-read is. */
  readonly slot: number
}

/** A room that somebody's rows name. */
export type RoomEntry = RoomName & Fresh<RosterOrSize> & { pins: number; readonly slot: number }

export interface Holdings {
  readonly users: ReadonlyMap<string, UserEntry>
  readonly groups: ReadonlyMap<string, RoomEntry>
  readonly conversations: ReadonlyMap<string, RoomEntry>
  /** Asks for the user's rows, unless they are known. The id as it is kept. */
  holdUser(userId: UserId): UserId
  releaseUser(userId: UserId): void
  /** The rooms that rows name, to be released later; those that are not known yet are asked for. */
  holdRooms(rows: UserMemberships): readonly RoomEntry[]
  releaseRooms(rooms: readonly RoomEntry[]): void
  /** Rows as they are kept. */
  factsOf(rows: RoomRows | undefined): RosterOrSize
  clear(): void
}

export type UserQueue = FreshQueue<readonly RoomEntry[], UserEntry>
export type RoomQueue = FreshQueue<RosterOrSize, RoomEntry>

interface HoldingsOptions {
  readonly userQueue: UserQueue
  readonly roomQueue: RoomQueue
  /** The slot of the slow re-read for an entry that is made now. */
  readonly slotOfNew: () => number
}

export function createHoldings({ userQueue, roomQueue, slotOfNew }: HoldingsOptions): Holdings {
  const users = new Map<string, UserEntry>()
  const groups = new Map<string, RoomEntry>()
  const conversations = new Map<string, RoomEntry>()
  /** Rows come with strings of their own, one for each roster that a user is in. */
  const names = createInterner(namesInUse)

  function* namesInUse(): Iterable<string> {
    yield* users.keys()
    for (const rooms of [groups, conversations])
      for (const { value } of rooms.values()) if (typeof value === 'object') yield* value
  }

  function holdRoom(rooms: Map<string, RoomEntry>, { kind, id }: RoomName): RoomEntry {
    let room = rooms.get(id)
    if (!room) {
      room = { kind, id, pins: 0, slot: slotOfNew(), state: 'new', value: undefined } as RoomEntry
      rooms.set(id, room)
    }
    room.pins++
    roomQueue.ask(room)
    return room
  }

  function releaseRooms(rooms: readonly RoomEntry[]): void {
    for (const room of rooms) {
      if (--room.pins > 0) continue
      if (room.kind === 'group') groups.delete(room.id)
      else conversations.delete(room.id)
      roomQueue.drop(room)
    }
  }

  return {
    users,
    groups,
    conversations,
    holdUser(userId) {
      let user = users.get(userId)
      if (!user) {
        user = { id: names.intern(userId), pins: 0, slot: slotOfNew(), state: 'new', value: undefined }
        users.set(user.id, user)
      }
      user.pins++
      userQueue.ask(user)
      return user.id
    },
    releaseUser(userId) {
      const user = users.get(userId)
      if (!user || --user.pins > 0) return
      users.delete(userId)
      userQueue.drop(user)
      releaseRooms(user.value ?? [])
      user.value = undefined
    },
    holdRooms: (rows) =>
      // `concat` makes a list of just the right length, which a spread does not.
      eachOnce(rows.groups)
        .map((id) => holdRoom(groups, { kind: 'group', id }))
        .concat(
          eachOnce(rows.conversations).map((id) => holdRoom(conversations, { kind: 'conversation', id })),
        ),
    releaseRooms,
    factsOf: (rows) => rows?.roster?.map((id) => names.intern(id)) ?? rows?.members ?? 0,
    clear() {
      users.clear()
      groups.clear()
      conversations.clear()
    },
  }
}

/** Lists up to this long are looked through item by item: a set of each would be most of what a read throws away. */
const SHORT = 32

/** An adapter promises it; one that does not keep it would make rooms count somebody twice. */
function eachOnce<Id>(ids: readonly Id[]): readonly Id[] {
  if (ids.length <= SHORT && ids.every((id, place) => ids.indexOf(id) === place)) return ids
  const unique = new Set(ids)
  return unique.size === ids.length ? ids : [...unique]
}
