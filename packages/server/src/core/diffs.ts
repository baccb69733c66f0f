/**
 * Beside station 4 · protocol 2: what a session is told, as state.
 * In:   what it is owed (from outbox.ts), when it is written
 * Out:  one `presence:state`, or one `presence:diff` of what is still true and allowed
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
import { isInSight, NO_VIEW, typistsOf, viewOf } from './audience.js'
import { differs, isToldDevices, membersOf, toldCrowd } from './events.js'
import { holds, visitAll } from './few.js'
import type { PresenceEvent, RoomName } from './inputs.js'
import {
  firstOfEach,
  isUnderPressure,
  modeOf,
  namesIn,
  OFFLINE,
  subjectOf,
  type OwedPresence,
  type Room,
  type RoomSight,
  type Session,
  type User,
  type World,
} from './model.js'

const NOBODY: readonly UserId[] = []

/**
 * What the session may know of the room, its own typing included; undefined: it is not in it.
 * @param isKept For others, who are going to ask, too: what nobody asks for outlives the young garbage in vain.
 */
export function sightOf(world: World, session: Session, room: Room, isKept = true): RoomSight | undefined {
  if (!holds(room.users, session.user)) return undefined
  if (room.sight) return room.sight
  const { crowd } = room
  const { members, online } = crowd ? toldCrowd(world, crowd) : { members: membersOf(room), online: 0 }
  const typists = Array.from(typistsOf(room), (typist) => typist.id)
  const sight: RoomSight = {
    mode: modeOf(room),
    members,
    roster: crowd ? NOBODY : rosterOf(room),
    online,
    typing: typists.length === 0 ? NOBODY : typists,
    places: undefined,
    counts: undefined,
    index: undefined,
  }
  if (isKept) {
    room.sight = sight
    world.wire.seen.add(room)
  }
  return sight
}

/**
 * For somebody who has just come. Others who ask for that of the same room come right after them when everybody comes
 * back, and hardly ever otherwise.
 */
function firstSightOf(world: World, session: Session, room: Room): RoomSight | undefined {
  return sightOf(world, session, room, isUnderPressure(world))
}

/** Until its rows have been read, a room has the members who are known. */
function rosterOf(room: Room): readonly UserId[] {
  return namesIn(room.facts) ?? Array.from(room.users, (user) => user.id)
}

/** Nobody is told of their own typing. */
function typistsFor(session: Session, { typing }: RoomSight): readonly UserId[] {
  const { id } = session.user
  return typing.includes(id) ? typing.filter((typist) => typist !== id) : typing
}

/** The whole picture; or, for a client that comes back soon enough, what has changed since. */
export function writeState(world: World, session: Session): PresenceEvent[] {
  const since = session.position
  session.position = undefined
  session.devicesTold = session.user.devices
  if (since && isContinued(world, since) && session.user.rowsAt <= since[1]) {
    return [{ name: 'presence:diff', payload: changesSince(world, session, since[1]) }]
  }
  const { rooms } = session.user
  const sights = rooms.map((room) => firstSightOf(world, session, room))
  const { users, placesIn } = listUsers(world, rooms, sights)
  const stateOf = <Id>(id: Id, sight: RoomSight): RoomState<Id> => {
    const { mode, members, online } = sight
    const typing = typistsFor(session, sight)
    const state: RoomState<Id> =
      mode === 'count' ? { id, mode, members, online } : { id, mode, members, roster: placesIn(sight) }
    return typing.length > 0 ? { ...state, typing } : state
  }
  const groups: RoomState<GroupId>[] = []
  const conversations: RoomState<ConversationId>[] = []
  rooms.forEach(({ name }, place) => {
    const sight = sights[place]
    if (!sight) return
    if (name.kind === 'group') groups.push(stateOf(name.id, sight))
    else conversations.push(stateOf(name.id, sight))
  })
  if (session.watched) {
    // It may have asked before its picture was written.
    const isListed = new Set(users.map(([userId]) => userId))
    for (const userId of session.watched)
      if (!isListed.has(userId)) users.push(answerOf(world, session, userId))
  }
  const devices = devicesOf(session)
  return [
    {
      name: 'presence:state',
      payload: { protocol: 2, at: positionOf(world), users, groups, conversations, devices },
    },
  ]
}

/** Smaller rosters are placed anew each time: that costs less than keeping it. */
const KEPT_ROSTER_MIN = 5

/**
 * All who are in some roster, each once, and where they are in the list. It begins with the longest roster: people
 * who share that mostly share the others, too, whose places are then the same for all of them.
 */
