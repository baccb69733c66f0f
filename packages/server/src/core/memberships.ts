/**
 * Beside station 3 · rows: which rooms are held, who is in them, in which mode they are, who is remembered as offline.
 * In:   rows of people and of rooms that were read (from engine.ts), somebody who is gone (from presence.ts)
 * Out:  the sessions that are to be told a first sight or a retraction; `want`, `forget`, `reread`
 * Next: pending.ts
 *
 * In names mode the rows of the room decide who is in it. A person's own rows decide which rooms are held, and who is in
 * a room in count mode. Every change first notes what sessions were told, then changes the edges (rooms.ts).
 */
import type { SessionId, UserId } from '@vigie/protocol'
import { roomChanged } from './event-cache.js'
import type { KnownRooms, Presence, RosterOrSize } from './inputs.js'
import {
  findRoom,
  sizeOfRows,
  type CountedRoom,
  type Person,
  type Room,
  type RosterBefore,
  type Session,
  type World,
} from './model.js'
import { noteTypist, touchCounted } from './occupancy.js'
import { noteOccupancy, noteRoom, noteRoster, noteSight, noteTyping } from './pending.js'
import { dropUnneeded } from './people.js'
import {
  addCountedMember,
  beginCounting,
  dropRoom,
  endCounting,
  ensureRoom,
  holdersOf,
  peopleIn,
  removeCountedMember,
  setOwnRooms,
  setRoster,
} from './rooms.js'
import { NAMES_RETURN_SHARE } from './settings.js'
import { stopTyping } from './typing.js'
import {
  disagreements,
  forEachViewer,
  isMember,
  localSizeOf,
  localsOf,
  namesIn,
  ownRoomsOf,
  typistsOf,
} from './visibility.js'

export const NO_ROOMS: KnownRooms = []
const NO_ROWS: RosterOrSize = 0
const NOBODY: readonly Person[] = []

/** The rows of a local person are these now. A person becomes local by it. */
export function setMemberships(world: World, person: Person, rooms: KnownRooms): void {
  const before = ownRoomsOf(person)
  if (!before) world.effects.push({ type: 'want', userId: person.id })
  // `map` makes a list of just the right length: one that grows has room for more, which each person would keep.
  const after = rooms.map((room) => ensureRoom(world, room))
  rooms.forEach(({ value }, place) => {
    const room = after[place]
    // A room that is new has no rows yet, and `undefined` says that nothing was read.
    if (room && value !== undefined) setRows(world, room, value)
  })
  changeOwnRooms(world, person, before ?? [], after)
}

/** The person is local no longer: rooms that nobody else's own rows name are let go. The caller drops the record. */
export function releaseMemberships(world: World, person: Person): void {
  const before = ownRoomsOf(person)
  if (!before) return
  changeOwnRooms(world, person, before, undefined)
  world.effects.push({ type: 'forget', userId: person.id })
}

/** Rooms as their rows were read. A room that nobody's own rows name is passed over. */
export function setRooms(world: World, rooms: KnownRooms): void {
  for (const known of rooms) {
    const room = findRoom(world, known)
    if (room) setRows(world, room, known.value ?? NO_ROWS)
  }
}

function changeOwnRooms(
  world: World,
  person: Person,
  before: readonly Room[],
  after: readonly Room[] | undefined,
): void {
  const isSame = after?.length === before.length && after.every((room, place) => room === before[place])
  if (isSame && ownRoomsOf(person)) return
  if (before.length > 0) {
    const kept = new Set(after)
    for (const { counted } of before) {
      if (counted && !kept.has(counted.room)) leaveCounted(world, counted, person)
    }
  }
  const isFirst = !ownRoomsOf(person)
  setOwnRooms(world, person, after)
  if (world.isRecorded && after)
    world.effects.push({
      type: 'rooms',
      userId: person.id,
      isFirst,
      rooms: after.map(({ name }) => name),
      at: world.now,
    })
  for (const { counted } of after ?? []) if (counted) joinCounted(world, counted, person)
  for (const room of before) if (room.holders === 0) letGo(world, room)
  settleDisagreement(world, person)
}

/** Count mode: the person's own rows do not name the room any more. */
function leaveCounted(world: World, counted: CountedRoom, person: Person): void {
  if (!isMember(person, counted.room)) return
  stopTyping(world, person, counted.room)
  // The end of typing waits for the window; but somebody who goes is not named that long.
  if (counted.shown.has(person)) noteTypist(world, counted, person)
  noteNumber(world, counted, person)
  removeCountedMember(world, counted, person)
  // Its snapshot may name them as typing.
  roomChanged(world, counted.room)
  touchCounted(world, counted)
}

function joinCounted(world: World, counted: CountedRoom, person: Person): void {
  if (isMember(person, counted.room)) return
  noteNumber(world, counted, person)
  addCountedMember(world, counted, person)
  touchCounted(world, counted)
}

/** Count mode: the person gains or loses a number, its typists, and sight of people on screens; others, of the person. */
function noteNumber(world: World, { room }: CountedRoom, person: Person): void {
  for (const session of person.live) {
    noteOccupancy(world, session, room)
    for (const typist of typistsOf(room)) noteTyping(world, session, room, typist)
    noteWatched(world, session, room)
  }
  for (const session of world.watchers.get(person.id) ?? []) {
    if (session.user === person || isMember(session.user, room)) noteSight(world, session, person)
  }
}

/** Nobody's own rows name the room any more. Sessions that a roster had in it lose it. */
function letGo(world: World, room: Room): void {
  const sessionIds: SessionId[] = []
  forEachViewer(room, ({ id }) => sessionIds.push(id))
  if (sessionIds.length > 0) world.effects.push({ type: 'unplaced', sessionIds })
  setRows(world, room, NO_ROWS)
  dropRoom(world, room)
}

