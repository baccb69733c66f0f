import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser, overhear } from './support/chromium.js'
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

describe('the plain page', { timeout: SLOW_MS }, () => {
  test('shows two people to each other, and who types, until they stop', async () => {
    await using vigie = await startVigie()
    await using pair = await openPair(vigie)
    const { ana, ben, room, left, right } = pair
    await right.openRoom(room.conversationId)
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
    await using pair = await openPair(vigie)
    const { ana, ben, room, left, right } = pair
    const changesOfBen = await left.recordMember(ben.userId)

    // Twice: a reload that forgets who it was would show only at the next.
    for (let reload = 0; reload < 2; reload++) {
      await right.page.reload()
      await right.isOnline()
    }
    await right.openRoom(room.conversationId)
    await right.member(ana.userId, { online: true, count: 1 })
    // Typing comes after whatever the reload caused: once it is here, a blink would have been here before.
    await right.page.getByTestId('composer').pressSequentially('back')
    await left.typing(ben.name)
    expect(await changesOfBen()).toEqual([])
  })

  test('counts a second browser of somebody as a device, a second tab of the same browser not', async () => {
    await using vigie = await startVigie()
    await using pair = await openPair(vigie)
    const { ben, left, right } = pair
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
    await using pair = await openPair(vigie)
    const { ben, left, right } = pair
    await right.page.close()
    await left.member(ben.userId, { online: false, count: 0 })
  })

  test('shows somebody offline at once when they sign out', async () => {
    // Waiting for the grace would take ten minutes.
    await using vigie = await startVigie({ VIGIE_GRACE_MS: '600000', VIGIE_REATTACH_GRACE_MS: '600000' })
    await using pair = await openPair(vigie)
    const { ben, left, right } = pair
    await right.openDevices()
    await right.page.getByTestId('sign-out').click()
    await left.member(ben.userId, { online: false, count: 0 })
    await right.page.getByTestId('person').first().waitFor()
  })

  test('says that the connection is lost, and is whole again after the server was killed and started', async () => {
    await using vigie = await startVigie()
    await using pair = await openPair(vigie)
    const { ben, left, right } = pair
    await vigie.process.kill('SIGKILL')
    await left.page.locator('[data-testid=banner][data-state=lost]').waitFor()
    await left.page.locator('[data-testid=summary]', { hasText: 'last known: 2 of' }).waitFor()
    expect(await left.said(ben.userId)).toBe('unknown')
    expect(await left.page.locator('[data-online=true], [data-online=false]').count()).toBe(0)
    expect(
      await left.page
        .getByText(/online|offline/u)
        .filter({ visible: true })
        .allTextContents(),
    ).toEqual([])
    await left.page.screenshot({ path: `${PICTURES}lost-1280x800.png` })
    await vigie.restart()
    await Promise.all([left.isOnline(), right.isOnline()])
    await left.member(ben.userId, { online: true, count: 1 })
    expect(await left.said(ben.userId)).toBe('online')
    expect(await left.page.locator('[data-online=unknown]').count()).toBe(0)
  })

  test('opens the liveliest conversation by itself where there is room for it', async () => {
    await using vigie = await startVigie()
    const [ana, ben, room] = await vigie.pair()
    await using other = await openTab(vigie, ben.userId)
    await using desktop = await openTab(vigie, ana.userId)
    await desktop.page.locator(`[data-testid=panel][data-id="${room.conversationId}"]`).waitFor()
    await desktop.member(ben.userId, { online: true, count: 1 })
    await using phone = await openTab(vigie, ana.userId, { viewport: PHONE })
    await phone.page.getByTestId('conversation').first().waitFor()
    expect(await phone.page.getByTestId('panel').isVisible()).toBe(false)
    expect(other.problems).toEqual([])
  })

  test('names the device of each browser, and says which is this one', async () => {
    await using vigie = await startVigie()
    const [ana] = await vigie.pair()
    await using desktop = await openTab(vigie, ana.userId)
    await using phone = await openTab(vigie, ana.userId, {
      viewport: PHONE,
      userAgent: 'Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0',
    })
    await desktop.page.locator('#device-count', { hasText: '2 devices' }).waitFor()
    await desktop.openDevices()
    await phone.openDevices()
    const [own, others] = await desktop.page.getByTestId('device').allTextContents()
    expect(own).toMatch(/^Chrome on \w+this device, since \d\d:\d\d$/u)
    expect(others).toMatch(/^Firefox on Androidsince \d\d:\d\d$/u)
    expect(await phone.page.getByTestId('device').filter({ hasText: 'this device' }).textContent()).toContain(
      'Firefox on Android',
    )
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
      await using tab = await openTab(vigie, undefined, { viewport, colorScheme })
      const look = async (what: string) => {
        await tab.page.screenshot({ path: `${PICTURES}${what}-${name}.png` })
        expect(await tab.page.evaluate(faintTexts), `${what} ${name}`).toEqual([])
      }
      await tab.page.getByTestId('person').first().waitFor()
      await look('choose')
      await tab.signIn(ana.userId)
      await look('list')
      await tab.openRoom(room.conversationId)
      await tab.member(ben.userId, { online: true, count: 1 })
      await other.page.getByTestId('composer').pressSequentially('hm')
      await tab.typing(ben.name)
      await look('room')
      await other.page.getByTestId('composer').press('Enter')
      await tab.nobodyTypes()
      await tab.openDevices()
      await look('devices')
      await tab.page.keyboard.press('Escape')
      await tab.openCrowd()
      await look('crowd')
      expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width)
      expect(tab.problems).toEqual([])
      expect(tab.strangers).toEqual([])
    }
  })
})

