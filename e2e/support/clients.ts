import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import { Picture } from './picture.js'

/** How long {@link TestClient.until} waits unless told: a limit for what never comes, not a measure. */
const UNTIL_TIMEOUT_MS = 10_000

/** One event as it came. */
export interface ReceivedEvent {
  readonly name: string
  readonly payload: unknown
  /** Arguments that the handler got; protocol 1 sends one. */
  readonly argumentCount: number
}

/** A stock `socket.io-client` that writes down what it hears. Disposing closes its connection without a leave. */
export interface TestClient extends Disposable {
  readonly socket: Socket
  /** Every event since the client was made, across reconnections, in order. */
  readonly events: readonly ReceivedEvent[]
  /** What a client that follows `docs/protocol.md` shows now. */
  readonly picture: Picture
  /** Times that the namespace was connected. */
  readonly connections: number
  /** `data.code` of each `connect_error` that carried one. */
  readonly refusals: readonly string[]
  /**
   * Resolves as soon as `predicate` holds; it is asked again after each event, connection and refusal.
   * @throws Error that prints `what`, and everything that came instead.
   */
  until(what: string, predicate: (client: TestClient) => boolean, timeoutMs?: number): Promise<void>
  /** Events of one name, in order. */
  named(name: string): readonly ReceivedEvent[]
  /** Sends an event and resolves with the acknowledgement. */
  ask(name: string, payload: unknown): Promise<unknown>
  /** Ends the connection as a network does: no leave, no goodbye. The client does not come back. */
  drop(): void
}

/** Options of {@link connectClient}: those of socket.io-client, and fields for `auth` beside the token. */
export type ClientOptions = Partial<Omit<ManagerOptions & SocketOptions, 'auth'>> & {
  readonly auth?: Readonly<Record<string, unknown>>
}

/**
 * Connects a stock client. It reconnects quickly, so that a test of coming back is not a test of patience.
 *
 * @example
 * using ana = connectClient(url, token)
 * await ana.until('Ben is online', ({ picture }) => picture.user('ben')?.online === true)
 */
export function connectClient(url: string, token: string, options: ClientOptions = {}): TestClient {
  const { auth, ...rest } = options
  const socket = io(url, {
    forceNew: true,
    transports: ['websocket'],
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
    ...rest,
    auth: { token, ...auth },
  })
  const events: ReceivedEvent[] = []
  const refusals: string[] = []
  const picture = new Picture()
  const listeners = new Set<() => void>()
  let connections = 0
  const changed = () => {
    for (const listener of [...listeners]) listener()
  }

  socket.on('connect', () => {
    connections += 1
    picture.clear()
    changed()
  })
  socket.on('connect_error', (error: Error & { data?: { code?: string } }) => {
    if (error.data?.code !== undefined) refusals.push(error.data.code)
    changed()
  })
  socket.on('disconnect', changed)
  socket.onAny((name: string, ...args: unknown[]) => {
    events.push({ name, payload: args[0], argumentCount: args.length })
    picture.apply(name, args[0])
    changed()
  })

  const client: TestClient = {
    socket,
    events,
    picture,
    refusals,
    get connections() {
      return connections
    },
    named: (name) => events.filter((event) => event.name === name),
    ask: async (name, payload) => socket.timeout(UNTIL_TIMEOUT_MS).emitWithAck(name, payload),
    until: (what, predicate, timeoutMs = UNTIL_TIMEOUT_MS) =>
      new Promise((resolve, reject) => {
        const settle = (settled: () => void) => {
          clearTimeout(timer)
          listeners.delete(look)
          settled()
        }
        const look = () => {
          if (predicate(client)) settle(resolve)
        }
        const timer = setTimeout(
          () => settle(() => reject(new Error(`${timeoutMs} ms passed without: ${what}.\n${story(client)}`))),
          timeoutMs,
        )
        listeners.add(look)
        look()
      }),
    drop: () => {
      socket.io.reconnection(false)
      // The engine's own close: Socket.IO's `disconnect()` would send a packet that means "leave".
      socket.io.engine.close()
    },
    [Symbol.dispose]: () => {
      socket.io.reconnection(false)
      socket.io.engine.close()
      socket.disconnect()
    },
  }
  return client
}

function story({ connections, refusals, events }: TestClient): string {
  const told = events.map(({ name, payload }) => `  ${name} ${JSON.stringify(payload)}`)
  return [`Connections: ${connections}; refusals: ${refusals.join(', ') || 'none'}; events:`, ...told].join(
    '\n',
  )
}
