import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { debianProgram } from './debian.js'
import { startProcess } from './process.js'

const run = promisify(execFile)
/** Program and package have one name. */
const REDIS = 'redis-server'

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
  const command = await debianProgram(REDIS, "The test of Socket.IO's Redis adapters needs Redis 7 or later")
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
