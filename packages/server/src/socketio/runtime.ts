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
/** So has one that was busy for this share of the time since the last beat, however short each of its turns is … */
const BUSY_SHARE = 0.9
/** … and one that was busy for less than this has time to spare again. */
const CALM_SHARE = 0.8
/**
 * Windows under pressure, step by step, each with the beats under pressure, one after the other, that it takes to get
 * there: eight to the first, because a full collection of garbage is no pressure; twenty to the last, which is for what
 * goes on for long, as when everybody comes back.
 */
const STEPS = [
  { windowMs: 0, beats: 0 },
  { windowMs: 50, beats: 8 },
  { windowMs: 250, beats: 4 },
  { windowMs: 2_000, beats: 4 },
  { windowMs: 5_000, beats: 20 },
] as const
/** So many beats with time to spare, one after the other, take one step back. */
const CALM_BEATS = 2
/** A loop that is later than this stood still: a blocked process, a machine that slept. */
const STALL_MS = 150

/**
 * @param clock Milliseconds, monotonic.
 * @param busyShare For which share of the time since it was last asked the loop did not wait for something to do.
 */
export function createRuntime(
  engine: Engine,
  perform: (effect: Effect) => void,
  clock: () => number = () => performance.now(),
  busyShare: () => number = createBusyShare(),
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
  let pressedBeats = 0
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
    widen(late, busyShare())
    beatListener?.()
  }, BEAT_MS)
  beat.unref()

  /** All windows widen together, so that under pressure the cost is bounded by the number of recipients. */
  function widen(late: number, busy: number): void {
    const isPressed = late > LATE_MS || busy > BUSY_SHARE
    pressedBeats = isPressed ? pressedBeats + 1 : 0
    calmBeats = !isPressed && busy < CALM_SHARE ? calmBeats + 1 : 0
    const wider = STEPS[pressure + 1]
    if (wider && pressedBeats >= wider.beats) pressure++
    else if (pressure > 0 && calmBeats >= CALM_BEATS) pressure--
    else return
    pressedBeats = 0
    calmBeats = 0
    accept({ type: 'window', ms: STEPS[pressure]?.windowMs ?? 0 })
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

function createBusyShare(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
