/** What is done to a subject, and what is measured: each phase gives figures, by name. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Arena } from './arena.js'
import type { ChurnOptions } from './churn.js'
import type { Counts, Latencies } from './generator.js'
import type { Memory, Usage } from './server.js'

/** Figures by name. Times in milliseconds, sizes in bytes. */
export type Figures = Readonly<Record<string, number>>

/** Handshakes at a time, as fast as they go. */
const IN_FLIGHT = 500
const GATHER_TIMEOUT_MS = 240_000
const SETTLE_TIMEOUT_MS = 60_000
/**
 * Everything has come to rest, what a subject keeps for a storm is let go of, and garbage of the storm is not charged to
 * what follows.
 */
const REST_MS = 4_000
/** Above this the generator was not in time to say what the server did. */
export const LAG_MAX_MS = 20
/** Above this part of the time, others had the server's processor: latencies are theirs, not the server's. */
export const WAITED_MAX = 0.1

/** A run that does not count, with the reason. */
export class Void extends Error {}

/** Everybody connects at once. */
export async function storm(arena: Arena): Promise<Figures> {
  const { server, generator, world } = arena
  const memoryBefore = await server.ask('memory')
  await generator.ask('lag')
  const before = await tally(arena)
  const gathering = await generator.ask('gather', { inFlight: IN_FLIGHT, timeoutMs: GATHER_TIMEOUT_MS })
  const after = await tally(arena)
  const lagMs = await generator.ask('lag')
  if (gathering.missing > 0) throw new Void(`${gathering.missing} clients were not connected in the end`)
  await sleep(REST_MS)
  return {
    connectedMs: gathering.connectedMs,
    settledMs: gathering.settledMs,
    cpuMs: after.cpuMs - before.cpuMs,
    frames: after.frames - before.frames,
    bytes: after.bytes - before.bytes,
    writes: after.writes - before.writes,
    queries: after.reads - before.reads,
    feedPolls: after.feed - before.feed,
    refused: gathering.refused,
    dropped: gathering.dropped,
    wrongViews: await generator.ask('wrongViews'),
    leaks: await generator.ask('leaks'),
    ...perConnection(memoryBefore, await server.ask('memory'), world.users),
    waitedShare: Math.max(0, after.waitedMs - before.waitedMs) / Math.max(1, gathering.settledMs),
    generatorLagMs: lagMs,
  }
}

function perConnection(before: Memory, after: Memory, connections: number): Figures {
  return {
    heapBytes: (after.heapBytes - before.heapBytes) / connections,
    rssBytes: (after.rssBytes - before.rssBytes) / connections,
  }
}

/** Times of a phase with a window in it. */
export interface WindowTimes {
  readonly warmMs: number
  readonly measureMs: number
}

/** What two moments of a run are compared by. */
type Tally = Usage & Counts

/** People go and come back, `rate` times a second together. `idleMs`: see {@link measure}. */
export async function churn(
  arena: Arena,
  options: ChurnOptions,
  times: WindowTimes,
  idleMs = 0,
): Promise<Figures> {
  const { latencies, ...rest } = await measure(arena, churnAt(arena, options), times, 'transitions', idleMs)
  return {
    rate: options.rate,
    ...rest,
    onlineP50: latencies.online.p50,
    onlineP99: latencies.online.p99,
    onlineMax: latencies.online.max,
    offlineP50: latencies.offline.p50,
    offlineP99: latencies.offline.p99,
    offlineMax: latencies.offline.max,
    offlineSamples: latencies.offline.samples,
    echoP99: latencies.echo.p99,
  }
}

const churnAt =
  ({ generator }: Arena, options: ChurnOptions) =>
  () =>
    generator.ask('startChurn', options)

/** People start and stop typing, `rate` times a second together. */
export async function typing(arena: Arena, rate: number, times: WindowTimes): Promise<Figures> {
  const start = () => arena.generator.ask('startTyping', { rate })
  const { latencies, ...rest } = await measure(arena, start, times, 'typings')
  return {
    rate,
    ...rest,
    typingP50: latencies.typing.p50,
    typingP99: latencies.typing.p99,
    typingMax: latencies.typing.max,
    echoP99: latencies.echo.p99,
  }
}

/**
 * What each change costs, from quiet to quiet: a server that falls behind does the rest of its work after the window,
 * and that is part of the cost, too.
 *
 * @param idleMs For so long it is looked first what the server uses while nothing changes; 0: not at all.
 */
