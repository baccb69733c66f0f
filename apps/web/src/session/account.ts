/** Who is signed in, outside of React: a session is opened once, however often a component is mounted. */
import { openSession, rememberedUser, type Session } from './session.js'

export type AccountState =
  | { readonly name: 'out' }
  | { readonly name: 'opening' }
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
}

export function createAccount(): Account {
  let state: AccountState = { name: 'out' }
  const listeners = new Set<() => void>()

  function enter(next: AccountState): void {
    state = next
    for (const listener of [...listeners]) listener()
  }

  function signIn(userId: string): void {
    if (state.name === 'opening' || state.name === 'in') return
    enter({ name: 'opening' })
    openSession(userId).then(
      (session) => enter({ name: 'in', session }),
      () => enter({ name: 'failed', userId }),
    )
  }

  return {
    state: () => state,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    signIn,
    signOut() {
      if (state.name === 'in') state.session.end('device')
      history.replaceState(null, '', '#/')
      enter({ name: 'out' })
    },
    restore() {
      const userId = rememberedUser()
      if (userId !== undefined) signIn(userId)
    },
  }
}
