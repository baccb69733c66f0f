import { createHmac, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { startProcess, type StartedProcess } from './process.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const HOUR_S = 3_600

/** A running `vigie serve` and its address. Disposing kills it; what it started itself may stay behind. */
export interface Serving extends AsyncDisposable {
  readonly url: string
  readonly process: StartedProcess
}

/** How to start {@link serve}. */
export interface ServeOptions {
  /** Nothing of this process's own `VIGIE_…` and `DATABASE_URL` is handed on. */
  readonly env?: Readonly<Record<string, string>>
  /** Words after `vigie serve`. */
  readonly words?: readonly string[]
}

/**
 * Starts the built `vigie serve` on a free port of loopback, unless `env` says another.
 *
 * @example
 * await using server = await serve({ env: { DATABASE_URL: database.url, VIGIE_JWT_SECRET: secret } })
 */
export async function serve({ env, words = [] }: ServeOptions = {}): Promise<Serving> {
  const child = startProcess(['apps/vigie/bin/vigie.js', 'serve', ...words], {
    cwd: ROOT,
    env: { ...withoutOwnSettings(), HOST: '127.0.0.1', PORT: '0', ...env },
  })
  try {
    return { url: await addressOf(child), process: child, [Symbol.asyncDispose]: () => end(child) }
  } catch (error) {
    await end(child)
    throw error
  }
}

/** The address that a starting `vigie serve` prints, however it was started. */
export async function addressOf(child: StartedProcess, timeoutMs?: number): Promise<string> {
  const [, url = ''] = await child.waitForLine(/lookout at (http:\S+)/u, timeoutMs)
  return url
}

/** What a developer, or CI, has set for another server must not reach the one under test. */
export function withoutOwnSettings(): Record<string, undefined> {
  const own = Object.keys(process.env).filter((name) => name.startsWith('VIGIE_') || name === 'DATABASE_URL')
  return Object.fromEntries(own.map((name) => [name, undefined]))
}

/** A secret for tokens, as strong as HS256 asks for. */
export function freshSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** A token made as RFC 7519 says, by nothing of this project's. */
export function signToken(secret: string, userId: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: userId, exp: Math.floor(Date.now() / 1_000) + HOUR_S }
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

async function end(child: StartedProcess): Promise<void> {
  await child[Symbol.asyncDispose]()
}
