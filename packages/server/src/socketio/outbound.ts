/**
 * The last step: what a session is told goes onto its connection, in one write, when the connection can take it.
 * In:   sessions that are due (from the engine's outbox)
 * Out:  WebSocket frames, or, on other transports and parsers, Socket.IO packets
 *
 * A connection that cannot take it yet is asked again when it can: until then what it is owed stays one state
 * in the engine, however slowly it reads.
 */
import type { Duplex } from 'node:stream'
import type { Server, Socket } from 'socket.io'
import type { DueSession, PresenceEvent } from '../core/index.js'
import { cut, FRAME_MAX_BYTES } from './frames.js'

export interface Outbound {
  /**
   * Until the end of this turn of the loop, what anybody writes to the connection is collected, and then goes out
   * in one system call: Socket.IO's answer to a CONNECT and the first picture, say. Call it on the way of a
   * handshake only: whoever writes meanwhile takes the connection for one that cannot be written.
   */
  hold(connection: Duplex | Socket['conn']): void
  /** A way out for the session; the engine hands it back when it is due. */
  open(socket: Socket): Line
  /** The sessions are owed something and may be written: of many some now, and the others in the next turns of the loop. */
  offerAll(sessions: readonly DueSession[]): void
  /** The session is no more. */
  end(line: Line): void
  /** From now on nobody is told anything. */
  close(): void
}

interface OutboundOptions {
  readonly server: Server
  /** Takes from the engine what the session is owed. */
  readonly take: (session: DueSession) => readonly PresenceEvent[]
  /** False: take, and send nothing. */
  readonly emit: boolean
  /** A session could not be told what it is owed; the others are. */
  readonly onFailure: (session: DueSession, error: unknown) => void
}

/** Of the connection, what is used beyond its public types. `outbound.test.ts` fails when one of these changes. */
interface Connection {
  readonly readyState: string
  readonly writeBuffer: readonly unknown[]
  readonly transport: {
    readonly name: string
    readonly writable: boolean
    readonly perMessageDeflate?: unknown
    /** Of ws. Another WebSocket server has none of this. */
    readonly socket?: { readonly _sender?: { readonly sendFrame?: unknown }; readonly _socket?: Duplex }
    once(event: 'ready', listener: () => void): void
    off(event: 'ready', listener: () => void): void
  }
  once(event: 'upgrade', listener: () => void): void
  off(event: 'upgrade', listener: () => void): void
  write(data: string | Buffer, options: { readonly compress: boolean }): void
}

/** A session's way out. */
export interface Line {
  readonly connection: Connection
  readonly namespace: string
  /** The TCP or TLS stream under a WebSocket of ws, once there is one: it takes finished frames. */
  stream: Duplex | undefined
  /**
   * `waits`: it could not be written when it was last asked, and is asked again when it can. `held`: it is asked at
   * the end of this turn of the loop.
   */
  state: 'open' | 'waits' | 'held' | 'closed'
}

/** A stream, or a connection that may have one. */
type Holdable = Duplex | Connection

/** What is collected until the end of this turn of the loop. */
interface Held {
  readonly stream: Duplex
  /** The way out of the session that it has become meanwhile … */
  line: Line | undefined
  /** … which is owed something. */
  due: DueSession | undefined
}

const NO_BYTES = Buffer.alloc(0)

/** So many are written in one turn of the loop: a number that ten thousand are told would keep it for half a second. */
export const OFFERED_AT_ONCE = 200

