/**
 * The engine's state: users, their sessions, and the rooms (groups and conversations) that somebody known is
 * in. Stations change it through the functions beside its types; nothing here decides anything.
 */
import type {
  ClientId,
  ConversationId,
  DeviceId,
  GroupId,
  Mode,
  Position,
  Protocol,
  SessionId,
  UserCount,
  UserId,
} from '@vigie/protocol'
import { Deadlines } from './deadlines.js'
import type { CloseReason, Effect, Presence, PresenceEvent, RoomFacts, RoomName } from './inputs.js'
import type { Settings } from './settings.js'

export const OFFLINE: Presence = { online: false, count: 0 }

export interface User {
  /** Its deadline: the end of the memory of having gone offline. */
  readonly is: 'user'
  readonly id: UserId
  /** Live and lost, in the order in which they came. */
  readonly sessions: Set<Session>
  /** Those of `sessions` that can be written. */
  readonly live: Set<Session>
  /** What other nodes say: devices by node and epoch. */
  readonly remote: Map<RemoteNode, { readonly seq: number; readonly devices: ReadonlySet<string> }>
  readonly groups: Map<GroupId, Room>
  readonly conversations: Map<ConversationId, Room>
  /** As others were last told, or are about to be. */
  presence: Presence
  /** The position at which `presence` last changed. */
  presenceAt: number
  /** The position at which the user's rows last changed. */
  rowsAt: number
  devices: { readonly key: string; readonly event: PresenceEvent & { readonly name: 'presence:devices' } }
  /** Set while an audience is collected: a user in several shared rooms is visited once. */
  visited: number
}

export interface Session {
  /** Its deadline: the grace of a lost session, the token's end of a live one. */
  readonly is: 'session'
  readonly id: SessionId
  readonly user: User
  /** Names the device within the user; see {@link deviceKey}. */
  readonly device: string
  readonly isAnonymous: boolean
  readonly clientId: ClientId | undefined
  readonly label: string | undefined
  /** Wall clock, milliseconds since 1970; a session that took over another keeps its since. */
  readonly since: number
  state: 'live' | 'lost'
  lostAt: number
  /** The grace that it has for itself, once it is lost. */
  graceMs: number
  /** The grace that the client asked for, should it be lost. */
  backgroundGraceMs: number | undefined
  typing: Lease | undefined
  readonly protocol: Protocol
  /** What the client has already, until its first picture is drawn. */
  position: Position | undefined
  /** People on its screen, whom it may hear of even if the rooms shared with them have no names. */
  readonly watched: Set<UserId>
  readonly owed: Owed
}

/** A right to be shown as typing. Its deadline: the end, unless renewed. */
export interface Lease {
  readonly is: 'lease'
  readonly session: Session
  readonly room: Room
}

export interface Room {
  /** Its deadline: when the members of a count-mode room may be told again. */
  readonly is: 'room'
  readonly name: RoomName
  /** Members according to the rows. */
  size: number
  /** Their names, as read; replaced, never changed. */
  roster: readonly UserId[] | undefined
  mode: Mode
  /** The position at which what protocol 2 says of the room last changed. */
  changedAt: number
  /** The position at which its members, as told, last changed: by rows, or by the mode. */
  rosterAt: number
  /** The members who are known: online, or remembered as offline. */
  readonly users: Set<User>
  readonly online: Set<User>
  /** The members with a live session here. */
  readonly viewers: Set<User>
  /** Who types, with the sessions in which they do. */
  readonly typing: Map<User, Set<Session>>
  /** In count mode: what the members were told, and when they may be told again. */
  readonly crowd: { shown: Set<User>; told: Crowd | undefined; nextAt: number }
}

/** What the members of a count-mode room hear of it. */
export interface Crowd {
  readonly members: number
  readonly online: number
}

export interface RemoteNode {
  /** Its deadline: the re-attach grace after its loss. */
  readonly is: 'node'
  readonly node: string
  readonly epoch: string
  readonly users: Set<User>
  isLost: boolean
}

