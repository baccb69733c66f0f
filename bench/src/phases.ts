/** What is done to a subject, and what is measured: each phase gives figures, by name. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Arena } from './arena.js'
import type { ChurnOptions } from './churn.js'
import type { Latencies } from './generator.js'
import type { Memory } from './server.js'

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
export async function storm({ server, generator, world }: Arena): Promise<Figures> {
  const memoryBefore = await server.ask('memory')
  await generator.ask('lag')
  const before = await server.ask('usage')
  const gathering = await generator.ask('gather', { inFlight: IN_FLIGHT, timeoutMs: GATHER_TIMEOUT_MS })
  const after = await server.ask('usage')
  const lagMs = await generator.ask('lag')
  if (gathering.missing > 0) throw new Void(`${gathering.missing} clients were not connected in the end`)
  const { frames, bytes } = await generator.ask('traffic')
  await sleep(REST_MS)
  return {
    connectedMs: gathering.connectedMs,
    settledMs: gathering.settledMs,
    cpuMs: after.cpuMs - before.cpuMs,
    frames,
    bytes,
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

/** People go and come back, `rate` times a second together. */
export async function churn(arena: Arena, options: ChurnOptions, times: WindowTimes): Promise<Figures> {
  const { generator } = arena
  await generator.ask('startChurn', options)
  const { per, latencies, ...rest } = await measure(arena, times, 'transitions')
  return {
    rate: options.rate,
    ...rest,
    ...per,
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

/** People start and stop typing, `rate` times a second together. */
export async function typing(arena: Arena, rate: number, times: WindowTimes): Promise<Figures> {
  await arena.generator.ask('startTyping', { rate })
  const { per, latencies, ...rest } = await measure(arena, times, 'typings')
  return {
    rate,
    ...rest,
    ...per,
    typingP50: latencies.typing.p50,
    typingP99: latencies.typing.p99,
    typingMax: latencies.typing.max,
    echoP99: latencies.echo.p99,
  }
}

async function measure(
  { server, generator }: Arena,
  { warmMs, measureMs }: WindowTimes,
  what: 'transitions' | 'typings',
) {
  await sleep(warmMs)
  await generator.ask('lag')
  await server.ask('lag')
  const before = await server.ask('usage')
  await generator.ask('openWindow')
  await sleep(measureMs)
  const window = await generator.ask('closeWindow')
  const after = await server.ask('usage')
  const [generatorLagMs, serverLagMs] = [await generator.ask('lag'), await server.ask('lag')]
  const { missing, dropped } = await generator.ask('settle', { timeoutMs: SETTLE_TIMEOUT_MS })
  if (missing > 0) throw new Void(`${missing} clients were not connected in the end`)
  const latencies: Latencies = await generator.ask('latencies')
  const changes = Math.max(1, window[what])
  return {
    changes: window[what],
    achievedRate: window[what] / window.seconds,
    per: {
      frames: window.frames / changes,
      bytes: window.bytes / changes,
      writes: (after.writes - before.writes) / changes,
      cpuMs: (after.cpuMs - before.cpuMs) / changes,
      queries: (after.reads - before.reads) / changes,
    },
    cpuShare: (after.cpuMs - before.cpuMs) / (window.seconds * 1_000),
    waitedShare: Math.max(0, after.waitedMs - before.waitedMs) / (window.seconds * 1_000),
    dropped,
    wrongViews: await generator.ask('wrongViews'),
    leaks: await generator.ask('leaks'),
    generatorLagMs,
    serverLagMs,
    latencies,
  }
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
    figures = await churn(arena, options, LIMIT_TIMES)
    const { achievedRate = 0, offlineP99 = Infinity } = figures
    if (achievedRate >= rate * REACHED && offlineP99 <= LIMIT_P99_MS) return { isReached: true, figures }
  }
  return { isReached: false, figures }
}
