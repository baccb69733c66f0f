/**
 * What a client may know, and must know once nothing changes any more, by the truth. It shares no code with the engine's
 * visibility.ts, or both would be wrong together.
 */
import { ok } from 'node:assert/strict'
import type { UserId } from '@vigie/protocol'
import type { PresenceEvent } from '../core/index.js'
import { emptyPicture, type Picture } from './picture.js'
import type { Synced } from './synced.js'
import type { TrueRoom, Truth } from './truth.js'

export interface Viewer {
  readonly userId: UserId
  readonly picture: Picture
  /** Of a client of protocol 2: what `picture` is read from. */
  readonly synced: Synced | undefined
  /** The people on its screen. */
  readonly watched: ReadonlySet<UserId>
}

/** Whether the client may know of the subject: they share a room with names, or any room if the subject is on its screen. */
export function isInSight(truth: Truth, { userId, watched }: Viewer, subject: UserId): boolean {
  return truth
    .roomsOf(userId)
    .some((room) => (watched.has(subject) || !truth.isCounted(room)) && truth.isMember(subject, room))
}

export function isAllowed(truth: Truth, { userId }: Viewer, event: PresenceEvent): boolean {
  const mine = truth.roomsOf(userId)
  const both = (room: TrueRoom, other: UserId) => truth.isMember(other, room)
  switch (event.name) {
    case 'presence:update':
      if (event.payload.userId === userId) return true
      return mine.some(
        (room) => room.kind === 'group' && !truth.isCounted(room) && both(room, event.payload.userId),
      )
    case 'presence:conversation':
      return mine.some(
        (room) =>
          room.kind === 'conversation' &&
          room.id === event.payload.conversationId &&
          !truth.isCounted(room) &&
          both(room, event.payload.userId),
      )
    case 'typing:start':
    case 'typing:stop':
      return (
        event.payload.userId !== userId &&
        mine.some((room) => room.id === event.payload.convId && both(room, event.payload.userId))
      )
    case 'presence:occupancy':
      return mine.some(
        (room) =>
          truth.isCounted(room) && room.id === (event.payload.groupId ?? event.payload.conversationId),
      )
    case 'presence:devices':
      return true
    case 'presence:state':
    case 'presence:diff':
      return false
  }
}

/** @throws AssertionError when the client still shows something that it may not see. */
export function checkHeld(truth: Truth, { userId, picture }: Viewer): void {
  const mine = truth.roomsOf(userId)
  const sharesNames = (kind: TrueRoom['kind'], id: string | undefined, other: string) =>
    mine.some(
      (room) =>
        room.kind === kind &&
        (id === undefined || room.id === id) &&
        !truth.isCounted(room) &&
        truth.isMember(other as UserId, room),
    )
  for (const [other, count] of picture.users)
    ok(
      count === 0 || other === userId || sharesNames('group', undefined, other),
      `${userId} still sees ${other}`,
    )
  for (const [id, counts] of picture.conversations) {
    for (const [other, count] of counts)
      ok(count === 0 || sharesNames('conversation', id, other), `${userId} still sees ${other} in ${id}`)
  }
  for (const [id, typists] of picture.typing) {
    const room = mine.find((each) => each.kind === 'conversation' && each.id === id)
    for (const typist of typists)
      ok(room && truth.isMember(typist as UserId, room), `${userId} still sees ${typist} type in ${id}`)
  }
}

/** All that the client must know, and nothing else. */
export function expectedPicture(truth: Truth, { userId, synced }: Viewer): Picture {
  const picture = emptyPicture()
  picture.devices = truth.devicesOf(userId)
  // In protocol 1 one's own presence is an event; in protocol 2 it is in the rosters, like anybody's.
  if (!synced) picture.users.set(userId, truth.presenceOf(userId).count)
  for (const room of truth.roomsOf(userId)) {
    const members = truth.membersOf(room)
    const online = members.filter((member) => truth.presenceOf(member).online)
    if (truth.isCounted(room)) {
      picture.occupancy.set(`${room.kind} ${room.id}`, {
        members: Math.max(members.length, truth.toldRosterOf(room).length),
        online: online.length,
      })
    } else {
      const counts = room.kind === 'group' ? picture.users : new Map<string, number>()
      for (const member of online) counts.set(member, truth.presenceOf(member).count)
      if (room.kind === 'conversation') picture.conversations.set(room.id, counts)
    }
    if (room.kind === 'group') continue
    const typists = truth.typists(room.id).filter((typist) => typist !== userId)
    if (typists.length > 0) picture.typing.set(room.id, new Set(typists))
  }
  return picture
}

/** Comparable: sorted, and without what is empty. A room that was left keeps its last number: hosts drop it. */
export function plain(picture: Picture) {
  const sorted = <Value>(map: ReadonlyMap<string, Value>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    users: sorted(picture.users),
    conversations: sorted(picture.conversations)
      .map(([id, counts]) => [id, sorted(counts)] as const)
      .filter(([, counts]) => counts.length > 0),
    typing: sorted(picture.typing)
      .map(([id, typists]) => [id, [...typists].sort()] as const)
      .filter(([, typists]) => typists.length > 0),
    occupancy: sorted(picture.occupancy),
    devices: picture.devices,
  }
}

export function flat(synced: Synced) {
  const rooms = [...synced.rooms].map(([key, { mode, members, online, roster, typing }]) => {
    return [key, mode, members, online, [...roster].sort(), [...typing].sort()]
  })
  return [[...synced.users], rooms, synced.devices]
}
