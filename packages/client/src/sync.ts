/**
 * Step 2 of 3 · what is known, folded from frames. Pure: values in, values out.
 * In:   `presence:state` and `presence:diff`, as they came (from connection.ts)
 * Out:  the picture after them, and what in it is different
 * Next: store.ts
 *
 * A picture is only ever seen whole. A moment that was cut into several frames waits until its last one,
 * which alone carries `at`: half a snapshot would show people going offline who did not.
 */
import type {
  ConversationId,
  GroupId,
  Mode,
  Position,
  PresenceDevices,
  PresenceDiff,
  PresenceState,
  RoomChange,
  RoomState,
  UserId,
} from '@vigie/protocol'
import { isSame } from './same.js'
import { VersionedMap } from './versioned-map.js'

/** A group or conversation, as far as this client may know it. */
export interface Room {
  readonly mode: Mode
  readonly members: number
  /** Empty in count mode. */
  readonly roster: ReadonlySet<UserId>
  /** Means something in count mode only; in names mode it follows from roster and users. */
  readonly online: number
  readonly typing: ReadonlySet<UserId>
}

export interface Picture {
  readonly at: Position | undefined
  /** Whose picture it is, as the server said. */
  readonly user: UserId | undefined
  /** Devices of everybody in sight; 0 is offline. Who is not in it is not in sight. */
  readonly users: VersionedMap<UserId, number>
  /** Those of `users` who were watched on an earlier connection, and of whom this one has not told yet. */
  readonly unheard: ReadonlySet<UserId>
  readonly groups: VersionedMap<GroupId, Room>
  readonly conversations: VersionedMap<ConversationId, Room>
  readonly devices: PresenceDevices
}

export interface Sync {
  readonly picture: Picture
  /** Frames of a moment whose last frame has not come. */
  readonly parts: readonly Frame[]
  /** Diffs that came before the snapshot which they belong after. */
  readonly early: readonly PresenceDiff[]
  /** Whether only a snapshot will do: there is nothing yet that a diff could be folded into. */
  readonly needsState: boolean
  /** People of whom the server tells without a room in common. */
  readonly watched: ReadonlySet<UserId>
}

export type Frame =
  | { readonly name: 'presence:state'; readonly payload: PresenceState }
  | { readonly name: 'presence:diff'; readonly payload: PresenceDiff }

/** What is different between two pictures. */
export interface Changes {
  readonly users: ReadonlySet<UserId>
  /** Rooms that came, went, or have another mode, roster or number. */
  readonly groups: ReadonlySet<GroupId>
  readonly conversations: ReadonlySet<ConversationId>
  /** Conversations in which others type than before. */
  readonly typing: ReadonlySet<ConversationId>
  readonly devices: boolean
}

/**
 * `waits`: the picture is as it was, more must come. `whole`: the picture is true as of its `at`.
 * `broken`: this can only be mended by a new snapshot.
 */
export interface Step {
  readonly sync: Sync
  readonly outcome: 'waits' | 'whole' | 'broken'
  readonly changes: Changes
}

/** Most frames that one moment may be cut into: 64 MB of picture. */
export const PARTS_MAX = 1_000
/** Most diffs that may wait for their snapshot. */
export const EARLY_MAX = 100

const NOBODY: ReadonlySet<never> = new Set()
export const NO_CHANGES: Changes = {
  users: NOBODY,
  groups: NOBODY,
  conversations: NOBODY,
  typing: NOBODY,
  devices: false,
}

export const EMPTY_PICTURE: Picture = {
  at: undefined,
  user: undefined,
  users: new VersionedMap(),
  unheard: NOBODY,
  groups: new VersionedMap(),
  conversations: new VersionedMap(),
  devices: { count: 0, devices: [] },
}

export const EMPTY_SYNC: Sync = {
  picture: EMPTY_PICTURE,
  parts: [],
  early: [],
  needsState: true,
  watched: NOBODY,
}

/**
 * A connection begins. What the last one left half told is forgotten; it will be told again. Nobody is watched on it yet:
 * of those who were, what is known stays as the last that was known, until the server tells of them.
 */
