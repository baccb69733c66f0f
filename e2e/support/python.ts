import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { codeOfGuide } from './guides.js'
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

/** How to start {@link startPythonGuide}. */
export interface PythonGuideOptions {
  readonly kind: 'async' | 'sync'
  readonly transport: 'websocket' | 'polling'
  readonly url: string
  /** What the server checks tokens with: the client makes its own. */
  readonly secret: string
  readonly userId: string
  readonly tokenLifeS: number
}

/** The client of the guide for other languages, as a process of its own. */
export interface PythonGuide extends AsyncDisposable {
  /** Everything that it printed, in order. */
  readonly events: readonly PythonEvent[]
  readonly process: StartedProcess
  /** The first event after the first `from` for which `predicate` holds. */
  waitFor(name: string, predicate?: (data: unknown) => boolean, from?: number): Promise<PythonEvent>
  emit(name: string, data: unknown): void
  leave(): void
}

/**
 * Starts the Python client of docs/guides/other-languages.md, as it stands there; {@link installPythonGuide} must have
 * been called.
 */
export async function startPythonGuide(options: PythonGuideOptions): Promise<PythonGuide> {
  const { kind, transport, url, secret, userId, tokenLifeS } = options
  const words = [kind, transport, url, secret, userId, String(tokenLifeS)]
  const { child, folder } = await startWithGuide('python-guide.py', words)
  return {
    get events() {
      return child.lines.flatMap(parse)
    },
    process: child,
    waitFor: (name, predicate = () => true, from = 0) =>
      child.find(name, () =>
        child.lines
          .flatMap(parse)
          .slice(from)
          .find(({ event, data }) => event === name && predicate(data)),
      ),
    emit: (name, data) => child.write(JSON.stringify({ emit: name, data })),
    leave: () => child.write(JSON.stringify({ leave: true })),
    [Symbol.asyncDispose]: async () => {
      await child[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/**
 * How many of 3,000 events the synchronous client hands to its handler before an earlier one. `kept`: with the guide's
 * `keep_order`.
 */
export async function countOvertaken(
  url: string,
  transport: 'websocket' | 'polling',
  kind: 'kept' | 'stock',
): Promise<unknown> {
  const { child, folder } = await startWithGuide('python-order.py', [url, transport, kind])
  try {
    const isCount = (line: string) => parse(line).find(({ event }) => event === 'overtaken')
    return (await child.find('overtaken', isCount)).data
  } finally {
    await child[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Starts a program of this folder that imports the guide's files. */
async function startWithGuide(program: string, words: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'vigie-python-'))
  for (const { file, text } of await codeOfGuide('other-languages', ['python'])) {
    await writeFile(join(folder, file), text)
  }
  const script = fileURLToPath(new URL(program, import.meta.url))
  const child = startProcess([script, ...words], {
    command: PYTHON,
    env: { PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1', PYTHONPATH: folder, PYTHONHOME: undefined },
  })
  return { child, folder }
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
 * Makes sure that python-socketio is there, with what it wants for clients of both kinds and both transports.
 * @throws Error with one sentence that says what to install.
 */
export async function installPythonGuide(): Promise<void> {
  await install('import socketio, aiohttp, requests, websocket', [
    'python3-socketio',
    'python3-aiohttp',
    'python3-requests',
    'python3-websocket',
  ])
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
