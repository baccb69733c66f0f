/**
 * Station 3 of 4 · who may be told.
 * In:   a transition of a user (from presence.ts), or a change of what two users share (from memberships.ts)
 * Out:  the sessions that are owed something about that user
 * Next: outbox.ts
 */
import { roomsOf, type Room, type Session, type User, type View, type World } from './model.js'
import { owePresence } from './outbox.js'

/** All sessions that see the user, the user's own among them, are owed what the user is then. */
export function announce(world: World, subject: User): void {
  for (const viewer of audienceOf(world, subject)) {
    for (const session of viewer.live) owePresence(world, session, subject)
  }
  for (const session of world.watchers.get(subject.id) ?? []) owePresence(world, session, subject)
}

/** The user, and those with a live session here who share a group or conversation in names mode; each once. */
function* audienceOf(world: World, subject: User): Iterable<User> {
  const visit = ++world.visit
  subject.visited = visit
  yield subject
  for (const room of roomsOf(subject)) {
    if (room.mode !== 'names') continue
    for (const viewer of room.viewers) {
      if (viewer.visited === visit) continue
      viewer.visited = visit
      yield viewer
    }
  }
}

/**
 * Where the session sees `subject` now. It is asked again when an entry is written: between the change and the
 * write a row may have gone, and then nothing may be told.
 */
export function viewOf(session: Session, subject: User): View {
  const viewer = session.user
  const conversations = new Set(shared(viewer.conversations, subject.conversations))
  return {
    // One's own presence is an event of protocol 1 wherever one is; in protocol 2 it is in the devices.
    group:
      (session.protocol === 1 && viewer === subject) || !shared(viewer.groups, subject.groups).next().done,
    conversations,
    watched: session.watched.has(subject.id) && mayWatch(viewer, subject),
  }
}

/** Whether it is seen anywhere. */
export function isInSight(view: View): boolean {
  return view.group || view.conversations.size > 0 || view.watched
}

/** People on screen may be from rooms that are too large for names; but there must be a room. */
function mayWatch(viewer: User, subject: User): boolean {
  for (const room of roomsOf(viewer)) if (room.users.has(subject)) return true
  return false
}

/** The rooms in names mode of both, by the shorter list. */
function* shared<Id>(a: ReadonlyMap<Id, Room>, b: ReadonlyMap<Id, Room>): Generator<Id, void> {
  const [fewer, more] = a.size <= b.size ? [a, b] : [b, a]
  for (const [id, room] of fewer) if (room.mode === 'names' && more.has(id)) yield id
}

/** Whether `viewer` may know that `typist` types in `room`. Nobody hears their own typing. */
export function seesTyping(viewer: User, room: Room, typist: User): boolean {
  if (viewer === typist || !room.users.has(viewer)) return false
  return room.mode === 'names' ? room.typing.has(typist) : room.crowd.shown.has(typist)
}

/** Those whom the members of a room may be told of as typing. */
export function typistsOf(room: Room): Iterable<User> {
  return room.mode === 'names' ? room.typing.keys() : room.crowd.shown
}
