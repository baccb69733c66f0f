/** Asks PostgreSQL to give a query up, as its protocol says: on a connection of its own, with the key of the busy one. */
import { connect, type NetConnectOpts } from 'node:net'

/** What the server gave to a connection when it was opened. */
export interface BackendKey {
  readonly pid: number
  readonly secret: number
}

interface CancelRequestOptions {
  /** Where the server listens. */
  readonly target: NetConnectOpts
  readonly key: BackendKey
  /** It could not be asked. */
  readonly onFailure: (error: Error) => void
}

const CANCEL_REQUEST_CODE = 80_877_102
const LENGTH = 16
/** The server closes the line at once; one that does not answer is let go of. */
const WAIT_MS = 1_000

/**
 * The server does not say whether there was such a query, and one without it does nothing. It goes out without TLS, which
 * PostgreSQL takes; the key is worth nothing once the query has ended.
 */
export function sendCancelRequest({ target, key, onFailure }: CancelRequestOptions): void {
  const message = Buffer.alloc(LENGTH)
  for (const [place, value] of [LENGTH, CANCEL_REQUEST_CODE, key.pid, key.secret].entries()) {
    message.writeInt32BE(value | 0, 4 * place)
  }
  const socket = connect(target)
  socket.unref()
  socket.setTimeout(WAIT_MS, () => socket.destroy())
  socket.on('error', onFailure)
  socket.end(message)
  socket.resume()
}
