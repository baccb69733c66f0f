/**
 * Which client the hooks below ask. The provider hands it down, and nothing else: it neither connects nor closes.
 */
import {
  createContext,
  useContext,
  useEffect,
  useMemo,
  useRef,
  type ReactElement,
  type ReactNode,
} from 'react'
import type { PresenceClient } from '../index.js'

interface PresenceContext {
  readonly client: PresenceClient
  readonly report: (error: unknown) => void
}

const Context = createContext<PresenceContext | undefined>(undefined)
Context.displayName = 'Presence'

export interface PresenceProviderProps {
  /** Made, connected and closed by the host. Another one here makes all hooks ask that one. */
  readonly client: PresenceClient
  /**
   * Hears what a client of your own making throws when a hook asks it to watch somebody. The clients of this package tell
   * their own `onError` instead. What this function throws is thrown from a timer, as a browser does with a listener's.
   */
  readonly onError?: ((error: unknown) => void) | undefined
  readonly children?: ReactNode
}

/**
 * Gives a client to all hooks and components below.
 *
 * It neither connects nor closes the client. A close is a goodbye that others see at once, and React ends effects also
 * when nobody goes: Strict Mode mounts twice, a provider moves in the tree, a hidden one comes back. Call `connect` when
 * somebody signs in, and `close` or `leave` when they sign out.
 *
 * @example
 * const presence = createPresenceClient({ url: 'https://chat.example.com', token: () => fetchToken() })
 * presence.connect()
 * root.render(<PresenceProvider client={presence}><Chat /></PresenceProvider>)
 */
export function PresenceProvider({ client, onError, children }: PresenceProviderProps): ReactElement {
  // A new function with each render of the host must not wake everybody below.
  const latest = useRef(onError)
  useEffect(() => {
    latest.current = onError
  })
  const value = useMemo(
    () => ({
      client,
      report(error: unknown) {
        try {
          latest.current?.(error)
        } catch (thrown) {
          // In an effect it would take the page down.
          setTimeout(() => {
            throw thrown
          })
        }
      },
    }),
    [client],
  )
  return <Context.Provider value={value}>{children}</Context.Provider>
}

/** What the provider hands down. */
export function usePresenceContext(): PresenceContext {
  const context = useContext(Context)
  if (!context) throw new Error('Presence hooks and components need a <PresenceProvider> above them.')
  return context
}

/**
 * The client, for what is done and not shown: `stopTyping`, `background`, `leave`. Its answers do not wake a component;
 * the hooks do.
 * @throws Error without a {@link PresenceProvider} above.
 */
export function usePresenceClient(): PresenceClient {
  return usePresenceContext().client
}
