/**
 * Beside the path · why a user is shown as online or offline, and whether a viewer sees it.
 * In:   an operator's question
 * Out:  the sessions, nodes and last transitions behind a presence; who may see it, by visibility.ts
 *
 * For operators, never for clients, which may not know most of it. It reads the world and changes nothing.
 */
import type { Mode, SessionId, UserId } from '@vigie/protocol'
import type { Presence } from './inputs.js'
import { deviceIdOf, modeOf, OFFLINE, type Person, type Room, type Session, type World } from './model.js'
import { isToldOf } from './pending.js'
import { transitionsOf, type Transition, type TransitionReason } from './transitions.js'
import { presenceFor, roomsOf, sees, sharedRooms } from './visibility.js'

/** What is asked, and what only the shell knows. */
export interface Explaining {
  readonly viewerId?: UserId | undefined
  /** From the engine's clock to milliseconds since 1970. */
  readonly wallTime: (at: number) => number
  /** When the connection of a live session last gave a sign of life, in milliseconds since 1970. */
  readonly lastHeardAt?: ((sessionId: SessionId) => number | undefined) | undefined
}

/** Why a user is shown as online or offline. Times are milliseconds since 1970. All of it can be written as JSON. */
export interface Explanation {
  readonly userId: string
  /** What others see, who see this user at all. */
  readonly presence: Presence
  /** Sessions on this node, live ones first. */
  readonly sessions: readonly ExplainedSession[]
  /** What other nodes say of this user. */
  readonly nodes: readonly {
    readonly node: string
    readonly devices: readonly string[]
    /** The node is gone; its devices count until its re-attach grace is over. */
    readonly isLost: boolean
  }[]
  /** The last transitions of this user that this node still remembers (`transitionsMax`), the newest first. */
  readonly transitions: readonly ExplainedTransition[]
  /** The groups and conversations that the user is in, as far as they are held here. */
  readonly rooms: readonly ExplainedRoom[]
  /** Present when a viewer was named. */
  readonly viewer?: ExplainedViewer
}

export interface ExplainedSession {
  readonly sessionId: string
  readonly deviceId: string
  readonly label?: string
  readonly protocol: 1 | 2
  /** `lost`: its connection is gone, and it counts until `graceEndsAt`. */
  readonly state: 'live' | 'lost'
  readonly since: number
  readonly lostAt?: number
  readonly graceEndsAt?: number
  /** When the connection last gave a sign of life. */
  readonly lastHeardAt?: number
  readonly tokenEndsAt?: number
  /** The client said that it is about to be frozen. */
  readonly backgroundGraceMs?: number
  readonly typingIn?: string
}

export interface ExplainedTransition {
  readonly at: number
  readonly reason: TransitionReason
  readonly sessionId?: string
  readonly deviceId?: string
  /** What others saw from then on. */
  readonly after: Presence
}

export interface ExplainedRoom {
  readonly kind: 'group' | 'conversation'
  readonly id: string
  readonly mode: Mode
}

export interface ExplainedViewer {
  readonly userId: string
  /** Whether some live session of the viewer may be told of the user by name now. */
  readonly sees: boolean
  /** Why: the rooms with names that both are in; if the viewer watches the user, also those too large for names. */
  readonly through: readonly ExplainedRoom[]
  readonly isSelf: boolean
  /** The user is on the screen of some live session of the viewer. */
  readonly isWatching: boolean
  /**
   * Why not: the viewer has no live session here; no room in common; only rooms that are too large for names, and no
   * session watches the user.
   */
  readonly hiddenBy?: 'no_shared_room' | 'only_large_rooms' | 'viewer_not_here'
  /** What the viewer would be told now. Of somebody whom the viewer does not see: what is told of people who are offline. */
  readonly told: Presence
  /** The viewer's live sessions, and for how many of them news of this user waits. */
  readonly liveSessions: number
  readonly pendingSessions: number
}

