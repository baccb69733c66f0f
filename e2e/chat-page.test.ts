import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, overhear } from './support/chromium.js'
import { startVigie, type Vigie } from './support/vigie.js'

/** Unpacking the browser, and a first start of the server, on a busy machine. */
const SLOW_MS = 120_000
const DESKTOP = { width: 1280, height: 800 }
const PHONE = { width: 360, height: 740 }
const LATENCY_MS = 300
const LOOK_EVERY_MS = 50
/** Layout shift: what a person does not notice. */
const SHIFT_MAX = 0.02

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
}, SLOW_MS)
afterAll(() => browser.close())

test(
  'a reload over a slow line tells nothing that is not so, and moves nothing; neither does a lost connection',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie()
    for (const viewport of [DESKTOP, PHONE]) {
      await using tab = await openTab(vigie, { viewport })
      await tab.page.addInitScript(watch, LOOK_EVERY_MS)
      await tab.signIn('amelie-durand')
      await tab.page.locator('[data-testid=group] >> text=1 of 344 online').waitFor()
      const before = await tab.page.evaluate(rowsOf)
      const network = await tab.context.newCDPSession(tab.page)
      await network.send('Network.enable')
      const conditions = { offline: false, downloadThroughput: -1, uploadThroughput: -1 }
      await network.send('Network.emulateNetworkConditions', { ...conditions, latency: LATENCY_MS })

      await tab.page.reload()
      await tab.page.locator('[data-testid=group] >> text=1 of 344 online').waitFor()
      const { looks, shift } = await tab.page.evaluate(seen)
      expect(looks.length).toBeGreaterThan(4)
      for (const { text, rows, summary, members } of looks) {
        expect(text).not.toMatch(
          /Who are you|No messages yet|Nothing has been said|0 devices|unknown|44\s*$/u,
        )
        // The list is not there, or it is as it was.
        expect([[], before]).toContainEqual(rows)
        expect(['', '1 of 44 online', undefined]).toContain(summary)
        expect([undefined, 'Online 1', 'Online 1 Offline 43']).toContain(members)
      }
      expect(looks[0]?.rows).toEqual([])
      expect(shift, `${viewport.width} pixels, a reload`).toBeLessThan(SHIFT_MAX)

      await network.send('Network.emulateNetworkConditions', { ...conditions, latency: 0 })
      await vigie.process.kill('SIGKILL')
      await tab.banner('reconnecting')
      const heights = new Set<number | undefined>()
      const button = tab.page.getByRole('button', { name: 'Try now' })
      for (let attempt = 0; attempt < 3; attempt++) {
        heights.add((await tab.page.getByTestId('banner').boundingBox())?.height)
        // It is there whether an attempt is waited for or under way.
        await button.click()
      }
      expect([...heights]).toEqual([44])
      await vigie.restart()
      await tab.banner('live')
      const after = await tab.page.evaluate(seen)
      expect(after.shift, `${viewport.width} pixels, a lost connection`).toBeLessThan(SHIFT_MAX)
      // The server has forgotten nothing of what was said, and nothing of it is unread.
      expect(await tab.page.evaluate(rowsOf)).toEqual(before)
      expect(await tab.page.locator('[data-testid=conversation]:not([data-unread="0"])').count()).toBe(0)
    }
  },
)

test(
  'while the connection is away, the members stay in their parts, without colour, and say when that was known',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie()
    await using tab = await openTab(vigie, { viewport: DESKTOP })
    await tab.signIn('amelie-durand')
    await tab.openRoom('cafe')
    await vigie.process.kill('SIGKILL')
    await tab.banner('reconnecting')
    const panel = tab.page.locator('.members')
    await panel.getByText(/^last known \d{1,2}:\d\d$/u).waitFor()
    expect(await panel.locator('h3').allTextContents()).toEqual(['Online 1', 'Offline 43'])
    // Said once, and not in each row.
    expect(await panel.locator('.was').count()).toBe(1)
    expect(await tab.page.locator('[data-online=true], [data-presence=online]').count()).toBe(0)
  },
)