/** The sessions that may be written again at `at`. */
export interface Slot {
  readonly is: 'slot'
  readonly at: number
  readonly sessions: Session[]
}

/** Whatever has a deadline; each has one. */
export type Timed = User | Session | Lease | Room | RemoteNode | Slot

/**
 * What a session will be told at its next slot. At most one entry per subject: the latest state wins. Everything
 * is kept by id: while a session does not read, users and rooms may be forgotten and come back as new records.
 */
export interface Owed {
  /** Everything that it may see; then the rest below is empty. */
  picture: boolean
  readonly presence: Map<UserId, OwedPresence>
  /** By conversation and typist: whether it was told that they type. */
  readonly typing: Map<ConversationId, Map<UserId, boolean>>
  /** Protocol 1, by room: whether it was told a number. */
  readonly occupancy: Map<string, { readonly name: RoomName; readonly told: boolean }>
  /** Protocol 2, by room: what it was told of it, if anything. */
  readonly rooms: Map<string, { readonly name: RoomName; readonly told: RoomSight | undefined }>
  devices: boolean
  devicesTold: string
  isQueued: boolean
  /** When it may be written again. */
  nextAt: number
}

export interface OwedPresence {
  /** What it was told of the subject before the first change that it is still owed. */
  readonly told: Presence
  /** Where it saw the subject then, if rows have changed since. */
  view: View | undefined
  /** It asked: it is told even what it would take for granted, that somebody is offline. */
  isAsked: boolean
}

/** What a session of protocol 2 knows of a room. */
export interface RoomSight {
  readonly mode: Mode
  readonly members: number
  readonly roster: readonly UserId[]
  readonly online: number
  readonly typing: ReadonlySet<UserId>
}

/** Where one user sees another: through some group, and in which conversations. */
export interface View {
  readonly group: boolean
  readonly conversations: ReadonlySet<ConversationId>
  /** Protocol 2: on the screen, and in some room of both. */
  readonly watched: boolean
}

/**
 * Events that were made lately: the same fact for many recipients is one object, which is encoded once. Thrown
 * away as a whole before long, or what everybody was ever told would stay in memory.
 */
export interface Wire {
  readonly madeAt: number
  readonly presence: Map<
    User,
    { count?: UserCount; update?: PresenceEvent; readonly conversations: Map<ConversationId, PresenceEvent> }
  >
  /** Whatever else is told to many, by what it says. */
  readonly others: Map<string, PresenceEvent>
}

/** The whole state, with the clock and the effects of the input that is being applied. */
export interface World {
  readonly settings: Settings
  /** Names this run of the engine; positions of another mean nothing here. */
  readonly epoch: string
  /** Raised by each input. */
  position: number
  /** When which position was reached, oldest first, about one a second for as long as `offlineMemoryMs`. */
  readonly marks: { readonly at: number; readonly position: number }[]
  /** Positions before this one cannot be continued: somebody was forgotten before their time. */
  oldestPosition: number
  /** The sessions that watch a user, known or not. */
  readonly watchers: Map<UserId, Set<Session>>
  /** How often a session is written at most; `windowMs`, or longer under pressure. */
  windowMs: number
  now: number
  effects: Effect[]
  readonly users: Map<UserId, User>
  readonly sessions: Map<SessionId, Session>
  readonly groups: Map<GroupId, Room>
  readonly conversations: Map<ConversationId, Room>
  /** By node name, then epoch. */
  readonly nodes: Map<string, Map<string, RemoteNode>>
  readonly deadlines: Deadlines<Timed>
  /** Users who went offline, oldest first. */
  readonly offline: Set<User>
  /** Sessions lost within the last grace, oldest first. */
  readonly recentlyLost: Set<Session>
  /** Sessions that wait for their slot, by slot. */
  readonly slots: Map<number, Slot>
  /** Whether the last loss was part of a mass loss. */
  isMassLoss: boolean
  visit: number
  wire: Wire
}

