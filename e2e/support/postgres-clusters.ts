import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startEmbeddedPostgres } from '../../apps/vigie/src/embedded-postgres.js'
import { unprivileged } from '../../apps/vigie/src/embedded-postgres/run-as.js'

const run = promisify(execFile)

/** A PostgreSQL that can be a publisher of logical replication. Disposing ends it and removes its data. */
export interface Cluster extends AsyncDisposable {
  /** A superuser's URL of the database `postgres`. */
  readonly url: string
  /** A server that follows this one, where the kind `hasStandby`. It ends with this one. */
  startStandby?(): Promise<{ readonly url: string }>
}

/** A version that tests can run on. */
export interface ClusterKind {
  /** For titles. */
  readonly name: string
  /** Whether `startStandby` is there. */
  readonly hasStandby: boolean
  start(): Promise<Cluster>
}

/** Where Debian puts the oldest version that this machine may have. */
const DEBIAN_BIN = '/usr/lib/postgresql/15/bin'

/** The PostgreSQL that npm brings, and Debian's where it is installed. */
export function clusterKinds(): readonly ClusterKind[] {
  const embedded = { name: 'PostgreSQL 18 from npm', hasStandby: false, start: startEmbedded }
  if (existsSync(join(DEBIAN_BIN, 'initdb'))) {
    return [embedded, { name: 'PostgreSQL 15 of Debian', hasStandby: true, start: startDebian }]
  }
  console.info(`There is no PostgreSQL in ${DEBIAN_BIN}: these tests run on the one from npm only.`)
  return [embedded]
}

async function startEmbedded(): Promise<Cluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'vigie-cluster-'))
  const log = { debug() {}, info() {}, warn: report, error: report }
  const postgres = await startEmbeddedPostgres({
    dataDir,
    log,
    settings: { fsync: 'off', wal_level: 'logical' },
  })
  return {
    url: postgres.url,
    async [Symbol.asyncDispose]() {
      await postgres.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** PostgreSQL does not run as root: then it runs as nobody. */
async function startDebian(): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'vigie-cluster-'))
  await chmod(folder, 0o755)
  const data = join(folder, 'data')
  const as = await unprivileged(data)
  if (as.uid !== undefined) await chown(folder, as.uid, as.gid ?? as.uid)
  const options = { ...as, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' } }
  await run(join(DEBIAN_BIN, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8'], options)
  const program = (name: string, args: readonly string[]) =>
    run(name.startsWith('pg_') ? join(DEBIAN_BIN, name) : name, args, options)
  // A copy of the cluster before its first start, which catches up from the log of the running one.
  const standby = join(folder, 'standby')
  await program('cp', ['-a', data, standby])
  const startOn = async (place: string): Promise<number> => {
    const port = await freePort()
    const settings = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1 -c fsync=off -c wal_level=logical -c wal_keep_size=1GB`
    await program('pg_ctl', ['-D', place, '-o', settings, '-l', `${place}.log`, '-w', 'start'])
    return port
  }
  const urlOf = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`
  const running = [data]
  const port = await startOn(data)
  return {
    url: urlOf(port),
    async startStandby() {
      await appendFile(
        join(standby, 'postgresql.auto.conf'),
        `primary_conninfo = 'host=127.0.0.1 port=${port} user=postgres'\n`,
      )
      await program('cp', ['/dev/null', join(standby, 'standby.signal')])
      const url = urlOf(await startOn(standby))
      running.unshift(standby)
      return { url }
    },
    async [Symbol.asyncDispose]() {
      for (const place of running) await program('pg_ctl', ['-D', place, '-m', 'immediate', '-w', 'stop'])
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

function report(message: string, fields?: unknown): void {
  console.error(message, fields ?? '')
}