test(
  'what is written without a connection is kept over a reload, can be discarded, and is sent when the line is back',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie()
    await using tab = await openTab(vigie, { viewport: DESKTOP })
    let isDown = false
    let cut = () => {}
    await tab.page.routeWebSocket(/socket\.io/u, (socket) => {
      if (isDown) void socket.close()
      else {
        socket.connectToServer()
        cut = () => void socket.close()
      }
    })
    await tab.page.reload()
    await tab.signIn('amelie-durand')
    await tab.openRoom('cafe')
    isDown = true
    cut()
    await tab.banner('reconnecting')
    for (const text of ['first', 'never mind', 'second']) {
      await tab.composer.fill(text)
      await tab.composer.press('Enter')
    }
    const drafts = tab.page.locator('[data-testid=draft][data-state=queued]')
    await tab.page.getByText('never mind').first().waitFor()
    expect(await drafts.count()).toBe(3)

    await tab.page.reload()
    await drafts.nth(2).waitFor()
    await tab.page.getByRole('button', { name: 'Discard' }).nth(1).click()
    expect(await drafts.locator('.bubble-text').allTextContents()).toEqual(['first', 'second'])
    isDown = false
    await tab.banner('live')
    await tab.page.getByTestId('message').filter({ hasText: 'second' }).waitFor()
    const said = await tab.page.getByTestId('message').locator('.bubble-text').allTextContents()
    expect(said.slice(-2)).toEqual(['first', 'second'])
    expect(await drafts.count()).toBe(0)
    expect(said).not.toContain('never mind')
  },
)

test(
  'the keyboard is in the line to write in after signing in, reaches it in three steps, and a name comes first in each row',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie()
    await using tab = await openTab(vigie, { viewport: DESKTOP })
    await tab.signIn('amelie-durand')
    const isWriting = () => tab.composer.evaluate((field) => field === document.activeElement)
    expect(await isWriting()).toBe(true)
    await tab.page.reload()
    await tab.banner('live')
    expect(await isWriting()).toBe(true)

    // The first stop of the document is the link that skips to it.
    const first = await tab.page.evaluate(
      () => document.querySelector('a, button, textarea, [tabindex="0"]')?.className,
    )
    expect(first).toBe('skip')
    const skip = tab.page.getByTestId('skip')
    await skip.focus()
    let steps = 1
    while (!(await isWriting()) && steps < 10) {
      await tab.page.keyboard.press('Tab')
      steps += 1
    }
    expect(steps).toBeLessThanOrEqual(3)
    await skip.focus()
    await tab.page.keyboard.press('Enter')
    expect(await isWriting()).toBe(true)

    const names = await tab.page.getByRole('link').evaluateAll((links) =>
      links.map((link) => {
        const hidden = [...link.querySelectorAll('[aria-hidden=true]')].map((each) => each.textContent)
        return hidden.reduce((text, part) => text.replace(part, ''), link.textContent)
      }),
    )
    const titles = await tab.page.locator('.row bdi').allTextContents()
    expect(titles.length).toBeGreaterThan(8)
    expect(names.slice(0, titles.length).map((name, row) => name.startsWith(titles[row] ?? '?'))).toEqual(
      titles.map(() => true),
    )
    // One region speaks, and it is slow; neither the messages nor who types do by themselves.
    expect(
      await tab.page
        .locator(
          '[role=status], [role=alert], [aria-live]:not([aria-live=off]), [role=log]:not([aria-live=off])',
        )
        .count(),
    ).toBe(1)
  },
)

test(
  'a member is tapped to write to them: the conversation of the two has no list of two members, and stays in the list',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie()
    await using ana = await openTab(vigie, { viewport: DESKTOP })
    await ana.signIn('amelie-durand')
    await using ben = await openTab(vigie, { viewport: DESKTOP })
    await ben.signIn('tariq-aziz')
    await ana.openRoom('cafe')
    const listed = await ana.page.getByTestId('conversation').count()
    await ana.page.locator('[data-testid=member][data-user=tariq-aziz] a').click()
    await ana.page.locator('h1', { hasText: 'Tariq Aziz' }).waitFor()
    await ana.page
      .getByTestId('summary')
      .filter({ hasText: /^online$/u })
      .waitFor()
    expect(await ana.page.locator('.members, [data-testid=show-members]').count()).toBe(0)
    await ana.composer.fill('Do you have a minute?')
    await ana.composer.press('Enter')
    // It is new in the other one's list, as unread, by the sender's name.
    const row = ben.page.locator('[data-testid=conversation][data-unread="1"]')
    await row.filter({ hasText: 'Do you have a minute?' }).waitFor()
    expect(await row.locator('bdi').textContent()).toBe('Amélie Durand')
    await ana.openRoom('cafe')
    expect(await ana.page.getByTestId('conversation').count()).toBe(listed + 1)
    expect([...ana.problems, ...ben.problems]).toEqual([])
  },
)

