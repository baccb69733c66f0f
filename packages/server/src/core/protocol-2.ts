/**
 * Behind station 4 · protocol 2: what a session is told, as state.
 * In:   what is pending for it (from pending.ts), when it is written
 * Out:  one `presence:state`, or one `presence:diff` of what is still true and allowed
 * Next: the shell's outbound
 */
import type {
  ConversationId,
  GroupId,
  Position,
  PresenceDiff,
  RoomChange,
  RoomState,
  UserCount,
  UserId,
} from '@vigie/protocol'
import type { PresenceEvent, RoomName } from './inputs.js'
import {
  OFFLINE,
  subjectOf,
  type News,
  type Person,
  type Room,
  type RoomSnapshot,
  type Session,
  type World,
} from './model.js'
import { isNoticed, isToldDevices, uniqueNews } from './protocol-1.js'
import {
  countOf,
  countsIn,
  firstSnapshotFor,
  indexOf,
  newsCountOf,
  snapshotFor,
  typistsFor,
} from './snapshots.js'
import { affectedBy, namesIn, presenceFor, presenceThen, roomsOf, sawThen, sees } from './visibility.js'

const NO_NAMES: readonly UserId[] = []

/** The whole snapshot; or, for a client that comes back with a position of this run, what has changed since. */
export function writeState(world: World, session: Session): PresenceEvent[] {
  const since = session.position
  session.position = undefined
  session.devicesTold = session.user.devices
  if (since && isContinued(world, since) && session.user.rowsAt <= since[1]) {
    world.counts.firstContinued++
    return [{ name: 'presence:diff', payload: changesSince(world, session, since[1]) }]
  }
  if (since) world.counts.firstOutdated++
  else world.counts.firstNew++
  const rooms = roomsOf(session.user)
  const snapshots = rooms.map((room) => firstSnapshotFor(world, session, room))
  const { users, placesIn } = listUsers(world, rooms, snapshots)
  const stateOf = <Id>(id: Id, snapshot: RoomSnapshot): RoomState<Id> => {
    const { mode, members, online } = snapshot
    const typing = typistsFor(session, snapshot)
    const state: RoomState<Id> =
      mode === 'count' ? { id, mode, members, online } : { id, mode, members, roster: placesIn(snapshot) }
    return typing.length > 0 ? { ...state, typing } : state
  }
  const groups: RoomState<GroupId>[] = []
  const conversations: RoomState<ConversationId>[] = []
  rooms.forEach(({ name }, place) => {
    const snapshot = snapshots[place]
    if (!snapshot) return
    if (name.kind === 'group') groups.push(stateOf(name.id, snapshot))
    else conversations.push(stateOf(name.id, snapshot))
  })
  if (session.watched) {
    // It may have asked before its snapshot was written.
    const isListed = new Set(users.map(([userId]) => userId))
    for (const userId of session.watched)
      if (!isListed.has(userId)) users.push(countFor(world, session, userId))
  }
  const devices = devicesOf(session)
  return [
    {
      name: 'presence:state',
      payload: {
        protocol: 2,
        at: positionOf(world),
        user: session.user.id,
        users,
        groups,
        conversations,
        devices,
      },
    },
  ]
}

/** Smaller rosters are placed anew each time: that costs less than keeping it. */
const KEPT_ROSTER_MIN = 5

/**
 * All who are in some roster, each once, and where they are in the list. It begins with the longest roster: people who
 * share that one mostly share the others, too, whose places are then the same for all of them.
 */
function listUsers(world: World, rooms: readonly Room[], snapshots: readonly (RoomSnapshot | undefined)[]) {
  let longestAt = -1
  snapshots.forEach((snapshot, place) => {
    if (snapshot && snapshot.names.length > (snapshots[longestAt]?.names.length ?? 0)) longestAt = place
  })
  const longest = snapshots[longestAt]
  const room = rooms[longestAt]
  const base = longest?.names ?? NO_NAMES
  const index = longest && indexOf(longest)
  const users = room && longest ? countsIn(room, longest).slice() : []
  /** Where those are who are not in it: mostly there are none. */
  let others: Map<UserId, number> | undefined

  function placesIn(snapshot: RoomSnapshot): readonly number[] {
    if (snapshot.places?.base === base) return snapshot.places.list
    const list = snapshot.names.map((userId) => {
      let place = index?.get(userId) ?? others?.get(userId)
      if (place === undefined) {
        const person = world.people.get(userId)
        place = users.push(person ? countOf(person) : [userId, 0]) - 1
        others ??= new Map()
        others.set(userId, place)
      }
      return place
    })
    if (list.length >= KEPT_ROSTER_MIN && list.every((place) => place < base.length))
      snapshot.places = { base, list }
    return list
  }
  return { users, placesIn }
}

