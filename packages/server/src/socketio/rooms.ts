/** Socket.IO rooms in step with the rows, so that the host can send its own messages to members. */
import type { UserId } from '@vigie/protocol'
import type { Socket } from 'socket.io'
import type { KnownRooms } from '../core/index.js'
import type { RoomPrefixes } from './options.js'

export interface RoomKeeper {
  /** Joins and leaves what the rows say. Rooms that the host joined itself are left alone. */
  keep(socket: Socket, userId: UserId, memberships: KnownRooms): Promise<void>
}

export function createRoomKeeper(prefixes: RoomPrefixes | undefined): RoomKeeper {
  const kept = new WeakMap<Socket, Set<string>>()
  return {
    async keep(socket, userId, memberships) {
      if (!prefixes) return
      const wanted = new Set([`${prefixes.user}${userId}`])
      for (const id of memberships.groups.keys()) wanted.add(`${prefixes.group}${id}`)
      for (const id of memberships.conversations.keys()) wanted.add(`${prefixes.conversation}${id}`)
      const ours = kept.get(socket) ?? new Set(restored(socket, prefixes))
      kept.set(socket, ours)
      const joined = [...wanted].filter((room) => !ours.has(room) && !socket.rooms.has(room))
      const left = [...ours].filter((room) => !wanted.has(room))
      for (const room of joined) ours.add(room)
      for (const room of left) ours.delete(room)
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
