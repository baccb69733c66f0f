/**
 * Beside stations 1 to 3 · who types where, as leases that end by themselves.
 * In:   a client's start, repetition or stop, and everything that ends typing (from engine.ts, sessions.ts, memberships.ts)
 * Out:  the sessions that are to be told a start or an end
 * Next: pending.ts; in count mode occupancy.ts, which tells a few typists at a time
 */
import { roomChanged } from './event-cache.js'
import type { Lease, Person, Room, Session, World } from './model.js'
import { touchCounted } from './occupancy.js'
import { noteTyping } from './pending.js'
import { forEachViewer } from './visibility.js'

/** A start, or its repetition, which only renews the lease: others never hear of a repetition. */
export function startTyping(world: World, session: Session, room: Room): void {
  if (session.typing && session.typing.room !== room) endTyping(world, session)
  const lease: Lease = session.typing ?? { is: 'lease', session, room }
  world.deadlines.set(lease, world.now + world.settings.typingLeaseMs)
  if (session.typing) {
    world.counts.repeated++
    return
  }
  session.typing = lease
  const typing = (room.typing ??= new Map<Person, Set<Session>>())
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
export function stopTyping(world: World, user: Person, room?: Room): void {
  for (const session of user.sessions) {
    if (session.typing && (!room || session.typing.room === room)) endTyping(world, session)
  }
}

function changeTyping(world: World, room: Room, typist: Person, change: () => void): void {
  const { counted, name } = room
  // Only conversations have typists.
  if (name.kind === 'group') return
  if (!counted) {
    forEachViewer(room, (session) => {
      if (session.user !== typist) noteTyping(world, session, room, typist)
    })
  }
  change()
  roomChanged(world, room)
  if (counted) touchCounted(world, counted)
  world.effects.push({
    type: 'typing',
    userId: typist.id,
    conversationId: name.id,
    typing: room.typing?.has(typist) === true,
    at: world.now,
  })
}