export function explain(world: World, userId: UserId, asked: Explaining): Explanation {
  const person = world.people.get(userId)
  const { viewerId } = asked
  return {
    userId,
    presence: person?.presence ?? OFFLINE,
    sessions: person ? sessionsOf(world, person, asked) : [],
    nodes: person ? nodesOf(person) : [],
    transitions: transitionsOf(world, userId).map((transition) => explainTransition(transition, asked)),
    rooms: person ? roomsOf(person).map(explainRoom) : [],
    ...(viewerId !== undefined && { viewer: explainViewer(world, viewerId, userId) }),
  }
}

function sessionsOf(world: World, { sessions }: Person, asked: Explaining): ExplainedSession[] {
  const inState = (wanted: Session['state']) => sessions.filter(({ state }) => state === wanted)
  return [...inState('live'), ...inState('lost')].map((session) => explainSession(world, session, asked))
}

function explainSession(world: World, session: Session, asked: Explaining): ExplainedSession {
  const { id, label, protocol, since, backgroundGraceMs, typing } = session
  const deadline = world.deadlines.of(session)
  const endsAt = deadline === undefined ? undefined : asked.wallTime(deadline)
  const isLive = session.state === 'live'
  const lastHeardAt = isLive ? asked.lastHeardAt?.(id) : undefined
  return {
    sessionId: id,
    deviceId: deviceIdOf(session),
    ...(label !== undefined && { label }),
    protocol,
    state: isLive ? 'live' : 'lost',
    since,
    ...(!isLive && { lostAt: asked.wallTime(session.lostAt) }),
    ...(!isLive && endsAt !== undefined && { graceEndsAt: endsAt }),
    ...(lastHeardAt !== undefined && { lastHeardAt }),
    ...(isLive && endsAt !== undefined && { tokenEndsAt: endsAt }),
    ...(backgroundGraceMs !== undefined && { backgroundGraceMs }),
    ...(typing && { typingIn: typing.room.name.id }),
  }
}

function nodesOf({ remote }: Person): Explanation['nodes'] {
  return Array.from(remote ?? [], ([{ node, isLost }, { devices }]) => ({
    node,
    devices: [...devices],
    isLost,
  }))
}

function explainTransition(
  { at, reason, session, count }: Transition,
  asked: Explaining,
): ExplainedTransition {
  return {
    at: asked.wallTime(at),
    reason,
    ...(session && { sessionId: session.id, deviceId: deviceIdOf(session) }),
    after: { online: count > 0, count },
  }
}

function explainRoom(room: Room): ExplainedRoom {
  return { kind: room.name.kind, id: room.name.id, mode: modeOf(room) }
}

function explainViewer(world: World, viewerId: UserId, userId: UserId): ExplainedViewer {
  const viewer = world.people.get(viewerId)
  const subject = world.people.get(userId)
  const live = viewer?.live ?? []
  const isSelf = viewerId === userId
  const isWatching = live.some(({ watched }) => watched?.has(userId))
  const named = viewer && subject ? sharedRooms(viewer, subject, 'names') : []
  const large = viewer && subject ? sharedRooms(viewer, subject, 'count') : []
  // A user's own devices are told in any case.
  const isSeen =
    live.length > 0 && (isSelf || (subject !== undefined && live.some((each) => sees(each, subject))))
  return {
    userId: viewerId,
    sees: isSeen,
    through: (isWatching ? [...named, ...large] : named).map(explainRoom),
    isSelf,
    isWatching,
    ...(!isSeen && { hiddenBy: whyHidden(live, large) }),
    told: isSeen && viewer && subject ? presenceFor(viewer, subject) : OFFLINE,
    liveSessions: live.length,
    pendingSessions: live.filter((session) => isToldOf(world, session, userId)).length,
  }
}

function whyHidden(
  live: readonly Session[],
  large: readonly Room[],
): NonNullable<ExplainedViewer['hiddenBy']> {
  if (live.length === 0) return 'viewer_not_here'
  return large.length > 0 ? 'only_large_rooms' : 'no_shared_room'
}