export function createOutbound({ server, take, emit, onFailure }: OutboundOptions): Outbound {
  /** By stream or connection, in order of coming. */
  let held = new Map<Holdable, Held>()
  const encode = createEncode(server)
  let isClosed = false

  /** What those who wait are owed meanwhile is part of the same. */
  function offerAll(sessions: readonly DueSession[], from = 0): void {
    const to = Math.min(from + OFFERED_AT_ONCE, sessions.length)
    for (let place = from; place < to; place++) {
      const session = sessions[place]
      if (session) offer(session)
    }
    if (to < sessions.length) setImmediate(offerAll, sessions, to)
  }

  function offer(session: DueSession): void {
    try {
      ask(session)
    } catch (error) {
      onFailure(session, error)
    }
  }

  function ask(session: DueSession): void {
    if (isClosed) return
    const line = session.line as Line
    switch (line.state) {
      case 'open':
        if (line.connection.readyState !== 'open') return
        if (emit && isBusy(line)) offerWhenFree(session, line)
        else pass(session, line)
        return
      case 'held': {
        const mine = held.get(line.connection)
        if (mine) mine.due = session
        return
      }
      case 'waits':
      case 'closed':
    }
  }

  function offerWhenFree(session: DueSession, line: Line): void {
    line.state = 'waits'
    whenFree(line, () => {
      if (line.state === 'closed') return
      line.state = 'open'
      offer(session)
    })
  }

  function pass(session: DueSession, line: Line): void {
    // Its end is under way, and will be told.
    if (line.stream?.writable === false) return
    const events = take(session)
    if (emit && events.length > 0) write(line, events)
  }

  function hold(connection: Duplex | Socket['conn']): void {
    const holdable = connection as Holdable
    const stream = 'cork' in holdable ? holdable : streamOf(holdable)
    if (!emit || !encode.isText || !stream || held.has(holdable)) return
    stream.cork()
    held.set(holdable, { stream, line: undefined, due: undefined })
    if (held.size === 1) setImmediate(letGo)
  }

  /** First everybody is told, then everything goes out: who is written first hears of no more than the others. */
  function letGo(): void {
    const all = held
    held = new Map()
    for (const each of all.values()) {
      const { stream, line, due } = each
      if (line?.state !== 'held') continue
      line.state = 'open'
      // What the host has sent meanwhile waits in engine.io, and goes first.
      if (!due || line.connection.readyState !== 'open' || line.connection.writeBuffer.length > 0) continue
      line.stream = stream
      each.due = undefined
      try {
        pass(due, line)
      } catch (error) {
        onFailure(due, error)
      }
    }
    for (const { stream } of all.values()) stream.uncork()
    for (const { due } of all.values()) if (due) offer(due)
  }

  function write({ connection, namespace, stream }: Line, events: readonly PresenceEvent[]): void {
    if (stream) {
      stream.write(encode.frames(events, namespace))
      return
    }
    for (const event of events) {
      for (const packet of encode.packets(event, namespace)) connection.write(packet, { compress: true })
    }
  }

  /** What engine.io keeps back, or has under way, goes first: frames keep their order with the host's packets. */
  function isBusy(line: Line): boolean {
    const { connection, stream } = line
    if (!connection.transport.writable) return true
    // A WebSocket that can be written has nothing kept back: engine.io writes that in the same breath.
    if (stream) return stream.writableLength > 0
    if (connection.writeBuffer.length > 0) return true
    if (encode.isText) line.stream = streamOf(connection)
    return line.stream !== undefined && line.stream.writableLength > 0
  }

  return {
    hold,
    open(socket) {
      const connection = socket.conn as unknown as Connection
      const mine = held.get(connection)
      const { name: namespace } = socket.nsp
      const line: Line = { connection, namespace, stream: undefined, state: mine ? 'held' : 'open' }
      if (mine) mine.line = line
      return line
    },
    offerAll: (sessions) => {
      offerAll(sessions)
    },
    end(line) {
      line.state = 'closed'
    },
    close() {
      isClosed = true
    },
  }
}

/** Calls back when what is ahead is out: of engine.io's buffer, or of the stream. */
function whenFree({ connection, stream }: Line, then: () => void): void {
  if (stream && connection.transport.writable) stream.write(NO_BYTES, then)
  else whenWritable(connection, then)
}

/**
 * Where finished frames go: below engine.io and ws, which would take ten microseconds to hand on each of them; see
 * docs/decisions/frames-to-the-stream.md. None for a transport that compresses, which must see what it sends, and for
 * another WebSocket server than ws, which may do with its stream what it likes.
 */
function streamOf({ transport }: Connection): Duplex | undefined {
  if (transport.name !== 'websocket' || transport.perMessageDeflate) return undefined
  const { _sender: sender, _socket: stream } = transport.socket ?? {}
  return typeof sender?.sendFrame === 'function' && typeof stream?.write === 'function' ? stream : undefined
}

