/**
 * Beside stations 2 and 3 · what the members of a room in count mode hear: how many are online, and a few typists.
 * In:   somebody of the room comes online, goes, or types (from presence.ts, typing.ts, memberships.ts); its window is over
 * Out:  the sessions that are to be told
 * Next: pending.ts
 */
import { roomChanged } from './event-cache.js'
import { isUnderPressure, type CountedRoom, type Person, type World } from './model.js'
import { noteOccupancy, noteTyping } from './pending.js'
import { occupancyNow } from './snapshots.js'
import { countedRoomsOf, forEachViewer, hasViewers } from './visibility.js'

/** The person has come online, or gone offline. */
export function countOnline(world: World, person: Person): void {
  for (const { counted } of countedRoomsOf(person)) {
    if (!counted) continue
    counted.online += person.presence.online ? 1 : -1
    touchCounted(world, counted)
  }
}

/** Something has changed that the members of a room in count mode hear of: now, or when its window is over. */
export function touchCounted(world: World, counted: CountedRoom): void {
  if (counted.nextAt <= world.now) tellCounted(world, counted)
  else world.deadlines.set(counted, counted.nextAt)
}

/** Tells the members how many are online, if that moved enough, and who of a few type. */
export function tellCounted(world: World, counted: CountedRoom): void {
  const hasTold = tellOccupancy(world, counted)
  const hasShown = showTypists(world, counted)
  if (hasTold || hasShown) counted.nextAt = nextTelling(world)
}

/** Under pressure a room tells its members, who may be everybody, only this often … */
const PRESSED_WINDOW_MS = 4_000

/** … and of all such rooms at the same time: a session that is in several is written once. */
function nextTelling(world: World): number {
  const { now, settings } = world
  if (!isUnderPressure(world)) return now + settings.occupancyWindowMs
  const ms = Math.max(settings.occupancyWindowMs, PRESSED_WINDOW_MS)
  return Math.ceil((now + ms) / ms) * ms
}

/** So many sessions hear of a number in a millisecond: ten thousand at once would keep all other news waiting. */
export const TOLD_PER_MS = 10

function tellOccupancy(world: World, counted: CountedRoom): boolean {
  const { now } = world
  const { told: before, room } = counted
  if (!hasViewers(room)) {
    // No client has a number: the next who comes sets it.
    counted.told = undefined
    room.snapshot = undefined
    return false
  }
  const current = occupancyNow(counted)
  const { occupancyShare } = world.settings
  if (
    before &&
    !hasMoved(before.online, current.online, occupancyShare) &&
    !hasMoved(before.members, current.members, occupancyShare)
  ) {
    return false
  }
  let told = 0
  forEachViewer(room, (session) => {
    noteOccupancy(world, session, room, now + Math.floor(told++ / TOLD_PER_MS))
  })
  counted.told = current
  roomChanged(world, room)
  return true
}

function hasMoved(from: number, to: number, share: number): boolean {
  return from !== to && Math.abs(to - from) >= share * from
}

/** A typist who is shown stays until they stop; others follow in the order in which they began. */
function showTypists(world: World, counted: CountedRoom): boolean {
  const { shown, room } = counted
  const { typing } = room
  if (!typing) return false
  const next = new Set<Person>()
  for (const typist of shown) if (typing.has(typist)) next.add(typist)
  for (const typist of typing.keys()) {
    if (next.size >= world.settings.occupancyTypistsMax) break
    next.add(typist)
  }
  const changed = [...next]
    .filter((typist) => !shown.has(typist))
    .concat([...shown].filter((typist) => !next.has(typist)))
  for (const typist of changed) noteTypist(world, counted, typist)
  counted.shown = next
  if (changed.length > 0) roomChanged(world, room)
  return changed.length > 0
}

/** Call before it changes whether the members see the person type. */
export function noteTypist(world: World, { room }: CountedRoom, typist: Person): void {
  forEachViewer(room, (session) => {
    if (session.user !== typist) noteTyping(world, session, room, typist)
  })
}
