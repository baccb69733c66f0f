import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { launchBrowser } from './support/chromium.js'
import { startProxy } from './support/proxy.js'
import { startVigie, type Vigie } from './support/vigie.js'

/** Unpacking the browser, and a first start of the server, on a busy machine. */
const SLOW_MS = 120_000
const LOGIN = '**/demo/login'
/** Attempts that a full server sends away. */
const REFUSALS = 4

let browser: Browser
let vigie: Vigie
beforeAll(async () => {
  ;[browser, vigie] = await Promise.all([launchBrowser(), startVigie()])
}, SLOW_MS)
afterAll(async () => {
  await browser.close()
  await vigie[Symbol.asyncDispose]()
})

test(
  'a first connection that takes its time is said to be under way, then slow, and then nothing is said',
  { timeout: SLOW_MS },
  async () => {
    await using proxy = await startProxy(vigie.url)
    await using tab = await openTab(proxy.url)
    // The first token fetches what is shown; the line goes dead when the second one is there, which is for the connection.
    let logins = 0
    await tab.page.route(LOGIN, async (route) => {
      const response = await route.fetch()
      logins += 1
      if (logins === 2) proxy.freeze()
      await route.fulfill({ response })
    })
    await tab.signIn()
    const said = await tab.recordBanner()
    await tab.banner('connecting', 'Connecting …')
    await tab.banner('slow', 'The connection is slow. Still trying …')
    proxy.thaw()
    await tab.banner('live', '')
    expect(await said()).toEqual(['none', 'connecting', 'slow', 'live'])
  },
)

test(
  'a server without room is said to be busy, at each attempt and between them, until one is let in',
  { timeout: SLOW_MS },
  async () => {
    await using tab = await openTab(vigie.url)
    // The words of a server that is full, on the real connection.
    const data = { code: 'overloaded', message: 'Full.', retry: 'backoff' }
    let refused = 0
    await tab.page.routeWebSocket(/socket\.io/u, (socket) => {
      const server = socket.connectToServer()
      socket.onMessage((message) => {
        if (refused === REFUSALS || !String(message).startsWith('40')) {
          server.send(message)
          return
        }
        refused += 1
        socket.send(`44${JSON.stringify({ message: data.message, data })}`)
      })
    })
    await tab.page.reload()
    await tab.signIn()
    const said = await tab.recordBanner()
    await tab.banner('busy', 'The server is busy. You will be let in as soon as there is room.')
    await tab.page.getByRole('button', { name: 'Try now' }).waitFor()
    await vi.waitFor(
      async () => {
        // It is there only while an attempt is waited for.
        await tab.page.evaluate(() =>
          document.querySelector<HTMLElement>('[data-testid=banner] button')?.click(),
        )
        expect(await tab.page.locator('[data-testid=banner][data-state=live]').count()).toBe(1)
      },
      { timeout: SLOW_MS },
    )
    expect(refused).toBe(REFUSALS)
    // The first attempt may take so long that it is told of; no other state comes in between.
    expect((await said()).filter((state) => state !== 'connecting')).toEqual(['none', 'busy', 'live'])
  },
)

test(
  'a device without a network is told so, and comes back when it has one',
  { timeout: SLOW_MS },
  async () => {
    await using proxy = await startProxy(vigie.url)
    await using tab = await openTab(proxy.url)
    await tab.signIn()
    await tab.banner('live', '')
    await tab.context.setOffline(true)
    proxy.cut()
    await tab.banner(
      'offline',
      'This device is offline. It will reconnect by itself. What you see is what was last known.',
    )
    await tab.context.setOffline(false)
    await tab.banner('live', '')
  },
)

test(
  'whoever writes faster than the server takes it is told why a message was not sent, and may try again',
  { timeout: SLOW_MS },
  async () => {
    await using tab = await openTab(vigie.url)
    await tab.signIn()
    await tab.banner('live', '')
    const refused = tab.page.locator('[data-testid=draft][data-state=failed]')
    await vi.waitFor(
      async () => {
        await tab.page.getByTestId('composer').fill('hello')
        await tab.page.getByTestId('composer').press('Enter')
        expect(await refused.count()).toBeGreaterThan(0)
      },
      { timeout: SLOW_MS, interval: 1 },
    )
    await tab.page.getByText('Not sent: too many messages at a time.').first().waitFor()
    await vi.waitFor(
      async () => {
        const retry = tab.page.getByRole('button', { name: 'Try again' })
        if ((await retry.count()) > 0) await retry.first().click()
        expect(await tab.page.getByTestId('draft').count()).toBe(0)
      },
      { timeout: SLOW_MS },
    )
  },
)

/** One tab of the chat page, where one chooses who one is. */
async function openTab(url: string) {
  const context: BrowserContext = await browser.newContext({ locale: 'en-GB' })
  const page: Page = await context.newPage()
  await page.goto(url)
  const banner = page.getByTestId('banner')
  return {
    page,
    context,
    signIn: () => page.getByTestId('person').first().click(),
    banner: (state: string, text: string) =>
      banner
        .and(page.locator(`[data-state=${state}]`))
        .filter({ has: page.locator(`p[role=status]`).and(page.getByText(text, { exact: true })) })
        .waitFor({ state: 'attached' }),
    /** Each state of the banner, from its first one on. */
    recordBanner: async () => {
      await banner.waitFor({ state: 'attached' })
      const states = await banner.evaluateHandle((element) => {
        const seen: string[] = []
        const read = () => {
          const state = element.getAttribute('data-state') ?? ''
          if (seen.at(-1) !== state) seen.push(state)
        }
        read()
        new MutationObserver(read).observe(element, { attributes: true, attributeFilter: ['data-state'] })
        return seen
      })
      return () => states.jsonValue()
    },
    async [Symbol.asyncDispose]() {
      // A login may be under way that nobody is going to read.
      await page.unrouteAll({ behavior: 'ignoreErrors' })
      await context.close()
    },
  }
}
