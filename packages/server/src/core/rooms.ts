/**
 * The edges between people and rooms, and their only writer: `roster` and `memberOf` of names mode, `counted.localMembers` of
 * count mode, `ownRooms` with `holders`, and `viewers`, which are the members with a live session. Every function leaves
 * both ends of each edge in agreement; who is to be told is its caller's business (memberships.ts, sessions.ts).
 */
import type { UserId } from '@vigie/protocol'
import type { RoomName, RosterOrSize } from './inputs.js'
import { findRoom, type CountedRoom, type Person, type Room, type World } from './model.js'
import { dropUnneeded, ensurePerson } from './people.js'
import { contains, visitAll, withItem, withoutItem } from './small-set.js'

const NOBODY: readonly Person[] = []
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
    viewers: NOBODY,
    typing: undefined,
    counted: undefined,
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
  const visit = ++world.visit
  for (const person of roster) person.visited = visit
  const gone = before.filter(({ visited }) => visited !== visit)
  for (const person of before) if (person.visited === visit) person.visited = 0
  room.roster = roster
  for (const person of gone) {
    person.memberOf = person.memberOf.filter((other) => other !== room)
    room.viewers = withoutItem(room.viewers, person)
    person.rowsAt = world.position
  }
  for (const person of roster) {
    // Of those who stay the mark was taken back.
    if (person.visited !== visit) continue
    // `concat` makes a list of just the right length, which a spread does not.
    person.memberOf = person.memberOf.concat(room)
    if (person.live.length > 0) room.viewers = withItem(room.viewers, person)
  }
  for (const person of gone) dropUnneeded(world, person)
}

/** Count mode begins: the members are the local people whose own rows name the room. */
export function beginCounting(world: World, room: Room): CountedRoom {
  setRoster(world, room, NOBODY)
  const counted: CountedRoom = {
    is: 'counted',
    room,
    localMembers: NOBODY,
    online: 0,
    shown: new Set(),
    told: undefined,
    nextAt: 0,
  }
  room.counted = counted
  for (const person of holdersOf(world, room)) addCountedMember(world, counted, person)
  return counted
}

/** Count mode ends: nobody is a member until the roster is set. */
export function endCounting(world: World, room: Room): void {
  if (!room.counted) return
  visitAll(room.counted.localMembers, (person) => {
    person.rowsAt = world.position
  })
  world.deadlines.delete(room.counted)
  room.counted = undefined
  room.viewers = NOBODY
}

export function addCountedMember(world: World, counted: CountedRoom, person: Person): void {
  if (contains(counted.localMembers, person)) return
  counted.localMembers = withItem(counted.localMembers, person)
  if (person.presence.online) counted.online++
  if (person.live.length > 0) counted.room.viewers = withItem(counted.room.viewers, person)
  person.rowsAt = world.position
}

export function removeCountedMember(world: World, counted: CountedRoom, person: Person): void {
  counted.localMembers = withoutItem(counted.localMembers, person)
  if (person.presence.online) counted.online--
  counted.room.viewers = withoutItem(counted.room.viewers, person)
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

/** The person's own rows name these rooms now; undefined: they are not needed any more. */
export function setOwnRooms(person: Person, rooms: readonly Room[] | undefined): void {
  for (const room of person.ownRooms ?? []) room.holders--
  for (const room of rooms ?? []) room.holders++
  person.ownRooms = rooms
}

/** The person has a first live session: the rooms that they are in have one viewer more. */
export function addViewer(person: Person): void {
  forEachRoom(person, (room) => {
    room.viewers = withItem(room.viewers, person)
  })
}

/** The person's last live session has ended. */
export function removeViewer(person: Person): void {
  forEachRoom(person, (room) => {
    room.viewers = withoutItem(room.viewers, person)
  })
}

/** Visits the rooms that the person is in. */
function forEachRoom(person: Person, visit: (room: Room) => void): void {
  for (const room of person.memberOf) visit(room)
  for (const room of person.ownRooms ?? []) {
    if (room.counted && contains(room.counted.localMembers, person)) visit(room)
  }
}
