/**
 * The engine: one function from an input and a time to effects. It holds the four stations of the data path
 *
 *   sessions → presence → audience → outbox
 *
 * and has no clock, timer, promise, log, socket or chance of its own: the same history of inputs always has the
 * same effects. Whoever runs it (the shell) is the only caller, and calls again at `nextDeadline()`.
 */
import { WATCH_MAX, type ConversationId, type SessionId, type UserId } from '@vigie/protocol'
import type { DueSession, Effect, Input, Place, Presence, PresenceEvent, RoomName } from './inputs.js'
import { holds } from './few.js'
import { forgetUser, setMemberships, setRooms } from './memberships.js'
import {
  createWorld,
  ensureUser,
  findRoom,
  forEachViewer,
  OFFLINE,
  renewWire,
  type Room,
  type Session,
  type World,
} from './model.js'
import { openSlot, owePicture, setWindow, take } from './outbox.js'
import { contribute, expireNode, loseNode, settle } from './presence.js'
import { connect, expire, kick, leave, lose, removeSession, setTokenEnd, watch } from './sessions.js'
import type { Settings } from './settings.js'
import { endTyping, startTyping, stopTyping, tellCrowd } from './typing.js'

export interface Engine {
  /**
   * Lets `input` happen at `now` (milliseconds, monotonic, never less than the last) after everything that was
   * due by then. An input for somebody unknown changes nothing.
   */
  apply(input: Input, now: number): readonly Effect[]
  /**
   * What the session is to be told now; it is owed nothing afterwards. Call it on `due`, with what that named, when
   * the session's transport can be written, and not before: what waits here is one state, what waits in a buffer is
   * a queue. A session that has ended meanwhile is told nothing.
   */
  take(due: DueSession, now: number): readonly PresenceEvent[]
  /** When it wants to be called again, at the latest; undefined: nothing is pending. */
  nextDeadline(): number | undefined
  get(userId: UserId): Presence
  /** Who of a conversation is online, in any mode; empty when nobody known is in it. */
  online(conversationId: ConversationId): readonly UserId[]
  /** The known members of a group or conversation: online, or remembered as offline. */
  members(room: RoomName): readonly UserId[]
  /** The live sessions of a user, or of the members of a room in any mode. */
  sessionsIn(place: Place): readonly SessionId[]
  /** The user of a live session, and the rooms that the user is in; of another session none. */
  placesOf(sessionId: SessionId): readonly Place[]
  /** All that are known, also those without a live session. */
  places(): Iterable<Place>
  /** Sizes of everything that it keeps, for bounds and metrics. */
  sizes(): Readonly<Record<'users' | 'sessions' | 'rooms' | 'offline' | 'owed' | 'nodes', number>>
}

/**
 * @example
 * const engine = createEngine(resolveSettings({ graceMs: 5_000 }))
 * for (const effect of engine.apply({ type: 'lost', sessionId }, performance.now())) perform(effect)
 */
export function createEngine(settings: Settings, epoch = '0'): Engine {
  const world = createWorld(settings, epoch)

  return {
    apply(input, now) {
      world.effects = []
      world.due = []
      world.position++
      advance(world, now)
      world.now = now
      mark(world)
      perform(world, input)
      // A grace of nothing is over at once.
      advance(world, now)
      if (world.due.length > 0) world.effects.push({ type: 'due', sessions: world.due })
      return world.effects
    },
    take(due, now) {
      // Whatever is handed out as due is one.
      const session = due as Session
      if (session.state !== 'live') return NOTHING
      world.now = Math.max(world.now, now)
      return take(world, session)
    },
    nextDeadline: () => world.deadlines.next(),
    get: (userId) => world.users.get(userId)?.presence ?? OFFLINE,
    online: (conversationId) =>
      Array.from(world.conversations.get(conversationId)?.users ?? [])
        .filter((user) => user.presence.online)
        .map((user) => user.id),
    members: (name) => Array.from(findRoom(world, name)?.users ?? [], (user) => user.id),
    sessionsIn: (place) => sessionsIn(world, place),
    placesOf(sessionId) {
      const session = liveSession(world, sessionId)
      if (!session) return []
      const { id, rooms } = session.user
      return [{ kind: 'user', id }, ...rooms.map(({ name }) => name)]
    },
    places: () => places(world),
    sizes: () => ({
      users: world.users.size,
      sessions: world.sessions.size,
      rooms: world.groups.size + world.conversations.size,
      offline: world.offline.size,
      owed: owedEntries(world),
      nodes: world.nodes.size,
    }),
  }
}

const NOTHING: readonly PresenceEvent[] = []

function sessionsIn(world: World, place: Place): readonly SessionId[] {
  if (place.kind === 'user') return world.users.get(place.id)?.live.map(({ id }) => id) ?? []
  const found: SessionId[] = []
  const room = findRoom(world, place)
  if (room) forEachViewer(room, ({ id }) => found.push(id))
  return found
}

function* places({ users, groups, conversations }: World): Iterable<Place> {
  for (const id of users.keys()) yield { kind: 'user', id }
  for (const { name } of groups.values()) yield name
  for (const { name } of conversations.values()) yield name
}

/** Remembers when which position was reached, for as long as somebody may come back with it. */
function mark(world: World): void {
  const { marks, now } = world
  if (now - (marks.at(-1)?.at ?? -Infinity) < MARK_MS) return
  marks.push({ at: now, position: world.position })
  const oldest = now - world.settings.offlineMemoryMs
  // The one before the oldest that counts says where the positions begin that are too old.
  while (marks[1] && marks[1].at <= oldest) marks.shift()
}

