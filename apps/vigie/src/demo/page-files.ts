/** The demo's pages, read once: the chat page of `apps/web`, the plain example, and the documents that both link to. */
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
  /** The file that makes a folder the one that is meant. */
  readonly entry: string
  /** What is served of it, by how names end. */
  readonly types: ReadonlyMap<string, string>
}

const WEB: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
])
/** A browser shows it as it is, and would offer `text/markdown` as a download. */
const TEXTS: ReadonlyMap<string, string> = new Map([['.md', 'text/plain; charset=utf-8']])

const PAGES: readonly Page[] = [
  { path: '/', folders: ['../../public/chat/', '../../../web/dist/'], entry: 'index.html', types: WEB },
  {
    path: '/plain/',
    folders: ['../../public/plain/', '../../../../examples/plain-html/'],
    entry: 'index.html',
    types: WEB,
  },
  {
    path: '/docs/',
    folders: ['../../public/docs/', '../../../../docs/'],
    entry: 'client.md',
    types: TEXTS,
  },
]

/**
 * Every file of the pages by its path; nothing else of the disk can be asked for.
 * @throws OperatorError when a page is missing, as in a clone that was not built.
 */
export async function readPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const pages = await Promise.all(PAGES.map(readPage))
  return new Map(pages.flat())
}

async function readPage({ path, folders, entry, types }: Page): Promise<[string, PageFile][]> {
  const folder = folders
    .map((relative) => fileURLToPath(new URL(relative, import.meta.url)))
    .find((candidate) => existsSync(join(candidate, entry)))
  if (folder === undefined) {
    throw new OperatorError(`The demo's page for ${path} was not built: run \`npm run build\`.`)
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
    throw new OperatorError(`The demo's page for ${path} cannot be read: ${errorMessage(error)}.`, {
      cause: error,
    })
  }
}
