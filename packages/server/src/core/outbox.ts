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
import type { ConversationId, UserId } from '@vigie/protocol'
import { seesTyping, typistsOf, viewOf } from './audience.js'
import type { Presence, PresenceEvent, RoomName } from './inputs.js'
import {
  emptyWire,
  findRoom,
  OFFLINE,
  roomsOf,
  type Crowd,
  type Owed,
  type OwedPresence,
  type Room,
  type Session,
  type User,
  type View,
  type World,
} from './model.js'

/** Slots are this coarse: sessions that are due within it are written together. */
const SLOT_MS = 5
/** How long an event is kept for further recipients: they hear of it within windows, not within minutes. */
const WIRE_MS = 1_000

export function emptyOwed(): Owed {
  return {
    picture: false,
    presence: new Map(),
    typing: new Map(),
    occupancy: new Map(),
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
    entry = { told: subject.presence, view: undefined }
    owed.presence.set(subject.id, entry)
    queue(world, session)
  }
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
  const id = conversationIdOf(room)
  const typists = owed.typing.get(id) ?? new Map<UserId, boolean>()
  owed.typing.set(id, typists)
  if (typists.has(typist.id)) return
  typists.set(typist.id, seesTyping(session.user, room, typist))
  queue(world, session)
}

/** Call before it changes whether the session sees a number for the room. */
export function oweOccupancy(world: World, session: Session, room: Room): void {
  const { owed } = session
  const key = `${room.name.kind} ${room.name.id}`
  if (owed.picture || owed.occupancy.has(key)) return
  owed.occupancy.set(key, { name: room.name, told: seesOccupancy(session, room) })
  queue(world, session)
}

function seesOccupancy(session: Session, room: Room): boolean {
  return room.mode === 'count' && room.users.has(session.user)
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
  if (world.now - world.wire.madeAt >= WIRE_MS) world.wire = emptyWire(world.now)
  if (owed.picture) drawPicture(world, session, events)
  else {
    writeTyping(world, session, false, events)
    for (const userId of owed.presence.keys()) writePresence(world, session, userId, events)
    writeTyping(world, session, true, events)
    writeOccupancy(world, session, events)
    if (owed.devices) writeDevices(session, events)
  }
  clear(owed)
  owed.isQueued = false
  if (events.length > 0) owed.nextAt = world.now + world.settings.windowMs
  return events
}

function drawPicture(world: World, session: Session, events: PresenceEvent[]): void {
  const viewer = session.user
  const grouped = new Set<User>([viewer])
  for (const room of viewer.groups.values()) {
    if (room.mode === 'names') for (const subject of room.users) grouped.add(subject)
  }
  for (const subject of grouped) events.push(updateOf(world, subject))
  for (const [id, room] of viewer.conversations) {
    if (room.mode === 'names')
      for (const subject of room.users) events.push(conversationOf(world, subject, id))
    for (const typist of typistsOf(room)) {
      if (seesTyping(viewer, room, typist)) events.push(typingEvent(world, 'typing:start', id, typist.id))
    }
  }
  for (const room of roomsOf(viewer)) {
    if (room.mode === 'count') events.push(occupancyOf(world, room.name, toldCrowd(room)))
  }
  writeDevices(session, events)
}

function writePresence(world: World, session: Session, userId: UserId, events: PresenceEvent[]): void {
  const entry = session.owed.presence.get(userId)
  if (!entry) return
  const { told, view: toldView } = entry
  const subject = world.users.get(userId)
  const now = subject?.presence ?? OFFLINE
  const view = subject ? viewOf(session.user, subject) : NO_VIEW
  const seen = toldView ?? view
  if (differs(told, seen.group, now, view.group))
    events.push(subject && view.group ? updateOf(world, subject) : goneUpdate(world, userId))
  for (const id of view.conversations) {
    if (subject && differs(told, seen.conversations.has(id), now, true))
      events.push(conversationOf(world, subject, id))
  }
  for (const id of seen.conversations) {
    if (told.online && !view.conversations.has(id)) events.push(goneConversation(world, userId, id))
  }
}

const NO_VIEW: View = { group: false, conversations: new Set() }

/** Whether somebody who saw `told` (if they saw it) and sees `now` (if they see it) would notice. */
function differs(told: Presence, hasSeen: boolean, now: Presence, sees: boolean): boolean {
  const before = hasSeen ? told : OFFLINE
  const after = sees ? now : OFFLINE
  return before.online !== after.online || before.count !== after.count
}

