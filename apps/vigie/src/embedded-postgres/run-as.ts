import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Whom a child process runs as; empty: as we do. */
export interface RunAs {
  readonly uid?: number
  readonly gid?: number
}

/** `nobody` on Debian: PostgreSQL refuses to run as root. */
const NOBODY = 65_534

/** As ourselves, or as root: as who owns `folder` already, else as nobody. */
export async function unprivileged(folder: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {}
  const owner = await stat(folder).catch(absent)
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : { uid: NOBODY, gid: NOBODY }
}

/** Whether that user may pass through `folder` and all above it. Access lists are not looked at. */
export async function mayEnter(folder: string, { uid, gid }: RunAs): Promise<boolean> {
  if (uid === undefined) return true
  const { mode, ...owner } = await stat(folder)
  const bit = owner.uid === uid ? 0o100 : owner.gid === gid ? 0o010 : 0o001
  if ((mode & bit) === 0) return false
  const parent = dirname(folder)
  return parent === folder || mayEnter(parent, { uid, ...(gid !== undefined && { gid }) })
}

/** For `.catch` after something that looks at a path: what is not there is undefined, all else is an error. */
export function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
