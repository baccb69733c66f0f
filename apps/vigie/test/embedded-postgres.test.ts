import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startEmbeddedPostgres, type EmbeddedPostgresOptions } from '../src/embedded-postgres.js'
import { runnableBinaries } from '../src/embedded-postgres/binaries.js'
import { tryLock } from '../src/embedded-postgres/lock.js'
import { unprivileged } from '../src/embedded-postgres/run-as.js'

const log = { debug() {}, info() {}, warn() {}, error() {} }
let dataDir = ''

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'vigie-embedded-'))
})
afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true })
})

const start = (folder = dataDir, options: Partial<EmbeddedPostgresOptions> = {}) =>
  startEmbeddedPostgres({ dataDir: folder, log, settings: { fsync: 'off' }, ...options })

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 2 })
  try {
    return [...(await sql.unsafe(text))]
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function serverPid(cluster: string): Promise<number> {
  return Number((await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n')[0])
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A number that was a process's, and is nobody's now. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  return child.pid!
}

it('keeps its rows and its password over a restart', async () => {
  const first = await start()
  await query(first.url, `CREATE TABLE kept AS SELECT 'row' AS value`)
  await first.close()
  await using second = await start()
  expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 'row' }])
  expect(new URL(second.url).password).toBe(new URL(first.url).password)
  expect((await stat(join(dataDir, 'postgres-password'))).mode & 0o777).toBe(0o600)
})

it('leaves no process behind, and may be closed twice', async () => {
  const server = await start()
  const pid = await serverPid(server.folder)
  await Promise.all([server.close(), server.close()])
  await server.close()
  expect(isAlive(pid)).toBe(false)
})

it('lets nobody in without the password, and listens on this machine only', async () => {
  await using server = await start()
  const url = new URL(server.url)
  url.password = 'guess'
  await expect(query(url.href, 'SELECT 1')).rejects.toThrow('password authentication failed')
  const settings = await query(server.url, `SHOW listen_addresses`)
  expect(settings).toEqual([{ listen_addresses: '127.0.0.1' }])
})

it('refuses a folder that a living Vigie has, and takes it when that one has ended', async () => {
  const first = await start()
  await expect(start()).rejects.toThrow(/^Another Vigie is running on .*; stop it, or set VIGIE_DATA_DIR/)
  await first.close()
  await (await start()).close()
})

it('leaves the pid file of a living Vigie as it is, also where its number belongs to no process that can be seen', async () => {
  await using first = await start()
  const file = join(first.folder, 'postmaster.pid')
  const real = await readFile(file, 'utf8')
  // As it looks from another container on the same volume: its processes are not seen here.
  const unseen = real.replace(/^\d+/u, String(await endedPid()))
  await writeFile(file, unseen)
  try {
    await expect(start()).rejects.toThrow('Another Vigie is running on')
    expect(await readFile(file, 'utf8')).toBe(unseen)
    expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  } finally {
    await writeFile(file, real)
  }
})

it('knows another Vigie by the lock on a file of the folder alone, and says who it is', async () => {
  const { folder, close } = await start()
  await close()
  const pidFile = join(folder, 'postmaster.pid')
  const unseen = `${await endedPid()}\n${folder}\n1\n1\n\n127.0.0.1\n\nready\n`
  await writeFile(pidFile, unseen)
  // What another container shares with this one is the folder: no process number, no socket, no name.
  const other = await lockInAnotherProcess(join(folder, '..', 'vigie.lock'))
  await writeFile(join(folder, '..', 'vigie.lock'), 'process 7 on chat-1 since noon\n')
  await expect(start()).rejects.toThrow(
    /^Another Vigie is running on \S+ \(process 7 on chat-1 since noon\); stop it, or set VIGIE_DATA_DIR/,
  )
  expect(await readFile(pidFile, 'utf8')).toBe(unseen)
  await other.kill()
  await (await start()).close()
})

it('removes no pid file while a process of a PostgreSQL lives that cannot be seen, and says so in one sentence', async () => {
  const { folder, close } = await start()
  await close()
  const pidFile = join(folder, 'postmaster.pid')
  const unseen = `${await endedPid()}\n${folder}\n1\n1\n\n127.0.0.1\n\nready\n`
  await writeFile(pidFile, unseen)
  const other = await lockInAnotherProcess(join(folder, '..', 'postgres.lock'))
  await expect(start(dataDir, { strayMs: 100 })).rejects.toThrow(
    /^A PostgreSQL that an earlier start of Vigie left behind still uses \S+, and cannot be stopped from here/,
  )
  expect(await readFile(pidFile, 'utf8')).toBe(unseen)
  // It waits for what ends by itself.
  const started = start()
  await other.kill()
  await (await started).close()
})

it('frees the lock of a folder when its process was killed, and not before its PostgreSQL has ended that of its processes', async () => {
  const { folder, close } = await start()
  const [vigieLock = '', postgresLock = ''] = ['vigie.lock', 'postgres.lock'].map((name) =>
    join(folder, '..', name),
  )
  const pid = await serverPid(folder)
  expect([tryLock(vigieLock), tryLock(postgresLock)]).toEqual([undefined, undefined])
  // The server's own processes have the second, and not the first.
  expect(await locksOf(pid)).toEqual(['postgres.lock'])
  await close()
  for (const path of [vigieLock, postgresLock]) {
    const lock = tryLock(path)
    expect(lock).toBeDefined()
    lock?.release()
    lock?.release()
  }
  const other = await lockInAnotherProcess(vigieLock)
  expect(tryLock(vigieLock)).toBeUndefined()
  await other.kill()
  tryLock(vigieLock)!.release()
})

