/** Writes facts of one boot into the audit trail, in batches, as a server's recorder does. */
import type { Fact, TrailRow } from '../../packages/server/dist/trail/facts.js'
import { rowOf } from '../../packages/server/dist/trail/rows.js'
import { dayOf } from '../../packages/server/dist/trail/days.js'
import type { TrailStore } from '../../packages/server/dist/trail/store.js'

const BOOT = '00000000-0000-4000-8000-000000000001'
const BATCH_ROWS = 500

export interface TrailWriter {
  /** Of the last fact; 0 before the first. */
  position(): number
  /** Of the last fact; undefined before the first. */
  day(): string | undefined
  add(fact: Fact, at: number): Promise<void>
  /** Writes what is left. */
  flush(): Promise<void>
}

export function createTrailWriter(store: TrailStore): TrailWriter {
  let batch: TrailRow[] = []
  let head: TrailRow | undefined

  async function flush(): Promise<void> {
    if (batch.length > 0) await store.write(batch)
    batch = []
  }

  return {
    position: () => head?.position ?? 0,
    day: () => head?.day,
    async add(fact, at) {
      const position = (head?.position ?? 0) + 1
      head = rowOf({ fact, position, at }, BOOT, head?.day === dayOf(at) ? head.hash : undefined)
      batch.push(head)
      if (batch.length === BATCH_ROWS) await flush()
    },
    flush,
  }
}
