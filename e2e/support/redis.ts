import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { startProcess } from './process.js'

const run = promisify(execFile)
const PACKAGE = 'redis-server'
/** Another apt may be at work; it is waited for, and not fought. */
const APT_OPTIONS = ['-y', '-qq', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3']

/** A Redis of one test file's own, reached over a socket in a folder of its own: no port is taken. */
export interface RedisServer extends AsyncDisposable {
  readonly socketPath: string
  /** As its program says it: `7.0.15`. */
  readonly version: string
}

/**
 * Starts Redis; installs Debian's package first where that is possible.
 * @throws Error with one sentence that says what to install.
 * @example await using redis = await startRedis()
 */
export async function startRedis(): Promise<RedisServer> {
  const command = findServer() ?? (await installServer())
  const { stdout } = await run(command, ['--version'])
  const folder = await mkdtemp(join(tmpdir(), 'vigie-redis-'))
  const socketPath = join(folder, 'redis.sock')
  const server = startProcess(
    ['--port', '0', '--unixsocket', socketPath, '--dir', folder, '--save', '', '--appendonly', 'no'],
    { command },
  )
  const end = async () => {
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await server.waitForLine(/Ready to accept connections|ready to accept connections at/u)
  } catch (error) {
    await end()
    throw error
  }
  return { socketPath, version: /v=(\S+)/u.exec(stdout)?.[1] ?? stdout, [Symbol.asyncDispose]: end }
}

function findServer(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  return folders.map((folder) => join(folder, PACKAGE)).find((path) => existsSync(path))
}

async function installServer(): Promise<string> {
  if (existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    await run('apt-get', ['update', '-qq', '-o', 'Acquire::Retries=3'], { env })
    await run('apt-get', ['install', ...APT_OPTIONS, '--no-install-recommends', PACKAGE], { env })
    const found = findServer()
    if (found !== undefined) return found
  }
  throw new Error(
    `The test of Socket.IO's Redis adapters needs Redis 7 or later: on Debian or Ubuntu run ` +
      `"apt-get install ${PACKAGE}" as root.`,
  )
}
