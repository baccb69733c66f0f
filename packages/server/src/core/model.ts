/**
 * The engine's state: users, their sessions, and the rooms (groups and conversations) that somebody known is
 * in. Stations change it through the functions beside its types; nothing here decides anything.
 */
import type {
  ClientId,
  ConversationId,
  Device,
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
import { sizeOf, visitAll, withItem, withoutItem, type Few } from './few.js'
import type { CloseReason, Effect, Presence, PresenceEvent, RoomFacts, RoomName } from './inputs.js'
import type { Settings } from './settings.js'

export const OFFLINE: Presence = { online: false, count: 0 }
/** What nearly everybody is who is online; kept once. */
export const ONE_DEVICE: Presence = { online: true, count: 1 }

export interface User {
  /** Its deadline: the end of the memory of having gone offline. */
  readonly is: 'user'
  readonly id: UserId
  /** Live and lost, in the order in which they came; replaced, never changed: a list that grows has room to spare. */
  sessions: readonly Session[]
  /** Those of `sessions` that can be written. */
  live: readonly Session[]
  /** What other nodes say, if any does: devices by node and epoch. */
  remote: Map<RemoteNode, { readonly seq: number; readonly devices: ReadonlySet<string> }> | undefined
  /** Groups, then conversations; replaced, never changed. */
  rooms: readonly Room[]
  /** As others were last told, or are about to be. */
  presence: Presence
  /** How protocol 2 says it: made when it is first said, and kept until it changes. */
  count: UserCount | undefined
  /** The position at which `presence` last changed. */
  presenceAt: number
  /** The position at which the user's rows last changed. */
  rowsAt: number
  /** As its own sessions see them; replaced when that is another list than before, never changed. */
  devices: readonly Device[]
  /** False once it is remembered no longer: whoever holds on to it looks for another record of the same name. */
  isKnown: boolean
  /** Set while users are collected: of an audience, in which one in several shared rooms comes once, or of a room. */
  visited: number
}

export interface Session {
  /** Its deadline: the grace of a lost session, the token's end of a live one. */
  readonly is: 'session'
  readonly id: SessionId
  readonly user: User
  /** Names the device within the user; see {@link deviceKey}. */
  readonly device: string
  readonly clientId: ClientId | undefined
  readonly label: string | undefined
  /** Wall clock, milliseconds since 1970; a session that took over another keeps its since. */
  readonly since: number
  /** `ended`: it is no more, though somebody may still hold it. */
  state: 'live' | 'lost' | 'ended'
  lostAt: number
  /** The grace that it has for itself, once it is lost. */
  graceMs: number
  /** By how much its end was put off because people are held back at the door; see {@link putOff}. */
  putOffMs: number
  /** The grace that the client asked for, should it be lost. */
  backgroundGraceMs: number | undefined
  typing: Lease | undefined
  readonly protocol: Protocol
  /** What the client has already, until its first picture is drawn. */
  position: Position | undefined
  /** People on its screen, if any, whom it may hear of even if the rooms shared with them have no names. */
  watched: Set<UserId> | undefined
  /** Owed: a first piece of news about somebody's presence, which all who hear of it share … */
  news: News | undefined
  /** … or whatever else. */
  owed: Owed | undefined
  /** The slot in which it will be written; or {@link DUE}, or {@link NOT_DUE}. */
  dueAt: number
  /** When it may be written again. */
  nextAt: number
  devicesTold: readonly Device[] | undefined
  /** The shell's; see `connect`. */
  readonly outlet: unknown
}

/** Of {@link Session.dueAt}: it is owed nothing. Small integers, which are kept in place. */
export const NOT_DUE = -1
/** It was handed out as due, and is written as soon as its connection can be. */
export const DUE = 0

/** A right to be shown as typing. Its deadline: the end, unless renewed. */
export interface Lease {
  readonly is: 'lease'
  readonly session: Session
  readonly room: Room
}

export interface Room {
  readonly name: RoomName
  /** Members according to the rows. */
  facts: RoomFacts
  /** The position at which what protocol 2 says of the room last changed. */
  changedAt: number
  /** The position at which its members, as told, last changed: by rows, or by the mode. */
  rosterAt: number
  /** The members who are known: online, or remembered as offline. */
  users: Few<User>
  /** Who types, if anybody ever did, with the sessions in which they do. */
  typing: Map<User, Set<Session>> | undefined
  /** In count mode, and only then: what the members were told, and when they may be told again. */
  crowd: CrowdNews | undefined
  /** What protocol 2 says of it, once somebody has asked, until it changes or soon after: one for all members. */
  sight: RoomSight | undefined
}

export interface CrowdNews {
  /** Its deadline: when the members may be told again. */
  readonly is: 'crowd'
  readonly room: Room
  /** How many of the known members are online. */
  online: number
  /** How many of them have a live session here. */
  viewers: number
  shown: ReadonlySet<User>
  told: Crowd | undefined
  nextAt: number
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
  putOffMs: number
}

/** The sessions that may be written again at `at`. */
export interface Slot {
  readonly is: 'slot'
  readonly at: number
  readonly sessions: Session[]
}

/** Whatever has a deadline; each has one. */
export type Timed = User | Session | Lease | CrowdNews | RemoteNode | Slot | Wire

/**
 * What a session will be told at its next slot, if it is more than one piece of news: of each subject once, as it is
 * then. Everything is kept by id: while a session does not read, users and rooms may be forgotten and come back as new
 * records.
 */
export interface Owed {
  /** Everything that it may see; then the rest below is empty. */
  picture: boolean
  /** Of users' presence; without `news`, which is then among them. Of those about the same user the first counts. */
  presence: News[] | undefined
  /** So long it may be until those that do not count are looked for. */
  presenceMax: number
  /** Protocol 1, by conversation and typist: whether it was told that they type. */
  typing: Map<ConversationId, Map<UserId, boolean>> | undefined
  /** Protocol 1, by room: whether it was told a number. */
  occupancy: Map<string, { readonly name: RoomName; readonly told: boolean }> | undefined
  /** Protocol 2: what it was told of rooms, if anything. */
  groups: Map<GroupId, RoomSight | undefined> | undefined
  conversations: Map<ConversationId, RoomSight | undefined> | undefined
  devices: boolean
}

/** Never changed: the sessions that hear of one transition share one. */
export interface OwedPresence {
  /** Whom it is about, if they were known then; see {@link subjectOf}. */
  readonly subject: User | undefined
  /** What it was told of the subject before the first change that it is still owed. */
  readonly told: Presence
  /** Where it saw the subject then, if rows have changed since; see `keepView`. */
  readonly view: View | undefined
  /** It is known that all who are owed it saw the subject then: while rows do not change, they see it still. */
  readonly isSeen: boolean
  /** It asked: it is told even what it would take for granted, that somebody is offline. */
  readonly isAsked: boolean
}

/** A first piece of news, before there is another. */
export interface News {
  readonly userId: UserId
  readonly entry: OwedPresence
}

/** What protocol 2 says of a room. Nobody is told of their own typing. */
export interface RoomSight {
  readonly mode: Mode
  readonly members: number
  readonly roster: readonly UserId[]
  readonly online: number
  readonly typing: readonly UserId[]
  /** The roster as places in a list of users that begins with the roster `base`, as the last who asked needed it. */
  places: { readonly base: readonly UserId[]; readonly list: readonly number[] } | undefined
  /** Once somebody's list of users began with the roster: that list, which is kept up to date, and the places in it. */
  counts: UserCount[] | undefined
  index: ReadonlyMap<UserId, number> | undefined
}

/**
 * Where a session sees a user: protocol 1 through some group, and in which conversations; protocol 2 anywhere, which
 * is all that it needs to know, in `group`.
 */
export interface View {
  readonly group: boolean
  readonly conversations: readonly ConversationId[]
}

/**
 * Events that were made lately: the same fact for many recipients is one object, which is encoded once. Thrown
 * away as a whole before long, or what everybody was ever told would stay in memory.
 */
export interface Wire {
  /** Its deadline: when it is thrown away. */
  readonly is: 'wire'
  isInUse: boolean
  readonly presence: Map<
    User,
    {
      update: PresenceEvent | undefined
      conversations: Map<ConversationId, PresenceEvent> | undefined
    }
  >
  /** Whatever else is told to many, by what it says. */
  readonly others: Map<string, PresenceEvent>
  /** Rooms whose `sight` was made: it goes with the rest. */
  seen: Set<Room>
  /** Differences of protocol 2 of one thing only, by what changed, as of `diffsAt`. */
  readonly diffs: Map<object, readonly PresenceEvent[]>
  diffsAt: number
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
  /** How long people have been held back at the door; 0: nobody is. */
  admissionDelayMs: number
  now: number
  effects: Effect[]
  /** Whose slots have come. */
  due: Session[]
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

function emptyWire(): Wire {
  return {
    is: 'wire',
    isInUse: false,
    presence: new Map(),
    others: new Map(),
    seen: new Set(),
    diffs: new Map(),
    diffsAt: 0,
  }
}

/** How long an event is kept for further recipients: they hear of it within windows, not within minutes. */
const WIRE_MS = 1_000

/** Call it before something is told. */
export function useWire({ wire, deadlines, now }: World): void {
  if (wire.isInUse) return
  wire.isInUse = true
  deadlines.set(wire, now + WIRE_MS)
}

/** Sessions are written less often than at other times: there is more to do than time. */
export function isUnderPressure({ windowMs, settings }: World): boolean {
  return windowMs > settings.windowMs
}

/**
 * What was made for many is kept no longer. Under pressure sights are: when everybody comes back, those who ask for that
 * of a room come one after the other, with seconds between them.
 */
export function renewWire(world: World): void {
  const { seen } = world.wire
  world.wire = emptyWire()
  if (isUnderPressure(world)) {
    world.wire.seen = seen
    useWire(world)
  } else for (const room of seen) room.sight = undefined
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
    admissionDelayMs: 0,
    now: 0,
    effects: [],
    due: [],
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
    wire: emptyWire(),
  }
}

/** `=` a client's own `deviceId`, `~` a device that the server named: no client can name another's. */
export function deviceKey(deviceId: DeviceId | undefined, sessionId: SessionId): string {
  return deviceId === undefined ? `~${sessionId}` : `=${deviceId}`
}

/** Whether the server named its device. */
export function isAnonymous({ device }: Session): boolean {
  return device.startsWith('~')
}

/** The device as its owner sees it. */
export function deviceIdOf(session: Session): DeviceId {
  return (isAnonymous(session) ? session.device : session.device.slice(1)) as DeviceId
}

export function isSameDevices(a: readonly Device[], b: readonly Device[]): boolean {
  return (
    a === b ||
    (a.length === b.length &&
      a.every((device, index) => {
        const other = b[index]
        return (
          other?.deviceId === device.deviceId && other.since === device.since && other.label === device.label
        )
      }))
  )
}

/** Finds or makes a user; a new one's memberships are wanted. */
export function ensureUser(world: World, id: UserId): User {
  const known = world.users.get(id)
  if (known) return known
  const user: User = {
    is: 'user',
    id,
    // What is looked at for each piece of news comes first, as in a session.
    visited: 0,
    live: [],
    presence: OFFLINE,
    count: undefined,
    isKnown: true,
    rooms: [],
    sessions: [],
    remote: undefined,
    presenceAt: world.position,
    rowsAt: world.position,
    devices: [],
  }
  world.users.set(id, user)
  world.effects.push({ type: 'want', userId: id })
  return user
}

/** Whom something owed is about, as far as they are known now. */
export function subjectOf(world: World, userId: UserId, { subject }: OwedPresence): User | undefined {
  return subject?.isKnown ? subject : world.users.get(userId)
}

/** Of news about the same user the one that came first: what was told before it is what was told. */
export function firstOfEach(presence: readonly News[]): News[] {
  const seen = new Set<UserId>()
  return presence.filter(({ userId }) => {
    const isFirst = !seen.has(userId)
    seen.add(userId)
    return isFirst
  })
}

export function findRoom(world: World, name: RoomName): Room | undefined {
  return name.kind === 'group' ? world.groups.get(name.id) : world.conversations.get(name.id)
}

export function ensureRoom(world: World, name: RoomName, facts: RoomFacts): Room {
  const known = findRoom(world, name)
  if (known) return known
  const room: Room = {
    name,
    facts,
    changedAt: world.position,
    rosterAt: world.position,
    users: NOBODY,
    typing: undefined,
    crowd: undefined,
    sight: undefined,
  }
  if (membersIn(facts) > world.settings.namesMax) room.crowd = crowdOf(room)
  if (name.kind === 'group') world.groups.set(name.id, room)
  else world.conversations.set(name.id, room)
  return room
}

const NOBODY: readonly User[] = []

export function modeOf({ crowd }: Room): Mode {
  return crowd ? 'count' : 'names'
}

/** How many members the rows name. */
export function membersIn(facts: RoomFacts): number {
  return typeof facts === 'number' ? facts : facts.length
}

/** The members' names, if the rows were read with them. */
export function namesIn(facts: RoomFacts): readonly UserId[] | undefined {
  return typeof facts === 'number' ? undefined : facts
}

/** The sessions of a room's members that can be written. */
export function forEachViewer(room: Room, visit: (session: Session) => void): void {
  visitAll(room.users, (viewer) => {
    for (const session of viewer.live) visit(session)
  })
}

/** What is kept of a room in count mode, of whose members nobody was told yet. */
export function crowdOf(room: Room): CrowdNews {
  let online = 0
  let viewers = 0
  visitAll(room.users, (user) => {
    if (user.presence.online) online++
    if (user.live.length > 0) viewers++
  })
  return { is: 'crowd', room, online, viewers, shown: new Set(), told: undefined, nextAt: 0 }
}

/** The room's side only: the user's list is the caller's. */
export function addToRoom(user: User, room: Room): void {
  room.users = withItem(room.users, user)
  const { crowd } = room
  if (crowd && user.presence.online) crowd.online++
  if (crowd && user.live.length > 0) crowd.viewers++
  if (!isSaidByRows(room)) room.sight = undefined
}

/** Whether what protocol 2 says of the room's members is in its rows alone, whoever of them is known here. */
function isSaidByRows({ crowd, facts, users }: Room): boolean {
  const names = namesIn(facts)
  return !crowd && names !== undefined && sizeOf(users) <= names.length
}

/**
 * The room's side only: the user's list is the caller's. A room without anybody known is dropped: what is known of
 * it costs memory and is read again when needed.
 */
export function removeFromRoom(world: World, user: User, room: Room): void {
  if (!isSaidByRows(room) || room.sight?.counts) room.sight = undefined
  room.users = withoutItem(room.users, user)
  const { crowd } = room
  if (crowd && user.presence.online) crowd.online--
  if (crowd && user.live.length > 0) crowd.viewers--
  if (crowd?.shown.has(user)) crowd.shown = new Set([...crowd.shown].filter((typist) => typist !== user))
  if (sizeOf(room.users) > 0) return
  if (crowd) world.deadlines.delete(crowd)
  if (room.name.kind === 'group') world.groups.delete(room.name.id)
  else world.conversations.delete(room.name.id)
}

/** What protocol 2 says of the room is something else from now on. */
export function roomChanged(world: World, room: Room): void {
  room.changedAt = world.position
  room.sight = undefined
}

export function closeSession(world: World, session: Session, why: CloseReason): void {
  world.effects.push({ type: 'close', sessionId: session.id, why })
}
