/**
 * `npm run check`: everything that can be known without running the product. One line per check; what a
 * failed one said follows its line. Ends with `N passed, N failed`.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { exit, execPath, stdout } from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { writeCommonJs } from './commonjs.js'
import { documents } from './docs.js'
import { importFindings } from './imports.js'

const root = fileURLToPath(new URL('../', import.meta.url))
const run = promisify(execFile)
const PUBLISHED = ['packages/protocol', 'packages/server', 'packages/client', 'apps/vigie']
/** Room for what a tool says about a whole repository. */
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024

/** The files that belong to the repository: those that `.gitignore` does not name. */
const files = await repositoryFiles()
const manifests = await Promise.all(
  files
    .filter((path) => /(^|\/)package\.json$/u.test(path))
    .map(async (path) => ({ path, manifest: JSON.parse(await read(path)) })),
)

// In this order: what comes later reads what `tsc -b` has built.
const checks = [
  ['format', () => tool('prettier', '--check', '--log-level=warn', '.')],
  ['types', () => tool('tsc', '-b')],
  ['lint', () => tool('eslint', '--max-warnings=0', '.')],
  ['circles and layers', () => importFindings()],
  ['CommonJS', commonJs],
  ...PUBLISHED.map((path) => [`package ${path}`, () => tool('publint', '--strict', path)]),
  ...PUBLISHED.map((path) => [`package types ${path}`, () => packageTypes(path)]),
  ['generated documents', generatedDocuments],
  ['links in documents', documentLinks],
  ['paths in ARCHITECTURE.md', architecturePaths],
  ['a reason for each dependency', dependencyReasons],
  ['pinned versions', pinnedVersions],
  ['a runner for each test', testsWithoutRunner],
]

let failed = 0
for (const [name, check] of checks) {
  const started = performance.now()
  const problem = await outcome(check)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  stdout.write(`${problem === undefined ? 'pass' : 'FAIL'}  ${name} (${seconds} s)\n`)
  if (problem === undefined) continue
  failed += 1
  stdout.write(`${problem.replaceAll(/^/gmu, '      ')}\n`)
}
stdout.write(`${checks.length - failed} passed, ${failed} failed\n`)
exit(failed === 0 ? 0 : 1)

