import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContextOptions, Page, Request } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freshDatabase } from '../test/database.js'
import { flawsOf } from './support/axe.js'
import { launchBrowser, overhear } from './support/chromium.js'
import { connectClient } from './support/clients.js'
import { freshSecret, serve } from './support/serve.js'
import { startVigie, type Vigie } from './support/vigie.js'

const PICTURES = fileURLToPath(new URL('../test-results/', import.meta.url))
const DESKTOP = { width: 1280, height: 900 }
const PHONE = { width: 360, height: 740 }
/** Unpacking the browser, and a first start of the server, on a busy machine. */
const SLOW_MS = 120_000
/** Devices beside the simulated colleagues. */
const CROWD = 100
const KEY = 'operators-0123456789abcdef'
const READ_KEY = 'readers-0123456789abcdef'

let browser: Browser
/** Without simulated colleagues. Tests share it, and nobody whom one of them connects is the one of another. */
let quiet: Vigie
beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true })
  browser = await launchBrowser()
  // A clock that is moved makes a page ask more often than a server is asked.
  const often = { VIGIE_API_RATE_PER_SECOND: '100000', VIGIE_API_BURST: '100000' }
  quiet = await startVigie({ VIGIE_API_KEYS: `read:${READ_KEY},${KEY}`, ...often })
}, SLOW_MS)
afterAll(async () => {
  await browser.close()
  await quiet[Symbol.asyncDispose]()
})

test(
  'shows a busy server and explains somebody, on a phone and a desktop, light and dark, and axe finds nothing',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie({ VIGIE_DEMO_BOTS: '20' })
    const [ana, ben] = await vigie.pair()
    using phone = connectClient(vigie.url, ana.token, { auth: { deviceId: 'phone', label: 'Phone' } })
    using other = connectClient(vigie.url, ben.token)
    await other.until('Ana is online', ({ picture }) => picture.user(ana.userId)?.online === true)
    expect(phone.connections).toBe(1)
    const tokens = await vigie.tokens()
    const crowd = Array.from({ length: CROWD }, (_, device) =>
      connectClient(vigie.url, tokens[device % tokens.length]!, { auth: { deviceId: `d${device}` } }),
    )
    await Promise.all(
      crowd.map((client) => client.until('it is connected', ({ connections }) => connections === 1)),
    )
    using _crowd = { [Symbol.dispose]: () => crowd.forEach((client) => client[Symbol.dispose]()) }
    const looks = (
      [
        ['desktop', DESKTOP, 'light', 'en-GB'],
        ['desktop-dark', DESKTOP, 'dark', 'fr-FR'],
        ['phone', PHONE, 'light', 'fr-FR'],
        ['phone-dark', PHONE, 'dark', 'en-GB'],
      ] as const
    ).map(async ([name, viewport, colorScheme, locale]) => {
      const tab = await openTab(vigie.url, { viewport, colorScheme, locale })
      await tab.page.locator('[data-testid=line][data-state=live]').waitFor()
      // Frames and first pictures have been measured, and a second look has made rates of them.
      await tab.page.locator('[data-chart=frames] strong', { hasText: '/s' }).waitFor()
      return { name, viewport, tab }
    })
    for (const { name, viewport, tab: opened } of await Promise.all(looks)) {
      await using tab = opened
      const { page } = tab
      await page.locator('[data-testid=conversation][data-id=cafe] button').first().click()
      await page.getByTestId('online-user').filter({ hasText: ana.userId }).first().click()
      await page.locator('[data-testid=verdict][data-online=true]').waitFor()
      await page.getByTestId('search-viewer').fill(ben.userId)
      await page.getByTestId('explain').click()
      await page.locator('[data-testid=viewer][data-sees=true]').waitFor()
      expect(await page.locator('[data-testid=session][data-device=phone]').count()).toBe(1)
      await page.locator('[data-testid=timeline] [data-reason=connected]').first().waitFor()
      await page.screenshot({ path: `${PICTURES}ops-${name}.png`, fullPage: true })
      expect(await flawsOf(page), name).toEqual([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width)

      for (const button of await page.getByTestId('table-button').all()) await button.click()
      expect(await page.getByTestId('chart-table').count()).toBe(10)
      expect(await flawsOf(page), `${name}, tables`).toEqual([])
      await page.locator('[data-device=phone] [data-testid=kick]').click()
      await page.getByTestId('kick-confirm').waitFor()
      await page.screenshot({ path: `${PICTURES}ops-${name}-kick.png` })
      expect(await flawsOf(page), `${name}, dialog`).toEqual([])
      expect(tab.problems).toEqual([])
      expect(tab.strangers).toEqual([])
    }
  },
)

