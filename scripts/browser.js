import { fileURLToPath } from 'node:url'
import { createServer } from 'vite'

/**
 * The browser of the end-to-end tests, for programs that Node runs by itself: the tests' way to find one is TypeScript.
 *
 * @returns {Promise<import('playwright-core').Browser>}
 */
export async function launchBrowser() {
  const vite = await createServer({
    root: fileURLToPath(new URL('../', import.meta.url)),
    configFile: false,
    server: { middlewareMode: true, ws: false },
  })
  try {
    const tests = await vite.ssrLoadModule('/e2e/support/chromium.ts')
    return await tests.launchBrowser()
  } finally {
    await vite.close()
  }
}
