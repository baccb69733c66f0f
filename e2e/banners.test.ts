import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { launchBrowser } from './support/chromium.js'
import { startProxy } from './support/proxy.js'
import { startVigie, type Vigie } from './support/vigie.js'

/** Unpacking the browser, and a first start of the server, on a busy machine. */
const SLOW_MS = 120_000
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
    await using tab = await openTab(vigie.url)
    // What is shown comes; the connection beside it opens, and then nothing comes through for a while.
    let release = () => {}
    await tab.page.routeWebSocket(/socket\.io/u, (socket) => {
      const waiting: (string | Buffer)[] = []
      let server: ReturnType<typeof socket.connectToServer> | undefined
      socket.onMessage((message) => {
        if (server === undefined) waiting.push(message)
        else server.send(message)
      })
      release = () => {
        server = socket.connectToServer()
        for (const message of waiting) server.send(message)
      }
    })
    await tab.page.reload()
    await tab.signIn()
    const said = await tab.recordBanner()
    await tab.banner('connecting', 'Connecting…')
    await tab.banner('slow', 'Slow connection. Still trying…')
    release()
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
    await tab.banner('busy', 'The server is busy. Waiting for room…')
    await tab.page.getByRole('button', { name: 'Try now' }).waitFor()
    await vi.waitFor(
      async () => {
        // It is there from one attempt to the next, until none is needed any more.
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
    await tab.banner('offline', 'This device is offline.')
    await tab.page
      .getByTestId('summary')
      .filter({ hasText: /^last known .+: 1 of 44 online$/u })
      .waitFor()
    await tab.context.setOffline(false)
    await tab.banner('live', '')
  },
)

test(
  'whoever writes faster than the server takes it is told so, and all of it is sent in order by itself',
  { timeout: SLOW_MS },
  async () => {
    await using tab = await openTab(vigie.url)
    await tab.signIn()
    await tab.banner('live', '')
    const waits = tab.page.getByText('Waits: too many messages at a time.')
    let written = 0
    await vi.waitFor(
      async () => {
        await tab.page.getByTestId('composer').fill(`number ${written}`)
        await tab.page.getByTestId('composer').press('Enter')
        written += 1
        expect(await waits.count()).toBeGreaterThan(0)
      },
      { timeout: SLOW_MS, interval: 1 },
    )
    await vi.waitFor(async () => expect(await tab.page.getByTestId('draft').count()).toBe(0), {
      timeout: SLOW_MS,
    })
    const sent = await tab.page.getByTestId('message').locator('.bubble-text').allTextContents()
    expect(sent.filter((text) => text.startsWith('number'))).toEqual(
      Array.from({ length: written }, (_, index) => `number ${index}`),
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
    banner: (state: string, text: string) => {
      const shown = banner.and(page.locator(`[data-state=${state}]`))
      const said = text === '' ? shown : shown.filter({ has: page.getByText(text, { exact: true }) })
      return said.waitFor({ state: 'attached' })
    },
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
