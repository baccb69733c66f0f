import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser } from './support/chromium.js'
import { startVigie, type Vigie } from './support/vigie.js'

const PICTURES = fileURLToPath(new URL('../test-results/', import.meta.url))
const DESKTOP = { width: 1280, height: 800 }
const PHONE = { width: 360, height: 740 }
/** Unpacking the browser, and a first start of the server, on a busy machine. */
const SLOW_MS = 120_000

let browser: Browser
beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true })
  browser = await launchBrowser()
}, SLOW_MS)
afterAll(() => browser.close())

describe('the page', { timeout: SLOW_MS }, () => {
  test('shows two people to each other, and who types, until they stop', async () => {
    await using vigie = await startVigie()
    const [ana, ben, room] = await vigie.pair()
    await using left = await openTab(vigie, ana.userId)
    await using right = await openTab(vigie, ben.userId)
    await left.openRoom(room.conversationId)
    await right.openRoom(room.conversationId)

    await left.member(ben.userId, { online: true, count: 1 })
    await right.member(ana.userId, { online: true, count: 1 })

    await right.page.getByTestId('composer').pressSequentially('hello')
    await left.typing(ben.name)
    expect(await right.page.getByTestId('typing').textContent()).toBe('')
    await right.page.getByTestId('composer').press('Enter')
    await left.nobodyTypes()
    expect([...left.problems, ...right.problems]).toEqual([])
  })

  test('shows nothing of a reload to others, count included', async () => {
    await using vigie = await startVigie()
    const [ana, ben, room] = await vigie.pair()
    await using left = await openTab(vigie, ana.userId)
    await using right = await openTab(vigie, ben.userId)
    await left.openRoom(room.conversationId)
    await left.member(ben.userId, { online: true, count: 1 })
    const changesOfBen = await left.recordMember(ben.userId)

    await right.page.reload()
    await right.isOnline()
    await right.openRoom(room.conversationId)
    await right.member(ana.userId, { online: true, count: 1 })
    // Typing comes after whatever the reload caused: once it is here, a blink would have been here before.
    await right.page.getByTestId('composer').pressSequentially('back')
    await left.typing(ben.name)
    expect(await changesOfBen()).toEqual([])
  })

  test('counts a second browser of somebody as a device, a second tab of the same browser not', async () => {
    await using vigie = await startVigie()
    const [ana, ben, room] = await vigie.pair()
    await using left = await openTab(vigie, ana.userId)
    await using right = await openTab(vigie, ben.userId)
    await left.openRoom(room.conversationId)
    await left.member(ben.userId, { online: true, count: 1 })
    const changesOfBen = await left.recordMember(ben.userId)

    await using tab = await openTab(vigie, ben.userId, { context: right.context })
    await using phone = await openTab(vigie, ben.userId, { viewport: PHONE })
    await left.member(ben.userId, { online: true, count: 2 })
    expect(await changesOfBen()).toEqual([{ online: 'true', count: '2' }])
    await tab.openDevices()
    expect(await tab.page.getByTestId('device').count()).toBe(2)
    expect(phone.problems).toEqual([])
  })

  test('shows somebody offline once their tab is closed and the grace is over', async () => {
    await using vigie = await startVigie({ VIGIE_GRACE_MS: '1000' })
    const [ana, ben, room] = await vigie.pair()
    await using left = await openTab(vigie, ana.userId)
    await using right = await openTab(vigie, ben.userId)
    await left.openRoom(room.conversationId)
    await left.member(ben.userId, { online: true, count: 1 })
    await right.page.close()
    await left.member(ben.userId, { online: false, count: 0 })
  })

  test('shows somebody offline at once when they sign out', async () => {
    // Waiting for the grace would take ten minutes.
    await using vigie = await startVigie({ VIGIE_GRACE_MS: '600000', VIGIE_REATTACH_GRACE_MS: '600000' })
    const [ana, ben, room] = await vigie.pair()
    await using left = await openTab(vigie, ana.userId)
    await using right = await openTab(vigie, ben.userId)
    await left.openRoom(room.conversationId)
    await left.member(ben.userId, { online: true, count: 1 })
    await right.openDevices()
    await right.page.getByTestId('sign-out').click()
    await left.member(ben.userId, { online: false, count: 0 })
    await right.page.getByTestId('person').first().waitFor()
  })

  test('says that the connection is lost, and is whole again after the server was killed and started', async () => {
    await using vigie = await startVigie()
    const [ana, ben, room] = await vigie.pair()
    await using left = await openTab(vigie, ana.userId)
    await using right = await openTab(vigie, ben.userId)
    await left.openRoom(room.conversationId)
    await left.member(ben.userId, { online: true, count: 1 })
    await vigie.process.kill('SIGKILL')
    await left.page.locator('[data-testid=banner][data-state=lost]').waitFor()
    await left.page.screenshot({ path: `${PICTURES}lost-1280x800.png` })
    await vigie.restart()
    await Promise.all([left.isOnline(), right.isOnline()])
    await left.member(ben.userId, { online: true, count: 1 })
  })

  test('fits a desktop and a phone, light and dark, and asks nobody but its own server', async () => {
    await using vigie = await startVigie()
    const [ana, ben, room] = await vigie.pair()
    await using other = await openTab(vigie, ben.userId)
    await other.openRoom(room.conversationId)
    for (const [name, viewport, colorScheme] of [
      ['1280x800', DESKTOP, 'light'],
      ['360x740', PHONE, 'light'],
      ['1280x800-dark', DESKTOP, 'dark'],
      ['360x740-dark', PHONE, 'dark'],
    ] as const) {
      const picture = (what: string) => ({ path: `${PICTURES}${what}-${name}.png` })
      await using tab = await openTab(vigie, undefined, { viewport, colorScheme })
      await tab.page.getByTestId('person').first().waitFor()
      await tab.page.screenshot(picture('choose'))
      await tab.signIn(ana.userId)
      await tab.page.screenshot(picture('list'))
      await tab.openRoom(room.conversationId)
      await tab.member(ben.userId, { online: true, count: 1 })
      await other.page.getByTestId('composer').pressSequentially('hm')
      await tab.typing(ben.name)
      await tab.page.screenshot(picture('room'))
      await other.page.getByTestId('composer').press('Enter')
      await tab.nobodyTypes()
      await tab.openDevices()
      await tab.page.screenshot(picture('devices'))
      await tab.page.keyboard.press('Escape')
      await tab.openCrowd()
      await tab.page.screenshot(picture('crowd'))
      expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width)
      expect(tab.problems).toEqual([])
      expect(tab.strangers).toEqual([])
    }
  })
})

