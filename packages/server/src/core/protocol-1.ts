/**
 * Behind station 4 · protocol 1: what a session is told, as events.
 * In:   what is pending for it (from pending.ts), when it is written
 * Out:  the events that are still true and allowed
 * Next: the shell's outbound
 */
import type { ConversationId, UserId } from '@vigie/protocol'
import { cachedEvent } from './event-cache.js'
import type { Presence, PresenceEvent, RoomName } from './inputs.js'
import {
  differs,
  findRoom,
  firstOfEach,
  isSameDevices,
  OFFLINE,
  subjectOf,
  type News,
  type Occupancy,
  type Person,
  type Session,
  type World,
} from './model.js'
import { toldOccupancy } from './snapshots.js'
import {
  affectedBy,
  namesIn,
  NO_VIEW,
  presenceFor,
  presenceThen,
  roomsOf,
  seesOccupancy,
  seesTyping,
  typistsOf,
  viewOf,
  viewThen,
  type View,
} from './visibility.js'

/** Everything that the session may see: who is online, who went offline lately, who types, numbers of large rooms. */
export function writeFirstEvents(world: World, session: Session): PresenceEvent[] {
  const events: PresenceEvent[] = []
  const viewer = session.user
  const rooms = roomsOf(viewer)
  const isShown = (subject: Person) => subject.presence.online || world.offline.has(subject)
  const grouped = new Set<Person>([viewer])
  for (const room of rooms) {
    if (room.name.kind !== 'group') continue
    for (const subject of namesIn(room)) if (isShown(subject)) grouped.add(subject)
  }
  for (const subject of grouped) events.push(updateOf(world, viewer, subject))
  for (const room of rooms) {
    if (room.name.kind === 'group') continue
    const { id } = room.name
    for (const subject of namesIn(room)) {
      if (isShown(subject)) events.push(conversationOf(world, viewer, subject, id))
    }
    for (const typist of typistsOf(room)) {
      if (seesTyping(viewer, room, typist)) events.push(typingEvent(world, 'typing:start', id, typist.id))
    }
  }
  for (const { counted, name } of rooms) {
    if (counted) events.push(occupancyOf(world, name, toldOccupancy(world, counted)))
  }
  writeDevices(session, events)
  return events
}

/** What is pending. */
export function writeEvents(world: World, session: Session): PresenceEvent[] {
  const { firstPending, pending } = session
  const events: PresenceEvent[] = []
  writeTyping(world, session, false, events)
  const affected = pending?.rosters && affectedBy(session)
  const tell = (news: News) => {
    affected?.delete(news.userId)
    writePresence({ world, session, userId: news.userId, news }, events)
  }
  if (firstPending) tell(firstPending)
  if (pending?.presence) firstOfEach(pending.presence).forEach(tell)
  if (affected)
    for (const userId of affected) writePresence({ world, session, userId, news: undefined }, events)
  writeTyping(world, session, true, events)
  writeOccupancy(world, session, events)
  if (pending?.devices) writeDevices(session, events)
  return events
}

/** What waits about one person; see `isToldOf` of pending.ts. */
export interface Telling {
  readonly world: World
  readonly session: Session
  readonly userId: UserId
  readonly news: News | undefined
}

export function writePresence({ world, session, userId, news }: Telling, events: PresenceEvent[]): void {
  const subject = news ? subjectOf(world, news) : world.people.get(userId)
  const viewer = session.user
  const now = subject ? presenceFor(viewer, subject) : OFFLINE
  const view = subject ? viewOf(session, subject) : NO_VIEW
  const hasMoved = session.pending?.rosters !== undefined
  const then: View = hasMoved ? viewThen(session, userId, subject) : view
  const told = (hasMoved ? presenceThen(session, userId, news) : news?.told) ?? now
  if (isNoticed(told, then.group, now, view.group))
    events.push(subject && view.group ? updateOf(world, viewer, subject) : goneUpdate(world, userId))
  const seenIds = hasMoved && new Set(then.conversations)
  for (const id of view.conversations) {
    const saw = !seenIds || seenIds.has(id)
    if (subject && isNoticed(told, saw, now, true)) events.push(conversationOf(world, viewer, subject, id))
  }
  if (!hasMoved || !told.online) return
  const ids = new Set(view.conversations)
  for (const id of then.conversations) {
    if (!ids.has(id)) events.push(goneConversation(world, userId, id))
  }
}

