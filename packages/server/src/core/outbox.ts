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
import type { UserId } from '@vigie/protocol'
import { seesTyping, viewOf } from './audience.js'
import { sightOf, writeChanges, writeState } from './diffs.js'
import { conversationIdOf, seesOccupancy, writeEvents, writePicture } from './events.js'
import type { PresenceEvent } from './inputs.js'
import {
  DUE,
  firstOfEach,
  NOT_DUE,
  OFFLINE,
  type News,
  type Owed,
  type OwedPresence,
  type Room,
  type Session,
  type Slot,
  type User,
  type World,
  useWire,
} from './model.js'

/** Slots are this coarse: sessions that are due within it are written together. */
const SLOT_MS = 5

function owedBy(session: Session): Owed {
  return (session.owed ??= {
    picture: false,
    presence: undefined,
    presenceMax: PRESENCE_MAX,
    typing: undefined,
    occupancy: undefined,
    groups: undefined,
    conversations: undefined,
    devices: false,
  })
}

/**
 * Call before the subject's presence changes: what it still is, is what the session was told. Whoever is owed
 * something of the subject already was told what that says.
 */
export function owePresence(world: World, session: Session, news: News): void {
  const { owed, news: first } = session
  if (owed?.picture || first?.userId === news.userId) return
  if (!first && !owed?.presence) session.news = news
  else addNews(session, news)
  queue(world, session)
}

/** Where the many who arrive at once are told of each other: to look first whether it counts would cost more than all else. */
function addNews(session: Session, news: News): void {
  const owed = owedBy(session)
  owed.presence ??= session.news ? [session.news] : []
  session.news = undefined
  owed.presence.push(news)
  if (owed.presence.length <= owed.presenceMax) return
  owed.presence = firstOfEach(owed.presence)
  owed.presenceMax = Math.max(PRESENCE_MAX, Math.ceil(1.25 * owed.presence.length) + 32)
}

/** Of less nobody looks whether some are about the same user. */
const PRESENCE_MAX = 128

/** That somebody is no longer what they were told to be. */
export function newsOf(subject: User, isSeen = false): News {
  const told = subject.presence
  return { userId: subject.id, entry: { subject, told, view: undefined, isSeen, isAsked: false } }
}

/** What is owed of a user's presence. */
export function owedEntry({ news, owed }: Session, userId: UserId): OwedPresence | undefined {
  if (news) return news.userId === userId ? news.entry : undefined
  return owed?.presence?.find((each) => each.userId === userId)?.entry
}

/** Replaces what is owed of a user. */
function setEntry(session: Session, userId: UserId, entry: OwedPresence): void {
  const presence = session.owed?.presence
  const place = presence?.findIndex((each) => each.userId === userId) ?? -1
  if (presence && place >= 0) presence[place] = { userId, entry }
  else session.news = { userId, entry }
}

/** Call before what the two share changes: where they see each other now is where the session was told. */
export function oweView(world: World, session: Session, subject: User): void {
  owePresence(world, session, newsOf(subject))
  keepView(session, subject)
}

/** What the session is owed about the subject, if anything, is to be told as seen from where it sees them now. */
export function keepView(session: Session, subject: User): void {
  const entry = owedEntry(session, subject.id)
  if (entry && !entry.view) setEntry(session, subject.id, { ...entry, view: viewOf(session, subject) })
}

/**
 * The session has asked about somebody, and is answered, whoever that is: of those who are unknown here, and of those
 * out of sight, the same as of who is offline. Silence about some would tell which of them are known.
 */
export function oweAnswer(world: World, session: Session, userId: UserId): void {
  const subject = world.users.get(userId)
  const told = subject?.presence ?? OFFLINE
  owePresence(world, session, {
    userId,
    entry: { subject, told, view: undefined, isSeen: false, isAsked: true },
  })
  const entry = owedEntry(session, userId)
  if (entry && !entry.isAsked) setEntry(session, userId, { ...entry, isAsked: true })
}

/** Call before it changes whether the session sees the typist type. */
export function oweTyping(world: World, session: Session, room: Room, typist: User): void {
  if (session.protocol === 2) {
    oweRoom(world, session, room)
    return
  }
  const owed = owedBy(session)
  if (owed.picture) return
  const id = conversationIdOf(room)
  owed.typing ??= new Map()
  const typists = owed.typing.get(id) ?? new Map<UserId, boolean>()
  owed.typing.set(id, typists)
  if (typists.has(typist.id)) return
  typists.set(typist.id, seesTyping(session.user, room, typist))
  queue(world, session)
}

/**
 * Call before it changes whether the session sees a number for the room.
 * @param notBefore The number alone is no reason to write sooner; what else the session is owed may be.
 */