test(
  'the keyboard reaches the search at the first step, searches, is taken to the answer, and reads a chart as a table',
  { timeout: SLOW_MS },
  async () => {
    const [ana] = await quiet.pair()
    using phone = connectClient(quiet.url, ana.token)
    await phone.until('it is connected', ({ connections }) => connections === 1)
    await using tab = await openTab(quiet.url, { viewport: DESKTOP })
    const { page } = tab
    const focused = () =>
      page.evaluate(() => {
        const element = document.activeElement
        return element?.getAttribute('data-testid') ?? element?.tagName
      })
    await page.getByTestId('search-user').waitFor()
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('skip')
    await page.keyboard.press('Enter')
    expect(await focused()).toBe('search-user')
    await page.keyboard.type(ana.userId)
    await page.keyboard.press('Enter')
    await page.locator('[data-testid=verdict][data-online=true]').waitFor()
    expect(await focused()).toBe('verdict')

    const table = page.locator('[data-chart=people] [data-testid=table-button]')
    await table.focus()
    await page.keyboard.press('Enter')
    expect(await page.locator('[data-chart=people] table').innerText()).toMatch(
      /Users online\s+Connections\n/u,
    )
    expect(await page.locator('[data-chart=people] tbody tr').first().innerText()).toMatch(/:\d\d\s+1\s+1$/u)
    expect(await focused()).toBe('table-button')
    // The others are pictures with a text.
    expect(await page.locator('[data-chart=lag] [role=img]').getAttribute('aria-label')).toMatch(
      /^Event loop lag\. Lag: now [\d.]+ ms, highest [\d.]+ ms$/u,
    )
  },
)

test(
  'moves each second; stands still while it is paused; moves every ten seconds for who wants less motion',
  { timeout: SLOW_MS },
  async () => {
    const [, , , token = ''] = await quiet.tokens()
    await using tab = await openTab(quiet.url, { viewport: DESKTOP }, '', async (page) => {
      await page.clock.install()
      await page.addInitScript(countPictures)
    })
    const { page } = tab
    const asked = { monitor: 0, conversations: 0 }
    const open = new Set<Request>()
    page.on('request', (request) => open.add(request))
    page.on('requestfailed', (request) => open.delete(request))
    page.on('requestfinished', (request) => {
      open.delete(request)
      const [, name] = /\/v1\/(monitor|conversations)\b/u.exec(request.url()) ?? []
      if (name !== undefined) asked[name as keyof typeof asked]++
    })
    await page.locator('[data-chart=lag] strong', { hasText: 'ms' }).waitFor()
    await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1_000)

    const seen = () => page.evaluate(() => ({ pictures, at: Date.now() }))
    /** The page asks the server so often, as if a second passed before each. How often it drew its charts for that. */
    async function looks(count: number) {
      const before = await seen()
      for (let n = 0; n < count; n++) {
        const { monitor } = asked
        while (asked.monitor === monitor) {
          // A server has no time to answer in a second that does not pass.
          const [request] = open
          if (request) await request.response()
          else await page.clock.runFor(1_000)
        }
      }
      await page.clock.runFor(1)
      const after = await seen()
      return { pictures: after.pictures - before.pictures, seconds: (after.at - before.at) / 1_000 }
    }

    const line = page.getByTestId('line')
    const online = page.locator('[data-testid=users-online] dd')
    const pause = page.getByTestId('pause')
    expect((await looks(6)).pictures).toBeGreaterThanOrEqual(5)

    await pause.click()
    expect(await line.innerText()).toMatch(/^Paused at \d\d:\d\d:\d\d$/u)
    expect(await pause.innerText()).toBe('Continue')
    const shown = await online.innerText()
    using newcomer = connectClient(quiet.url, token)
    await newcomer.until('it is connected', ({ connections }) => connections === 1)
    const { conversations } = asked
    expect((await looks(6)).pictures).toBe(0)
    expect([await online.innerText(), asked.conversations]).toEqual([shown, conversations])

    await pause.click()
    expect(await line.getAttribute('data-state')).toBe('live')
    expect((await looks(2)).pictures).toBeGreaterThanOrEqual(1)
    expect(await online.innerText()).toBe(String(Number(shown) + 1))

    await page.emulateMedia({ reducedMotion: 'reduce' })
    await looks(1)
    const calm = await looks(24)
    expect(calm.pictures).toBeGreaterThanOrEqual(2)
    expect(calm.pictures).toBeLessThanOrEqual(Math.ceil(calm.seconds / 10))
    expect(tab.problems).toEqual([])
  },
)

