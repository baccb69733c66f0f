import { readPage, TEXT_TYPES, WEB_TYPES, type Page, type PageFile } from '../page-files.js'

/** The chat page of `apps/web`, the plain example, and the documents that both link to. */
const PAGES: readonly Page[] = [
  { path: '/', folders: ['public/chat/', '../web/dist/'], entry: 'index.html', types: WEB_TYPES },
  {
    path: '/plain/',
    folders: ['public/plain/', '../../examples/plain-html/'],
    entry: 'index.html',
    types: WEB_TYPES,
  },
  { path: '/docs/', folders: ['public/docs/', '../../docs/'], entry: 'client.md', types: TEXT_TYPES },
]

/**
 * Every file of the demo's pages by its path.
 * @throws OperatorError when a page is missing, as in a clone that was not built.
 */
export async function readDemoPages(): Promise<ReadonlyMap<string, PageFile>> {
  const pages = await Promise.all(PAGES.map(readPage))
  return new Map(pages.flat())
}
