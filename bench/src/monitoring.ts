/**
 * What monitoring costs: two builds of the server on the same recorded history of inputs, in interleaved pairs of
 * processes. The other build is one without monitoring:
 *
 *   node bench/dist/monitoring.js --against <folder of another build's packages/server/dist> [--users N] [--pairs N]
 *
 * The engine and the real outbound run, up to the stream under each WebSocket, which throws away what is written: system
 * calls would only make the share of monitoring smaller. A build that has metrics counts as the plugin does, follows its
 * sample of changes, and is scraped every 15 seconds of the history.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { SessionId } from '@vigie/protocol'
import { Server, type Socket } from 'socket.io'
import type * as Core from '../../packages/server/dist/core/index.js'
import type * as Metrics from '../../packages/server/dist/host/metrics.js'
import type * as Latencies from '../../packages/server/dist/socketio/latency.js'
import type * as Outbounds from '../../packages/server/dist/socketio/outbound.js'
import { history, type Timed } from './history.js'

interface Build {
  readonly core: typeof Core
  readonly outbound: typeof Outbounds
  /** Undefined: a build without monitoring. */
  readonly monitoring: { readonly metrics: typeof Metrics; readonly latency: typeof Latencies } | undefined
}

/** What one process saw. */
interface Figures {
  readonly writes: number
  readonly bytes: number
  readonly cpuMs: number
  /** Changes whose latency was measured. */
  readonly measured: number
}

const OURS = fileURLToPath(new URL('../../packages/server/dist/', import.meta.url))
const SCRAPE_MS = 15_000

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    users: { type: 'string', default: '10000' },
    pairs: { type: 'string', default: '10' },
    /** For the processes that this one starts. */
    build: { type: 'string' },
  },
})

async function load(folder: string): Promise<Build> {
  const path = (name: string) => join(resolve(folder), name)
  const module = async <Module>(name: string) => (await import(pathToFileURL(path(name)).href)) as Module
  const hasMonitoring = existsSync(path('host/metrics.js')) && existsSync(path('socketio/latency.js'))
  return {
    core: await module<typeof Core>('core/index.js'),
    outbound: await module<typeof Outbounds>('socketio/outbound.js'),
    monitoring: hasMonitoring
      ? {
          metrics: await module<typeof Metrics>('host/metrics.js'),
          latency: await module<typeof Latencies>('socketio/latency.js'),
        }
      : undefined,
  }
}

/** A WebSocket of ws whose stream takes everything. */
function createSink() {
  const seen = { writes: 0, bytes: 0 }
  const stream = {
    writable: true,
    writableLength: 0,
    write(chunk: Buffer) {
      seen.writes++
      seen.bytes += chunk.length
      return true
    },
    cork() {},
    uncork() {},
    destroy() {},
    once() {},
  }
  const events = { on() {}, once() {}, off() {}, prependOnceListener() {} }
  const transport = {
    ...events,
    name: 'websocket',
    writable: true,
    socket: { _sender: { sendFrame() {} }, _socket: stream },
  }
  const socket = () => ({
    nsp: { name: '/' },
    conn: { ...events, readyState: 'open', writeBuffer: [], transport, write() {}, close() {} },
  })
  return { seen, socket: () => socket() as unknown as Socket }
}

