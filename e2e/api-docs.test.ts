/** The page that describes the HTTP API, in a real browser. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { launchBrowser, overhear } from './support/chromium.js'
import { startVigie } from './support/vigie.js'

interface Axe {
  run(): Promise<{
    readonly violations: readonly {
      readonly id: string
      readonly nodes: readonly { readonly html: string }[]
    }[]
  }>
}

/** Unpacking the browser, and a first start of the server, on a busy machine. */
const SLOW_MS = 120_000

test(
  'the page of the API loads nothing from elsewhere, leads to what it names, and has no flaw that axe finds',
  {
    timeout: SLOW_MS,
  },
  async () => {
    await using vigie = await startVigie()
    await using browser = await launchBrowser()
    const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
    for (const look of [
      { viewport: { width: 1_280, height: 800 }, colorScheme: 'light' as const },
      { viewport: { width: 360, height: 740 }, colorScheme: 'dark' as const },
    ]) {
      const context = await browser.newContext(look)
      const page = await context.newPage()
      const { problems, strangers } = overhear(page, vigie.url)
      await page.goto(`${vigie.url}/v1/docs`)
      // The style has come: it is a file of this server's.
      expect(await page.locator('body').evaluate((body) => getComputedStyle(body).maxWidth)).toBe('960px')
      await page.getByRole('link', { name: 'POST /v1/users/{userId}/kick' }).click()
      expect(new URL(page.url()).hash).toBe('#kickUser')
      const isWider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
      expect(isWider).toBe(false)
      await page.evaluate(axe)
      const violations = await page.evaluate(async () => {
        const { axe: checker } = globalThis as unknown as { axe: Axe }
        const { violations: found } = await checker.run()
        return found.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 120)}`))
      })
      expect(violations).toEqual([])
      expect([problems, strangers]).toEqual([[], []])
      await context.close()
    }
  },
)
