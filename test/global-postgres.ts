import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import type {} from './database.js'
import { startEmbeddedPostgres } from '../apps/vigie/src/embedded-postgres.js'

const log = { debug() {}, info() {}, warn: report, error: report }

/** Linux keeps this folder in memory. */
const IN_MEMORY = '/dev/shm'
/** Several times what the databases of a run take, which is 80 MB; a container may have 64 MB there. */
const ROOM_BYTES = 512 * 1024 ** 2

/** One PostgreSQL for the whole run: starting one takes longer than most test files. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(await quickestFolder(), 'vigie-test-'))
  const postgres = await startEmbeddedPostgres({
    dataDir,
    log,
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' },
  })
  project.provide('postgresUrl', postgres.url)
  return async () => {
    await postgres.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

function report(message: string, fields?: unknown): void {
  console.error(message, fields ?? '')
}

/** A database is some 300 files, and there are hundreds of tests with one: on a disk they take twice as long. */
async function quickestFolder(): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(IN_MEMORY)
    return bavail * bsize >= ROOM_BYTES ? IN_MEMORY : tmpdir()
  } catch {
    return tmpdir() // macOS has no such folder
  }
}
