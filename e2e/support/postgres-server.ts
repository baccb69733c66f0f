import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startProcess, type StartedProcess } from './process.js'

const EMBEDDED = fileURLToPath(new URL('../../apps/vigie/dist/embedded-postgres.js', import.meta.url))

/** A PostgreSQL that can be killed, paused and started again on the same port and data. Disposing ends it for good. */
export interface PostgresServer extends AsyncDisposable {
  readonly url: string
  /** kill -9 of the server, and of whoever would start it again. */
  kill(): Promise<void>
  /** Starts it again after {@link PostgresServer.kill}. */
  start(): Promise<void>
  /** Every process of it stops where it is: connections stay open, new ones are accepted, nobody answers. */
  pause(): Promise<void>
  resume(): Promise<void>
}

/** Keeps one PostgreSQL running until it is told to end; prints its address and folder. */
const KEEPER = `
const { startEmbeddedPostgres } = await import(process.env.EMBEDDED)
const log = { debug() {}, info() {}, warn: console.error, error: console.error }
const postgres = await startEmbeddedPostgres({
  dataDir: process.env.DATA, log, ...(process.env.DATA_PORT && { port: Number(process.env.DATA_PORT) }),
})
console.log(JSON.stringify({ url: postgres.url, folder: postgres.folder }))
process.once('SIGTERM', () => postgres.close())
`

interface Running {
  readonly keeper: StartedProcess
  readonly url: string
  readonly pid: number
}

/**
 * Starts a PostgreSQL of the test's own, in processes of its own.
 *
 * @example
 * await using postgres = await startPostgresServer()
 * await postgres.pause() // a database that hangs
 */
export async function startPostgresServer(): Promise<PostgresServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'vigie-postgres-'))
  await chmod(dataDir, 0o755)
  const start = async (port: string): Promise<Running> => {
    const keeper = startProcess(['--input-type=module', '-e', KEEPER], {
      env: { EMBEDDED: pathToFileURL(EMBEDDED).href, DATA: dataDir, DATA_PORT: port },
    })
    try {
      const [line] = await keeper.waitForLine(/^\{"url".*/u)
      const { url, folder } = JSON.parse(line) as { url: string; folder: string }
      return { keeper, url, pid: await postmasterOf(folder) }
    } catch (error) {
      await keeper.kill('SIGKILL')
      throw error
    }
  }
  let running = await start('')
  // Each process is in a group of its own. Only the first makes new ones, and collects those that have ended: while
  // it is paused, the list of the others stays as it is.
  const pause = async () => {
    process.kill(running.pid, 'SIGSTOP')
    for (const child of await childrenOf(running.pid)) process.kill(child, 'SIGSTOP')
  }
  const resume = async () => {
    for (const child of await childrenOf(running.pid)) process.kill(child, 'SIGCONT')
    process.kill(running.pid, 'SIGCONT')
  }
  return {
    get url() {
      return running.url
    },
    async kill() {
      await running.keeper.kill('SIGKILL')
      process.kill(running.pid, 'SIGKILL')
    },
    async start() {
      running = await start(new URL(running.url).port)
    },
    pause,
    resume,
    async [Symbol.asyncDispose]() {
      // It must run to be ended; and when it was never paused, going on is nothing to it.
      if (await isRunning(running.pid)) {
        process.kill(running.pid, 'SIGSTOP')
        await resume()
      }
      await running.keeper.kill('SIGTERM')
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** The process id of the PostgreSQL that runs on `folder`. */
export async function postmasterOf(folder: string): Promise<number> {
  const [pid = ''] = (await readFile(join(folder, 'postmaster.pid'), 'utf8')).split('\n')
  return Number(pid)
}

/** The children of a process, by Linux's own list. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return list.split(' ').filter(Boolean).map(Number)
}

/** Whether there is such a process. One that has ended, and only waits to be collected by its parent, is none. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH'].includes(String(error.code))) return
    throw error
  })
  // The name comes before the state, in brackets, and may hold anything.
  return stat !== undefined && stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z'
}