async function measure(
  arena: Arena,
  start: () => Promise<void>,
  times: WindowTimes,
  what: 'transitions' | 'typings',
  idleMs = 0,
) {
  const { generator } = arena
  const idleFrom = await tally(arena)
  await sleep(idleMs)
  const before = await tally(arena)
  const { latencies, ...rest } = await press(arena, start, times, what)
  const after = await tally(arena)
  const changes = Math.max(1, after[what] - before[what])
  const idleShare = (before.cpuMs - idleFrom.cpuMs) / Math.max(1, before.at - idleFrom.at)
  const cpuMs = after.cpuMs - before.cpuMs
  return {
    changes,
    ...rest,
    frames: (after.frames - before.frames) / changes,
    bytes: (after.bytes - before.bytes) / changes,
    writes: (after.writes - before.writes) / changes,
    cpuMs: cpuMs / changes,
    ...(idleMs > 0 && { idleShare, aboveIdleMs: (cpuMs - idleShare * (after.at - before.at)) / changes }),
    queries: (after.reads - before.reads) / changes,
    wrongViews: await generator.ask('wrongViews'),
    leaks: await generator.ask('leaks'),
    latencies,
  }
}

/** Puts the load on, watches for a while, and lets everything come to rest. */
async function press(
  arena: Arena,
  start: () => Promise<void>,
  { warmMs, measureMs }: WindowTimes,
  what: 'transitions' | 'typings',
) {
  const { server, generator } = arena
  await start()
  await sleep(warmMs)
  await generator.ask('lag')
  await server.ask('lag')
  const opened = await tally(arena)
  await generator.ask('openWindow')
  await sleep(measureMs)
  await generator.ask('closeWindow')
  const closed = await tally(arena)
  const [generatorLagMs, serverLagMs] = [await generator.ask('lag'), await server.ask('lag')]
  const { missing, dropped } = await generator.ask('settle', { timeoutMs: SETTLE_TIMEOUT_MS })
  if (missing > 0) throw new Void(`${missing} clients were not connected in the end`)
  const latencies: Latencies = await generator.ask('latencies')
  const windowMs = closed.at - opened.at
  return {
    achievedRate: (closed[what] - opened[what]) / (windowMs / 1_000),
    cpuShare: (closed.cpuMs - opened.cpuMs) / windowMs,
    waitedShare: Math.max(0, closed.waitedMs - opened.waitedMs) / windowMs,
    dropped,
    generatorLagMs,
    serverLagMs,
    latencies,
  }
}

async function tally({ server, generator }: Arena): Promise<Tally> {
  return { ...(await server.ask('usage')), ...(await generator.ask('counts')) }
}

/** Rates that are tried, transitions a second. */
const RATES = [
  20, 24, 29, 35, 42, 50, 60, 70, 85, 100, 120, 140, 170, 200, 240, 280, 340, 400, 480, 560, 670, 800, 960,
  1_120,
]
/** As long as it takes until the server's garbage is collected whole: in a short window that is all, or nothing. */
const LIMIT_TIMES: WindowTimes = { warmMs: 2_500, measureMs: 20_000 }
const LIMIT_AWAY_MS = 1_000
/** The promise of the seed for conversations. */
const LIMIT_P99_MS = 100
/** Below this part of what was asked for, the rate was not reached. */
const REACHED = 0.95

/** The highest rate at which the 99th percentile of offline news stays within 100 ms. */
export async function limit(arena: Arena): Promise<Figures> {
  let reached: Figures = { limitRate: 0 }
  // Each leave and return of everybody within some seconds is as much as anybody could ask for.
  for (const rate of RATES.filter((each) => each <= arena.world.users / 4)) {
    const { isReached, figures } = await attempt(arena, rate)
    const { cpuShare = 0, offlineP99 = 0, waitedShare = 0, generatorLagMs = 0 } = figures
    // Where it ends for another reason than the server's, the row must say so.
    if (!isReached) return { ...reached, waitedShare, generatorLagMs }
    reached = { limitRate: rate, limitCpuShare: cpuShare, limitP99: offlineP99, waitedShare, generatorLagMs }
  }
  return { ...reached, isEndOfScale: 1 }
}

/** Twice: one long collection of garbage elsewhere on the machine is no limit. */
async function attempt(arena: Arena, rate: number): Promise<{ isReached: boolean; figures: Figures }> {
  const options: ChurnOptions = { rate, lossShare: 0, awayMs: LIMIT_AWAY_MS, graceMs: 0 }
  let figures: Figures = {}
  for (let tries = 0; tries < 2; tries++) {
    const { latencies, ...rest } = await press(arena, churnAt(arena, options), LIMIT_TIMES, 'transitions')
    const offlineP99 = latencies.offline.p99
    figures = { ...rest, offlineP99 }
    if (rest.achievedRate >= rate * REACHED && offlineP99 <= LIMIT_P99_MS) return { isReached: true, figures }
  }
  return { isReached: false, figures }
}
