import { createContext, use, useSyncExternalStore } from 'react'
import { threadOf, type Thread, type Threads } from '../chat/thread.js'
import type { Session } from './session.js'

export const SessionContext = createContext<Session | undefined>(undefined)

/** The session, in everything that is shown to somebody signed in. */
export function useSession(): Session {
  const session = use(SessionContext)
  if (session === undefined) throw new Error('Only somebody who is signed in has a session.')
  return session
}

/** A value made of the messages; it must be the same object until it is another value. */
export function useThreads<Value>(select: (threads: Threads) => Value): Value {
  const { chat } = useSession()
  return useSyncExternalStore(chat.subscribe, () => select(chat.threads()))
}

export function useThread(conversationId: string): Thread {
  return useThreads((threads) => threadOf(threads, conversationId))
}

/** Their name; of somebody whom no list names, the id. */
export function useNameOf(): (userId: string) => string {
  const { people } = useSession()
  return (userId) => people.get(userId)?.name ?? userId
}

/** What colleagues call them. */
export function useGivenNameOf(): (userId: string) => string {
  const { people } = useSession()
  return (userId) => people.get(userId)?.givenName ?? people.get(userId)?.name ?? userId
}
