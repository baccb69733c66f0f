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
import { isInSight, seesTyping, typistsOf, viewOf } from './audience.js'
import { differs, membersOf, NO_VIEW, toldCrowd, wireOf } from './events.js'
import type { PresenceEvent } from './inputs.js'
import {
  findRoom,
  OFFLINE,
  roomsOf,
  type Room,
  type RoomSight,
  type Session,
  type User,
  type World,
} from './model.js'

const NOBODY: ReadonlySet<UserId> = new Set()
const NO_ROSTER: readonly UserId[] = []

/** What the session may know of the room; undefined: it is not in it. */
export function sightOf(world: World, session: Session, room: Room): RoomSight | undefined {
  if (!room.users.has(session.user)) return undefined
  const isCount = room.mode === 'count'
  return {
    mode: room.mode,
    members: isCount ? toldCrowd(world, room).members : membersOf(room),
    roster: isCount ? NO_ROSTER : rosterOf(room),
    online: isCount ? toldCrowd(world, room).online : 0,
    typing: typingIn(session, room),
  }
}

/** Until its rows have been read, a room has the members who are known. */
function rosterOf(room: Room): readonly UserId[] {
  return room.roster ?? Array.from(room.users, (user) => user.id)
}

function typingIn(session: Session, room: Room): ReadonlySet<UserId> {
  let typing: Set<UserId> | undefined
  for (const typist of typistsOf(room)) {
    if (!seesTyping(session.user, room, typist)) continue
    typing ??= new Set()
    typing.add(typist.id)
  }
  return typing ?? NOBODY
}

/** The whole picture; or, for a client that comes back soon enough, what has changed since. */
export function writeState(world: World, session: Session): PresenceEvent[] {
  const since = session.position
  session.position = undefined
  session.owed.devicesTold = session.user.devices.key
  if (since && isContinued(world, since) && session.user.rowsAt <= since[1]) {
    return [{ name: 'presence:diff', payload: changesSince(world, session, since[1]) }]
  }
  const users: UserCount[] = []
  const places = new Map<UserId, number>()
  const placeOf = (userId: UserId) => {
    let place = places.get(userId)
    if (place === undefined) {
      place = users.push(countOf(world, userId)) - 1
      places.set(userId, place)
    }
    return place
  }
  const stateOf = <Id>(id: Id, room: Room): RoomState<Id> => {
    const typing = typingIn(session, room)
    return {
      id,
      ...(room.mode === 'count'
        ? { mode: 'count', ...toldCrowd(world, room) }
        : { mode: 'names', members: membersOf(room), roster: rosterOf(room).map(placeOf) }),
      ...(typing.size > 0 && { typing: [...typing] }),
    }
  }
  const groups = Array.from(session.user.groups, ([id, room]) => stateOf(id, room))
  const conversations = Array.from(session.user.conversations, ([id, room]) => stateOf(id, room))
  const devices = session.user.devices.event.payload
  return [
    {
      name: 'presence:state',
      payload: { protocol: 2, at: positionOf(world), users, groups, conversations, devices },
    },
  ]
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
  for (const room of roomsOf(session.user)) {
    if (room.mode !== 'names') continue
    // Of a room whose members changed, some may be in sight only since then.
    const isNew = room.rosterAt > n
    for (const subject of room.users)
      if (isNew || subject.presenceAt > n || subject.rowsAt > n) changedUsers.add(subject)
  }
  const users = Array.from(changedUsers, (subject) => countOf(world, subject.id))
  // Looking at a crowd that nobody held a number of gives it one.
  const changed = <Id>(rooms: ReadonlyMap<Id, Room>) =>
    Array.from(rooms, ([id, room]) => ({ id, room, sight: sightOf(world, session, room) }))
      .filter(({ room }) => room.changedAt > n)
      .map(({ id, sight }) => wholeRoom(id, sight))
  const { groups, conversations } = session.user
  return diffOf(world, { users, groups: changed(groups), conversations: changed(conversations) }, session)
}

