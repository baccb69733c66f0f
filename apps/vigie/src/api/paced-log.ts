/** Lines of what may come thousands of times: at most one for each kind and second, with the number of those left out. */

/** Milliseconds. */
const PERIOD_MS = 1_000

export interface PacedLog {
  /** Has the line written, unless one of its kind was less than a second ago. There are few kinds. */
  note(kind: string, write: (leftOut: { readonly leftOut?: number }) => void): void
}

/** @param now Milliseconds, monotonic. */
export function createPacedLog(now: () => number): PacedLog {
  const kinds = new Map<string, { saidAt: number; leftOut: number }>()
  return {
    note(kind, write) {
      const { saidAt, leftOut } = kinds.get(kind) ?? { saidAt: -Infinity, leftOut: 0 }
      const at = now()
      if (at - saidAt < PERIOD_MS) {
        kinds.set(kind, { saidAt, leftOut: leftOut + 1 })
        return
      }
      kinds.set(kind, { saidAt: at, leftOut: 0 })
      write(leftOut === 0 ? {} : { leftOut })
    },
  }
}
