/**
 * Beside stations 1 and 2, for typing: who types where, as leases that end by themselves; and, because it has
 * the same rhythm, what the members of a count-mode room are told of their crowd.
 * In:   a client's start, repetition or stop, everything that ends it (from engine.ts, sessions.ts)
 * Out:  the sessions that are owed a start or an end
 * Next: outbox.ts
 */
import type { ConversationId } from '@vigie/protocol'
import {
  forEachViewer,
  isUnderPressure,
  roomChanged,
  type CrowdNews,
  type Lease,
  type Room,
  type Session,
  type User,
  type World,
} from './model.js'
import { crowdNow } from './events.js'
import { oweOccupancy, oweTyping } from './outbox.js'

/** A start, or its repetition, which only renews the lease: others never hear of a repetition. */
export function startTyping(world: World, session: Session, room: Room): void {
  if (session.typing && session.typing.room !== room) endTyping(world, session)
  const lease: Lease = session.typing ?? { is: 'lease', session, room }
  world.deadlines.set(lease, world.now + world.settings.typingLeaseMs)
  if (session.typing) return
  session.typing = lease
  const typing = (room.typing ??= new Map<User, Set<Session>>())
  const sessions = typing.get(session.user)
  if (sessions) {
    sessions.add(session)
    return
  }
  changeTyping(world, room, session.user, () => typing.set(session.user, new Set([session])))
}

/** The session types no more. A user who types on two devices is seen to stop with the last. */
export function endTyping(world: World, session: Session): void {
  const lease = session.typing
  if (!lease) return
  session.typing = undefined
  world.deadlines.delete(lease)
  const { room } = lease
  const sessions = room.typing?.get(session.user)
  sessions?.delete(session)
  if (sessions?.size === 0) changeTyping(world, room, session.user, () => room.typing?.delete(session.user))
}

/** Ends what a user types: in one conversation, or everywhere. */
export function stopTyping(world: World, user: User, room?: Room): void {
  for (const session of user.sessions) {
    if (session.typing && (!room || session.typing.room === room)) endTyping(world, session)
  }
}

function changeTyping(world: World, room: Room, typist: User, change: () => void): void {
  if (!room.crowd) oweTypingToRoom(world, room, typist)
  change()
  roomChanged(world, room)
  if (room.crowd) touchCrowd(world, room.crowd)
  world.effects.push({
    type: 'typing',
    userId: typist.id,
    conversationId: room.name.id as ConversationId,
    typing: room.typing?.has(typist) === true,
  })
}

function oweTypingToRoom(world: World, room: Room, typist: User): void {
  forEachViewer(room, (session) => {
    if (session.user !== typist) oweTyping(world, session, room, typist)
  })
}

/** Something has changed that the members of a room in count mode hear of: now, or when the window is over. */
export function touchCrowd(world: World, crowd: CrowdNews): void {
  if (crowd.nextAt <= world.now) tellCrowd(world, crowd)
  else world.deadlines.set(crowd, crowd.nextAt)
}

/** Tells the members of a count-mode room how many are online, if that moved enough, and who of a few type. */
export function tellCrowd(world: World, crowd: CrowdNews): void {
  const hasTold = tellOccupancy(world, crowd)
  const hasShown = showTypists(world, crowd)
  if (hasTold || hasShown) crowd.nextAt = nextTelling(world)
}

/** Under pressure a crowd, which may be everybody, is told so seldom … */
const PRESSED_CROWD_MS = 4_000

/** … and all crowds at the same time: what somebody hears of several is one write. */
function nextTelling(world: World): number {
  const { now, settings } = world
  if (!isUnderPressure(world)) return now + settings.occupancyWindowMs
  const ms = Math.max(settings.occupancyWindowMs, PRESSED_CROWD_MS)
  return Math.ceil((now + ms) / ms) * ms
}

/** So many hear of a number in a millisecond: ten thousand at once would keep all other news waiting meanwhile. */
export const TOLD_PER_MS = 10

function tellOccupancy(world: World, crowd: CrowdNews): boolean {
  const { now } = world
  const { told: before, room } = crowd
  if (crowd.viewers === 0) {
    // Nobody holds a number: the next who comes sets it.
    crowd.told = undefined
    room.sight = undefined
    return false
  }
  const current = crowdNow(crowd)
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
    oweOccupancy(world, session, room, now + Math.floor(told++ / TOLD_PER_MS))
  })
  crowd.told = current
  roomChanged(world, room)
  return true
}

function hasMoved(from: number, to: number, share: number): boolean {
  return from !== to && Math.abs(to - from) >= share * from
}

/** Whoever is shown stays until they stop; others follow in the order in which they began. */
function showTypists(world: World, crowd: CrowdNews): boolean {
  const { shown, room } = crowd
  const { typing } = room
  if (!typing) return false
  const next = new Set<User>()
  for (const typist of shown) if (typing.has(typist)) next.add(typist)
  for (const typist of typing.keys()) {
    if (next.size >= world.settings.occupancyTypistsMax) break
    next.add(typist)
  }
  const changed = [...next]
    .filter((typist) => !shown.has(typist))
    .concat([...shown].filter((typist) => !next.has(typist)))
  for (const typist of changed) oweTypingToRoom(world, room, typist)
  crowd.shown = next
  if (changed.length > 0) roomChanged(world, room)
  return changed.length > 0
}
