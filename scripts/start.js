/**
 * `npm start`: the demo. Says at once what it does, builds only what has changed since it last built, and becomes the
 * server: one process, so that each signal reaches it as it is.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import process, { argv, chdir, env, execPath, exit, stderr, stdout } from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const STAMPS = join(root, 'node_modules/.cache/vigie/start.json')
/** How often it is looked whether npm still lives. */
const PARENT_LOOK_MS = 500
/** What versions are installed, and how everything is compiled. */
const COMMON = ['package-lock.json', 'tsconfig.base.json']

/** Folders that are made, or are not sources. */
const NO_SOURCES = new Set(['node_modules', 'dist', 'test'])

/** In this order: the page is made from the compiled SDK, and the operators’ shares its look. `from` and `to` are files and folders. */
const STEPS = [
  {
    name: 'the server and the SDK',
    from: [...COMMON, 'packages', 'apps/vigie/src', 'apps/vigie/tsconfig.json'],
    to: ['apps/vigie/dist', 'packages/client/dist', 'packages/protocol/dist', 'packages/server/dist'],
    tool: 'node_modules/typescript/bin/tsc',
    words: ['-b', 'apps/vigie', 'packages/client', 'packages/client/src/react'],
  },
  {
    name: 'the page',
    from: [...COMMON, 'apps/web', 'packages/client/dist', 'packages/protocol/dist'],
    to: ['apps/web/dist'],
    tool: 'node_modules/vite/bin/vite.js',
    words: ['build', 'apps/web'],
  },
  {
    name: 'the operators’ page',
    from: [...COMMON, 'apps/ops', 'apps/web/src/look', 'apps/web/src/texts'],
    to: ['apps/ops/dist'],
    tool: 'node_modules/vite/bin/vite.js',
    words: ['build', 'apps/ops'],
  },
]

chdir(root)
if (STEPS.some(({ tool }) => !existsSync(tool))) fail('The packages are not installed: run `npm ci` first.')
const stamps = await readStamps()
let hasBuilt = false
for (const step of STEPS) {
  if (stamps[step.name] === (await stampOf(step))) continue
  if (!hasBuilt) {
    say('The demo of Vigie is built first: its sources are new, or have changed.')
    await refusePortInUse()
  }
  hasBuilt = true
  say(`Building ${step.name} …`)
  await build(step)
  // After each: who ends it now need not build that again.
  stamps[step.name] = await stampOf(step)
  await mkdir(join(STAMPS, '..'), { recursive: true })
  await writeFile(STAMPS, JSON.stringify(stamps))
}
say(hasBuilt ? 'The demo of Vigie is built, and starts …' : 'The demo of Vigie starts …')
endWithParent()
argv.splice(1, 1, join(root, 'apps/vigie/bin/vigie.js'), 'serve', '--demo')
await import('../apps/vigie/bin/vigie.js')

/**
 * A signal that npm alone gets ends npm and the shell between, which passes nothing on. They were stopped to stop the
 * server, and a server without a terminal would hold its port and its data until somebody finds it.
 */
function endWithParent() {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, PARENT_LOOK_MS)
  timer.unref()
}

function say(sentence) {
  stdout.write(`  ${sentence}\n`)
}

function fail(sentence) {
  stderr.write(`vigie: ${sentence}\n`)
  exit(1)
}

function build({ name, tool, words }) {
  return new Promise((resolve) => {
    const child = spawn(execPath, [tool, ...words], { stdio: 'inherit' })
    child.once('exit', (code) => {
      if (code === 0) resolve()
      else fail(`Building ${name} failed; what it said is above. \`npm run build\` builds everything.`)
    })
  })
}

/** Told before the build, which takes the longest. The server itself tells it best, and does when there is no build. */
async function refusePortInUse() {
  const port = Number(env.PORT || (await configured('port')) || 8080)
  const host = env.HOST || (await configured('host')) || '127.0.0.1'
  const error = await new Promise((resolve) => {
    const server = createServer()
    server.once('error', resolve)
    try {
      server.listen({ port, host }, () => server.close(() => resolve(undefined)))
    } catch {
      // No port at all: the server says what it must be.
      resolve(undefined)
    }
  })
  if (error?.code !== 'EADDRINUSE') return
  fail(
    `Vigie cannot listen on ${host}, port ${port}: something listens there already; stop it, or choose another PORT.`,
  )
}

/** An option of `vigie.config.json`; undefined where there is none, or none that can be read. */
async function configured(name) {
  try {
    return JSON.parse(await readFile('vigie.config.json', 'utf8'))[name]
  } catch {
    return undefined
  }
}

async function readStamps() {
  try {
    return JSON.parse(await readFile(STAMPS, 'utf8'))
  } catch {
    return {}
  }
}

/**
 * Changes with each file that a step is made from and each that it makes: one that is edited, added, deleted, or made by
 * somebody else. Size and time tell, as they do for `make`.
 */
async function stampOf({ from, to, words }) {
  const hash = createHash('sha256').update(words.join(' '))
  for (const [paths, isMade] of [
    [from, false],
    [to, true],
  ]) {
    for (const path of paths) {
      for (const line of await filesOf(path, isMade)) hash.update(line)
    }
  }
  return hash.digest('hex')
}

async function filesOf(path, isMade) {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return [`${path} is missing\n`]
  if (!found.isDirectory()) {
    return path.endsWith('.tsbuildinfo') ? [] : [`${path} ${found.size} ${found.mtimeMs}\n`]
  }
  const names = (await readdir(path)).sort()
  const inside = await Promise.all(
    names.filter((name) => isMade || !NO_SOURCES.has(name)).map((name) => filesOf(join(path, name), isMade)),
  )
  return inside.flat()
}
