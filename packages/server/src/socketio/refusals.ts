/**
 * What the log says of refusals: at most one line for each kind and second. A client that is refused comes again, and
 * thousands of them after an outage would otherwise write nothing but that.
 */
import type { ErrorCode } from '@vigie/protocol'
import type { Log } from '../core/index.js'

/** A line for each kind this often. Milliseconds. */
const PERIOD_MS = 1_000

export interface Refusal {
  readonly code: ErrorCode
  readonly sessionId: string
  /** Of a message: its name. */
  readonly name?: string
  readonly userId?: string
  /** What is behind it, if it is more than the client's own fault. */
  readonly error?: unknown
}

export interface Refusals {
  /** `sentence` is the line. Refusals with the same sentence, code and name are of one kind. */
  note(sentence: string, refusal: Refusal): void
  /** To be called now and then: says of each kind how many were left out, if no further one has said it since. */
  look(): void
}

export interface RefusalsOptions {
  readonly log: Log
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** Hears of each line: of one refusal, if it tells of one, and how many of its kind were left out. */
  readonly onLine?: (refusal: Partial<Refusal> & Pick<Refusal, 'code'>, leftOut: number) => void
}

interface Kind {
  readonly sentence: string
  readonly code: ErrorCode
  readonly name: string | undefined
  saidAt: number
  leftOut: number
}

export function createRefusals({ log, now, onLine }: RefusalsOptions): Refusals {
  /** As many as there are codes and messages: few. */
  const kinds = new Map<string, Kind>()

  /** One line of the kind, with how many of it were not written since the last one; none is kept back any more. */
  function say(kind: Kind, { error, ...fields }: Partial<Refusal>): void {
    const { sentence, code, name, leftOut } = kind
    kind.leftOut = 0
    kind.saidAt = now()
    const refusal = { code, ...(name !== undefined && { name }), ...fields }
    onLine?.(refusal, leftOut)
    log.info(sentence, {
      ...refusal,
      ...(leftOut > 0 && { leftOut }),
      ...(error !== undefined && { error }),
    })
  }

  return {
    note(sentence, refusal) {
      const { code, name } = refusal
      const key = `${sentence} ${code} ${name ?? ''}`
      const kind = kinds.get(key) ?? { sentence, code, name, saidAt: -Infinity, leftOut: 0 }
      kinds.set(key, kind)
      if (now() - kind.saidAt < PERIOD_MS) {
        kind.leftOut++
        return
      }
      say(kind, refusal)
    },
    look() {
      for (const kind of kinds.values()) {
        if (kind.leftOut === 0 || now() - kind.saidAt < PERIOD_MS) continue
        say(kind, {})
      }
    },
  }
}
