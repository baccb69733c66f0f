/** Socket.IO rooms in step with the rows, so that the host can send its own messages to members. */
import type { UserId } from '@vigie/protocol'
import type { Socket } from 'socket.io'
import type { RoomName } from '../core/index.js'
import type { RoomPrefixes } from './options.js'

/** A room of the directory. */
export type NamedRoom = RoomName & {
  /** What it is called in Socket.IO, once somebody has joined it: one text for all who do. */
  joinedAs?: string | undefined
}

export interface RoomKeeper {
  /**
   * Joins and leaves what the rows say. Rooms that the host joined itself are left alone. The same list as last time
   * is passed over unread.
   */
  keep(socket: Socket, userId: UserId, memberships: readonly NamedRoom[]): Promise<void>
}

interface Kept {
  readonly memberships: readonly NamedRoom[]
  /** Of their rooms those, if any, that the host had joined itself: they are not ours to leave. */
  readonly theirs: readonly string[]
}

export function createRoomKeeper(prefixes: RoomPrefixes | undefined): RoomKeeper {
  const kept = new WeakMap<Socket, Kept>()

  function namesOf(
    { user, group, conversation }: RoomPrefixes,
    userId: UserId,
    memberships: readonly NamedRoom[],
  ): string[] {
    const names = [`${user}${userId}`]
    for (const room of memberships)
      names.push((room.joinedAs ??= `${room.kind === 'group' ? group : conversation}${room.id}`))
    return names
  }

  return {
    async keep(socket, userId, memberships) {
      if (!prefixes) return
      const before = kept.get(socket)
      if (before?.memberships === memberships) return
      const wanted = namesOf(prefixes, userId, memberships)
      const ours = before
        ? namesOf(prefixes, userId, before.memberships).filter((room) => !before.theirs.includes(room))
        : restored(socket, prefixes)
      const others = ours.length === 0 ? wanted : without(wanted, ours)
      const { rooms } = socket
      const theirs = rooms.size === 0 ? NONE : others.filter((room) => rooms.has(room))
      const joined = theirs.length === 0 ? others : others.filter((room) => !rooms.has(room))
      kept.set(socket, { memberships, theirs })
      if (joined.length > 0) await socket.join(joined)
      for (const room of without(ours, wanted)) await socket.leave(room)
    },
  }
}

const NONE: readonly string[] = []

function without(rooms: readonly string[], others: readonly string[]): string[] {
  if (rooms.length === 0) return []
  const isOther = new Set(others)
  return rooms.filter((room) => !isOther.has(room))
}

/** `connectionStateRecovery` brings rooms back whose rows may be gone: those with our names are ours to leave. */
function restored(socket: Socket, { user, group, conversation }: RoomPrefixes): readonly string[] {
  if (!socket.recovered) return NONE
  const prefixes = [user, group, conversation].filter((prefix) => prefix !== '')
  return [...socket.rooms].filter((room) => prefixes.some((prefix) => room.startsWith(prefix)))
}
