/**
 * The engine's state: people, their sessions, and the rooms (groups and conversations) whose rows are held. The files
 * beside this one change it; nothing here decides anything.
 *
 * Who is in a room is kept once. In names mode the room's roster alone says it: `roster` and `memberOf` are the two ends
 * of the same edge, and rooms.ts is the only file that writes them. In count mode `locals` says it, by the people's own rows. Only
 * rooms.ts and visibility.ts read these fields; everybody else asks visibility.ts.
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
import { createCounts, type Counts } from './counts.js'
import { Deadlines } from './deadlines.js'
import type {
  CloseReason,
  Effect,
  Presence,
  PresenceEvent,
  RoomName,
  RosterOrSize,
  TransitionReason,
} from './inputs.js'
import type { Settings } from './settings.js'
import type { SmallSet } from './small-set.js'
import { createTransitions, type Transitions } from './transitions.js'

export const OFFLINE: Presence = { online: false, count: 0 }
/** The presence of nearly everybody who is online; kept once. */
export const ONE_DEVICE: Presence = { online: true, count: 1 }

/**
 * Somebody who is local (has sessions here, or had and is remembered as offline), stands in the roster of a held room,
 * or is present on another node. The fields that each transition reads come first, close together in memory.
 */
export interface Person {
  /** Its deadline: the end of being remembered as offline. */
  readonly is: 'person'
  readonly id: UserId
  /** The last visit that met this person: an audience meets one who shares several rooms once. */
  visited: number
  /** Those of `sessions` that can be written. */
  live: readonly Session[]
  /** As others were last told, or are about to be. */
  presence: Presence
  /** How protocol 2 says `presence`: made when it is first said, dropped when it changes. */
  count: UserCount | undefined
  /** False once the record was dropped: what still points to it looks for a newer record of the same id. */
  isKnown: boolean
  /** The rooms in names mode whose roster has this person. Of a local person replaced, never changed. */
  memberOf: readonly Room[]
  /** The rooms that the person's own rows name, groups first; undefined: the person is not local. Replaced, never changed. */
  ownRooms: readonly Room[] | undefined
  /** Live and lost, in the order in which they came. Replaced, never changed: a list that grows has room to spare. */
  sessions: readonly Session[]
  /** What other nodes say, if any does: devices by node and epoch. */
  remote: Map<RemoteNode, { readonly seq: number; readonly devices: ReadonlySet<string> }> | undefined
  /** The position at which `presence` last changed. */
  presenceAt: number
  /** The position at which the person last left a room, or came into one in count mode: of others `rosterAt` tells. */
  rowsAt: number
  /** As the person's own sessions see them; replaced when the list differs, never changed. */
  devices: readonly Device[]
}

export interface Session {
  /** Its deadline: the grace of a lost session, the token's end of a live one. */
  readonly is: 'session'
  readonly id: SessionId
  readonly user: Person
  /** Names the device within the user; see {@link deviceKey}. */
  readonly device: string
  readonly clientId: ClientId | undefined
  readonly label: string | undefined
  /** Wall clock, milliseconds since 1970; a session that took over another keeps its since. */
  readonly since: number
  /** `ended`: the session is over, though something may still point to it. */
  state: 'live' | 'lost' | 'ended'
  lostAt: number
  /** The grace that the session has for itself, once it is lost. */
  graceMs: number
  /** By how much the end of its grace was put off because people wait at admission; see {@link putOff}. */
  putOffMs: number
  /** The grace that the client asked for, should it be lost. */
  backgroundGraceMs: number | undefined
  typing: Lease | undefined
  readonly protocol: Protocol
  /** What the client has already, until its first snapshot is written. */
  position: Position | undefined
  /** People on its screen, if any: it may hear of them even if the rooms shared with them are in count mode. */
  watched: Set<UserId> | undefined
  /** Pending: one piece of news of somebody's presence, which all recipients share … */
  firstPending: News | undefined
  /** … or anything more. */
  pending: Pending | undefined
  /** The slot in which it will be written; or {@link DUE}, or {@link NOT_DUE}. */
  dueAt: number
  /** When it may be written again. */
  nextAt: number
  devicesTold: readonly Device[] | undefined
  /** The position of the last events that it was told: of protocol 2 the last `at`. */
  toldAt: number
  /** The shell's; see `connect`. */
  readonly outlet: unknown
}

/** Of {@link Session.dueAt}: nothing is pending. V8 keeps small integers in place. */
export const NOT_DUE = -1
/** The session was handed out as due, and is written as soon as its connection can be. */
export const DUE = 0

/** A right to be shown as typing. Its deadline: the end, unless renewed. */
export interface Lease {
  readonly is: 'lease'
  readonly session: Session
  readonly room: Room
}

