import { usePresenceClient, usePresenceConnection, type PresenceConnection } from '@vigie/client/react'
import { useState, useSyncExternalStore } from 'react'
import { useDelayed } from '../look/use-delayed.js'
import { useNow } from '../look/use-now.js'
import type { Texts } from '../texts/en.js'
import { useLanguage } from '../texts/use-language.js'

/** A connection that is there sooner needs no words. */
const QUIET_MS = 700
/** An attempt that takes longer is slow. */
const SLOW_MS = 4_000

type BannerState = 'none' | 'connecting' | 'reconnecting' | 'offline' | 'slow' | 'busy' | 'closed'

/** What is wrong with the connection, if anything, and what one can do. */
export function ConnectionBanner({ signOut }: { readonly signOut: () => void }) {
  const client = usePresenceClient()
  const connection = usePresenceConnection()
  const { texts, seconds } = useLanguage()
  const isTrying = ['connecting', 'syncing'].includes(connection.name)
  const isAway = useDelayed(!connection.isLive, QUIET_MS)
  const isSlow = useDelayed(isTrying, SLOW_MS)
  const hasNetwork = useSyncExternalStore(subscribeNetwork, () => navigator.onLine)
  const lastReason = useLastReason(connection)
  const state = isAway ? stateOf(connection, { lastReason, isSlow, hasNetwork }) : 'none'
  const { untilMs } = connection
  const now = useNow(untilMs === undefined ? 0 : 1_000)
  const leftS = untilMs === undefined ? 0 : Math.round((untilMs - now) / 1_000)
  const maySkip = (state === 'reconnecting' || state === 'busy') && untilMs !== undefined

  return (
    <div className="banner" data-testid="banner" data-state={connection.isLive ? 'live' : state}>
      {/* Always there: a screen reader hears changes of an element that it has met. */}
      <p role="status">{textOf(state, connection, texts)}</p>
      {/* A number that counts down is for the eye: read out, it would never end. */}
      {maySkip && leftS > 1 && <p aria-hidden="true">{texts.nextTry(seconds(leftS))}</p>}
      {maySkip && (
        <button type="button" className="link" onClick={() => client.foreground()}>
          {texts.tryNow}
        </button>
      )}
      {state === 'closed' && (
        <button type="button" className="link" onClick={signOut}>
          {texts.signInAgain}
        </button>
      )}
    </div>
  )
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
}

function stateOf(
  { name, isReconnecting }: PresenceConnection,
  { lastReason, isSlow, hasNetwork }: Circumstances,
): BannerState {
  if (name === 'closed') return 'closed'
  if (!hasNetwork) return 'offline'
  if (lastReason === 'overloaded' || lastReason === 'unavailable') return 'busy'
  if (isReconnecting) return 'reconnecting'
  return isSlow ? 'slow' : 'connecting'
}

function textOf(state: BannerState, { reason }: PresenceConnection, texts: Texts): string {
  switch (state) {
    case 'none':
      return ''
    case 'connecting':
      return texts.connecting
    case 'slow':
      return texts.slow
    case 'busy':
      return texts.busy
    case 'offline':
      return `${texts.noNetwork} ${texts.lastKnownNote}`
    case 'reconnecting':
      return `${texts.reconnecting} ${texts.lastKnownNote}`
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
