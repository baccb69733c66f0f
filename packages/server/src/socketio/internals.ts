/**
 * What this package touches inside Socket.IO, engine.io and ws beyond their public types (adapters aside, which
 * adapter-kind.ts looks at). All of it stands here, so that one look tells what a new version of them may break.
 * `lacking` compares it with what is really there; where something is missing, outbound.ts says so in one log line and
 * uses Socket.IO's public calls. `test/socketio/internals.test.ts` holds that the installed versions lack nothing.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Namespace, Server, Socket } from 'socket.io'

/** An engine.io connection: `socket.conn`. */
export interface Connection {
  readonly readyState: string
  /** Packets that engine.io keeps until the transport is writable. */
  readonly writeBuffer: readonly unknown[]
  readonly transport: Transport
  /** Called with the connection as `this`. */
  on(event: 'close' | 'packet', listener: (this: Connection) => void): void
  once(event: 'upgrade' | 'close', listener: () => void): void
  off(event: 'upgrade' | 'close', listener: () => void): void
  /** Socket.IO hears by `data` what comes. */
  removeAllListeners(event: 'data'): void
  write(data: string | Buffer, options: { readonly compress: boolean }): void
  /** @param discard Do not wait for what is in `writeBuffer`. */
  close(discard?: boolean): void
}

interface Transport {
  readonly name: string
  readonly writable: boolean
  readonly perMessageDeflate?: unknown
  /** A WebSocket of ws. Another WebSocket server has none of this. */
  readonly socket?: {
    readonly _sender?: { readonly sendFrame?: unknown }
    readonly _socket?: Duplex
    readonly terminate?: unknown
    /** Of uWebSockets.js. */
    readonly getBufferedAmount?: unknown
  }
  prependOnceListener(event: 'ready', listener: () => void): void
  once(event: 'ready', listener: () => void): void
  off(event: 'ready', listener: () => void): void
}

/** What a connection lacks of what is used here, in words; undefined: nothing. */
export function lacking(connection: Connection): string | undefined {
  // Another version may have anything here.
  const { readyState, writeBuffer, write, transport } = connection as unknown as Record<string, unknown>
  const { writable, prependOnceListener } = (transport ?? {}) as Record<string, unknown>
  const missing = [
    typeof readyState === 'string' ? [] : ['readyState'],
    Array.isArray(writeBuffer) ? [] : ['writeBuffer'],
    typeof write === 'function' ? [] : ['write'],
    typeof writable === 'boolean' ? [] : ['transport.writable'],
    typeof prependOnceListener === 'function' ? [] : ['transport.prependOnceListener'],
  ].flat()
  return missing.length === 0 ? undefined : missing.join(', ')
}

/**
 * An engine.io server, which says when the answer to a request, an upgrade among others, is about to be written, and
 * which connections come.
 */
export interface Engine {
  on(event: 'headers', listener: OnHeaders): unknown
  on(event: 'connection', listener: (connection: Connection) => void): unknown
  off(event: 'headers', listener: OnHeaders): unknown
  off(event: 'connection', listener: (connection: Connection) => void): unknown
}
/** Another server than Node's may have requests of another kind. */
type OnHeaders = (headers: unknown, request: Partial<IncomingMessage>) => void

/** The engine.io server that a connection came to: one, unless a host has several. */
export function engineOf({ conn }: Pick<Socket, 'conn'>): Engine | undefined {
  return (conn as unknown as { readonly server?: Engine }).server
}

/** The options that a Socket.IO server was made with. */
export function optionsOf(server: Server): Server['_opts'] {
  return server._opts
}

/** How many engine.io connections the server has; before it is attached to an HTTP server none. */
export function connectionCountOf(server: Server): number {
  const { engine } = server as unknown as { readonly engine?: { readonly clientsCount?: number } }
  return engine?.clientsCount ?? 0
}

/** All namespaces of the server, those that a pattern stands for among them. */
export function namespacesOf(server: Server): Iterable<Namespace> {
  return server._nsps.values()
}

/**
 * The stream under a WebSocket of ws, to which finished frames may be written; see
 * docs/decisions/frames-to-the-stream.md. Undefined for a transport that compresses, which must see what it sends,
 * and for another WebSocket server than ws, which may do with its stream what it likes.
 */
export function streamOf({ transport }: Connection): Duplex | undefined {
  if (transport.name !== 'websocket' || transport.perMessageDeflate) return undefined
  const { _sender: sender, _socket: stream } = transport.socket ?? {}
  return typeof sender?.sendFrame === 'function' && typeof stream?.write === 'function' ? stream : undefined
}

/** The stream under a WebSocket of ws, to be destroyed and not to be written to. */
export function anyStreamOf({ transport }: Connection): Duplex | undefined {
  const stream = transport.socket?._socket
  return typeof stream?.destroy === 'function' ? stream : undefined
}

/**
 * Calls back once the transport takes packets again, before engine.io gives it those that it kept. What the caller
 * then writes joins them. A listener behind engine.io's would find the transport busy again, each time, while the
 * host sends something between every two polls. The transport may be exchanged meanwhile: a polling client upgrades.
 */
export function whenWritable(connection: Connection, then: () => void): void {
  const { transport } = connection
  const done = () => {
    transport.off('ready', done)
    connection.off('upgrade', done)
    then()
  }
  transport.prependOnceListener('ready', done)
  connection.once('upgrade', done)
}

