import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileReason } from '../file-error.js'
import { makeFolder } from '../make-folder.js'
import { errorCode, OperatorError } from '../operator-error.js'

const FILE = 'demo-secret'

/**
 * The demo's own secret, kept in the data folder so that open pages survive a restart. Readable by its owner only.
 * Two servers that start at once agree: whoever finds the file already made reads it.
 */
export async function demoSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, FILE)
  try {
    return await readOrMake(path, dataDir)
  } catch (error) {
    throw new OperatorError(
      `The secret of the demo cannot be kept in ${path}: ${fileReason(error)}; put that right, or set VIGIE_DATA_DIR.`,
      { cause: error },
    )
  }
}

async function readOrMake(path: string, dataDir: string): Promise<string> {
  await makeFolder(dataDir)
  try {
    await writeFile(path, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
  return await readFile(path, 'utf8')
}
