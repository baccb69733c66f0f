/**
 * The shell's whole loop: the only caller of the engine's `apply`, and the owner of the only timer that drives it.
 */
import type { ErrorCode } from '@vigie/protocol'
import {
  silentLog,
  type DueSession,
  type Effect,
  type Engine,
  type Input,
  type Log,
  type PresenceEvent,
} from '../core/index.js'
import { createPressure } from './pressure.js'

export interface Runtime {
  /**
   * Whole milliseconds, monotonic, without those in which the process stood still. Whole: small integers are kept in
   * place, where a fraction would be an object of its own, in each session and deadline.
   */
  now(): number
  /** Lets the input happen and carries out what follows. The code of a refusal, if it was refused. */
  accept(input: Input): ErrorCode | undefined
  /** Takes from the engine what is pending for the session. */
  take(session: DueSession): readonly PresenceEvent[]
  /** How late the loop is: it was so much at its last beat, or is overdue by so much already. Milliseconds. */
  lateMs(): number
  /** The latest that the loop was at a beat within the last {@link PEAK_BEATS} to twice as many, or is now. Milliseconds. */
  peakLateMs(): number
  /** How many steps all windows are widened, because presence has more to do than there is time for; 0: none. */
  pressure(): number
  /** Calls `listener` at each beat of the loop, after the engine has heard of it. There is one listener. */
  onBeat(listener: () => void): void
  close(): void
}

/** Longer delays make a timer fire at once. */
const TIMER_MAX_MS = 2_147_483_647

/** How often the loop shows that it runs. */
const BEAT_MS = 50
/** 15 seconds: as often as Prometheus asks by default, so that no late beat is missed. */
const PEAK_BEATS = 300
/** From windows of this length on people notice that they hear late, and an operator should know. */
const WARN_WINDOW_MS = 2_000
const WIDENED =
  'Presence has more to do than there is time for: sessions are written less often, and people hear of changes later.'

/** A loop that is later than this stood still: a blocked process, a machine that slept. */
const STALL_MS = 150

interface RuntimeOptions {
  /** Milliseconds, monotonic. */
  readonly clock?: () => number
  /** For which share of the time since it was last asked the loop did not wait for something to do. */
  readonly busyShare?: () => number
  readonly log?: Log
}

export function createRuntime(
  engine: Engine,
  perform: (effect: Effect) => void,
  { clock = () => performance.now(), busyShare = createBusyShare(), log = silentLog }: RuntimeOptions = {},
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
  const pressure = createPressure()
  /** Of the time since the last beat: what the engine and what follows from it took. */
  let ownMs = 0
  /** Unlike `beatAt` it is left alone by stalls: they are what lateness is about. */
  let lastBeatAt = beatAt
  let lateAtBeat = 0
  let beatListener: (() => void) | undefined
  let beats = 0
  let peak = 0
  let peakBefore = 0
  const beat = setInterval(() => {
    const late = clock() - beatAt - BEAT_MS
    now()
    beatAt = clock()
    const elapsed = beatAt - lastBeatAt
    lateAtBeat = elapsed - BEAT_MS
    lastBeatAt = beatAt
    notePeak()
    widen(late, elapsed)
    beatListener?.()
  }, BEAT_MS)
  beat.unref()

  function notePeak(): void {
    peak = Math.max(peak, lateAtBeat)
    if (++beats % PEAK_BEATS > 0) return
    peakBefore = peak
    peak = 0
  }

  function lateMs(): number {
    return Math.max(lateAtBeat, clock() - lastBeatAt - BEAT_MS)
  }

  /** All windows widen together, so that under pressure the cost is bounded by the number of recipients. */
  function widen(lateMs: number, elapsedMs: number): void {
    const busy = busyShare()
    const before = pressure.step
    const hasChanged = pressure.look({ lateMs, elapsedMs, busyShare: busy, ownMs })
    ownMs = 0
    if (!hasChanged) return
    const { step, windowMs, ownShare } = pressure
    accept({ type: 'window', ms: windowMs })
    const fields = {
      step,
      windowMs,
      lateMs: Math.round(lateMs),
      busyShare: percent(busy),
      ownShare: percent(ownShare),
    }
    if (step < before) log.info('Presence has more time again: sessions are written more often.', fields)
    else if (windowMs < WARN_WINDOW_MS) log.info(WIDENED, fields)
    else log.warn(WIDENED, fields)
  }

  /**
   * Time in which the process stood still does not count: clients that came back meanwhile wait in the sockets, and
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
    const startedAt = clock()
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
      ownMs += clock() - startedAt
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

  function take(session: DueSession): readonly PresenceEvent[] {
    // Within an effect it is part of what is measured already.
    if (isBusy) return engine.take(session, now())
    const startedAt = clock()
    try {
      return engine.take(session, now())
    } finally {
      ownMs += clock() - startedAt
    }
  }

  return {
    now,
    accept,
    take,
    pressure: () => pressure.step,
    lateMs,
    peakLateMs: () => Math.max(0, peak, peakBefore, lateMs()),
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

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
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
