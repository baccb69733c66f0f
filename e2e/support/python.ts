import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startProcess, type StartedProcess } from './process.js'

const run = promisify(execFile)
/** Debian's packages are seen by Debian's interpreter only, whatever else is on the path. */
export const PYTHON = '/usr/bin/python3'
/** Another apt may be at work; it is waited for, and not fought. */
const APT_OPTIONS = ['-y', '-qq', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3']

/** One client of python-socketio, as a process of its own. */
export interface PythonClient extends AsyncDisposable {
  /** Everything that it printed, in order. */
  readonly events: readonly PythonEvent[]
  /** The first event, from now or before, for which `predicate` holds. */
  waitFor(name: string, predicate?: (data: unknown) => boolean): Promise<PythonEvent>
  /** Sends an event; the acknowledgement comes as an event called `ack`. */
  emit(name: string, data: unknown): void
  /** Leaves, as the library does it, and waits until the process has ended. */
  disconnect(): Promise<number | NodeJS.Signals>
}

export interface PythonEvent {
  readonly event: string
  readonly data: unknown
}

/**
 * Starts `python-client.py`; {@link installPythonClient} must have been called.
 *
 * @example
 * await using python = startPythonClient(url, token)
 * await python.waitFor('connect')
 */
export function startPythonClient(url: string, token: string): PythonClient {
  const script = fileURLToPath(new URL('python-client.py', import.meta.url))
  const child: StartedProcess = startProcess([script, url, token], {
    command: PYTHON,
    env: { PYTHONUNBUFFERED: '1', PYTHONPATH: undefined, PYTHONHOME: undefined },
  })
  const said = () => child.lines.flatMap(parse)
  return {
    get events() {
      return said()
    },
    waitFor: (name, predicate = () => true) =>
      child.find(name, (line) => parse(line).find(({ event, data }) => event === name && predicate(data))),
    emit: (name, data) => child.write(JSON.stringify({ emit: name, data })),
    disconnect: async () => {
      child.write(JSON.stringify({ disconnect: true }))
      return child.ended
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}

/** A traceback is no event; it stays in the process's lines, which a failed wait prints. */
function parse(line: string): PythonEvent[] {
  return line.startsWith('{') ? [JSON.parse(line) as PythonEvent] : []
}

/**
 * Makes sure that python-socketio is there: installs Debian's packages where that is possible.
 * @throws Error with one sentence that says what to install.
 */
export async function installPythonClient(): Promise<void> {
  await install('import socketio, aiohttp', ['python3-socketio', 'python3-aiohttp'])
}

/**
 * Makes sure that Python itself is there: installs Debian's where that is possible.
 * @throws Error with one sentence that says what to install.
 */
export async function installPython(): Promise<void> {
  await install('import socket', ['python3'])
}

async function install(program: string, packages: readonly string[]): Promise<void> {
  if (await canRun(program)) return
  const isDebian = existsSync('/usr/bin/apt-get')
  if (isDebian && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    await run('apt-get', ['update', '-qq', '-o', 'Acquire::Retries=3'], { env })
    await run('apt-get', ['install', ...APT_OPTIONS, '--no-install-recommends', ...packages], { env })
    if (await canRun(program)) return
  }
  throw new Error(
    `This test needs ${PYTHON} that can run "${program}": ` +
      `on Debian or Ubuntu run "apt-get install ${packages.join(' ')}" as root.`,
  )
}

async function canRun(program: string): Promise<boolean> {
  return run(PYTHON, ['-c', program]).then(
    () => true,
    () => false,
  )
}
