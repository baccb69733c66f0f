import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestPresence } from '@vigie/server/testing'
import { createHealth } from '../src/health.js'
import { createHttp } from '../src/http.js'
import { opsRoutes } from '../src/ops.js'
import { WEB_TYPES, type Page } from '../src/page-files.js'

let folder = ''
let warnings: string[] = []
const log = {
  debug: () => {},
  info: () => {},
  warn: (message: string) => void warnings.push(message),
  error: () => {},
}

beforeEach(async () => {
  warnings = []
  folder = await mkdtemp(join(tmpdir(), 'vigie-ops-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A server with the page that lies in `folder`. */
async function serverWithPage() {
  const page: Page = { path: '/ops/', folders: [`${folder}/`], entry: 'index.html', types: WEB_TYPES }
  const health = createHealth()
  health.serve({
    isDatabaseReachable: async () => true,
    presence: createTestPresence().health,
    settings: { admissionLagMs: 100, rereadMs: 60_000 },
  })
  return createHttp({ health, version: '1.0.0', ops: await opsRoutes(log, page) })
}

test('the operators’ page is served to anybody, with a strict policy, and its hashed files may be kept', async () => {
  await mkdir(join(folder, 'assets'))
  await writeFile(join(folder, 'index.html'), '<!doctype html>')
  await writeFile(join(folder, 'assets/index-1a2b.js'), 'export {}')
  await writeFile(join(folder, 'notes.txt'), 'not a file of the page')
  const http = await serverWithPage()

  const page = await http.request('/ops/')
  expect([page.status, await page.text()]).toEqual([200, '<!doctype html>'])
  expect(page.headers.get('Content-Type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('Cache-Control')).toBe('no-store')
  const policy = page.headers.get('Content-Security-Policy')
  expect(policy).toContain("style-src 'self'")
  expect(policy).not.toContain('unsafe')
  const script = await http.request('/ops/assets/index-1a2b.js')
  expect(script.headers.get('Cache-Control')).toContain('immutable')
  // Relative, so that it also leads there below a path of a proxy's.
  const way = await http.request('/ops')
  expect([way.status, way.headers.get('Location')]).toEqual([302, 'ops/'])
  for (const path of ['/ops/notes.txt', '/ops/..%2f..%2fpackage.json', '/ops/assets/']) {
    expect((await http.request(path)).status, path).toBe(404)
  }
  expect(warnings).toEqual([])
})

test('a server whose operators’ page was not built runs without it, and says so once', async () => {
  const http = await serverWithPage()
  expect((await http.request('/ops/')).status).toBe(404)
  expect((await http.request('/livez')).status).toBe(200)
  expect(warnings).toEqual([
    "there is no operators' page at /ops/: The page for /ops/ was not built: run `npm run build`.",
  ])
})