/** The last word about somebody who is out of sight. It says nothing of what that person really is. */
function goneUpdate(world: World, userId: UserId): PresenceEvent {
  return once(world, `gone ${userId}`, () => ({ name: 'presence:update', payload: { userId, ...OFFLINE } }))
}

function goneConversation(world: World, userId: UserId, conversationId: ConversationId): PresenceEvent {
  return once(world, `gone ${conversationId}\n${userId}`, () => ({
    name: 'presence:conversation',
    payload: { userId, ...OFFLINE, conversationId },
  }))
}

/** Ids have no control characters, so a line break keeps two of them apart in a key. */
function once(world: World, key: string, make: () => PresenceEvent): PresenceEvent {
  let event = world.wire.others.get(key)
  if (!event) {
    event = make()
    world.wire.others.set(key, event)
  }
  return event
}

/** Ends come before the presence of whoever typed, starts after it. */
function writeTyping(world: World, session: Session, isStart: boolean, events: PresenceEvent[]): void {
  for (const [conversationId, typists] of session.owed.typing) {
    const room = world.conversations.get(conversationId)
    for (const [userId, told] of typists) {
      const typist = world.users.get(userId)
      const sees = room !== undefined && typist !== undefined && seesTyping(session.user, room, typist)
      if (sees !== told && sees === isStart) {
        events.push(typingEvent(world, sees ? 'typing:start' : 'typing:stop', conversationId, userId))
      }
    }
  }
}

/** No members at all is the retraction: the room has names now, or the user is not in it any more. */
function writeOccupancy(world: World, session: Session, events: PresenceEvent[]): void {
  for (const { name, told } of session.owed.occupancy.values()) {
    const room = findRoom(world, name)
    if (room && seesOccupancy(session, room)) events.push(occupancyOf(world, name, toldCrowd(room)))
    else if (told) events.push(occupancyOf(world, name, NO_CROWD))
  }
}

function writeDevices(session: Session, events: PresenceEvent[]): void {
  const { key, event } = session.user.devices
  if (session.owed.devicesTold === key) return
  session.owed.devicesTold = key
  events.push(event)
}

function wireOf(world: World, subject: User) {
  let wire = world.wire.presence.get(subject)
  if (!wire) {
    wire = { conversations: new Map() }
    world.wire.presence.set(subject, wire)
  }
  return wire
}

function updateOf(world: World, subject: User): PresenceEvent {
  return (wireOf(world, subject).update ??= {
    name: 'presence:update',
    payload: { userId: subject.id, ...subject.presence },
  })
}

function conversationOf(world: World, subject: User, conversationId: ConversationId): PresenceEvent {
  const { conversations } = wireOf(world, subject)
  let event = conversations.get(conversationId)
  if (!event) {
    event = {
      name: 'presence:conversation',
      payload: { userId: subject.id, ...subject.presence, conversationId },
    }
    conversations.set(conversationId, event)
  }
  return event
}

function typingEvent(
  world: World,
  name: 'typing:start' | 'typing:stop',
  convId: ConversationId,
  userId: UserId,
): PresenceEvent {
  return once(world, `${name} ${convId}\n${userId}`, () => ({ name, payload: { convId, userId } }))
}

function occupancyOf(world: World, name: RoomName, { members, online }: Crowd): PresenceEvent {
  return once(world, `${name.kind} ${name.id}\n${online} of ${members}`, () => ({
    name: 'presence:occupancy',
    payload:
      name.kind === 'group'
        ? { groupId: name.id, members, online }
        : { conversationId: name.id, members, online },
  }))
}

const NO_CROWD: Crowd = { members: 0, online: 0 }

/**
 * All members hear the same number, whenever they ask: one that came between would otherwise hold another, and
 * might not be told when it is back to what the rest were told.
 */
function toldCrowd(room: Room): Crowd {
  return (room.crowd.told ??= crowdOf(room))
}

export function crowdOf(room: Room): Crowd {
  return { members: membersOf(room), online: room.online.size }
}

/** Rows may be ahead of the number that was read last. */
export function membersOf(room: Room): number {
  return Math.max(room.size, room.users.size)
}

function conversationIdOf(room: Room) {
  if (room.name.kind === 'group') throw new TypeError('a group is no conversation')
  return room.name.id
}
