/** Asks the server each second how it is, while somebody looks. */
import { ApiError } from '../server/api.js'
import type { Api, MonitorAnswer } from '../server/wire.js'
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
  readonly problem: ApiError | undefined
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
  readonly api: Pick<Api, 'monitor'>
  readonly sources: readonly Source[]
  readonly now: () => number
  readonly isHidden: () => boolean
  readonly onVisibility: (listener: () => void) => () => void
}

export function createMonitor({ api, sources, now, isHidden, onVisibility }: MonitorParts): Monitor {
  const listeners = new Set<() => void>()
  let state: MonitorState = {
    name: 'opening',
    problem: undefined,
    answer: undefined,
    answeredAt: undefined,
    history: EMPTY_HISTORY,
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  let asking: AbortController | undefined
  let failures = 0
  let forget = () => {}

  function become(next: MonitorState): void {
    state = next
    for (const listener of [...listeners]) listener()
  }

  async function poll(): Promise<void> {
    clearTimeout(timer)
    asking?.abort()
    const mine = new AbortController()
    asking = mine
    const startedAt = now()
    try {
      const answer = await api.monitor(mine.signal)
      if (mine.signal.aborted) return
      failures = 0
      become({ name: 'live', problem: undefined, answer, answeredAt: now(), history: grown(answer) })
      wait(Math.max(0, POLL_MS - (now() - startedAt)))
    } catch (error) {
      if (mine.signal.aborted) return
      failures += 1
      const problem = error instanceof ApiError ? error : new ApiError('server_error', { cause: error })
      const isRefused = problem.kind === 'key_needed' || problem.kind === 'not_allowed'
      become({
        ...state,
        name: isRefused ? 'refused' : 'lost',
        problem,
        history: withGap(state.history, sources),
      })
      // To ask again with the same key would be refused again, and count as an attempt to guess one.
      if (!isRefused) wait(Math.max(problem.retryAfterMs, retryMs(failures)))
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
      asking?.abort()
      listeners.clear()
    },
  }
}

function retryMs(failures: number): number {
  return Math.min(RETRY_MAX_MS, POLL_MS * 2 ** (failures - 1))
}
