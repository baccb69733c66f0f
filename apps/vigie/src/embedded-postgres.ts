import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '@vigie/server'
import { runnableBinaries, type Binaries } from './embedded-postgres/binaries.js'
import { FAST_SHUTDOWN_MS, takeOver } from './embedded-postgres/leftover.js'
import { ownerIn, signLock, tryLock, type Lock } from './embedded-postgres/lock.js'
import { absent, mayEnter, unprivileged, type RunAs } from './embedded-postgres/run-as.js'
import { fileReason, isFileError } from './file-error.js'
import { makeFolder } from './make-folder.js'
import { OperatorError } from './operator-error.js'

/** Options of {@link startEmbeddedPostgres}. */
export interface EmbeddedPostgresOptions {
  /** Made if missing; the cluster and its password are kept there. */
  readonly dataDir: string
  readonly log: Log
  /** @default a free one */
  readonly port?: number
  /** Further PostgreSQL settings. `fsync: 'off'` is for tests: it loses data with the machine's power. */
  readonly settings?: Readonly<Record<string, string>>
  /** How long processes of a server that was killed may take to end before the start fails. @default 10000 */
  readonly strayMs?: number
}

/** A PostgreSQL of our own, reachable only from this machine. */
export interface EmbeddedPostgres {
  /** Holds the password: not for logs. It stays the same until `close`, also when the server had to be restarted. */
  readonly url: string
  /** Where the rows are. Not always inside `dataDir`: see {@link startEmbeddedPostgres}. */
  readonly folder: string
  /** Stops the server: fast shutdown, after 10 s an immediate one. May be called twice. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Not `vigie`: our schema of that name would come first in its search path. */
const USER = 'postgres'
/** How often a start is tried when the port was taken meanwhile, or what is left of a killed server still ends. */
const ATTEMPTS_MAX = 50
const RETRY_MS = 100
/** Pause before a server that ended by itself is started again. */
const RESTART_MS = 500
const STRAY_MS = 10_000
/** Lines of the server's log that are kept for the sentence when it does not start. */
const LAST_LINES = 20
/** Where the cluster of a root that keeps its data in a closed folder goes. */
const FALLBACK = '/var/lib/vigie'

/**
 * Starts PostgreSQL on `dataDir` and waits until it answers. What a killed start left behind is put right: a
 * server that still runs is stopped, a half-made cluster is made anew. Should the server end by itself later, it
 * is started again on the same port.
 *
 * PostgreSQL refuses to run as root. For root it therefore runs as nobody, and when nobody cannot reach `dataDir`,
 * the cluster is put under `/var/lib/vigie`, which the log says.
 *
 * @throws OperatorError when a living Vigie has this folder, when the folder cannot be used, or the server does not start.
 * @example await using postgres = await startEmbeddedPostgres({ dataDir: '.vigie', log })
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    return await start(options)
  } catch (error) {
    if (!isFileError(error)) throw error
    throw new OperatorError(
      `The embedded PostgreSQL cannot use ${pathOf(error) ?? options.dataDir}: ${fileReason(error)}; ` +
        'put that right, or set VIGIE_DATA_DIR to another folder.',
      { cause: error },
    )
  }
}

async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log } = options
  await makeFolder(options.dataDir)
  const wanted = await realpath(options.dataDir)
  const { home, runAs } = await chooseHome(wanted, log)
  const lock = lockFolder(home, wanted)
  let processes: Lock | undefined
  try {
    const cluster = join(home, 'postgres')
    processes = await takeOver({
      cluster,
      tryLock: () => tryLock(join(home, PROCESSES_LOCK)),
      strayMs: options.strayMs ?? STRAY_MS,
      log,
    })
    const place: Place = {
      ...{ home, cluster, runAs, processes },
      password: await keptPassword(home),
      binaries: await runnableBinaries(runAs, log),
    }
    await initialise(place, options)
    const server = await supervise(place, options)
    let closed: Promise<void> | undefined
    const close = () =>
      (closed ??= server.stop().finally(() => {
        place.processes.release()
        lock.release()
      }))
    return {
      url: `postgres://${USER}:${place.password}@127.0.0.1:${server.port}/postgres`,
      folder: place.cluster,
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    processes?.release()
    lock.release()
    throw error
  }
}

/** Of the Vigie that uses the folder. Its children do not have it: one that was killed has no lock, whatever lives on. */
const FOLDER_LOCK = 'vigie.lock'
/** Of PostgreSQL: each of its processes has it, so it is free only when the last of them has ended. */
const PROCESSES_LOCK = 'postgres.lock'

function lockFolder(home: string, wanted: string): Lock {
  const path = join(home, FOLDER_LOCK)
  const lock = tryLock(path)
  if (lock === undefined) {
    const owner = ownerIn(path)
    throw new OperatorError(
      `Another Vigie is running on ${wanted}${owner === undefined ? '' : ` (${owner})`}; ` +
        'stop it, or set VIGIE_DATA_DIR to another folder.',
    )
  }
  signLock(lock)
  return lock
}

function pathOf(error: unknown): string | undefined {
  return error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : undefined
}

interface Place {
  /** Ours; what is beside the cluster. */
  readonly home: string
  readonly cluster: string
  readonly password: string
  readonly runAs: RunAs
  readonly binaries: Binaries
  readonly processes: Lock
}

async function chooseHome(wanted: string, log: Log): Promise<{ home: string; runAs: RunAs }> {
  const runAs = await unprivileged(join(wanted, 'postgres'))
  if (runAs.uid === undefined) {
    await refuseForeign(join(wanted, 'postgres'))
    return { home: wanted, runAs }
  }
  // The folder itself is ours: others may pass through it, not list it, and secrets in it have modes of their own.
  const { mode } = await stat(wanted)
  if ((mode & 0o001) === 0) await chmod(wanted, (mode & 0o7777) | 0o011)
  if (await mayEnter(wanted, runAs)) return { home: wanted, runAs }
  const home = join(FALLBACK, createHash('sha256').update(wanted).digest('hex').slice(0, 16))
  await makeFolder(home, 0o755)
  log.warn(
    `PostgreSQL does not run as root, and no other user can reach ${wanted}: its data is in ${home} instead.`,
  )
  return { home, runAs: await unprivileged(join(home, 'postgres')) }
}

/** A first start as root leaves a cluster that an ordinary user cannot read. */
async function refuseForeign(cluster: string): Promise<void> {
  const owner = await stat(cluster).catch(absent)
  if (owner && owner.uid !== process.getuid?.()) {
    throw new OperatorError(
      `${cluster} belongs to another user; start Vigie as that user, or set VIGIE_DATA_DIR.`,
    )
  }
}

async function keptPassword(home: string): Promise<string> {
  const file = join(home, 'postgres-password')
  const kept = await readFile(file, 'utf8').catch(absent)
  if (kept) return kept.trim()
  const password = randomBytes(24).toString('base64url')
  // Renamed into place: a kill in the middle must not leave an empty one.
  await writeFile(`${file}.new`, password, { mode: 0o600 })
  await rename(`${file}.new`, file)
  return password
}

/** Makes the cluster in a folder beside its place and moves it there whole: a kill in the middle leaves no half. */
async function initialise(
  { home, cluster, password, runAs, binaries, processes }: Place,
  options: EmbeddedPostgresOptions,
) {
  for (const entry of await readdir(home)) {
    if (entry.startsWith('postgres.new')) await rm(join(home, entry), { recursive: true, force: true })
  }
  if (await stat(join(cluster, 'PG_VERSION')).catch(absent)) return
  const next = join(home, 'postgres.new')
  const passwordFile = join(home, 'postgres.new-password')
  await mkdir(next, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (runAs.uid !== undefined && runAs.gid !== undefined) {
    await chown(next, runAs.uid, runAs.gid)
    await chown(passwordFile, runAs.uid, runAs.gid)
  }
  try {
    await runInitdb({ binaries, runAs, processes }, [
      ...['-D', next, '-U', USER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'],
      // Its own rules for letters: the same on every machine, and no surprise after an upgrade of the system.
      ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions'],
      ...(options.settings?.['fsync'] === 'off' ? ['--no-sync'] : []),
    ])
  } finally {
    await rm(passwordFile, { force: true })
  }
  await rm(cluster, { recursive: true, force: true })
  await rename(next, cluster)
}

async function runInitdb(
  { binaries, runAs, processes }: Pick<Place, 'binaries' | 'runAs' | 'processes'>,
  args: readonly string[],
): Promise<void> {
  const child = spawn(binaries.initdb, args, { ...runAs, ...SURROUNDINGS, stdio: stdioWith(processes) })
  const { lines } = listenTo(child)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0)
    throw new OperatorError(`The embedded PostgreSQL could not make its data folder: ${reasonIn(lines)}.`)
}

/** The child, and all that it starts, hold the lock until the last of them has ended, also when we are killed before. */
function stdioWith({ descriptor }: Lock): StdioOptions {
  return ['ignore', 'ignore', 'pipe', descriptor]
}

/**
 * Nothing of our environment: PGDATA and the like would steer it. A group of its own: Ctrl-C in a terminal is for
 * us, and the database must outlive our drain.
 */
const SURROUNDINGS = {
  cwd: '/',
  detached: true,
  env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
} as const

interface Supervised {
  readonly port: number
  stop(): Promise<void>
}

async function supervise(place: Place, options: EmbeddedPostgresOptions): Promise<Supervised> {
  const { log } = options
  let isStopping = false
  const first = await startServer(place, options)
  const { port } = first
  let { child } = first
  let restarting: Promise<void> = Promise.resolve()

  function watch(): void {
    child.once('exit', (code, signal) => {
      if (isStopping) return
      log.error('The embedded PostgreSQL ended by itself and is started again.', { code, signal })
      restarting = restart()
    })
  }

  async function restart(): Promise<void> {
    let hasSaid = false
    while (!isStopping) {
      await sleep(RESTART_MS)
      try {
        child = (await startServer(place, { ...options, port })).child
        watch()
        return
      } catch (error) {
        if (!hasSaid)
          log.error('The embedded PostgreSQL does not start; it is tried again and again.', { error })
        hasSaid = true
      }
    }
  }

  /** When this process ends without `close`, by an uncaught error for one. After kill -9 the next start does it. */
  const stopWithUs = () => child.kill('SIGINT')
  process.on('exit', stopWithUs)
  watch()

  return {
    port,
    async stop() {
      isStopping = true
      await restarting
      await end(child)
      process.off('exit', stopWithUs)
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const hasEnded = once(child, 'exit')
  child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGQUIT'), FAST_SHUTDOWN_MS)
  await hasEnded
  clearTimeout(timer)
}

/** Another program took the port between our look and the server's. */
const PORT_TAKEN = /could not create any TCP\/IP sockets|Address already in use/
/** Processes of a killed server end by themselves once they notice. */
const STILL_ENDING = /pre-existing shared memory block|lock file .* already exists/

async function startServer(place: Place, options: EmbeddedPostgresOptions) {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort())
    const child = spawn(place.binaries.postgres, serverArguments(place.cluster, port, options.settings), {
      ...place.runAs,
      ...SURROUNDINGS,
      stdio: stdioWith(place.processes),
    })
    const { lines, isReady } = listenTo(child, options.log)
    if (await isReady) return { child, port }
    const reason = lines.join('\n')
    const mayRetry = STILL_ENDING.test(reason) || (PORT_TAKEN.test(reason) && options.port === undefined)
    if (!mayRetry || attempt === ATTEMPTS_MAX) {
      throw new OperatorError(
        `The embedded PostgreSQL on ${place.cluster} does not start: ${reasonIn(lines)}.`,
      )
    }
    await sleep(RETRY_MS)
  }
}

function serverArguments(
  cluster: string,
  port: number,
  settings: EmbeddedPostgresOptions['settings'] = {},
): string[] {
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings }
  return [
    ...['-D', cluster, '-p', String(port)],
    ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
}

interface Said {
  /** What the child said last. */
  readonly lines: readonly string[]
  /** Whether it came so far as to answer; false when it ended instead. */
  readonly isReady: Promise<boolean>
}

function listenTo(child: ChildProcess, log?: Log): Said {
  const lines: string[] = []
  const isReady = new Promise<boolean>((resolve) => {
    function hear(line: string): void {
      lines.push(line)
      if (lines.length > LAST_LINES) lines.shift()
      log?.debug('PostgreSQL says something.', { line })
      if (line.includes('database system is ready to accept connections')) resolve(true)
    }
    if (child.stderr) createInterface({ input: child.stderr }).on('line', hear)
    // Not `exit`: its last words, which say why, may still be on their way.
    child.once('close', () => {
      resolve(false)
    })
    child.once('error', (error) => {
      hear(error.message)
      resolve(false)
    })
  })
  return { lines, isReady }
}

function reasonIn(lines: readonly string[]): string {
  const said = lines.findLast((line) => /FATAL|error:/i.test(line)) ?? lines.at(-1) ?? 'it said nothing'
  return said.replace(/^.*?(?:FATAL|error):\s*/i, '').replace(/\.$/, '')
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address === 'string' || address === null) throw new Error('There is no free port.')
  return address.port
}
