/**
 * Rooms without joins, for adapters that look into their map of rooms when they send: the map also has, for each user,
 * group and conversation, the live sessions of the members, asked of the engine when somebody looks. Nothing has to be
 * kept in step, and it costs nothing for each connection.
 */
import { exchange, type Adapter } from './adapter-kind.js'
import type { RowRooms } from './row-rooms.js'

/** Puts the members into the adapter's rooms. The function that is returned makes the adapter what it was before. */
export function showRows(adapter: Adapter, rows: RowRooms): () => void {
  const joined = adapter.rooms
  const rooms = new RoomsWithMembers(joined, rows)
  const addAll = adapter.addAll.bind(adapter)
  const del = adapter.del.bind(adapter)
  const delAll = adapter.delAll.bind(adapter)
  const socketRooms = adapter.socketRooms.bind(adapter)
  const persistSession = adapter.persistSession.bind(adapter)

  const back = [
    exchange(adapter, 'rooms', rooms),
    exchange(adapter, 'addAll', (id, names) => rooms.asJoined(() => addAll(id, names))),
    exchange(adapter, 'del', (id, name) => rooms.asJoined(() => del(id, name))),
    exchange(adapter, 'delAll', (id) => {
      rooms.asJoined(() => {
        delAll(id)
      })
    }),
    exchange(adapter, 'socketRooms', (id) => {
      const own = socketRooms(id)
      const named = rooms.isOver ? [] : rows.roomsOf(id)
      return named.length === 0 ? own : new Set([...(own ?? []), ...named])
    }),
    // What `connectionStateRecovery` brings back is joined: of rows that are gone by then it would be for good.
    exchange(adapter, 'persistSession', (session) => {
      persistSession({ ...session, rooms: [...(socketRooms(session.sid) ?? [])] })
    }),
  ]
  return () => {
    rooms.isOver = true
    for (const putBack of back) putBack()
  }
}

/** An adapter's map of rooms: those that the host has joined, which stay in the map that it had, and those with members. */
class RoomsWithMembers extends Map<string, Set<string>> {
  /** From then on only what was joined is there, for a caller that still has this map. */
  isOver = false
  readonly #joined: Map<string, Set<string>>
  readonly #rows: RowRooms
  #isAsJoined = false

  constructor(joined: Map<string, Set<string>>, rows: RowRooms) {
    super()
    this.#joined = joined
    this.#rows = rows
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
    const joined = this.#joined.get(name)
    const members = this.#membersOf(name)
    if (members.length === 0) return joined
    const all = new Set(joined)
    for (const id of members) all.add(id)
    return all
  }

  override has(name: string): boolean {
    return this.#joined.has(name) || this.#membersOf(name).length > 0
  }

  override set(name: string, ids: Set<string>): this {
    this.#joined.set(name, ids)
    return this
  }

  override delete(name: string): boolean {
    return this.#joined.delete(name)
  }

  override clear(): void {
    this.#joined.clear()
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

  #membersOf(name: string): readonly string[] {
    return this.#isAsJoined || this.isOver ? NOBODY : this.#rows.membersOf(name)
  }

  #all(): Map<string, Set<string>> {
    if (this.#isAsJoined || this.isOver) return this.#joined
    const all = new Map(this.#joined)
    for (const name of this.#rows.all()) {
      const ids = this.get(name)
      if (ids) all.set(name, ids)
    }
    return all
  }
}

const NOBODY: readonly string[] = []