/** Ana on the left and Ben on the right, signed in; Ana has their conversation open, and sees that Ben is there. */
async function openPair(vigie: Vigie) {
  const [ana, ben, room] = await vigie.pair()
  const left = await openTab(vigie, ana.userId)
  const right = await openTab(vigie, ben.userId)
  await left.openRoom(room.conversationId)
  await left.member(ben.userId, { online: true, count: 1 })
  return {
    ana,
    ben,
    room,
    left,
    right,
    async [Symbol.asyncDispose]() {
      await right[Symbol.asyncDispose]()
      await left[Symbol.asyncDispose]()
    },
  }
}

interface TabOptions {
  /** Another tab of this browser profile, instead of a profile of its own. */
  readonly context?: BrowserContext
  readonly viewport?: { width: number; height: number }
  readonly colorScheme?: 'light' | 'dark'
  readonly userAgent?: string
}

/** One tab, signed in as `userId` unless that is left open. What is waited for is what a person would see. */
async function openTab(vigie: Vigie, userId?: string, options: TabOptions = {}) {
  const { context: shared, ...look } = options
  const context = shared ?? (await browser.newContext({ viewport: DESKTOP, ...look }))
  const page: Page = await context.newPage()
  const { problems, strangers } = overhear(page, vigie.url)
  await page.goto(`${vigie.url}/plain/`)

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
    /** What stands below a member's name. */
    said: (id: string) => page.locator(`${row(id)} .state`).textContent(),
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

/**
 * Runs in the page: the visible texts whose contrast with what is behind them is below 4.5 (WCAG 2.2 AA, 1.4.3).
 * Large text would need less, and is held to the same.
 */
function faintTexts(): string[] {
  type Color = readonly [red: number, green: number, blue: number, alpha: number]
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!
  // The canvas understands each notation of a colour that a style can have.
  const parse = (color: string): Color => {
    context.clearRect(0, 0, 1, 1)
    context.fillStyle = color
    context.fillRect(0, 0, 1, 1)
    const [red = 0, green = 0, blue = 0, alpha = 0] = context.getImageData(0, 0, 1, 1).data
    return [red, green, blue, alpha / 255]
  }
  const over = ([r, g, b, alpha]: Color, [r2, g2, b2]: Color): Color => {
    const mix = (above: number, below: number) => above * alpha + below * (1 - alpha)
    return [mix(r, r2), mix(g, g2), mix(b, b2), 1]
  }
  const behind = (element: Element | null): Color => {
    if (element === null) return parse(matchMedia('(prefers-color-scheme: dark)').matches ? '#000' : '#fff')
    const color = parse(getComputedStyle(element).backgroundColor)
    return color[3] === 1 ? color : over(color, behind(element.parentElement))
  }
  const luminance = (color: Color) => {
    const [red, green, blue] = color
      .slice(0, 3)
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
  }
  const contrast = (one: Color, other: Color) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a)
    return (light! + 0.05) / (dark! + 0.05)
  }
  const found: string[] = []
  const check = (element: Element, text: string, style: CSSStyleDeclaration) => {
    const ground = behind(element)
    const ratio = contrast(over(parse(style.color), ground), ground)
    if (ratio < 4.5 || style.opacity !== '1') found.push(`${text}: ${ratio.toFixed(2)}`)
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const { parentElement, textContent } = texts.currentNode
    const text = textContent?.trim() ?? ''
    if (text === '' || !parentElement?.checkVisibility()) continue
    check(parentElement, text, getComputedStyle(parentElement))
  }
  for (const input of document.querySelectorAll('input')) {
    if (input.checkVisibility()) check(input, input.placeholder, getComputedStyle(input, '::placeholder'))
  }
  return found
}