/** A group or conversation whose rows are held: some local person's own rows name it. */
export interface Room {
  readonly name: RoomName
  /** What was last read: the members' ids, or how many there are. */
  rows: RosterOrSize
  /** How many local people's own rows name it; dropped at 0. */
  holders: number
  /** The position at which what protocol 2 says of the room last changed. */
  changedAt: number
  /** The position at which its members, as told, last changed: by rows, or by the mode. */
  rosterAt: number
  /** In names mode: the members, in the order of `rows`. Empty in count mode. Replaced, never changed. */
  roster: readonly Person[]
  /** The members who are local: they have sessions here, or had and are remembered as offline. */
  locals: SmallSet<Person>
  /** Who types, if anybody ever did, with the sessions in which they do. */
  typing: Map<Person, Set<Session>> | undefined
  /** In count mode, and only then. */
  counted: CountedRoom | undefined
  /** The last visit that met this room. */
  visited: number
  /** What protocol 2 says of the room, once somebody has asked, until it changes: one for all members. */
  snapshot: RoomSnapshot | undefined
}

/** What is kept of a room in count mode. */
export interface CountedRoom {
  /** Its deadline: when the members may be told again. */
  readonly is: 'counted'
  readonly room: Room
  /** How many of the room's `locals` are online. */
  online: number
  /** Who is shown as typing. */
  shown: ReadonlySet<Person>
  told: Occupancy | undefined
  nextAt: number
}

/** What the members of a room in count mode hear of it. */
export interface Occupancy {
  readonly members: number
  readonly online: number
}

export interface RemoteNode {
  /** Its deadline: the re-attach grace after its loss. */
  readonly is: 'node'
  readonly node: string
  readonly epoch: string
  readonly users: Set<Person>
  isLost: boolean
  putOffMs: number
}

/** The sessions that may be written again at `at`. */
export interface Slot {
  readonly is: 'slot'
  readonly at: number
  readonly sessions: Session[]
}

/** A local person's own rows and the rosters disagree. Its deadline: when both are asked for again. */
export interface Disagreement {
  readonly is: 'disagreement'
  readonly person: Person
}

/** Everything that has a deadline; each has one. */
export type Timed = Person | Session | Lease | CountedRoom | RemoteNode | Slot | EventCache | Disagreement

/**
 * What a session will be told at its next slot, if that is more than one piece of news: of each subject once, as it is
 * then. Beside it stands what the session was told before the first change that it has not heard of, so that a state
 * that changes back before it is sent is not sent.
 */
export interface Pending {
  /** The session is to get a whole snapshot; then the rest below is empty. */
  snapshot: boolean
  /** Of people's presence; without `firstPending`, which is then among them. Of those about one person the first counts. */
  presence: News[] | undefined
  /** Above this many the list is freed of repetitions. */
  presenceMax: number
  /** The rooms whose members changed, with the members as they were when the session was last told. */
  rosters: Map<Room, RosterBefore> | undefined
  /** Protocol 1, by conversation and typist: whether the session was told that they type. */
  typing: Map<ConversationId, Map<UserId, boolean>> | undefined
  /** Protocol 1, by room: whether the session was told a number. */
  occupancy: Map<string, { readonly name: RoomName; readonly told: boolean }> | undefined
  /** Protocol 2: what the session was told of rooms, if anything. */
  groups: Map<GroupId, RoomSnapshot | undefined> | undefined
  conversations: Map<ConversationId, RoomSnapshot | undefined> | undefined
  devices: boolean
}

/** Never changed: the sessions that hear of one transition share one. */
export interface News {
  readonly userId: UserId
  /** The record of that person, if there was one; see {@link subjectOf}. */
  readonly subject: Person | undefined
  /** The presence before the change. */
  readonly told: Presence
  /** When it came, by `World.noted`. */
  readonly at: number
  /** Whether the session saw the subject then, where the rosters do not tell: people on a screen, count mode. */
  readonly sawThen: boolean | undefined
  /** All recipients saw the subject then: they see it still, unless `Pending.rosters` says that members changed. */
  readonly allSee: boolean
  /** The session asked: it is told even what it would take for granted, that somebody is offline. */
  readonly mustAnswer: boolean
}

/** The members of a room in names mode before they changed, each with the presence of that moment. Shared. */
export interface RosterBefore {
  /** When they changed, by `World.noted`. */
  readonly at: number
  readonly members: ReadonlyMap<UserId, Presence>
}

/** What protocol 2 says of a room. Nobody is told of their own typing. */
export interface RoomSnapshot {
  readonly mode: Mode
  readonly members: number
  readonly names: readonly UserId[]
  readonly online: number
  readonly typing: readonly UserId[]
  /** `names` as places in a list of users that begins with the names `base`, as the last who asked needed it. */
  places: { readonly base: readonly UserId[]; readonly list: readonly number[] } | undefined
  /** Once somebody's list of users began with `names`: that list, which is kept up to date, and the places in it. */
  counts: UserCount[] | undefined
  index: ReadonlyMap<UserId, number> | undefined
}