/** The transport may be exchanged while it is waited for: a polling client that upgrades. */
function whenWritable(connection: Connection, then: () => void): void {
  const { transport } = connection
  const done = () => {
    transport.off('ready', done)
    connection.off('upgrade', done)
    then()
  }
  transport.once('ready', done)
  connection.once('upgrade', done)
}

/** Socket.IO's packet types; `EVENT` is the one that presence sends. */
const EVENT = 2

/**
 * Encodes an event once for all its recipients: the engine hands out the same object for the same fact, and lets
 * go of it soon, and with it of what was encoded. A host's custom parser keeps working: what is not the text of
 * Socket.IO's own encoder goes through the server's.
 */
function createEncode(server: Server) {
  type Packets = readonly (string | Buffer)[]
  const encode = (namespace: string, data: unknown[]): Packets =>
    server.encoder.encode({ type: EVENT, nsp: namespace, data }) as Packets
  const packets = memoByNamespace((event, namespace) => encode(namespace, [event.name, event.payload]))
  const isText = ['/', '/probe'].every((namespace) => {
    const [packet, ...rest] = encode(namespace, ['probe', [1]])
    return packet === `${headOf(namespace, 'probe')}[1]]` && rest.length === 0
  })
  const toFrame = (event: PresenceEvent, namespace: string) =>
    // `4` is engine.io's message type, the first character of each of its text frames.
    textFrame(`4${headOf(namespace, event.name)}`, JSON.stringify(event.payload), ']')
  const shared = memoByNamespace(toFrame)
  /** Of a state or diff all recipients follow each other. */
  let last: { readonly event: PresenceEvent; readonly namespace: string; readonly frame: Buffer } | undefined
  const frame = (event: PresenceEvent, namespace: string) => {
    if (event.name !== 'presence:state' && event.name !== 'presence:diff') return shared(event, namespace)
    if (last?.event !== event || last.namespace !== namespace)
      last = { event, namespace, frame: toFrame(event, namespace) }
    return last.frame
  }
  /** Encoded whole, and only if that turns out too large, in pieces: nearly everything fits. */
  const whole = (event: PresenceEvent, namespace: string) => {
    const made = frame(event, namespace)
    if (made.length <= FRAME_MAX_BYTES) return made
    return Buffer.concat(cut(event).map((part) => toFrame(part, namespace)))
  }
  return {
    /** Whether an event is one text packet, which can be framed here. A custom parser may send binary. */
    isText,
    packets(event: PresenceEvent, namespace: string): Packets {
      const whole = packets(event, namespace)
      const size = whole.reduce((sum, { length }) => sum + length, 0)
      return size <= FRAME_MAX_BYTES ? whole : cut(event).flatMap((part) => packets(part, namespace))
    },
    frames(events: readonly PresenceEvent[], namespace: string): Buffer {
      const [only] = events
      return only && events.length === 1
        ? whole(only, namespace)
        : Buffer.concat(events.map((event) => whole(event, namespace)))
    },
  }
}

/** As Socket.IO's own encoder writes an event without an acknowledgement; the payload and a bracket follow. */
function headOf(namespace: string, name: string): string {
  return `${EVENT}${namespace === '/' ? '' : `${namespace},`}["${name}",`
}

function memoByNamespace<Value>(make: (event: PresenceEvent, namespace: string) => Value) {
  const byNamespace = new Map<string, WeakMap<PresenceEvent, Value>>()
  return (event: PresenceEvent, namespace: string): Value => {
    const made = byNamespace.get(namespace) ?? new WeakMap<PresenceEvent, Value>()
    byNamespace.set(namespace, made)
    let value = made.get(event)
    if (value === undefined) {
      value = make(event, namespace)
      made.set(event, value)
    }
    return value
  }
}

/**
 * One unmasked, final text frame (RFC 6455, section 5.2). Its text comes in parts: put together first, a large one would
 * be copied once more.
 */
export function textFrame(...parts: readonly string[]): Buffer {
  let length = 0
  for (const part of parts) length += Buffer.byteLength(part)
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = 0x81
  if (headerLength === 2) frame[1] = length
  else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  let offset = headerLength
  for (const part of parts) offset += frame.write(part, offset)
  return frame
}
