/**
 * Presence without sockets, database or clock, for tests of a host's own code. What it answers and tells comes from the
 * real engine, through the code that answers on a real server; made up is only who connects, and when.
 */
import { parseAuth, type ConversationId, type GroupId, type SessionId, type UserId } from '@vigie/protocol'
import {
  createEngine,
  resolveSettings,
  type Effect,
  type Input,
  type KnownRooms,
  type RosterOrSize,
  type Settings,
  type Stale,
} from '../core/index.js'
import { memoryMemberships } from '../memory/index.js'
// Not its `index.js`: that would load Socket.IO.
import { NOTHING_MEASURED, readMetrics } from '../host/metrics.js'
import { createShellCounts } from '../host/shell-counts.js'
import { createTransitionCounter } from '../host/transition-counter.js'
import { createServerApi, NO_GHOSTS, type PresenceServer } from '../host/server-api.js'

/** Members by id of the room: `{ plan: ['ana', 'ben'] }`, or the same as pairs. */
export type TestRooms =
  Readonly<Record<string, readonly string[]>> | Iterable<readonly [id: string, userIds: Iterable<string>]>

/** Milliseconds, or `'500ms'`, `'5s'`, `'2min'`. */
export type TestDuration = number | `${number}ms` | `${number}s` | `${number}min`

/** What a client says of itself when it connects. Without a `deviceId` each connection is a device of its own. */
export interface TestDevice {
  readonly deviceId?: string
  readonly clientId?: string
}

/** What is true at first; every setting of `attachPresence`, such as `graceMs`, is an option, too. */
export interface TestPresenceOptions extends Partial<Settings> {
  /** @default none */
  readonly groups?: TestRooms
  /** @default none */
  readonly conversations?: TestRooms
  /** People who are in no group and in no conversation. @default none */
  readonly users?: readonly string[]
  /** Who is online, each with one device. @default nobody */
  readonly online?: readonly string[]
}

/**
 * Presence as `attachPresence` gives it, and what a test makes happen. Whatever follows has followed, and listeners have
 * heard of it, before the call returns. A listener that throws fails the test that made it hear.
 */
export interface TestPresence extends PresenceServer {
  /** A connection of the user begins. */
  connect(userId: string, device?: TestDevice): void
  /** The user's clients disconnect, or those of one device: seen at once (`leaveGraceMs`). */
  disconnect(userId: string, which?: { readonly deviceId?: string }): void
  /** Their connections end without a word: seen when `graceMs` is over, unless they are back by then. */
  lose(userId: string, which?: { readonly deviceId?: string }): void
  /** The user begins to type, or goes on; it ends after `typingLeaseMs`, by `stopTyping`, or with the connection. */
  startTyping(userId: string, conversationId: string): void
  /** The members are these now; `undefined`: it is no more. Nobody needs to call `membershipsChanged`. */
  setConversation(conversationId: string, userIds: readonly string[] | undefined): void
  setGroup(groupId: string, userIds: readonly string[] | undefined): void
  /** Time passes; nothing waits. What is due meanwhile happens, each at its own moment. */
  advance(duration: TestDuration): void
}

/**
 * Makes presence for a test of code that asks presence or hears of it.
 *
 * @throws RangeError from each method of a test that is asked what cannot be, with one sentence.
 * @example
 * const presence = createTestPresence({ conversations: { plan: ['ana', 'ben'] }, online: ['ana'] })
 * const chat = createChat({ presence })
 * presence.connect('ben')
 * presence.lose('ben')
 * presence.advance('5s') // graceMs: Ben is offline
 */