/**
 * Events that were made lately: the same fact for many recipients is one object, which is encoded once. Dropped as a
 * whole before long, or everything that was ever told would stay in memory.
 */
export interface EventCache {
  /** Its deadline: when it is dropped. */
  readonly is: 'cache'
  isInUse: boolean
  readonly presence: Map<
    Person,
    {
      /** The variant of the person's presence that the events tell. */
      readonly of: Presence
      update: PresenceEvent | undefined
      conversations: Map<ConversationId, PresenceEvent> | undefined
    }
  >
  /** Other events with many recipients, by their content. */
  readonly others: Map<string, PresenceEvent>
  /** Rooms whose `snapshot` was made: it is dropped with the rest. */
  rooms: Set<Room>
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
  /** The sessions that watch a user, known or not. */
  readonly watchers: Map<UserId, Set<Session>>
  /** How often a session is written at most; `windowMs`, or longer under pressure. */
  windowMs: number
  /** How long people have been held back at admission; 0: nobody is. */
  admissionDelayMs: number
  now: number
  effects: Effect[]
  /** Sessions whose slots have come. */
  due: Session[]
  readonly people: Map<UserId, Person>
  readonly sessions: Map<SessionId, Session>
  readonly groups: Map<GroupId, Room>
  readonly conversations: Map<ConversationId, Room>
  /** By node name, then epoch. */
  readonly nodes: Map<string, Map<string, RemoteNode>>
  readonly deadlines: Deadlines<Timed>
  readonly disagreements: Map<Person, Disagreement>
  /** People who went offline, oldest first. */
  readonly offline: Set<Person>
  /** Sessions lost within the last grace, oldest first. */
  readonly recentlyLost: Set<Session>
  /** Sessions that wait for their slot, by slot. */
  readonly slots: Map<number, Slot>
  /** Whether the last loss was part of a mass loss. */
  isMassLoss: boolean
  visit: number
  /** Raised by each change that is noted for sessions: tells which of two came first, also within one input. */
  noted: number
  cache: EventCache
  /** Why the presence changes that is derived now: of the last transition that was noted. */
  reason: TransitionReason
  /** Whether effects tell what a record of the past is made from. */
  readonly isRecorded: boolean
  /** For metrics. */
  readonly counts: Counts
  /** What happened lately, for those who ask why. */
  readonly transitions: Transitions
}

export function emptyCache(): EventCache {
  return {
    is: 'cache',
    isInUse: false,
    presence: new Map(),
    others: new Map(),
    rooms: new Set(),
    diffs: new Map(),
    diffsAt: 0,
  }
}

export function createWorld(settings: Settings, epoch: string, isRecorded: boolean): World {
  return {
    settings,
    epoch,
    position: 0,
    watchers: new Map(),
    windowMs: settings.windowMs,
    admissionDelayMs: 0,
    now: 0,
    effects: [],
    due: [],
    people: new Map(),
    sessions: new Map(),
    groups: new Map(),
    conversations: new Map(),
    nodes: new Map(),
    deadlines: new Deadlines(),
    disagreements: new Map(),
    offline: new Set(),
    recentlyLost: new Set(),
    slots: new Map(),
    isMassLoss: false,
    visit: 0,
    noted: 0,
    cache: emptyCache(),
    reason: 'connected',
    isRecorded,
    counts: createCounts(),
    transitions: createTransitions(settings.transitionsMax),
  }
}

/** Sessions are written less often than at other times: there is more to do than time. */
export function isUnderPressure({ windowMs, settings }: World): boolean {
  return windowMs > settings.windowMs
}

/** `=` a client's own `deviceId`, `~` a device that the server named: no client can name another's. */
export function deviceKey(deviceId: DeviceId | undefined, sessionId: SessionId): string {
  return deviceId === undefined ? `~${sessionId}` : `=${deviceId}`
}

/** Whether the server named its device. */
export function isAnonymous({ device }: Pick<Session, 'device'>): boolean {
  return device.startsWith('~')
}

/** The device as its owner sees it. */
export function deviceIdOf(session: Pick<Session, 'device'>): DeviceId {
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

/** The person whom pending news is about, as far as there is a record now. */
export function subjectOf(world: World, { userId, subject }: News): Person | undefined {
  return subject?.isKnown ? subject : world.people.get(userId)
}

/** Of news about the same person the one that came first: its `told` is what the session was told. */
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

export function modeOf({ counted }: Room): Mode {
  return counted ? 'count' : 'names'
}

/** How many members the rows name. */
export function sizeOfRows(rows: RosterOrSize): number {
  return typeof rows === 'number' ? rows : rows.length
}

/** Whether what a session shows of somebody would change, were it told. */
export function differs(a: Presence, b: Presence): boolean {
  return a.online !== b.online || a.count !== b.count
}

export function closeSession(world: World, session: Session, why: CloseReason): void {
  world.effects.push({ type: 'close', sessionId: session.id, why })
}
