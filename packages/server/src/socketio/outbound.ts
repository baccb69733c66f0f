/**
 * The last step: what a session is told goes onto its connection, in one write, when the connection can take it.
 * In:   sessions that are due (from the engine)
 * Out:  WebSocket frames, or, on other transports and parsers, Socket.IO packets
 *
 * A connection that is still writing is asked again when it has written: until then the session's pending state stays
 * one state in the engine, however slowly the client reads. A connection that can never be written again is cut.
 */
import type { Duplex } from 'node:stream'
import type { Server, Socket } from 'socket.io'
import type { DueSession, PresenceEvent } from '../core/index.js'
import { countBytes, countFrames, createShellCounts, type ShellCounts } from '../host/shell-counts.js'
import {
  anyStreamOf,
  bytesKept,
  connectionOf,
  cutLine,
  lacking,
  streamOf,
  whenNothingIsKept,
  whenWritable,
  type Connection,
} from './internals.js'
import { createEncode } from './websocket-frames.js'

export interface Outbound {
  /**
   * Corks the connection until the end of this turn of the event loop: whatever anybody writes to it is collected and
   * goes out in one system call (Socket.IO's answer to a CONNECT and the first snapshot, say). Call it on the way of a
   * handshake only: meanwhile the connection looks as if it could not be written.
   */
  cork(connection: Duplex | Socket['conn']): void
  /** A way out for the session; the engine hands it back when the session is due. */
  open(socket: Socket): Outlet
  /** These sessions have something pending: some are written now, the others in the next turns of the event loop. */
  writeAll(sessions: readonly DueSession[]): void
  /**
   * Cuts connections that have written nothing for `stalledClientMs`, and streams that are still there so long after
   * their connection was closed. Call it now and then.
   */
  cutStalled(): void
  /** engine.io has closed the connection, whether it was a session or not. */
  closed(connection: Connection): void
  /** The session has ended. */
  end(outlet: Outlet): void
  /** How many sessions wait because their connection cannot be written. */
  readonly blocked: number
  /** From now on nothing is written. */
  close(): void
}

interface OutboundOptions {
  readonly server: Server
  /** Takes from the engine what the session is to be told. */
  readonly take: (session: DueSession) => readonly PresenceEvent[]
  /** False: take, and send nothing. */
  readonly emit: boolean
  /** A client that lets the server write nothing for this long is cut, closed or not. Milliseconds. */
  readonly stalledClientMs: number
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** A session could not be told something; its connection is cut, and the others are told. */
  readonly onFailure: (session: DueSession, error: unknown) => void
  readonly counts?: ShellCounts
  /** What was pending for a session that is followed was taken; see latency.ts. */
  readonly onFollowed?: (outlet: Outlet, isTold: boolean) => void
  /** Said once: the installed engine.io lacks parts that are used here, and Socket.IO's public calls are used instead. */
  readonly onLacking: (parts: string) => void
}

/** A session's way out. */
export interface Outlet {
  readonly connection: Connection
  readonly namespace: string
  /** Where parts of engine.io are missing: the socket, which is written by public calls, whenever something is due. */
  readonly publicOnly: Socket | undefined
  /** The TCP or TLS stream under a WebSocket of ws, once there is one: it takes finished frames. */
  stream: Duplex | undefined
  /**
   * `open`: it can be tried. `waiting`: it could not be written when it was last tried, and is tried again when it
   * can. `writing`: only a part of what was taken from the engine is written. `corked`: it is tried at the end of this
   * turn of the event loop. `closed`: its session has ended.
   */
  state: 'open' | 'waiting' | 'writing' | 'corked' | 'closed'
  /** While `writing`: its session has something pending again. */
  due: DueSession | undefined
  /** Not 0: the time is measured until it is told of something; see latency.ts. */
  followed: number
}

/** By Socket.IO's public call. How much waits on the connection is not known then. */
function emitAll(socket: Socket, events: readonly PresenceEvent[]): void {
  for (const { name, payload } of events) socket.emit(name, payload)
}

/** A stream, or a connection that may have one. */
type Corkable = Duplex | Connection

/** A handshake whose writes are collected until the end of this turn of the event loop. */
interface Corked {
  readonly stream: Duplex
  /** Set once the connection has become a session … */
  outlet: Outlet | undefined
  /** … which has something pending. */
  due: DueSession | undefined
}

