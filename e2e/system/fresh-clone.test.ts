import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { connectClient, type ReceivedEvent } from '../support/clients.js'
import { emptyProject, must } from '../support/packages.js'
import { childrenOf, isRunning } from '../support/postgres-server.js'
import { startProcess, type StartedProcess } from '../support/process.js'
import { addressOf, withoutOwnSettings } from '../support/serve.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LIMIT_MS = 300_000
const PATIENCE_MS = 30_000

test(
  'a fresh clone in a folder of one’s own is a living demo after `npm ci` and `npm start`, a second `npm start` builds nothing, and Ctrl-C, a closed terminal and SIGTERM end all of it',
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
    const env = {
      ...own,
      ...withoutOwnSettings(),
      HOST: '127.0.0.1',
      PORT: '0',
      VIGIE_DATA_DIR: join(folder.path, 'data'),
    }
    // A session of its own, as in a terminal, where Ctrl-C reaches everything that was started.
    await using npm = startProcess(['npm', 'start'], { command: 'setsid', cwd: clone, env })
    try {
      const url = await addressOf(npm, LIMIT_MS)
      expect(sentencesOf(npm.lines).slice(0, 3)).toEqual([
        'The demo of Vigie is built first: its sources are new, or have changed.',
        'Building the server and the SDK …',
        'Building the page …',
      ])
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
      await expectAllEnded(npm, () => process.kill(-npm.pid, 'SIGINT'))
      await expect(fetch(url)).rejects.toThrow()
    } finally {
      await removeMoved(npm.lines)
    }

    // The second time nothing is built. `script` is a terminal: when it is killed, the kernel hangs up.
    await using terminal = startProcess(['-qfec', 'npm start', '/dev/null'], {
      command: 'script',
      cwd: clone,
      env,
    })
    try {
      await addressOf(terminal, LIMIT_MS)
      expect(sentencesOf(terminal.lines)[0]).toBe('The demo of Vigie starts …')
      expect(terminal.lines.join('\n')).not.toContain('Building')
      await expectAllEnded(terminal, () => process.kill(terminal.pid, 'SIGKILL'))
    } finally {
      await removeMoved(terminal.lines)
    }

    // As a service manager stops it: npm alone hears of it, and passes it on.
    await using service = startProcess(['start'], { command: 'npm', cwd: clone, env })
    try {
      await addressOf(service, LIMIT_MS)
      await expectAllEnded(service, () => process.kill(service.pid, 'SIGTERM'))
    } finally {
      await removeMoved(service.lines)
    }
  },
)

/** What `npm start` says, without npm's own lines. */
function sentencesOf(lines: readonly string[]): string[] {
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('>'))
}

async function expectAllEnded(npm: StartedProcess, end: () => void): Promise<void> {
  const family = await descendantsOf(npm.pid)
  expect(family.length).toBeGreaterThan(2)
  end()
  await npm.ended
  // A process that was hung up ends a moment after its terminal.
  await expect
    .poll(
      async () => {
        const running = await Promise.all(family.map((pid) => isRunning(pid)))
        return family.filter((_, index) => running[index])
      },
      { timeout: PATIENCE_MS },
    )
    .toEqual([])
}

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
