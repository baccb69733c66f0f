/** The server process: one subject on a Socket.IO server of its own. `node server.js <subject> <database url>` */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import postgres from 'postgres'
import { processorMs, serverOnNode, serverOnUws } from './listen.js'
import { startProfile, type Profile } from './profile.js'
import { answer } from './remote.js'
import { attachFloor } from './subjects/floor.js'
import { attachSeed } from './subjects/seed.js'
import type { Attach, SubjectName } from './subjects/subject.js'
import { attachVigie } from './subjects/vigie.js'

const DATABASE_CONNECTIONS = 10
const LAG_RESOLUTION_MS = 5

/** What the process has used since it started. */
export interface Usage {
  /** Processor time, user and system, in milliseconds. */
  readonly cpuMs: number
  /** How long it could have run while another process had its processor; 0 where the system does not tell. */
  readonly waitedMs: number
  /** System calls that write; 0 where the system does not tell. */
  readonly writes: number
  readonly reads: number
  readonly feed: number
}

export interface Memory {
  readonly heapBytes: number
  readonly rssBytes: number
}

export interface ServerApi {
  start(): Promise<number>
  usage(): Usage
  /** After a full collection of garbage. */
  memory(): Promise<Memory>
  /** Lag of its event loop at the 99th percentile since the last time it was asked, in milliseconds. */
  lag(): number
  startProfile(): Promise<void>
  /** Where the processor time and the memory went. */
  stopProfile(): Promise<Profile | undefined>
}

const ATTACH: Readonly<Record<SubjectName, Attach>> = {
  floor: attachFloor,
  seed: (io, sql) => attachSeed(io, sql, false),
  'seed-picture': (io, sql) => attachSeed(io, sql, true),
  'vigie-1': attachVigie,
  'vigie-2': attachVigie,
  'vigie-2-uws': attachVigie,
}

const [name, databaseUrl = ''] = process.argv.slice(2)
const { io, listen } = name === 'vigie-2-uws' ? serverOnUws() : serverOnNode()
const sql = postgres(databaseUrl, { max: DATABASE_CONNECTIONS, onnotice: () => {} })
const subject = ATTACH[name as SubjectName](io, sql)
// The noise of the run: what an answer takes that asks nothing of anybody.
io.on('connection', (socket) => {
  socket.on('echo', (acknowledge: () => void) => acknowledge())
})

const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
delay.enable()
let profile: Awaited<ReturnType<typeof startProfile>> | undefined

answer<ServerApi>({
  async start() {
    await subject.ready
    return listen()
  },
  usage() {
    return {
      cpuMs: processorMs(),
      waitedMs: waitedMs(),
      writes: numberIn('/proc/self/io', /^syscw: (\d+)$/mu),
      ...subject.queries(),
    }
  },
  async memory() {
    // Twice: what the first one finalises, the second one frees.
    global.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
    global.gc?.()
    const { heapUsed, rss, external } = process.memoryUsage()
    return { heapBytes: heapUsed + external, rssBytes: rss }
  },
  lag() {
    const lagMs = delay.percentile(99) / 1e6 - LAG_RESOLUTION_MS
    delay.reset()
    return Math.max(0, lagMs)
  },
  async startProfile() {
    profile = await startProfile()
  },
  stopProfile: async () => profile?.stop(),
})

/** Not for its own other threads, which collect its garbage on the same processor. */
function waitedMs(): number {
  const tasks = '/proc/self/task'
  if (!existsSync(tasks)) return 0
  let ownMs = 0
  for (const task of readdirSync(tasks)) {
    if (task !== String(process.pid)) ownMs += numberIn(`${tasks}/${task}/schedstat`, /^(\d+)/u) / 1e6
  }
  return numberIn('/proc/self/schedstat', /^\d+ (\d+)/u) / 1e6 - ownMs
}

function numberIn(path: string, pattern: RegExp): number {
  return existsSync(path) ? Number(pattern.exec(readFileSync(path, 'utf8'))?.[1] ?? 0) : 0
}