const NO_BYTES = Buffer.alloc(0)

function ignore(): void {}

/** So many are written in one turn of the loop: a number that ten thousand hear would keep it for half a second. */
export const WRITES_PER_TURN = 200

export function createOutbound(options: OutboundOptions): Outbound {
  const { server, take, emit, stalledClientMs, now, onFailure, onLacking } = options
  const { counts = createShellCounts(), onFollowed = ignore } = options
  /** By stream or connection, in order of coming. */
  let corked = new Map<Corkable, Corked>()
  /** Since when each waits, the longest first. */
  const waiting = new Map<Outlet, number>()
  /**
   * Streams of closed connections, the longest closed first. When a client half-closes, ws ends the stream and waits
   * until all that is pending was taken, without a limit: a client that does not read would keep both for ever.
   */
  const lingering = new Map<Duplex, number>()
  const encode = createEncode(server)
  let isClosed = false
  let hasSaidLacking = false

  /** What becomes pending for those further down the list goes out with the rest. */
  function writeAll(sessions: readonly DueSession[], from = 0): void {
    const to = Math.min(from + WRITES_PER_TURN, sessions.length)
    for (let place = from; place < to; place++) {
      const session = sessions[place]
      if (session) tryWrite(session)
    }
    if (to < sessions.length) setImmediate(writeAll, sessions, to)
  }

  function tryWrite(session: DueSession): void {
    try {
      writeOrWait(session, session.outlet as Outlet)
    } catch (error) {
      giveUp(session, error)
    }
  }

  /** A session that missed something would differ from the truth for ever: its client starts anew. */
  function giveUp(session: DueSession, error: unknown): void {
    onFailure(session, error)
    cutLine((session.outlet as Outlet).connection)
  }

  function writeOrWait(session: DueSession, outlet: Outlet): void {
    if (isClosed) return
    switch (outlet.state) {
      case 'open':
        // Its end is under way, and engine.io tells it.
        if (outlet.connection.readyState !== 'open') return
        if (!emit) {
          take(session)
          return
        }
        if (outlet.publicOnly) {
          const events = take(session)
          countFrames(counts, events)
          emitAll(outlet.publicOnly, events)
          if (outlet.followed !== 0) onFollowed(outlet, events.length > 0)
          return
        }
        if (!outlet.stream && encode.isText) outlet.stream = streamOf(outlet.connection)
        if (isDead(outlet)) cutLine(outlet.connection)
        else if (isBusy(outlet)) {
          wait(outlet, () => {
            tryWrite(session)
          })
        } else writeNow(session, outlet)
        return
      case 'corked': {
        const mine = corked.get(outlet.connection)
        if (mine) mine.due = session
        return
      }
      case 'writing':
        outlet.due = session
        return
      case 'waiting':
      case 'closed':
    }
  }

  function wait(outlet: Outlet, then: () => void, state: 'waiting' | 'writing' = 'waiting'): void {
    const { connection, stream } = outlet
    outlet.state = state
    waiting.set(outlet, now())
    // A client that does not read is counted as blocked: nobody else is late because of it.
    if (outlet.followed !== 0) onFollowed(outlet, false)
    const again = () => {
      waiting.delete(outlet)
      if (outlet.state === 'closed') return
      outlet.state = 'open'
      then()
    }
    if (!connection.transport.writable) whenWritable(connection, again)
    else if (!stream) whenNothingIsKept(connection, again)
    else {
      stream.write(NO_BYTES, (error) => {
        // The stream was ended or destroyed with bytes pending. To ask it again would be answered in the next tick,
        // for ever: neither timers nor other connections would get a turn.
        if (error) cutLine(connection)
        else again()
      })
    }
  }

  function writeNow(session: DueSession, outlet: Outlet): void {
    const events = take(session)
    if (events.length > 0) write(session, outlet, events)
    if (outlet.followed !== 0) onFollowed(outlet, events.length > 0)
  }

  function cork(connection: Duplex | Socket['conn']): void {
    const corkable = connection as Corkable
    const stream = 'cork' in corkable ? corkable : streamOf(corkable)
    if (!emit || !encode.isText || !stream || corked.has(corkable)) return
    stream.cork()
    corked.set(corkable, { stream, outlet: undefined, due: undefined })
    if (corked.size === 1) setImmediate(uncorkAll)
  }

  /** Everybody is told before anything goes out: otherwise those who are written first would hear less than the rest. */
  function uncorkAll(): void {
    const all = corked
    corked = new Map()
    for (const each of all.values()) {
      const { stream, outlet, due } = each
      if (outlet?.state !== 'corked') continue
      outlet.state = 'open'
      const { connection } = outlet
      // What the host has sent meanwhile waits in engine.io, and goes first.
      const isReady = connection.readyState === 'open' && connection.writeBuffer.length === 0
      if (!due || !isReady || !stream.writable) continue
      outlet.stream = stream
      each.due = undefined
      try {
        writeNow(due, outlet)
      } catch (error) {
        giveUp(due, error)
      }
    }
    for (const { stream } of all.values()) stream.uncork()
    for (const { due } of all.values()) if (due) tryWrite(due)
  }

  function write(session: DueSession, outlet: Outlet, events: readonly PresenceEvent[]): void {
    const { connection, namespace, stream } = outlet
    countFrames(counts, events)
    // Packets of the host that engine.io still keeps go first: then ours follow them through engine.io.
    if (stream && connection.writeBuffer.length === 0) {
      const frames = encode.frames(events, namespace)
      countBytes(counts, frames.length)
      stream.write(frames)
      return
    }
    writePackets(
      session,
      outlet,
      events.flatMap((event) => encode.packets(event, namespace)),
    )
  }

  /** With uWebSockets.js the rest waits until the client has read: what is written too early is dropped. */
  function writePackets(session: DueSession, outlet: Outlet, packets: readonly (string | Buffer)[]): void {
    const { connection } = outlet
    for (const [place, packet] of packets.entries()) {
      if (place > 0 && bytesKept(connection) > 0) {
        const rest = packets.slice(place)
        wait(outlet, () => writeRest(session, outlet, rest), 'writing')
        return
      }
      countBytes(counts, typeof packet === 'string' ? Buffer.byteLength(packet) : packet.length)
      connection.write(packet, { compress: true })
    }
  }

  function writeRest(session: DueSession, outlet: Outlet, packets: readonly (string | Buffer)[]): void {
    try {
      writePackets(session, outlet, packets)
    } catch (error) {
      giveUp(session, error)
    }
    const { due, state } = outlet
    if (!due || state !== 'open') return
    outlet.due = undefined
    tryWrite(due)
  }

  /** Nothing will ever be written to it again; engine.io need not have noticed. */
  function isDead({ stream }: Outlet): boolean {
    return stream?.writable === false
  }

  /** What engine.io has under way goes first: frames keep their order with the host's packets. */
  function isBusy({ connection, stream }: Outlet): boolean {
    return !connection.transport.writable || (stream ? stream.writableLength : bytesKept(connection)) > 0
  }

  return {
    cork,
    open(socket) {
      const connection = connectionOf(socket)
      const mine = corked.get(connection)
      const { name: namespace } = socket.nsp
      const parts = lacking(connection)
      if (parts !== undefined && !hasSaidLacking) {
        hasSaidLacking = true
        onLacking(parts)
      }
      const outlet: Outlet = {
        publicOnly: parts === undefined ? undefined : socket,
        connection,
        namespace,
        stream: undefined,
        state: mine ? 'corked' : 'open',
        due: undefined,
        followed: 0,
      }
      if (mine) mine.outlet = outlet
      return outlet
    },
    writeAll: (sessions) => {
      writeAll(sessions)
    },
    cutStalled() {
      const latest = now() - stalledClientMs
      for (const [outlet, since] of waiting) {
        if (since > latest) break
        counts.stalledCuts++
        waiting.delete(outlet)
        cutLine(outlet.connection)
      }
      for (const [stream, since] of lingering) {
        if (since > latest) break
        lingering.delete(stream)
        stream.destroy()
      }
    },
    closed(connection) {
      const stream = anyStreamOf(connection)
      if (!stream || stream.destroyed || isClosed) return
      lingering.set(stream, now())
      stream.once('close', () => lingering.delete(stream))
    },
    get blocked() {
      return waiting.size
    },
    end(outlet) {
      outlet.state = 'closed'
      if (outlet.followed !== 0) onFollowed(outlet, false)
      waiting.delete(outlet)
    },
    close() {
      isClosed = true
      waiting.clear()
      lingering.clear()
    },
  }
}
