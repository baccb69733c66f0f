/**
 * One recorded history of inputs, played as fast as it goes: the engine and the real outbound run, and what they write goes
 * over TCP to a process that reads it and throws it away, as much of a server's work is that. Plays take turns in one
 * process: between two processes a machine that others use makes more of a difference than what is compared.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket as TcpSocket } from 'node:net'
import { join, resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { SessionId } from '@vigie/protocol'
import { Server, type Socket } from 'socket.io'
import type * as Core from '../../packages/server/dist/core/index.js'
import type * as Metrics from '../../packages/server/dist/host/metrics.js'
import type * as ShellCounts from '../../packages/server/dist/host/shell-counts.js'
import type * as Transitions from '../../packages/server/dist/host/transition-counter.js'
import type * as Auditors from '../../packages/server/dist/socketio/auditor.js'
import type * as Latencies from '../../packages/server/dist/socketio/latency.js'
import type * as Outbounds from '../../packages/server/dist/socketio/outbound.js'
import type * as Recorders from '../../packages/server/dist/trail/recorder.js'
import type { TrailStore } from '../../packages/server/dist/trail/store.js'
import type { Timed } from './history.js'

export interface Build {
  readonly core: typeof Core
  readonly outbound: typeof Outbounds
  /** Undefined: a build without monitoring. */
  readonly monitoring:
    | {
        readonly metrics: typeof Metrics
        readonly shellCounts: typeof ShellCounts
        readonly transitions: typeof Transitions
        readonly latency: typeof Latencies
        readonly auditor: typeof Auditors
      }
    | undefined
  /** Undefined: a build without an audit trail. */
  readonly recorder: typeof Recorders | undefined
}

/** What one play saw. */
export interface Figures {
  readonly writes: number
  readonly bytes: number
  readonly cpuMs: number
  /** Changes whose latency was measured. */
  readonly measured: number
  /** Rows of the audit trail. */
  readonly rows: number
}

export const OURS = fileURLToPath(new URL('../../packages/server/dist/', import.meta.url))
const SCRAPE_MS = 15_000
/** Tells this file, started as a process, to read. */
const READER = '--reader'
/** The users share so many. */
const TCP_CONNECTIONS = 100

export async function load(folder: string): Promise<Build> {
  const path = (name: string) => join(resolve(folder), name)
  const module = async <Module>(name: string) => (await import(pathToFileURL(path(name)).href)) as Module
  const hasMonitoring =
    existsSync(path('host/transition-counter.js')) && existsSync(path('socketio/latency.js'))
  return {
    core: await module<typeof Core>('core/index.js'),
    outbound: await module<typeof Outbounds>('socketio/outbound.js'),
    monitoring: hasMonitoring
      ? {
          metrics: await module<typeof Metrics>('host/metrics.js'),
          shellCounts: await module<typeof ShellCounts>('host/shell-counts.js'),
          transitions: await module<typeof Transitions>('host/transition-counter.js'),
          latency: await module<typeof Latencies>('socketio/latency.js'),
          auditor: await module<typeof Auditors>('socketio/auditor.js'),
        }
      : undefined,
    recorder: existsSync(path('trail/recorder.js'))
      ? await module<typeof Recorders>('trail/recorder.js')
      : undefined,
  }
}

/** Sockets with a WebSocket of ws, whose streams write to `lines` in turn. */
function createSockets(lines: readonly TcpSocket[]) {
  const seen = { writes: 0, bytes: 0 }
  let made = 0
  const streamTo = (line: TcpSocket) => ({
    writable: true,
    writableLength: 0,
    write(chunk: Buffer) {
      seen.writes++
      seen.bytes += chunk.length
      line.write(chunk)
      return true
    },
    cork() {},
    uncork() {},
    destroy() {},
    once() {},
  })
  const streams = lines.map(streamTo)
  const events = { on() {}, once() {}, off() {}, prependOnceListener() {} }
  const socket = () => {
    const transport = {
      ...events,
      name: 'websocket',
      writable: true,
      socket: { _sender: { sendFrame() {} }, _socket: streams[made++ % streams.length] },
    }
    return {
      nsp: { name: '/' },
      conn: { ...events, readyState: 'open', writeBuffer: [], transport, write() {}, close() {} },
    }
  }
  return { seen, socket: () => socket() as unknown as Socket }
}

/** Until what was written has been taken by the kernel. */
async function drained(lines: readonly TcpSocket[]): Promise<void> {
  for (const line of lines) if (line.writableNeedDrain) await once(line, 'drain')
}

