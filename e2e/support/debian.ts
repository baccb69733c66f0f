import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Another apt may be at work; it is waited for, and not fought. */
const APT_OPTIONS = ['-y', '-qq', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3']
/** Debian keeps servers where only root has them in its PATH. */
const SYSTEM_FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin']

/**
 * The path of a program whose package in Debian has the same name; installs the package first where that is possible.
 * @throws Error with one sentence that begins with `need` and says what to install.
 * @example const command = await debianProgram('haproxy', 'The test of proxies needs HAProxy')
 */
export async function debianProgram(name: string, need: string): Promise<string> {
  const found = find(name) ?? (await install(name))
  if (found !== undefined) return found
  throw new Error(`${need}: on Debian or Ubuntu run "apt-get install ${name}" as root.`)
}

function find(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

async function install(name: string): Promise<string | undefined> {
  if (!existsSync('/usr/bin/apt-get') || process.getuid?.() !== 0) return undefined
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update', '-qq', '-o', 'Acquire::Retries=3'], { env })
  await run('apt-get', ['install', ...APT_OPTIONS, '--no-install-recommends', name], { env })
  return find(name)
}
