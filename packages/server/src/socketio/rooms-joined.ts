/**
 * Rooms with joins, for adapters that learn of rooms when sockets join: they subscribe to a channel or a topic then. Each
 * session's socket joins the rooms of its rows, and leaves them when the rows change. This file is the only writer of
 * these joins, and always derives them from the engine; what the host joins itself under the same names is kept apart.
 */
import type { Namespace } from 'socket.io'
import { exchange, TARGETED } from './adapter-kind.js'
import type { RowRooms } from './row-rooms.js'

interface Target {
  readonly rooms: ReadonlySet<string>
  readonly except?: ReadonlySet<string> | undefined
}

const NO_NAMES: ReadonlySet<string> = new Set()

export interface JoinedRows {
  /** The rows of the socket's user may be others than before, or it has just become a session. */
  update(socketId: string): void
  /** Whether the socket is in the rooms of its rows, and in no other that the host has not joined itself. */
  isRight(socketId: string): boolean
  /** Sockets leave what they joined on account of rows, and the adapter is what it was before. */
  restore(): void
}

/** @param onFailure A join or leave failed: a listener of the host threw, say. */
export function joinRows(
  namespace: Namespace,
  rows: RowRooms,
  onFailure: (error: unknown) => void,
): JoinedRows {
  const { adapter } = namespace
  const addAll = adapter.addAll.bind(adapter)
  const del = adapter.del.bind(adapter)
  const delAll = adapter.delAll.bind(adapter)
  const persistSession = adapter.persistSession.bind(adapter)
  /** What the host itself has joined of rooms that may be rows', by socket. */
  const ofHost = new Map<string, Set<string>>()
  /** The socket that leaves everything now; Socket.IO forgets it right after. */
  let leaving: string | undefined
  let isOver = false

  function note(id: string, names: Iterable<string>): void {
    for (const name of names) {
      if (!rows.mayBe(name)) continue
      const own = ofHost.get(id) ?? new Set()
      ofHost.set(id, own.add(name))
    }
  }

  /** A room is found by the name that it is joined under: one of another spelling has its members as well. */
  function spelled(target: Target): Target {
    if (isOver) return target
    const [rooms, except] = [withSpellings(target.rooms), withSpellings(target.except)]
    return rooms === target.rooms && except === target.except ? target : { ...target, rooms, except }
  }

  function withSpellings<Names extends ReadonlySet<string> | undefined>(names: Names): Names {
    const more = [...(names ?? [])].flatMap((name) => rows.respelled(name) ?? [])
    return more.length === 0 ? names : (new Set([...(names ?? []), ...more]) as unknown as Names)
  }

  function isNamed(id: string, room: string): boolean {
    return !isOver && rows.roomsOf(id).includes(room)
  }

  function isOfHost(id: string, room: string): boolean {
    return ofHost.get(id)?.has(room) === true
  }

  function attempt(act: () => Promise<void> | void): void {
    try {
      Promise.resolve(act()).catch(onFailure)
    } catch (error) {
      onFailure(error)
    }
  }

  function isThere(id: string): boolean {
    return !isOver && id !== leaving && namespace.sockets.has(id)
  }

  /** Of nobody where the host has exchanged the adapter: the new one knows no socket that was there before. */
  function joinedBy(id: string): ReadonlySet<string> {
    return adapter.sids.get(id) ?? NO_NAMES
  }

  function update(id: string): void {
    if (!isThere(id)) return
    const joined = joinedBy(id)
    const named = new Set(rows.roomsOf(id))
    for (const room of [...joined]) {
      if (rows.mayBe(room) && !named.has(room) && !isOfHost(id, room)) attempt(() => del(id, room))
    }
    for (const room of joined) named.delete(room)
    if (named.size > 0) attempt(() => addAll(id, named))
  }

  const back = [
    exchange(adapter, 'addAll', (id, names) => {
      if (!isOver) note(id, names)
      return addAll(id, names)
    }),
    exchange(adapter, 'del', (id, room) => {
      ofHost.get(id)?.delete(room)
      // The row says that it is in it.
      return isNamed(id, room) ? undefined : del(id, room)
    }),
    exchange(adapter, 'delAll', (id) => {
      ofHost.delete(id)
      // `delAll` with uWebSockets.js leaves a line that goes on subscribed to its topics: it would hear of rooms that
      // its user is no member of any more.
      if (namespace.sockets.get(id)?.conn.readyState === 'open') {
        for (const room of [...joinedBy(id)]) attempt(() => del(id, room))
      }
      leaving = id
      try {
        delAll(id)
      } finally {
        leaving = undefined
      }
    }),
    // What `connectionStateRecovery` brings back is joined: of rows that are gone by then it would be for good.
    exchange(adapter, 'persistSession', (session) => {
      const { sid } = session
      const kept = session.rooms.filter((room) => isOfHost(sid, room) || !isNamed(sid, room))
      persistSession({ ...session, rooms: kept })
    }),
  ]
  for (const [method, place] of TARGETED) {
    const original = adapter[method].bind(adapter) as (...args: unknown[]) => unknown
    const inEitherSpelling = (...args: unknown[]) =>
      original(...args.with(place, spelled(args[place] as Target)))
    back.push(exchange(adapter, method, inEitherSpelling as never))
  }
  // Of an adapter that the host has exchanged for this one they were members already.
  for (const id of namespace.sockets.keys()) update(id)

  return {
    update,
    isRight(id) {
      if (!isThere(id)) return true
      const joined = joinedBy(id)
      const named = new Set(rows.roomsOf(id))
      for (const room of named)
        if (!joined.has(room) || adapter.rooms.get(room)?.has(id) !== true) return false
      for (const room of joined) if (rows.mayBe(room) && !named.has(room) && !isOfHost(id, room)) return false
      return true
    },
    restore() {
      for (const id of namespace.sockets.keys()) {
        for (const room of [...joinedBy(id)]) {
          if (rows.mayBe(room) && !isOfHost(id, room)) attempt(() => del(id, room))
        }
      }
      isOver = true
      ofHost.clear()
      for (const putBack of back) putBack()
    },
  }
}
