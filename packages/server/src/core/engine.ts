/**
 * The engine: one function from an input and a time to effects. It holds the four stations of the data path
 *
 *   sessions → presence → announce → pending
 *
 * and has no clock, timer, promise, log, socket or chance of its own: the same history of inputs always has the
 * same effects. Its only caller is the shell, which calls again at `nextDeadline()`.
 */
import { WATCH_MAX, type ConversationId, type SessionId, type UserId } from '@vigie/protocol'
import { pendingEntries, takeCensus, type Census } from './census.js'
import type { Counts } from './counts.js'
import { createAudit, settleAnew, type Audit } from './audit.js'
import { digestFor, type SessionDigest } from './digest.js'
import { dropCache } from './event-cache.js'
import { explain, type Explanation, type Explaining } from './explain.js'
import type {
  DueSession,
  Effect,
  Input,
  Place,
  Presence,
  PresenceEvent,
  Recorded,
  RoomName,
  RoomPresence,
} from './inputs.js'
import { forgetOffline, rereadDisagreement, setMemberships, setRooms } from './memberships.js'
import {
  createWorld,
  findRoom,
  modeOf,
  NOT_DUE,
  OFFLINE,
  type Person,
  sizeOfRows,
  type Room,
  type Session,
  type World,
} from './model.js'
import { tellCounted } from './occupancy.js'
import { take } from './pending.js'
import { ensurePerson } from './people.js'
import { contribute, expireNode, loseNode } from './presence.js'
import { connect, disconnect, expire, kick, leave, lose, recordOf, setTokenEnd, watch } from './sessions.js'
import type { Settings } from './settings.js'
import { openSlot, setWindow } from './slots.js'
import { endTyping, startTyping, stopTyping } from './typing.js'
import {
  forEachViewer,
  isMember,
  localsOf,
  namedRoomsOf,
  onlineIn,
  onlineSizeOf,
  ownRoomsOf,
  roomsOf,
  typistsOf,
} from './visibility.js'

export interface Engine {
  /**
   * Lets `input` happen at `now` (milliseconds, monotonic, never less than the last) after everything that was
   * due by then. An input for somebody unknown changes nothing.
   */
  apply(input: Input, now: number): readonly Effect[]
  /**
   * What the session is to be told now; nothing is pending for it afterwards. Call it on `due`, with the session that it
   * named, when the session's transport can be written, and not before: what waits here is one state, what waits in a
   * buffer is a queue. A session that has ended meanwhile is told nothing.
   */
  take(due: DueSession, now: number): readonly PresenceEvent[]
  /** When it wants to be called again, at the latest; undefined: nothing is pending. */
  nextDeadline(): number | undefined
  get(userId: UserId): Presence
  /** Who of a conversation is online, in any mode; empty when nobody known is in it. */
  online(conversationId: ConversationId): readonly UserId[]
  /** What the host may know of a room; undefined: it is not held here. */
  room(room: RoomName): RoomPresence | undefined
  /** The conversations that are held here, at most `limit` of them, most online first. It looks at all of them. */
  busiest(limit: number): readonly RoomPresence[]
  /** The members of a group or conversation who are local: with a session here, or remembered as offline. */
  members(room: RoomName): readonly UserId[]
  /** The rooms that somebody is in, or that their own rows name; none of somebody unknown. */
  roomsOf(userId: UserId): readonly RoomName[]
  /** The live sessions of a user, or of the members of a room in any mode. */
  sessionsIn(place: Place): readonly SessionId[]
  /** The user of a live session, and the rooms that the user is in; of another session none. */
  placesOf(sessionId: SessionId): readonly Place[]
  /** All that are known, also those without a live session. */
  places(): Iterable<Place>
  /** Why a user is shown as online or offline; with a viewer: to whom, and why not. For operators. Changes nothing. */
  explain(userId: UserId, asked: Explaining): Explanation
  /**
   * What the client of a session of protocol 2 has to answer when it is asked for a digest of its picture now; undefined
   * where nobody can say, because something is pending for it, say. It looks at everybody whom the session sees.
   */
  digest(sessionId: SessionId, nonce: string): SessionDigest | undefined
  /** Whether what is kept still is what it was made from. */
  readonly audit: Audit
  /**
   * Sizes of everything that it keeps, for bounds and metrics. `users`: everybody who is local, in a roster, or present
   * on another node. `local`: those of them with a session here, or remembered as offline.
   */
  sizes(): Readonly<Record<'users' | 'local' | 'sessions' | 'rooms' | 'offline' | 'owed' | 'nodes', number>>
  /** What there is now, for metrics: counted when it is asked. */
  census(): Census
  /** What was done since the engine was made, for metrics. They grow; do not keep a copy to compare, read them. */
  counts(): Readonly<Counts>
  /**
   * The live sessions for which something is pending and which see the user by name: in a group, or in a conversation.
   * The user's own are left out. For the measurement of latency: call it on the transition's effect.
   */
  pendingViewers(userId: UserId, kind: RoomName['kind']): readonly DueSession[]
  /** The same, of one conversation: those who are to hear that the typist types there. None in count mode. */
  pendingMembers(conversationId: ConversationId, typistId: UserId): readonly DueSession[]
  /** What its effects have told a record of the past so far, as it stands: every session, and each local user's rooms. */
  recorded(): Iterable<Recorded>
}

