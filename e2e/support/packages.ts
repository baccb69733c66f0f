import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** In the order of their layers. */
const PUBLISHED = ['packages/protocol', 'packages/server', 'packages/client', 'apps/vigie']
/** What such a project adds beside ours, in the versions that this repository is tested with. */
const BESIDE = ['socket.io', 'socket.io-client', 'postgres', 'typescript', '@types/node']
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024

/** What a program said, and how it ended. */
export interface Ran {
  readonly code: number
  readonly output: string
}

/** A project outside of the workspace, as somebody who uses the packages has it. */
export interface FreshProject extends AsyncDisposable {
  readonly path: string
  write(file: string, text: string): Promise<void>
  read(file: string): Promise<string>
  /** Runs a program in the folder and waits for its end. */
  run(command: string, ...args: string[]): Promise<Ran>
}

/** A new folder with nothing in it. */
export async function emptyProject(): Promise<FreshProject> {
  const path = await mkdtemp(join(tmpdir(), 'vigie-project-'))
  return {
    path,
    write: (file, text) => writeFile(join(path, file), text),
    read: (file) => readFile(join(path, file), 'utf8'),
    run: (command, ...args) => run(path, command, args),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

/**
 * Packs what is published and installs the tarballs, and nothing from the workspace, into a new folder.
 * @throws Error with npm's own words.
 */
export async function installedProject(): Promise<FreshProject> {
  const project = await emptyProject()
  try {
    // PostgreSQL, which is never root, must be able to reach its data, or they are put elsewhere and stay.
    await chmod(project.path, 0o755)
    const folder = join(project.path, 'packed')
    await mkdir(folder)
    const tarballs: string[] = []
    for (const path of PUBLISHED) {
      // The name is the last word: what the package's own scripts say comes before.
      const { output } = must(await run(join(ROOT, path), 'npm', ['pack', '--pack-destination', folder]))
      tarballs.push(`./packed/${/^\S+\.tgz$/mu.exec(output)?.[0] ?? ''}`)
    }
    await project.write('package.json', JSON.stringify({ name: 'fresh', private: true, type: 'module' }))
    const beside = await versionsOf(BESIDE)
    must(
      await project.run('npm', 'install', '--no-audit', '--no-fund', '--save-exact', ...tarballs, ...beside),
    )
    return project
  } catch (error) {
    await project[Symbol.asyncDispose]()
    throw error
  }
}

/** @throws Error with all that was said, unless the program ended well. */
export function must(ran: Ran): Ran {
  if (ran.code !== 0) throw new Error(`It ended with ${ran.code}:\n${ran.output}`)
  return ran
}

/** `name@version` of each, in the version that this repository has. */
export async function versionsOf(names: readonly string[]): Promise<readonly string[]> {
  return Promise.all(names.map(async (name) => `${name}@${await versionOf(name)}`))
}

async function versionOf(name: string): Promise<string> {
  const manifest = await readFile(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

async function run(cwd: string, command: string, args: readonly string[]): Promise<Ran> {
  // Of the npm that runs these tests, nothing: a script's settings would be taken for the project's.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/iu.test(name)))
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, {
      cwd,
      env,
      maxBuffer: OUTPUT_MAX_BYTES,
    })
    return { code: 0, output: `${stdout}\n${stderr}` }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string }
    if (typeof code !== 'number') throw error
    return { code, output: `${stdout ?? ''}\n${stderr ?? ''}` }
  }
}