function devicesOf({ user: { devices } }: Session) {
  return { count: devices.length, devices }
}

function positionOf(world: World): Position {
  return [world.epoch, world.position]
}

/**
 * Whether a client may come back with this position. How old it is does not matter: a room or person whose record was
 * dropped and made anew meanwhile counts as changed at that moment.
 */
function isContinued(world: World, [epoch, n]: Position): boolean {
  return epoch === world.epoch && n <= world.position
}

/** A scan of what the session may see: nothing is kept for clients that are away. */
function changesSince(world: World, session: Session, n: number): PresenceDiff {
  const changed = new Set<Person>()
  const told: Told = { users: [], groups: [], conversations: [] }
  for (const room of roomsOf(session.user)) {
    // To look at a number that nobody was told sets it, which is a change.
    const snapshot = firstSnapshotFor(world, session, room)
    if (snapshot && room.changedAt > n) pushRoom(told, room.name, wholeRoom(session, snapshot))
    // Of a room whose members changed, the session may see some only since then.
    const isNew = room.rosterAt > n
    for (const subject of namesIn(room)) {
      if (isNew || subject.presenceAt > n || subject.rowsAt > n) changed.add(subject)
    }
  }
  for (const subject of changed) told.users.push(countOf(subject, presenceFor(session.user, subject)))
  return diffOf(world, told, session)
}

/** What a difference is made of. */
interface Told {
  readonly users: UserCount[]
  readonly groups: RoomChange<GroupId>[]
  readonly conversations: RoomChange<ConversationId>[]
}

function pushRoom(told: Told, name: RoomName, change: Omit<RoomChange<string>, 'id'>): void {
  if (name.kind === 'group') told.groups.push({ id: name.id, ...change })
  else told.conversations.push({ id: name.id, ...change })
}

/** With the devices of `ofDevices`, if they are to be told. */
function diffOf(world: World, { users, groups, conversations }: Told, ofDevices?: Session): PresenceDiff {
  return {
    at: positionOf(world),
    ...(users.length > 0 && { users }),
    ...(groups.length > 0 && { groups }),
    ...(conversations.length > 0 && { conversations }),
    ...(ofDevices && { devices: devicesOf(ofDevices) }),
  }
}

/** What is pending; nothing, if it is back to what the session was told. */
export function writeChanges(world: World, session: Session): readonly PresenceEvent[] {
  const { firstPending, pending } = session
  // Nearly always: somebody has come or gone, and all recipients get the same event.
  if (firstPending && !pending) {
    const count = newCount(world, session, firstPending.userId, firstPending)
    return count ? (cachedDiff(world, count) ?? cacheDiff(world, count, { users: [count] })) : NOTHING
  }
  // The next most frequent: somebody types, or has stopped.
  if (pending?.conversations?.size === 1 && isNothingElse(session)) {
    for (const [id, before] of pending.conversations) {
      const now = snapshotNow(world, session, world.conversations.get(id))
      const change = roomChange(session, before, now)
      if (!change) return NOTHING
      const isOfOthers = before && now && !isTypist(session, before) && !isTypist(session, now)
      const key = isOfOthers ? before : {}
      return cachedDiff(world, key) ?? cacheDiff(world, key, { conversations: [{ id, ...change }] })
    }
  }
  return writeMore(world, session)
}

const NOTHING: readonly PresenceEvent[] = []

function isNothingElse({ firstPending, pending }: Session): boolean {
  return !firstPending && !pending?.presence && !pending?.rosters && !pending?.groups && !pending?.devices
}

/** What has just been told of one thing, `key`, is told to others by the same event, which is encoded once. */
function cachedDiff({ cache, position }: World, key: object): readonly PresenceEvent[] | undefined {
  return cache.diffsAt === position ? cache.diffs.get(key) : undefined
}

function cacheDiff(
  { epoch, cache, position }: World,
  key: object,
  diff: PresenceDiff,
): readonly PresenceEvent[] {
  if (cache.diffsAt !== position) cache.diffs.clear()
  cache.diffsAt = position
  const events: readonly PresenceEvent[] = [
    { name: 'presence:diff', payload: { at: [epoch, position], ...diff } },
  ]
  cache.diffs.set(key, events)
  return events
}