/** The auditor of the plugin, beside the rows of a history, and outlets instead of sockets. It has nothing to find. */
function auditorOf(
  { createAuditor }: typeof Auditors,
  audit: Core.Audit,
  inputs: readonly Timed[],
  shell: {
    readonly outlets: ReadonlyMap<SessionId, unknown>
    readonly auditMs: number
    readonly now: () => number
  },
): Auditors.Auditor {
  const roomsOf = new Map<string, Core.KnownRooms>()
  for (const { input } of inputs) if (input.type === 'connect') roomsOf.set(input.userId, input.rooms)
  const held = new Set([...roomsOf.values()].flat())
  const found = (sentence?: unknown) => {
    throw new Error(`The auditor found something: ${String(sentence)}`)
  }
  return createAuditor<object>(
    {
      audit,
      accept: found,
      rows: {
        heldRooms: () => held.values(),
        rooms: (userId) => roomsOf.get(userId),
        pin: found,
        sizes: () => ({ heldRooms: held.size }),
      },
      sockets: {
        *all() {
          for (const sessionId of shell.outlets.keys()) yield { sessionId }
        },
        size: () => shell.outlets.size,
        idOf: (socket) => (socket as { readonly sessionId: SessionId }).sessionId,
        isExpected: () => true,
        cut: found,
        isConnected: (sessionId) => shell.outlets.has(sessionId),
        lose: found,
      },
      rooms: undefined,
    },
    {
      auditMs: shell.auditMs,
      now: shell.now,
      log: { debug() {}, info() {}, warn: found, error: found },
    },
  )
}

/** What is played, on what; with an audit trail if there is a store for it. */
export interface Play {
  readonly build: Build
  readonly inputs: readonly Timed[]
  readonly lines: readonly TcpSocket[]
  readonly trail?: TrailStore
}

export async function play({ build, inputs, lines, trail }: Play): Promise<Figures> {
  const { core, outbound: outbounds, monitoring } = build
  const settings = core.resolveSettings({ windowMs: 20, idleWindowMs: 20 })
  const engine = core.createEngine(settings, '0', { isRecorded: trail !== undefined })
  const startedAt = Date.now()
  const recorder =
    trail &&
    build.recorder?.createRecorder({
      store: trail,
      everything: engine.recorded,
      toWall: (at) => startedAt + at,
      bufferMax: 1_000_000,
      flushMs: settings.trailFlushMs,
      typing: false,
      start: {},
    })
  const sockets = createSockets(lines)
  let now = 0
  const counts = monitoring?.shellCounts.createShellCounts()
  const countTransition = counts && monitoring?.transitions.createTransitionCounter(counts)
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
  const auditor =
    monitoring &&
    auditorOf(monitoring.auditor, engine.audit, inputs, {
      outlets,
      auditMs: settings.auditMs,
      now: () => now,
    })

  async function apply(input: Core.Input): Promise<void> {
    for (const effect of engine.apply(input, now)) {
      if (effect.type === 'due') {
        outbound.writeAll(effect.sessions)
        // The rest goes out in the next turns.
        for (let n = effect.sessions.length; n > outbounds.WRITES_PER_TURN; n -= outbounds.WRITES_PER_TURN)
          await turn()
        await drained(lines)
      } else if (effect.type === 'session' || effect.type === 'rooms') {
        recorder?.recorded(effect)
      } else {
        countTransition?.(effect)
        latency?.changed(effect)
      }
    }
  }

  async function accept(input: Core.Input): Promise<void> {
    if (input.type === 'connect') {
      const socket = sockets.socket()
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
  let auditedAt = 0
  for (const { at, input } of inputs) {
    await wakeUntil(at)
    now = at
    await accept(input)
    if (auditor && at - auditedAt >= auditor.turnMs) {
      auditedAt = at
      auditor.turn()
    }
    if (at - scrapedAt >= SCRAPE_MS) {
      scrapedAt = at
      scrape()
    }
  }
  await wakeUntil((inputs.at(-1)?.at ?? 0) + 10_000)
  await recorder?.close()
  const { user, system } = process.cpuUsage(before)
  const { written = 0, dropped = 0 } = recorder?.counts() ?? {}
  if (dropped > 0) throw new Error(`${dropped} facts are missing in the audit trail.`)
  const measured = Object.values(counts?.publishSeconds ?? {}).reduce((sum, { count }) => sum + count, 0)
  return { ...sockets.seen, cpuMs: (user + system) / 1_000, measured, rows: written }
}

export function collect(): void {
  if (!globalThis.gc)
    throw new Error('Start it with node --expose-gc: garbage is collected before each play.')
  globalThis.gc()
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2
}

/** A process that reads what is written to it, and connections to it. */
export async function openLines() {
  const reader = spawn(process.execPath, [fileURLToPath(import.meta.url), READER], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [port] = (await once(reader.stdout, 'data')) as [Buffer]
  const lines = Array.from({ length: TCP_CONNECTIONS }, () => connect(Number(port), '127.0.0.1'))
  await Promise.all(lines.map((line) => once(line.setNoDelay(), 'connect')))
  return {
    lines,
    close() {
      for (const line of lines) line.destroy()
      reader.stdin.end()
    },
  }
}

/** Reads and throws away; ends with its parent. */
async function read(): Promise<void> {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
  process.stdin.resume().on('end', () => process.exit())
}

if (process.argv.includes(READER)) await read()
