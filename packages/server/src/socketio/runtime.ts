/**
 * The shell's whole loop: the only caller of the engine's `apply`, and the owner of the only timer that drives it.
 */
import type { ErrorCode } from '@vigie/protocol'
import type { Effect, Engine, Input } from '../core/index.js'

export interface Runtime {
  /**
   * Whole milliseconds, monotonic, without those in which the process stood still. Whole: small integers are kept in
   * place, where a fraction would be an object of its own, in each session and deadline.
   */
  now(): number
  /** Lets the input happen and carries out what follows. The code of a refusal, if it was refused. */
  accept(input: Input): ErrorCode | undefined
  /** How late the loop is: it was so much at its last beat, or is overdue by so much already. Milliseconds. */
  lateMs(): number
  /** Calls `listener` at each beat of the loop, after the engine has heard of it. There is one listener. */
  onBeat(listener: () => void): void
  close(): void
}

/** Longer delays make a timer fire at once. */
const TIMER_MAX_MS = 2_147_483_647

/** How often the loop shows that it runs. */
const BEAT_MS = 50
/** A loop that is this late has more to do than it can: it writes less often. */
const LATE_MS = 20
/** So many late beats, one after the other, take one step: a single pause is no pressure. */
const LATE_BEATS = 4
/** Windows under pressure, step by step; the first is the ordinary one. */
const WINDOWS_MS = [0, 50, 250, 1_000] as const
/** So many beats in time, one after the other, take one step back. */
const CALM_BEATS = 4
/** A loop that is later than this stood still: a blocked process, a machine that slept. */
const STALL_MS = 150

/**
 * @param clock Milliseconds, monotonic.
 */
export function createRuntime(
  engine: Engine,
  perform: (effect: Effect) => void,
  clock: () => number = () => performance.now(),
): Runtime {
  let timer: ReturnType<typeof setTimeout> | undefined
  let wakesAt = Infinity
  let isBusy = false
  let isClosed = false
  /** What came while effects were carried out: a listener of the host that kicks, say. */
  const waiting: Input[] = []

  let beatAt = clock()
  let stalledMs = 0
  let latest = 0
  let pressure = 0
  let lateBeats = 0
  let calmBeats = 0
  /** Unlike `beatAt` it is left alone by stalls: they are what lateness is about. */
  let lastBeatAt = beatAt
  let lateAtBeat = 0
  let beatListener: (() => void) | undefined
  const beat = setInterval(() => {
    const late = clock() - beatAt - BEAT_MS
    now()
    beatAt = clock()
    lateAtBeat = beatAt - lastBeatAt - BEAT_MS
    lastBeatAt = beatAt
    widen(late)
    beatListener?.()
  }, BEAT_MS)
  beat.unref()

  /** All windows widen together, so that under pressure the cost is bounded by the number of recipients. */
  function widen(late: number): void {
    const isLate = late > LATE_MS
    lateBeats = isLate ? lateBeats + 1 : 0
    calmBeats = isLate ? 0 : calmBeats + 1
    let next = pressure
    if (lateBeats >= LATE_BEATS) next = Math.min(pressure + 1, WINDOWS_MS.length - 1)
    else if (calmBeats >= CALM_BEATS) next = Math.max(pressure - 1, 0)
    if (next === pressure) return
    pressure = next
    lateBeats = 0
    calmBeats = 0
    accept({ type: 'window', ms: WINDOWS_MS[next] ?? 0 })
  }

  /**
   * Time in which the process stood still does not count: whoever came back meanwhile waits in the sockets, and
   * timers come before them. Their graces would be over before they are seen.
   */
  function now(): number {
    const time = clock()
    const late = time - beatAt - BEAT_MS
    if (late > STALL_MS) {
      stalledMs += late
      beatAt = time
    }
    // What was told before the stall was seen to be one stands: the engine's time does not go back.
    latest = Math.max(latest, Math.floor(time - stalledMs))
    return latest
  }

  function accept(input: Input): ErrorCode | undefined {
    if (isClosed) return 'session_ended'
    if (isBusy) {
      waiting.push(input)
      return undefined
    }
    isBusy = true
    let refusal: ErrorCode | undefined
    try {
      for (let next: Input | undefined = input; next; next = waiting.shift()) {
        for (const effect of engine.apply(next, now())) {
          if (effect.type !== 'refused') perform(effect)
          else if (next === input) refusal = effect.code
        }
      }
    } finally {
      isBusy = false
    }
    wakeAt(engine.nextDeadline())
    return refusal
  }

  /** An earlier timer is left as it is: it wakes for nothing, once, and is set anew then. */
  function wakeAt(deadline = Infinity): void {
    if (deadline >= wakesAt || isClosed) return
    clearTimeout(timer)
    wakesAt = deadline
    timer = setTimeout(wake, Math.min(Math.max(0, Math.ceil(deadline - now())), TIMER_MAX_MS))
    // Sockets keep the process alive, not graces.
    timer.unref()
  }

  function wake(): void {
    wakesAt = Infinity
    accept({ type: 'wake' })
  }

  return {
    now,
    accept,
    lateMs: () => Math.max(lateAtBeat, clock() - lastBeatAt - BEAT_MS),
    onBeat(listener) {
      beatListener = listener
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      clearInterval(beat)
    },
  }
}
