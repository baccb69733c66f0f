/** A load at a fixed rate: something begins and something ends in turn, and echoes beside it show the noise. */
import { setTimeout as sleep } from 'node:timers/promises'

/** What happens at each tick; `now` is `performance.now()`. */
export interface Load {
  /** Beginnings and ends a second, together. */
  readonly rate: number
  begin(now: number): void
  end(now: number): void
  /** Whether all that has begun has ended. */
  isOver(): boolean
  echo(now: number): void
}

export interface Pace {
  start(load: Load): void
  /** From now on nothing begins. Resolves when what has begun has ended, each at its time. */
  end(): Promise<void>
}

const TICK_MS = 5
const ECHO_EVERY_MS = 25

export function createPace(): Pace {
  let timers: ReturnType<typeof setInterval>[] = []
  let isEnding = false
  let load: Load | undefined
  return {
    start(started) {
      load = started
      const { rate } = started
      isEnding = false
      const startedAt = performance.now()
      let ticks = 0
      timers = [
        setInterval(() => {
          const now = performance.now()
          // By the clock: a timer that is late makes up for it, or the rate would be lower than it says.
          const due = Math.floor(((now - startedAt) / 1_000) * rate)
          for (; ticks < due; ticks++) {
            if (ticks % 2 === 1) started.end(now)
            else if (!isEnding) started.begin(now)
          }
        }, TICK_MS),
        setInterval(() => started.echo(performance.now()), ECHO_EVERY_MS),
      ]
    },
    async end() {
      isEnding = true
      while (load && !load.isOver()) await sleep(TICK_MS)
      for (const timer of timers) clearInterval(timer)
      timers = []
    },
  }
}
