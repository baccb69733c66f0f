/** The past in /ops: a slider over the audit trail, of real sessions and of a day with a hole that the test wrote. */
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContextOptions, Page, Route } from 'playwright-core'
import type { ConversationId, SessionId, UserId } from '@vigie/protocol'
import { silentLog } from '@vigie/server'
import { postgresTrail } from '@vigie/server/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Fact, TrailRow } from '../packages/server/src/trail/facts.js'
import { rowOf } from '../packages/server/src/trail/rows.js'
import { dayOf } from '../packages/server/src/trail/days.js'
import { freshDatabase, type TestDatabase } from '../test/database.js'
import { flawsOf } from './support/axe.js'
import { launchBrowser, overhear } from './support/chromium.js'
import { connectClient } from './support/clients.js'
import { serve, type Serving } from './support/serve.js'

const PICTURES = fileURLToPath(new URL('../test-results/', import.meta.url))
const DESKTOP = { width: 1280, height: 900 }
const PHONE = { width: 360, height: 740 }
const SLOW_MS = 120_000
const DAY_MS = 86_400_000
const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const BOOT = '11111111-2222-4333-8444-555555555555'
/** Two days ago at 14:00 UTC: the day is over. */
const start = Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS + 14 * 3_600_000
const minute = (n: number) => start + n * MINUTE_MS