const MARK_MS = 1_000

/** Everything that is due by `now` happens first, each at its own time, in order. */
function advance(world: World, now: number): void {
  for (let at = world.deadlines.next(); at !== undefined && at <= now; at = world.deadlines.next()) {
    world.now = Math.max(world.now, at)
    const timed = world.deadlines.takeDue(at)
    switch (timed?.is) {
      case 'session':
        expire(world, timed)
        settle(world, timed.user)
        break
      case 'lease':
        endTyping(world, timed.session)
        break
      case 'user':
        forgetUser(world, timed)
        break
      case 'crowd':
        tellCrowd(world, timed)
        break
      case 'node':
        expireNode(world, timed)
        break
      case 'wire':
        renewWire(world)
        break
      case 'slot':
        openSlot(world, timed.at)
        break
      case undefined:
        break
    }
  }
}

function perform(world: World, input: Input): void {
  switch (input.type) {
    case 'wake':
      return
    case 'connect':
      performConnect(world, input)
      return
    case 'lost': {
      const session = world.sessions.get(input.sessionId)
      if (!session) return
      lose(world, session, input.isDrain ? { atLeastMs: world.settings.reattachGraceMs } : {})
      settle(world, session.user)
      return
    }
    case 'disconnected': {
      const session = world.sessions.get(input.sessionId)
      if (!session) return
      if (world.settings.leaveGraceMs === 0) removeSession(world, session)
      else lose(world, session, { graceMs: world.settings.leaveGraceMs })
      settle(world, session.user)
      return
    }
    case 'leave': {
      const session = world.sessions.get(input.sessionId)
      if (!session) return
      leave(world, session, input.scope)
      settle(world, session.user)
      return
    }
    case 'kick': {
      const user = world.users.get(input.userId)
      if (!user) return
      kick(world, user, input)
      settle(world, user)
      return
    }
    case 'background': {
      const session = liveSession(world, input.sessionId)
      if (!session) return
      session.backgroundGraceMs = Math.min(input.graceMs, world.settings.backgroundGraceMaxMs)
      endTyping(world, session)
      return
    }
    case 'foreground': {
      const session = liveSession(world, input.sessionId)
      if (session) session.backgroundGraceMs = undefined
      return
    }
    case 'expires': {
      const session = liveSession(world, input.sessionId)
      if (session) setTokenEnd(world, session, input.at)
      return
    }
    case 'typing': {
      const session = liveSession(world, input.sessionId)
      if (!session) {
        refuse(world, 'session_ended')
        return
      }
      performTyping(world, session, world.conversations.get(input.conversationId), input.typing)
      return
    }
    case 'stopTyping': {
      const user = world.users.get(input.userId)
      if (!user) return
      if (input.conversationId === undefined) stopTyping(world, user)
      else {
        const room = world.conversations.get(input.conversationId)
        if (room) stopTyping(world, user, room)
      }
      return
    }
    case 'memberships': {
      const user = world.users.get(input.userId)
      if (user) setMemberships(world, user, input.rooms)
      return
    }
    case 'rooms':
      setRooms(world, input.rooms)
      return
    case 'watch':
      performWatch(world, input)
      return
    case 'contribution':
      contribute(world, input)
      return
    case 'window':
      setWindow(world, input.ms)
      return
    case 'admission':
      world.admissionDelayMs = input.delayMs
      return
    case 'nodeLost':
      loseNode(world, input.node, input.epoch)
  }
}

function performConnect(world: World, input: Extract<Input, { type: 'connect' }>): void {
  const user = ensureUser(world, input.userId)
  setMemberships(world, user, input.rooms)
  const session = connect(world, user, input)
  if (session) owePicture(world, session)
  settle(world, user)
}

/** A conversation that the user is not in and one that does not exist are refused alike. */
function performTyping(world: World, session: Session, room: Room | undefined, typing: boolean): void {
  if (!room || !holds(room.users, session.user)) {
    refuse(world, 'not_member')
    return
  }
  if (typing) {
    // Whoever types is not about to be frozen any more.
    session.backgroundGraceMs = undefined
    startTyping(world, session, room)
  } else if (session.typing?.room === room) endTyping(world, session)
}

function performWatch(world: World, input: Extract<Input, { type: 'watch' }>): void {
  const session = liveSession(world, input.sessionId)
  if (!session) {
    refuse(world, 'session_ended')
    return
  }
  const after = new Set([...(session.watched ?? []), ...input.add])
  for (const id of input.remove) after.delete(id)
  if (after.size > WATCH_MAX) refuse(world, 'too_many_watched')
  else watch(world, session, input)
}

function refuse(world: World, code: 'session_ended' | 'not_member' | 'too_many_watched'): void {
  world.effects.push({ type: 'refused', code })
}

function liveSession(world: World, id: SessionId): Session | undefined {
  const session = world.sessions.get(id)
  return session?.state === 'live' ? session : undefined
}

function owedEntries(world: World): number {
  let entries = 0
  for (const { news, owed } of world.sessions.values()) {
    if (news) entries++
    if (!owed) continue
    entries += owed.presence?.length ?? 0
    for (const owes of [owed.occupancy, owed.groups, owed.conversations]) entries += owes?.size ?? 0
    for (const typists of owed.typing?.values() ?? []) entries += typists.size
  }
  return entries
}
