/** One data folder: two containers on it, kills at any moment, signals and closed terminals. */
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { startEmbeddedPostgres } from '../../apps/vigie/src/embedded-postgres.js'
import { contain } from '../support/namespaces.js'
import { startProcess } from '../support/process.js'
import { createRandom } from '../support/random.js'
import { readSeed } from '../support/seed.js'
import { addressOf, freshSecret, withoutOwnSettings } from '../support/serve.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BIN = join(ROOT, 'apps/vigie/bin/vigie.js')
const NODE = process.execPath
const KILLS = 10
/** A start takes about so long, a stop about the second. */
const START_MS = 1_500
const STOP_MS = 150
const ROWS = 5_000
const LOOK_AGAIN_MS = 20
const PATIENCE_MS = 30_000
const log = { debug() {}, info() {}, warn() {}, error() {} }

interface Folder extends AsyncDisposable {
  readonly path: string
  /** How to start a server on it. */
  readonly env: Record<string, string | undefined>
}

async function openFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'vigie-data-'))
  await chmod(path, 0o755)
  return {
    path,
    env: {
      ...withoutOwnSettings(),
      HOST: '127.0.0.1',
      PORT: '0',
      VIGIE_DATA_DIR: path,
      VIGIE_EMBEDDED_DATABASE: '1',
      VIGIE_JWT_SECRET: freshSecret(),
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

/** Rows, some of them only in the log of a server that was not stopped well. */
async function writeRows({ path }: Folder): Promise<void> {
  await using server = await startEmbeddedPostgres({ dataDir: path, log })
  await withSql(server.url, (sql) =>
    sql.unsafe(`CREATE TABLE kept AS SELECT n, md5(n::text) AS digest FROM generate_series(1, ${ROWS}) AS n`),
  )
}

/** PostgreSQL checks each page that it reads against its checksum. */
async function expectWhole({ path }: Folder): Promise<void> {
  await using server = await startEmbeddedPostgres({ dataDir: path, log })
  await withSql(server.url, async (sql) => {
    expect(await sql`SHOW data_checksums`).toEqual([{ data_checksums: 'on' }])
    expect(await sql`SELECT count(*)::int AS rows FROM kept WHERE digest = md5(n::text)`).toEqual([
      { rows: ROWS },
    ])
    const tables = await sql<{ name: string }[]>`
      SELECT format('%I.%I', schemaname, relname) AS name FROM pg_stat_all_tables`
    for (const { name } of tables) await sql.unsafe(`SELECT count(*) FROM ${name}`)
  })
}

async function withSql(url: string, work: (sql: postgres.Sql) => PromiseLike<unknown>): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** Processes of this machine whose words have the folder: a Vigie is told it by its environment, PostgreSQL by its words. */
async function processesOn({ path }: Folder): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0 && pid !== process.pid)
  const texts = await Promise.all(
    pids.map(async (pid) => {
      const parts = ['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8'))
      return (await Promise.all(parts.map((part) => part.catch(() => '')))).join()
    }),
  )
  return pids.filter((_, index) => texts[index]?.includes(path))
}

async function expectNobodyOn(folder: Folder): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while ((await processesOn(folder)).length > 0 && performance.now() < end) await sleep(LOOK_AGAIN_MS)
  expect(await processesOn(folder)).toEqual([])
}

test('of two servers on one data folder, in containers that see nothing of each other, the second says one sentence and ends, and the data of the first are whole', async () => {
  await using folder = await openFolder()
  await writeRows(folder)
  const serve = `exec ${NODE} ${BIN} serve`
  await using first = contain(serve, { env: folder.env })
  const url = await addressOf(first.process)
  const pidFile = join(folder.path, 'postgres', 'postmaster.pid')
  const before = await readFile(pidFile, 'utf8')

  await using second = contain(serve, { env: folder.env })
  expect(await second.process.ended).toBe(1)
  const said = second.process.lines.filter((line) => !line.startsWith('{'))
  expect(said).toEqual([
    expect.stringMatching(
      /^vigie: Another Vigie is running on \S+ \(process \d+ on \S+ since \S+\); stop it, or set VIGIE_DATA_DIR to another folder\.$/u,
    ),
  ])
  expect(await readFile(pidFile, 'utf8')).toBe(before)
  const ask = `fetch('${url}/healthz').then(({ status }) => console.log(status))`
  expect(await first.runInside([NODE, '-e', ask])).toEqual(['200'])

  process.kill(await first.first(), 'SIGTERM')
  expect(await first.process.ended).toBe(0)
  await expectNobodyOn(folder)
  await expectWhole(folder)
})

