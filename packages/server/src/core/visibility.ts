/**
 * Who may see whom: the only file that answers it. Everything that tells anybody anything asks here: snapshots, diffs,
 * events, typing, numbers of large rooms, people on a screen, the host's questions. The questions are pure.
 *
 * In names mode the roster alone says who is in a room, in count mode the members' own rows do. The linter refuses
 * other files of the engine (rooms.ts, which writes them, excepted) that read those fields.
 */
import type { ConversationId, Mode, UserId } from '@vigie/protocol'
import type { Presence } from './inputs.js'
import { contains, sizeOf, visitAll } from './small-set.js'
import {
  differs,
  type News,
  type Person,
  type Room,
  type RosterBefore,
  type Session,
  type World,
} from './model.js'

/** Where a session sees somebody: through some group, and in which conversations. */
export interface View {
  readonly group: boolean
  readonly conversations: readonly ConversationId[]
}

const NO_CONVERSATIONS: readonly ConversationId[] = []
const NOBODY: readonly Person[] = []
export const NO_VIEW: View = { group: false, conversations: NO_CONVERSATIONS }

export function isMember(person: Person, room: Room): boolean {
  return room.counted ? contains(room.locals, person) : isNamed(person, room)
}

/** An edge has two ends: the shorter list is read. */
function isNamed(person: Person, room: Room): boolean {
  return room.roster.length < person.memberOf.length
    ? room.roster.includes(person)
    : person.memberOf.includes(room)
}

/**
 * The presence that `viewer` is told of `subject`, whom it sees: one of a few variants, each shared by its
 * recipients. Today there is one for everybody.
 */
export function presenceFor(_viewer: Person, subject: Person): Presence {
  return subject.presence
}

/** Whether the session sees the subject anywhere: in a room in names mode, or, if it is on the screen, in any room. */
export function sees(session: Session, subject: Person): boolean {
  const viewer = session.user
  if (session.protocol === 1 && viewer === subject) return true
  if (sharesNames(viewer, subject)) return true
  return session.watched?.has(subject.id) === true && sharesCounted(viewer, subject)
}

/** The rooms that both are in: those with names, or those that are too large for names. */
export function sharedRooms(viewer: Person, subject: Person, mode: Mode): readonly Room[] {
  return roomsOf(subject).filter(
    (room) => (room.counted !== undefined) === (mode === 'count') && isMember(viewer, room),
  )
}

function sharesNames(viewer: Person, subject: Person): boolean {
  for (const room of subject.memberOf) if (isNamed(viewer, room)) return true
  return false
}

function sharesCounted(viewer: Person, subject: Person): boolean {
  for (const { counted, locals } of viewer.ownRooms ?? NO_ROOMS) {
    if (counted && contains(locals, viewer) && contains(locals, subject)) return true
  }
  return false
}

/** Protocol 1: where the session sees the subject now. One's own presence is an event, in a group or not. */
export function viewOf(session: Session, subject: Person): View {
  const viewer = session.user
  let group = viewer === subject
  let conversations: ConversationId[] | undefined
  for (const room of subject.memberOf) {
    if (!isNamed(viewer, room)) continue
    if (room.name.kind === 'group') group = true
    else (conversations ??= []).push(room.name.id)
  }
  return { group, conversations: conversations ?? NO_CONVERSATIONS }
}

/**
 * Where the session saw the user when it was last told something: in the rooms whose members changed since, as they
 * were; in the others, as they are. Protocol 1 always shows a user's own presence, protocol 2 by the rosters alone.
 */
export function viewThen(session: Session, userId: UserId, subject: Person | undefined): View {
  const viewer = session.user
  const rosters = session.pending?.rosters
  let group = session.protocol === 1 && viewer.id === userId
  let conversations: ConversationId[] | undefined
  const add = ({ name }: Room) => {
    if (name.kind === 'group') group = true
    else (conversations ??= []).push(name.id)
  }
  for (const room of subject?.memberOf ?? NO_ROOMS) {
    if (!rosters?.has(room) && isNamed(viewer, room)) add(room)
  }
  rosters?.forEach(({ members }, room) => {
    if (members.has(viewer.id) && members.has(userId)) add(room)
  })
  return { group, conversations: conversations ?? NO_CONVERSATIONS }
}

/** Whether the session saw the user anywhere when it was last told something. */
export function sawThen(session: Session, userId: UserId, subject: Person | undefined): boolean {
  if (!session.pending?.rosters) return subject !== undefined && sees(session, subject)
  const { group, conversations } = viewThen(session, userId, subject)
  if (group || conversations.length > 0) return true
  return (
    subject !== undefined && session.watched?.has(userId) === true && sharesCounted(session.user, subject)
  )
}

/**
 * The presence that the session was last told of the user: what came first of the news about them and of the changes of
 * rooms in which it saw them.
 */
export function presenceThen(session: Session, userId: UserId, news: News | undefined): Presence | undefined {
  let first: RosterBefore | undefined
  session.pending?.rosters?.forEach((before) => {
    const saw = before.members.has(userId) && before.members.has(session.user.id)
    if (saw && (!first || before.at < first.at)) first = before
  })
  if (first && (!news || first.at < news.at)) return first.members.get(userId)
  return news?.told
}

/** The users of whom the session may have to be told something else because members of a room changed. */
export function affectedBy(session: Session): Set<UserId> {
  const affected = new Set<UserId>()
  const viewer = session.user
  session.pending?.rosters?.forEach(({ members }, room) => {
    const was = members.has(viewer.id)
    const is = isNamed(viewer, room)
    const stay = new Set<UserId>()
    if (is) {
      for (const { id, presence } of room.roster) {
        const before = was ? members.get(id) : undefined
        // Somebody may have been out of the room for a while, and come online or gone in that time.
        if (before && !differs(before, presence)) stay.add(id)
        else affected.add(id)
      }
    }
    if (was) for (const id of members.keys()) if (!stay.has(id)) affected.add(id)
  })
  return affected
}

