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
import { isVersioned, VersionedMap } from './versioned-map.js'

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
  readonly users: ReadonlyMap<UserId, number>
  /** Those of `users` who were watched on an earlier connection, and of whom this one has not told yet. */
  readonly unheard: ReadonlySet<UserId>
  readonly groups: ReadonlyMap<GroupId, Room>
  readonly conversations: ReadonlyMap<ConversationId, Room>
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
  users: new Map(),
  unheard: NOBODY,
  groups: new Map(),
  conversations: new Map(),
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
export function begin(sync: Sync, isResuming: boolean): Sync {
  const unheard = new Set([...sync.picture.unheard, ...sync.watched])
  for (const id of unheard) if (isInRoom(sync.picture, id)) unheard.delete(id)
  const picture = { ...sync.picture, unheard }
  return { ...sync, picture, parts: [], early: [], needsState: !isResuming, watched: NOBODY }
}

/** The picture is of somebody else: nothing of it stays. */
export function forgetAll({ picture }: Sync): Omit<Step, 'outcome'> {
  const draft = draftOf(picture)
  for (const id of picture.users.keys()) draft.loose.add(id)
  for (const id of picture.groups.keys()) draft.touchedGroups.add(id)
  for (const id of picture.conversations.keys()) draft.touchedConversations.add(id)
  const { changes } = finish({ ...draft, ...EMPTY_PICTURE })
  return { sync: EMPTY_SYNC, changes }
}

/** Folds one frame in. Rooms and people that were never told of are passed over: a row may just have taken them. */
export function apply(sync: Sync, frame: Frame): Step {
  if (frame.name === 'presence:diff' && sync.needsState) return holdBack(sync, frame.payload)
  // A snapshot is everything: whatever was half told before it has no more to say.
  const parts = frame.name === 'presence:state' ? [frame] : [...sync.parts, frame]
  const { at } = frame.payload
  const isContinued =
    parts[0]?.name === 'presence:state' || at === undefined || sync.picture.at?.[0] === at[0]
  if (parts.length > PARTS_MAX || !isContinued) return broken(sync)
  if (!at) return { sync: { ...sync, parts, needsState: false }, outcome: 'waits', changes: NO_CHANGES }
  const { picture, changes } = fold(sync, [...parts, ...laterThan(sync.early, at)])
  return {
    sync: { ...sync, picture, parts: [], early: [], needsState: false },
    outcome: 'whole',
    changes,
  }
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
  const left = [
    ...[...sync.watched].filter((id) => !watched.has(id)),
    ...[...sync.picture.unheard].filter((id) => !wanted.has(id)),
  ]
  const next = { ...sync, watched }
  const draft = draftOf(sync.picture)
  for (const id of left) {
    draft.loose.add(id)
    hear(draft, id)
  }
  forgetLoose(draft, watched)
  const { picture, changes } = finish(draft)
  return { sync: { ...next, picture }, changes }
}

function holdBack(sync: Sync, diff: PresenceDiff): Step {
  if (sync.early.length >= EARLY_MAX) return broken(sync)
  return { sync: { ...sync, early: [...sync.early, diff] }, outcome: 'waits', changes: NO_CHANGES }
}

