/** Who is signed in, outside of React: a session is opened once, however often a component is mounted. */
import { RefusedError } from './api.js'
import { forgetUser, openSession, rememberedUser, type Session } from './session.js'

export type AccountState =
  | { readonly name: 'out' }
  /** Signing in. After a reload it goes on until the server answers; `hasFailed`: an attempt was without an answer. */
  | { readonly name: 'opening'; readonly userId: string; readonly hasFailed: boolean }
  /** Signing in did not work; `userId` may be tried again. */
  | { readonly name: 'failed'; readonly userId: string }
  | { readonly name: 'in'; readonly session: Session }

export interface Account {
  state(): AccountState
  subscribe(listener: () => void): () => void
  signIn(userId: string): void
  /** Ends the session on all tabs of this browser, and shows who one can be. */
  signOut(): void
  /** Who this tab was before it was loaded again is signed in again. */
  restore(): void
  /** While a restored session waits for the next attempt: makes it at once. */
  tryNow(): void
}

/** After a reload, a server that does not answer is asked again, later each time. */
const RETRY_MS = 1_000
const RETRY_MAX_MS = 8_000

interface AccountOptions {
  /** @default the page's own */
  readonly open?: (userId: string) => Promise<Session>
  readonly remembered?: () => string | undefined
  readonly forget?: () => void
}

export function createAccount({
  open = openSession,
  remembered = rememberedUser,
  forget = forgetUser,
}: AccountOptions = {}): Account {
  let state: AccountState = { name: 'out' }
  let retry: ReturnType<typeof setTimeout> | undefined
  let retryNow: (() => void) | undefined
  const listeners = new Set<() => void>()

  function enter(next: AccountState): void {
    state = next
    for (const listener of [...listeners]) listener()
  }

  function stopRetrying(): void {
    clearTimeout(retry)
    retryNow = undefined
  }

  /** An answer that comes after somebody signed out, or signed in as somebody else, is not theirs. */
  function attempt(opening: Extract<AccountState, { name: 'opening' }>, onFailure: (error: unknown) => void) {
    enter(opening)
    open(opening.userId).then(
      (session) => {
        if (state === opening) enter({ name: 'in', session })
        else session.end('session')
      },
      (error: unknown) => {
        if (state === opening) onFailure(error)
      },
    )
  }

  function restoreAs(userId: string, hasFailed: boolean, delayMs: number): void {
    attempt({ name: 'opening', userId, hasFailed }, (error) => {
      // The server answers, and knows nobody of that name.
      if (error instanceof RefusedError) {
        forget()
        enter({ name: 'out' })
        return
      }
      retryNow = () => {
        stopRetrying()
        restoreAs(userId, true, Math.min(2 * delayMs, RETRY_MAX_MS))
      }
      retry = setTimeout(retryNow, delayMs)
      enter({ name: 'opening', userId, hasFailed: true })
    })
  }

  return {
    state: () => state,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    signIn(userId) {
      if (state.name === 'opening' || state.name === 'in') return
      attempt({ name: 'opening', userId, hasFailed: false }, () => enter({ name: 'failed', userId }))
    },
    signOut() {
      stopRetrying()
      if (state.name === 'in') state.session.end('device')
      else forget()
      history.replaceState(null, '', '#/')
      enter({ name: 'out' })
    },
    restore() {
      const userId = remembered()
      if (userId !== undefined) restoreAs(userId, false, RETRY_MS)
    },
    tryNow: () => retryNow?.(),
  }
}
