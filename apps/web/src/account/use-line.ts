/** The connection, in the words that the page has for it. */
import { usePresence, usePresenceConnection, type PresenceConnection } from '@vigie/client/react'
import { useState, useSyncExternalStore } from 'react'
import { useDelayed } from '../look/use-delayed.js'
import { useSession } from '../session/use-session.js'
import type { Texts } from '../texts/en.js'
import { useLanguage } from '../texts/use-language.js'

/** A connection that is there sooner needs no words. */
const QUIET_MS = 700
/** An attempt that takes longer is slow. */
const SLOW_MS = 4_000

export type LineState =
  'live' | 'none' | 'connecting' | 'reconnecting' | 'offline' | 'slow' | 'busy' | 'closed'

/** What is wrong with the connection, if anything. */
export function useLine(): { readonly state: LineState; readonly text: string } {
  const connection = usePresenceConnection()
  const { texts } = useLanguage()
  const isTrying = ['connecting', 'syncing'].includes(connection.name)
  const isAway = useDelayed(!connection.isLive, QUIET_MS)
  const isSlow = useDelayed(isTrying, SLOW_MS)
  const hasNetwork = useSyncExternalStore(subscribeNetwork, () => navigator.onLine)
  const lastReason = useLastReason(connection)
  const [wasLive, setWasLive] = useState(connection.isLive)
  if (connection.isLive && !wasLive) setWasLive(true)
  if (connection.isLive) return { state: 'live', text: '' }
  if (!isAway) return { state: 'none', text: '' }
  const state = stateOf(connection, { lastReason, isSlow, hasNetwork, wasLive })
  return { state, text: textOf(state, connection, texts) }
}

/** Since when nothing is known, once that is worth a word: in milliseconds since 1970. Undefined while all is known. */
export function useUnknownSince(): number | undefined {
  const { me } = useSession().world
  const { isLive } = usePresenceConnection()
  const isAway = useDelayed(!isLive, QUIET_MS)
  const presence = usePresence(me.userId, { watch: false })
  return isAway && presence.status === 'unknown' ? presence.since : undefined
}

/** Why nothing can be sent any more, for good; undefined while it can, or will be. */
export function useClosedText(): string | undefined {
  const { texts } = useLanguage()
  const { name, reason } = usePresenceConnection()
  return name === 'closed' ? closedText(reason ?? 'ended', texts) : undefined
}

/** Why the last attempt failed, also while the next one is on its way: the words must not change with each attempt. */
function useLastReason({ name, reason, isLive }: PresenceConnection): PresenceConnection['reason'] {
  const [last, setLast] = useState(reason)
  const next = isLive ? undefined : name === 'backingOff' ? reason : last
  if (next !== last) setLast(next)
  return next
}

interface Circumstances {
  readonly lastReason: PresenceConnection['reason']
  /** The attempt takes long. */
  readonly isSlow: boolean
  readonly hasNetwork: boolean
  /** It is not the first connection: between its loss and the first attempt, too, it comes back. */
  readonly wasLive: boolean
}

function stateOf(
  { name, isReconnecting }: PresenceConnection,
  { lastReason, isSlow, hasNetwork, wasLive }: Circumstances,
): Exclude<LineState, 'live' | 'none'> {
  if (name === 'closed') return 'closed'
  if (!hasNetwork) return 'offline'
  if (lastReason === 'overloaded' || lastReason === 'unavailable') return 'busy'
  if (isReconnecting || wasLive) return 'reconnecting'
  return isSlow ? 'slow' : 'connecting'
}

function textOf(
  state: Exclude<LineState, 'live' | 'none'>,
  { reason }: PresenceConnection,
  texts: Texts,
): string {
  switch (state) {
    case 'connecting':
      return texts.connecting
    case 'slow':
      return texts.slow
    case 'busy':
      return texts.busy
    case 'offline':
      return texts.noNetwork
    case 'reconnecting':
      return texts.reconnecting
    case 'closed':
      return closedText(reason ?? 'ended', texts)
  }
}

function closedText(reason: string, { closed }: Texts): string {
  switch (reason) {
    case 'logged_out':
    case 'kicked':
    case 'token_expired':
    case 'too_many_sessions':
      return closed[reason]
    default:
      return closed.other(reason)
  }
}

function subscribeNetwork(listener: () => void): () => void {
  addEventListener('online', listener)
  addEventListener('offline', listener)
  return () => {
    removeEventListener('online', listener)
    removeEventListener('offline', listener)
  }
}