test(
  'a room of which only a number is told says so in two sentences, and who types in it',
  { timeout: SLOW_MS },
  async () => {
    await using vigie = await startVigie()
    await using ana = await openTab(vigie, { viewport: PHONE })
    await ana.signIn('amelie-durand')
    await using ben = await openTab(vigie, { viewport: DESKTOP })
    await ben.signIn('kofi-mensah')
    await ben.openRoom('all-hands')
    await ana.openRoom('all-hands')
    await ana.page.getByTestId('show-members').click()
    const crowd = ana.page.getByTestId('occupancy')
    await crowd.getByText('2 of 344 online. Rooms over 250 people show a count instead of names.').waitFor()
    await crowd.getByText('Nobody is typing.').waitFor()
    await ben.composer.pressSequentially('hm')
    await crowd.locator('[data-testid=member][data-user=kofi-mensah]').waitFor()
    expect((await crowd.locator('.crowd-text').boundingBox())?.height).toBeLessThan(80)
    // Beside the header, which has the number, the panel does not say it again.
    expect(await ben.page.getByText('2 of 344 online').filter({ visible: true }).count()).toBeLessThanOrEqual(
      2,
    )
  },
)

/** One tab of the chat page. */
async function openTab(vigie: Vigie, look: BrowserContextOptions) {
  const context = await browser.newContext({ locale: 'en-GB', ...look })
  const page: Page = await context.newPage()
  const { problems } = overhear(page, vigie.url)
  await page.goto(vigie.url)
  const tab = {
    page,
    context,
    problems,
    composer: page.getByTestId('composer'),
    banner: (state: string) =>
      page.locator(`[data-testid=banner][data-state=${state}]`).waitFor({ state: 'attached' }),
    signIn: async (userId: string) => {
      await page.locator(`[data-testid=person][data-user="${userId}"]`).click()
      await tab.banner('live')
    },
    openRoom: async (id: string) => {
      await page.locator(`[data-testid=conversation][data-id="${id}"]`).click()
      await page.locator(`[data-testid=panel][data-id="${id}"]`).waitFor()
    },
    async [Symbol.asyncDispose]() {
      await page.unrouteAll({ behavior: 'ignoreErrors' })
      await context.close()
    },
  }
  return tab
}

interface Seen {
  readonly looks: readonly {
    readonly text: string
    readonly rows: readonly string[]
    readonly summary: string | undefined
    readonly members: string | undefined
  }[]
  readonly shift: number
}

/** Runs in the page before anything else: what a person sees, again and again, and how much of it moved. */
function watch(everyMs: number): void {
  const looks: Seen['looks'][number][] = []
  const record = { looks, shift: 0 }
  Object.assign(globalThis, { record })
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as unknown as { value: number }[]) record.shift += entry.value
  }).observe({ type: 'layout-shift', buffered: true })
  const look = () => {
    if (document.readyState === 'loading') return
    const visible = (selector: string) =>
      [...document.querySelectorAll<HTMLElement>(selector)].filter((element) => element.checkVisibility())
    looks.push({
      text: document.body.innerText,
      rows: visible('[data-testid=conversation]').map((row) => row.dataset.id ?? ''),
      summary: visible('[data-testid=summary]')[0]?.innerText.trim(),
      members:
        visible('.members h3')
          .map((title) => title.innerText)
          .join(' ') || undefined,
    })
  }
  setInterval(look, everyMs)
}

/** Runs in the page. */
function seen(): Seen {
  return (globalThis as unknown as { record: Seen }).record
}

/** Runs in the page: the conversations, in the order in which they are listed. */
function rowsOf(): string[] {
  return [...document.querySelectorAll<HTMLElement>('[data-testid=conversation]')].map(
    (row) => row.dataset.id ?? '',
  )
}
