/**
 * Who imports whom, by dependency-cruiser and `dependency-cruiser.config.js`: what is forbidden, for `npm run check`, and
 * the drawing of `packages/server/src`, for `npm run docs`.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../', import.meta.url))
const run = promisify(execFile)
const CONFIGURATION = join(root, 'dependency-cruiser.config.js')
const SERVER = 'packages/server/src'
/** Room for what the tool says about the whole repository. */
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024

/**
 * What is imported and may not be, one text a finding. The `src` of each package and app is looked at.
 * @param folder Another folder than this repository, for the test of the rules.
 */
export async function importFindings(folder = root) {
  const { summary } = await cruise(folder, await sourceFolders(folder))
  if (summary.totalCruised === 0) return ['No source file was found: nothing was looked at.']
  return summary.violations.map(describe)
}

/** The folders of `packages/server/src`, then the files of its `core`, as Mermaid draws them. */
export async function importDrawing() {
  const { modules } = await cruise(root, [SERVER])
  const imports = modules.flatMap(({ source, dependencies }) =>
    dependencies.map(({ resolved, dependencyTypes }) => ({
      from: source,
      to: resolved,
      isOfTypes: dependencyTypes.includes('type-only'),
    })),
  )
  const ours = imports.filter(({ from, to }) => [from, to].every((path) => path.startsWith(`${SERVER}/`)))
  const folderOf = (path) => path.slice(SERVER.length + 1).split('/')[0]
  const folders = edges(ours.map(({ from, to }) => [folderOf(from), folderOf(to)]))

  const core = `${SERVER}/core/`
  const stationOf = (path) => path.slice(core.length).replace(/\.ts$/u, '')
  const values = ours.filter(
    ({ from, to, isOfTypes }) => !isOfTypes && [from, to].every((path) => path.startsWith(core)),
  )
  const all = edges(values.map(({ from, to }) => [stationOf(from), stationOf(to)]))
  // Helpers import no other file of the folder, and the door imports them all: neither says anything of the order.
  const importing = new Set(all.map(([from]) => from))
  const stations = all.filter(([from, to]) => from !== 'index' && importing.has(to))
  return [
    'The folders of `packages/server/src`; an arrow says "imports".',
    flowchart(folders),
    'The stations of its `core`: files that import others of them, by value and not for types only. An arrow that follows from two others is left out.',
    flowchart(withoutShortcuts(stations)),
  ].join('\n\n')
}

async function cruise(folder, paths) {
  const manifest = JSON.parse(
    await readFile(join(root, 'node_modules/dependency-cruiser/package.json'), 'utf8'),
  )
  const program = join(root, 'node_modules/dependency-cruiser', manifest.bin.depcruise)
  const args = [program, '--config', CONFIGURATION, '--output-type', 'json', ...paths]
  try {
    return JSON.parse((await run(execPath, args, { cwd: folder, maxBuffer: OUTPUT_MAX_BYTES })).stdout)
  } catch (error) {
    // It ends with the number of findings as its code, and says them all the same.
    if (!error.stdout?.startsWith('{')) throw error
    return JSON.parse(error.stdout)
  }
}

async function sourceFolders(folder) {
  const found = await Promise.all(
    ['packages', 'apps'].map(async (parent) => {
      const entries = await readdir(join(folder, parent), { withFileTypes: true }).catch(absent)
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${parent}/${name}`)
    }),
  )
  const withSource = await Promise.all(
    found.flat().map(async (path) => {
      const entries = await readdir(join(folder, path))
      return entries.includes('src') ? [`${path}/src`] : []
    }),
  )
  return withSource.flat()
}

function absent(error) {
  if (error.code === 'ENOENT') return []
  throw error
}

function describe({ from, to, rule, cycle }) {
  const way = cycle === undefined ? [from, to] : [from, ...cycle.map(({ name }) => name)]
  return `${rule.name}: ${way.join(' → ')}`
}

/** Each pair once, none of a name with itself, in the order of the alphabet. */
function edges(pairs) {
  const texts = new Set(pairs.filter(([from, to]) => from !== to).map((pair) => pair.join(' ')))
  return [...texts].sort().map((text) => text.split(' '))
}

/** Leaves out each arrow whose end is reached by others, too. */
function withoutShortcuts(pairs) {
  let left = pairs
  for (const pair of pairs) {
    const others = left.filter((other) => other !== pair)
    if (isReached(others, pair)) left = others
  }
  return left
}

function isReached(pairs, [start, end]) {
  const seen = new Set([start])
  for (const name of seen) {
    for (const [from, to] of pairs) if (from === name) seen.add(to)
  }
  return seen.has(end)
}

function flowchart(pairs) {
  return ['```mermaid', 'flowchart TD', ...pairs.map(([from, to]) => `  ${from} --> ${to}`), '```'].join('\n')
}
