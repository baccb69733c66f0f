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
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (errorCode(error) === 'ENOENT') await makeBelow(path, mode)
    else if (errorCode(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error
  }
}

/** `path` could not be made, because a folder above it is missing, or so the system says. */
async function makeBelow(path: string, mode: number): Promise<void> {
  const parent = dirname(path)
  if (existsSync(parent)) {
    throw Object.assign(new Error(`ENOTSUP: no folder can be made, mkdir '${path}'`), { code: 'ENOTSUP' })
  }
  await makeFolder(parent, mode)
  await makeFolder(path, mode)
}
