/**
 * What is said of a room: its snapshot of protocol 2, and the number of one in count mode. All its members share both.
 */
import type { UserCount, UserId } from '@vigie/protocol'
import { roomChanged } from './event-cache.js'
import type { Presence } from './inputs.js'
import {
  isUnderPressure,
  modeOf,
  sizeOfRows,
  type CountedRoom,
  type Occupancy,
  type Person,
  type Room,
  type RoomSnapshot,
  type Session,
  type World,
} from './model.js'
import { isMember, localSizeOf, namedRoomsOf, namesIn, typistsOf } from './visibility.js'

const NO_NAMES: readonly UserId[] = []

/**
 * What the session may be told of the room, the user's own typing included; undefined: the user is not in it.
 * @param isKept Cache it for others who are going to ask, too. A snapshot that nobody else reads would be promoted by V8
 * out of the young garbage for nothing.
 */
export function snapshotFor(
  world: World,
  session: Session,
  room: Room,
  isKept = true,
): RoomSnapshot | undefined {
  if (!isMember(session.user, room)) return undefined
  if (room.snapshot) return room.snapshot
  const { counted } = room
  const { members, online } = counted
    ? toldOccupancy(world, counted)
    : { members: membersOf(room), online: 0 }
  const typists = Array.from(typistsOf(room), (typist) => typist.id)
  const snapshot: RoomSnapshot = {
    mode: modeOf(room),
    members,
    names: counted ? NO_NAMES : namesOf(room),
    online,
    typing: typists.length === 0 ? NO_NAMES : typists,
    places: undefined,
    counts: undefined,
    index: undefined,
  }
  if (isKept) {
    room.snapshot = snapshot
    world.cache.rooms.add(room)
  }
  return snapshot
}

/** Of somebody who has just come. Others ask for the same room soon only when everybody comes back. */
export function firstSnapshotFor(world: World, session: Session, room: Room): RoomSnapshot | undefined {
  return snapshotFor(world, session, room, isUnderPressure(world))
}

/** The list that was read, if it names each member once: it is the same until the rows change. */
function namesOf(room: Room): readonly UserId[] {
  const people = namesIn(room)
  const { rows } = room
  return typeof rows === 'object' && rows.length === people.length ? rows : people.map(({ id }) => id)
}

/** Nobody is told of their own typing. */
export function typistsFor(session: Session, { typing }: RoomSnapshot): readonly UserId[] {
  const { id } = session.user
  return typing.includes(id) ? typing.filter((typist) => typist !== id) : typing
}

/** In the order of `names`, and kept up to date by {@link countChanged}. */
export function countsIn(room: Room, snapshot: RoomSnapshot): UserCount[] {
  return (snapshot.counts ??= namesIn(room).map((person) => countOf(person)))
}

/** Where each of `names` is in them. */
export function indexOf(snapshot: RoomSnapshot): ReadonlyMap<UserId, number> {
  return (snapshot.index ??= new Map(snapshot.names.map((userId, place) => [userId, place])))
}

/** Call after the person's presence changed: snapshots that are kept say it. */
export function countChanged(person: Person): void {
  person.count = undefined
  for (const { snapshot } of namedRoomsOf(person)) {
    if (!snapshot?.counts) continue
    const place = indexOf(snapshot).get(person.id)
    if (place !== undefined) snapshot.counts[place] = countOf(person)
  }
}

/** How protocol 2 says a presence. Of those who are offline it is not kept: most of a large directory are. */
export function countOf(person: Person, presence: Presence = person.presence): UserCount {
  return presence.online ? newsCountOf(person, presence) : [person.id, presence.count]
}

/** The same for a change, kept also of somebody who has gone: all who are told share one event, whose key it is. */
export function newsCountOf(person: Person, presence: Presence): UserCount {
  if (presence !== person.presence) return [person.id, presence.count]
  return (person.count ??= [person.id, presence.count])
}

/**
 * All members hear the same number, whenever they ask: somebody who came in between would otherwise have another, and
 * might not be told when it is back to what the rest were told.
 */
export function toldOccupancy(world: World, counted: CountedRoom): Occupancy {
  if (!counted.told) {
    counted.told = occupancyNow(counted)
    roomChanged(world, counted.room)
  }
  return counted.told
}

export function occupancyNow({ room, online }: CountedRoom): Occupancy {
  return { members: membersOf(room), online }
}

/** The members' own rows may be ahead of the number that was read last. */
export function membersOf(room: Room): number {
  const { rows, counted } = room
  return Math.max(sizeOfRows(rows), counted ? localSizeOf(room) : 0)
}
