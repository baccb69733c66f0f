/**
 * Beside station 3 · rows: which rooms users are in, in which mode rooms are, and who is still remembered.
 * In:   rows and numbers of members that were read (from engine.ts)
 * Out:  the sessions that are owed a first sight or a retraction
 * Next: outbox.ts
 *
 * Everywhere: first what a session was told is noted (`oweView`, `oweTyping`), then the state changes.
 */
import { typistsOf } from './audience.js'
import { countChanged } from './diffs.js'
import { membersOf } from './events.js'
import { holds, visitAll } from './few.js'
import type { KnownRooms, RoomFacts } from './inputs.js'
import {
  addToRoom,
  crowdOf,
  ensureRoom,
  findRoom,
  forEachViewer,
  modeOf,
  namesIn,
  removeFromRoom,
  roomChanged,
  type Room,
  type Session,
  type User,
  type World,
} from './model.js'
import { keepView, owedEntry, oweOccupancy, oweRoom, oweTyping, oweView } from './outbox.js'
import { NAMES_RETURN_SHARE } from './settings.js'
import { stopTyping, touchCrowd } from './typing.js'

/** The user's rows are these now. */
export function setMemberships(world: World, user: User, rooms: KnownRooms): void {
  const after = ensureRooms(world, rooms)
  rooms.forEach(({ value = NO_ROWS }, place) => {
    setRoom(world, after[place], value)
  })
  const isNew = user.rooms.length === 0
  const added = isNew ? after : after.filter((room) => !holds(room.users, user))
  const kept = isNew ? undefined : new Set(after)
  const removed = kept ? user.rooms.filter((room) => !kept.has(room)) : NONE
  if (removed.length === 0 && added.length === 0) return
  for (const room of removed) noteRemoval(world, user, room)
  for (const room of added) noteAddition(world, user, room)
  for (const room of removed) removeFromRoom(world, user, room)
  for (const room of added) addToRoom(user, room)
  user.rooms = after
  user.rowsAt = world.position
  countChanged(user)
  for (const room of removed) settleRoom(world, room)
  for (const room of added) settleRoom(world, room)
}

const NONE: readonly Room[] = []

/** Its members are others than before. */
function settleRoom(world: World, room: Room): void {
  if (hasRosterOfKnown(room)) rosterChanged(world, room)
  settleMode(world, room)
  if (room.crowd) touchCrowd(world, room.crowd)
}

/** `map` makes a list of just the right length: one that grows has room for more, which each user would keep. */
function ensureRooms(world: World, rooms: KnownRooms): readonly Room[] {
  return rooms.map((room) => ensureRoom(world, room, room.value ?? NO_ROWS))
}

function noteRemoval(world: World, user: User, room: Room): void {
  if (room.name.kind === 'conversation') stopTyping(world, user, room)
  noteHidden(world, user, room)
  for (const typist of typistsOf(room)) {
    for (const session of user.live) oweTyping(world, session, room, typist)
  }
  if (!room.crowd) noteViews(world, user, room)
  else noteNumber(world, user, room)
  noteRoom(world, user, room)
}

/** Protocol 2: the user's own sessions gain or lose the room; others see its known members change. */
function noteRoom(world: World, user: User, room: Room): void {
  for (const session of user.live) oweRoom(world, session, room)
  if (hasRosterOfKnown(room)) oweRoomToAll(world, room)
}

/** Until its rows have been read, a room in names mode has the members who are known. */
function hasRosterOfKnown(room: Room): boolean {
  return !room.crowd && !namesIn(room.facts)
}

function oweRoomToAll(world: World, room: Room): void {
  forEachViewer(room, (session) => {
    oweRoom(world, session, room)
  })
}

/** In count mode an end of typing waits for the window; but whoever goes is not named that long. */
function noteHidden(world: World, user: User, room: Room): void {
  if (!room.crowd?.shown.has(user)) return
  forEachViewer(room, (session) => {
    oweTyping(world, session, room, user)
  })
}

function noteAddition(world: World, user: User, room: Room): void {
  for (const typist of typistsOf(room)) {
    for (const session of user.live) oweTyping(world, session, room, typist)
  }
  if (!room.crowd) noteViews(world, user, room)
  else noteNumber(world, user, room)
  noteRoom(world, user, room)
}

