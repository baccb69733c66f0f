/**
 * What this package touches inside engine.io and ws beyond their public types. All of it stands here, so that one
 * look tells what a new version of them may break; `test/socketio/internals.test.ts` checks it against the versions
 * that are installed.
 */
import type { Duplex } from 'node:stream'

/** An engine.io connection: `socket.conn`. */
export interface Connection {
  readonly readyState: string
  /** Packets that engine.io keeps until the transport is writable. */
  readonly writeBuffer: readonly unknown[]
  readonly transport: Transport
  once(event: 'upgrade', listener: () => void): void
  off(event: 'upgrade', listener: () => void): void
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
  }
  prependOnceListener(event: 'ready', listener: () => void): void
  off(event: 'ready', listener: () => void): void
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

/** Ends the connection at once and without a close frame, whatever still waits to be written. */
export function cutLine(connection: Connection): void {
  const { socket } = connection.transport
  if (socket && typeof socket.terminate === 'function') (socket as { terminate(): void }).terminate()
  else connection.close(true)
}
