/**
 * Socket.IO rooms that are the rows: the host sends its own messages to `conv:<id>`, and whoever is a member as the rows
 * are now gets them. Nobody joins or leaves, so nothing has to be kept in step; see
 * docs/decisions/rooms-are-rows.md.
 */
import type { SessionId } from '@vigie/protocol'
import type { Namespace } from 'socket.io'
import type { Engine, Place } from '../core/index.js'
import type { RoomPrefixes } from './options.js'

type Adapter = Namespace['adapter']
const KINDS = ['user', 'group', 'conversation'] as const
/** What is asked of Socket.IO's adapter when the host itself joins and leaves. */
const OF_THE_HOST = ['addAll', 'del', 'delAll'] as const

export interface MemberRooms {
  /** Call it before somebody is let in: a namespace may be new, and a host may have exchanged its adapter. */
  follow(namespace: Namespace): void
}

/** Rooms for each user, group and conversation with a session here. */
export function provideRooms(
  prefixes: RoomPrefixes,
  engine: Pick<Engine, 'sessionsIn' | 'placesOf' | 'places'>,
): MemberRooms {
  const followed = new WeakSet<Adapter>()

  const nameOf = ({ kind, id }: Place): string => `${prefixes[kind]}${id}`

  function membersOf(name: string): readonly string[] {
    return KINDS.filter((kind) => name.startsWith(prefixes[kind])).flatMap((kind) =>
      engine.sessionsIn({ kind, id: name.slice(prefixes[kind].length) } as Place),
    )
  }

  function* names(): Iterable<string> {
    for (const place of engine.places()) yield nameOf(place)
  }

  function follow({ adapter }: Namespace): void {
    if (followed.has(adapter)) return
    followed.add(adapter)
    const rooms = new RoomsWithMembers(adapter.rooms, membersOf, names)
    adapter.rooms = rooms
    for (const method of OF_THE_HOST) {
      const joined = adapter[method].bind(adapter) as (...args: unknown[]) => unknown
      Object.assign(adapter, { [method]: (...args: unknown[]) => rooms.asJoined(() => joined(...args)) })
    }
    const socketRooms = adapter.socketRooms.bind(adapter)
    adapter.socketRooms = (id) => {
      const joined = socketRooms(id)
      const places = engine.placesOf(id as SessionId)
      return places.length === 0 ? joined : new Set([...(joined ?? []), ...places.map(nameOf)])
    }
    // What `connectionStateRecovery` brings back is joined: of rows that are gone by then it would be for good.
    const persistSession = adapter.persistSession.bind(adapter)
    adapter.persistSession = (session) => {
      persistSession({ ...session, rooms: [...(socketRooms(session.sid) ?? [])] })
    }
  }

  return { follow }
}

/** An adapter's map of rooms: those that the host has joined, and those with members. */
class RoomsWithMembers extends Map<string, Set<string>> {
  readonly #membersOf: (name: string) => readonly string[]
  readonly #names: () => Iterable<string>
  #isAsJoined = false

  constructor(
    joined: ReadonlyMap<string, Set<string>>,
    membersOf: (name: string) => readonly string[],
    names: () => Iterable<string>,
  ) {
    super()
    this.#membersOf = membersOf
    this.#names = names
    for (const [name, ids] of joined) this.set(name, ids)
  }

  /** While the adapter joins and leaves, only what was joined is there. */
  asJoined<Result>(act: () => Result): Result {
    const before = this.#isAsJoined
    this.#isAsJoined = true
    try {
      return act()
    } finally {
      this.#isAsJoined = before
    }
  }

  /** Of a room with members a copy: to change it changes nothing. */
  override get(name: string): Set<string> | undefined {
    const joined = super.get(name)
    if (this.#isAsJoined) return joined
    const members = this.#membersOf(name)
    if (members.length === 0) return joined
    const all = new Set(joined)
    for (const id of members) all.add(id)
    return all
  }

  override has(name: string): boolean {
    return super.has(name) || (!this.#isAsJoined && this.#membersOf(name).length > 0)
  }

  override get size(): number {
    return this.#all().size
  }

  override keys(): MapIterator<string> {
    return this.#all().keys()
  }

  override values(): MapIterator<Set<string>> {
    return this.#all().values()
  }

  override entries(): MapIterator<[string, Set<string>]> {
    return this.#all().entries()
  }

  override [Symbol.iterator](): MapIterator<[string, Set<string>]> {
    return this.entries()
  }

  override forEach(visit: (ids: Set<string>, name: string, rooms: Map<string, Set<string>>) => void): void {
    for (const [name, ids] of this.entries()) visit(ids, name, this)
  }

  #all(): Map<string, Set<string>> {
    const all = new Map(super.entries())
    if (this.#isAsJoined) return all
    for (const name of this.#names()) {
      const ids = this.get(name)
      if (ids) all.set(name, ids)
    }
    return all
  }
}