async function play(
  { core, outbound: outbounds, monitoring }: Build,
  inputs: readonly Timed[],
): Promise<Figures> {
  const engine = core.createEngine(core.resolveSettings({ windowMs: 20, idleWindowMs: 20 }))
  const sink = createSink()
  let now = 0
  const counts = monitoring?.metrics.createShellCounts()
  const countTransition = counts && monitoring?.metrics.createTransitionCounter(counts)
  const latency =
    counts &&
    monitoring?.latency.createLatency({
      clock: () => performance.now(),
      now: () => now,
      viewers: engine.pendingViewers,
      members: engine.pendingMembers,
      counts,
    })
  const outbound = outbounds.createOutbound({
    server: new Server(),
    take: (session) => engine.take(session, now),
    emit: true,
    stalledClientMs: 60_000,
    now: () => now,
    ...(counts && latency && { counts, onFollowed: latency.written }),
    onFailure(_session, error) {
      throw error
    },
    onLacking(parts) {
      throw new Error(parts)
    },
  })
  const outlets = new Map<SessionId, Outbounds.Outlet>()

  async function apply(input: Core.Input): Promise<void> {
    for (const effect of engine.apply(input, now)) {
      if (effect.type === 'due') {
        outbound.writeAll(effect.sessions)
        // The rest goes out in the next turns.
        for (let n = effect.sessions.length; n > outbounds.WRITES_PER_TURN; n -= outbounds.WRITES_PER_TURN)
          await turn()
      } else {
        countTransition?.(effect)
        latency?.changed(effect)
      }
    }
  }

  async function accept(input: Core.Input): Promise<void> {
    if (input.type === 'connect') {
      const socket = sink.socket()
      const arrivedAt = latency?.arrived(socket)
      const outlet = outbound.open(socket)
      outlets.set(input.sessionId, outlet)
      latency?.connects(socket, input.userId, arrivedAt ?? 0, outlet)
      await apply({ ...input, outlet })
      latency?.connected()
      return
    }
    if (input.type === 'disconnected') {
      const outlet = outlets.get(input.sessionId)
      if (outlet) outbound.end(outlet)
      outlets.delete(input.sessionId)
    }
    await apply(input)
  }

  async function wakeUntil(at: number): Promise<void> {
    for (let next = engine.nextDeadline(); next !== undefined && next <= at; next = engine.nextDeadline()) {
      now = next
      await apply({ type: 'wake' })
    }
  }

  function scrape(): void {
    if (!counts || !monitoring) return
    const { NOTHING_MEASURED, readMetrics } = monitoring.metrics
    readMetrics({
      ...NOTHING_MEASURED,
      counts,
      core: engine.counts(),
      census: engine.census(),
      connections: { transports: Array.from(outlets, () => 'websocket'), blocked: 0, refusalsHeld: 0 },
      now,
    })
  }

  const before = process.cpuUsage()
  let scrapedAt = 0
  for (const { at, input } of inputs) {
    await wakeUntil(at)
    now = at
    await accept(input)
    if (at - scrapedAt < SCRAPE_MS) continue
    scrapedAt = at
    scrape()
  }
  await wakeUntil((inputs.at(-1)?.at ?? 0) + 10_000)
  const { user, system } = process.cpuUsage(before)
  const measured = Object.values(counts?.publishSeconds ?? {}).reduce((sum, { count }) => sum + count, 0)
  return { ...sink.seen, cpuMs: (user + system) / 1_000, measured }
}

function inProcess(folder: string): Figures {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [fileURLToPath(import.meta.url), '--build', folder, '--users', values.users],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Figures
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2
}

async function main(): Promise<void> {
  const { build, against, users, pairs } = values
  if (build !== undefined) {
    process.stdout.write(JSON.stringify(await play(await load(build), history(Number(users)))))
    return
  }
  if (against === undefined) throw new Error('--against names the dist folder of a build without monitoring.')
  const ratios: number[] = []
  const print = (name: string, { writes, bytes, cpuMs, measured }: Figures) => {
    process.stdout.write(
      `${name}  ${writes} writes  ${bytes} bytes  ${cpuMs.toFixed(0)} ms  ${measured} measured\n`,
    )
  }
  for (let pair = 0; pair < Number(pairs); pair++) {
    const inTurn = pair % 2 === 0 ? [against, OURS] : [OURS, against]
    const [first, second] = inTurn.map(inProcess) as [Figures, Figures]
    const [off, on] = pair % 2 === 0 ? [first, second] : [second, first]
    print('off', off)
    print('on ', on)
    if (on.writes !== off.writes || on.bytes !== off.bytes)
      throw new Error('The two builds write something else.')
    ratios.push(on.cpuMs / off.cpuMs)
  }
  process.stdout.write(
    `Processor time, on to off: median ${median(ratios).toFixed(3)} of ${ratios.map((ratio) => ratio.toFixed(3)).join(' ')}\n`,
  )
}

await main()