/**
 * @param options.isRecorded Whether its effects tell what a record of the past is made from.
 * @example
 * const engine = createEngine(resolveSettings({ graceMs: 5_000 }))
 * for (const effect of engine.apply({ type: 'lost', sessionId }, performance.now())) perform(effect)
 */
export function createEngine(
  settings: Settings,
  epoch = '0',
  { isRecorded = false }: { readonly isRecorded?: boolean } = {},
): Engine {
  const world = createWorld(settings, epoch, isRecorded)

  return {
    apply(input, now) {
      world.effects = []
      world.due = []
      world.position++
      advance(world, now)
      world.now = now
      perform(world, input)
      // A grace of nothing is over at once.
      advance(world, now)
      if (world.due.length > 0) world.effects.push({ type: 'due', sessions: world.due })
      return world.effects
    },
    take(due, now) {
      // Only sessions are handed out as due.
      const session = due as Session
      if (session.state !== 'live') return NOTHING
      world.now = Math.max(world.now, now)
      return take(world, session)
    },
    nextDeadline: () => world.deadlines.next(),
    get: (userId) => world.people.get(userId)?.presence ?? OFFLINE,
    online: (conversationId) => {
      const room = world.conversations.get(conversationId)
      return room ? onlineIn(room).map(({ id }) => id) : []
    },
    room: (name) => {
      const room = findRoom(world, name)
      return room && presenceIn(room)
    },
    busiest: (limit) => busiest(world, limit).map(presenceIn),
    members: (name) => {
      const room = findRoom(world, name)
      return room ? Array.from(localsOf(room), ({ id }) => id) : []
    },
    roomsOf: (userId) => {
      const person = world.people.get(userId)
      return person
        ? [...new Set([...roomsOf(person), ...(ownRoomsOf(person) ?? [])])].map(({ name }) => name)
        : []
    },
    sessionsIn: (place) => sessionsIn(world, place),
    placesOf(sessionId) {
      const session = liveSession(world, sessionId)
      if (!session) return []
      const { id } = session.user
      return [{ kind: 'user', id }, ...roomsOf(session.user).map(({ name }) => name)]
    },
    places: () => places(world),
    audit: createAudit(world),
    explain: (userId, asked) => explain(world, userId, asked),
    digest(sessionId, nonce) {
      const session = world.sessions.get(sessionId)
      return session && digestFor(world, session, nonce)
    },
    sizes: () => ({
      users: world.people.size,
      local: localSize(world),
      sessions: world.sessions.size,
      rooms: world.groups.size + world.conversations.size,
      offline: world.offline.size,
      owed: pendingEntries(world.sessions),
      nodes: world.nodes.size,
    }),
    census: () => takeCensus(world),
    counts: () => world.counts,
    pendingViewers: (userId, kind) => pendingViewers(world, userId, kind),
    pendingMembers(conversationId, typistId) {
      const room = world.conversations.get(conversationId)
      if (!room || modeOf(room) === 'count') return []
      return pendingIn(world, [room], world.people.get(typistId))
    },
    recorded: () => recorded(world),
  }
}

const NOTHING: readonly PresenceEvent[] = []

function busiest({ conversations }: World, limit: number): readonly Room[] {
  /** Most online first. */
  const found: { readonly room: Room; readonly online: number }[] = []
  for (const room of limit > 0 ? conversations.values() : []) {
    const least = found.length < limit ? -1 : (found.at(-1)?.online ?? -1)
    // Most rooms are small: the members of one that is too small are not looked at.
    if (!room.counted && sizeOfRows(room.rows) <= least) continue
    const online = onlineSizeOf(room)
    if (online <= least) continue
    const place = found.findIndex((other) => other.online < online)
    found.splice(place < 0 ? found.length : place, 0, { room, online })
    if (found.length > limit) found.pop()
  }
  return found.map(({ room }) => room)
}

