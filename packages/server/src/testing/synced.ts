/** What a client of protocol 2 knows: states and diffs, folded, and read as the {@link Picture} of protocol 1. */
import type { Position, PresenceDiff, PresenceState, RoomChange } from '@vigie/protocol'
import { emptyPicture, type Picture } from './picture.js'

interface SyncedRoom {
  mode: 'names' | 'count'
  members: number
  roster: Set<string>
  online: number
  typing: Set<string>
}

export interface Synced {
  at: Position | undefined
  readonly users: Map<string, number>
  /** By `group <id>` or `conversation <id>`. */
  readonly rooms: Map<string, SyncedRoom>
  devices: number
}

export function emptySynced(): Synced {
  return { at: undefined, users: new Map(), rooms: new Map(), devices: 0 }
}

export function foldState(synced: Synced, state: PresenceState): void {
  synced.users.clear()
  synced.rooms.clear()
  for (const [userId, count] of state.users) synced.users.set(userId, count)
  const addRoom = (
    key: string,
    room: PresenceState['groups'][number] | PresenceState['conversations'][number],
  ) => {
    synced.rooms.set(key, {
      mode: room.mode,
      members: room.members,
      roster: new Set((room.roster ?? []).map((place) => state.users[place]?.[0] ?? 'nobody')),
      online: room.online ?? 0,
      typing: new Set(room.typing),
    })
  }
  for (const room of state.groups) addRoom(`group ${room.id}`, room)
  for (const room of state.conversations) addRoom(`conversation ${room.id}`, room)
  synced.devices = state.devices.count
  synced.at = state.at
}

/** @param watched People on the screen, who are kept without a roster. */
export function foldDiff(synced: Synced, diff: PresenceDiff, watched?: ReadonlySet<string>): void {
  for (const [userId, count] of diff.users ?? []) synced.users.set(userId, count)
  for (const change of diff.groups ?? []) foldRoom(synced, `group ${change.id}`, change)
  for (const change of diff.conversations ?? []) foldRoom(synced, `conversation ${change.id}`, change)
  if (diff.devices) synced.devices = diff.devices.count
  synced.at = diff.at ?? synced.at
  forgetUnseen(synced, watched)
}

/** Somebody in no roster is not seen any more, and what was known of them is not kept up to date. */
function forgetUnseen(synced: Synced, watched?: ReadonlySet<string>): void {
  const seen = new Set([...synced.rooms.values()].flatMap((room) => [...room.roster]))
  for (const userId of [...synced.users.keys()]) {
    if (!seen.has(userId) && watched?.has(userId) !== true) synced.users.delete(userId)
  }
}

function foldRoom(synced: Synced, key: string, change: RoomChange<string>): void {
  if (change.gone) {
    synced.rooms.delete(key)
    return
  }
  let room = synced.rooms.get(key)
  if (!room || change.mode) {
    room = { mode: change.mode ?? 'names', members: 0, roster: new Set(), online: 0, typing: new Set() }
    synced.rooms.set(key, room)
  }
  if (change.members !== undefined) room.members = change.members
  if (change.roster) room.roster = new Set(change.roster)
  for (const userId of change.add ?? []) room.roster.add(userId)
  for (const userId of change.remove ?? []) room.roster.delete(userId)
  if (change.online !== undefined) room.online = change.online
  if (change.typing) room.typing = new Set(change.typing)
}

export function pictureOf(synced: Synced): Picture {
  const picture = emptyPicture()
  picture.devices = synced.devices
  for (const [key, room] of synced.rooms) {
    const [kind, id] = key.split(' ') as [string, string]
    if (room.mode === 'count') picture.occupancy.set(key, { members: room.members, online: room.online })
    else {
      const counts = kind === 'group' ? picture.users : new Map<string, number>()
      for (const userId of room.roster) {
        const count = synced.users.get(userId) ?? 0
        if (count > 0) counts.set(userId, count)
      }
      if (kind === 'conversation') picture.conversations.set(id, counts)
    }
    if (room.typing.size > 0) picture.typing.set(id, room.typing)
  }
  return picture
}
