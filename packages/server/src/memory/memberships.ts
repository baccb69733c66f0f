import { isId, type ConversationId, type GroupId, type UserId } from '@vigie/protocol'
import type { Memberships, RoomRows, Stale, UserMemberships } from '../core/ports.js'

/** Rows to begin with: a room and its members. */
export interface MemoryRows {
  readonly groups?: Iterable<readonly [groupId: string, userIds: Iterable<string>]>
  readonly conversations?: Iterable<readonly [conversationId: string, userIds: Iterable<string>]>
}

/** {@link Memberships} without a database, and the rows behind it. */
export interface MemoryMemberships extends Memberships {
  addToGroup(groupId: string, userId: string): void
  removeFromGroup(groupId: string, userId: string): void
  addToConversation(conversationId: string, userId: string): void
  removeFromConversation(conversationId: string, userId: string): void
  deleteUser(userId: string): void
  deleteGroup(groupId: string): void
  deleteConversation(conversationId: string): void
  /** The rows as they are, for tests that compare with the truth. A live view: do not keep it over a change. */
  groupsOf(userId: string): ReadonlySet<GroupId>
  conversationsOf(userId: string): ReadonlySet<ConversationId>
  membersOfGroup(groupId: string): ReadonlySet<UserId>
  membersOfConversation(conversationId: string): ReadonlySet<UserId>
}

/**
 * Memberships kept in this process: for tests, and for hosts whose rooms are few and known at start. See
 * {@link Memberships}; a change is told before the method that made it returns, and one that changes nothing
 * is not told.
 *
 * @throws RangeError from the methods that change rows when an id is none (see `isId`).
 * @example
 * const memberships = memoryMemberships({ groups: [['crew', ['ada', 'grace']]] })
 * memberships.addToConversation('lunch', 'ada')
 */
export function memoryMemberships(initial: MemoryRows = {}): MemoryMemberships {
  const groups = relation<GroupId>(initial.groups)
  const conversations = relation<ConversationId>(initial.conversations)
  let tell: (stale: Stale) => void = () => {}

  function changed(
    users: readonly UserId[],
    inGroups: readonly GroupId[],
    inConversations: readonly ConversationId[],
  ) {
    if (inGroups.length + inConversations.length === 0) return
    tell({ users, groups: inGroups, conversations: inConversations })
  }

  return {
    open(onStale) {
      tell = onStale
      return Promise.resolve()
    },
    close() {
      tell = () => {}
      return Promise.resolve()
    },
    readUsers(ids) {
      const found = new Map<UserId, UserMemberships>()
      for (const id of ids) {
        const ofUser = { groups: [...groups.roomsOf(id)], conversations: [...conversations.roomsOf(id)] }
        if (ofUser.groups.length + ofUser.conversations.length > 0) found.set(id, ofUser)
      }
      return Promise.resolve(found)
    },
    readRooms(groupIds, conversationIds, rosterMax) {
      return Promise.resolve({
        groups: groups.rows(groupIds, rosterMax),
        conversations: conversations.rows(conversationIds, rosterMax),
      })
    },

    addToGroup(groupId, userId) {
      const [group, user] = [asId<GroupId>(groupId), asId<UserId>(userId)]
      if (groups.add(group, user)) changed([user], [group], [])
    },
    removeFromGroup(groupId, userId) {
      const [group, user] = [asId<GroupId>(groupId), asId<UserId>(userId)]
      if (groups.remove(group, user)) changed([user], [group], [])
    },
    addToConversation(conversationId, userId) {
      const [conversation, user] = [asId<ConversationId>(conversationId), asId<UserId>(userId)]
      if (conversations.add(conversation, user)) changed([user], [], [conversation])
    },
    removeFromConversation(conversationId, userId) {
      const [conversation, user] = [asId<ConversationId>(conversationId), asId<UserId>(userId)]
      if (conversations.remove(conversation, user)) changed([user], [], [conversation])
    },
    deleteUser(userId) {
      const user = asId<UserId>(userId)
      changed([user], groups.removeUser(user), conversations.removeUser(user))
    },
    deleteGroup(groupId) {
      const group = asId<GroupId>(groupId)
      const users = groups.removeRoom(group)
      if (users.length > 0) changed(users, [group], [])
    },
    deleteConversation(conversationId) {
      const conversation = asId<ConversationId>(conversationId)
      const users = conversations.removeRoom(conversation)
      if (users.length > 0) changed(users, [], [conversation])
    },

    groupsOf: (userId) => groups.roomsOf(userId as UserId),
    conversationsOf: (userId) => conversations.roomsOf(userId as UserId),
    membersOfGroup: (groupId) => groups.membersOf(groupId as GroupId),
    membersOfConversation: (conversationId) => conversations.membersOf(conversationId as ConversationId),
  }
}

const NOBODY: ReadonlySet<never> = new Set<never>()

/** Rows of one kind, found from both ends. */
function relation<Room extends string>(rows: Iterable<readonly [string, Iterable<string>]> = []) {
  const byRoom = new Map<Room, Set<UserId>>()
  const byUser = new Map<UserId, Set<Room>>()

  const self = {
    roomsOf: (user: UserId): ReadonlySet<Room> => byUser.get(user) ?? NOBODY,
    membersOf: (room: Room): ReadonlySet<UserId> => byRoom.get(room) ?? NOBODY,
    rows: (rooms: readonly Room[], rosterMax: number): ReadonlyMap<Room, RoomRows> =>
      new Map(
        rooms.flatMap((room) => {
          const users = byRoom.get(room)
          if (!users) return []
          return [
            [
              room,
              { members: users.size, roster: users.size <= rosterMax ? [...users] : undefined },
            ] as const,
          ]
        }),
      ),
    add(room: Room, user: UserId): boolean {
      const isNew = !self.membersOf(room).has(user)
      put(byRoom, room, user)
      put(byUser, user, room)
      return isNew
    },
    remove(room: Room, user: UserId): boolean {
      take(byUser, user, room)
      return take(byRoom, room, user)
    },
    removeUser(user: UserId): Room[] {
      const rooms = [...self.roomsOf(user)]
      for (const room of rooms) self.remove(room, user)
      return rooms
    },
    removeRoom(room: Room): UserId[] {
      const users = [...self.membersOf(room)]
      for (const user of users) self.remove(room, user)
      return users
    },
  }
  for (const [room, users] of rows) for (const user of users) self.add(asId<Room>(room), asId<UserId>(user))
  return self
}

function put<Key, Value>(index: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const values = index.get(key)
  if (values) values.add(value)
  else index.set(key, new Set([value]))
}

function take<Key, Value>(index: Map<Key, Set<Value>>, key: Key, value: Value): boolean {
  const values = index.get(key)
  if (!values?.delete(value)) return false
  if (values.size === 0) index.delete(key)
  return true
}

function asId<Id extends string>(value: string): Id {
  if (!isId(value)) throw new RangeError(`${JSON.stringify(String(value).slice(0, 64))} is not an id.`)
  return value as Id
}
