import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { hostname } from 'node:os'
import { fileReason } from '../file-error.js'
import { errorMessage, OperatorError } from '../operator-error.js'

/** A lock on a file. The kernel frees it once no process has its descriptor open any more, however they ended. */
export interface Lock {
  /** To be handed to child processes that must hold the lock, too, and go on holding it when this process is killed. */
  readonly descriptor: number
  /** May be called twice. A child that was given the descriptor still holds the lock. */
  release(): void
}

/** What `fs-native-extensions` does; it has no types of its own. */
interface NativeLocks {
  tryLock(descriptor: number): boolean
}

/**
 * Locks the file at `path`, which is made if it is missing; undefined while another process has the lock, in whatever
 * container. The lock belongs to the file and not to a name or a process number, so namespaces do not matter:
 * docs/decisions/data-folder-lock.md.
 *
 * @throws OperatorError where the file cannot be written, or cannot be locked.
 */
export function tryLock(path: string): Lock | undefined {
  const { tryLock: lock } = loadLocks()
  let descriptor: number
  try {
    descriptor = openSync(path, 'a+', 0o600)
  } catch (error) {
    throw new OperatorError(
      `${path} cannot be written: ${fileReason(error)}; start Vigie as the user of that folder, or set VIGIE_DATA_DIR.`,
      { cause: error },
    )
  }
  try {
    if (lock(descriptor)) return held(descriptor)
  } catch (error) {
    closeSync(descriptor)
    throw new OperatorError(
      `${path} cannot be locked (${errorMessage(error)}), so nothing would keep a second Vigie from the same data: ` +
        'set VIGIE_DATA_DIR to a folder on a file system with locks, or set DATABASE_URL.',
      { cause: error },
    )
  }
  closeSync(descriptor)
  return undefined
}

function held(descriptor: number): Lock {
  let isHeld = true
  return {
    descriptor,
    release() {
      if (isHeld) closeSync(descriptor)
      isHeld = false
    },
  }
}

/** Writes into the file of a lock who holds it, for {@link ownerIn}. It decides nothing. */
export function signLock({ descriptor }: Lock): void {
  ftruncateSync(descriptor)
  writeSync(
    descriptor,
    `process ${process.pid} on ${hostname()} since ${new Date().toISOString()}\n` +
      'The lock is on this file: it ends with its process. Do not delete the file while Vigie runs.\n',
  )
}

/** Who holds a lock, as its owner wrote: `process 7 on chat-1 since …`; undefined when it has not written yet. */
export function ownerIn(path: string): string | undefined {
  const [first = ''] = readFileSync(path, 'utf8').split('\n')
  return first.startsWith('process ') ? first : undefined
}

/** Loaded when it is needed: a server with a `DATABASE_URL` runs where there is no build of it. */
function loadLocks(): NativeLocks {
  try {
    return createRequire(import.meta.url)('fs-native-extensions') as NativeLocks
  } catch (error) {
    throw new OperatorError(
      `Files cannot be locked on ${process.platform}-${process.arch} here, so the embedded PostgreSQL would not be ` +
        `safe from a second Vigie on its folder: set DATABASE_URL. (${firstLine(errorMessage(error))})`,
      { cause: error },
    )
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}