interface Told {
  readonly users: readonly UserCount[]
  readonly groups: readonly RoomChange<GroupId>[]
  readonly conversations: readonly RoomChange<ConversationId>[]
}

/** With the devices of `ofDevices`, if they are to be told. */
function diffOf(world: World, { users, groups, conversations }: Told, ofDevices?: Session): PresenceDiff {
  return {
    at: positionOf(world),
    ...(users.length > 0 && { users }),
    ...(groups.length > 0 && { groups }),
    ...(conversations.length > 0 && { conversations }),
    ...(ofDevices && { devices: ofDevices.user.devices.event.payload }),
  }
}

/** What the session is owed; nothing, if it is back to what it was told. */
export function writeChanges(world: World, session: Session): PresenceEvent[] {
  const { owed } = session
  const users: UserCount[] = []
  for (const [userId, { told, view: toldView, isAsked }] of owed.presence) {
    const subject = world.users.get(userId)
    const view = subject ? viewOf(session, subject) : NO_VIEW
    const sees = isInSight(view)
    const isNews = differs(told, isInSight(toldView ?? view), subject?.presence ?? OFFLINE, sees)
    if (!isNews && !(isAsked && sees)) continue
    users.push(sees ? countOf(world, userId) : [userId, 0])
  }
  const groups: RoomChange<GroupId>[] = []
  const conversations: RoomChange<ConversationId>[] = []
  for (const { name, told } of owed.rooms.values()) {
    const room = findRoom(world, name)
    const now = room && sightOf(world, session, room)
    if (name.kind === 'group') pushChange(groups, name.id, told, now)
    else pushChange(conversations, name.id, told, now)
  }
  const hasDevices = owed.devices && owed.devicesTold !== session.user.devices.key
  if (hasDevices) owed.devicesTold = session.user.devices.key
  if (users.length + groups.length + conversations.length === 0 && !hasDevices) return []
  return [
    {
      name: 'presence:diff',
      payload: diffOf(world, { users, groups, conversations }, hasDevices ? session : undefined),
    },
  ]
}

function pushChange<Id>(
  changes: RoomChange<Id>[],
  id: Id,
  told: RoomSight | undefined,
  now: RoomSight | undefined,
): void {
  if (!now) {
    if (told) changes.push({ id, gone: true })
    return
  }
  const change = told?.mode === now.mode ? changeOf(id, told, now) : wholeRoom(id, now)
  if (change) changes.push(change)
}

function wholeRoom<Id>(id: Id, now: RoomSight | undefined): RoomChange<Id> {
  if (!now) return { id, gone: true }
  const { mode, members, online } = now
  const typing = [...now.typing]
  return mode === 'count'
    ? { id, mode, members, online, typing }
    : { id, mode, members, roster: now.roster, typing }
}

function changeOf<Id>(id: Id, told: RoomSight, now: RoomSight): RoomChange<Id> | undefined {
  const isSameRoster = now.roster === told.roster
  const add = isSameRoster ? [] : minus(now.roster, told.roster)
  const remove = isSameRoster ? [] : minus(told.roster, now.roster)
  const hasTyping = !isSameSet(now.typing, told.typing)
  const change: RoomChange<Id> = {
    id,
    ...(now.members !== told.members && { members: now.members }),
    ...(now.online !== told.online && { online: now.online }),
    ...(add.length > 0 && { add }),
    ...(remove.length > 0 && { remove }),
    ...(hasTyping && { typing: [...now.typing] }),
  }
  return Object.keys(change).length > 1 ? change : undefined
}

function minus(a: readonly UserId[], b: readonly UserId[]): UserId[] {
  const ids = new Set(b)
  return a.filter((id) => !ids.has(id))
}

function isSameSet(a: ReadonlySet<UserId>, b: ReadonlySet<UserId>): boolean {
  if (a.size !== b.size) return false
  for (const id of a) if (!b.has(id)) return false
  return true
}

function countOf(world: World, userId: UserId): UserCount {
  const user = world.users.get(userId)
  if (!user) return [userId, 0]
  return (wireOf(world, user).count ??= [userId, user.presence.count])
}