/** Whether somebody who saw `told` (if they saw it) and sees `now` (if they see it) would notice. */
export function isNoticed(told: Presence, saw: boolean, now: Presence, sees: boolean): boolean {
  return differs(saw ? told : OFFLINE, sees ? now : OFFLINE)
}

/** The last word about somebody whom the session sees no longer. It says nothing of that person's real presence. */
function goneUpdate(world: World, userId: UserId): PresenceEvent {
  return cachedEvent(world, `gone ${userId}`, () => ({
    name: 'presence:update',
    payload: { userId, online: false, count: 0 },
  }))
}

function goneConversation(world: World, userId: UserId, conversationId: ConversationId): PresenceEvent {
  return cachedEvent(world, `gone ${conversationId}\n${userId}`, () => ({
    name: 'presence:conversation',
    payload: { userId, online: false, count: 0, conversationId },
  }))
}

/** Ends come before the presence of the typists, starts after it. */
function writeTyping(world: World, session: Session, isStart: boolean, events: PresenceEvent[]): void {
  for (const [conversationId, typists] of session.pending?.typing ?? []) {
    const room = world.conversations.get(conversationId)
    for (const [userId, told] of typists) {
      const typist = world.people.get(userId)
      const sees = room !== undefined && typist !== undefined && seesTyping(session.user, room, typist)
      if (sees !== told && sees === isStart) {
        events.push(typingEvent(world, sees ? 'typing:start' : 'typing:stop', conversationId, userId))
      }
    }
  }
}

/** No members at all is the retraction: the room has names now, or the user is not in it any more. */
function writeOccupancy(world: World, session: Session, events: PresenceEvent[]): void {
  for (const { name, told } of session.pending?.occupancy?.values() ?? []) {
    const room = findRoom(world, name)
    if (room?.counted && seesOccupancy(session.user, room))
      events.push(occupancyOf(world, name, toldOccupancy(world, room.counted)))
    else if (told) events.push(occupancyOf(world, name, NO_MEMBERS))
  }
}

const NO_MEMBERS: Occupancy = { members: 0, online: 0 }

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

/** The events about a subject that are kept are of one variant; another variant replaces them. */
function cachedAbout({ cache }: World, subject: Person, of: Presence) {
  let cached = cache.presence.get(subject)
  if (cached?.of !== of) {
    cached = { of, update: undefined, conversations: undefined }
    cache.presence.set(subject, cached)
  }
  return cached
}

function updateOf(world: World, viewer: Person, subject: Person): PresenceEvent {
  const presence = presenceFor(viewer, subject)
  return (cachedAbout(world, subject, presence).update ??= {
    name: 'presence:update',
    payload: { userId: subject.id, online: presence.online, count: presence.count },
  })
}

function conversationOf(
  world: World,
  viewer: Person,
  subject: Person,
  conversationId: ConversationId,
): PresenceEvent {
  const presence = presenceFor(viewer, subject)
  const cached = cachedAbout(world, subject, presence)
  const conversations = (cached.conversations ??= new Map<ConversationId, PresenceEvent>())
  let event = conversations.get(conversationId)
  if (!event) {
    const { online, count } = presence
    event = {
      name: 'presence:conversation',
      payload: { userId: subject.id, online, count, conversationId },
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
  return cachedEvent(world, `${name} ${convId}\n${userId}`, () => ({ name, payload: { convId, userId } }))
}

function occupancyOf(world: World, name: RoomName, { members, online }: Occupancy): PresenceEvent {
  return cachedEvent(world, `${name.kind} ${name.id}\n${online} of ${members}`, () => ({
    name: 'presence:occupancy',
    payload:
      name.kind === 'group'
        ? { groupId: name.id, members, online }
        : { conversationId: name.id, members, online },
  }))
}
