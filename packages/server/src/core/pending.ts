/**
 * Station 4 of 4 · what each session is still to be told.
 * In:   sessions that may be told of a change (from announce.ts, typing.ts, occupancy.ts, memberships.ts)
 * Out:  `due` when a session's slot has come (slots.ts), and the events, when the shell then takes them
 * Next: protocol-1.ts or protocol-2.ts, then the shell's outbound
 *
 * State is pending, not a queue: per person and per typist the latest, however often it changed. Every `note…` function
 * is called before the change: it keeps what the session was told, so that a state that changes back is not sent.
 */
import type { ConversationId, UserId } from '@vigie/protocol'
import { scheduleCacheDrop } from './event-cache.js'
import type { PresenceEvent } from './inputs.js'
import {
  emptyCache,
  firstOfEach,
  OFFLINE,
  type News,
  type Pending,
  type Person,
  type Room,
  type RosterBefore,
  type Session,
  type World,
} from './model.js'
import { writeEvents, writeFirstEvents, writePresence } from './protocol-1.js'
import { newCount, writeChanges, writeState } from './protocol-2.js'
import { schedule, wasTaken } from './slots.js'
import { snapshotFor } from './snapshots.js'
import { affectedBy, presenceFor, sawThen, sees, seesOccupancy, seesTyping } from './visibility.js'

function pendingOf(session: Session): Pending {
  return (session.pending ??= {
    snapshot: false,
    presence: undefined,
    presenceMax: PRESENCE_MAX,
    rosters: undefined,
    typing: undefined,
    occupancy: undefined,
    groups: undefined,
    conversations: undefined,
    devices: false,
  })
}

/** A shorter list is not looked through for repetitions. */
const PRESENCE_MAX = 128

/** News of a presence that is about to change. All recipients of one change share one object. */
export function newsOf(world: World, subject: Person, allSee = false): News {
  return {
    userId: subject.id,
    subject,
    told: subject.presence,
    at: ++world.noted,
    sawThen: undefined,
    allSee,
    mustAnswer: false,
  }
}

/** Call before the subject's presence changes. If news of this subject is pending, it holds what the session was told. */
export function notePresence(world: World, session: Session, news: News): void {
  const { pending, firstPending } = session
  if (pending?.snapshot) return
  if (firstPending?.userId === news.userId) {
    world.counts.coalesced++
    return
  }
  if (!firstPending && !pending?.presence) session.firstPending = news
  else addNews(world, session, news)
  schedule(world, session)
}

/** Hot path of a reconnect storm: append without deduplication; `firstOfEach` deduplicates when the session is written. */
function addNews(world: World, session: Session, news: News): void {
  const pending = pendingOf(session)
  pending.presence ??= session.firstPending ? [session.firstPending] : []
  session.firstPending = undefined
  pending.presence.push(news)
  if (pending.presence.length <= pending.presenceMax) return
  const { length } = pending.presence
  pending.presence = firstOfEach(pending.presence)
  world.counts.coalesced += length - pending.presence.length
  pending.presenceMax = Math.max(PRESENCE_MAX, Math.ceil(1.25 * pending.presence.length) + 32)
}

function pendingNews({ firstPending, pending }: Session, userId: UserId): News | undefined {
  if (firstPending) return firstPending.userId === userId ? firstPending : undefined
  return pending?.presence?.find((each) => each.userId === userId)
}

/** Puts news in the place of what is pending about the same person. */
function replaceNews(session: Session, news: News): void {
  const presence = session.pending?.presence
  const place = presence?.findIndex((each) => each.userId === news.userId) ?? -1
  if (presence && place >= 0) presence[place] = news
  else session.firstPending = news
}

/**
 * Call before it changes whether the session sees somebody, where rosters do not tell: people on a screen, count mode.
 * Where members of a room in names mode change, {@link noteRoster} says it for all of them at once.
 */
export function noteSight(world: World, session: Session, subject: Person): void {
  const saw = sawThen(session, subject.id, subject)
  notePresence(world, session, newsOf(world, subject))
  const news = pendingNews(session, subject.id)
  if (news && news.sawThen === undefined) replaceNews(session, { ...news, sawThen: saw })
}

/**
 * The session has asked about somebody, and is answered in any case: of those who are unknown, and of those whom it does
 * not see, as of somebody who is offline. Silence about some would tell which of them are known.
 */
export function noteQuestion(world: World, session: Session, userId: UserId): void {
  const subject = world.people.get(userId)
  notePresence(world, session, {
    userId,
    subject,
    told: subject ? presenceFor(session.user, subject) : OFFLINE,
    at: ++world.noted,
    sawThen: undefined,
    allSee: false,
    mustAnswer: true,
  })
  const news = pendingNews(session, userId)
  if (news && !news.mustAnswer) replaceNews(session, { ...news, mustAnswer: true })
}

