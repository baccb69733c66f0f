/**
 * Station 4 of 4 · what each session is owed.
 * In:   sessions that may be told of a change (from audience.ts, typing.ts, memberships.ts)
 * Out:  `due` when a session's slot has come, and, when the shell then takes it, the events
 * Next: the shell's outbound
 *
 * A session is owed state, not a queue: per user and per typist the latest, however often it changed. What it
 * was told before the first change that it has not heard of is kept beside it, so that there and back is
 * nothing to tell.
 */
import { seesTyping, typistsOf, viewOf } from './audience.js'
import type { Presence, PresenceEvent } from './inputs.js'
import {
  OFFLINE,
  roomsOf,
  type Owed,
  type OwedPresence,
  type Room,
  type Session,
  type User,
  type World,
} from './model.js'

/** Slots are this coarse: sessions that are due within it are written together. */
const SLOT_MS = 5

export function emptyOwed(): Owed {
  return {
    picture: false,
    presence: new Map(),
    typing: new Map(),
    occupancy: new Set(),
    devices: false,
    devicesTold: '',
    isQueued: false,
    nextAt: 0,
  }
}

/** Call before the subject's presence changes: what it still is, is what the session was told. */
export function owePresence(world: World, session: Session, subject: User): OwedPresence | undefined {
  const { owed } = session
  if (owed.picture) return undefined
  let entry = owed.presence.get(subject.id)
  if (!entry) {
    entry = { subject, told: subject.presence, view: undefined }
    owed.presence.set(subject.id, entry)
    queue(world, session)
  }
  // Forgotten and come back while the session was not reading: the same person, a new record.
  entry.subject = subject
  return entry
}

/** Call before what the two share changes: where they see each other now is where the session was told. */
export function oweView(world: World, session: Session, subject: User): void {
  const entry = owePresence(world, session, subject)
  if (entry) entry.view ??= viewOf(session.user, subject)
}

/** Call before it changes whether the session sees the typist type. */
export function oweTyping(world: World, session: Session, room: Room, typist: User): void {
  const { owed } = session
  if (owed.picture) return
  const typists = owed.typing.get(room) ?? new Map<User, boolean>()
  owed.typing.set(room, typists)
  if (typists.has(typist)) return
  typists.set(typist, seesTyping(session.user, room, typist))
  queue(world, session)
}

export function oweOccupancy(world: World, session: Session, room: Room): void {
  if (session.owed.picture) return
  session.owed.occupancy.add(room)
  queue(world, session)
}

export function oweDevices(world: World, user: User): void {
  for (const session of user.live) {
    if (session.owed.picture || session.owed.devicesTold === user.devices.key) continue
    session.owed.devices = true
    queue(world, session)
  }
}

/** All that the session may see, instead of what it was owed so far. */
export function owePicture(world: World, session: Session): void {
  clear(session.owed)
  session.owed.picture = true
  queue(world, session)
}

function clear(owed: Owed): void {
  owed.picture = false
  owed.presence.clear()
  owed.typing.clear()
  owed.occupancy.clear()
  owed.devices = false
}

/** A session that had nothing for a window is due in the same turn; another waits for its slot. */
function queue(world: World, session: Session): void {
  const { owed } = session
  if (owed.isQueued) return
  owed.isQueued = true
  if (owed.nextAt <= world.now) {
    world.effects.push({ type: 'due', sessionId: session.id })
    return
  }
  const at = Math.ceil(owed.nextAt / SLOT_MS) * SLOT_MS
  let slot = world.slots.get(at)
  if (!slot) {
    slot = { is: 'slot', at, sessions: [] }
    world.slots.set(at, slot)
    world.deadlines.set(slot, at)
  }
  slot.sessions.push(session)
}

/** A slot has come. */
export function openSlot(world: World, at: number): void {
  const slot = world.slots.get(at)
  world.slots.delete(at)
  for (const session of slot?.sessions ?? []) {
    if (session.state === 'live') world.effects.push({ type: 'due', sessionId: session.id })
  }
}

/** What the session is told now; it is owed nothing afterwards. Only what it may still see is in it. */
export function take(world: World, session: Session): readonly PresenceEvent[] {
  const { owed } = session
  const events: PresenceEvent[] = []
  if (owed.picture) drawPicture(session, events)
  else {
    writeTyping(session, false, events)
    for (const entry of owed.presence.values()) writePresence(session, entry, events)
    writeTyping(session, true, events)
    writeOccupancy(session, events)
    if (owed.devices) writeDevices(session, events)
  }
  clear(owed)
  owed.isQueued = false
  if (events.length > 0) owed.nextAt = world.now + world.settings.windowMs
  return events
}

