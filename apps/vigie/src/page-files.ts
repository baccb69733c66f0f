/** Files of pages, read once and served from memory; nothing else of the disk can be asked for. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hono } from 'hono'
import { errorMessage, OperatorError } from './operator-error.js'

export interface PageFile {
  readonly body: string
  readonly type: string
  /** Whether its name changes with what is in it, so that a browser may keep it. */
  readonly isHashed: boolean
}

/** A page, or some files beside each other. */
export interface Page {
  /** Where it is served, with a slash at the end. */
  readonly path: string
  /** Where it lies, seen from the package of `vigie`: in what is installed, and in the repository, where it is made. */
  readonly folders: readonly string[]
  /** The file that makes a folder the one that is meant. */
  readonly entry: string
  /** What is served of it, by how names end. */
  readonly types: ReadonlyMap<string, string>
}

/** What pages are made of. */
export const WEB_TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
])
/** A browser shows it as it is, and would offer `text/markdown` as a download. */
export const TEXT_TYPES: ReadonlyMap<string, string> = new Map([['.md', 'text/plain; charset=utf-8']])

/** Where the package of `vigie` begins: the parent of `dist`, and of `src`. */
const PACKAGE = new URL('../', import.meta.url)
/** A year: a file whose name changes with what is in it never goes stale. */
const KEPT_FOR_EVER = 'public, max-age=31536000, immutable'

/**
 * Every file of a page, with the path that it is served at.
 * @throws OperatorError when it is not there, as in a clone that was not built, or cannot be read.
 */
export async function readPage({ path, folders, entry, types }: Page): Promise<[string, PageFile][]> {
  const folder = folders
    .map((relative) => fileURLToPath(new URL(relative, PACKAGE)))
    .find((candidate) => existsSync(join(candidate, entry)))
  if (folder === undefined) {
    throw new OperatorError(`The page for ${path} was not built: run \`npm run build\`.`)
  }
  try {
    const names = await readdir(folder, { recursive: true })
    const served = names.flatMap((name): [string, string][] => {
      const type = types.get(extname(name))
      return type === undefined ? [] : [[name.replaceAll('\\', '/'), type]]
    })
    return await Promise.all(
      served.map(async ([name, type]): Promise<[string, PageFile]> => {
        const body = await readFile(join(folder, name), 'utf8')
        const served = `${path}${name === 'index.html' ? '' : name}`
        return [served, { body, type, isHashed: name.startsWith('assets/') }]
      }),
    )
  } catch (error) {
    throw new OperatorError(`The page for ${path} cannot be read: ${errorMessage(error)}.`, {
      cause: error,
    })
  }
}

/** Serves files at their paths. */
export function addPageFiles(routes: Hono, files: Iterable<readonly [string, PageFile]>): void {
  for (const [path, { body, type, isHashed }] of files) {
    routes.get(path, (context) =>
      context.body(body, 200, {
        'Content-Type': type,
        ...(isHashed && { 'Cache-Control': KEPT_FOR_EVER }),
      }),
    )
  }
}