test(
  'a kick asks once more, and for a key that may do it; then the sessions are ended, and the page shows it',
  { timeout: SLOW_MS },
  async () => {
    const [, ben] = await quiet.pair()
    using laptop = connectClient(quiet.url, ben.token, { auth: { deviceId: 'laptop' }, reconnection: false })
    using phone = connectClient(quiet.url, ben.token, { auth: { deviceId: 'phone' }, reconnection: false })
    await phone.until('it is connected', ({ connections }) => connections === 1)
    await laptop.until('it is connected', ({ connections }) => connections === 1)
    await using tab = await openTab(quiet.url, { viewport: DESKTOP }, `#/user/${ben.userId}`)
    const { page } = tab
    const sessions = page.getByTestId('session')
    await sessions.nth(1).waitFor()
    const phoneKick = page.locator('[data-device=phone] [data-testid=kick]')

    await phoneKick.click()
    await page.keyboard.press('Escape')
    await page.getByTestId('kick-dialog').waitFor({ state: 'detached' })
    expect(await phoneKick.evaluate((button) => button === document.activeElement)).toBe(true)

    await phoneKick.click()
    await page.getByTestId('kick-confirm').click()
    // Reading is open to this machine in the demo; ending sessions is not.
    const dialog = page.getByTestId('kick-dialog')
    await dialog.getByText('Ending sessions needs a key that may act.').waitFor()
    await tab.giveKey('wrong-0123456789abcdef')
    await dialog.getByText('The server does not accept this key.').waitFor()
    await tab.giveKey(READ_KEY)
    await dialog.getByText('Ending sessions needs a key that may act.').waitFor()
    expect(phone.socket.connected).toBe(true)
    expect(await page.getByTestId('line').getAttribute('data-state')).toBe('live')
    await tab.giveKey(KEY)
    await dialog.waitFor({ state: 'detached' })
    await phone.until('it is ended', ({ socket }) => !socket.connected)
    expect(await page.getByTestId('said').textContent()).toBe(
      `The sessions of ${ben.userId} are being ended.`,
    )
    await page.locator('[data-testid=timeline] [data-reason=kicked]').waitFor()
    expect(await sessions.evaluateAll((all) => all.map((one) => one.getAttribute('data-device')))).toEqual([
      'laptop',
    ])
    expect(laptop.socket.connected).toBe(true)

    // The key is remembered while the page is open: the next one needs no other.
    await page.getByTestId('kick-all').click()
    await page.getByTestId('kick-confirm').click()
    await page.locator('[data-testid=verdict][data-online=false]').waitFor()
    await laptop.until('it is ended', ({ socket }) => !socket.connected)
  },
)

