import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Log } from '@vigie/server'
import { absent } from './run-as.js'

/** How long a server may take over a fast shutdown, then over an immediate one. */
export const FAST_SHUTDOWN_MS = 10_000
export const IMMEDIATE_SHUTDOWN_MS = 5_000
const LOOK_AGAIN_MS = 20

/**
 * Stops the server that an earlier Vigie left running on `cluster` when it was killed. The number in
 * `postmaster.pid` may be another program's by now, so only a PostgreSQL of exactly this folder is ended.
 *
 * @throws Error with one sentence when it does not end.
 */
export async function stopLeftover(cluster: string, log: Log): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid')
  const content = await readFile(pidFile, 'utf8').catch(absent)
  const pid = Number(content?.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 1) return
  if (!(await isServerOf(cluster, pid))) {
    // PostgreSQL itself would take whoever has that number now for a server.
    await rm(pidFile, { force: true })
    return
  }
  log.info('An earlier start left its PostgreSQL running: it is stopped first.', { pid })
  for (const [signal, patienceMs] of [
    ['SIGINT', FAST_SHUTDOWN_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
  ] as const) {
    process.kill(pid, signal)
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += LOOK_AGAIN_MS) {
      if (!(await isServerOf(cluster, pid))) return
      await sleep(LOOK_AGAIN_MS)
    }
  }
  throw new Error(
    `The PostgreSQL with process id ${pid} on ${cluster} does not end; end it, then start again.`,
  )
}

async function isServerOf(cluster: string, pid: number): Promise<boolean> {
  const [program = '', ...rest] = await commandLine(pid)
  return basename(program) === 'postgres' && rest.includes(cluster)
}

/** The words a process was started with; none when there is no such process. */
async function commandLine(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(gone)
    return words === undefined ? [] : words.split('\0')
  }
  const listed = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(unlisted)
  const line = listed?.stdout.trim() ?? ''
  // Words are not told apart there: the folder is the only one that may hold spaces, and follows -D.
  const match = /^(.*?\/postgres) -D (.*?)(?: -|$)/.exec(line)
  return match ? [match[1] ?? '', match[2] ?? ''] : []
}

/** A process may end between opening and reading its file. */
function gone(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return undefined
  return absent(error)
}

/** `ps` fails with 1 when it lists nothing. */
function unlisted(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 1) return undefined
  throw error
}
