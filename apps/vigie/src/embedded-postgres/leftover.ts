import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Log } from '@vigie/server'
import { OperatorError } from '../operator-error.js'
import type { Lock } from './lock.js'
import { absent } from './run-as.js'

/** How long a server may take over a fast shutdown, then over an immediate one. */
export const FAST_SHUTDOWN_MS = 10_000
export const IMMEDIATE_SHUTDOWN_MS = 5_000
const LOOK_AGAIN_MS = 20

interface LeftoverOptions {
  readonly cluster: string
  /** Takes the lock that PostgreSQL's processes have; undefined while one of them lives. */
  readonly tryLock: () => Lock | undefined
  /** Processes of a killed server end by themselves once they notice: they may take so long. */
  readonly strayMs: number
  readonly log: Log
}

/**
 * Stops the server that an earlier Vigie left running on `cluster` when it was killed, and takes the lock of its
 * processes. The caller has the lock of the folder, so no Vigie lives here. The number in `postmaster.pid` may be
 * another program's by now, so only a PostgreSQL of exactly this folder is ended. That file is removed only once the
 * lock says that no process of such a server lives: one in another container cannot be seen, and keeps the lock.
 *
 * @throws OperatorError when it does not end, or cannot be reached from here.
 */
export async function takeOver(options: LeftoverOptions): Promise<Lock> {
  const { cluster, tryLock, log } = options
  const pidFile = join(cluster, 'postmaster.pid')
  const pid = await pidIn(pidFile)
  if (pid !== undefined && (await isServerOf(cluster, pid))) {
    log.info('An earlier start left its PostgreSQL running: it is stopped first.', { pid })
    await stop(cluster, pid)
  }
  const lock = tryLock() ?? (await lockOfStrays(options))
  if (lock === undefined) {
    throw new OperatorError(
      `A PostgreSQL that an earlier start of Vigie left behind still uses ${cluster}, and cannot be stopped from here, ` +
        'as from another container: end it, or the container that it is in, and start again.',
    )
  }
  // Another process may have that number now, and PostgreSQL would take it for its server.
  if (pid !== undefined && !(await isServerOf(cluster, pid))) await rm(pidFile, { force: true })
  return lock
}

async function pidIn(pidFile: string): Promise<number | undefined> {
  const content = await readFile(pidFile, 'utf8').catch(absent)
  const pid = Number(content?.split('\n')[0])
  return Number.isInteger(pid) && pid > 1 ? pid : undefined
}

async function stop(cluster: string, pid: number): Promise<void> {
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
  throw new OperatorError(
    `The PostgreSQL with process id ${pid} on ${cluster} does not end; end it, then start again.`,
  )
}

async function lockOfStrays({ tryLock, strayMs, log }: LeftoverOptions): Promise<Lock | undefined> {
  log.info('Processes of an earlier PostgreSQL still end: their end is waited for.', { strayMs })
  for (let waitedMs = 0; waitedMs < strayMs; waitedMs += LOOK_AGAIN_MS) {
    await sleep(LOOK_AGAIN_MS)
    const lock = tryLock()
    if (lock !== undefined) return lock
  }
  return undefined
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