export function begin(sync: Sync): Sync {
  const unheard = new Set([...sync.picture.unheard, ...sync.watched])
  const { at, groups, conversations } = sync.picture
  for (const id of unheard) if (isIn(groups, id) || isIn(conversations, id)) unheard.delete(id)
  const picture = { ...sync.picture, unheard }
  return { picture, parts: [], early: [], needsState: at === undefined, watched: NOBODY }
}

/** Without a position the server sends everything. What is shown stays until that is here. */
export function forgetPosition(sync: Sync): Sync {
  return begin({ ...sync, picture: { ...sync.picture, at: undefined } })
}

/** The picture is of somebody else: nothing of it stays. */
export function forgetAll({ picture }: Sync): Omit<Step, 'outcome'> {
  const draft = draftOf(picture)
  replaceAll(draft, EMPTY_PICTURE)
  draft.unheard.clear()
  return { sync: EMPTY_SYNC, changes: finish(draft).changes }
}

/** Folds one frame in. Rooms and people that were never told of are passed over: a row may just have taken them. */
export function apply(sync: Sync, frame: Frame): Step {
  const isState = frame.name === 'presence:state'
  if (!isState && sync.needsState) {
    if (sync.early.length >= EARLY_MAX) return broken(sync)
    return unchanged({ ...sync, early: [...sync.early, frame.payload] }, 'waits')
  }
  // A snapshot is everything: whatever was half told before it has no more to say.
  const parts = isState ? [frame] : [...sync.parts, frame]
  const { at } = frame.payload
  const isContinued =
    parts[0]?.name === 'presence:state' || at === undefined || sync.picture.at?.[0] === at[0]
  if (parts.length > PARTS_MAX || !isContinued) return broken(sync)
  const next = { ...sync, parts, needsState: false }
  if (!at) return unchanged(next, 'waits')
  const { picture, changes } = fold(sync, [...parts, ...laterThan(sync.early, at)])
  return { sync: { ...next, picture, parts: [], early: [] }, outcome: 'whole', changes }
}

/**
 * From now on these people, and no others, are told of without a room in common. Of those who were watched on an earlier
 * connection, what was known last is kept while they are `wanted`.
 */
export function setWatched(
  sync: Sync,
  watched: ReadonlySet<UserId>,
  wanted: ReadonlySet<UserId> = watched,
): Omit<Step, 'outcome'> {
  const draft = draftOf(sync.picture)
  for (const id of sync.watched) if (!watched.has(id)) forgetWatched(draft, id)
  for (const id of sync.picture.unheard) if (!wanted.has(id)) forgetWatched(draft, id)
  forgetOutOfSight(draft, watched)
  const { picture, changes } = finish(draft)
  return { sync: { ...sync, watched, picture }, changes }
}

function forgetWatched(draft: Draft, id: UserId): void {
  draft.users.touched.add(id)
  hear(draft, id)
}

function broken(sync: Sync): Step {
  return unchanged(forgetPosition(sync), 'broken')
}

function unchanged(sync: Sync, outcome: 'waits' | 'broken'): Step {
  return { sync, outcome, changes: NO_CHANGES }
}

/** Of the diffs that waited, whole moments that the snapshot does not hold yet. */
function laterThan(early: readonly PresenceDiff[], [epoch, n]: Position): Frame[] {
  const later: Frame[] = []
  let moment: Frame[] = []
  for (const payload of early) {
    moment.push({ name: 'presence:diff', payload })
    if (!payload.at) continue
    if (payload.at[0] === epoch && payload.at[1] > n) later.push(...moment)
    moment = []
  }
  return later
}

/** A map of the picture that is being written. It is that of the picture before until the first {@link write}. */
interface DraftMap<Id, Value> {
  readonly before: VersionedMap<Id, Value>
  now: VersionedMap<Id, Value>
  /**
   * What may be another value now: named by a frame, or gone. Of users also those who were taken out of a room, because
   * they may be out of sight.
   */
  readonly touched: Set<Id>
}