function presenceIn(room: Room): RoomPresence {
  const { kind, id } = room.name
  const mode = modeOf(room)
  return {
    id,
    mode,
    members: sizeOfRows(room.rows),
    online: onlineSizeOf(room),
    ...(mode === 'names' && { onlineUsers: onlineIn(room).map((person) => person.id) }),
    ...(kind === 'conversation' && { typing: Array.from(typistsOf(room), (person) => person.id) }),
  }
}

function sessionsIn(world: World, place: Place): readonly SessionId[] {
  if (place.kind === 'user') return world.people.get(place.id)?.live.map(({ id }) => id) ?? []
  const found: SessionId[] = []
  const room = findRoom(world, place)
  if (room) forEachViewer(room, ({ id }) => found.push(id))
  return found
}

function* recorded({ people, now }: World): Iterable<Recorded> {
  for (const person of people.values()) {
    const rooms = ownRoomsOf(person)
    if (!rooms) continue
    yield { type: 'rooms', userId: person.id, isFirst: true, rooms: rooms.map(({ name }) => name), at: now }
    for (const session of person.sessions) yield recordOf(session, 'connected', now)
  }
}

function pendingViewers(world: World, userId: UserId, kind: RoomName['kind']): readonly DueSession[] {
  const subject = world.people.get(userId)
  if (!subject) return []
  const rooms = namedRoomsOf(subject).filter(({ name }) => name.kind === kind)
  return pendingIn(world, rooms, subject)
}

/** Each session once, those of `except` left out. */
function pendingIn(world: World, rooms: readonly Room[], except: Person | undefined): readonly Session[] {
  const found: Session[] = []
  const visit = ++world.visit
  if (except) except.visited = visit
  for (const room of rooms) {
    let last: Person | undefined
    forEachViewer(room, (session) => {
      const { user } = session
      // All sessions of one person come one after the other.
      if (user.visited === visit && user !== last) return
      user.visited = visit
      last = user
      if (session.dueAt !== NOT_DUE) found.push(session)
    })
  }
  return found
}

function* places({ people, groups, conversations }: World): Iterable<Place> {
  for (const { id, live } of people.values()) if (live.length > 0) yield { kind: 'user', id }
  for (const { name } of groups.values()) yield name
  for (const { name } of conversations.values()) yield name
}

function localSize({ people }: World): number {
  let local = 0
  for (const person of people.values()) if (ownRoomsOf(person)) local++
  return local
}

/** Everything that is due by `now` happens first, each at its own time, in order. */
function advance(world: World, now: number): void {
  for (let at = world.deadlines.next(); at !== undefined && at <= now; at = world.deadlines.next()) {
    world.now = Math.max(world.now, at)
    const timed = world.deadlines.takeDue(at)
    switch (timed?.is) {
      case 'session':
        expire(world, timed)
        break
      case 'lease':
        endTyping(world, timed.session)
        break
      case 'person':
        forgetOffline(world, timed)
        break
      case 'counted':
        tellCounted(world, timed)
        break
      case 'node':
        expireNode(world, timed)
        break
      case 'cache':
        dropCache(world)
        break
      case 'slot':
        openSlot(world, timed.at)
        break
      case 'disagreement':
        rereadDisagreement(world, timed.person)
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
      if (session) lose(world, session, input.isDrain === true)
      return
    }
    case 'disconnected': {
      const session = world.sessions.get(input.sessionId)
      if (session) disconnect(world, session)
      return
    }
    case 'leave': {
      const session = world.sessions.get(input.sessionId)
      if (session) leave(world, session, input.scope)
      return
    }
    case 'kick': {
      const person = world.people.get(input.userId)
      if (person) kick(world, person, input)
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
      const person = world.people.get(input.userId)
      if (!person) return
      if (input.conversationId === undefined) stopTyping(world, person)
      else {
        const room = world.conversations.get(input.conversationId)
        if (room) stopTyping(world, person, room)
      }
      return
    }
    case 'memberships': {
      const person = world.people.get(input.userId)
      if (person && ownRoomsOf(person)) setMemberships(world, person, input.rooms)
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
      return
    case 'settle':
      settleAnew(world, input.place)
  }
}

function performConnect(world: World, input: Extract<Input, { type: 'connect' }>): void {
  const person = ensurePerson(world, input.userId)
  setMemberships(world, person, input.rooms)
  connect(world, person, input)
}

/** A conversation that the user is not in and one that does not exist are refused alike. */
function performTyping(world: World, session: Session, room: Room | undefined, typing: boolean): void {
  if (!room || !isMember(session.user, room)) {
    refuse(world, 'not_member')
    return
  }
  if (typing) {
    // A client that sends typing is not about to be frozen any more.
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
