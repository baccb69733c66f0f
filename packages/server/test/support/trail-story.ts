/** Audit trails as nodes write them, by chance and the same again for the same seed. */
import type { ConversationId, GroupId, SessionId, UserId } from '@vigie/protocol'
import type { Fact, TrailRow } from '../../src/trail/facts.js'
import { rowOf } from '../../src/trail/rows.js'
import { dayOf } from '../../src/trail/days.js'
import type { TrailHead } from '../../src/trail/verify.js'

export const DAY_MS = 86_400_000

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface StoryOptions {
  readonly seed: number
  /** Milliseconds since 1970, at the beginning of a day. */
  readonly from: number
  readonly days?: number
  /** Of each node, about. */
  readonly facts?: number
}

export interface Story {
  readonly rows: readonly TrailRow[]
  readonly users: readonly string[]
  /** Boots that a later start of their node names, with what it names. */
  readonly named: ReadonlyMap<string, TrailHead>
  pick<T>(from: readonly T[]): T
}

const NODES = ['north', 'south']

export function trailStory({ seed, from, days = 4, facts = 60 }: StoryOptions): Story {
  const random = randomOf(seed)
  const below = (n: number) => Math.floor(random() * n)
  const pick = <T>(all: readonly T[]): T => all[below(all.length)]!
  const hex = (digits: number) => Array.from({ length: digits }, () => below(16).toString(16)).join('')
  const uuid = () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`
  const users = Array.from({ length: 5 }, (_, n) => `user ${n} ${hex(3)}`)
  const rows: TrailRow[] = []
  const named = new Map<string, TrailHead>()

  function someFact(): Fact {
    const userId = pick(users) as UserId
    const sessionId = `${userId} session ${below(2)}` as SessionId
    switch (below(5)) {
      case 0:
        return {
          kind: 'rooms',
          reason: 'changed',
          userId,
          groups: [hex(2) as GroupId],
          conversations: Array.from({ length: below(3) }, () => `"é${hex(2)}` as ConversationId),
        }
      case 1:
        return { kind: 'act', reason: 'kick', detail: { by: hex(4), userIds: [userId] } }
      case 2:
        return { kind: 'limit', reason: 'rate_limited', sessionId }
      default:
        return {
          kind: 'session',
          state: pick(['live', 'lost', 'ended']),
          reason: 'connected',
          userId,
          sessionId,
          device: hex(4),
        }
    }
  }

  for (const node of NODES) {
    let at = from
    let last: TrailHead | undefined
    const step = (days * DAY_MS) / facts
    while (at < from + (days - 0.5) * DAY_MS) {
      const boot = uuid()
      let head: TrailRow | undefined
      const write = (fact: Fact) => {
        const day = dayOf(at)
        const isFirst = head?.day !== day
        const before = isFirst ? head : undefined
        const position = (head?.position ?? 0) + 1
        if (before && fact.kind !== 'death') {
          put({ kind: 'checkpoint', detail: { from: position, previous: headOf(before) } })
          write(fact)
          return
        }
        put(fact)
      }
      const put = (fact: Fact) => {
        const isFirst = head?.day !== dayOf(at)
        head = rowOf(
          { fact, position: (head?.position ?? 0) + 1, at },
          boot,
          isFirst ? undefined : head?.hash,
          hex(32),
        )
        rows.push(head)
      }
      if (last) named.set(last.boot, last)
      write({ kind: 'start', detail: { node, ...(last && { previous: last }) } })
      const length = 2 + below(facts / 2)
      for (let n = 0; n < length && at < from + (days - 0.2) * DAY_MS; n++) {
        at += Math.round(step * (0.2 + random()))
        write(someFact())
      }
      const ending = below(3)
      if (ending === 0) write({ kind: 'stop' })
      if (head) last = headOf(head)
      at += Math.round(step / 2)
      // By the next start, which named the row before it.
      if (ending === 1) write({ kind: 'death', detail: { lastAt: head?.at } })
    }
  }
  return { rows, users, named, pick }
}

function headOf({ day, boot, position, hash }: TrailHead): TrailHead {
  return { day, boot, position, hash }
}