interface Draft {
  readonly before: Picture
  at: Position | undefined
  user: UserId | undefined
  readonly users: DraftMap<UserId, number>
  readonly unheard: Set<UserId>
  readonly groups: DraftMap<GroupId, Room>
  readonly conversations: DraftMap<ConversationId, Room>
  devices: PresenceDevices
}

function draftOf(before: Picture): Draft {
  return {
    ...before,
    before,
    users: draftMapOf(before.users),
    unheard: new Set(before.unheard),
    groups: draftMapOf(before.groups),
    conversations: draftMapOf(before.conversations),
  }
}

function draftMapOf<Id, Value>(before: VersionedMap<Id, Value>): DraftMap<Id, Value> {
  return { before, now: before, touched: new Set() }
}

/** Writes the next version of the picture's map: a reader of the earlier picture sees none of it. `undefined` takes away. */
function write<Id, Value>(map: DraftMap<Id, Value>, id: Id, value: Value | undefined): void {
  if (map.now === map.before) map.now = map.before.next()
  map.now.set(id, value)
  map.touched.add(id)
}

function replace<Id, Value>(map: DraftMap<Id, Value>, now: VersionedMap<Id, Value>): void {
  for (const id of [...map.now.keys(), ...now.keys()]) map.touched.add(id)
  map.now = now
}

function replaceAll(draft: Draft, picture: Omit<Picture, 'unheard'>): void {
  replace(draft.users, picture.users)
  replace(draft.groups, picture.groups)
  replace(draft.conversations, picture.conversations)
  draft.user = picture.user
  draft.devices = picture.devices
  draft.at = picture.at
}

function fold(sync: Sync, frames: readonly Frame[]): { picture: Picture; changes: Changes } {
  const draft = draftOf(sync.picture)
  for (const frame of frames) {
    if (frame.name === 'presence:state') foldState(draft, frame.payload)
    else foldDiff(draft, frame.payload)
  }
  fillRosters(draft, draft.groups)
  fillRosters(draft, draft.conversations)
  forgetOutOfSight(draft, sync.watched)
  return finish(draft)
}

/** The server has told of this person, or tells of them in any case from now on. */
function hear(draft: Draft, id: UserId): void {
  if (draft.unheard.delete(id)) draft.users.touched.add(id)
}

function foldState(draft: Draft, state: PresenceState): void {
  const users = new VersionedMap(new Map(state.users))
  for (const id of draft.unheard) {
    const last = draft.users.now.get(id)
    if (users.has(id)) hear(draft, id)
    else if (last !== undefined) users.set(id, last)
  }
  replaceAll(draft, {
    at: state.at,
    user: state.user,
    devices: devicesOf(state.devices),
    users,
    groups: roomsOf(state, state.groups),
    conversations: roomsOf(state, state.conversations),
  })
}

function roomsOf<Id>(state: PresenceState, rooms: readonly RoomState<Id>[]): VersionedMap<Id, Room> {
  const entries = rooms.map(({ id, mode, members, roster: places = [], online = 0, typing }) => {
    const roster = new Set<UserId>()
    for (const place of places) {
      const user = state.users[place]
      if (user) roster.add(user[0])
    }
    return [id, { mode, members, roster, online, typing: new Set(typing) }] as const
  })
  return new VersionedMap(new Map(entries))
}

/** What a newer server says of a device as well is not passed on. */
function devicesOf({ count, devices }: PresenceDevices): PresenceDevices {
  return {
    count,
    devices: devices.map(({ deviceId, since, label }) => ({
      deviceId,
      since,
      ...(label !== undefined && { label }),
    })),
  }
}

function foldDiff(draft: Draft, { at, users, groups, conversations, devices }: PresenceDiff): void {
  for (const [id, count] of users ?? []) {
    write(draft.users, id, count)
    hear(draft, id)
  }
  foldRooms(draft, draft.groups, groups)
  foldRooms(draft, draft.conversations, conversations)
  if (devices) draft.devices = devicesOf(devices)
  if (at) draft.at = at
}

