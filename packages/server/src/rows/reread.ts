/**
 * The slow re-read: every entry that is held is read again once in a period, also when no change was told. So rows that
 * change with time alone, and changes that no store has told, are found within that period.
 */

/** A period has so many slots, and each entry is due in its own: nothing comes in bursts, and nothing twice. */
export const SLOTS = 64

/** Something that is held, and when its turn is. */
interface Slotted {
  readonly slot: number
}

interface RereadOptions<Entry extends Slotted> {
  /** 0: never. */
  readonly periodMs: number
  /** Everything that is held. */
  readonly entries: () => Iterable<Entry>
  readonly refresh: (entry: Entry) => void
}

/** Says of each entry that it is due, once in each period; until `close`. */
export function createReread<Entry extends Slotted>(options: RereadOptions<Entry>): { close(): void } {
  const { periodMs, entries, refresh } = options
  if (periodMs === 0) return { close() {} }
  let slot = 0
  const timer = setInterval(() => {
    slot = (slot + 1) % SLOTS
    for (const entry of entries()) if (entry.slot === slot) refresh(entry)
  }, periodMs / SLOTS)
  timer.unref()
  return {
    close() {
      clearInterval(timer)
    },
  }
}
