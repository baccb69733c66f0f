import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freshDatabase } from '../../test/database.js'
import { startProcess, type StartedProcess } from './process.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface DemoRoom {
  readonly conversationId: string
  readonly title: string
  readonly members: readonly { readonly userId: string; readonly name: string }[]
}

/** Somebody whom one can be in the demo. */
export interface DemoPerson {
  readonly userId: string
  readonly name: string
  readonly token: string
  readonly conversations: readonly DemoRoom[]
}

/** The built `vigie serve`, as its users run it, on a database of its own. Disposing kills it. */
export interface Vigie extends AsyncDisposable {
  /** The address, also after {@link Vigie.restart}. */
  readonly url: string
  readonly process: StartedProcess
  signIn(userId: string): Promise<DemoPerson>
  /** Of everybody whom one can be. */
  tokens(): Promise<readonly string[]>
  /** Two people, and a conversation in `names` mode that both are in. */
  pair(): Promise<readonly [DemoPerson, DemoPerson, DemoRoom]>
  /** Starts again on the same port and database; the process before must have ended. */
  restart(): Promise<void>
}

/**
 * Starts `vigie serve --demo` on a free port, without simulated colleagues. `env` comes on top.
 *
 * @example
 * await using vigie = await startVigie({ VIGIE_GRACE_MS: '1000' })
 * const [ana, ben, room] = await vigie.pair()
 */
export async function startVigie(env: Readonly<Record<string, string>> = {}): Promise<Vigie> {
  const database = await freshDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'vigie-e2e-'))
  let child: StartedProcess | undefined
  const end = async () => {
    await child?.[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  }
  const start = async (port: string): Promise<[StartedProcess, string]> => {
    child = startProcess(['apps/vigie/bin/vigie.js', 'serve', '--demo'], {
      cwd: ROOT,
      env: {
        ...withoutOwnSettings(),
        HOST: '127.0.0.1',
        PORT: port,
        DATABASE_URL: database.url,
        VIGIE_DATA_DIR: dataDir,
        VIGIE_DEMO_BOTS: '0',
        ...env,
      },
    })
    const [, url = ''] = await child.waitForLine(/lookout at (http:\S+)/u)
    return [child, url]
  }

  let [running, url] = await start('0').catch(async (error: unknown) => {
    await end()
    throw error
  })
  const signIn = (userId: string) => signInTo(url, userId)
  return {
    get url() {
      return url
    },
    get process() {
      return running
    },
    signIn,
    tokens: async () => {
      const users = await json<{ userId: string }[]>(`${url}/demo/users`)
      const people = await Promise.all(users.map(({ userId }) => signIn(userId)))
      return people.map(({ token }) => token)
    },
    pair: async () => {
      const users = await json<{ userId: string }[]>(`${url}/demo/users`)
      const [ana, ben] = await Promise.all([signIn(users[0]!.userId), signIn(users[1]!.userId)])
      const room = ana.conversations.find(
        ({ members }) => members.length > 2 && members.some(({ userId }) => userId === ben.userId),
      )
      if (room === undefined) throw new Error('The first two people of the demo share no conversation.')
      return [ana, ben, room]
    },
    restart: async () => {
      ;[running, url] = await start(new URL(url).port)
    },
    [Symbol.asyncDispose]: end,
  }
}

/** What a developer has set for their own server must not reach the one under test. */
function withoutOwnSettings(): Record<string, undefined> {
  const own = Object.keys(process.env).filter((name) => name.startsWith('VIGIE_'))
  return Object.fromEntries(own.map((name) => [name, undefined]))
}

async function signInTo(url: string, userId: string): Promise<DemoPerson> {
  const { token } = await json<{ token: string }>(`${url}/demo/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId }),
  })
  const world = await json<{ me: { name: string }; conversations: DemoRoom[] }>(`${url}/demo/world`, {
    headers: { Authorization: `Bearer ${token}` },
  })
  return { userId, name: world.me.name, token, conversations: world.conversations }
}

async function json<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init)
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}