function setRows(world: World, room: Room, rows: RosterOrSize): void {
  if (isSameRows(room.rows, rows)) return
  const was = namesIn(room)
  const isCounted = room.counted !== undefined
  const willCount = isCountedAt(world, room, rows)
  const names = willCount || typeof rows === 'number' ? NOBODY : peopleIn(world, rows)
  const holders = willCount && !isCounted ? holdersOf(world, room) : NOBODY
  if (isCounted && willCount) {
    forEachViewer(room, (session) => {
      noteRoom(world, session, room)
    })
  } else noteMembers(world, room, willCount ? holders : names, isCounted !== willCount)
  room.rows = rows
  if (willCount) {
    if (!isCounted) beginCounting(world, room, holders)
  } else {
    endCounting(world, room)
    setRoster(world, room, names)
  }
  roomChanged(world, room)
  room.rosterAt = world.position
  if (room.counted) touchCounted(world, room.counted)
  settleDisagreements(world, was, names)
}

/**
 * Names for a room that fits, a number for one that does not; a room at the border keeps the mode that it has, if its
 * names were read.
 */
function isCountedAt({ settings }: World, { counted }: Room, rows: RosterOrSize): boolean {
  const size = sizeOfRows(rows)
  if (size > settings.namesMax) return true
  return counted !== undefined && size > settings.namesMax * NAMES_RETURN_SHARE
}

/**
 * Call before the members become `next`. All sessions that were or will be in the room share one record of who was in
 * it, and each compares it with the members of the moment when it is written: a room of any size costs one entry here.
 */
function noteMembers(world: World, room: Room, next: readonly Person[], isSwitching: boolean): void {
  // In a storm nearly every room is new, and nobody in it has a session yet.
  if (localSizeOf(room) === 0 && next.every(({ live }) => live.length === 0)) return
  const willBe = new Set(next)
  for (const typist of [...(room.typing?.keys() ?? [])]) {
    if (!willBe.has(typist)) stopTyping(world, typist, room)
  }
  const before = rosterOf(world, room)
  const typists = new Set([...(room.typing?.keys() ?? []), ...typistsOf(room)])
  const note = (person: Person, isOwnChange: boolean) => {
    for (const session of person.live) {
      if (room.counted || isSwitching) noteWatched(world, session, room, willBe)
      noteRoster(world, session, room, before)
      noteRoom(world, session, room)
      if (isSwitching) noteOccupancy(world, session, room)
      if (isSwitching || isOwnChange) for (const typist of typists) noteTyping(world, session, room, typist)
    }
  }
  for (const person of localsOf(room)) note(person, !willBe.has(person))
  for (const person of next) if (person.live.length > 0 && !isMember(person, room)) note(person, true)
}

function rosterOf(world: World, room: Room): RosterBefore {
  const members = new Map<UserId, Presence>()
  for (const { id, presence } of namesIn(room)) members.set(id, presence)
  return { at: ++world.noted, members }
}

/**
 * Call before it changes whether people on the session's screen are in a room in count mode; `willBe`: those who come into
 * it with the change, while the room begins to count say.
 */
function noteWatched(world: World, session: Session, room: Room, willBe?: ReadonlySet<Person>): void {
  for (const id of session.watched ?? []) {
    const other = world.people.get(id)
    if (other && (isMember(other, room) || willBe?.has(other))) noteSight(world, session, other)
  }
}

/** Whether both name the same members, in any order, or as many where names are not read. */
export function isSameRows(a: RosterOrSize, b: RosterOrSize): boolean {
  if (a === b) return true
  if (typeof a === 'number' || typeof b === 'number' || a.length !== b.length) return false
  // Most stores have an order of their own, and keep it.
  if (a.every((id, place) => id === b[place])) return true
  const ids = new Set(b)
  return a.every((id) => ids.has(id))
}

/** How long a person's own rows and the rosters may disagree before both are read again: one change is read in two reads. */
const DISAGREEMENT_MS = 250

/** Of a person who stays in a roster nothing changes. */
function settleDisagreements(world: World, was: readonly Person[], are: readonly Person[]): void {
  const before = was.length > 0 ? new Set(was) : undefined
  for (const person of are) if (!before?.delete(person)) settleDisagreement(world, person)
  if (before) for (const person of before) settleDisagreement(world, person)
}

function settleDisagreement(world: World, person: Person): void {
  // Only a local person has rows that could say something else.
  if (!ownRoomsOf(person) && world.disagreements.size === 0) return
  const known = world.disagreements.get(person)
  if (disagreements(person).length === 0) {
    if (!known) return
    world.disagreements.delete(person)
    world.deadlines.delete(known)
  } else if (!known) {
    const disagreement = { is: 'disagreement', person } as const
    world.disagreements.set(person, disagreement)
    world.deadlines.set(disagreement, world.now + DISAGREEMENT_MS)
  }
}

/** The rows still disagree. They are read again once; until a read brings something else, the rosters stand. */
export function rereadDisagreement(world: World, person: Person): void {
  world.disagreements.delete(person)
  const rooms = disagreements(person).map(({ name }) => name)
  if (rooms.length > 0) world.effects.push({ type: 'reread', userId: person.id, rooms })
}

/** The person is remembered as offline no longer. */
export function forgetOffline(world: World, person: Person): void {
  world.offline.delete(person)
  world.deadlines.delete(person)
  releaseMemberships(world, person)
  dropUnneeded(world, person)
}

/** The bound on how many are remembered as offline is reached. */
export function forgetOldest(world: World): void {
  for (const person of world.offline) {
    forgetOffline(world, person)
    return
  }
}