function broken(sync: Sync): Step {
  return { sync: begin(sync, false), outcome: 'broken', changes: NO_CHANGES }
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

/** A picture that is being written. Its maps are those of the picture before until they are {@link own}. */
interface Draft {
  readonly before: Picture
  at: Position | undefined
  user: UserId | undefined
  users: ReadonlyMap<UserId, number>
  unheard: ReadonlySet<UserId>
  groups: ReadonlyMap<GroupId, Room>
  conversations: ReadonlyMap<ConversationId, Room>
  devices: PresenceDevices
  /** Named by a frame, or taken out of a room: they may have another count, or be out of sight. */
  readonly loose: Set<UserId>
  readonly touchedGroups: Set<GroupId>
  readonly touchedConversations: Set<ConversationId>
}

function draftOf(before: Picture): Draft {
  return {
    ...before,
    before,
    loose: new Set(),
    touchedGroups: new Set(),
    touchedConversations: new Set(),
  }
}

/** A map that may be written: the next version of the picture's, and a reader of the earlier picture sees none of it. */
function own<K, V>(map: ReadonlyMap<K, V>, before: ReadonlyMap<K, V>): VersionedMap<K, V> {
  if (!isVersioned(map)) return new VersionedMap(new Map(map))
  return map === before ? map.next() : map
}

function fold(sync: Sync, frames: readonly Frame[]): { picture: Picture; changes: Changes } {
  const draft = draftOf(sync.picture)
  for (const frame of frames) {
    if (frame.name === 'presence:state') foldState(draft, frame.payload)
    else foldDiff(draft, frame.payload)
  }
  fillRosters(draft)
  forgetLoose(draft, sync.watched)
  return finish(draft)
}

/** The server has told of this person, or tells of them in any case from now on. */
function hear(draft: Draft, id: UserId): void {
  if (!draft.unheard.has(id)) return
  const unheard = new Set(draft.unheard)
  unheard.delete(id)
  draft.unheard = unheard
  draft.loose.add(id)
}

function foldState(draft: Draft, state: PresenceState): void {
  for (const id of draft.users.keys()) draft.loose.add(id)
  for (const id of draft.groups.keys()) draft.touchedGroups.add(id)
  for (const id of draft.conversations.keys()) draft.touchedConversations.add(id)
  const known = draft.users
  const users = new Map(state.users)
  for (const id of users.keys()) {
    draft.loose.add(id)
    hear(draft, id)
  }
  for (const id of draft.unheard) {
    const count = known.get(id)
    if (count !== undefined) users.set(id, count)
  }
  draft.users = users
  draft.user = state.user
  draft.groups = roomsOf(state, state.groups)
  for (const id of draft.groups.keys()) draft.touchedGroups.add(id)
  draft.conversations = roomsOf(state, state.conversations)
  for (const id of draft.conversations.keys()) draft.touchedConversations.add(id)
  draft.devices = state.devices
  draft.at = state.at
}

function roomsOf<Id>(state: PresenceState, rooms: readonly RoomState<Id>[]): Map<Id, Room> {
  return new Map(
    rooms.map((room) => {
      const roster = new Set<UserId>()
      for (const place of room.roster ?? []) {
        const user = state.users[place]
        if (user) roster.add(user[0])
      }
      const { mode, members, online = 0, typing } = room
      return [room.id, { mode, members, roster, online, typing: new Set(typing) }]
    }),
  )
}

function foldDiff(draft: Draft, diff: PresenceDiff): void {
  if (diff.users) {
    const users = own(draft.users, draft.before.users)
    for (const [id, count] of diff.users) {
      users.set(id, count)
      draft.loose.add(id)
      hear(draft, id)
    }
    draft.users = users
  }
  if (diff.groups) {
    const groups = own(draft.groups, draft.before.groups)
    draft.groups = foldRooms(groups, diff.groups, draft.touchedGroups, draft.loose)
  }
  if (diff.conversations) {
    const conversations = own(draft.conversations, draft.before.conversations)
    draft.conversations = foldRooms(
      conversations,
      diff.conversations,
      draft.touchedConversations,
      draft.loose,
    )
  }
  if (diff.devices) draft.devices = diff.devices
  draft.at = diff.at ?? draft.at
}

function foldRooms<Id>(
  rooms: VersionedMap<Id, Room>,
  changes: readonly RoomChange<Id>[],
  touched: Set<Id>,
  loose: Set<UserId>,
): VersionedMap<Id, Room> {
  for (const change of changes) {
    const known = rooms.get(change.id)
    const before = change.mode ? blankRoom(change.mode) : known
    // Changed, but never told of: its row has gone and come meanwhile, and the next frame tells it whole.
    if (!before && !change.gone) continue
    touched.add(change.id)
    if (change.gone || change.mode || change.roster) for (const id of known?.roster ?? []) loose.add(id)
    for (const id of change.remove ?? []) loose.add(id)
    if (change.gone || !before) rooms.set(change.id, undefined)
    else rooms.set(change.id, changedRoom(before, change))
  }
  return rooms
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
    mode: before.mode,
    members: change.members ?? before.members,
    roster,
    online: change.online ?? before.online,
    typing: change.typing ? new Set(change.typing) : before.typing,
  }
}

