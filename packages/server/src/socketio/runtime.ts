/**
 * The shell's whole loop: the only caller of the engine's `apply`, and the owner of the only timer that drives it.
 */
import type { ErrorCode } from '@vigie/protocol'
import type { Effect, Engine, Input } from '../core/index.js'

export interface Runtime {
  /** Milliseconds, monotonic. */
  now(): number
  /** Lets the input happen and carries out what follows. The code of a refusal, if it was refused. */
  accept(input: Input): ErrorCode | undefined
  close(): void
}

/** Longer delays make a timer fire at once. */
const TIMER_MAX_MS = 2_147_483_647

export function createRuntime(engine: Engine, perform: (effect: Effect) => void): Runtime {
  let timer: ReturnType<typeof setTimeout> | undefined
  let wakesAt = Infinity
  let isBusy = false
  let isClosed = false
  /** What came while effects were carried out: a listener of the host that kicks, say. */
  const waiting: Input[] = []

  const now = () => performance.now()

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
  }

  function wake(): void {
    wakesAt = Infinity
    accept({ type: 'wake' })
  }

  return {
    now,
    accept,
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}