export function createTestPresence(options: TestPresenceOptions = {}): TestPresence {
  const { groups = {}, conversations = {}, users = [], online = [], ...settings } = options
  const resolved = resolveSettings(settings)
  const engine = createEngine(resolved)
  const given = { groups: pairsOf(groups), conversations: pairsOf(conversations) }
  const rows = memoryMemberships(given)
  const people = new Set([...users, ...[...given.groups, ...given.conversations].flatMap(([, ids]) => ids)])
  /** Those that have not ended, in the order in which they came. */
  const connections = new Map<SessionId, { readonly userId: string; readonly deviceId: string | undefined }>()
  /** What came while effects were carried out: a listener that kicks, say. */
  const waiting: Input[] = []
  const failures: unknown[] = []
  const counts = createShellCounts()
  const countTransition = createTransitionCounter(counts)
  let now = 0
  let made = 0
  let isBusy = false
  let isClosed = false

  const api = createServerApi({
    engine,
    accept,
    invalidate,
    readRoom: async (room) => {
      const [known] = room.kind === 'group' ? factsOf([room.id], []) : factsOf([], [room.id])
      return known?.value ?? 0
    },
    // Time begins with the test.
    explaining: { wallTime: (at) => at },
    onFailure(_event, error) {
      // The promise of an `async` listener fails later; then this is a rejection that nobody handles, which ends a test.
      if (!isBusy) throw error
      failures.push(error)
    },
  })
  void rows.open((stale) => {
    if (stale !== 'all') invalidate(stale)
  })

  function accept(input: Input): void {
    if (isClosed) return
    waiting.push(input)
    if (isBusy) return
    isBusy = true
    try {
      for (let next = waiting.shift(); next; next = waiting.shift())
        for (const effect of engine.apply(next, now)) perform(effect)
    } finally {
      isBusy = false
    }
    if (failures.length > 0) throw failures.splice(0)[0]
  }

  function perform(effect: Effect): void {
    switch (effect.type) {
      case 'close':
        connections.delete(effect.sessionId)
        return
      case 'presence':
      case 'typing':
        countTransition(effect)
        api.tell(effect)
        return
      // Nothing is sent: what is pending for a session is one state, however long it waits. And rows never disagree:
      // here users and rooms are read together, the moment they change.
      case 'due':
      case 'reread':
      case 'unplaced':
      case 'want':
      case 'forget':
      case 'refused':
        return
      // There is no audit trail.
      case 'session':
      case 'rooms':
    }
  }

  function invalidate(stale: Exclude<Stale, 'all'>): void {
    for (const userId of stale.users) accept({ type: 'memberships', userId, rooms: roomsOf(userId) })
    accept({ type: 'rooms', rooms: factsOf(stale.groups, stale.conversations) })
  }

  function roomsOf(userId: string): KnownRooms {
    return factsOf(rows.groupsOf(userId), rows.conversationsOf(userId))
  }

  function factsOf(groupIds: Iterable<GroupId>, conversationIds: Iterable<ConversationId>): KnownRooms {
    const facts = (members: ReadonlySet<UserId>): RosterOrSize =>
      members.size <= resolved.namesMax ? [...members] : members.size
    return [
      ...Array.from(
        groupIds,
        (id) => ({ kind: 'group', id, value: facts(rows.membersOfGroup(id)) }) as const,
      ),
      ...Array.from(
        conversationIds,
        (id) => ({ kind: 'conversation', id, value: facts(rows.membersOfConversation(id)) }) as const,
      ),
    ]
  }

  function connect(userId: string, device: TestDevice = {}): void {
    check(userId)
    const { deviceId, clientId } = parseAuth(device)
    const sessionId = `${userId}/${++made}` as SessionId
    connections.set(sessionId, { userId, deviceId: device.deviceId })
    accept({
      type: 'connect',
      sessionId,
      userId: userId as UserId,
      rooms: roomsOf(userId),
      deviceId: deviceId ?? undefined,
      clientId: clientId ?? undefined,
      since: now,
    })
  }

  function end(how: 'disconnected' | 'lost', userId: string, deviceId: string | undefined): void {
    for (const sessionId of connectionsOf(userId, deviceId)) {
      connections.delete(sessionId)
      accept({ type: how, sessionId })
    }
  }

  /** @throws RangeError when there is none. */
  function connectionsOf(userId: string, deviceId?: string): SessionId[] {
    check(userId)
    const found = [...connections]
      .filter(([, of]) => of.userId === userId && (deviceId === undefined || of.deviceId === deviceId))
      .map(([sessionId]) => sessionId)
    if (found.length > 0) return found
    const device = deviceId === undefined ? '' : ` with the device ${quoted(deviceId)}`
    throw new RangeError(`${quoted(userId)} is not connected${device}.`)
  }

  function check(userId: string): void {
    checkOpen()
    if (people.has(userId)) return
    throw new RangeError(
      `${quoted(userId)} is in no group or conversation of this test; name them in \`users\` if they are in none.`,
    )
  }

  function checkOpen(): void {
    if (isClosed) throw new RangeError('This presence is closed.')
  }

  function setMembers(
    { add, remove }: { add: (userId: string) => void; remove: (userId: string) => void },
    before: ReadonlySet<string>,
    userIds: readonly string[] = [],
  ): void {
    checkOpen()
    const after = new Set(userIds)
    for (const userId of [...before]) if (!after.has(userId)) remove(userId)
    for (const userId of after) {
      people.add(userId)
      add(userId)
    }
  }

  for (const userId of online) connect(userId)

  return {
    ...api.methods,
    ready: Promise.resolve(),
    metrics: () =>
      readMetrics({
        ...NOTHING_MEASURED,
        counts,
        core: engine.counts(),
        census: engine.census(),
        now,
      }),
    // There is nothing that a session could differ from.
    ghosts: () => NO_GHOSTS,
    // There is no audit trail.
    note() {},
    // Nobody is connected by a socket that could be asked.
    auditClients: () =>
      Promise.resolve({
        answering: 0,
        asked: 0,
        equal: 0,
        different: [],
        unanswered: 0,
        malformed: 0,
        skipped: 0,
      }),
    sizes: () => ({ ...engine.sizes(), connections: connections.size, pressure: 0, ghostsRepaired: 0 }),
    // Nothing is read, nobody waits, and no loop runs.
    health: () => ({
      feedAgeMs: undefined,
      areReadsFailing: false,
      rereadOverdueMs: 0,
      admissionWaiting: 0,
      admissionWaitMs: 0,
      loopLagMs: 0,
      pressure: 0,
    }),
    async close() {
      isClosed = true
      connections.clear()
      api.close()
      await rows.close()
    },
    connect,
    disconnect(userId, { deviceId } = {}) {
      end('disconnected', userId, deviceId)
    },
    lose(userId, { deviceId } = {}) {
      end('lost', userId, deviceId)
    },
    startTyping(userId, conversationId) {
      const sessionId = connectionsOf(userId).at(-1)
      if (!rows.membersOfConversation(conversationId).has(userId as UserId)) {
        throw new RangeError(`${quoted(userId)} is not in the conversation ${quoted(conversationId)}.`)
      }
      if (sessionId === undefined) return
      accept({ type: 'typing', sessionId, conversationId: conversationId as ConversationId, typing: true })
    },
    setConversation(id, userIds) {
      const add = (userId: string) => rows.addToConversation(id, userId)
      const remove = (userId: string) => rows.removeFromConversation(id, userId)
      setMembers({ add, remove }, rows.membersOfConversation(id), userIds)
    },
    setGroup(id, userIds) {
      const add = (userId: string) => rows.addToGroup(id, userId)
      const remove = (userId: string) => rows.removeFromGroup(id, userId)
      setMembers({ add, remove }, rows.membersOfGroup(id), userIds)
    },
    advance(duration) {
      checkOpen()
      if (isBusy) throw new RangeError('Time cannot pass while a listener hears of something.')
      const until = now + millisecondsOf(duration)
      for (let at = engine.nextDeadline(); at !== undefined && at <= until; at = engine.nextDeadline()) {
        now = Math.max(now, at)
        accept({ type: 'wake' })
      }
      now = until
    },
  }
}

function pairsOf(rooms: TestRooms): (readonly [id: string, userIds: readonly string[]])[] {
  const pairs = isIterable(rooms) ? rooms : Object.entries(rooms)
  return Array.from(pairs, ([id, userIds]) => [id, [...userIds]] as const)
}

function isIterable(rooms: TestRooms): rooms is Extract<TestRooms, Iterable<unknown>> {
  return Symbol.iterator in rooms
}

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['min', 60_000],
])

function millisecondsOf(duration: TestDuration): number {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|min)$/u.exec(String(duration)) ?? []
  const ms = typeof duration === 'number' ? duration : Number(amount) * (UNIT_MS.get(unit) ?? NaN)
  if (ms >= 0 && ms < Infinity) return ms
  throw new RangeError(
    `${quoted(String(duration))} is no duration: give milliseconds, or "500ms", "5s", "2min".`,
  )
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
