import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import type {} from './database.js'
import { startEmbeddedPostgres } from '../apps/vigie/src/embedded-postgres.js'

const log = { debug() {}, info() {}, warn: report, error: report }

/** One PostgreSQL for the whole run: starting one takes longer than most test files. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'vigie-test-'))
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