it('says in one sentence that a folder cannot be used', async () => {
  const file = join(dataDir, 'file')
  await writeFile(file, '')
  for (const path of [file, join(file, 'below')]) {
    const error: unknown = await start(path).catch((thrown: unknown) => thrown)
    expect((error as Error).name).toBe('OperatorError')
    expect((error as Error).message).toMatch(
      /^The embedded PostgreSQL cannot use \S+: .*file.*; put that right, or set VIGIE_DATA_DIR to another folder\.$/,
    )
  }
  await mkdir(join(dataDir, 'vigie.lock'))
  await expect(start()).rejects.toThrow(
    /vigie\.lock cannot be written: it is a folder; start Vigie as the user/,
  )
})

it('stops the server that a killed Vigie left running, and loses no row', async () => {
  const before = await start()
  await query(before.url, `CREATE TABLE kept AS SELECT 'row' AS value`)
  await before.close()
  const runAs = await unprivileged(before.folder)
  const { postgres: program } = await runnableBinaries(runAs, log)
  const settings = [
    '-p',
    new URL(before.url).port,
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
  ]
  const leftover = spawn(program, ['-D', before.folder, ...settings], {
    ...runAs,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await said(leftover, 'ready to accept connections')
  const hasEnded = once(leftover, 'exit')
  await using after = await start()
  await hasEnded
  expect(await query(after.url, 'SELECT value FROM kept')).toEqual([{ value: 'row' }])
})

it('starts where another program has the number of a server that was killed, and leaves that program alone', async () => {
  const { folder, close } = await start()
  await close()
  // PostgreSQL alone would not start here: it takes any process with that number for a server, and this program is its user's.
  const other = spawn('sleep', ['60'], { ...(await unprivileged(folder)), cwd: '/' })
  try {
    await once(other, 'spawn')
    await writeFile(join(folder, 'postmaster.pid'), `${other.pid}\n${folder}\n1\n1\n\n127.0.0.1\n\nready\n`)
    await using again = await start()
    expect(await query(again.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(await serverPid(again.folder)).not.toBe(other.pid)
    expect(other.exitCode ?? other.signalCode).toBeNull()
    expect(isAlive(other.pid!)).toBe(true)
  } finally {
    other.kill()
  }
})

it('makes a cluster anew that was never finished', async () => {
  await mkdir(join(dataDir, 'postgres.new'))
  await writeFile(join(dataDir, 'postgres.new', 'PG_VERSION'), '18\n')
  await mkdir(join(dataDir, 'postgres'))
  await using server = await start()
  expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

it('is started again on the same port when it was killed', async () => {
  await using server = await start()
  await query(server.url, `CREATE TABLE kept AS SELECT 'row' AS value`)
  const pid = await serverPid(server.folder)
  process.kill(pid, 'SIGKILL')
  const answer = () => query(server.url, 'SELECT value FROM kept')
  await expect.poll(() => answer().catch(() => []), { timeout: 20_000 }).toEqual([{ value: 'row' }])
  expect(await serverPid(server.folder)).not.toBe(pid)
}, 30_000)

it('says in one sentence that its port is taken', async () => {
  await using first = await start()
  const other = await mkdtemp(join(tmpdir(), 'vigie-embedded-'))
  const port = Number(new URL(first.url).port)
  await expect(start(other, { port })).rejects.toThrow(
    /^The embedded PostgreSQL on .* does not start: could not create any TCP\/IP sockets\.$/,
  )
  await rm(other, { recursive: true })
})

it('works in a folder that only its owner may enter', async () => {
  const closed = join(dataDir, 'closed')
  await mkdir(closed, { mode: 0o700 })
  const server = await start(join(closed, 'data'))
  expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  await server.close()
  if (!server.folder.startsWith(dataDir)) await rm(join(server.folder, '..'), { recursive: true })
})

it('opens a closed data folder of its own so far that its server may pass', async () => {
  await chmod(dataDir, 0o700)
  await using server = await start()
  expect(server.folder).toBe(join(dataDir, 'postgres'))
})

/** A process that has locked that file as Vigie does, until it is killed without a word. */
async function lockInAnotherProcess(path: string): Promise<{ kill(): Promise<void> }> {
  const program = `
    const { tryLock } = require('fs-native-extensions')
    if (tryLock(require('node:fs').openSync(${JSON.stringify(path)}, 'a+'))) console.error('locked')
    setInterval(() => {}, 60_000)`
  const child = spawn(process.execPath, ['-e', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await said(child, 'locked')
  return {
    async kill() {
      const hasEnded = once(child, 'exit')
      child.kill('SIGKILL')
      await hasEnded
    },
  }
}

/** The names of the lock files that a process has open. Only Linux lists them. */
async function locksOf(pid: number): Promise<string[]> {
  if (process.platform !== 'linux') return ['postgres.lock']
  const links = await readdir(`/proc/${pid}/fd`)
  const paths = await Promise.all(links.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')))
  return paths.filter((path) => path.endsWith('.lock')).map((path) => basename(path))
}

function said(child: ChildProcess, words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      text += String(chunk)
      if (text.includes(words)) resolve()
    })
    child.once('exit', () => {
      reject(new Error(text))
    })
  })
}