interface TabOptions {
  /** Another tab of this browser profile, instead of a profile of its own. */
  readonly context?: BrowserContext
  readonly viewport?: { width: number; height: number }
  readonly colorScheme?: 'light' | 'dark'
}

/** One tab, signed in as `userId` unless that is left open. What is waited for is what a person would see. */
async function openTab(vigie: Vigie, userId?: string, options: TabOptions = {}) {
  const { context: shared, ...look } = options
  const context = shared ?? (await browser.newContext({ viewport: DESKTOP, ...look }))
  const page: Page = await context.newPage()
  const problems: string[] = []
  const strangers: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  page.on('request', (request) => {
    if (!/^(data|blob):/u.test(request.url()) && new URL(request.url()).host !== new URL(vigie.url).host) {
      strangers.push(request.url())
    }
  })
  await page.goto(vigie.url)

  const row = (id: string) => `[data-testid=member][data-user="${id}"]`
  const tab = {
    page,
    context,
    /** Errors of the page: exceptions, refused resources, violations of the Content-Security-Policy. */
    problems,
    /** Requests to anybody but the server. */
    strangers,
    signIn: async (id: string) => {
      await page.locator(`[data-testid=person][data-user="${id}"]`).click()
      await tab.isOnline()
    },
    isOnline: () => page.locator('[data-testid=banner][data-state=online]').waitFor({ state: 'attached' }),
    openRoom: (id: string) => page.locator(`[data-testid=conversation][data-id="${id}"]`).click(),
    /** The first room in count mode. On a phone the way there is back to the list. */
    openCrowd: async () => {
      const back = page.getByTestId('back')
      if (await back.isVisible()) await back.click()
      await page.locator('[data-testid=conversation]', { hasText: 'All hands' }).first().click()
      await page.locator('[data-testid=occupancy][data-online]').waitFor()
    },
    openDevices: async () => {
      await page.getByTestId('me').click()
      await page.getByTestId('device').first().waitFor()
    },
    member: (id: string, { online, count }: { online: boolean; count: number }) =>
      page.locator(`${row(id)}[data-online="${String(online)}"][data-count="${count}"]`).waitFor(),
    typing: (name: string) =>
      page
        .getByTestId('typing')
        .filter({ hasText: `${name} is typing` })
        .waitFor(),
    nobodyTypes: () => page.locator('[data-testid=typing]:empty').waitFor({ state: 'attached' }),
    /** From now on, each change of what the row of `id` says. */
    recordMember: async (id: string) => {
      const changes = await page.evaluateHandle((selector) => {
        const seen: { online: string | undefined; count: string | undefined }[] = []
        const element = document.querySelector<HTMLElement>(selector)!
        new MutationObserver(() => {
          const { online, count } = element.dataset
          seen.push({ online, count })
        }).observe(element, { attributes: true, attributeFilter: ['data-online', 'data-count'] })
        return seen
      }, row(id))
      return () => changes.jsonValue()
    },
    [Symbol.asyncDispose]: () => (shared === undefined ? context.close() : page.close()),
  }
  if (userId !== undefined) await tab.signIn(userId)
  return tab
}
