/**
 * The operators' page: files of `apps/ops`, which anybody may load. What it shows comes from the HTTP API, and that asks
 * for a key.
 */
import { Hono } from 'hono'
import type { Log } from '@vigie/server'
import { errorMessage } from './operator-error.js'
import { addPageFiles, readPage, WEB_TYPES, type Page } from './page-files.js'

/** Where the page is. */
export const OPS_PATH = '/ops/'

const PAGE: Page = {
  path: OPS_PATH,
  folders: ['public/ops/', '../ops/dist/'],
  entry: 'index.html',
  types: WEB_TYPES,
}

/**
 * Serves the page. Where its files are missing, as in a clone that was not built, the server runs without it and says so:
 * presence does not need it.
 */
export async function opsRoutes(log: Log, page: Page = PAGE): Promise<Hono> {
  const routes = new Hono()
  try {
    const files = await readPage(page)
    routes.get('/ops', (context) => context.redirect('ops/'))
    addPageFiles(routes, files)
  } catch (error) {
    log.warn(`there is no operators' page at ${OPS_PATH}: ${errorMessage(error)}`)
  }
  return routes
}