/** What is wrong, as text; undefined when nothing is. A check throws, or returns the list of its findings. */
async function outcome(check) {
  try {
    const findings = await check()
    return findings.length === 0 ? undefined : findings.join('\n')
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Runs a tool of this repository's own; what it printed is its finding when it exits with another code than 0. */
async function tool(name, ...args) {
  const packageName = name === 'tsc' ? 'typescript' : name === 'attw' ? '@arethetypeswrong/cli' : name
  const manifest = JSON.parse(await read(`node_modules/${packageName}/package.json`))
  const bin = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[name]
  try {
    await run(execPath, [join(root, 'node_modules', packageName, bin), ...args], {
      cwd: root,
      maxBuffer: OUTPUT_MAX_BYTES,
    })
    return []
  } catch (error) {
    const said = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim()
    throw new Error(said === '' ? error.message : said, { cause: error })
  }
}

/** What is packed beside `dist`; `publint` looks at it where it lies. */
async function commonJs() {
  const packages = manifests.filter(({ manifest }) => manifest.main?.startsWith('./cjs/'))
  await Promise.all(packages.map(({ path }) => writeCommonJs(join(root, dirname(path)))))
  return []
}

/** Whether every entry of the package, as npm would pack it, resolves with its types, in each of TypeScript's modes. */
async function packageTypes(path) {
  const { manifest } = manifests.find((entry) => entry.path === `${path}/package.json`)
  const entries = Object.keys(manifest.exports).filter((entry) => entry !== './package.json')
  // A package without an entry (the command line) has no types to be wrong about.
  if (entries.length === 0) return []
  return tool('attw', '--pack', path, '--entrypoints', ...entries)
}

async function generatedDocuments() {
  const findings = []
  for (const [path, text] of await documents()) {
    const found = files.includes(path) ? await read(path) : undefined
    if (found !== text) findings.push(`${path} is not what it is made from: run \`npm run docs\`.`)
  }
  return findings
}

/** Relative links, their anchors included, of every document. */
async function documentLinks() {
  const findings = []
  for (const path of files.filter((name) => name.endsWith('.md'))) {
    for (const target of linksOf(await read(path))) {
      if (/^[a-z][a-z+.-]*:/iu.test(target)) continue
      const [linked, anchor] = target.split('#')
      const file = linked === '' ? path : normalize(join(dirname(path), decodeURI(linked)))
      if (!exists(file)) findings.push(`${path}: ${target} does not exist`)
      else if (anchor && file.endsWith('.md') && !anchorsOf(await read(file)).has(anchor)) {
        findings.push(`${path}: ${target} names no heading`)
      }
    }
  }
  return findings
}

function linksOf(markdown) {
  const text = withoutCode(markdown).replaceAll(/`[^`\n]*`/gu, '')
  const inline = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/gu)]
  const references = [...text.matchAll(/^\s*\[[^\]]+\]:\s*(\S+)/gmu)]
  const html = [...text.matchAll(/\b(?:href|src)="([^"]+)"/gu)]
  return [...inline, ...references, ...html].map(([, target]) => target)
}

/** GitHub's anchors: lower case, punctuation dropped, spaces to hyphens. */
function anchorsOf(markdown) {
  const headings = [...withoutCode(markdown).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gmu)]
  const seen = new Map()
  return new Set(
    headings.map(([, heading]) => {
      const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/gu, '$1').toLowerCase()
      const slug = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/gu, '-')
      const times = seen.get(slug) ?? 0
      seen.set(slug, times + 1)
      return times === 0 ? slug : `${slug}-${times}`
    }),
  )
}

function withoutCode(markdown) {
  return markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1/gmu, '')
}

/** Code spans of ARCHITECTURE.md that look like a path in one of the repository's folders. */
async function architecturePaths() {
  if (!exists('ARCHITECTURE.md')) return ['ARCHITECTURE.md is missing']
  const folders = new Set(files.filter((path) => path.includes('/')).map((path) => path.split('/')[0]))
  const spans = [...(await read('ARCHITECTURE.md')).matchAll(/`([^`\s]+)`/gu)].map(([, span]) => span)
  return spans
    .filter((span) => span.includes('/') && folders.has(span.split('/')[0]) && !/[*{<…]/u.test(span))
    .filter((span) => !exists(span.replace(/\/$/u, '')))
    .map((span) => `${span} does not exist`)
}

async function dependencyReasons() {
  const path = 'docs/decisions/dependencies.md'
  if (!exists(path)) return [`${path} is missing`]
  const reasons = new Set(
    [...(await read(path)).matchAll(/^\|\s*`([^`]+)`\s*\|\s*\S/gmu)].map(([, name]) => name),
  )
  const used = new Set(manifests.flatMap(({ manifest }) => dependenciesOf(manifest).map(([name]) => name)))
  return [
    ...[...used].filter((name) => !reasons.has(name)).map((name) => `${name} has no line in ${path}`),
    ...[...reasons]
      .filter((name) => !used.has(name))
      .map((name) => `${name} has a line in ${path}, and no user`),
  ]
}

/** Exact versions, so that a build of today is a build of next year. Peers are ranges: they are the host's. */
async function pinnedVersions() {
  return manifests.flatMap(({ path, manifest }) =>
    dependenciesOf(manifest)
      .filter(
        ([, version, kind]) => kind !== 'peerDependencies' && !/^\d+\.\d+\.\d+(-[\w.]+)?$/u.test(version),
      )
      .map(([name, version]) => `${path}: ${name} is "${version}"; give the exact version`),
  )
}

/** Tests where `vitest.config.ts` and `vitest.system.config.ts` do not look: they would be green for ever. */
function testsWithoutRunner() {
  return files
    .filter((path) => /\.(test|spec)\.\w+$/u.test(path))
    .filter((path) => !/^((packages|apps|examples)\/[^/]+\/test|e2e)\/.*\.test\.tsx?$/u.test(path))
    .map((path) => `${path} is run by nothing: move it to a folder that vitest.config.ts names`)
}

/** `[name, version, kind]` of each dependency outside this repository. */
function dependenciesOf(manifest) {
  const own = new Set(manifests.map((entry) => entry.manifest.name))
  return ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'].flatMap((kind) =>
    Object.entries(manifest[kind] ?? {})
      .filter(([name]) => !own.has(name))
      .map(([name, version]) => [name, version, kind]),
  )
}

/** Whether a file, or a folder with files, of that path belongs to the repository. */
function exists(path) {
  return (
    path === '.' || files.some((file) => file === path || file.startsWith(`${path.replace(/\/$/u, '')}/`))
  )
}

function read(path) {
  return readFile(join(root, path), 'utf8')
}

/** Walks instead of asking git: a checkout may be an archive, or belong to another user than the one who runs this. */
async function repositoryFiles() {
  const ignored = (await read('.gitignore'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const folders = new Set([
    '.git',
    ...ignored.filter((line) => line.endsWith('/')).map((line) => line.slice(0, -1)),
  ])
  const endings = ignored.filter((line) => line.startsWith('*')).map((line) => line.slice(1))
  const walk = async (folder) => {
    const entries = await readdir(join(root, folder), { withFileTypes: true })
    const found = entries.map((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return folders.has(entry.name) ? [] : walk(path)
      return endings.some((ending) => path.endsWith(ending)) ? [] : [path]
    })
    return (await Promise.all(found)).flat()
  }
  return walk('.')
}
