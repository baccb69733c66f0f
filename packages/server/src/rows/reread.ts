/**
 * The slow re-read: every entry that is held is read again once in a period, also when no change was told. So rows that
 * change with time alone, and changes that no store has told, are found within that period.
 */

/** A period has so many slots, and each entry is due in its own: reads are small, and nothing is read twice. */
const SLOTS = 64

/** Something that is held, and when its turn is. */
interface Slotted {
  readonly slot: number
}

interface RereadOptions<Entry extends Slotted> {
  /** 0: never. */
  readonly periodMs: number
  /** Calls `visit` with everything that is held. */
  readonly forEachEntry: (visit: (entry: Entry) => void) => void
  readonly refresh: (entry: Entry) => void
}

export interface Reread {
  /**
   * The slot of an entry that is held from now on: it is read at once, so its first re-read can wait for the second half
   * of a period. A storm would otherwise read again what it has just read. From then on the entry is due once a period.
   */
  slotOfNew(): number
  /** How long ago the last turn of this entry was, in milliseconds: to within a slot, and at most a period. */
  sinceDueMs(entry: Slotted): number
  close(): void
}

/** Says of each entry that it is due, once in each period; until `close`. */
export function createReread<Entry extends Slotted>(options: RereadOptions<Entry>): Reread {
  const { periodMs, forEachEntry, refresh } = options
  let slot = 0
  let made = 0
  const timer = periodMs > 0 ? setInterval(openNext, periodMs / SLOTS).unref() : undefined

  function openNext(): void {
    slot = (slot + 1) % SLOTS
    forEachEntry((entry) => {
      if (entry.slot === slot) refresh(entry)
    })
  }

  return {
    // One after the other: each slot has about as many.
    slotOfNew: () => (slot + SLOTS / 2 + (made++ % (SLOTS / 2))) % SLOTS,
    sinceDueMs: (entry) => ((slot - entry.slot + SLOTS) % SLOTS) * (periodMs / SLOTS),
    close() {
      clearInterval(timer)
    },
  }
}
