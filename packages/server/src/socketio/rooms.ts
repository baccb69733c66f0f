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
  /** The rooms of the socket that are ours to leave. */
  readonly ours: readonly string[]
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
    const wanted = [`${user}${userId}`]
    for (const { kind, id } of memberships)
      wanted.push(names.intern(`${kind === 'group' ? group : conversation}${id}`))
    return wanted
  }

  return {
    async keep(socket, userId, memberships) {
      if (!prefixes) return
      const before = kept.get(socket)
      if (before?.memberships === memberships) return
      inUse = socket.nsp.adapter.rooms
      const wanted = namesOf(prefixes, userId, memberships)
      const ours = before?.ours ?? restored(socket, prefixes)
      const isOurs = new Set(ours)
      const joined = wanted.filter((room) => !isOurs.has(room) && !socket.rooms.has(room))
      for (const room of joined) isOurs.add(room)
      const isWanted = new Set(ours.length > 0 ? wanted : [])
      const left = ours.filter((room) => !isWanted.has(room))
      // A copy: the list that grew has room for more, which each socket would keep.
      kept.set(socket, { memberships, ours: wanted.filter((room) => isOurs.has(room)).slice() })
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