export function emptyWire(madeAt: number): Wire {
  return { madeAt, presence: new Map(), others: new Map() }
}

export function createWorld(settings: Settings, epoch: string): World {
  return {
    settings,
    epoch,
    position: 0,
    marks: [],
    oldestPosition: 0,
    watchers: new Map(),
    windowMs: settings.windowMs,
    now: 0,
    effects: [],
    users: new Map(),
    sessions: new Map(),
    groups: new Map(),
    conversations: new Map(),
    nodes: new Map(),
    deadlines: new Deadlines(),
    offline: new Set(),
    recentlyLost: new Set(),
    slots: new Map(),
    isMassLoss: false,
    visit: 0,
    wire: emptyWire(0),
  }
}

/** `=` a client's own `deviceId`, `~` a device that the server named: no client can name another's. */
export function deviceKey(deviceId: DeviceId | undefined, sessionId: SessionId): string {
  return deviceId === undefined ? `~${sessionId}` : `=${deviceId}`
}

/** The device as its owner sees it. */
export function deviceIdOf(session: Session): DeviceId {
  return (session.isAnonymous ? session.device : session.device.slice(1)) as DeviceId
}

/** Finds or makes a user; a new one's memberships are wanted. */
export function ensureUser(world: World, id: UserId): User {
  const known = world.users.get(id)
  if (known) return known
  const user: User = {
    is: 'user',
    id,
    sessions: new Set(),
    live: new Set(),
    remote: new Map(),
    groups: new Map(),
    conversations: new Map(),
    presence: OFFLINE,
    presenceAt: world.position,
    rowsAt: world.position,
    devices: { key: '', event: { name: 'presence:devices', payload: { count: 0, devices: [] } } },
    visited: 0,
  }
  world.users.set(id, user)
  world.effects.push({ type: 'want', userId: id })
  return user
}

export function findRoom(world: World, name: RoomName): Room | undefined {
  return name.kind === 'group' ? world.groups.get(name.id) : world.conversations.get(name.id)
}

export function ensureRoom(world: World, name: RoomName, { members, roster }: RoomFacts): Room {
  const known = findRoom(world, name)
  if (known) return known
  const room: Room = {
    is: 'room',
    name,
    size: members,
    roster,
    mode: members > world.settings.namesMax ? 'count' : 'names',
    changedAt: world.position,
    rosterAt: world.position,
    users: new Set(),
    online: new Set(),
    viewers: new Set(),
    typing: new Map(),
    crowd: { shown: new Set(), told: undefined, nextAt: 0 },
  }
  if (name.kind === 'group') world.groups.set(name.id, room)
  else world.conversations.set(name.id, room)
  return room
}

export function addToRoom(user: User, room: Room): void {
  if (room.name.kind === 'group') user.groups.set(room.name.id, room)
  else user.conversations.set(room.name.id, room)
  room.users.add(user)
  if (user.presence.online) room.online.add(user)
  if (user.live.size > 0) room.viewers.add(user)
}

/** A room without anybody known is dropped: what is known of it costs memory and is read again when needed. */
export function removeFromRoom(world: World, user: User, room: Room): void {
  if (room.name.kind === 'group') user.groups.delete(room.name.id)
  else user.conversations.delete(room.name.id)
  room.users.delete(user)
  room.online.delete(user)
  room.viewers.delete(user)
  room.crowd.shown.delete(user)
  if (room.users.size > 0) return
  world.deadlines.delete(room)
  if (room.name.kind === 'group') world.groups.delete(room.name.id)
  else world.conversations.delete(room.name.id)
}

export function* roomsOf(user: User): Iterable<Room> {
  yield* user.groups.values()
  yield* user.conversations.values()
}

export function closeSession(world: World, session: Session, why: CloseReason): void {
  world.effects.push({ type: 'close', sessionId: session.id, why })
}