let browser: Browser
let database: TestDatabase
let server: Serving
beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true })
  browser = await launchBrowser()
  database = await freshDatabase()
  server = await serve({
    words: ['--demo'],
    env: {
      DATABASE_URL: database.url,
      VIGIE_DEMO_BOTS: '0',
      VIGIE_API_RATE_PER_SECOND: '100000',
      VIGIE_API_BURST: '100000',
    },
  })
  await plantDay()
}, SLOW_MS)
afterAll(async () => {
  await browser.close()
  await server[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

test(
  'the slider, by its keys, goes over the time at which somebody left: the list follows, with devices and reasons',
  { timeout: SLOW_MS },
  async () => {
    const { ana, ben, room } = await pair()
    using phone = connectClient(server.url, ana.token, { auth: { deviceId: 'phone' } })
    await phone.until('it is connected', ({ connections }) => connections === 1)
    using laptop = connectClient(server.url, ben.token, {
      auth: { deviceId: 'laptop' },
      reconnection: false,
    })
    await laptop.until('it is connected', ({ connections }) => connections === 1)
    const came = await atOf(ben.userId, 'live')
    // The slider stops at whole seconds: two of them lie in the stay.
    const whole = Math.ceil(came / SECOND_MS) * SECOND_MS
    await until(() => Date.now() > whole + 1.5 * SECOND_MS)
    laptop.socket.disconnect()
    const left = await atOf(ben.userId, 'ended')
    await until(() => Date.now() > left + 5 * SECOND_MS)

    await using tab = await openTab(DESKTOP)
    const { page } = tab
    await page.getByTestId('past-id').fill(room)
    await page.getByTestId('past-show').click()
    const slider = page.getByTestId('past-slider')
    const people = page.getByTestId('past-person')
    await page.locator('[data-testid=past-verdict][data-current=true]').waitFor()
    await slider.fill(String(whole))
    const answered = page.locator('[data-testid=past-verdict][data-current=true]', {
      hasText: shown(whole),
    })
    await answered.waitFor()
    expect(await slider.getAttribute('aria-valuetext')).toBe(shown(whole))
    expect(await page.getByLabel('Moment', { exact: true }).getAttribute('type')).toBe('range')
    expect(await ids(page)).toEqual([ana.userId, ben.userId].sort())
    expect(await people.filter({ hasText: ben.userId }).innerText()).toContain(
      `Device laptop, since ${shown(came)}.`,
    )
    await people
      .filter({ hasText: ben.userId })
      .getByText(`Online since ${shown(came)}: Connected.`)
      .waitFor()

    await slider.focus()
    const after = Math.ceil((left + 1) / SECOND_MS) * SECOND_MS
    for (let at = whole; at < after; at += SECOND_MS) await page.keyboard.press('ArrowRight')
    await page.locator('[data-testid=past-verdict][data-current=true]', { hasText: shown(after) }).waitFor()
    expect(await ids(page)).toEqual([ana.userId])
    // The newest facts are not written at once: the page says so, and asks again.
    await expect.poll(() => slider.getAttribute('aria-valuetext'), { timeout: 60_000 }).toBe(shown(after))
    expect(await slider.evaluate((element) => element === document.activeElement)).toBe(true)
    await page.keyboard.press('ArrowLeft')
    expect(await slider.inputValue()).toBe(String(after - SECOND_MS))

    await slider.fill(String(whole))
    await people.filter({ hasText: ben.userId }).getByRole('button').click()
    expect(await page.getByTestId('past-intervals').innerText()).toMatch(
      new RegExp(`^${shown(came)} to ${shown(left)} .*\\. Connected → Left$`, 'u'),
    )
    expect(await page.getByTestId('bar-online').count()).toBe(1)
    expect(await page.locator('[role=img][aria-label="Online: 1 time"]').count()).toBe(1)
    expect(tab.problems).toEqual([])
    expect(tab.strangers).toEqual([])
  },
)

test(
  'a day with a hole: hatched on the track and said in a sentence, on a phone and a desktop, light and dark, and axe finds nothing',
  { timeout: SLOW_MS },
  async () => {
    for (const [name, viewport, colorScheme] of [
      ['desktop', DESKTOP, 'light'],
      ['desktop-dark', DESKTOP, 'dark'],
      ['phone', PHONE, 'light'],
      ['phone-dark', PHONE, 'dark'],
    ] as const) {
      await using tab = await openTab(viewport, { colorScheme, reducedMotion: 'reduce' })
      const { page } = tab
      await showDay(page)
      const sentence = 'Between 14:20 and 14:30 the trail is not complete: the database was away'
      await page.getByTestId('past-holes').getByText(sentence).waitFor()
      const hole = page.locator('[data-testid=past-hole][data-why=overflow]')
      const place = await hole.evaluate((element) => {
        const track = element.parentElement!.getBoundingClientRect()
        const { left, width } = element.getBoundingClientRect()
        return { left: (left - track.left) / track.width, width: width / track.width }
      })
      expect(place.left).toBeCloseTo((14 * 60 + 20) / 1_440, 2)
      expect(place.width).toBeCloseTo(10 / 1_440, 2)

      const slider = page.getByTestId('past-slider')
      await slider.fill(String(minute(25)))
      await page.getByTestId('past-verdict').filter({ hasText: 'At 14:25:00, 1 person' }).waitFor()
      expect(await page.getByTestId('past-verdict').innerText()).toContain('This may be wrong')
      expect(await slider.getAttribute('aria-valuetext')).toBe('14:25:00, the trail is not complete here')
      await slider.fill(String(minute(5)))
      await page.getByTestId('past-verdict').filter({ hasText: 'At 14:05:00, 2 people' }).waitFor()
      expect(await page.getByTestId('past-verdict').innerText()).not.toContain('wrong')
      await page.locator('[data-testid=past-person][data-id=ann] button').click()
      await page.getByTestId('bar-online').first().waitFor()
      // The hole begins what nobody knows to have gone on; the server's stop ends it.
      expect(await page.getByTestId('past-intervals').innerText()).toMatch(
        /14:01:00 to 14:40:00 \(39 minutes\)\. Connected → The server stopped$/u,
      )
      await page.getByTestId('past-reason').nth(1).waitFor()
      expect(await flawsOf(page), name).toEqual([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width)
      await page.getByTestId('past').screenshot({ path: `${PICTURES}ops-past-${name}.png` })
      expect(tab.problems).toEqual([])
    }
  },
)

test(
  'waits until the slider rests, and drops an answer to a moment that it has left',
  { timeout: SLOW_MS },
  async () => {
    await using tab = await openTab(DESKTOP)
    const { page } = tab
    await showDay(page)
    await page.locator('[data-testid=past-verdict][data-current=true]').waitFor()
    const asked: string[] = []
    const held: Route[] = []
    await page.route('**/v1/audit/online?*', async (route) => {
      const at = new URL(route.request().url()).searchParams.get('at')!
      asked.push(at)
      if (at === iso(minute(5))) held.push(route)
      else await route.continue()
    })
    const slider = page.getByTestId('past-slider')
    await slider.fill(String(minute(5)))
    await until(() => held.length === 1)
    await slider.focus()
    for (let press = 0; press < 5; press++) await page.keyboard.press('ArrowRight')
    const verdict = page.locator('[data-testid=past-verdict][data-current=true]')
    await verdict.filter({ hasText: 'At 14:10:00, 1 person' }).waitFor()
    const answer = page.waitForResponse((response) =>
      response.url().includes(encodeURIComponent(iso(minute(5)))),
    )
    await held[0]!.continue()
    await (await answer).finished()
    // What the page made of it is drawn with the next frame.
    await page.evaluate(
      () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
    )
    expect(await page.getByTestId('past-verdict').innerText()).toContain('At 14:10:00, 1 person')
    // Five presses of a key are fewer questions than five, and the last one is asked.
    expect(asked.length).toBeLessThan(6)
    expect(asked.at(-1)).toBe(iso(minute(10)))
  },
)

test(
  'says what is wrong in words: nobody there, an empty trail, no such question, no table, no database, no key',
  { timeout: SLOW_MS },
  async () => {
    await using tab = await openTab(PHONE)
    const { page } = tab
    await showDay(page, 'nobody-knows-it')
    const verdict = page.getByTestId('past-verdict')
    const slider = page.getByTestId('past-slider')
    await verdict.filter({ hasText: 'nobody of conversation nobody-knows-it was online' }).waitFor()

    const problem = page.getByTestId('past-problem')
    for (const [status, code, words] of [
      [404, 'not_found', 'it has no such question'],
      [500, 'internal', 'run vigie migrate'],
      [401, 'key_missing', 'The server asks for a key.'],
      [503, 'unavailable', 'the database is away'],
    ] as const) {
      await page.route('**/v1/audit/**', (route) =>
        route.fulfill({
          status,
          contentType: 'application/problem+json',
          headers: { 'Retry-After': '1' },
          body: JSON.stringify({ status, code, detail: 'of the test' }),
        }),
      )
      await slider.press('ArrowLeft')
      await problem.filter({ hasText: words }).waitFor()
      expect(await page.getByTestId('past-person').count()).toBe(0)
      expect(await page.getByTestId('line').getAttribute('data-state')).toBe('live')
      if (status === 503) expect(await flawsOf(page)).toEqual([])
      await page.unroute('**/v1/audit/**')
    }
    // Nobody presses anything: the page asks again.
    await problem.waitFor({ state: 'detached' })
    await page.locator('[data-testid=past-verdict][data-current=true]', { hasText: 'nobody' }).waitFor()

    await page.getByTestId('past-date').fill('2999-01-01')
    await page.getByTestId('past-show').click()
    await page.getByText('This is no day of the past.').waitFor()

    // A server that records nothing, on a database of its own.
    await using other = await freshDatabase()
    await using silent = await serve({
      words: ['--demo'],
      env: { DATABASE_URL: other.url, VIGIE_DEMO_BOTS: '0', VIGIE_TRAIL: '0' },
    })
    await using off = await openTab(PHONE, {}, silent.url)
    await off.page.getByTestId('past-id').fill('cafe')
    await off.page.getByTestId('past-show').click()
    await off.page.getByText('The audit trail is empty').waitFor()
    expect(await flawsOf(off.page)).toEqual([])

    const [{ name }] = (await other.sql`SELECT current_database() AS name`) as unknown as [{ name: string }]
    await database.sql.unsafe(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    await database.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name}`
    const away = off.page.getByTestId('past-problem')
    await off.page.getByTestId('past-slider').press('ArrowLeft')
    await away.filter({ hasText: 'the database is away' }).waitFor()
    expect(await off.page.getByTestId('past-verdict').innerText()).toBe('')
    await database.sql.unsafe(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    // Nobody presses anything.
    await away.waitFor({ state: 'detached' })
    await other.sql`ALTER TABLE vigie.trail RENAME TO gone`
    await off.page.getByTestId('past-slider').press('ArrowLeft')
    await away.filter({ hasText: 'run vigie migrate' }).waitFor()
  },
)

const iso = (time: number) => new Date(time).toISOString()
/** As the page writes it, in UTC and English. */
const shown = (time: number) => iso(time).slice(11, 19)

async function showDay(page: Page, room = 'plan'): Promise<void> {
  await page.getByTestId('past-id').fill(room)
  await page.getByTestId('past-span').selectOption('date')
  await page.getByTestId('past-date').fill(dayOf(start))
  await page.getByTestId('past-show').click()
  await page.getByTestId('past-slider').waitFor()
}

function ids(page: Page): Promise<(string | null)[]> {
  return page
    .getByTestId('past-person')
    .evaluateAll((all) => all.map((one) => one.getAttribute('data-id')).sort())
}

/** Two people of the demo, and a conversation that both are in. */
async function pair() {
  const users = (await (await fetch(`${server.url}/demo/users`)).json()) as { userId: string }[]
  const [ana, ben] = await Promise.all(users.slice(0, 2).map(({ userId }) => signIn(userId)))
  const room = ana!.conversations.find((id) => ben!.conversations.includes(id))
  if (room === undefined) throw new Error('The first two people of the demo share no conversation.')
  return { ana: ana!, ben: ben!, room }
}

async function signIn(userId: string) {
  const login = await fetch(`${server.url}/demo/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId }),
  })
  const { token } = (await login.json()) as { token: string }
  const headers = { Authorization: `Bearer ${token}` }
  const world = (await (await fetch(`${server.url}/demo/world`, { headers })).json()) as {
    conversations: { conversationId: string }[]
  }
  return { userId, token, conversations: world.conversations.map(({ conversationId }) => conversationId) }
}

/** When the server wrote that a session of the user is in this state. */
async function atOf(userId: string, state: string): Promise<number> {
  let at: number | undefined
  await until(async () => {
    const rows = await database.sql<{ ms: string }[]>`
      SELECT extract(epoch FROM at) * 1000 AS ms FROM vigie.trail
      WHERE kind = 'session' AND user_id = ${userId} AND state = ${state} AND reason <> 'checkpoint'`
    at = rows[0] && Math.round(Number(rows[0].ms))
    return at !== undefined
  })
  return at!
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(holds, { timeout: 30_000, interval: 50 }).toBe(true)
}

/** Ann and ben come; ben leaves after five minutes; some facts are lost; the server stops. */
async function plantDay(): Promise<void> {
  const session = (state: 'live' | 'ended', reason: string, userId: string, device: string): Fact =>
    ({
      kind: 'session',
      state,
      reason,
      userId: userId as UserId,
      sessionId: `${device} of ${userId}` as SessionId,
      device: `=${device}`,
      detail: { since: minute(device === 'phone' ? 1 : 3) },
    }) as Fact
  const rooms = (userId: string, reason: 'seen' | 'checkpoint' = 'seen'): Fact => ({
    kind: 'rooms',
    reason,
    userId: userId as UserId,
    groups: [],
    conversations: ['plan' as ConversationId],
  })
  const story: readonly [number, Fact][] = [
    [0, { kind: 'start', detail: { node: 'north' } }],
    [1, session('live', 'connected', 'ann', 'phone')],
    [1, rooms('ann')],
    [1, session('live', 'connected', 'ben', 'phone')],
    [1, rooms('ben')],
    [3, session('live', 'connected', 'ann', 'laptop')],
    [6, session('ended', 'left', 'ben', 'phone')],
    [8, session('ended', 'left', 'ann', 'laptop')],
    [30, { kind: 'hole', detail: { count: 3, from: minute(20), until: minute(29) } }],
    [30, session('live', 'checkpoint', 'ann', 'phone')],
    [30, rooms('ann', 'checkpoint')],
    [30, { kind: 'checkpoint', detail: { from: 10 } }],
    [40, { kind: 'stop' }],
  ]
  const rows: TrailRow[] = []
  for (const [at, fact] of story) {
    rows.push(rowOf({ fact, position: rows.length + 1, at: minute(at) }, BOOT, rows.at(-1)?.hash))
  }
  const store = postgresTrail({ sql: database.sql, log: silentLog })
  await store.makeDays([dayOf(start)])
  await store.write(rows)
}

async function openTab(
  viewport: { readonly width: number; readonly height: number },
  look: BrowserContextOptions = {},
  url = server.url,
) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', viewport, ...look })
  const page = await context.newPage()
  const { problems, strangers } = overhear(page, url)
  await page.goto(`${url}/ops/`)
  await page.locator('[data-testid=line][data-state=live]').waitFor()
  return { page, problems, strangers, [Symbol.asyncDispose]: () => context.close() }
}
