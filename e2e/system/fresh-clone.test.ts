import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { connectClient, type ReceivedEvent } from '../support/clients.js'
import { emptyProject, must } from '../support/packages.js'
import { childrenOf, isRunning } from '../support/postgres-server.js'
import { startProcess } from '../support/process.js'
import { addressOf, withoutOwnSettings } from '../support/serve.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LIMIT_MS = 300_000

test(
  'a fresh clone in a folder of one’s own is a living demo after `npm ci` and `npm start`, and Ctrl-C ends all of it',
  { timeout: LIMIT_MS },
  async () => {
    await using folder = await emptyProject()
    expect((await stat(folder.path)).mode & 0o777).toBe(0o700)
    must(await folder.run('git', 'clone', '--quiet', ROOT, 'clone'))
    const clone = join(folder.path, 'clone')
    must(await folder.run('npm', 'ci', '--no-audit', '--no-fund', '--prefix', clone))

    const own = Object.fromEntries(
      Object.keys(process.env).flatMap((name) => (/^npm_/iu.test(name) ? [[name, undefined]] : [])),
    )
    // A session of its own, as in a terminal, where Ctrl-C reaches everything that was started.
    await using npm = startProcess(['npm', 'start'], {
      command: 'setsid',
      cwd: clone,
      env: {
        ...own,
        ...withoutOwnSettings(),
        HOST: '127.0.0.1',
        PORT: '0',
        VIGIE_DATA_DIR: join(folder.path, 'data'),
      },
    })
    try {
      const url = await addressOf(npm, LIMIT_MS)
      expect((await fetch(url)).headers.get('content-type')).toContain('text/html')
      const users = (await (await fetch(`${url}/demo/users`)).json()) as { userId: string; name: string }[]
      expect(users.length).toBeGreaterThan(1)
      const { token } = await logIn(url, users[0]!.userId)
      {
        using client = connectClient(url, token)
        const isLife = ({ name, payload }: ReceivedEvent) =>
          (name === 'presence:update' || name === 'typing:start') &&
          (payload as { userId: string }).userId !== users[0]!.userId
        await client.until('somebody is there or types', ({ events }) => events.some(isLife))
      }

      const family = await descendantsOf(npm.pid)
      expect(family.length).toBeGreaterThan(2)
      process.kill(-npm.pid, 'SIGINT')
      await npm.ended
      const running = await Promise.all(family.map((pid) => isRunning(pid)))
      expect(family.filter((_, index) => running[index])).toEqual([])
      await expect(fetch(url)).rejects.toThrow()
    } finally {
      await removeMoved(npm.lines)
    }
  },
)

async function logIn(url: string, userId: string): Promise<{ token: string }> {
  const response = await fetch(`${url}/demo/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId }),
  })
  return (await response.json()) as { token: string }
}

async function descendantsOf(pid: number): Promise<readonly number[]> {
  const children = await childrenOf(pid)
  const further = await Promise.all(children.map((child) => descendantsOf(child)))
  return [...children, ...further.flat()]
}

/** PostgreSQL, which is never root, cannot reach a folder of root's own: its data is elsewhere then. */
async function removeMoved(lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const [, moved] = /its data is in (\/\S+) instead/u.exec(line) ?? []
    if (moved !== undefined) await rm(moved, { recursive: true, force: true })
  }
}