function listUsers(world: World, rooms: readonly Room[], sights: readonly (RoomSight | undefined)[]) {
  let longestAt = -1
  sights.forEach((sight, place) => {
    if (sight && sight.roster.length > (sights[longestAt]?.roster.length ?? 0)) longestAt = place
  })
  const longest = sights[longestAt]
  const room = rooms[longestAt]
  const base = longest?.roster ?? NOBODY
  const index = longest && (longest.index ??= new Map(base.map((userId, place) => [userId, place])))
  const users = room && longest ? countsIn(world, room, longest).slice() : []
  /** Where those are who are not in it: mostly there are none. */
  let others: Map<UserId, number> | undefined

  function placesIn(sight: RoomSight): readonly number[] {
    if (sight.places?.base === base) return sight.places.list
    const list = sight.roster.map((userId) => {
      let place = index?.get(userId) ?? others?.get(userId)
      if (place === undefined) {
        place = users.push(countOf(world, userId)) - 1
        others ??= new Map()
        others.set(userId, place)
      }
      return place
    })
    if (list.length >= KEPT_ROSTER_MIN && list.every((place) => place < base.length))
      sight.places = { base, list }
    return list
  }
  return { users, placesIn }
}

/** Kept up to date with those who are known to be in the room, unless rows of others, who are known, are on their way. */
function countsIn(world: World, room: Room, sight: RoomSight): UserCount[] {
  if (sight.counts) return sight.counts
  const visit = ++world.visit
  visitAll(room.users, (user) => {
    user.visited = visit
  })
  const users = sight.roster.map((userId) => world.users.get(userId))
  const isComplete = users.every((user) => !user || user.visited === visit)
  const counts = sight.roster.map((userId, place) => countAs(userId, users[place]))
  if (isComplete) sight.counts = counts
  return counts
}

/** What first pictures say of the user, where it is kept. */
export function countChanged(user: User): void {
  for (const { sight } of user.rooms) {
    if (!sight?.counts) continue
    const place = sight.index?.get(user.id)
    if (place !== undefined) sight.counts[place] = knownCountOf(user)
  }
}

function devicesOf({ user: { devices } }: Session) {
  return { count: devices.length, devices }
}

function positionOf(world: World): Position {
  return [world.epoch, world.position]
}

/** Whether everything that happened after `since` can still be told as a difference. */
function isContinued(world: World, [epoch, n]: Position): boolean {
  return (
    epoch === world.epoch &&
    n <= world.position &&
    n >= world.oldestPosition &&
    n >= (world.marks[0]?.position ?? 0)
  )
}

