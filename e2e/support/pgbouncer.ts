import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debianProgram } from './debian.js'
import { freePort } from './free-port.js'
import { startProcess } from './process.js'

/**
 * A PgBouncer in transaction mode in front of a database, as a hoster would run it: no connection of a client keeps its
 * session. It lets pass over the search path that a client asks for.
 */
export async function startPgBouncer(
  databaseUrl: string,
): Promise<AsyncDisposable & { readonly url: string }> {
  const command = await debianProgram('pgbouncer', 'The test of `vigie doctor` needs PgBouncer')
  const target = new URL(databaseUrl)
  const folder = await mkdtemp(join(tmpdir(), 'vigie-pgbouncer-'))
  // It does not run as root: then it runs as nobody, who must be able to read these.
  await chmod(folder, 0o755)
  const port = await freePort()
  const users = join(folder, 'users.txt')
  await writeFile(
    users,
    `"${decodeURIComponent(target.username)}" "${decodeURIComponent(target.password)}"\n`,
  )
  const file = join(folder, 'pgbouncer.ini')
  const lines = [
    '[databases]',
    `* = host=${target.hostname} port=${target.port}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = plain',
    `auth_file = ${users}`,
    'pool_mode = transaction',
    'default_pool_size = 3',
    'ignore_startup_parameters = extra_float_digits, search_path',
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const isRoot = process.getuid?.() === 0
  const child = startProcess([...(isRoot ? ['-u', 'nobody'] : []), file], { command })
  const end = async () => {
    await child[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await child.waitForLine(/process up/u)
  } catch (error) {
    await end()
    throw error
  }
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${port}`
  return { url: url.href, [Symbol.asyncDispose]: end }
}