/** What the user and the others of a room see of each other is about to change. */
function noteViews(world: World, user: User, room: Room): void {
  for (const session of user.live) {
    visitAll(room.users, (other) => {
      noteView(world, session, other)
    })
    noteView(world, session, user)
  }
  // Of somebody who is offline and was nowhere until now nobody can have been told anything.
  if (!user.presence.online && user.rooms.length === 0) return
  forEachViewer(room, (session) => {
    noteView(world, session, user)
  })
}

/** In count mode the user gains or loses a number; and sight of those whom they watch, as those who watch them do. */
function noteNumber(world: World, user: User, room: Room): void {
  for (const session of user.live) {
    oweOccupancy(world, session, room)
    for (const id of session.watched ?? []) {
      const other = world.users.get(id)
      if (other && holds(room.users, other)) noteView(world, session, other)
    }
  }
  for (const session of world.watchers.get(user.id) ?? []) {
    if (holds(room.users, session.user)) noteView(world, session, user)
  }
}

/** Nobody notices anything of somebody who was, and is, offline. */
function noteView(world: World, session: Session, subject: User): void {
  if (subject.presence.online || owedEntry(session, subject.id)) oweView(world, session, subject)
}

/** Rooms as their rows were read; those that nobody known is in are passed over. */
export function setRooms(world: World, rooms: KnownRooms): void {
  for (const room of rooms) setRoom(world, findRoom(world, room), room.value ?? NO_ROWS)
}

function setRoom(world: World, room: Room | undefined, facts: RoomFacts): void {
  if (!room || isSame(room.facts, facts)) return
  oweRoomToAll(world, room)
  room.facts = facts
  rosterChanged(world, room)
  settleMode(world, room)
  if (room.crowd) touchCrowd(world, room.crowd)
}

function rosterChanged(world: World, room: Room): void {
  roomChanged(world, room)
  room.rosterAt = world.position
}

function isSame(a: RoomFacts, b: RoomFacts): boolean {
  if (a === b) return true
  if (typeof a === 'number' || typeof b === 'number' || a.length !== b.length) return false
  // Most stores have an order of their own, and keep it.
  if (a.every((id, place) => id === b[place])) return true
  const ids = new Set(b)
  return a.every((id) => ids.has(id))
}

/** Names for a room that fits, a number for one that does not; a room at the border keeps the mode it has. */
function settleMode(world: World, room: Room): void {
  const members = membersOf(room)
  const { namesMax } = world.settings
  const before = modeOf(room)
  const mode = members > namesMax ? 'count' : members <= namesMax * NAMES_RETURN_SHARE ? 'names' : before
  if (mode === before) return
  const typists = new Set([...(room.typing?.keys() ?? []), ...(room.crowd?.shown ?? [])])
  forEachViewer(room, (session) => {
    visitAll(room.users, (subject) => {
      noteView(world, session, subject)
    })
    for (const typist of typists) oweTyping(world, session, room, typist)
    oweOccupancy(world, session, room)
  })
  rosterChanged(world, room)
  if (room.crowd) world.deadlines.delete(room.crowd)
  room.crowd = mode === 'count' ? crowdOf(room) : undefined
}

/** The user is remembered no longer. Whoever has not yet heard that they went is still told. */
export function forgetUser(world: World, user: User): void {
  world.offline.delete(user)
  world.deadlines.delete(user)
  for (const room of user.rooms) {
    noteHidden(world, user, room)
    if (room.crowd) continue
    forEachViewer(room, (session) => {
      keepView(session, user)
    })
  }
  for (const session of world.watchers.get(user.id) ?? []) keepView(session, user)
  for (const room of user.rooms) removeFromRoom(world, user, room)
  world.users.delete(user.id)
  // What is owed about them may hold on to the record, but to nothing else.
  user.isKnown = false
  user.rooms = NONE
  world.effects.push({ type: 'forget', userId: user.id })
}

/** The bound on how many are remembered as offline is reached. */
export function forgetOldest(world: World): void {
  for (const user of world.offline) {
    // Who comes back with an older position would not hear that this user went.
    world.oldestPosition = Math.max(world.oldestPosition, user.presenceAt)
    forgetUser(world, user)
    return
  }
}

const NO_ROWS: RoomFacts = 0

export const NO_ROOMS: KnownRooms = []
