import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** How long {@link StartedProcess.waitForLine} waits unless told. */
const LINE_TIMEOUT_MS = 60_000

/** How to start a process. */
export interface ProcessOptions {
  /** Added to this process's own environment; `undefined` takes a variable out. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** The program; Node itself unless told. */
  readonly command?: string
}

/** A child process whose lines can be waited for. Disposing kills it (SIGKILL) and waits until it is gone. */
export interface StartedProcess extends AsyncDisposable {
  readonly pid: number
  /** Lines of standard output and standard error so far, in the order in which they came. */
  readonly lines: readonly string[]
  /** Resolves with its exit code, or with the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /**
   * What `find` makes of the first line that it makes something of; lines that have been there already count.
   * @throws Error with all lines when it ends, or `timeoutMs` passes, without such a line.
   */
  find<T>(what: string, find: (line: string) => T | undefined, timeoutMs?: number): Promise<T>
  /** The first line that matches. See {@link StartedProcess.find}. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** Writes one line to its standard input. */
  write(line: string): void
  /** Sends a signal and waits for the end, which it returns. */
  kill(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

/**
 * Starts a child process.
 *
 * @example
 * await using server = startProcess(['apps/vigie/bin/vigie.js', 'serve'], { env: { PORT: '0' } })
 * const [, url] = await server.waitForLine(/(http:\S+)/u)
 */
export function startProcess(args: readonly string[], options: ProcessOptions = {}): StartedProcess {
  const child = spawn(options.command ?? process.execPath, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const listeners = new Set<() => void>()
  const changed = () => {
    for (const listener of [...listeners]) listener()
  }
  const record = (line: string) => {
    lines.push(line)
    changed()
  }
  createInterface({ input: child.stdout }).on('line', record)
  createInterface({ input: child.stderr }).on('line', record)
  // A child that has ended reads no more: what the test still writes to it is no error of the test's.
  child.stdin.on('error', () => {})

  // `close` and not `exit`: only then have all lines come.
  const ended = endOf(child)
  let hasEnded = false
  const note = () => {
    hasEnded = true
    changed()
  }
  ended.then(note, note)

  const kill = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    return ended
  }

  const find = <T>(what: string, finder: (line: string) => T | undefined, timeoutMs = LINE_TIMEOUT_MS) =>
    new Promise<T>((resolve, reject) => {
      const settle = (settled: () => void) => {
        clearTimeout(timer)
        listeners.delete(look)
        settled()
      }
      const fail = (why: string) => {
        settle(() => reject(new Error(`No line with ${what}: ${why}. Its lines:\n${lines.join('\n')}`)))
      }
      const look = () => {
        for (const line of lines) {
          const found = finder(line)
          if (found === undefined) continue
          settle(() => resolve(found))
          return
        }
        if (hasEnded) fail('the process ended')
      }
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs)
      listeners.add(look)
      look()
    })

  return {
    pid: child.pid ?? -1,
    lines,
    ended,
    find,
    waitForLine: (pattern, timeoutMs) =>
      find(String(pattern), (line) => pattern.exec(line) ?? undefined, timeoutMs),
    write: (line) => child.stdin.write(`${line}\n`),
    kill,
    [Symbol.asyncDispose]: async () => {
      // A paused process (SIGSTOP) dies of SIGKILL too.
      if (!hasEnded) await kill('SIGKILL')
    },
  }
}

async function endOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return code ?? signal ?? 'SIGKILL'
}
