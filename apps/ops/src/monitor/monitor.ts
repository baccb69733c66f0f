/** Asks the server each second how it is, while somebody looks. */
import { ApiError, type Monitor as MonitorAnswer } from '@vigie/server/http'
import { isOfKey, problemKindOf } from '../server/api.js'
import { EMPTY_HISTORY, withGap, withLook, type History } from './history.js'
import type { Source } from './measure.js'

export const POLL_MS = 1_000
/** A server that does not answer is asked less and less often, up to this. */
export const RETRY_MAX_MS = 5_000

export interface MonitorState {
  /**
   * `opening`: nothing is known yet. `lost`: the last question was not answered, and it is asked again. `refused`: the
   * server wants a key, or another one.
   */
  readonly name: 'opening' | 'live' | 'lost' | 'refused'
  /** Why, when it is lost or refused. */
  readonly problem: unknown
  /** The last answer, and when it came. */
  readonly answer: MonitorAnswer | undefined
  readonly answeredAt: number | undefined
  readonly history: History
}

export interface Monitor {
  state(): MonitorState
  subscribe(listener: () => void): () => void
  start(): void
  /** Asks at once, as after a key was given. */
  tryNow(): void
  close(): void
}

/** What {@link createMonitor} needs of the page. */
export interface MonitorParts {
  readonly ask: () => Promise<MonitorAnswer>
  readonly sources: readonly Source[]
  readonly now: () => number
  readonly isHidden: () => boolean
  readonly onVisibility: (listener: () => void) => () => void
}

export function createMonitor({ ask, sources, now, isHidden, onVisibility }: MonitorParts): Monitor {
  const listeners = new Set<() => void>()
  let state: MonitorState = {
    name: 'opening',
    problem: undefined,
    answer: undefined,
    answeredAt: undefined,
    history: EMPTY_HISTORY,
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  let asking: symbol | undefined
  let failures = 0
  let forget = () => {}

  function become(next: MonitorState): void {
    state = next
    for (const listener of [...listeners]) listener()
  }

  async function poll(): Promise<void> {
    clearTimeout(timer)
    const mine = Symbol('question')
    asking = mine
    const startedAt = now()
    try {
      const answer = await ask()
      if (asking !== mine) return
      failures = 0
      become({ name: 'live', problem: undefined, answer, answeredAt: now(), history: grown(answer) })
      wait(Math.max(0, POLL_MS - (now() - startedAt)))
    } catch (error) {
      if (asking !== mine) return
      failures += 1
      // Without keys the server answers nobody, until it is started again with some.
      const isRefused = isOfKey(error) || problemKindOf(error) === 'closed'
      become({
        ...state,
        name: isRefused ? 'refused' : 'lost',
        problem: error,
        history: withGap(state.history, sources),
      })
      // To ask again with the same key would be refused again, and count as an attempt to guess one.
      if (!isRefused) wait(Math.max(retryAfterMs(error), retryMs(failures)))
    } finally {
      if (asking === mine) asking = undefined
    }
  }

  function grown(answer: MonitorAnswer): History {
    const look = {
      at: now(),
      serverAt: answer.now,
      process: `${answer.node} ${answer.startedAt}`,
      families: new Map(answer.metrics.map((family) => [family.name, family])),
    }
    return withLook(state.history, look, sources)
  }

  function wait(ms: number): void {
    // Somebody who comes back is shown the present at once: see `onVisibility`.
    if (!isHidden()) timer = setTimeout(() => void poll(), ms)
  }

  return {
    state: () => state,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    start() {
      forget = onVisibility(() => {
        if (isHidden()) clearTimeout(timer)
        else if (state.name !== 'refused' && asking === undefined) void poll()
      })
      void poll()
    },
    tryNow: () => void poll(),
    close() {
      forget()
      clearTimeout(timer)
      asking = undefined
      listeners.clear()
    },
  }
}

function retryMs(failures: number): number {
  return Math.min(RETRY_MAX_MS, POLL_MS * 2 ** (failures - 1))
}

/** What the server asks to wait; 0 where it does not say. */
function retryAfterMs(problem: unknown): number {
  return problem instanceof ApiError ? (problem.retryAfterSeconds ?? 0) * 1_000 : 0
}
