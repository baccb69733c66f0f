/**
 * How far the windows of all sessions are widened, because presence has more to do than there is time for. Asked at each
 * beat of the loop (runtime.ts). It has no clock, and knows nothing of the engine; see docs/decisions/busy-loop.md.
 */

/** What is known of the time since the last beat. */
export interface Beat {
  /** How late the beat came, in milliseconds. */
  readonly lateMs: number
  /** How long ago the last one was, in milliseconds. */
  readonly elapsedMs: number
  /** For which share of that time the loop did not wait for something to do. */
  readonly busyShare: number
  /** How much of that time presence itself took, in milliseconds. */
  readonly ownMs: number
}

export interface Pressure {
  /** How many steps the windows are widened; 0: not at all. */
  readonly step: number
  /** A session is written at most once in this time; 0: `windowMs` of the settings. */
  readonly windowMs: number
  /** The share of the time that presence itself took lately. */
  readonly ownShare: number
  /** To be called at each beat. Whether the step has changed. */
  look(beat: Beat): boolean
}

/** A loop that is this late has more to do than it can: it writes less often. */
const LATE_MS = 20
/** So has one that was busy for this share of the time since the last beat, however short each of its turns is … */
const BUSY_SHARE = 0.9
/** … and one that was busy for less than this has time to spare again. */
const CALM_SHARE = 0.8
/**
 * Presence is a reason for it if it took at least this share of the time lately. Below, windows of seconds would win the
 * host next to nothing and delay everything that people are told.
 */
const OWN_SHARE = 0.05
/** How much of what was measured before counts at the next beat: half of it is of the last 0.7 seconds. */
const OWN_DECAY = 0.95
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
/**
 * So do so many beats without pressure by presence, though there is no time to spare: the host may be busy with work of
 * its own, and windows would never come back. It is a trial: if presence does not fit in …
 */
const TRIAL_BEATS = 40
/** … windows are widened again within so many beats, and the next trial comes after twice as long … */
const TRIAL_FAILS_BEATS = 20
/** … a minute at most. */
const TRIAL_BEATS_MAX = 1_200

export function createPressure(): Pressure {
  let step = 0
  let pressedBeats = 0
  let calmBeats = 0
  let beatsWithoutPressure = 0
  let trialBeats = TRIAL_BEATS
  let beatsSinceTrial = Infinity
  let ownMs = 0
  let elapsedMs = 0

  const ownShare = () => (elapsedMs === 0 ? 0 : ownMs / elapsedMs)
  const isReason = () => ownShare() >= OWN_SHARE

  function measure(beat: Beat): void {
    ownMs = ownMs * OWN_DECAY + beat.ownMs
    elapsedMs = elapsedMs * OWN_DECAY + beat.elapsedMs
    beatsSinceTrial++
    const isPressed = beat.lateMs > LATE_MS || beat.busyShare > BUSY_SHARE
    pressedBeats = isPressed ? pressedBeats + 1 : 0
    beatsWithoutPressure = isPressed && isReason() ? 0 : beatsWithoutPressure + 1
    calmBeats = !isPressed && beat.busyShare < CALM_SHARE ? calmBeats + 1 : 0
  }

  function widen(): void {
    if (beatsSinceTrial <= TRIAL_FAILS_BEATS) trialBeats = Math.min(2 * trialBeats, TRIAL_BEATS_MAX)
    moveTo(step + 1)
  }

  /** Windows that came back by themselves, and stayed: the next trial need not be so careful. */
  function trust(): void {
    trialBeats = TRIAL_BEATS
    beatsSinceTrial = Infinity
  }

  function tryNarrower(): void {
    moveTo(step - 1)
    beatsSinceTrial = 0
  }

  function moveTo(next: number): void {
    step = next
    pressedBeats = 0
    calmBeats = 0
    beatsWithoutPressure = 0
  }

  return {
    get step() {
      return step
    },
    get windowMs() {
      return STEPS[step]?.windowMs ?? 0
    },
    get ownShare() {
      return ownShare()
    },
    look(beat) {
      measure(beat)
      const before = step
      const wider = STEPS[step + 1]
      if (wider && pressedBeats >= wider.beats && isReason()) widen()
      else if (calmBeats >= CALM_BEATS) {
        trust()
        if (step > 0) moveTo(step - 1)
      } else if (beatsWithoutPressure >= trialBeats) {
        if (step > 0) tryNarrower()
        else trust()
      }
      return step !== before
    },
  }
}