function writeMore(world: World, session: Session): readonly PresenceEvent[] {
  const { firstPending, pending } = session
  const told: Told = { users: [], groups: [], conversations: [] }
  const affected = pending?.rosters && affectedBy(session)
  const tellCount = (userId: UserId, news: News | undefined) => {
    const count = newCount(world, session, userId, news)
    if (count) told.users.push(count)
  }
  const tell = (news: News) => {
    affected?.delete(news.userId)
    tellCount(news.userId, news)
  }
  if (firstPending) tell(firstPending)
  if (pending?.presence) uniqueNews(world, pending.presence).forEach(tell)
  if (affected) for (const userId of affected) tellCount(userId, undefined)
  pending?.groups?.forEach((before, id) => {
    const change = roomChange(session, before, snapshotNow(world, session, world.groups.get(id)))
    if (change) told.groups.push({ id, ...change })
  })
  pending?.conversations?.forEach((before, id) => {
    const change = roomChange(session, before, snapshotNow(world, session, world.conversations.get(id)))
    if (change) told.conversations.push({ id, ...change })
  })
  const hasDevices = pending?.devices === true && !isToldDevices(session)
  if (hasDevices) session.devicesTold = session.user.devices
  if (told.users.length + told.groups.length + told.conversations.length === 0 && !hasDevices) return NOTHING
  return [{ name: 'presence:diff', payload: diffOf(world, told, hasDevices ? session : undefined) }]
}

export function newCount(
  world: World,
  session: Session,
  userId: UserId,
  news: News | undefined,
): UserCount | undefined {
  const subject = news ? subjectOf(world, news) : world.people.get(userId)
  const now = subject ? presenceFor(session.user, subject) : OFFLINE
  // Nearly always: no members have changed since it was found that they see each other.
  if (news?.allSee && !session.pending?.rosters && subject && subject === news.subject && !news.mustAnswer)
    return isNoticed(news.told, true, now, true) ? newsCountOf(subject, now) : undefined
  const isSeen = subject !== undefined && sees(session, subject)
  if (news && !isSeen) world.counts.hidden++
  const saw = news?.sawThen ?? sawThen(session, userId, subject)
  const told = presenceThen(session, userId, news) ?? now
  if (!isNoticed(told, saw, now, isSeen) && news?.mustAnswer !== true) return undefined
  return isSeen ? newsCountOf(subject, now) : [userId, 0]
}

/** Of somebody who is unknown, or whom the session does not see, it is said what is said of somebody offline. */
export function countFor(world: World, session: Session, userId: UserId): UserCount {
  const subject = world.people.get(userId)
  return subject && sees(session, subject)
    ? countOf(subject, presenceFor(session.user, subject))
    : [userId, 0]
}

function snapshotNow(world: World, session: Session, room: Room | undefined): RoomSnapshot | undefined {
  return room && snapshotFor(world, session, room)
}

function isTypist({ user }: Session, { typing }: RoomSnapshot): boolean {
  return typing.includes(user.id)
}

type Change = Omit<RoomChange<string>, 'id'>

/** What a session that was told `before` has to be told to know `now`; undefined: nothing. */
function roomChange(
  session: Session,
  before: RoomSnapshot | undefined,
  now: RoomSnapshot | undefined,
): Change | undefined {
  if (!now) return before && { gone: true }
  if (before?.mode !== now.mode) return wholeRoom(session, now)
  const isSameRoster = now.names === before.names
  const add = isSameRoster ? [] : minus(now.names, before.names)
  const remove = isSameRoster ? [] : minus(before.names, now.names)
  const typing = typistsFor(session, now)
  const change: Change = {
    ...(now.members !== before.members && { members: now.members }),
    ...(now.online !== before.online && { online: now.online }),
    ...(add.length > 0 && { add }),
    ...(remove.length > 0 && { remove }),
    ...(!isSameList(typing, typistsFor(session, before)) && { typing }),
  }
  return Object.keys(change).length > 0 ? change : undefined
}

function wholeRoom(session: Session, snapshot: RoomSnapshot): Change {
  const { mode, members, online, names } = snapshot
  const typing = typistsFor(session, snapshot)
  return mode === 'count' ? { mode, members, online, typing } : { mode, members, roster: names, typing }
}

function minus(a: readonly UserId[], b: readonly UserId[]): UserId[] {
  const ids = new Set(b)
  return a.filter((id) => !ids.has(id))
}

/** Of a few ids, in any order. */
function isSameList(a: readonly UserId[], b: readonly UserId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id))
}
