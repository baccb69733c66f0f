/** Between the wall clock, by which tokens end, and the engine's, which stands still while the process does. */
import type { Runtime } from './runtime.js'

export interface WallClock {
  /** From milliseconds since 1970 to the clock of the engine. */
  toEngineTime(wall: number | undefined): number | undefined
  /**
   * Whether times that were translated since this was last true may be wrong by now by `DRIFT_MAX_MS` or more: then
   * they are to be translated again.
   */
  hasMoved(): boolean
}

/** Ends of tokens are as exact as this. */
const DRIFT_MAX_MS = 250

export function createWallClock(runtime: Pick<Runtime, 'now'>): WallClock {
  /** The wall clock's time when the engine's began. It moves when the wall clock is set, and with each stall. */
  const origin = () => Date.now() - runtime.now()
  let least = origin()
  let most = least

  /** All that it has been counts: a clock may be set, and set back before anybody looks. */
  function look(): number {
    const now = origin()
    least = Math.min(least, now)
    most = Math.max(most, now)
    return now
  }

  return {
    toEngineTime: (wall) => (wall === undefined ? undefined : wall - look()),
    hasMoved() {
      const now = look()
      if (most - least < DRIFT_MAX_MS) return false
      least = now
      most = now
      return true
    },
  }
}
