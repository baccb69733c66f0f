/**
 * Station 3 of 4 · who may be told.
 * In:   a transition of a user (from presence.ts), or a change of what two users share (from memberships.ts)
 * Out:  the sessions that are owed something about that user
 * Next: outbox.ts
 */
import { roomsOf, type Room, type User, type View, type World } from './model.js'
import { owePresence } from './outbox.js'

/** All sessions that see the user, the user's own among them, are owed what the user is then. */
export function announce(world: World, subject: User): void {
  for (const viewer of audienceOf(world, subject)) {
    for (const session of viewer.live) owePresence(world, session, subject)
  }
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
 * Where `viewer` sees `subject` now. It is asked again when an entry is written: between the change and the
 * write a row may have gone, and then nothing may be told.
 */
export function viewOf(viewer: User, subject: User): View {
  const conversations = new Set(shared(viewer.conversations, subject.conversations))
  const isOwn = viewer === subject
  return { group: isOwn || !shared(viewer.groups, subject.groups).next().done, conversations }
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
