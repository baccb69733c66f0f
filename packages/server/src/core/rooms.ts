/**
 * The edges between people and rooms, and their only writer: `roster` and `memberOf` of names mode, `ownRooms` with
 * `holders`, and `locals`: in names mode the members who are local, in count mode the local people whose own rows name
 * the room. Every function leaves both ends of each edge in agreement; who is to be told is decided by its caller,
 * memberships.ts.
 */
import type { UserId } from '@vigie/protocol'
import type { RoomName, RosterOrSize } from './inputs.js'
import { findRoom, type CountedRoom, type Person, type Room, type World } from './model.js'
import { dropUnneeded, ensurePerson } from './people.js'
import { contains, visitAll, withNewItem, withoutItem } from './small-set.js'

const NOBODY: readonly Person[] = []
const NO_ROOMS: readonly Room[] = []
const NO_ROWS: RosterOrSize = 0

/** Finds or makes a room; a new one has no members until its rows are set. */
export function ensureRoom(world: World, name: RoomName): Room {
  const known = findRoom(world, name)
  if (known) return known
  const room: Room = {
    name,
    rows: NO_ROWS,
    holders: 0,
    changedAt: world.position,
    rosterAt: world.position,
    roster: NOBODY,
    locals: NOBODY,
    typing: undefined,
    counted: undefined,
    visited: 0,
    snapshot: undefined,
  }
  if (name.kind === 'group') world.groups.set(name.id, room)
  else world.conversations.set(name.id, room)
  return room
}

/** The room is held no longer, and has no members any more. */
export function dropRoom(world: World, { name }: Room): void {
  if (name.kind === 'group') world.groups.delete(name.id)
  else world.conversations.delete(name.id)
}

/** The people whom rows name, each once, whatever the store gave. */
export function peopleIn(world: World, ids: readonly UserId[]): readonly Person[] {
  const visit = ++world.visit
  let repeated = 0
  const people = ids.map((id) => {
    const person = ensurePerson(world, id)
    if (person.visited === visit) repeated++
    person.visited = visit
    return person
  })
  return repeated === 0 ? people : [...new Set(people)]
}

/** Names mode: the members are these now. */
export function setRoster(world: World, room: Room, roster: readonly Person[]): void {
  const before = room.roster
  room.roster = roster
  // In a storm nearly every room is new.
  if (before.length === 0) {
    for (const person of roster) addToRoster(room, person)
    return
  }
  const was = new Set(before)
  for (const person of roster) if (!was.delete(person)) addToRoster(room, person)
  for (const person of was) {
    person.memberOf = person.memberOf.filter((other) => other !== room)
    room.locals = withoutItem(room.locals, person)
    person.rowsAt = world.position
    dropUnneeded(world, person)
  }
}

function addToRoster(room: Room, person: Person): void {
  const { memberOf, ownRooms } = person
  if (memberOf.length === 0) person.memberOf = [room]
  // `concat` makes a list of just the right length, which a spread does not.
  else if (ownRooms) person.memberOf = memberOf.concat(room)
  // Rosters come room by room: a copy for each would be most of what a storm throws away. See setOwnRooms.
  else (memberOf as Room[]).push(room)
  if (ownRooms) room.locals = withNewItem(room.locals, person)
}

/** Count mode begins. @param holders See {@link holdersOf}: from now on they are the members. */
export function beginCounting(world: World, room: Room, holders: readonly Person[]): void {
  setRoster(world, room, NOBODY)
  const counted: CountedRoom = {
    is: 'counted',
    room,
    online: 0,
    shown: new Set(),
    told: undefined,
    nextAt: 0,
  }
  room.counted = counted
  for (const person of holders) addCountedMember(world, counted, person)
}

/** Count mode ends: nobody is a member until the roster is set. */
export function endCounting(world: World, room: Room): void {
  if (!room.counted) return
  visitAll(room.locals, (person) => {
    person.rowsAt = world.position
  })
  world.deadlines.delete(room.counted)
  room.counted = undefined
  room.locals = NOBODY
}

export function addCountedMember(world: World, counted: CountedRoom, person: Person): void {
  const { room } = counted
  if (contains(room.locals, person)) return
  room.locals = withNewItem(room.locals, person)
  if (person.presence.online) counted.online++
  person.rowsAt = world.position
}

export function removeCountedMember(world: World, counted: CountedRoom, person: Person): void {
  const { room } = counted
  room.locals = withoutItem(room.locals, person)
  if (person.presence.online) counted.online--
  if (counted.shown.has(person))
    counted.shown = new Set([...counted.shown].filter((typist) => typist !== person))
  person.rowsAt = world.position
}

/**
 * The local people whose own rows name the room. Looked for among all, because it is asked only when a room changes its
 * mode: a list in each room would cost memory all the time.
 */
export function holdersOf({ people }: World, room: Room): readonly Person[] {
  const holders: Person[] = []
  for (const person of people.values()) if (person.ownRooms?.includes(room)) holders.push(person)
  return holders
}

/**
 * The person's own rows name these rooms now, and the person is local; undefined: they are not needed any more. Of rooms
 * in count mode the caller says who joins and leaves.
 */
export function setOwnRooms(world: World, person: Person, rooms: readonly Room[] | undefined): void {
  for (const room of person.ownRooms ?? NO_ROOMS) room.holders--
  for (const room of rooms ?? NO_ROOMS) room.holders++
  if (!person.ownRooms && rooms)
    for (const room of person.memberOf) room.locals = withNewItem(room.locals, person)
  if (person.ownRooms && !rooms)
    for (const room of person.memberOf) room.locals = withoutItem(room.locals, person)
  // Of a local person the list has just the right length; where nothing disagrees and nothing is counted, it is one list.
  if (rooms && isSameSet(world, person.memberOf, rooms)) person.memberOf = rooms
  else if (!person.ownRooms !== !rooms) person.memberOf = person.memberOf.slice()
  person.ownRooms = rooms
}

/** Neither list has a room twice. */
function isSameSet(world: World, some: readonly Room[], others: readonly Room[]): boolean {
  if (some.length !== others.length) return false
  const visit = ++world.visit
  for (const room of some) room.visited = visit
  return others.every((room) => room.visited === visit)
}
