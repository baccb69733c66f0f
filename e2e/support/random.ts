/** Chance that can be had again. */
export interface Random {
  /** From 0 to `limit`, without `limit`. */
  below(limit: number): number
  /** One of them; there must be one. */
  of<T>(items: readonly T[]): T
}

/** Mulberry32: the choices are the same for the same seed; what crosses what is the machine's. */
export function createRandom(seed: number): Random {
  let state = seed
  const below = (limit: number) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  return { below, of: (items) => items[below(items.length)] as (typeof items)[number] }
}
