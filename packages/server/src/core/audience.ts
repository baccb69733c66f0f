/**
 * Station 3 of 4 · who may be told.
 * In:   a transition of a user (from presence.ts), or a change of what two users share (from memberships.ts)
 * Out:  the sessions that are owed something about that user
 * Next: outbox.ts
 */
import type { ConversationId } from '@vigie/protocol'
import { holds, visitAll } from './few.js'
import type { Room, Session, User, View, World } from './model.js'
import { newsOf, owePresence } from './outbox.js'

/** All sessions that see the user, the user's own among them, are owed what the user is then; each once. */
export function announce(world: World, subject: User): void {
  const mine = newsOf(subject)
  const visit = ++world.visit
  subject.visited = visit
  for (const session of subject.live) owePresence(world, session, mine)
  const news = newsOf(subject, true)
  for (const room of subject.rooms) {
    if (room.crowd) continue
    visitAll(room.users, (viewer) => {
      if (viewer.visited === visit) return
      viewer.visited = visit
      for (const session of viewer.live) owePresence(world, session, news)
    })
  }
  const watchers = world.watchers.get(subject.id)
  // Who watches need not see.
  if (watchers) for (const session of watchers) owePresence(world, session, mine)
}

const NONE: readonly ConversationId[] = []
export const NO_VIEW: View = { group: false, conversations: NONE }
const IN_SIGHT: View = { group: true, conversations: NONE }

/**
 * Where the session sees `subject` now. It is asked again when an entry is written: between the change and the
 * write a row may have gone, and then nothing may be told.
 */
export function viewOf(session: Session, subject: User): View {
  const viewer = session.user
  if (session.protocol === 2) return sees(session, subject) ? IN_SIGHT : NO_VIEW
  // One's own presence is an event of protocol 1 wherever one is; in protocol 2 it is in the devices.
  let group = viewer === subject
  let conversations: ConversationId[] | undefined
  const fewer = withFewerRooms(viewer, subject)
  const other = fewer === viewer ? subject : viewer
  for (const { crowd, name, users } of fewer.rooms) {
    if (crowd || !holds(users, other)) continue
    if (name.kind === 'group') group = true
    else (conversations ??= []).push(name.id)
  }
  return { group, conversations: conversations ?? NONE }
}

/** Whether it is seen anywhere. */
export function isInSight(view: View): boolean {
  return view.group || view.conversations.length > 0
}

/** In some room with names; or, on the screen, in any. */
function sees(session: Session, subject: User): boolean {
  const isWatched = session.watched?.has(subject.id) === true
  const viewer = session.user
  const fewer = withFewerRooms(viewer, subject)
  const other = fewer === viewer ? subject : viewer
  for (const room of fewer.rooms) if ((isWatched || !room.crowd) && holds(room.users, other)) return true
  return false
}

/** Up to so many rooms are looked through without asking whether the other has fewer. */
const FEW_ROOMS = 32

/** Many are asked about the same subject, one after the other: what it is in is at hand, and what they are in is not. */
function withFewerRooms(viewer: User, subject: User): User {
  return subject.rooms.length <= FEW_ROOMS || subject.rooms.length <= viewer.rooms.length ? subject : viewer
}

/** Whether `viewer` may know that `typist` types in `room`. Nobody hears their own typing. */
export function seesTyping(viewer: User, room: Room, typist: User): boolean {
  if (viewer === typist || !holds(room.users, viewer)) return false
  return room.crowd ? room.crowd.shown.has(typist) : room.typing?.has(typist) === true
}

const NOBODY: readonly User[] = []

/** Those whom the members of a room may be told of as typing. */
export function typistsOf(room: Room): Iterable<User> {
  return room.crowd ? room.crowd.shown : (room.typing?.keys() ?? NOBODY)
}