function drawPicture(session: Session, events: PresenceEvent[]): void {
  const viewer = session.user
  const grouped = new Set<User>()
  for (const room of viewer.groups.values()) {
    if (room.mode === 'names') for (const subject of room.users) grouped.add(subject)
  }
  for (const subject of grouped) events.push(updateOf(subject))
  for (const room of viewer.conversations.values()) {
    if (room.mode === 'names') for (const subject of room.users) events.push(conversationOf(subject, room))
    for (const typist of typistsOf(room)) {
      if (seesTyping(viewer, room, typist)) events.push(typingEvent(room, typist, true))
    }
  }
  for (const room of roomsOf(viewer)) if (room.mode === 'count') events.push(occupancyOf(room))
  writeDevices(session, events)
}

function writePresence(session: Session, entry: OwedPresence, events: PresenceEvent[]): void {
  const { subject, told } = entry
  const view = viewOf(session.user, subject)
  const toldView = entry.view ?? view
  if (differs(told, toldView.group, subject.presence, view.group)) {
    events.push(view.group ? updateOf(subject) : { name: 'presence:update', payload: { userId: subject.id, ...OFFLINE } })
  }
  for (const room of view.conversations) {
    if (differs(told, toldView.conversations.has(room), subject.presence, true)) events.push(conversationOf(subject, room))
  }
  for (const room of toldView.conversations) {
    if (view.conversations.has(room) || !told.online) continue
    events.push(retraction(subject, room))
  }
}

/** Whether somebody who saw `told` (if they saw it) and sees `now` (if they see it) would notice. */
function differs(told: Presence, hasSeen: boolean, now: Presence, sees: boolean): boolean {
  const before = hasSeen ? told : OFFLINE
  const after = sees ? now : OFFLINE
  return before.online !== after.online || before.count !== after.count
}

/** The last word about somebody who is out of sight. It says nothing of what that person really is. */
function retraction(subject: User, room: Room): PresenceEvent {
  return {
    name: 'presence:conversation',
    payload: { userId: subject.id, ...OFFLINE, conversationId: conversationIdOf(room) },
  }
}

/** Ends come before the presence of whoever typed, starts after it. */
function writeTyping(session: Session, isStart: boolean, events: PresenceEvent[]): void {
  for (const [room, typists] of session.owed.typing) {
    for (const [typist, told] of typists) {
      const sees = seesTyping(session.user, room, typist)
      if (sees !== told && sees === isStart) events.push(typingEvent(room, typist, sees))
    }
  }
}

function writeOccupancy(session: Session, events: PresenceEvent[]): void {
  for (const room of session.owed.occupancy) {
    if (room.mode === 'count' && room.users.has(session.user)) events.push(occupancyOf(room))
  }
}

function writeDevices(session: Session, events: PresenceEvent[]): void {
  const { key, event } = session.user.devices
  if (session.owed.devicesTold === key) return
  session.owed.devicesTold = key
  events.push(event)
}

function updateOf(subject: User): PresenceEvent {
  return (subject.events.update ??= {
    name: 'presence:update',
    payload: { userId: subject.id, ...subject.presence },
  })
}

function conversationOf(subject: User, room: Room): PresenceEvent {
  let event = subject.events.conversations.get(room)
  if (!event) {
    event = {
      name: 'presence:conversation',
      payload: { userId: subject.id, ...subject.presence, conversationId: conversationIdOf(room) },
    }
    subject.events.conversations.set(room, event)
  }
  return event
}

function typingEvent(room: Room, typist: User, isStart: boolean): PresenceEvent {
  const payload = { convId: conversationIdOf(room), userId: typist.id }
  return isStart ? { name: 'typing:start', payload } : { name: 'typing:stop', payload }
}

function occupancyOf(room: Room): PresenceEvent {
  const numbers = { members: membersOf(room), online: room.online.size }
  const payload =
    room.name.kind === 'group'
      ? { groupId: room.name.id, ...numbers }
      : { conversationId: room.name.id, ...numbers }
  return { name: 'presence:occupancy', payload }
}

/** Rows may be ahead of the number that was read last. */
export function membersOf(room: Room): number {
  return Math.max(room.size, room.users.size)
}

function conversationIdOf(room: Room) {
  if (room.name.kind === 'group') throw new TypeError('a group is no conversation')
  return room.name.id
}
