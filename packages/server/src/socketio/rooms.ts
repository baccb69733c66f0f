/** Socket.IO rooms in step with the rows, so that the host can send its own messages to members. */
import type { UserId } from '@vigie/protocol'
import type { Socket } from 'socket.io'
import type { RoomName } from '../core/index.js'
import { createInterner } from './interner.js'
import type { RoomPrefixes } from './options.js'

export interface RoomKeeper {
  /**
   * Joins and leaves what the rows say. Rooms that the host joined itself are left alone. The same list as last time
   * is passed over unread.
   */
  keep(socket: Socket, userId: UserId, memberships: readonly RoomName[]): Promise<void>
}

interface Kept {
  readonly memberships: readonly RoomName[]
  /** Of their rooms those, if any, that the host had joined itself: they are not ours to leave. */
  readonly theirs: readonly string[]
}

export function createRoomKeeper(prefixes: RoomPrefixes | undefined): RoomKeeper {
  const kept = new WeakMap<Socket, Kept>()
  /** Socket.IO keeps a room's name for each socket in it: this makes it one string for all of them. */
  const names = createInterner(() => inUse.keys())
  let inUse: ReadonlyMap<string, unknown> = new Map()

  function namesOf(
    { user, group, conversation }: RoomPrefixes,
    userId: UserId,
    memberships: readonly RoomName[],
  ): string[] {
    const ofRoom = ({ kind, id }: RoomName) => names.intern(`${kind === 'group' ? group : conversation}${id}`)
    return [`${user}${userId}`, ...memberships.map(ofRoom)]
  }

  return {
    async keep(socket, userId, memberships) {
      if (!prefixes) return
      const before = kept.get(socket)
      if (before?.memberships === memberships) return
      inUse = socket.nsp.adapter.rooms
      const wanted = namesOf(prefixes, userId, memberships)
      const ours = before
        ? namesOf(prefixes, userId, before.memberships).filter((room) => !before.theirs.includes(room))
        : restored(socket, prefixes)
      const isOurs = new Set(ours)
      const others = wanted.filter((room) => !isOurs.has(room))
      const { rooms } = socket
      const theirs = others.filter((room) => rooms.has(room))
      const joined = others.filter((room) => !rooms.has(room))
      const isWanted = new Set(ours.length > 0 ? wanted : [])
      const left = ours.filter((room) => !isWanted.has(room))
      kept.set(socket, { memberships, theirs })
      if (joined.length > 0) await socket.join(joined)
      for (const room of left) await socket.leave(room)
    },
  }
}

/** `connectionStateRecovery` brings rooms back whose rows may be gone: those with our names are ours to leave. */
function restored(socket: Socket, { user, group, conversation }: RoomPrefixes): string[] {
  if (!socket.recovered) return []
  const prefixes = [user, group, conversation].filter((prefix) => prefix !== '')
  return [...socket.rooms].filter((room) => prefixes.some((prefix) => room.startsWith(prefix)))
}
