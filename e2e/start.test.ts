/** `npm start`, with tools in place of the compiler and the bundler that note that they were called. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const SCRIPT = fileURLToPath(new URL('../scripts/start.js', import.meta.url))
const COMPILER = 'node_modules/typescript/bin/tsc'
const BUNDLER = 'node_modules/vite/bin/vite.js'

/** Notes its call, and makes what the step's folder has. */
const tool = (name: string, made: readonly string[]) => `
const { appendFileSync, mkdirSync, writeFileSync } = require('node:fs')
appendFileSync('calls', ${JSON.stringify(`${name}\n`)})
for (const path of ${JSON.stringify(made)}) {
  mkdirSync(path, { recursive: true })
  writeFileSync(path + '/made.js', String(Date.now()))
}
if (require('node:fs').existsSync('broken')) process.exit(2)
`

/** Builds the app that it is told, and notes which. */
const bundler = `
const { appendFileSync, mkdirSync, writeFileSync } = require('node:fs')
const app = process.argv.at(-1)
appendFileSync('calls', 'bundler ' + app + '\\n')
mkdirSync(app + '/dist', { recursive: true })
writeFileSync(app + '/dist/made.js', String(Date.now()))
`
const WEB = 'bundler apps/web'
const OPS = 'bundler apps/ops'
const MADE = ['apps/vigie/dist', 'packages/client/dist', 'packages/protocol/dist', 'packages/server/dist']
let root = ''

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vigie-start-'))
  await mkdir(join(root, 'scripts'))
  await cp(SCRIPT, join(root, 'scripts/start.js'))
  await write('package.json', '{ "type": "module" }')
  await write('node_modules/package.json', '{ "type": "commonjs" }')
  await write('package-lock.json', '{}')
  await write('tsconfig.base.json', '{}')
  await write('packages/client/src/client.ts', 'one')
  await write('apps/vigie/src/main.ts', 'one')
  await write('apps/vigie/tsconfig.json', '{}')
  await write('apps/vigie/bin/vigie.js', `console.log('runs', ...process.argv.slice(2))`)
  await write('apps/web/src/main.tsx', 'one')
  await write('apps/ops/src/main.tsx', 'one')
  await write(COMPILER, tool('compiler', MADE))
  await write(BUNDLER, bundler)
})
afterEach(async () => {
  await rm(root, { recursive: true, force: true })
})

interface Run {
  readonly code: unknown
  readonly lines: readonly string[]
  readonly errors: string
  /** The tools that were called. */
  readonly calls: readonly string[]
}

async function start(env: Readonly<Record<string, string>> = { PORT: '0' }, words: readonly string[] = []) {
  await writeFile(join(root, 'calls'), '')
  const child = spawn(process.execPath, ['scripts/start.js', ...words], { cwd: root, env })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (bytes: Buffer) => (said[name] += String(bytes)))
  }
  const [code] = (await once(child, 'close')) as unknown[]
  const calls = (await readFile(join(root, 'calls'), 'utf8')).split('\n').filter(Boolean)
  const lines = said.stdout.split('\n').map((line) => line.trim())
  return { code, lines: lines.filter(Boolean), errors: said.stderr, calls } satisfies Run
}

test('`npm start` says first what it does, builds once, and the next time starts at once', async () => {
  const first = await start()
  expect(first.lines).toEqual([
    'The demo of Vigie is built first: its sources are new, or have changed.',
    'Building the server and the SDK …',
    'Building the page …',
    'Building the operators’ page …',
    'The demo of Vigie is built, and starts …',
    'runs serve --demo',
  ])
  expect(first.calls).toEqual(['compiler', WEB, OPS])
  const second = await start({ PORT: '0' }, ['--config', 'other.json'])
  expect(second.lines).toEqual(['The demo of Vigie starts …', 'runs serve --demo --config other.json'])
  expect([second.calls, second.errors, second.code]).toEqual([[], '', 0])
})

test.for<[what: string, change: () => Promise<void>, calls: readonly string[]]>([
  ['a source of the server is edited', () => write('apps/vigie/src/main.ts', 'and more'), ['compiler', WEB]],
  ['a source is added', () => write('packages/core/src/new.ts', 'new'), ['compiler', WEB]],
  ['a source is deleted', () => unlink(join(root, 'packages/client/src/client.ts')), ['compiler', WEB]],
  ['other versions are installed', () => write('package-lock.json', '{ "a": 1 }'), ['compiler', WEB, OPS]],
  [
    'a compiled file is gone',
    () => rm(join(root, 'apps/vigie/dist'), { recursive: true }),
    ['compiler', WEB],
  ],
  ['the page’s source is edited', () => write('apps/web/src/main.tsx', 'and more'), [WEB]],
  ['the operators’ page is edited', () => write('apps/ops/src/main.tsx', 'and more'), [OPS]],
  ['what both pages share is edited', () => write('apps/web/src/look/tokens.css', 'and more'), [WEB, OPS]],
  ['the built page is gone', () => rm(join(root, 'apps/web/dist'), { recursive: true }), [WEB]],
  ['a test is edited', () => write('apps/web/test/page.test.ts', 'test'), []],
  [
    'what was noted of the last build is no text of ours',
    () => write('node_modules/.cache/vigie/start.json', '{'),
    ['compiler', WEB, OPS],
  ],
])('`npm start` builds what has to be built, and no more, when %s', async ([, change, calls]) => {
  await start()
  await change()
  expect((await start()).calls).toEqual(calls)
  expect((await start()).calls).toEqual([])
})

test('`npm start` builds again what could not be built, and says that it could not', async () => {
  await write('broken', '')
  const { code, errors, lines } = await start()
  expect([code, errors]).toEqual([
    1,
    'vigie: Building the server and the SDK failed; what it said is above. `npm run build` builds everything.\n',
  ])
  expect(lines).not.toContain('runs serve --demo')
  await unlink(join(root, 'broken'))
  expect((await start()).calls).toEqual(['compiler', WEB, OPS])
})

test('`npm start` tells of a port in use before it builds, wherever the port is named', async () => {
  const other = createServer()
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const sentence = `vigie: Vigie cannot listen on 127.0.0.1, port ${port}: something listens there already; stop it, or choose another PORT.\n`
  try {
    for (const [env, file] of [
      [{ PORT: String(port) }, '{}'],
      [{}, JSON.stringify({ port })],
    ] as const) {
      await write('vigie.config.json', file)
      const { code, errors, calls } = await start(env)
      expect([code, errors, calls]).toEqual([1, sentence, []])
    }
    // What cannot be a port is for the server to say.
    expect((await start({ PORT: '99999' })).calls).toEqual(['compiler', WEB, OPS])
  } finally {
    other.close()
  }
})

test('`npm start` in a clone without its packages says what to do', async () => {
  await rm(join(root, 'node_modules'), { recursive: true })
  const { code, errors, lines } = await start()
  expect([code, errors, lines]).toEqual([
    1,
    'vigie: The packages are not installed: run `npm ci` first.\n',
    [],
  ])
})
