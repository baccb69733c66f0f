import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { HostGlance, HostileHostOptions, HostileOrder, HostMeasure } from './hostile-server.js'
import type { WatcherOptions, WatchReport } from './hostile-watcher.js'
import { startProcess, type StartedProcess } from './process.js'

export type { HostGlance, HostMeasure } from './hostile-server.js'
export type { WatchReport } from './hostile-watcher.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** The process is loaded with other work when a system test runs; a loop that is frozen stays so. */
const ORDER_TIMEOUT_MS = 20_000

/** A host with presence in a process of its own. Disposing kills it. */
export interface HostileHost extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly process: StartedProcess
  /** @throws Error when the host does not answer. */
  measure(): Promise<HostMeasure>
  glance(): Promise<HostGlance>
  setRow(room: string, userId: string, isMember: boolean): Promise<void>
  shout(userId: string, bytes: number): Promise<void>
  /** Resolves once the host has answered a request as anybody may make it. */
  here(): Promise<void>
}

export async function startHostileHost(options: HostileHostOptions): Promise<HostileHost> {
  const child = startTypeScript('hostile-server.ts', { HOSTILE_HOST: JSON.stringify(options) })
  const [, port = '', controlPort = ''] = await child.waitForLine(/^listening (\d+) (\d+)$/u)
  const url = `http://127.0.0.1:${port}`
  const order = async (what: HostileOrder): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${controlPort}`, {
      method: 'POST',
      body: JSON.stringify(what),
      signal: AbortSignal.timeout(ORDER_TIMEOUT_MS),
    })
    if (!response.ok) throw new Error(`The host could not "${what.do}": ${await response.text()}`)
    return response.json()
  }
  return {
    port: Number(port),
    url,
    process: child,
    measure: async () => (await order({ do: 'measure' })) as HostMeasure,
    glance: async () => (await order({ do: 'glance' })) as HostGlance,
    setRow: async (room, userId, isMember) => {
      await order({ do: 'row', room, userId, isMember })
    },
    shout: async (userId, bytes) => {
      await order({ do: 'shout', userId, bytes })
    },
    here: async () => {
      const response = await fetch(`${url}/here`, { signal: AbortSignal.timeout(ORDER_TIMEOUT_MS) })
      await response.text()
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}

/** Two ordinary clients and a questioner of HTTP, in a process of their own. */
export interface Watcher extends AsyncDisposable {
  readonly process: StartedProcess
  /** Lines about what was slow, so far. */
  slow(): readonly string[]
  /** Ends it. */
  report(): Promise<WatchReport>
}

export async function startWatcher(options: WatcherOptions): Promise<Watcher> {
  const child = startTypeScript('hostile-watcher.ts', { HOSTILE_WATCHER: JSON.stringify(options) })
  await child.waitForLine(/^watching$/u)
  return {
    process: child,
    slow: () => child.lines.filter((line) => line.startsWith('slow ')),
    async report() {
      child.write('stop')
      const [, report = ''] = await child.waitForLine(/^report (.*)$/u)
      return JSON.parse(report) as WatchReport
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}

/** Starts a file of this folder as a program. Its imports are found from the repository's root. */
function startTypeScript(file: string, env: Readonly<Record<string, string>>): StartedProcess {
  const source = readFileSync(new URL(file, import.meta.url), 'utf8')
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
  })
  return startProcess(['--expose-gc', '--input-type=module', '-e', outputText], { cwd: ROOT, env })
}
