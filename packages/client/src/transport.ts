/**
 * The only file that knows Socket.IO: one attempt to connect is one {@link Link}.
 */
import type { Answer, PresenceAuth, PresenceClientEvents } from '@vigie/protocol'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import { defaultPlatform, type Platform } from './platform.js'
import type { Frame } from './sync.js'

/** What a client may send, and with what. */
export type ClientMessage = {
  [Name in keyof PresenceClientEvents]: readonly [
    name: Name,
    payload: NonNullable<Parameters<PresenceClientEvents[Name]>[0]>,
  ]
}[keyof PresenceClientEvents]

/**
 * How a link ended. `lost`: neither side said goodbye; `cause`: what Socket.IO says, if the link was never open. `refused`:
 * the server did not let it in, and `data` is what it said.
 */
export type LinkEnd =
  | { readonly type: 'lost'; readonly cause?: string }
  | { readonly type: 'refused'; readonly data: unknown }
  | { readonly type: 'ended' }

/** What a link tells. After `ended` it tells nothing more; `ended` comes at most once. */
export interface LinkEvents {
  opened(): void
  frame(frame: Frame): void
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

type TransportName = 'polling' | 'websocket' | 'webtransport'

/** An attempt that has not reached the server by then starts over, with another way to reach it first. */
export const OPEN_TIMEOUT_MS = 10_000

/** One Socket.IO socket for the client's whole life, so that a host's own listeners on it stay. */
export function socketIoTransport(
  url: string,
  options: SocketIoOptions = {},
  platform: Platform = defaultPlatform,
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
  for (const name of ['presence:state', 'presence:diff'] as const) {
    socket.on(name, (payload: unknown) => current?.frame({ name, payload } as Frame))
  }
  socket.on('presence:closed', (data: unknown) => current?.closed(data))
  socket.on('connect_error', (error: Error & { data?: unknown }) => {
    end(
      error.data === undefined
        ? { type: 'lost', cause: causeOf(url, error) }
        : { type: 'refused', data: error.data },
    )
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
      // Proxies that answer an upgrade and then say nothing never fail: socket.io-client would wait for them.
      const timer = platform.setTimeout(() => {
        if (isEngineOpen || current !== events) return
        const transports = socket.io.opts.transports as TransportName[]
        socket.io.opts.transports = [...transports.slice(1), ...transports.slice(0, 1)]
        current = undefined
        socket.disconnect()
        events.ended({ type: 'lost', cause: `${url} could not be reached in ${OPEN_TIMEOUT_MS} ms.` })
      }, OPEN_TIMEOUT_MS)
      engine.once('open', () => {
        isEngineOpen = true
        platform.clearTimeout(timer)
      })
      engine.once('close', () => {
        platform.clearTimeout(timer)
        // Cut between the upgrade and the first packet: nobody in socket.io-client hears of it, and it would wait
        // for its timeout of 20 s, refusing to connect anew meanwhile.
        if (isEngineOpen || current !== events) return
        socket.disconnect()
        end({ type: 'lost' })
      })
      const close = (saysGoodbye: boolean) => {
        if (current !== events) return
        current = undefined
        // `disconnect()` says goodbye; the engine's close says nothing.
        if (saysGoodbye || !socket.connected) socket.disconnect()
        else socket.io.engine.close()
      }
      return {
        send([name, payload], acknowledge) {
          // A socket that is not connected would keep the message for its next connection.
          if (current !== events || !socket.connected) return
          const kept = socket.sendBuffer.length
          socket.emit(name, payload, acknowledge)
          // After a sleep Socket.IO takes the line for dead and keeps the message, too: it is not for the next one.
          if (socket.sendBuffer.length > kept) socket.sendBuffer.splice(kept)
        },
        leave: () => {
          close(true)
        },
        drop: () => {
          close(false)
        },
      }
    },
  }
}

/** What Socket.IO knows of a failed attempt: "websocket error", or what the other side answered. */
function causeOf(url: string, { message, description }: Error & { readonly description?: unknown }): string {
  return `${url} could not be reached: ${message}${typeof description === 'number' ? ` (${description})` : ''}.`
}