/** Calls `tell` with each session that may be told of the subject's presence, its own ones left out. */
export function visitAudience(world: World, subject: Person, tell: (session: Session) => void): void {
  const visit = ++world.visit
  subject.visited = visit
  const tellOnce = (viewer: Person) => {
    if (viewer.visited === visit) return
    viewer.visited = visit
    for (const session of viewer.live) tell(session)
  }
  for (const { locals } of subject.memberOf) {
    // Hot path: V8 inlines a loop that stands here, and not one behind `visitAll`, which is called from everywhere.
    if (locals instanceof Set) locals.forEach(tellOnce)
    else for (const viewer of locals) tellOnce(viewer)
  }
}

/** The sessions of a room's members that can be written. */
export function forEachViewer(room: Room, visit: (session: Session) => void): void {
  visitAll(room.locals, (viewer) => {
    for (const session of viewer.live) visit(session)
  })
}

/** The members who are local: the only ones who may have sessions. */
export function localsOf({ locals }: Room): Iterable<Person> {
  return locals
}

/** Whether some member has a live session here. */
export function hasViewers({ locals }: Room): boolean {
  for (const { live } of locals) if (live.length > 0) return true
  return false
}

const NO_ROOMS: readonly Room[] = []

/** The rooms that a person is in. In the order of the own rows; a roster may name somebody whose own rows do not say so. */
export function roomsOf(person: Person): readonly Room[] {
  const own = person.ownRooms ?? NO_ROOMS
  if (own === person.memberOf) return own
  const mine = own.every((room) => isMember(person, room))
    ? own
    : own.filter((room) => isMember(person, room))
  const named = mine.reduce((sum, room) => sum + (room.counted ? 0 : 1), 0)
  if (named === person.memberOf.length) return mine
  return [...mine, ...person.memberOf.filter((room) => !own.includes(room))]
}

/** The rooms that a local person's own rows name, members or not; undefined: the person is not local. */
export function ownRoomsOf({ ownRooms }: Person): readonly Room[] | undefined {
  return ownRooms
}

/** The rooms in names mode that a person is in. */
export function namedRoomsOf({ memberOf }: Person): readonly Room[] {
  return memberOf
}

/** The rooms in count mode that a person is in. */
export function countedRoomsOf(person: Person): readonly Room[] {
  const own = person.ownRooms ?? NO_ROOMS
  return own.some((room) => room.counted)
    ? own.filter((room) => room.counted && isMember(person, room))
    : NO_ROOMS
}

/** The people whom the members of a room see by name. */
export function namesIn({ roster }: Room): readonly Person[] {
  return roster
}

/** The members who are online, for the host. In count mode those known here. */
export function onlineIn({ counted, locals, roster }: Room): readonly Person[] {
  return [...(counted ? locals : roster)].filter(({ presence }) => presence.online)
}

/** Count mode: how many of those known here are online. */
export function countedOnlineIn({ locals }: Room): number {
  let online = 0
  visitAll(locals, ({ presence }) => {
    if (presence.online) online++
  })
  return online
}

/** Whether the members of a room with names are those whom its rows name, and each of them knows it. */
export function hasBothEnds(room: Room): boolean {
  const { counted, rows, roster } = room
  if (counted || typeof rows === 'number') return true
  if (!roster.every(({ memberOf }) => memberOf.includes(room))) return false
  // A roster is made in the order of its rows; each change of one member keeps it or not.
  if (rows.length === roster.length && roster.every(({ id }, place) => id === rows[place])) return true
  const ids = new Set(rows)
  return ids.size === roster.length && roster.every(({ id }) => ids.has(id))
}

/** How many members are online. Without a list of them: the host may ask it of all rooms at once. */
export function onlineSizeOf({ counted, roster }: Room): number {
  if (counted) return counted.online
  let online = 0
  for (const { presence } of roster) if (presence.online) online++
  return online
}

/** How many members are local. */
export function localSizeOf({ locals }: Room): number {
  return sizeOf(locals)
}

/** Whether `viewer` may be told that `typist` types in `room`. A user's own typing is never told to that user. */
export function seesTyping(viewer: Person, room: Room, typist: Person): boolean {
  if (viewer === typist || !isMember(viewer, room)) return false
  return room.counted ? room.counted.shown.has(typist) : room.typing?.has(typist) === true
}

/** Those whom the members of a room may be told of as typing. */
export function typistsOf(room: Room): Iterable<Person> {
  return room.counted ? room.counted.shown : (room.typing?.keys() ?? NOBODY)
}

/** Whether the viewer may be told how many are in the room. */
export function seesOccupancy(viewer: Person, room: Room): boolean {
  return room.counted !== undefined && isMember(viewer, room)
}

/** Rooms in which a local person's own rows and the rosters disagree. */
export function disagreements(person: Person): readonly Room[] {
  const { ownRooms: own, memberOf } = person
  if (!own || own === memberOf) return NO_ROOMS
  let agreed = 0
  let missing: Room[] | undefined
  for (const room of own) {
    if (room.counted) continue
    if (memberOf.includes(room)) agreed++
    else (missing ??= []).push(room)
  }
  if (agreed === memberOf.length) return missing ?? NO_ROOMS
  return [...(missing ?? []), ...memberOf.filter((room) => !own.includes(room))]
}
