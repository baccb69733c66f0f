/** The same people are chosen in each run: xorshift, with a fixed start. Numbers from 0 to below 1. */
export function createRandom(): () => number {
  let state = 0x2545f491
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x1_0000_0000
  }
}