/** A WebSocket of uWebSockets.js, as its documentation has it. */
interface UwsWebSocket {
  getBufferedAmount(): number
  /** At once, and without a close frame. */
  close(): void
}

/**
 * How many bytes uWebSockets.js keeps because the client has not read. engine.io takes its WebSockets for always
 * writable, and they drop, in silence, whatever comes while they keep more than `maxBackpressure` (64 kB). Of other
 * WebSocket servers 0: there `writable` says it.
 */
export function bytesKept(connection: Connection): number {
  const socket = uwsSocketOf(connection)
  if (!socket || connection.readyState !== 'open') return 0
  return socket.getBufferedAmount()
}

/** How often a WebSocket of uWebSockets.js is looked at that keeps bytes: engine.io has no event for it. */
const DRAIN_LOOK_MS = 20

/** Calls back once uWebSockets.js keeps nothing any more, or the connection has ended. */
export function whenNothingIsKept(connection: Connection, then: () => void): void {
  const timer = setTimeout(() => {
    if (bytesKept(connection) > 0) whenNothingIsKept(connection, then)
    else then()
  }, DRAIN_LOOK_MS)
  timer.unref()
}

/** Ends the connection at once and without a close frame, whatever still waits to be written. */
export function cutLine(connection: Connection): void {
  const { socket } = connection.transport
  if (socket && typeof socket.terminate === 'function') (socket as { terminate(): void }).terminate()
  else if (uwsSocketOf(connection) && connection.readyState === 'open') uwsSocketOf(connection)?.close()
  else connection.close(true)
}

function uwsSocketOf({ transport: { socket } }: Connection): UwsWebSocket | undefined {
  return typeof socket?.getBufferedAmount === 'function' ? (socket as UwsWebSocket) : undefined
}

/** The connection of a Socket.IO socket. */
export function connectionOf({ conn }: Pick<Socket, 'conn'>): Connection {
  return conn as unknown as Connection
}

interface WrittenOptions {
  /** How long to wait for it at most. Milliseconds. */
  readonly withinMs: number
  /** How much longer to wait once it is written. Milliseconds. */
  readonly pauseMs?: number
}

/**
 * Calls back once everything that was given to the connection has been handed to the operating system, and `pauseMs`
 * have passed since; with `false` if that took longer than `withinMs`. At once, if there is nothing to wait for. If the
 * connection closes first, it is never called.
 */
export function whenWritten(
  connection: Connection,
  { withinMs, pauseMs = 0 }: WrittenOptions,
  then: (isWritten: boolean) => void,
): void {
  if (connection.readyState !== 'open') return
  let { transport } = connection
  let isOver = false
  let timer: ReturnType<typeof setTimeout> | undefined

  function wait(ms: number, next: () => void): void {
    clearTimeout(timer)
    timer = setTimeout(next, ms)
    // The socket keeps the process alive; this must not.
    timer.unref()
  }

  function stop(): void {
    isOver = true
    clearTimeout(timer)
    transport.off('ready', look)
    connection.off('upgrade', look)
    connection.off('close', stop)
  }

  function finish(isWritten: boolean): void {
    if (isOver) return
    stop()
    then(isWritten)
  }

  /** Asked again whenever something was written: what engine.io kept is given to the stream only then. */
  function look(): void {
    if (isOver) return
    transport.off('ready', look)
    transport = connection.transport
    const stream = streamOf(connection)
    if (!isIdle(connection)) transport.once('ready', look)
    else if (bytesKept(connection) > 0) whenNothingIsKept(connection, look)
    else if (stream && stream.writableLength > 0) {
      stream.write(NO_BYTES, (error) => {
        // It was ended or destroyed with bytes pending: nothing will be written any more.
        if (error) finish(false)
        else look()
      })
    } else if (pauseMs > 0) {
      connection.off('upgrade', look)
      wait(pauseMs, () => {
        finish(true)
      })
    } else finish(true)
  }

  connection.once('close', stop)
  connection.once('upgrade', look)
  wait(withinMs, () => {
    finish(false)
  })
  look()
}

const NO_BYTES = Buffer.alloc(0)

/** engine.io keeps nothing and has nothing under way. A polling transport is not writable between two polls. */
function isIdle({ writeBuffer, transport }: Connection): boolean {
  return writeBuffer.length === 0 && (transport.writable || transport.name === 'polling')
}

/** From now on nothing that comes on the connection reaches Socket.IO; engine.io goes on answering for it. */
export function ignoreIncoming(connection: Connection): void {
  connection.removeAllListeners('data')
}

/**
 * Ends every socket of the connection, in whatever namespace, with Socket.IO's DISCONNECT packet. The public
 * `disconnect(true)` does so and closes the connection in the same turn.
 *
 * @param guard Called with each end: it runs handlers of the host, which may throw.
 */
export function disconnectAll(socket: Socket, guard: (end: () => void) => void): void {
  const { sockets } = socket.client as unknown as { readonly sockets?: unknown }
  // Should another version of Socket.IO keep them elsewhere.
  const all: readonly Socket[] =
    sockets instanceof Map ? [...(sockets as Map<string, Socket>).values()] : [socket]
  for (const each of all) {
    guard(() => {
      each.disconnect()
    })
  }
}