export function oweOccupancy(world: World, session: Session, room: Room, notBefore = 0): void {
  if (session.protocol === 2) {
    oweRoom(world, session, room, notBefore)
    return
  }
  const owed = owedBy(session)
  const key = `${room.name.kind} ${room.name.id}`
  owed.occupancy ??= new Map()
  if (owed.picture || owed.occupancy.has(key)) return
  owed.occupancy.set(key, { name: room.name, told: seesOccupancy(session, room) })
  queue(world, session, notBefore)
}

/** Protocol 2: call before anything changes that the session knows of the room. `notBefore`: see {@link oweOccupancy}. */
export function oweRoom(world: World, session: Session, room: Room, notBefore = 0): void {
  if (session.protocol !== 2 || session.owed?.picture) return
  const owed = owedBy(session)
  if (room.name.kind === 'group') {
    owed.groups ??= new Map()
    if (owed.groups.has(room.name.id)) return
    owed.groups.set(room.name.id, sightOf(world, session, room))
  } else {
    owed.conversations ??= new Map()
    if (owed.conversations.has(room.name.id)) return
    owed.conversations.set(room.name.id, sightOf(world, session, room))
  }
  queue(world, session, notBefore)
}

export function oweDevices(world: World, user: User): void {
  for (const session of user.live) {
    if (session.owed?.picture) continue
    owedBy(session).devices = true
    queue(world, session)
  }
}

/** All that the session may see, instead of what it was owed so far. */
export function owePicture(world: World, session: Session): void {
  clear(session)
  owedBy(session).picture = true
  queue(world, session)
}

function clear(session: Session): void {
  session.news = undefined
  session.owed = undefined
}

/**
 * A session that had nothing for a window is due in the same turn; another waits for its slot. One that waits already
 * comes sooner, if need be, and is then passed over where it waited.
 */
function queue(world: World, session: Session, notBefore = 0): void {
  const { dueAt } = session
  if (dueAt === DUE) return
  // It may have been written when windows were longer than they are now.
  const soonest = Math.max(notBefore, Math.min(session.nextAt, world.now + world.windowMs))
  const at = soonest <= world.now ? DUE : slotTime(soonest)
  if (dueAt !== NOT_DUE && dueAt <= at) return
  if (at === DUE) handOut(world, session)
  else waitIn(slotAt(world, at), session)
}

function handOut(world: World, session: Session): void {
  session.dueAt = DUE
  world.due.push(session)
}

function waitIn(slot: Slot, session: Session): void {
  session.dueAt = slot.at
  slot.sessions.push(session)
}

function slotTime(time: number): number {
  return Math.ceil(time / SLOT_MS) * SLOT_MS
}

function slotAt(world: World, at: number): Slot {
  let slot = world.slots.get(at)
  if (!slot) {
    slot = { is: 'slot', at, sessions: [] }
    world.slots.set(at, slot)
    world.deadlines.set(slot, at)
  }
  return slot
}

/**
 * From now on sessions are written at most once in `ms`, but not more often than `windowMs`. If that is shorter than
 * before, the slots of those who wait move closer together: to write all of them at once would be a pause for everybody.
 */
export function setWindow(world: World, ms: number): void {
  const { now, slots, deadlines, settings, windowMs: before } = world
  world.windowMs = Math.max(ms, settings.windowMs)
  if (world.windowMs >= before) return
  const waiting = [...slots.values()]
  slots.clear()
  for (const slot of waiting) {
    deadlines.delete(slot)
    const sooner = slotAt(world, slotTime(now + ((slot.at - now) * world.windowMs) / before))
    for (const session of slot.sessions) if (session.dueAt === slot.at) waitIn(sooner, session)
  }
}

/** A slot has come. */
export function openSlot(world: World, at: number): void {
  const slot = world.slots.get(at)
  world.slots.delete(at)
  for (const session of slot?.sessions ?? []) {
    if (session.state === 'live' && session.dueAt === at) handOut(world, session)
  }
}

/** What the session is told now; it is owed nothing afterwards. Only what it may still see is in it. */
export function take(world: World, session: Session): readonly PresenceEvent[] {
  useWire(world)
  const events = session.protocol === 2 ? takeAsState(world, session) : takeAsEvents(world, session)
  clear(session)
  session.dueAt = NOT_DUE
  if (events.length > 0) session.nextAt = world.now + world.windowMs
  return events
}

function takeAsEvents(world: World, session: Session): readonly PresenceEvent[] {
  return session.owed?.picture ? writePicture(world, session) : writeEvents(world, session)
}

function takeAsState(world: World, session: Session): readonly PresenceEvent[] {
  return session.owed?.picture ? writeState(world, session) : writeChanges(world, session)
}
