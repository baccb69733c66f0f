/**
 * `npm run screenshots`: the pictures of the demo that the documents show, taken of the demo itself: the built
 * server with its simulated colleagues, the page in a real browser. One of them moves: presence is what a still
 * cannot show.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, execPath, stdout } from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createAnimation } from './animation.js'
import { launchBrowser } from './browser.js'

const root = fileURLToPath(new URL('../', import.meta.url))
/** In the README, and only to be looked at. */
const SHOWN = join(root, 'docs/images')
const LOOKED_AT = join(root, 'test-results')
/** A document with pictures should still load at once. */
const BYTES_MAX = 200_000
/** The one that moves may have more, since it tells more. */
const STORY_BYTES_MAX = 900_000
/** The colleagues arrive in two seconds; until enough of them type at once may take a few scenes more. */
const LIFE_TIMEOUT_MS = 120_000
/** Until the charts of the operators' page show more than an arrival. */
const CHARTS_GROW_MS = 120_000

/** The conversation of the two in the story. */
const TOGETHER = 'dm-amelie-durand-kofi-mensah'
/** No frame is shorter. */
const FRAME_MS = 120

/** All are of a moment with life in it. */
const DESKTOP = { viewport: { width: 1280, height: 800 } }
const PHONE = { viewport: { width: 360, height: 740 } }
/** The operators' page: what a desktop shows of it without scrolling. */
const OPERATORS = { viewport: { width: 1280, height: 900 }, colorScheme: 'light' }
const PICTURES = [
  { name: 'demo-desktop', ...DESKTOP, colorScheme: 'light', person: 0, shows: 'conversation', folder: SHOWN },
  { name: 'demo-phone', ...PHONE, colorScheme: 'dark', person: 1, shows: 'list', folder: SHOWN },
  {
    name: 'demo-desktop-dark',
    ...DESKTOP,
    colorScheme: 'dark',
    person: 2,
    shows: 'conversation',
    folder: LOOKED_AT,
  },
  {
    name: 'demo-phone-light',
    ...PHONE,
    colorScheme: 'light',
    person: 3,
    shows: 'conversation',
    folder: LOOKED_AT,
  },
]

