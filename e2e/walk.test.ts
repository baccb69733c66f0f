import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { flawsOf } from './support/axe.js'
import { launchBrowser, overhear } from './support/chromium.js'
import { startProxy } from './support/proxy.js'
import { startVigie } from './support/vigie.js'

const PICTURES = fileURLToPath(new URL('../test-results/', import.meta.url))
const DESKTOP = { width: 1280, height: 800 }
const PHONE = { width: 360, height: 740 }
/** WCAG 2.2, 2.5.5: what a finger can hit. */
const TARGET_PX = 44
/** Unpacking the browser, and a first start of the server, on a busy machine. */
const SLOW_MS = 120_000
/** A dead line is seen after 2.5 s at most, and its end by others 2.5 s later. */
const QUICK = {
  VIGIE_PING_INTERVAL_MS: '1500',
  VIGIE_PING_TIMEOUT_MS: '1000',
  VIGIE_GRACE_MS: '2500',
}

let browser: Browser
beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true })
  browser = await launchBrowser()
}, SLOW_MS)
afterAll(() => browser.close())

test(
  'three people walk through a day: come, type, write, reload, lose the line, go',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie(QUICK)
    await using proxy = await startProxy(vigie.url)
    const [ana, ben, cleo] = await people(vigie.url)
    const room = 'cafe'

    // They come. Ana and Ben sit at desks, Cleo has a phone, and its line is ours to cut.
    await using desk = await openTab(vigie.url, { viewport: DESKTOP })
    await desk.signIn(ana.userId)
    await desk.openRoom(room)
    await using laptop = await openTab(vigie.url, { viewport: DESKTOP, colorScheme: 'dark' })
    await laptop.signIn(ben.userId)
    await laptop.openRoom(room)
    await desk.member(ben.userId, { online: true, count: 1 })
    const places = await desk.places()
    expect(places.length).toBeGreaterThan(20)
    await using phone = await openTab(proxy.url, { viewport: PHONE, hasTouch: true })
    await phone.signIn(cleo.userId)
    await Promise.all([desk, laptop].map((tab) => tab.member(cleo.userId, { online: true, count: 1 })))
    expect(await desk.summary()).toBe('3 of 44 online')
    expect(await desk.places(), 'nothing moves when somebody comes').toEqual(places)

    // Ben types: in the conversation, and in place of the preview in lists. He stops.
    await laptop.composer.pressSequentially('hm')
    await desk.typing(`${ben.name} is typing…`)
    await phone.row(room, '[data-typing="1"]', 'Kofi is typing…')
    expect(await laptop.typingText()).toBe('')
    expect(await desk.places(), 'nothing moves when somebody types').toEqual(places)
    await laptop.composer.fill('')
    await desk.typing('')
    await phone.row(room, '[data-typing="0"]', '')

    // Ben writes. Who looks has read it; who does not is told so.
    await laptop.composer.fill('Is there coffee?')
    await laptop.composer.press('Enter')
    await desk.message('Is there coffee?')
    await laptop.message('Is there coffee?')
    expect(await laptop.page.getByTestId('draft').count()).toBe(0)
    await phone.row(room, '[data-unread="1"]', 'Kofi: Is there coffee?')
    await desk.row(room, '[data-unread="0"]', 'Kofi: Is there coffee?')

    // A second tab is the same device, a second browser another one. Reloads are seen by nobody.
    const changesOfBen = await desk.recordMember(ben.userId)
    await using tab = await openTab(vigie.url, { context: laptop.context })
    await tab.signIn(ben.userId)
    await using tablet = await openTab(vigie.url, { viewport: PHONE })
    await tablet.signIn(ben.userId)
    await desk.member(ben.userId, { online: true, count: 2 })
    await laptop.page.locator('[data-testid=me][data-count="2"]').waitFor()
    for (let reload = 0; reload < 2; reload++) {
      await laptop.page.reload()
      await laptop.isLive()
    }
    await laptop.openRoom(room)
    // Typing comes after whatever the reloads caused: once it is here, a blink would have been here before.
    await laptop.composer.pressSequentially('back')
    await desk.typing(`${ben.name} is typing…`)
    await laptop.composer.fill('')
    expect(await changesOfBen()).toEqual([{ online: 'true', count: '2' }])

    // Cleo's line goes dead without a word. After the grace she is offline for the others; she herself knows nothing.
    await phone.openRoom(room)
    await phone.show('members')
    await phone.member(ana.userId, { online: true, count: 1 })
    proxy.freeze()
    await phone.banner('reconnecting', /Reconnecting/u)
    await desk.member(cleo.userId, { online: false, count: 0 })
    expect(await phone.page.locator('[data-online=true], [data-presence=online]').count()).toBe(0)
    expect(await phone.page.locator(`[data-testid=member][data-online=unknown]`).count()).toBe(44)
    expect(await phone.look('lost')).toEqual([])
    proxy.thaw()
    await phone.isLive()
    await phone.member(ana.userId, { online: true, count: 1 })
    await desk.member(cleo.userId, { online: true, count: 1 })

    // Ben signs out on the laptop: seen at once, and his other tab of that browser says why it is over.
    await laptop.openDevices()
    await laptop.page.getByTestId('sign-out').click()
    await laptop.page.getByTestId('person').first().waitFor()
    await tab.banner('closed', /signed out in another tab/u)
    expect(await tab.composer.isDisabled()).toBe(true)
    expect(await tab.composer.getAttribute('placeholder')).toBe('You signed out in another tab.')
    await desk.member(ben.userId, { online: true, count: 1 })
    await tablet.page.close()
    await desk.member(ben.userId, { online: false, count: 0 })
    expect(await tab.look('signed-out')).toEqual([])

    // A message without a line waits for it, and goes by itself.
    proxy.freeze()
    await phone.banner('reconnecting', /Reconnecting/u)
    await phone.show('conversation')
    await phone.composer.fill('Can you hear me?')
    await phone.composer.press('Enter')
    await phone.page.locator('[data-testid=draft][data-state=queued]').waitFor()
    proxy.thaw()
    await phone.isLive()
    await desk.message('Can you hear me?')
    await phone.message('Can you hear me?')
    expect(await phone.page.getByTestId('draft').count()).toBe(0)
    for (const each of [desk, laptop, tab, tablet]) expect(each.problems).toEqual([])
  },
)

