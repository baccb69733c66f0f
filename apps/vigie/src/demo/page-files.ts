/** The demo's pages, read once: the chat page of `apps/web`, and the plain example. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorMessage, OperatorError } from '../operator-error.js'

export interface PageFile {
  readonly body: string
  readonly type: string
  /** Whether its name changes with what is in it, so that a browser may keep it. */
  readonly isHashed: boolean
}

interface Page {
  /** Where it is served, with a slash at the end. */
  readonly path: string
  /** Where it lies: in a package beside `dist`, in the repository where it is made. */
  readonly folders: readonly string[]
}

const PAGES: readonly Page[] = [
  { path: '/', folders: ['../../public/chat/', '../../../web/dist/'] },
  { path: '/plain/', folders: ['../../public/plain/', '../../../../examples/plain-html/'] },
]

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
])

/**
 * Every file of the pages by its path; nothing else of the disk can be asked for.
 * @throws OperatorError when a page is missing, as in a clone that was not built.
 */
export async function readPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const pages = await Promise.all(PAGES.map(readPage))
  return new Map(pages.flat())
}

async function readPage({ path, folders }: Page): Promise<[string, PageFile][]> {
  const folder = folders
    .map((relative) => fileURLToPath(new URL(relative, import.meta.url)))
    .find((candidate) => existsSync(join(candidate, 'index.html')))
  if (folder === undefined) {
    throw new OperatorError(`The demo's page for ${path} was not built: run \`npm run build\`.`)
  }
  try {
    const names = await readdir(folder, { recursive: true })
    const served = names.flatMap((name): [string, string][] => {
      const type = TYPES.get(extname(name))
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
    throw new OperatorError(`The demo's page for ${path} cannot be read: ${errorMessage(error)}.`, {
      cause: error,
    })
  }
}
