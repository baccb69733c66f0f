/**
 * Two builds of the engine on the same recorded history of inputs, in interleaved pairs of processes:
 *
 *   node bench/dist/replay.js --against <folder of another build's core> [--users N] [--pairs N]
 *
 * The history is a storm, in which everybody comes in no order while windows are wide, and then churn: people who go and
 * come back. Each build has the same inputs at the same times, and every session that is due is taken at once.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { SessionId } from '@vigie/protocol'
import type {
  createEngine,
  Input,
  PresenceEvent,
  resolveSettings,
} from '../../packages/server/dist/core/index.js'
import { history, type Timed } from './history.js'

interface Core {
  readonly createEngine: typeof createEngine
  readonly resolveSettings: typeof resolveSettings
}

/** What one process saw. */
interface Figures {
  readonly frames: number
  readonly bytes: number
  readonly cpuMs: number
  readonly heapBytesPerSession: number
  /** Of all that each session was told in the end: both builds must show everybody the same. */
  readonly pictures: string
}

const OURS = fileURLToPath(new URL('../../packages/server/dist/core/', import.meta.url))
const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    users: { type: 'string', default: '10000' },
    pairs: { type: 'string', default: '10' },
    /** For the processes that this one starts. */
    core: { type: 'string' },
  },
})

/** Plays the history. Everything that is due is taken at once, and handed to `receive`. */
function play(
  { createEngine, resolveSettings }: Core,
  inputs: readonly Timed[],
  receive: (sessionId: string, event: PresenceEvent) => void,
) {
  // Windows are compared by windows.ts; here both builds have the same.
  const engine = createEngine(resolveSettings({ windowMs: 20, idleWindowMs: 20 }))
  const apply = (input: Input, now: number) => {
    for (const effect of engine.apply(input, now)) {
      if (effect.type !== 'due') continue
      for (const session of effect.sessions)
        for (const event of engine.take(session, now)) receive(session.id, event)
    }
  }
  const wakeUntil = (at: number) => {
    for (let next = engine.nextDeadline(); next !== undefined && next <= at; next = engine.nextDeadline())
      apply({ type: 'wake' }, next)
  }
  for (const { at, input } of inputs) {
    wakeUntil(at)
    apply(input, at)
  }
  wakeUntil((inputs.at(-1)?.at ?? 0) + 10_000)
  return engine
}

async function replay(folder: string, users: number): Promise<Figures> {
  const core = (await import(pathToFileURL(join(resolve(folder), 'index.js')).href)) as Core
  const inputs = history(users)
  collect()
  const heapBefore = process.memoryUsage().heapUsed
  const cpuBefore = process.cpuUsage()
  let frames = 0
  const engine = play(core, inputs, () => {
    frames++
  })
  const { user, system } = process.cpuUsage(cpuBefore)
  collect()
  const heapBytes = process.memoryUsage().heapUsed - heapBefore
  return {
    frames,
    cpuMs: (user + system) / 1_000,
    heapBytesPerSession: heapBytes / Math.max(1, engine.sizes().sessions),
    ...whatWasTold(core, inputs),
  }
}

/** Not timed: what everybody is shown in the end, and how many bytes said it. */
function whatWasTold(core: Core, inputs: readonly Timed[]): Pick<Figures, 'bytes' | 'pictures'> {
  const pictures = new Map<string, Map<string, number>>()
  let bytes = 0
  const engine = play(core, inputs, (sessionId, event) => {
    bytes += JSON.stringify(event.payload).length
    if (event.name !== 'presence:state' && event.name !== 'presence:diff') return
    const picture =
      event.name === 'presence:state'
        ? new Map<string, number>()
        : (pictures.get(sessionId) ?? new Map<string, number>())
    for (const [userId, count] of event.payload.users ?? []) picture.set(userId, count)
    pictures.set(sessionId, picture)
  })
  const hash = createHash('sha256')
  for (const [id, picture] of [...pictures].sort()) {
    // One that has ended was told no more.
    if (engine.placesOf(id as SessionId).length === 0) continue
    const online = [...picture].filter(([, count]) => count > 0)
    hash.update(`${id} ${online.sort().join(' ')}\n`)
  }
  return { bytes, pictures: hash.digest('hex') }
}

/** Started with `--expose-gc`. */
function collect(): void {
  ;(globalThis as unknown as { gc(): void }).gc()
}

function inProcess(folder: string): Figures {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--expose-gc', fileURLToPath(import.meta.url), '--core', folder, '--users', values.users],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Figures
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

async function main(): Promise<void> {
  const { core, against, users, pairs } = values
  if (core !== undefined) {
    process.stdout.write(JSON.stringify(await replay(core, Number(users))))
    return
  }
  if (against === undefined) throw new Error('--against names the folder of the other build’s core.')
  const ratios: number[] = []
  const print = (name: string, { frames, bytes, cpuMs, heapBytesPerSession, pictures }: Figures) => {
    process.stdout.write(
      `${name}  ${frames} frames  ${bytes} bytes  ${cpuMs.toFixed(0)} ms  ` +
        `${heapBytesPerSession.toFixed(0)} bytes of heap a session  ${pictures.slice(0, 8)}\n`,
    )
  }
  for (let pair = 0; pair < Number(pairs); pair++) {
    const inTurn = pair % 2 === 0 ? [against, OURS] : [OURS, against]
    const [first, second] = inTurn.map(inProcess) as [Figures, Figures]
    const [other, ours] = pair % 2 === 0 ? [first, second] : [second, first]
    print('other', other)
    print('ours ', ours)
    ratios.push(ours.cpuMs / other.cpuMs)
    if (ours.pictures !== other.pictures) throw new Error('The two builds show people something else.')
  }
  process.stdout.write(
    `Processor time, ours to the other: median ${median(ratios).toFixed(3)} of ${ratios.map((ratio) => ratio.toFixed(3)).join(' ')}\n`,
  )
}

await main()