test('has no flaw that axe finds, at four sizes, light and dark', { timeout: SLOW_MS }, async () => {
  await using vigie = await startVigie()
  const [ana, ben] = await people(vigie.url)
  await using other = await openTab(vigie.url, { viewport: DESKTOP })
  await other.signIn(ben.userId)
  await other.openRoom('cafe')
  for (const [name, viewport] of [
    ['1280x800', DESKTOP],
    ['768x1024', { width: 768, height: 1024 }],
    ['390x844', { width: 390, height: 844 }],
    ['360x740', PHONE],
  ] as const) {
    await using tab = await openTab(vigie.url, { viewport })
    const isPhone = viewport.width < 720
    /** In both themes: what they have in common is walked through once. */
    const look = async (what: string) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await tab.page.emulateMedia({ colorScheme })
        const found = await tab.look(`${what}-${name}-${colorScheme}`)
        expect(found, `${what} ${name} ${colorScheme}`).toEqual([])
      }
      expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width)
      if (isPhone) expect(await tab.page.evaluate(smallTargets, TARGET_PX), what).toEqual([])
    }
    await tab.page.getByTestId('person').first().waitFor()
    await look('chat-choose')
    await tab.signIn(ana.userId)
    await tab.page.locator('[data-testid=conversation]').first().waitFor()
    if (isPhone) await look('chat-list')
    await tab.openRoom('cafe')
    await other.composer.pressSequentially('hm')
    await tab.typing(`${ben.name} is typing…`)
    await look('chat-conversation')
    await other.composer.fill('')
    if (isPhone) {
      await tab.show('members')
      await look('chat-members')
      expect(await tab.page.getByTestId('write-to').count()).toBeGreaterThan(40)
      await tab.page.keyboard.press('Escape')
      await tab.page.keyboard.press('Escape')
      // Escape goes back as far as the list, and the focus with it.
      await tab.page.locator('[data-testid=conversation][data-id=cafe]:focus').waitFor()
    }
    await tab.openDevices()
    await look('chat-devices')
    await tab.page.keyboard.press('Escape')
    await tab.openRoom('all-hands')
    expect(await tab.summary()).toMatch(/^\d+ of 344 online$/u)
    await look('chat-crowd')
    expect(tab.problems).toEqual([])
    expect(tab.strangers).toEqual([])
  }
})

test(
  'speaks French to whom French is dearer, and English to whom it knows no language of',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie()
    await using paris = await openTab(vigie.url, { locale: 'fr-CA' })
    await using oslo = await openTab(vigie.url, { locale: 'nb-NO' })
    expect(await paris.page.locator('h1').textContent()).toBe('Qui êtes-vous ?')
    expect(await oslo.page.locator('h1').textContent()).toBe('Who are you?')
    // The people and what they say are French, too.
    await paris.signIn('juliette-moreau')
    await paris.openRoom('fr-cafe')
    expect(await paris.summary()).toBe('1 sur 44 en ligne')
    await paris.message('Bonne nouvelle : la machine à café est réparée.')
    expect(await paris.page.evaluate(() => document.documentElement.lang)).toBe('fr')
    expect(await paris.look('chat-french')).toEqual([])
  },
)

interface Person {
  readonly userId: string
  readonly name: string
}

/** The first three whom one can be. */
async function people(url: string): Promise<readonly [Person, Person, Person]> {
  const [ana, ben, cleo] = (await (await fetch(`${url}/demo/users`)).json()) as Person[]
  if (!ana || !ben || !cleo) throw new Error('The demo has fewer than three people.')
  return [ana, ben, cleo]
}

