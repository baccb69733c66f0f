/** The records of people: made when somebody is needed, dropped when nothing needs them any more. */
import type { UserId } from '@vigie/protocol'
import { OFFLINE, type Person, type Room, type Session, type World } from './model.js'

const NO_SESSIONS: readonly Session[] = []
const NO_ROOMS: readonly Room[] = []
const NO_DEVICES: Person['devices'] = []

export function ensurePerson(world: World, id: UserId): Person {
  const known = world.people.get(id)
  if (known) return known
  const person: Person = {
    is: 'person',
    id,
    visited: 0,
    live: NO_SESSIONS,
    presence: OFFLINE,
    count: undefined,
    isKnown: true,
    memberOf: NO_ROOMS,
    ownRooms: undefined,
    sessions: NO_SESSIONS,
    remote: undefined,
    // A client that comes back with an earlier position is told of this person.
    presenceAt: world.position,
    rowsAt: world.position,
    devices: NO_DEVICES,
  }
  world.people.set(id, person)
  return person
}

/** Drops the record, unless something still needs it. What is pending about the person may go on pointing to it. */
export function dropUnneeded(world: World, person: Person): void {
  const { sessions, remote } = person
  if (sessions.length > 0 || isPlaced(person) || (remote && remote.size > 0)) return
  if (world.offline.has(person) || !person.isKnown) return
  world.people.delete(person.id)
  person.isKnown = false
}

/** Whether the person is local, or stands in a roster that is held: somebody may want to know when they were last here. */
export function isPlaced({ ownRooms, memberOf }: Person): boolean {
  return ownRooms !== undefined || memberOf.length > 0
}
