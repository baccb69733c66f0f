import type { Effect } from '../core/index.js'
import type { ShellCounts } from './shell-counts.js'

/** Somebody who comes back so soon after their grace was over should not have been shown as offline. */
export const FALSE_OFFLINE_MS = 60_000
/** Most people who are remembered for it: the oldest are forgotten first. */
export const FALSE_OFFLINE_MAX = 10_000

/** Counts transitions; `tell` is called with each effect of the engine. */
export function createTransitionCounter(counts: ShellCounts): (effect: Effect) => void {
  /** When each went offline because a grace was over, the oldest first. */
  const wentOffline = new Map<string, number>()

  function forget(now: number): void {
    for (const [userId, at] of wentOffline) {
      if (now - at <= FALSE_OFFLINE_MS && wentOffline.size <= FALSE_OFFLINE_MAX) return
      wentOffline.delete(userId)
    }
  }

  return (effect) => {
    if (effect.type === 'typing') counts.transitions[effect.typing ? 'start' : 'stop']++
    if (effect.type !== 'presence') return
    const { userId, before, after, reason, at } = effect
    counts.transitions[reason]++
    if (before.online === after.online) return
    if (!after.online) {
      if (reason !== 'grace_over' && reason !== 'node_lost') return
      wentOffline.set(userId, at)
      forget(at)
      return
    }
    const since = wentOffline.get(userId)
    if (since !== undefined && at - since <= FALSE_OFFLINE_MS) counts.falseOffline++
    wentOffline.delete(userId)
  }
}
