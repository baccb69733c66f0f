/**
 * Beside the path · what a client of protocol 2 that was told everything has to answer when it is asked for a digest of
 * its picture. Asked by the shell (socketio/client-audit.ts), for operators. How a hash is made is described in
 * docs/protocol.md; the client's side stands in packages/client/src/digest.ts, and shares no code with this one.
 */
import { DIGEST_ROOMS_MAX, type Position, type UserId } from '@vigie/protocol'
import type { RoomName } from './inputs.js'
import type { Room, RoomSnapshot, Session, World } from './model.js'
import { countFor } from './protocol-2.js'
import { snapshotFor, typistsFor } from './snapshots.js'
import { presenceFor, roomsOf } from './visibility.js'

/** What a session was told, up to now. */
export interface SessionDigest {
  readonly userId: UserId
  /** Of the last frame that was written to it. */
  readonly at: Position
  readonly rooms: readonly { readonly name: RoomName; readonly hash: number }[]
  readonly others: number
  readonly devices: number
}

/**
 * Undefined where nobody can say what the client has to answer: the session is not live, speaks protocol 1, is still to be
 * told something, or is in more than {@link DIGEST_ROOMS_MAX} rooms.
 */
export function digestFor(world: World, session: Session, nonce: string): SessionDigest | undefined {
  const { state, protocol, firstPending, pending, user, watched } = session
  if (state !== 'live' || protocol !== 2 || firstPending || pending) return undefined
  const rooms = roomsOf(user)
  if (rooms.length > DIGEST_ROOMS_MAX) return undefined
  const named = new Set<UserId>()
  const hashes = rooms.flatMap((room) => {
    const snapshot = snapshotFor(world, session, room, false)
    if (!snapshot) return []
    for (const userId of snapshot.names) named.add(userId)
    return [{ name: nameOf(room), hash: hashOf(nonce, linesOf(world, session, room, snapshot)) }]
  })
  const others = Array.from(watched ?? []).filter((userId) => !named.has(userId))
  const otherLines = others.map((userId) => personLine(userId, countFor(world, session, userId)[1]))
  const deviceLines = user.devices.map(
    ({ deviceId, since, label = '' }) => `device ${since} ${deviceId} ${label}`,
  )
  return {
    userId: user.id,
    at: [world.epoch, session.toldAt],
    rooms: hashes,
    others: hashOf(nonce, ['others', ...otherLines.sort()]),
    devices: hashOf(nonce, [`devices ${user.devices.length}`, ...deviceLines.sort()]),
  }
}

/** Of the room's own object, which also has its rows, nothing more. */
function nameOf({ name: { kind, id } }: Room): RoomName {
  return { kind, id } as RoomName
}

function linesOf(world: World, session: Session, { name }: Room, snapshot: RoomSnapshot): readonly string[] {
  const { mode, members, online, names } = snapshot
  const people = names.map((userId) => {
    const person = world.people.get(userId)
    return personLine(userId, person ? presenceFor(session.user, person).count : 0)
  })
  const typists = typistsFor(session, snapshot).map((userId) => `types ${userId}`)
  return [
    `${name.kind} ${name.id}`,
    mode === 'count' ? `count ${members} ${online}` : `names ${members}`,
    ...people.sort(),
    ...typists.sort(),
  ]
}

function personLine(userId: UserId, count: number): string {
  return `person ${count} ${userId}`
}

/** FNV-1a, 32 bit, of the UTF-16 units of the lines, low byte first. Against mistakes, not against an enemy. */
function hashOf(nonce: string, lines: readonly string[]): number {
  const text = [nonce, ...lines].join('\n')
  let hash = 0x811c9dc5
  for (let place = 0; place < text.length; place++) {
    const unit = text.charCodeAt(place)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >> 8), 0x01000193)
  }
  return hash >>> 0
}
