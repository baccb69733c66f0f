import assert from 'node:assert/strict'
import { PresenceError, type ConversationId, type GroupId, type UserId } from '@vigie/protocol'
import { READ_ROOMS_MAX, READ_USERS_MAX, type IdKind, type Memberships } from '../../core/ports.js'
import { staleRecorder, type StaleRecorder } from '../stale-recorder.js'

/** More than any case has members. */
const ROSTER_MAX = 1_000

/** One promise of a port: a sentence, and what shows it. It rejects with an AssertionError. */
export interface ContractCase {
  readonly title: string
  run(): Promise<void>
}

/** A store of its own for one case, empty at first. */
export interface MembershipsHarness {
  /** Not opened yet. */
  readonly memberships: Memberships
  /** The n-th id, from 1, in the form that the store holds. */
  user(n: number): UserId
  group(n: number): GroupId
  conversation(n: number): ConversationId
  /** Ids that the store cannot hold; none where it holds any. */
  readonly foreignIds: readonly string[]
  /** The n-th user's id as a client may write it as well; absent where an id has one spelling. */
  otherSpelling?(n: number): string
  /** Changes of rows; when one has resolved, it is committed. */
  readonly rows: MembershipRows
  /** The store cannot be reached until `comeBack`; rows still change, as they do when only the way is cut. */
  goAway(): Promise<void> | void
  comeBack(): Promise<void> | void
  /** Ends everything, `memberships` included. */
  close(): Promise<void>
}

/** How the host changes rows. */
export interface MembershipRows {
  addToGroup(groupId: GroupId, userId: UserId): Promise<void> | void
  removeFromGroup(groupId: GroupId, userId: UserId): Promise<void> | void
  addToConversation(conversationId: ConversationId, userId: UserId): Promise<void> | void
  removeFromConversation(conversationId: ConversationId, userId: UserId): Promise<void> | void
  deleteUser(userId: UserId): Promise<void> | void
  deleteGroup(groupId: GroupId): Promise<void> | void
  deleteConversation(conversationId: ConversationId): Promise<void> | void
}

/**
 * What `Memberships` promises, as cases for any test runner.
 * @example for (const { title, run } of membershipsContract(openMine)) test(title, run)
 */
export function membershipsContract(open: () => Promise<MembershipsHarness>): readonly ContractCase[] {
  return Object.entries(PROMISES).map(([title, show]) => ({
    title,
    async run() {
      const harness = await open()
      try {
        await show(harness, staleRecorder())
      } finally {
        await harness.close()
      }
    },
  }))
}

type Show = (harness: MembershipsHarness, told: StaleRecorder) => Promise<void>

