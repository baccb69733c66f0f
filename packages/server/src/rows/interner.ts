/** Below this many texts nothing is forgotten: sweeping would cost more than it frees. */
const SWEEP_MIN = 10_000

/**
 * Gives one string for equal texts, however many are made: a name that is in twenty rosters would otherwise be
 * kept twenty times. What is no longer `inUse` is forgotten whenever twice as much has come together.
 */
export function createInterner(inUse: () => Iterable<string>, sweepMin = SWEEP_MIN): Interner {
  const known = new Map<string, string>()
  let sweepAt = sweepMin

  function sweep(): void {
    known.clear()
    for (const text of inUse()) known.set(text, text)
    sweepAt = Math.max(sweepMin, 2 * known.size)
  }

  return {
    get size() {
      return known.size
    },
    intern<Text extends string>(text: Text): Text {
      const found = known.get(text)
      if (found !== undefined) return found as Text
      if (known.size >= sweepAt) sweep()
      known.set(text, text)
      return text
    },
  }
}

export interface Interner {
  /** How many texts are remembered. */
  readonly size: number
  intern<Text extends string>(text: Text): Text
}