/** Call before the members of a room in names mode change, or its mode. All recipients share `before`. */
export function noteRoster(world: World, session: Session, room: Room, before: RosterBefore): void {
  if (session.pending?.snapshot) return
  const pending = pendingOf(session)
  pending.rosters ??= new Map()
  if (pending.rosters.has(room)) return
  pending.rosters.set(room, before)
  schedule(world, session)
}

/** Call before it changes whether the session sees the typist type. */
export function noteTyping(world: World, session: Session, room: Room, typist: Person): void {
  if (session.protocol === 2) {
    noteRoom(world, session, room)
    return
  }
  if (room.name.kind === 'group' || session.pending?.snapshot) return
  const pending = pendingOf(session)
  pending.typing ??= new Map<ConversationId, Map<UserId, boolean>>()
  const typists = pending.typing.get(room.name.id) ?? new Map<UserId, boolean>()
  pending.typing.set(room.name.id, typists)
  if (typists.has(typist.id)) return
  typists.set(typist.id, seesTyping(session.user, room, typist))
  schedule(world, session)
}

/** Call before it changes whether the session sees a number for the room, or which. `notBefore`: see {@link schedule}. */
export function noteOccupancy(world: World, session: Session, room: Room, notBefore = 0): void {
  if (session.protocol === 2) {
    noteRoom(world, session, room, notBefore)
    return
  }
  if (session.pending?.snapshot) return
  const pending = pendingOf(session)
  const key = `${room.name.kind} ${room.name.id}`
  pending.occupancy ??= new Map()
  if (pending.occupancy.has(key)) return
  pending.occupancy.set(key, { name: room.name, told: seesOccupancy(session.user, room) })
  schedule(world, session, notBefore)
}

/** Protocol 2: call before anything changes that the session knows of the room. `notBefore`: see {@link schedule}. */
export function noteRoom(world: World, session: Session, room: Room, notBefore = 0): void {
  if (session.protocol !== 2 || session.pending?.snapshot) return
  const pending = pendingOf(session)
  if (room.name.kind === 'group') {
    pending.groups ??= new Map()
    if (pending.groups.has(room.name.id)) return
    pending.groups.set(room.name.id, snapshotFor(world, session, room))
  } else {
    pending.conversations ??= new Map()
    if (pending.conversations.has(room.name.id)) return
    pending.conversations.set(room.name.id, snapshotFor(world, session, room))
  }
  schedule(world, session, notBefore)
}

/** The list of the person's own devices has changed. */
export function noteDevices(world: World, person: Person): void {
  for (const session of person.live) {
    if (session.pending?.snapshot) continue
    pendingOf(session).devices = true
    schedule(world, session)
  }
}

/** The session gets a whole snapshot, instead of what was pending so far. */
export function noteSnapshot(world: World, session: Session): void {
  clear(session)
  pendingOf(session).snapshot = true
  schedule(world, session)
}

function clear(session: Session): void {
  session.firstPending = undefined
  session.pending = undefined
}

/** What the session is told now; nothing is pending afterwards. Only what it may see at this moment is in it. */
export function take(world: World, session: Session): readonly PresenceEvent[] {
  scheduleCacheDrop(world)
  const isFirst = session.pending?.snapshot === true
  const events =
    session.protocol === 2
      ? (isFirst ? writeState : writeChanges)(world, session)
      : (isFirst ? writeFirstEvents : writeEvents)(world, session)
  if (events.length === 0) world.counts.unchanged++
  else session.toldAt = world.position
  clear(session)
  wasTaken(world, session, { wasWritten: events.length > 0, isFirst })
  return events
}

/**
 * Whether the session would be told something of the user's presence if it were written now, by the code that would
 * write it. What is pending stays pending.
 */
export function isToldOf(world: World, session: Session, userId: UserId): boolean {
  const { pending } = session
  if (pending?.snapshot) {
    const subject = world.people.get(userId)
    return subject !== undefined && sees(session, subject)
  }
  const news = pendingNews(session, userId)
  if (!news && !(pending?.rosters && affectedBy(session).has(userId))) return false
  if (session.protocol === 2) return newCount(world, session, userId, news) !== undefined
  // The events are thrown away, and must not be kept for others.
  const events: PresenceEvent[] = []
  writePresence({ world: { ...world, cache: emptyCache() }, session, userId, news }, events)
  return events.length > 0
}