/** A scan of what the session may see: nothing is kept for clients that are away. */
function changesSince(world: World, session: Session, n: number): PresenceDiff {
  const changedUsers = new Set<User>()
  const told: Told = { users: [], groups: [], conversations: [] }
  for (const room of session.user.rooms) {
    // Looking at a crowd that nobody held a number of gives it one, which is news.
    const sight = firstSightOf(world, session, room)
    if (sight && room.changedAt > n) pushRoom(told, room.name, wholeRoom(session, sight))
    if (room.crowd) continue
    // Of a room whose members changed, some may be in sight only since then.
    const isNew = room.rosterAt > n
    visitAll(room.users, (subject) => {
      if (isNew || subject.presenceAt > n || subject.rowsAt > n) changedUsers.add(subject)
    })
  }
  for (const subject of changedUsers) told.users.push(countOf(world, subject.id))
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

/** What the session is owed; nothing, if it is back to what it was told. */
export function writeChanges(world: World, session: Session): readonly PresenceEvent[] {
  const { news, owed } = session
  // Nearly always: somebody has come or gone, and all who see them are told the same.
  if (news && !owed) {
    const count = newCount(world, session, news.userId, news.entry)
    return count ? (known(world, count) ?? once(world, count, { users: [count] })) : NOTHING
  }
  // The next most frequent: somebody types, or has stopped.
  if (owed?.conversations?.size === 1 && !news && !owed.presence && !owed.groups && !owed.devices) {
    for (const [id, before] of owed.conversations) {
      const now = sightNow(world, session, world.conversations.get(id))
      const change = newSight(session, before, now)
      if (!change) return NOTHING
      const isOfOthers = before && now && !isTypist(session, before) && !isTypist(session, now)
      const key = isOfOthers ? before : {}
      return known(world, key) ?? once(world, key, { conversations: [{ id, ...change }] })
    }
  }
  return writeMore(world, session)
}

const NOTHING: readonly PresenceEvent[] = []

/** What has just been told of one thing, `key`, is told to others by the same event, which is encoded once. */
function known({ wire, position }: World, key: object): readonly PresenceEvent[] | undefined {
  return wire.diffsAt === position ? wire.diffs.get(key) : undefined
}

function once({ epoch, wire, position }: World, key: object, diff: PresenceDiff): readonly PresenceEvent[] {
  if (wire.diffsAt !== position) wire.diffs.clear()
  wire.diffsAt = position
  const events: readonly PresenceEvent[] = [
    { name: 'presence:diff', payload: { at: [epoch, position], ...diff } },
  ]
  wire.diffs.set(key, events)
  return events
}

function writeMore(world: World, session: Session): readonly PresenceEvent[] {
  const { news, owed } = session
  const told: Told = { users: [], groups: [], conversations: [] }
  const tellCount = (userId: UserId, entry: OwedPresence) => {
    const count = newCount(world, session, userId, entry)
    if (count) told.users.push(count)
  }
  if (news) tellCount(news.userId, news.entry)
  if (owed?.presence) for (const { userId, entry } of firstOfEach(owed.presence)) tellCount(userId, entry)
  owed?.groups?.forEach((before, id) => {
    const change = newSight(session, before, sightNow(world, session, world.groups.get(id)))
    if (change) told.groups.push({ id, ...change })
  })
  owed?.conversations?.forEach((before, id) => {
    const change = newSight(session, before, sightNow(world, session, world.conversations.get(id)))
    if (change) told.conversations.push({ id, ...change })
  })
  const hasDevices = owed?.devices === true && !isToldDevices(session)
  if (hasDevices) session.devicesTold = session.user.devices
  if (told.users.length + told.groups.length + told.conversations.length === 0 && !hasDevices) return NOTHING
  return [{ name: 'presence:diff', payload: diffOf(world, told, hasDevices ? session : undefined) }]
}

function newCount(
  world: World,
  session: Session,
  userId: UserId,
  entry: OwedPresence,
): UserCount | undefined {
  const { told, view: toldView, isAsked } = entry
  const subject = subjectOf(world, userId, entry)
  // Nearly always: no rows have changed since it was found that they see each other.
  if (entry.isSeen && !toldView && subject && subject === entry.subject)
    return isAsked || differs(told, true, subject.presence, true) ? knownCountOf(subject) : undefined
  const view = subject ? viewOf(session, subject) : NO_VIEW
  const sees = isInSight(view)
  const isNews = differs(told, isInSight(toldView ?? view), subject?.presence ?? OFFLINE, sees)
  if (!isNews && !isAsked) return undefined
  return countAs(userId, sees ? subject : undefined)
}

function answerOf(world: World, session: Session, userId: UserId): UserCount {
  const subject = world.users.get(userId)
  return countAs(userId, subject && isInSight(viewOf(session, subject)) ? subject : undefined)
}

function sightNow(world: World, session: Session, room: Room | undefined): RoomSight | undefined {
  return room && sightOf(world, session, room)
}

function isTypist({ user }: Session, { typing }: RoomSight): boolean {
  return typing.includes(user.id)
}

type Change = Omit<RoomChange<string>, 'id'>

/** What a session that held `before` has to be told to hold `now`; undefined: nothing. */
function newSight(
  session: Session,
  before: RoomSight | undefined,
  now: RoomSight | undefined,
): Change | undefined {
  if (!now) return before && { gone: true }
  if (before?.mode !== now.mode) return wholeRoom(session, now)
  const isSameRoster = now.roster === before.roster
  const add = isSameRoster ? [] : minus(now.roster, before.roster)
  const remove = isSameRoster ? [] : minus(before.roster, now.roster)
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

function wholeRoom(session: Session, sight: RoomSight): Change {
  const { mode, members, online, roster } = sight
  const typing = typistsFor(session, sight)
  return mode === 'count' ? { mode, members, online, typing } : { mode, members, roster, typing }
}

function minus(a: readonly UserId[], b: readonly UserId[]): UserId[] {
  const ids = new Set(b)
  return a.filter((id) => !ids.has(id))
}

/** Of a few ids, in any order. */
function isSameList(a: readonly UserId[], b: readonly UserId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id))
}

function countOf(world: World, userId: UserId): UserCount {
  return countAs(userId, world.users.get(userId))
}

/** Of nobody who is known, or in sight, it is said what is said of whoever is offline. */
function countAs(userId: UserId, user: User | undefined): UserCount {
  return user ? knownCountOf(user) : [userId, 0]
}

function knownCountOf(user: User): UserCount {
  return (user.count ??= [user.id, user.presence.count])
}