/** Of a member who comes into sight, a diff says nothing but that they are online: of whom it says nothing is offline. */
function fillRosters(draft: Draft): void {
  const fill = (room: Room | undefined) => {
    for (const id of room?.roster ?? []) {
      hear(draft, id)
      if (draft.users.has(id)) continue
      const users = own(draft.users, draft.before.users)
      users.set(id, 0)
      draft.users = users
      draft.loose.add(id)
    }
  }
  for (const id of draft.touchedGroups) fill(draft.groups.get(id))
  for (const id of draft.touchedConversations) fill(draft.conversations.get(id))
}

function isInRoom({ groups, conversations }: Pick<Picture, 'groups' | 'conversations'>, id: UserId): boolean {
  for (const { roster } of groups.values()) if (roster.has(id)) return true
  for (const { roster } of conversations.values()) if (roster.has(id)) return true
  return false
}

/** Only people in a room of ours, or watched, are kept: what is known stays as small as what may be seen. */
function forgetLoose(draft: Draft, watched: ReadonlySet<UserId>): void {
  for (const id of draft.loose) {
    if (!draft.users.has(id) || watched.has(id) || draft.unheard.has(id)) continue
    if (isInRoom(draft, id)) continue
    const users = own(draft.users, draft.before.users)
    users.set(id, undefined)
    draft.users = users
  }
}

function finish(draft: Draft): { picture: Picture; changes: Changes } {
  const { before } = draft
  const users = new Set<UserId>()
  for (const id of draft.loose) {
    if (before.users.get(id) !== draft.users.get(id) || before.unheard.has(id) !== draft.unheard.has(id))
      users.add(id)
  }
  const groups = changedRooms(before.groups, draft.groups, draft.touchedGroups, isSameRoom)
  const conversations = changedRooms(
    before.conversations,
    draft.conversations,
    draft.touchedConversations,
    isSameRoom,
  )
  const typing = changedRooms(
    before.conversations,
    draft.conversations,
    draft.touchedConversations,
    isSameTyping,
  )
  const devices = !isSameDevices(before.devices, draft.devices)
  const picture: Picture = {
    // It is given back to the server, and an older one would refuse what a newer one has put behind it.
    at: draft.at && [draft.at[0], draft.at[1]],
    user: draft.user,
    users: draft.users,
    unheard: draft.unheard,
    groups: draft.groups,
    conversations: draft.conversations,
    devices: devices ? draft.devices : before.devices,
  }
  return { picture, changes: { users, groups, conversations, typing, devices } }
}

function changedRooms<Id>(
  before: ReadonlyMap<Id, Room>,
  after: ReadonlyMap<Id, Room>,
  touched: ReadonlySet<Id>,
  isSame: (a: Room | undefined, b: Room | undefined) => boolean,
): ReadonlySet<Id> {
  const changed = new Set<Id>()
  for (const id of touched) if (!isSame(before.get(id), after.get(id))) changed.add(id)
  return changed
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
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const item of a) if (!b.has(item)) return false
  return true
}

function isSameDevices(a: PresenceDevices, b: PresenceDevices): boolean {
  if (a === b) return true
  return (
    a.count === b.count &&
    a.devices.length === b.devices.length &&
    a.devices.every((device, place) => {
      const other = b.devices[place]
      return (
        device.deviceId === other?.deviceId && device.since === other.since && device.label === other.label
      )
    })
  )
}
