/** What a read found, compared with what was known: the slow re-read tells nobody of what has not changed. */
import type { UserId } from '@vigie/protocol'
import type { RosterOrSize, RoomName, UserMemberships } from '../core/index.js'

/** The rooms that are in one of the two only. */
export function roomsThatDiffer(known: readonly RoomName[], rows: UserMemberships): readonly RoomName[] {
  return [
    ...idsThatDiffer(idsOf(known, 'group'), rows.groups).map((id) => ({ kind: 'group', id }) as RoomName),
    ...idsThatDiffer(idsOf(known, 'conversation'), rows.conversations).map(
      (id) => ({ kind: 'conversation', id }) as RoomName,
    ),
  ]
}

function idsOf(rooms: readonly RoomName[], wanted: RoomName['kind']): readonly string[] {
  return rooms.filter(({ kind }) => kind === wanted).map(({ id }) => id)
}

/** Whether both name the same people, or as many where people are only counted. */
export function hasSameMembers(known: RosterOrSize, found: RosterOrSize): boolean {
  if (typeof known !== 'object' || typeof found !== 'object') return known === found
  return idsThatDiffer(known, found).length === 0
}

/** The people who are named by one of the two only; nobody where one of them is a number. */
export function usersThatDiffer(known: RosterOrSize, found: RosterOrSize): readonly UserId[] {
  return typeof known === 'object' && typeof found === 'object' ? idsThatDiffer(known, found) : []
}

/** Stores mostly give the same order, and then no set is made. */
function idsThatDiffer<Id extends string>(known: readonly Id[], found: readonly Id[]): readonly Id[] {
  if (known.length === found.length && known.every((id, place) => id === found[place])) return []
  const before = new Set(known)
  const after = new Set(found)
  return [...known.filter((id) => !after.has(id)), ...found.filter((id) => !before.has(id))]
}
