import { existsSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode } from './operator-error.js'

/**
 * Makes a folder, and those above it that are missing; nothing where it is there. `mkdir` with `recursive` is not used:
 * on a file system that has no folders to make, such as `/proc`, Node.js 20 tries for ever.
 * @throws Error of the system, with the code ENOTSUP where no folder can be made.
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  if (await make(path, mode)) return
  const parent = dirname(path)
  // Another process may have made it meanwhile.
  if (!existsSync(parent)) await makeFolder(parent, mode)
  if (await make(path, mode)) return
  throw Object.assign(new Error(`ENOTSUP: no folder can be made, mkdir '${path}'`), { code: 'ENOTSUP' })
}

/** False: a folder above it is missing, or so the system says. */
async function make(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    if (errorCode(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error
  }
  return true
}