await Promise.all([SHOWN, LOOKED_AT].map((folder) => mkdir(folder, { recursive: true })))
const dataDir = await mkdtemp(join(tmpdir(), 'vigie-screenshots-'))
const server = spawn(execPath, [join(root, 'apps/vigie/bin/vigie.js'), 'serve', '--demo'], {
  env: {
    ...withoutOwnSettings(),
    HOST: '127.0.0.1',
    PORT: '0',
    VIGIE_DATA_DIR: dataDir,
    VIGIE_LOG_LEVEL: 'warn',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
})
const ended = once(server, 'close')
try {
  const url = await addressOf(server)
  const browser = await launchBrowser()
  try {
    await tellStory(browser, url)
    for (const picture of PICTURES) await take(browser, url, picture)
    await takeOperatorsPage(browser, url)
  } finally {
    await browser.close()
  }
} finally {
  server.kill('SIGTERM')
  await ended
  await rm(dataDir, { recursive: true, force: true })
}

/** A conversation in which something was said and somebody types, or the list of them with something unread. */
async function take(browser, url, { name, person, shows, folder, ...look }) {
  const context = await browser.newContext({ ...look, locale: 'en-GB' })
  const page = await context.newPage()
  await page.goto(url)
  await page.getByTestId('person').nth(person).click()
  await page.getByTestId('conversation').first().waitFor()
  if (shows === 'conversation') await page.locator('[data-testid=conversation][data-id=cafe]').click()
  // Where one clicked would be shown as pointed at.
  await page.mouse.move(-10, -10)
  await page.evaluate(() => document.activeElement?.blur())
  await page.waitForFunction(isAlive, shows, { timeout: LIFE_TIMEOUT_MS })
  const path = join(folder, `${name}.png`)
  await page.screenshot({ path, animations: 'disabled' })
  await context.close()
  const { size } = await stat(path)
  if (size > BYTES_MAX) throw new Error(`${path} has ${size} bytes; it may have ${BYTES_MAX}.`)
  stdout.write(`${path}, ${size} bytes\n`)
}

/**
 * After the others, which keep the machine busy: once its charts have grown, with the presence of a colleague explained who
 * is connected.
 */
async function takeOperatorsPage(browser, url) {
  const context = await browser.newContext({ ...OPERATORS, locale: 'en-GB' })
  const page = await context.newPage()
  await page.goto(`${url}/ops/`)
  await page.locator('[data-testid=line][data-state=live]').waitFor()
  await pass(CHARTS_GROW_MS)
  const first = page.locator('[data-testid=conversation][data-id=cafe]')
  await first.getByRole('button').first().click()
  await page.getByTestId('online-user').first().click()
  await page.locator('[data-testid=verdict][data-online=true]').waitFor()
  await page.evaluate(() => document.activeElement?.blur())
  await page.mouse.move(0, 0)
  await keepBelow(BYTES_MAX, join(SHOWN, 'ops.png'), await page.screenshot({ animations: 'disabled' }))
  await context.close()
}

/** Runs in the page. A phone that shows a conversation shows no list, and nothing that is unread. */
function isAlive(shows) {
  const isSeen = (selector) =>
    [...document.querySelectorAll(selector)].some((element) => element.checkVisibility())
  const hasUnread = isSeen('[data-testid=conversation][data-unread]:not([data-unread="0"])')
  if (shows === 'list') return hasUnread && isSeen('[data-testid=conversation]:not([data-typing="0"])')
  const isTyping = document.querySelector('[data-testid=typing]')?.textContent !== ''
  return isTyping && (hasUnread || !isSeen('[data-testid=conversation]'))
}

/**
 * Two windows: somebody comes, is seen at once, types, writes, is answered, and goes. Each frame is a screenshot of both,
 * shown for as long as it took until the next.
 */
async function tellStory(browser, url) {
  const sizes = [
    { width: 720, height: 600 },
    { width: 360, height: 600 },
  ]
  const animation = await createAnimation(browser, { sizes, gap: 16, ground: '#cdd5d1' })
  const [desk, phone] = await Promise.all(
    sizes.map(async (viewport) => (await browser.newContext({ viewport, locale: 'en-GB' })).newPage()),
  )
  await Promise.all([desk.goto(url), phone.goto(url)])
  const signIn = (page, userId) => page.locator(`[data-testid=person][data-user="${userId}"]`).click()
  const open = (page) => page.locator(`[data-testid=conversation][data-id="${TOGETHER}"]`).click()
  const say = async (page, text) => {
    await page.getByTestId('composer').pressSequentially(text, { delay: 70 })
    await pass(400)
    await page.getByTestId('composer').press('Enter')
  }
  await signIn(desk, 'amelie-durand')
  await open(desk)
  await phone.getByTestId('person').first().waitFor()
  await Promise.all([desk, phone].map((page) => page.mouse.move(-10, -10)))

  const story = async () => {
    await pass(1_500)
    await signIn(phone, 'kofi-mensah')
    await pass(2_000)
    await open(phone)
    await pass(900)
    await say(phone, 'I am in. Second floor?')
    await pass(1_200)
    await say(desk, 'Yes, the seat by the window is free.')
    await pass(1_800)
    await phone.getByTestId('back').click()
    await pass(500)
    await phone.getByTestId('me').click()
    await pass(900)
    await phone.getByTestId('sign-out').click()
    await pass(2_200)
  }
  let isOver = false
  const told = story().finally(() => (isOver = true))
  while (!isOver) {
    const startedAt = performance.now()
    const pictures = await Promise.all([desk, phone].map((page) => page.screenshot()))
    await pass(FRAME_MS - (performance.now() - startedAt))
    await animation.add(pictures, performance.now() - startedAt)
  }
  await told
  await Promise.all([desk, phone].map((page) => page.context().close()))
  const file = await animation.file()
  await keepBelow(STORY_BYTES_MAX, join(SHOWN, 'demo.png'), file)
}

async function keepBelow(bytesMax, path, bytes) {
  if (bytes.length > bytesMax) {
    throw new Error(`${path} would have ${bytes.length} bytes; it may have ${bytesMax}.`)
  }
  await writeFile(path, bytes)
  stdout.write(`${path}, ${bytes.length} bytes\n`)
}

async function pass(ms) {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}

async function addressOf(child) {
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /lookout at (http:\S+)/u.exec(line) ?? []
    if (url !== undefined) {
      // Whatever else it says must not fill the pipe.
      child.stdout.resume()
      return url
    }
  }
  throw new Error('The server ended before it had an address.')
}

/** What a developer has set for their own server is not what the documents show. */
function withoutOwnSettings() {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('VIGIE_') && !name.endsWith('_URL')),
  )
}