function foldRooms<Id>(
  draft: Draft,
  rooms: DraftMap<Id, Room>,
  changes: readonly RoomChange<Id>[] = [],
): void {
  for (const change of changes) {
    const known = rooms.now.get(change.id)
    const before = change.mode ? blankRoom(change.mode) : known
    // Changed, but never told of: its row has gone and come meanwhile, and the next frame tells it whole.
    if (!before && !change.gone) continue
    const isReplaced = change.gone ?? change.mode ?? change.roster
    for (const id of (isReplaced ? known?.roster : change.remove) ?? []) draft.users.touched.add(id)
    write(rooms, change.id, change.gone || !before ? undefined : changedRoom(before, change))
  }
}

function blankRoom(mode: Mode): Room {
  return { mode, members: 0, roster: NOBODY, online: 0, typing: NOBODY }
}

function changedRoom(before: Room, change: RoomChange<unknown>): Room {
  let { roster } = before
  if (change.roster || change.add || change.remove) {
    const next = new Set(change.roster ?? roster)
    for (const id of change.add ?? []) next.add(id)
    for (const id of change.remove ?? []) next.delete(id)
    roster = next
  }
  return {
    ...before,
    members: change.members ?? before.members,
    roster,
    online: change.online ?? before.online,
    typing: change.typing ? new Set(change.typing) : before.typing,
  }
}

/** Of a member who comes into sight, a diff says nothing but that they are online: of whom it says nothing is offline. */
function fillRosters<Id>(draft: Draft, { now, touched }: DraftMap<Id, Room>): void {
  for (const room of touched) {
    for (const id of now.get(room)?.roster ?? []) {
      hear(draft, id)
      if (!draft.users.now.has(id)) write(draft.users, id, 0)
    }
  }
}

export function isIn(rooms: VersionedMap<unknown, Room>, id: UserId): boolean {
  for (const { roster } of rooms.values()) if (roster.has(id)) return true
  return false
}

/** Only people in a room of ours, or watched, are kept: what is known stays as small as what may be seen. */
function forgetOutOfSight(
  { users, unheard, groups, conversations }: Draft,
  watched: ReadonlySet<UserId>,
): void {
  for (const id of users.touched) {
    if (!users.now.has(id) || watched.has(id) || unheard.has(id)) continue
    if (!isIn(groups.now, id) && !isIn(conversations.now, id)) write(users, id, undefined)
  }
}

function finish(draft: Draft): { picture: Picture; changes: Changes } {
  const { before, at, user, users, unheard, groups, conversations } = draft
  const devices = !isSame(before.devices, draft.devices)
  return {
    picture: {
      // It is given back to the server, and an older one would refuse what a newer one has put behind it.
      at: at && [at[0], at[1]],
      user,
      users: users.now,
      unheard,
      groups: groups.now,
      conversations: conversations.now,
      devices: devices ? draft.devices : before.devices,
    },
    changes: {
      users: changedIn(users, (a, b, id) => a === b && before.unheard.has(id) === unheard.has(id)),
      groups: changedIn(groups, isSameRoom),
      conversations: changedIn(conversations, isSameRoom),
      typing: changedIn(conversations, isSameTyping),
      devices,
    },
  }
}

function changedIn<Id, Value>(
  { before, now, touched }: DraftMap<Id, Value>,
  isSameValue: (a: Value | undefined, b: Value | undefined, id: Id) => boolean,
): ReadonlySet<Id> {
  return new Set([...touched].filter((id) => !isSameValue(before.get(id), now.get(id), id)))
}

function isSameRoom(a: Room | undefined, b: Room | undefined): boolean {
  if (!a || !b) return a === b
  return (
    a.mode === b.mode && a.members === b.members && a.online === b.online && isSameSet(a.roster, b.roster)
  )
}

function isSameTyping(a: Room | undefined, b: Room | undefined): boolean {
  return isSameSet(a?.typing ?? NOBODY, b?.typing ?? NOBODY)
}

function isSameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a === b || (a.size === b.size && [...a].every((item) => b.has(item)))
}
