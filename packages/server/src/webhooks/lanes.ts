/**
 * The deliveries of one endpoint that wait. A lane is a user, or a conversation: of each only the first is tried, and the
 * next one only after it has arrived or was given up.
 */
import type { Delivery } from './store.js'

export interface Lanes {
  /** Those under way included. */
  size(): number
  /** In order of sequence, wherever it belongs. */
  add(delivery: Delivery): void
  /** The first of a lane whose time has come; it is under way until it is removed or put back. */
  takeDue(now: number): Delivery | undefined
  remove(delivery: Delivery): void
  /** It failed, and is tried again at its `nextAt`. */
  putBack(delivery: Delivery): void
  /** All that wait for another attempt are due. */
  allDue(now: number): void
  /** When the next one is due; Infinity: nothing waits that is not under way. */
  nextAt(): number
  /** When the oldest event happened; Infinity: there is none. */
  oldestAt(): number
}

interface Lane {
  readonly waiting: Delivery[]
  isUnderWay: boolean
}

export function createLanes(deliveries: readonly Delivery[]): Lanes {
  const lanes = new Map<string, Lane>()
  let count = 0

  function add(delivery: Delivery): void {
    const key = keyOf(delivery)
    const lane = lanes.get(key) ?? { waiting: [], isUnderWay: false }
    lanes.set(key, lane)
    count++
    // One that is sent again is older than what waits; but nothing overtakes what is under way.
    const place = lane.waiting.findIndex(
      ({ sequence }, index) => sequence > delivery.sequence && !(lane.isUnderWay && index === 0),
    )
    if (place === -1) lane.waiting.push(delivery)
    else lane.waiting.splice(place, 0, delivery)
  }

  for (const delivery of deliveries) add(delivery)

  return {
    size: () => count,
    add,
    takeDue(now) {
      // In the order of the events, as far as they are due: a Map keeps the order in which lanes came.
      for (const lane of lanes.values()) {
        const [first] = lane.waiting
        if (lane.isUnderWay || !first || first.nextAt > now) continue
        lane.isUnderWay = true
        return first
      }
      return undefined
    },
    remove(delivery) {
      const key = keyOf(delivery)
      const lane = lanes.get(key)
      if (!lane) return
      lane.waiting.shift()
      lane.isUnderWay = false
      count--
      // At the end of the line: otherwise a busy user would be taken before all others again and again.
      lanes.delete(key)
      if (lane.waiting.length > 0) lanes.set(key, lane)
    },
    putBack(delivery) {
      const lane = lanes.get(keyOf(delivery))
      if (!lane) return
      lane.waiting[0] = delivery
      lane.isUnderWay = false
    },
    allDue(now) {
      for (const { waiting, isUnderWay } of lanes.values()) {
        const [first] = waiting
        if (first && !isUnderWay) waiting[0] = { ...first, nextAt: Math.min(first.nextAt, now) }
      }
    },
    nextAt() {
      let next = Infinity
      for (const { waiting, isUnderWay } of lanes.values())
        if (!isUnderWay) next = Math.min(next, waiting[0]?.nextAt ?? Infinity)
      return next
    },
    oldestAt() {
      let oldest = Infinity
      for (const { waiting } of lanes.values()) oldest = Math.min(oldest, waiting[0]?.at ?? Infinity)
      return oldest
    },
  }
}

function keyOf({ userId, conversationId }: Delivery): string {
  return userId === null ? `conversation ${conversationId ?? ''}` : `user ${userId}`
}
