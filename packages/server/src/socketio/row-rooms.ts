/** The rows as rooms: the engine's answers, by the names that Socket.IO has for rooms and sockets. */
import type { SessionId } from '@vigie/protocol'
import type { Engine, Place, Spell } from '../core/index.js'
import type { RoomPrefixes } from './options.js'
import { spelledRooms } from './spelling.js'

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
  /** The room as the store spells its id, where that differs from the name that was given. */
  respelled(room: string): string | undefined
}

const KINDS = ['user', 'group', 'conversation'] as const

export function createRowRooms(prefixes: RoomPrefixes, unspelled: RowQuestions, spell: Spell): RowRooms {
  const engine = spelledRooms(unspelled, spell)
  const kindsOf = (room: string) => KINDS.filter((kind) => room.startsWith(prefixes[kind]))
  const idIn = (kind: Place['kind'], room: string) => room.slice(prefixes[kind].length)
  const nameOf = ({ kind, id }: Place): string => `${prefixes[kind]}${id}`
  return {
    membersOf: (room) =>
      kindsOf(room).flatMap((kind) => engine.sessionsIn({ kind, id: idIn(kind, room) } as Place)),
    roomsOf: (socketId) => engine.placesOf(socketId as SessionId).map(nameOf),
    *all() {
      for (const place of engine.places()) yield nameOf(place)
    },
    mayBe: (room) => kindsOf(room).length > 0,
    respelled: (room) =>
      kindsOf(room)
        .map((kind) => `${prefixes[kind]}${spell(kind, idIn(kind, room))}`)
        .find((name) => name !== room),
  }
}
