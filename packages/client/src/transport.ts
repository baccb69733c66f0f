/**
 * The only file that knows Socket.IO: one attempt to connect is one {@link Link}.
 */
import type { Answer, PresenceAuth, PresenceClientEvents, PresenceDiff, PresenceState } from '@vigie/protocol'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'

/** What a client may send, and with what. */
export type ClientMessage = {
  [Name in keyof PresenceClientEvents]: readonly [
    name: Name,
    payload: NonNullable<Parameters<PresenceClientEvents[Name]>[0]>,
  ]
}[keyof PresenceClientEvents]

/** How a link ended. `lost`: without a word. `refused`: let in it was not, with what the server said about it. */
export type LinkEnd =
  | { readonly type: 'lost' }
  | { readonly type: 'refused'; readonly data: unknown }
  | { readonly type: 'ended' }

/** What a link tells. After `ended` it tells nothing more; `ended` comes at most once. */
export interface LinkEvents {
  opened(): void
  state(payload: PresenceState): void
  diff(payload: PresenceDiff): void
  /** The server's last word; `ended` follows, or does not. */
  closed(data: unknown): void
  ended(end: LinkEnd): void
}

/** One connection, open or on its way. */
export interface Link {
  /** Sends while it is open; the answer may never come. */
  send(message: ClientMessage, acknowledge: (answer: Answer) => void): void
  /** Ends it as a person does who goes: others see it at once. Tells nothing of it. */
  leave(): void
  /** Ends it as a cut does: the session keeps its grace. Tells nothing of it. */
  drop(): void
}

/** Opens links, one at a time: the one before has ended, was left, or dropped. */
export interface Transport {
  open(auth: PresenceAuth, events: LinkEvents): Link
}

/** Options of `socket.io-client` that are not this package's to decide. */
export type SocketIoOptions = Omit<
  Partial<ManagerOptions & SocketOptions>,
  'auth' | 'autoConnect' | 'forceNew' | 'multiplex' | 'retries' | `reconnection${string}`
>

/** One Socket.IO socket for the client's whole life, so that a host's own listeners on it stay. */
export function socketIoTransport(
  url: string,
  options: SocketIoOptions = {},
): Transport & { readonly socket: Socket } {
  const socket = io(url, {
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    ...options,
    autoConnect: false,
    forceNew: true,
    reconnection: false,
  })
  let current: LinkEvents | undefined

  const end = (how: LinkEnd) => {
    const events = current
    current = undefined
    events?.ended(how)
  }
  socket.on('connect', () => current?.opened())
  socket.on('presence:state', (payload: PresenceState) => current?.state(payload))
  socket.on('presence:diff', (payload: PresenceDiff) => current?.diff(payload))
  socket.on('presence:closed', (data: unknown) => current?.closed(data))
  socket.on('connect_error', (error: Error & { data?: unknown }) => {
    end(error.data === undefined ? { type: 'lost' } : { type: 'refused', data: error.data })
  })
  socket.on('disconnect', (reason) => {
    end(reason === 'io server disconnect' ? { type: 'ended' } : { type: 'lost' })
  })

  return {
    socket,
    open(auth, events) {
      current = events
      socket.auth = auth
      socket.connect()
      const { engine } = socket.io
      let isEngineOpen = false
      engine.once('open', () => (isEngineOpen = true))
      engine.once('close', () => {
        // Cut between the upgrade and the first packet: nobody in socket.io-client hears of it, and it would wait
        // for its timeout of 20 s, refusing to connect anew meanwhile.
        if (isEngineOpen || current !== events) return
        socket.disconnect()
        end({ type: 'lost' })
      })
      return {
        send([name, payload], acknowledge) {
          // A socket that is not connected would keep the message for its next connection.
          if (current === events && socket.connected) socket.emit(name, payload, acknowledge)
        },
        leave() {
          if (current !== events) return
          current = undefined
          socket.disconnect()
        },
        drop() {
          if (current !== events) return
          current = undefined
          // `disconnect()` would say goodbye; the engine's close says nothing.
          if (socket.connected) socket.io.engine.close()
          else socket.disconnect()
        },
      }
    },
  }
}
