/** The API of the real command: what docs/guides/http-api.md says is run as it stands there, and `vigie explain`. */
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { io } from 'socket.io-client'
import { describe, expect, it } from 'vitest'
import { startVigie, temporaryFolder } from './vigie-process.js'

const GUIDE = new URL('../../../docs/guides/http-api.md', import.meta.url)
const KEY = 'a-key-of-this-test-that-is-long-enough'
const DEMO = { PORT: '0', VIGIE_DEMO_BOTS: '0' }

interface Step {
  readonly command: string
  /** What the guide says that it prints, if it does. */
  readonly prints: unknown
}

/** Each `curl` line of the guide, with the JSON that follows it. */
async function stepsOfGuide(): Promise<readonly Step[]> {
  const guide = await readFile(GUIDE, 'utf8')
  const blocks = [...guide.matchAll(/^```(\w+)\n(.*?)^```$/gmsu)].map(([, kind, text = '']) => ({
    kind,
    text,
  }))
  return blocks.flatMap(({ kind, text }, index) => {
    const next = blocks[index + 1]
    const prints: unknown = next?.kind === 'json' ? JSON.parse(next.text) : undefined
    const lines = kind === 'sh' ? text.split('\n').filter((line) => line.startsWith('curl ')) : []
    return lines.map((command) => ({ command, prints }))
  })
}

/** What curl would do: `npm test` needs no program but Node.js. */
async function curl(command: string, variables: Readonly<Record<string, string>>): Promise<Response> {
  const words = [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/gu)].map(
    ([, double, single, plain]) =>
      single ??
      (double ?? plain ?? '').replaceAll(/\$(\w+)/gu, (_whole, name: string) => variables[name] ?? ''),
  )
  const { values, positionals } = parseArgs({
    args: words.slice(1),
    allowPositionals: true,
    options: {
      header: { type: 'string', short: 'H', multiple: true },
      request: { type: 'string', short: 'X' },
      data: { type: 'string', short: 'd' },
    },
  })
  const [url = ''] = positionals
  const headers = (values.header ?? []).map((line) => line.split(/: */u, 2) as [string, string])
  return fetch(url, {
    method: values.request ?? (values.data === undefined ? 'GET' : 'POST'),
    headers,
    ...(values.data !== undefined && { body: values.data }),
  })
}

describe('vigie serve and its API', { timeout: 60_000 }, () => {
  it('does what the guide says, line by line, and explains in words and in JSON', async () => {
    await using folder = await temporaryFolder()
    await using vigie = startVigie(['serve', '--demo'], folder.path, { ...DEMO, VIGIE_API_KEY: KEY })
    const url = await vigie.url

    const steps = await stepsOfGuide()
    expect(steps).toHaveLength(10)
    for (const { command, prints } of steps) {
      const answer = await curl(command, { VIGIE_URL: url, VIGIE_API_KEY: KEY })
      expect([command, answer.status]).toEqual([command, command.includes('-X POST') ? 202 : 200])
      if (prints !== undefined) expect(await answer.json()).toEqual(prints)
    }
    // The demo: this machine reads without a key, and does not act.
    const [first] = steps
    const keyless = first!.command.replace(/ -H .*/u, '')
    expect((await curl(keyless, { VIGIE_URL: url })).status).toBe(200)
    const kick = await fetch(`${url}/v1/users/amelie-durand/kick`, { method: 'POST' })
    expect([kick.status, await kick.json()]).toMatchObject([401, { code: 'key_missing' }])
    expect((await fetch(`${url}/v1/docs`)).status).toBe(200)

    const login = await fetch(`${url}/demo/login`, { method: 'POST', body: '{"userId":"amelie-durand"}' })
    const { token } = (await login.json()) as { token: string }
    const socket = io(url, { auth: { token, protocol: 2 }, forceNew: true })
    await new Promise((resolve) => socket.once('presence:state', resolve))
    const run = async (...words: string[]) => {
      await using command = startVigie(['explain', ...words], folder.path, { VIGIE_API_KEY: KEY })
      return await command.ended
    }
    const words = await run('amelie-durand', '--viewer', 'kofi-mensah', '--url', url)
    expect(words).toMatchObject({ code: 0, stderr: '' })
    expect(words.stdout).toMatch(
      /^amelie-durand is online, on one device\.\nSessions on this server:\n {2}live: device /u,
    )
    expect(words.stdout).toContain(
      'kofi-mensah does not see amelie-durand: the viewer has no session on this server.',
    )
    const json = await run('amelie-durand', '--json', '--url', url)
    expect(JSON.parse(json.stdout)).toMatchObject({
      userId: 'amelie-durand',
      presence: { online: true, count: 1 },
    })
    socket.disconnect()

    const wrong = await run('amelie-durand', '--url', url, '--key', 'another-key-that-is-wrong')
    expect(wrong).toMatchObject({
      code: 1,
      stderr: `vigie: ${url} did not explain it: The key is not known. Set VIGIE_API_KEY to a key of that server with the scope read.\n`,
    })
    vigie.kill('SIGTERM')
    const { stdout, stderr } = await vigie.ended
    expect(stdout + stderr).not.toContain(KEY)
  })

  it('takes keys from files, warns of short ones without showing them, and says what is wrong with a command', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'keys')
    await writeFile(file, 'read:short,act:another-key-that-is-long\n')
    await using vigie = startVigie(['serve', '--demo'], folder.path, { ...DEMO, VIGIE_API_KEYS_FILE: file })
    const url = await vigie.url
    const ask = async (path: string, key: string, method = 'GET') =>
      (await fetch(`${url}${path}`, { method, headers: { Authorization: `Bearer ${key}` } })).status
    expect(await ask('/v1/users/a', 'short')).toBe(200)
    expect(await ask('/v1/users/a/kick', 'short', 'POST')).toBe(403)
    expect(await ask('/v1/users/a/kick', 'another-key-that-is-long', 'POST')).toBe(202)
    vigie.kill('SIGTERM')
    const { stderr } = await vigie.ended
    expect(stderr).toContain('Keys of the HTTP API are shorter than 16 characters and can be guessed')
    expect(stderr).not.toMatch(/read:|"short"|another-key/u)

    const run = async (...words: string[]) => {
      await using command = startVigie(['explain', ...words], folder.path)
      const { code, stderr: said } = await command.ended
      return [code, said]
    }
    expect(await run('ann', '--url', 'nowhere')).toEqual([
      1,
      'vigie: --url must be an address such as http://127.0.0.1:8080.\n',
    ])
    // A port that was free a moment ago: nobody answers there.
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as { port: number }
    await new Promise((resolve) => probe.close(resolve))
    const [code, said] = await run('ann', '--url', `http://127.0.0.1:${port}`)
    expect(code).toBe(1)
    expect(said).toMatch(
      /gave no answer: .*ECONNREFUSED.* Start vigie serve there, or name the right address/u,
    )
    expect(await run()).toEqual([1, 'vigie: vigie explain needs a user id, such as vigie explain alice.\n'])
  })
})
