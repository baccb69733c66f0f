/**
 * Beside station 4 · protocol 1: what a session is told, as events.
 * In:   what it is owed (from outbox.ts), when it is written
 * Out:  the events that are still true and allowed
 */
import type { ConversationId, UserId } from '@vigie/protocol'
import { NO_VIEW, seesTyping, typistsOf, viewOf } from './audience.js'
import { holds, sizeOf, visitAll } from './few.js'
import type { Presence, PresenceEvent, RoomName } from './inputs.js'
import {
  findRoom,
  firstOfEach,
  isSameDevices,
  membersIn,
  OFFLINE,
  roomChanged,
  subjectOf,
  type Crowd,
  type CrowdNews,
  type OwedPresence,
  type Room,
  type Session,
  type User,
  type World,
} from './model.js'

/** Everything that the session may see. */
export function writePicture(world: World, session: Session): PresenceEvent[] {
  const events: PresenceEvent[] = []
  const viewer = session.user
  const grouped = new Set<User>([viewer])
  for (const room of viewer.rooms) {
    if (room.name.kind === 'group' && !room.crowd) visitAll(room.users, (subject) => grouped.add(subject))
  }
  for (const subject of grouped) events.push(updateOf(world, subject))
  for (const room of viewer.rooms) {
    if (room.name.kind === 'group') continue
    const { id } = room.name
    if (!room.crowd) visitAll(room.users, (subject) => events.push(conversationOf(world, subject, id)))
    for (const typist of typistsOf(room)) {
      if (seesTyping(viewer, room, typist)) events.push(typingEvent(world, 'typing:start', id, typist.id))
    }
  }
  for (const room of viewer.rooms) {
    const { crowd, name } = room
    if (crowd) events.push(occupancyOf(world, name, toldCrowd(world, crowd)))
  }
  writeDevices(session, events)
  return events
}

/** What it is owed. */
export function writeEvents(world: World, session: Session): PresenceEvent[] {
  const { news, owed } = session
  const events: PresenceEvent[] = []
  writeTyping(world, session, false, events)
  if (news) writePresence({ world, session, ...news }, events)
  if (owed?.presence)
    for (const each of firstOfEach(owed.presence)) writePresence({ world, session, ...each }, events)
  writeTyping(world, session, true, events)
  writeOccupancy(world, session, events)
  if (owed?.devices) writeDevices(session, events)
  return events
}

interface Telling {
  readonly world: World
  readonly session: Session
  readonly userId: UserId
  readonly entry: OwedPresence
}

function writePresence({ world, session, userId, entry }: Telling, events: PresenceEvent[]): void {
  const { told, view: toldView } = entry
  const subject = subjectOf(world, userId, entry)
  const now = subject?.presence ?? OFFLINE
  const view = subject ? viewOf(session, subject) : NO_VIEW
  const seen = toldView ?? view
  if (differs(told, seen.group, now, view.group))
    events.push(subject && view.group ? updateOf(world, subject) : goneUpdate(world, userId))
  const seenIds = toldView && new Set(toldView.conversations)
  for (const id of view.conversations) {
    if (subject && differs(told, seenIds?.has(id) ?? true, now, true))
      events.push(conversationOf(world, subject, id))
  }
  if (!toldView || !told.online) return
  const ids = new Set(view.conversations)
  for (const id of toldView.conversations) {
    if (!ids.has(id)) events.push(goneConversation(world, userId, id))
  }
}

/** Whether somebody who saw `told` (if they saw it) and sees `now` (if they see it) would notice. */
export function differs(told: Presence, hasSeen: boolean, now: Presence, sees: boolean): boolean {
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
  for (const [conversationId, typists] of session.owed?.typing ?? []) {
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

export function seesOccupancy(session: Session, room: Room): boolean {
  return room.crowd !== undefined && holds(room.users, session.user)
}

/** No members at all is the retraction: the room has names now, or the user is not in it any more. */
function writeOccupancy(world: World, session: Session, events: PresenceEvent[]): void {
  for (const { name, told } of session.owed?.occupancy?.values() ?? []) {
    const room = findRoom(world, name)
    if (room?.crowd && seesOccupancy(session, room))
      events.push(occupancyOf(world, name, toldCrowd(world, room.crowd)))
    else if (told) events.push(occupancyOf(world, name, NO_CROWD))
  }
}

function writeDevices(session: Session, events: PresenceEvent[]): void {
  const { devices } = session.user
  if (isToldDevices(session)) return
  session.devicesTold = devices
  events.push({ name: 'presence:devices', payload: { count: devices.length, devices } })
}

/** The list may have come back to what the session was told. */
export function isToldDevices({ devicesTold, user }: Session): boolean {
  return devicesTold !== undefined && isSameDevices(devicesTold, user.devices)
}

function wireOf(world: World, subject: User) {
  let wire = world.wire.presence.get(subject)
  if (!wire) {
    wire = { update: undefined, conversations: undefined }
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
  const conversations = (wireOf(world, subject).conversations ??= new Map<ConversationId, PresenceEvent>())
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
export function toldCrowd(world: World, crowd: CrowdNews): Crowd {
  if (!crowd.told) {
    crowd.told = crowdNow(crowd)
    roomChanged(world, crowd.room)
  }
  return crowd.told
}

export function crowdNow({ room, online }: CrowdNews): Crowd {
  return { members: membersOf(room), online }
}

/** Rows may be ahead of the number that was read last. */
export function membersOf(room: Room): number {
  return Math.max(membersIn(room.facts), sizeOf(room.users))
}

export function conversationIdOf(room: Room) {
  if (room.name.kind === 'group') throw new TypeError('a group is no conversation')
  return room.name.id
}
