/** The rows as rooms: the engine's answers, by the names that Socket.IO has for rooms and sockets. */
import type { SessionId } from '@vigie/protocol'
import type { Engine, Place } from '../core/index.js'
import type { RoomPrefixes } from './options.js'

/** What rooms ask of the engine. */
export type RowQuestions = Pick<Engine, 'sessionsIn' | 'placesOf' | 'places'>

/** Who is in which room, by Socket.IO's names for both. */
export interface RowRooms {
  membersOf(room: string): readonly string[]
  roomsOf(socketId: string): readonly string[]
  /** All rooms with somebody who is known; some may have no member here. */
  all(): Iterable<string>
  /** False: no row will ever be called so. */
  mayBe(room: string): boolean
}

const KINDS = ['user', 'group', 'conversation'] as const

export function createRowRooms(prefixes: RoomPrefixes, engine: RowQuestions): RowRooms {
  const nameOf = ({ kind, id }: Place): string => `${prefixes[kind]}${id}`
  return {
    membersOf: (room) =>
      KINDS.filter((kind) => room.startsWith(prefixes[kind])).flatMap((kind) =>
        engine.sessionsIn({ kind, id: room.slice(prefixes[kind].length) } as Place),
      ),
    roomsOf: (socketId) => engine.placesOf(socketId as SessionId).map(nameOf),
    *all() {
      for (const place of engine.places()) yield nameOf(place)
    },
    mayBe: (room) => KINDS.some((kind) => room.startsWith(prefixes[kind])),
  }
}
