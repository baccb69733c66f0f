/** The client as its users have it, on real sockets, and a way to wait for what it shows. */
import {
  createPresenceClient,
  type PresenceClientOptions,
  type PresenceView,
  type SocketPresenceClient,
} from '../../src/index.js'

/** A limit for what never comes, not a measure. */
const UNTIL_TIMEOUT_MS = 4_000

export interface Sdk extends Disposable {
  readonly client: SocketPresenceClient
  /** Names of the frames that came, over all connections, with their payloads. */
  readonly frames: readonly (readonly [name: string, payload: unknown])[]
  readonly errors: readonly unknown[]
  /** Resolves once `isMet` holds; it is asked again when, and only when, the store wakes whoever selects it. */
  until(what: string, isMet: (view: PresenceView) => boolean): Promise<void>
  /** Ends the connection without a word, as a network does. */
  cut(): void
}

/** A client that has begun to connect. It comes back at once, unless `reconnectBaseMs` says otherwise. */
export function openSdk(
  url: string,
  options: Partial<PresenceClientOptions> = {},
  create = createPresenceClient,
): Sdk {
  const errors: unknown[] = []
  const frames: [string, unknown][] = []
  const client = create({
    url,
    reconnectBaseMs: 1,
    onError: (error) => errors.push(error),
    ...options,
    socketOptions: { transports: ['websocket'], ...options.socketOptions },
  })
  client.socket.onAny((name: string, payload: unknown) => frames.push([name, payload]))
  client.connect()
  return {
    client,
    frames,
    errors,
    until(what, isMet) {
      return new Promise((resolve, reject) => {
        const end = (settle: () => void) => {
          clearTimeout(timer)
          stop()
          settle()
        }
        const timer = setTimeout(() => {
          end(() => reject(new Error(`it never came: ${what}\n${JSON.stringify({ frames, errors })}`)))
        }, UNTIL_TIMEOUT_MS)
        const stop = client.subscribe(isMet, (met) => {
          if (met) end(resolve)
        })
        if (isMet(client)) end(resolve)
      })
    },
    cut: () => client.socket.io.engine.close(),
    [Symbol.dispose]: () => client.close(),
  }
}

export const isLive = (view: PresenceView): boolean => view.state().name === 'live'