type TabOptions = BrowserContextOptions & {
  /** Another tab of this browser profile, instead of a profile of its own. */
  readonly context?: BrowserContext
}

/** One tab of the chat page. What is waited for is what a person would see. */
async function openTab(url: string, { context: shared, ...look }: TabOptions) {
  const context = shared ?? (await browser.newContext({ viewport: DESKTOP, locale: 'en-GB', ...look }))
  const page: Page = await context.newPage()
  const { problems, strangers } = overhear(page, url)
  await page.goto(url)
  await page.getByTestId('person').first().waitFor()

  const member = (id: string) => `[data-testid=member][data-user="${id}"]`
  const row = (id: string) => `[data-testid=conversation][data-id="${id}"]`
  const tab = {
    page,
    context,
    problems,
    /** Requests to anybody but the server. */
    strangers,
    composer: page.getByTestId('composer'),
    signIn: async (id: string) => {
      await page.locator(`[data-testid=person][data-user="${id}"]`).click()
      await tab.isLive()
    },
    isLive: () => page.locator('[data-testid=banner][data-state=live]').waitFor({ state: 'attached' }),
    banner: (state: string, text: RegExp) =>
      page.locator(`[data-testid=banner][data-state=${state}]`, { hasText: text }).waitFor(),
    openRoom: async (id: string) => {
      const back = page.getByTestId('back')
      if (await back.isVisible()) await back.click()
      await page.locator(row(id)).click()
      await page.locator(`[data-testid=panel][data-id="${id}"]`).waitFor()
    },
    /** On a phone: the members of what is open, or back to it. */
    show: (screen: 'members' | 'conversation') =>
      page.getByTestId(screen === 'members' ? 'show-members' : 'members-back').click(),
    openDevices: async () => {
      const back = page.getByTestId('back')
      if (await back.isVisible()) await back.click()
      await page.getByTestId('me').click()
      await page.getByTestId('device').first().waitFor()
    },
    member: (id: string, { online, count }: { online: boolean; count: number }) =>
      page
        .locator(`${member(id)}[data-online="${String(online)}"][data-count="${count}"]`)
        .waitFor({ state: 'attached' }),
    row: (id: string, state: string, text: string) =>
      page.locator(`${row(id)}${state}`, { hasText: text }).waitFor(),
    message: (text: string) => page.getByTestId('message').filter({ hasText: text }).waitFor(),
    typing: (text: string) =>
      page.waitForFunction(
        (expected) => document.querySelector('[data-testid=typing]')?.textContent === expected,
        text,
      ),
    typingText: () => page.getByTestId('typing').textContent(),
    summary: () => page.getByTestId('summary').textContent(),
    /** From now on, each change of what the row of a member says. */
    recordMember: async (id: string) => {
      const changes = await page.evaluateHandle((selector) => {
        const seen: { online: string | undefined; count: string | undefined }[] = []
        const read = () => {
          const { online, count } = document.querySelector<HTMLElement>(selector)?.dataset ?? {}
          const last = seen.at(-1)
          if (!last || last.online !== online || last.count !== count) seen.push({ online, count })
        }
        read()
        // Of the whole list: a row that moves to another part of it is another element.
        new MutationObserver(read).observe(document.querySelector('.members')!, {
          attributes: true,
          childList: true,
          subtree: true,
        })
        return seen
      }, member(id))
      return async () => (await changes.jsonValue()).slice(1)
    },
    /** Where everything stands, but the members, whose list sorts itself. */
    places: () =>
      page.evaluate(() =>
        [...document.querySelectorAll('.row, .row *, .head, .head h1, .bubble, .typing, .composer, .account')]
          .filter((element) => !element.closest('.members, .row-preview'))
          .map((element) => {
            const { x, y, width, height } = element.getBoundingClientRect()
            // Who types is another text in the same place; how wide a text is, is its own affair.
            const isText = element.matches('.row-line *')
            return [element.className, x, y, isText ? 0 : width, height].join(' ')
          }),
      ),
    /** Takes a picture, and asks axe what is wrong with what is shown. */
    look: async (name: string): Promise<string[]> => {
      await page.screenshot({ path: `${PICTURES}${name}.png` })
      return flawsOf(page)
    },
    [Symbol.asyncDispose]: () => (shared === undefined ? context.close() : page.close()),
  }
  return tab
}

/** Runs in the page: the controls that are smaller than a finger. */
function smallTargets(minPx: number): string[] {
  return [...document.querySelectorAll('a, button, textarea')]
    .filter((element) => element.checkVisibility())
    .flatMap((element) => {
      const { width, height } = element.getBoundingClientRect()
      return width < minPx || height < minPx
        ? [`${element.outerHTML.slice(0, 80)}: ${width} × ${height}`]
        : []
    })
}