test('a PostgreSQL that a killed Vigie left in another container is not disturbed: the next start says so, and starts once it has ended', async () => {
  await using folder = await openFolder()
  await writeRows(folder)
  // The shell is the first process in there, so that the kernel does not end the database with the server.
  await using first = contain(`(${NODE} ${BIN} serve & sleep 600)`, { env: folder.env })
  await addressOf(first.process)
  const pidFile = join(folder.path, 'postgres', 'postmaster.pid')
  const before = await readFile(pidFile, 'utf8')
  await killServer(folder)

  await using second = contain(`exec ${NODE} ${BIN} serve`, { env: folder.env })
  expect(await second.process.ended).toBe(1)
  expect(second.process.lines.at(-1)).toMatch(
    /^vigie: A PostgreSQL that an earlier start of Vigie left behind still uses \S+, and cannot be stopped from here, as from another container: end it, or the container that it is in, and start again\.$/u,
  )
  expect(await readFile(pidFile, 'utf8')).toBe(before)

  await first.process.kill('SIGKILL')
  await expectNobodyOn(folder)
  await expectWhole(folder)
})

/** Kills `vigie serve` itself, wherever it is, and nothing else. */
async function killServer(folder: Folder): Promise<void> {
  for (const pid of await processesOn(folder)) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
    if (words[0] === NODE && words[1] === BIN) process.kill(pid, 'SIGKILL')
  }
}

test('after kill -9 at ten moments of start and stop the server starts each time, its data are whole, and no process is left', async () => {
  const random = createRandom(readSeed('the moments of kill -9'))
  await using folder = await openFolder()
  await writeRows(folder)
  for (let kill = 0; kill < KILLS; kill++) {
    await using server = startProcess([BIN, 'serve'], { env: folder.env })
    const isStop = random.below(2) === 1
    if (isStop) {
      await addressOf(server)
      process.kill(server.pid, 'SIGTERM')
    }
    await Promise.race([sleep(random.below(isStop ? STOP_MS : START_MS)), server.ended])
    await server.kill('SIGKILL')

    await using next = startProcess([BIN, 'serve'], { env: folder.env })
    await addressOf(next)
    // Every other time the database is left again, for the next start to find.
    if (random.below(2) === 1) await next.kill('SIGKILL')
    else expect(await next.kill('SIGTERM')).toBe(0)
  }
  await expectWhole(folder)
  await expectNobodyOn(folder)
})

test.for(['SIGHUP', 'SIGTERM', 'SIGINT', 'SIGQUIT'] as const)(
  '%s ends the server with code 0 while it starts and while it runs, and leaves no process',
  async (signal) => {
    await using folder = await openFolder()
    for (const line of [/Vigie starts/u, /lookout at/u]) {
      await using server = startProcess([BIN, 'serve'], { env: folder.env })
      await server.waitForLine(line)
      expect(await server.kill(signal)).toBe(0)
      await expectNobodyOn(folder)
    }
  },
)

test('a terminal that is closed ends the server in it, and leaves no process', async () => {
  await using folder = await openFolder()
  // `script` is the terminal: when it is killed, the kernel hangs up.
  await using terminal = startProcess(['-qfec', `${NODE} ${BIN} serve`, '/dev/null'], {
    command: 'script',
    env: folder.env,
  })
  await addressOf(terminal)
  expect((await processesOn(folder)).length).toBeGreaterThan(2)
  await terminal.kill('SIGKILL')
  await expectNobodyOn(folder)
})
