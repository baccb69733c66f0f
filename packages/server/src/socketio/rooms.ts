/**
 * Socket.IO rooms that are the rows: the host sends its own messages to `conv:<id>`, and the members, as the rows are
 * now, get them.
 * In:   namespaces that somebody connects to, inputs of the engine
 * Out:  adapters whose rooms have those members
 *
 * Most adapters only look into their map of rooms when they send: rooms-from-rows.ts puts the members in front of that
 * map, and nobody joins. An adapter that learns of rooms when sockets join them has its sockets joined:
 * rooms-joined.ts. See docs/decisions/rooms-are-rows.md.
 */
import type { SessionId } from '@vigie/protocol'
import type { Namespace, Socket } from 'socket.io'
import type { Engine, Input, KnownRooms, Log, Spell } from '../core/index.js'
import { adapterName, whatIsMissing, whyItJoins, type Adapter } from './adapter-kind.js'
import { namespacesOf } from './internals.js'
import type { RoomPrefixes } from './options.js'
import { showRows } from './rooms-from-rows.js'
import { joinRows, type JoinedRows } from './rooms-joined.js'
import { createRowRooms, type RowQuestions } from './row-rooms.js'

export interface MemberRooms {
  /** Call it before somebody is let in: a namespace may be new, and a host may have exchanged its adapter. */
  follow(namespace: Namespace): void
  /** The engine, with each change of who is where carried over to adapters that must hear of it. */
  watched(engine: Engine): Engine
  /** Whether the rooms of the session's socket are those of its rows. */
  isRight(socket: Socket): boolean
  /** They are made so. */
  repair(socket: Socket): void
  /** Every adapter is as it was before: its methods, its map, and only what the host has joined in it. */
  close(): void
}

interface RoomsOptions {
  readonly prefixes: RoomPrefixes
  readonly engine: RowQuestions
  readonly spell: Spell
  readonly namespace: Namespace
  /** The connection of a session, until it has ended. */
  readonly socket: (sessionId: SessionId) => Socket | undefined
  readonly log: Log
}

/** How an adapter is told of members, until that is taken back. */
interface Followed {
  readonly joined: JoinedRows | undefined
  restore(): void
}

const NOT_FOLLOWED: Followed = { joined: undefined, restore() {} }
const NOBODY: readonly SessionId[] = []
const NO_ROOMS: KnownRooms = []

/**
 * Rooms for each user, group and conversation with a session here.
 * @throws TypeError when the namespace's adapter cannot have them.
 */
export function provideRooms({ prefixes, engine, spell, namespace, socket, log }: RoomsOptions): MemberRooms {
  const missingAtStart = whatIsMissing(namespace.adapter)
  if (missingAtStart !== undefined) throw new TypeError(missingAtStart)
  const followed = new WeakMap<Adapter, Followed>()
  /** The adapter of each namespace that was followed last. */
  const latest = new WeakMap<Namespace, Adapter>()
  const rows = createRowRooms(prefixes, engine, spell)
  /** Adapters that only look are not to pay for those that must be told. */
  let isToldOfChanges = false
  let isClosed = false

  function follow(visited: Namespace): void {
    const { adapter } = visited
    if (isClosed || followed.has(adapter)) return
    const former = latest.get(visited)
    if (former) {
      // The host has exchanged it. On uWebSockets.js its sockets go on hearing topics of the rooms that they joined on it.
      followed.get(former)?.restore()
      followed.delete(former)
    }
    latest.set(visited, adapter)
    followed.set(adapter, begin(visited))
  }

  function begin(visited: Namespace): Followed {
    const { adapter, name } = visited
    const missing = whatIsMissing(adapter)
    if (missing !== undefined) {
      log.error(missing, { namespace: name })
      return NOT_FOLLOWED
    }
    const why = whyItJoins(adapter)
    if (why === undefined) return { joined: undefined, restore: showRows(adapter, rows) }
    log.info(
      `The adapter \`${adapterName(adapter)}\` ${why}: sockets join the rooms of their rows. That costs memory ` +
        'for each connection.',
      { namespace: name },
    )
    isToldOfChanges = true
    const joined = joinRows(visited, rows, (error) => {
      log.error('A socket could not be kept in the rooms of its rows.', { namespace: name, error })
    })
    return { joined, restore: joined.restore }
  }

  function watched(inner: Engine): Engine {
    return {
      ...inner,
      apply(input, now) {
        if (!isToldOfChanges || isClosed) return inner.apply(input, now)
        const changed = roomsThatMayChange(input)
        const before = changed.map((room) => engine.sessionsIn(room))
        const effects = inner.apply(input, now)
        const moved = new Set(ownSessions(input))
        changed.forEach((room, place) => {
          for (const id of different(before[place] ?? NOBODY, engine.sessionsIn(room))) moved.add(id)
        })
        for (const effect of effects) {
          if (effect.type === 'unplaced') for (const id of effect.sessionIds) moved.add(id)
        }
        for (const id of moved) update(id)
        return effects
      },
    }
  }

  /** Those whose members the input names. In count mode a connection says only of its own user where they are. */
  function roomsThatMayChange(input: Input): KnownRooms {
    if (input.type === 'rooms') return input.rooms
    if (input.type !== 'connect' && input.type !== 'memberships') return NO_ROOMS
    return input.rooms.filter(({ value }) => typeof value !== 'number')
  }

  /** All rooms of these may be others than before. Sessions that end leave their rooms by themselves. */
  function ownSessions(input: Input): readonly SessionId[] {
    const isOfUser = input.type === 'connect' || input.type === 'memberships'
    return isOfUser ? engine.sessionsIn({ kind: 'user', id: input.userId }) : NOBODY
  }

  function update(id: SessionId): void {
    const moving = socket(id)
    if (moving) repair(moving)
  }

  function repair({ id, nsp }: Socket): void {
    // A host may have exchanged the adapter since somebody came last.
    follow(nsp)
    followed.get(nsp.adapter)?.joined?.update(id)
  }

  return {
    follow,
    watched,
    isRight({ id, nsp: { adapter } }) {
      const mine = followed.get(adapter)
      // A host may have exchanged the adapter since somebody came last.
      return isClosed || (mine !== undefined && mine.joined?.isRight(id) !== false)
    },
    repair,
    close() {
      if (isClosed) return
      isClosed = true
      for (const { adapter } of namespacesOf(namespace.server)) followed.get(adapter)?.restore()
    },
  }
}

function different<Value>(before: readonly Value[], after: readonly Value[]): readonly Value[] {
  const [former, later] = [new Set(before), new Set(after)]
  return [...before.filter((value) => !later.has(value)), ...after.filter((value) => !former.has(value))]
}
