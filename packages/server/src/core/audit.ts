/**
 * Beside the path · whether what is kept still is what it was made from: asked by the shell's auditor, a little at a time.
 * A difference is a bug, or an event that never came. The questions are pure; `settleAnew` is the repair.
 */
import type { SessionId, UserId } from '@vigie/protocol'
import type { KnownRoom, KnownRooms, Place } from './inputs.js'
import { isSameRows } from './memberships.js'
import { differs, findRoom, type Person, type World } from './model.js'
import { touchCounted } from './occupancy.js'
import { derivePresence, settle } from './presence.js'
import { countedOnlineIn, hasBothEnds, ownRoomsOf } from './visibility.js'

/** What can be asked of each; somebody or something unknown is as it should be. */
export interface Audit {
  /** How many `users` and `sessions` there are. */
  readonly userCount: number
  readonly sessionCount: number
  /** Everybody who is known. Who comes while it is read is part of it. */
  users(): Iterator<UserId>
  /** All sessions, lost ones too. Those that come while it is read are part of it. */
  sessions(): Iterator<SessionId>
  isLive(sessionId: SessionId): boolean
  /** Whether what others see of a user is what the user's devices say; of a large room, how many are online in it. */
  isPublished(place: Place): boolean
  /** Whether a room that is held has these rows, and the members that they name. */
  hasRows(room: KnownRoom): boolean
  /** Whether a local user's own rows name these rooms; undefined: nobody keeps them up to date. */
  hasOwnRooms(userId: UserId, rooms: KnownRooms | undefined): boolean
}

export function createAudit(world: World): Audit {
  return {
    get userCount() {
      return world.people.size
    },
    get sessionCount() {
      return world.sessions.size
    },
    users: () => world.people.keys(),
    sessions: () => world.sessions.keys(),
    isLive: (sessionId) => world.sessions.get(sessionId)?.state === 'live',
    isPublished(place) {
      if (place.kind === 'user') {
        const person = world.people.get(place.id)
        return !person || isPublished(person)
      }
      const room = findRoom(world, place)
      return !room?.counted || room.counted.online === countedOnlineIn(room)
    },
    hasRows(known) {
      const room = findRoom(world, known)
      if (!room || known.value === undefined) return true
      return isSameRows(room.rows, known.value) && hasBothEnds(room)
    },
    hasOwnRooms(userId, rooms) {
      const person = world.people.get(userId)
      const own = person && ownRoomsOf(person)
      if (!own) return true
      if (own.length !== rooms?.length) return false
      // Nearly always in the same order.
      if (rooms.every((name, place) => findRoom(world, name) === own[place])) return true
      const held = new Set(rooms.map((name) => findRoom(world, name)))
      return own.every((room) => held.has(room))
    },
  }
}

function isPublished(person: Person): boolean {
  return (
    !differs(person.presence, derivePresence(person)) &&
    person.sessions.every(({ state }) => state !== 'ended') &&
    person.live.every(({ state }) => state === 'live')
  )
}

/** What others see of a user, or how many are online in a large room, is derived anew. */
export function settleAnew(world: World, place: Place): void {
  if (place.kind === 'user') {
    const person = world.people.get(place.id)
    if (!person) return
    person.sessions = person.sessions.filter(({ state }) => state !== 'ended')
    person.live = person.live.filter(({ state }) => state === 'live')
    settle(world, person)
    return
  }
  const room = findRoom(world, place)
  if (!room?.counted) return
  room.counted.online = countedOnlineIn(room)
  touchCounted(world, room.counted)
}