const PROMISES: Readonly<Record<string, Show>> = {
  async 'a user is in the groups and conversations that rows name'({
    memberships,
    rows,
    user,
    group,
    conversation,
  }) {
    await rows.addToGroup(group(1), user(1))
    await rows.addToGroup(group(2), user(1))
    await rows.addToConversation(conversation(1), user(1))
    await rows.addToConversation(conversation(2), user(2))
    assert.deepEqual(await roomsOf(memberships, user(1)), {
      groups: [group(1), group(2)],
      conversations: [conversation(1)],
    })
    assert.deepEqual(await roomsOf(memberships, user(2)), { groups: [], conversations: [conversation(2)] })
  },

  async 'a user without rows is in nothing'({ memberships, rows, user, group }) {
    await rows.addToGroup(group(1), user(1))
    assert.deepEqual(await roomsOf(memberships, user(2)), NOTHING)
  },

  async 'a size is the number of members, and 0 or absent without rows'(harness) {
    const { memberships, rows, user, group, conversation } = harness
    for (const n of [1, 2, 3]) await rows.addToGroup(group(1), user(n))
    await rows.addToConversation(conversation(1), user(1))
    const sizes = await memberships.readRooms(
      [group(1), group(2)],
      [conversation(1), conversation(2)],
      ROSTER_MAX,
    )
    assert.equal(sizes.groups.get(group(1))?.members, 3)
    assert.equal(sizes.groups.get(group(2))?.members ?? 0, 0)
    assert.equal(sizes.conversations.get(conversation(1))?.members, 1)
    assert.equal(sizes.conversations.get(conversation(2))?.members ?? 0, 0)
  },

  async 'ids that the store cannot hold have no memberships and do not harm the others'(harness) {
    const { memberships, rows, user, group, conversation, foreignIds } = harness
    await rows.addToGroup(group(1), user(1))
    await rows.addToConversation(conversation(1), user(1))
    const strange = [...foreignIds, '__proto__', "'; --", '{"}', '\\', 'é漢🦜']
    const found = await memberships.readUsers([...(strange as UserId[]), user(1)])
    assert.deepEqual([...found.keys()], [user(1)])
    const sizes = await memberships.readRooms(
      [...(strange as GroupId[]), group(1)],
      [...(strange as ConversationId[]), conversation(1)],
      ROSTER_MAX,
    )
    assert.deepEqual(
      [sizes.groups.get(group(1))?.members, sizes.conversations.get(conversation(1))?.members],
      [1, 1],
    )
    for (const id of strange) assert.equal(sizes.groups.get(id as GroupId)?.members ?? 0, 0)
  },

  async 'a whole batch is answered'({ memberships, rows, user, group, conversation }) {
    const users = Array.from({ length: READ_USERS_MAX }, (_, index) => user(index + 1))
    for (const one of [users[0], users.at(-1)]) if (one) await rows.addToGroup(group(1), one)
    const found = await memberships.readUsers(users)
    const members = users.filter((one) => found.get(one)?.groups.includes(group(1)))
    assert.deepEqual(members, [users[0], users.at(-1)])
    const half = READ_ROOMS_MAX / 2
    const groups = Array.from({ length: half }, (_, index) => group(index + 1))
    const conversations = Array.from({ length: half }, (_, index) => conversation(index + 1))
    await rows.addToConversation(conversation(half), user(1))
    const rooms = await memberships.readRooms(groups, conversations, ROSTER_MAX)
    assert.equal(rooms.groups.get(group(1))?.members, 2)
    assert.deepEqual(rooms.conversations.get(conversation(half)), { members: 1, roster: [user(1)] })
  },

  async 'members are named up to as many as asked for, and above that only counted'(harness) {
    const { memberships, rows, user, group, conversation } = harness
    for (const n of [1, 2, 3]) await rows.addToGroup(group(1), user(n))
    await rows.addToConversation(conversation(1), user(1))
    const named = await memberships.readRooms([group(1)], [conversation(1)], 3)
    assert.deepEqual(
      [...(named.groups.get(group(1))?.roster ?? [])].sort(),
      [user(1), user(2), user(3)].sort(),
    )
    assert.deepEqual(named.conversations.get(conversation(1))?.roster, [user(1)])
    const counted = await memberships.readRooms([group(1)], [], 2)
    assert.equal(counted.groups.get(group(1))?.members, 3)
    assert.equal(counted.groups.get(group(1))?.roster, undefined)
  },

  async 'an id has one spelling, which is the one that reads give it'(harness) {
    const { memberships, rows, user, group } = harness
    await memberships.open(() => {})
    const spell = memberships.spelling?.bind(memberships) ?? ((_kind: IdKind, id: string) => id)
    for (const id of [user(1), harness.otherSpelling?.(1) ?? user(1)])
      assert.equal(spell('user', id), user(1))
    assert.equal(spell('group', group(1)), group(1))
    for (const id of harness.foreignIds) assert.equal(spell('user', spell('user', id)), spell('user', id))
    await rows.addToGroup(group(1), user(1))
    const found = await memberships.readRooms([group(1)], [], ROSTER_MAX)
    assert.deepEqual(found.groups.get(group(1))?.roster, [user(1)])
  },

  async 'nothing asked is nothing found'({ memberships }) {
    assert.equal((await memberships.readUsers([])).size, 0)
    assert.equal((await memberships.readRooms([], [], ROSTER_MAX)).groups.size, 0)
  },

  async 'an added row is told, and a read after that sees it'(
    { memberships, rows, user, group, conversation },
    told,
  ) {
    await memberships.open(told.onStale)
    await rows.addToGroup(group(1), user(1))
    await told.named({ users: [user(1)], groups: [group(1)] })
    assert.deepEqual(await roomsOf(memberships, user(1)), { groups: [group(1)], conversations: [] })
    await rows.addToConversation(conversation(1), user(1))
    await told.named({ users: [user(1)], conversations: [conversation(1)] })
    assert.deepEqual(await roomsOf(memberships, user(1)), {
      groups: [group(1)],
      conversations: [conversation(1)],
    })
  },

  async 'a removed row is told, and a read after that sees it'(
    { memberships, rows, user, group, conversation },
    told,
  ) {
    await rows.addToGroup(group(1), user(1))
    await rows.addToConversation(conversation(1), user(1))
    await memberships.open(told.onStale)
    await rows.removeFromGroup(group(1), user(1))
    await rows.removeFromConversation(conversation(1), user(1))
    await told.named({ users: [user(1)], groups: [group(1)], conversations: [conversation(1)] })
    assert.deepEqual(await roomsOf(memberships, user(1)), NOTHING)
  },

  async 'a deleted user is told with every room that the rows named'(harness, told) {
    const { memberships, rows, user, group, conversation } = harness
    await rows.addToGroup(group(1), user(1))
    await rows.addToConversation(conversation(1), user(1))
    await rows.addToConversation(conversation(2), user(1))
    await memberships.open(told.onStale)
    await rows.deleteUser(user(1))
    await told.named({
      users: [user(1)],
      groups: [group(1)],
      conversations: [conversation(1), conversation(2)],
    })
    assert.deepEqual(await roomsOf(memberships, user(1)), NOTHING)
  },

  async 'a deleted group or conversation is told with everybody who was in it'(harness, told) {
    const { memberships, rows, user, group, conversation } = harness
    for (const n of [1, 2]) await rows.addToGroup(group(1), user(n))
    for (const n of [3, 4]) await rows.addToConversation(conversation(1), user(n))
    await memberships.open(told.onStale)
    await rows.deleteGroup(group(1))
    await told.named({ users: [user(1), user(2)], groups: [group(1)] })
    await rows.deleteConversation(conversation(1))
    await told.named({ users: [user(3), user(4)], conversations: [conversation(1)] })
    const sizes = await memberships.readRooms([group(1)], [conversation(1)], ROSTER_MAX)
    assert.equal(
      (sizes.groups.get(group(1))?.members ?? 0) + (sizes.conversations.get(conversation(1))?.members ?? 0),
      0,
    )
  },

  async 'of many changes at once none is lost'({ memberships, rows, user, group }, told) {
    await memberships.open(told.onStale)
    const users = Array.from({ length: 60 }, (_, index) => user(index + 1))
    await Promise.all(users.map(async (one) => rows.addToGroup(group(1), one)))
    await told.named({ users, groups: [group(1)] })
    assert.equal(
      (await memberships.readRooms([group(1)], [], ROSTER_MAX)).groups.get(group(1))?.members,
      users.length,
    )
  },

  async 'while the store is away reads fail as unavailable, and work again once it is back'(harness, told) {
    const { memberships, rows, user, group } = harness
    await rows.addToGroup(group(1), user(1))
    await memberships.open(told.onStale)
    await harness.goAway()
    await assert.rejects(memberships.readUsers([user(1)]), isUnavailable)
    await assert.rejects(memberships.readRooms([group(1)], [], ROSTER_MAX), isUnavailable)
    await harness.comeBack()
    const found = await eventually(() => roomsOf(memberships, user(1)))
    assert.deepEqual(found, { groups: [group(1)], conversations: [] })
  },

  async 'a change that was made while the store was away is told once it is back'(harness, told) {
    const { memberships, rows, user, group } = harness
    await memberships.open(told.onStale)
    await harness.goAway()
    await rows.addToGroup(group(1), user(1))
    assert.equal(told.hasNamed(user(1)), false)
    await harness.comeBack()
    await told.named({ users: [user(1)], groups: [group(1)] })
  },

  async 'after close nothing is told, and closing again is no error'(
    { memberships, rows, user, group },
    told,
  ) {
    await memberships.open(told.onStale)
    await memberships.close()
    await rows.addToGroup(group(1), user(1))
    await memberships.close()
    assert.deepEqual(told.calls, [])
  },
}

const NOTHING = { groups: [], conversations: [] }

/** Sorted: the port promises no order. */
async function roomsOf(memberships: Memberships, userId: UserId) {
  const found = (await memberships.readUsers([userId])).get(userId) ?? { groups: [], conversations: [] }
  assert.equal(
    new Set(found.groups).size + new Set(found.conversations).size,
    countOf(found),
    'each room once',
  )
  return { groups: [...found.groups].sort(), conversations: [...found.conversations].sort() }
}

function countOf({
  groups,
  conversations,
}: {
  groups: readonly unknown[]
  conversations: readonly unknown[]
}) {
  return groups.length + conversations.length
}

function isUnavailable(error: unknown): boolean {
  return error instanceof PresenceError && error.code === 'unavailable'
}

/** Asks until it is not unavailable any more; the runner's time limit ends it. */
async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isUnavailable(error)) throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
