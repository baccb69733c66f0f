/** A PostgreSQL of the benchmark's own, with one world in it at a time. */
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '@vigie/server/postgres'
import postgres from 'postgres'
import { startEmbeddedPostgres } from '../../apps/vigie/dist/embedded-postgres.js'
import { writeWorld, type WorldSpec } from './world.js'

export interface WorldDatabase extends AsyncDisposable {
  readonly url: string
  /** Makes the rows those of this world. */
  become(spec: WorldSpec): Promise<void>
}

const say = (message: string) => process.stderr.write(`${message}\n`)

export async function openDatabase(): Promise<WorldDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'vigie-bench-'))
  // Also when the run is broken off; the server, which ends then too, may still write.
  const removeNow = () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 })
  process.once('exit', removeNow)
  const server = await startEmbeddedPostgres({
    dataDir,
    log: { debug() {}, info() {}, warn: say, error: say },
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
  })
  await migrate(server.url, { createTables: true })
  const sql = postgres(server.url, { max: 1, onnotice: () => {} })
  let current: string | undefined
  return {
    url: server.url,
    async become(spec) {
      const wanted = JSON.stringify(spec)
      if (wanted === current) return
      await writeWorld(sql, spec)
      current = wanted
    },
    async [Symbol.asyncDispose]() {
      await sql.end()
      await server.close()
      await rm(dataDir, { recursive: true, force: true })
      process.off('exit', removeNow)
    },
  }
}
