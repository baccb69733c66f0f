/** The store of webhooks in memory, and a clock that a test moves. What is promised of the real one is tried on PostgreSQL. */
import type { ReadRow } from '../../src/webhooks/events.js'
import { fromOf } from '../../src/webhooks/events.js'
import type { WebhookClock } from '../../src/webhooks/sender.js'
import type { Delivery, Position, WebhookStore } from '../../src/webhooks/store.js'

export interface Kept extends Delivery {
  readonly failure: string | undefined
  readonly deadAt: number | undefined
  readonly isResent: boolean
}

export interface MemoryWebhookStore extends WebhookStore {
  readonly trail: ReadRow[]
  readonly kept: Map<string, Kept>
  /** How often the trail was read. */
  reads: number
  /** Thrown by the next calls of these names. */
  readonly faults: Map<keyof WebhookStore, Error>
  holder: string | undefined
}

export function memoryWebhookStore(clock: WebhookClock): MemoryWebhookStore {
  const positions = new Map<string, Map<string, Position>>()
  const sequences = new Map<string, number>()
  let until = -Infinity
  const keyOf = ({ endpoint, sequence }: { endpoint: string; sequence: number }) => `${endpoint} ${sequence}`
  const store: MemoryWebhookStore = {
    trail: [],
    kept: new Map(),
    reads: 0,
    faults: new Map(),
    holder: undefined,
    async check() {},
    async lease(holder, forMs) {
      if (store.holder !== undefined && store.holder !== holder && until >= clock.now()) return false
      store.holder = holder
      until = clock.now() + forMs
      return true
    },
    async release(holder) {
      if (store.holder === holder) store.holder = undefined
    },
    async load(endpoint) {
      const sequence = sequences.get(endpoint)
      if (sequence === undefined) return undefined
      const waiting = [...store.kept.values()]
        .filter((each) => each.endpoint === endpoint && each.deadAt === undefined)
        .sort((a, b) => a.sequence - b.sequence)
      return { sequence, positions: [...(positions.get(endpoint)?.values() ?? [])], waiting }
    },
    async boots(fromDay) {
      const found = new Map<string, string>()
      for (const { boot, day } of store.trail) if (day >= fromDay && !found.has(boot)) found.set(boot, day)
      return [...found].map(([boot, day]) => ({ boot, day }))
    },
    async last(boot, fromDay) {
      return store.trail.filter((row) => row.boot === boot && row.day >= fromDay).at(-1)
    },
    async checkpointBefore(place) {
      const row = store.trail
        .filter(
          ({ boot, kind, position }) =>
            boot === place.boot && kind === 'checkpoint' && position <= place.position,
        )
        .at(-1)
      return row
        ? { ...row, position: fromOf(row.detail)! - 1 }
        : { ...place, day: '2000-01-01', position: 0 }
    },
    async read({ boot, position }, { limit, settledMs, until: last = Infinity }) {
      store.reads++
      return store.trail
        .filter(
          (row) =>
            row.boot === boot &&
            row.position > position &&
            row.position <= last &&
            row.at <= clock.wall() - settledMs,
        )
        .slice(0, limit)
    },
    async advance({ endpoint, positions: moved, deliveries, sequence }, holder) {
      if (store.holder !== holder || until < clock.now()) return false
      sequences.set(endpoint, sequence)
      const known = positions.get(endpoint) ?? new Map<string, Position>()
      positions.set(endpoint, known)
      for (const position of moved) known.set(position.boot, position)
      for (const delivery of deliveries)
        store.kept.set(keyOf(delivery), {
          ...delivery,
          failure: undefined,
          deadAt: undefined,
          isResent: false,
        })
      return true
    },
    async delivered(delivery) {
      store.kept.delete(keyOf(delivery))
    },
    async failed(delivery, { failure, isDead }) {
      const kept = store.kept.get(keyOf(delivery))!
      store.kept.set(keyOf(delivery), {
        ...kept,
        attempts: delivery.attempts,
        nextAt: delivery.nextAt,
        failure,
        deadAt: isDead ? clock.wall() : undefined,
      })
    },
    async takeResent(endpoints) {
      const found = [...store.kept.values()].filter(
        ({ endpoint, isResent }) => isResent && endpoints.includes(endpoint),
      )
      return found.map((each) => {
        const again = { ...each, deadAt: undefined, isResent: false, attempts: 0, nextAt: clock.wall() }
        store.kept.set(keyOf(each), again)
        return again
      })
    },
    async deadLetters() {
      return []
    },
    async resend(id) {
      const found = [...store.kept.values()].find((each) => each.id === id && each.deadAt !== undefined)
      if (!found) return false
      store.kept.set(keyOf(found), { ...found, isResent: true })
      return true
    },
    async tidy(ms) {
      const dead = [...store.kept.values()].filter(({ deadAt }) => deadAt !== undefined)
      for (const each of dead) if (each.deadAt! < clock.wall() - ms) store.kept.delete(keyOf(each))
      return { deadLetters: [...store.kept.values()].filter(({ deadAt }) => deadAt !== undefined).length }
    },
    async close() {},
  }
  for (const name of ['lease', 'load', 'read', 'advance', 'delivered', 'failed', 'tidy'] as const) {
    const real = store[name] as (...args: unknown[]) => Promise<unknown>
    Object.assign(store, {
      async [name](...args: unknown[]) {
        const fault = store.faults.get(name)
        if (fault) throw fault
        return real(...args)
      },
    })
  }
  return store
}

export interface TestClock extends WebhookClock {
  /** Fires what is due on the way, and lets what that begins come to rest. */
  move(ms: number): Promise<void>
  chance: number
}

/** 14:00 of a day, UTC. */
export const NOON = Date.parse('2026-11-29T14:00:00Z')

export function testClock(): TestClock {
  let now = 0
  const timers = new Set<{ readonly at: number; readonly call: () => void }>()
  /** Everything here is promises: so many turns are more than any chain of them has. */
  const rest = async () => {
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
  }
  const clock: TestClock = {
    chance: 0.5,
    now: () => now,
    wall: () => NOON + now,
    after(ms, call) {
      const timer = { at: now + ms, call }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    random: () => clock.chance,
    async move(ms) {
      const end = now + ms
      await rest()
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (!next) break
        timers.delete(next)
        now = Math.max(now, next.at)
        next.call()
        await rest()
      }
      now = end
    },
  }
  return clock
}
