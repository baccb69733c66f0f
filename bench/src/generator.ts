/** The load generator: a process with all the clients. `node generator.js '<options as JSON>'` */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createCrowd } from './crowd.js'
import { createChurn, type ChurnOptions } from './churn.js'
import { createTyping, type TypingOptions } from './typing.js'
import type { Summary } from './histogram.js'
import { answer } from './remote.js'
import type { WorldSpec } from './world.js'

export interface GeneratorOptions {
  readonly port: number
  readonly world: WorldSpec
  /** What the clients say in `auth.protocol`. */
  readonly protocol: 1 | 2
}

/** What all clients together have received. */
export interface Traffic {
  /** WebSocket frames with an event of Socket.IO. */
  readonly frames: number
  readonly bytes: number
}

export interface Gathering {
  readonly connectedMs: number
  /** When the last frame came that had to do with it; the same as `connectedMs` when none did. */
  readonly settledMs: number
  /** Attempts that were refused, reset, or closed before they were let in. */
  readonly refused: number
  /** Connections that were let in and then ended by the server. */
  readonly dropped: number
  /** Clients that were not connected in the end: the run does not count. */
  readonly missing: number
}

export interface Latencies {
  readonly online: Summary
  readonly offline: Summary
  readonly typing: Summary
  /** Of an acknowledged event without any work. */
  readonly echo: Summary
}

/** So far. */
export interface Counts extends Traffic {
  readonly transitions: number
  readonly typings: number
  /** On this process's clock, in milliseconds. */
  readonly at: number
}

export interface GeneratorApi {
  gather(argument: { readonly inFlight: number; readonly timeoutMs: number }): Promise<Gathering>
  startChurn(options: ChurnOptions): void
  startTyping(options: TypingOptions): void
  /** Who begins something from here to `closeWindow` is followed to the end. */
  openWindow(): void
  closeWindow(): void
  counts(): Counts
  /** Begins nothing new, lets everybody come back at their time and everything be quiet. */
  settle(argument: {
    readonly timeoutMs: number
  }): Promise<{ readonly missing: number; readonly dropped: number }>
  latencies(): Latencies
  /** Pairs of clients of which one sees the other otherwise than it is. */
  wrongViews(): number
  leaks(): number
  /** Lag of this process since it was asked last, in milliseconds at the 99th percentile. */
  lag(): number
}

const LAG_RESOLUTION_MS = 2

const options = JSON.parse(process.argv[2] ?? '{}') as GeneratorOptions
const crowd = createCrowd(options)
const churn = createChurn(crowd)
const typing = createTyping(crowd)
const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
delay.enable()

answer<GeneratorApi>({
  gather: ({ inFlight, timeoutMs }) => crowd.gather(inFlight, timeoutMs),
  startChurn: (churnOptions) => churn.start(churnOptions),
  startTyping: (typingOptions) => typing.start(typingOptions),
  openWindow: () => crowd.news.open(),
  closeWindow: () => crowd.news.close(),
  counts: () => ({
    ...crowd.traffic(),
    transitions: churn.transitions,
    typings: typing.changes,
    at: performance.now(),
  }),
  async settle({ timeoutMs }) {
    await Promise.all([churn.end(), typing.end()])
    return crowd.settle(timeoutMs)
  },
  latencies: () => crowd.news.summaries(),
  wrongViews: () => crowd.wrongViews(),
  leaks: () => crowd.leaks(),
  lag() {
    const lagMs = delay.percentile(99) / 1e6 - LAG_RESOLUTION_MS
    delay.reset()
    return Math.max(0, lagMs)
  },
})