test(
  'a lost server is said, the numbers stay, the charts show the gap, and all goes on when it is back',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie()
    await using tab = await openTab(vigie.url, { viewport: DESKTOP })
    const { page } = tab
    await page.locator('[data-chart=lag] strong', { hasText: 'ms' }).waitFor()
    await vigie.process.kill('SIGKILL')
    await page.locator('[data-testid=line][data-state=lost]').waitFor()
    expect(await page.getByTestId('line').innerText()).toMatch(
      /^The server does not answer\. No answer since \d\d:\d\d:\d\d\. The numbers are from then\./u,
    )
    expect(await page.getByTestId('said').textContent()).toBe('The server does not answer.')
    expect(await page.locator('[data-testid=users-online] dd').innerText()).toBe('0')
    expect(await page.locator('[data-chart=lag] strong').innerText()).toBe('no data')
    await page.screenshot({ path: `${PICTURES}ops-lost.png` })
    expect(await flawsOf(page)).toEqual([])
    await vigie.restart()
    await page.locator('[data-testid=line] button').click()
    await page.locator('[data-testid=line][data-state=live]').waitFor()
    await page.locator('[data-chart=lag] strong', { hasText: 'ms' }).waitFor()
    expect(await page.getByTestId('said').textContent()).toBe('The server answers again.')
  },
)

test(
  'outside the demo the page asks for a key, says what is wrong with one, and keeps it in no storage and no address',
  { timeout: SLOW_MS },
  async () => {
    await using database = await freshDatabase()
    const env = { DATABASE_URL: database.url, VIGIE_JWT_SECRET: freshSecret() }
    await using vigie = await serve({ env: { ...env, VIGIE_API_KEYS: `act:actors-0123456789abcdef,${KEY}` } })
    await using tab = await openTab(vigie.url, { viewport: PHONE })
    const { page } = tab
    const form = page.getByTestId('key-form')
    await form.waitFor()
    expect(await form.getByRole('alert').textContent()).toBe('')
    await page.screenshot({ path: `${PICTURES}ops-key.png` })
    expect(await flawsOf(page)).toEqual([])
    await tab.giveKey('wrong-0123456789abcdef')
    await form.getByText('The server does not accept this key.').waitFor()
    await tab.giveKey('actors-0123456789abcdef')
    await form.getByText('The server knows this key, but it may not do that.').waitFor()
    await tab.giveKey(KEY)
    await page.locator('[data-testid=line][data-state=live]').waitFor()
    const kept = await page.evaluate(async () =>
      JSON.stringify([
        Object.entries(localStorage),
        Object.entries(sessionStorage),
        document.cookie,
        location.href,
        document.body.innerHTML,
        await indexedDB.databases(),
      ]),
    )
    expect(kept).toContain('/ops/')
    expect(kept).not.toContain(KEY)
    await page.reload()
    await form.waitFor()

    // Without any key the server answers nobody, and the page says what to do.
    await using closed = await serve({ env })
    await using shut = await openTab(closed.url, { viewport: PHONE })
    await shut.page.getByText('The server’s API is closed: it was started without a key.').waitFor()
    expect(await shut.page.getByTestId('key-form').count()).toBe(0)
  },
)

declare global {
  /** How often each chart of the page was drawn. */
  var pictures: number
}

/** In the page, before its own code. uPlot clears the canvas of each chart for each picture. */
function countPictures(): void {
  const cleared = new Map<unknown, number>()
  const { prototype } = CanvasRenderingContext2D
  const clearRect = prototype.clearRect
  prototype.clearRect = function (...place) {
    cleared.set(this, (cleared.get(this) ?? 0) + 1)
    globalThis.pictures = Math.max(...cleared.values())
    clearRect.apply(this, place)
  }
}

async function openTab(
  url: string,
  look: BrowserContextOptions,
  hash = '',
  prepare: (page: Page) => unknown = () => undefined,
) {
  const context = await browser.newContext({ locale: 'en-GB', ...look })
  const page = await context.newPage()
  const { problems, strangers } = overhear(page, url)
  await prepare(page)
  await page.goto(`${url}/ops/${hash}`)
  return {
    page,
    /** Errors of the page, violations of the Content-Security-Policy among them. */
    problems,
    /** Requests to anybody but the server. */
    strangers,
    giveKey: async (key: string) => {
      await page.getByTestId('key').fill(key)
      await page.getByTestId('key').press('Enter')
    },
    [Symbol.asyncDispose]: () => context.close(),
  }
}
