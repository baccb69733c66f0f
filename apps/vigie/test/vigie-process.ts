import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The program that is started. */
export const BIN = fileURLToPath(new URL('../bin/vigie.js', import.meta.url))

/** The built command line in a process of its own. */
export interface VigieProcess {
  readonly pid: number
  /** Of the running server, once it said so. Rejects if the process ends before. */
  readonly url: Promise<string>
  /** Resolves when the process has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
  kill(signal: NodeJS.Signals): void
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts `vigie <words>` in `cwd` with nothing in the environment but PATH and `env`. */
export function startVigie(
  words: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): VigieProcess {
  const child: ChildProcess = spawn(process.execPath, [BIN, ...words], {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({ code, ...said })
    })
  })
  const url = new Promise<string>((resolve, reject) => {
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = child[name]
      if (!stream) continue
      createInterface({ input: stream }).on('line', (line) => {
        said[name] += `${line}\n`
        const found = name === 'stdout' ? /at (http:\S+)/u.exec(line)?.[1] : undefined
        if (found !== undefined) resolve(found)
      })
    }
    void ended.then(() => {
      reject(new Error(`vigie ended before it listened:\n${said.stdout}${said.stderr}`))
    })
  })
  // A command that is meant to fail has no address, and nobody waits for one.
  url.catch(() => undefined)
  return {
    pid: child.pid ?? 0,
    url,
    ended,
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** An empty folder that goes when its user does. PostgreSQL, which is never root, can reach it. */
export async function temporaryFolder(): Promise<{
  readonly path: string
  [Symbol.asyncDispose](): Promise<void>
}> {
  const path = await mkdtemp(join(tmpdir(), 'vigie-test-'))
  await chmod(path, 0o755)
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
