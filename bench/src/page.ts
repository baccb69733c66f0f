/** What the chat page's main thread does while everybody around it comes and goes: the built page in a real browser. */
import { fork, spawnSync, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { isPinned } from './arena.js'
import type { PageLoadApi } from './page-load.js'
import type { PageServerApi } from './page-server.js'
import { SHOWN_ROOM, VIEWER } from './page-world.js'
import { Void, type Figures } from './phases.js'
import { remote } from './remote.js'

const VIEWS = {
  'phone, 360 × 740': { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  'desktop, 1280 × 800': { viewport: { width: 1280, height: 800 } },
} as const
export type PageView = keyof typeof VIEWS
export const PAGE_VIEWS = Object.keys(VIEWS) as readonly PageView[]

/** What is measured is the page: the browser has the other processor, where this process only waits. */
const SERVER_AND_LOAD_CPU = '0'
/** Changes a second, unless told. */
export const PAGE_RATE = 1_000
const WARM_MS = 3_000
/** What is on its way when the last person has moved is there by then; the page is then right. */
const REST_MS = 5_000
const LOOK_MS = 100

export interface PageOptions {
  readonly rate: number
  readonly measureMs: number
}

/** One round of one size of the page. */
export async function measurePage(view: PageView, { rate, measureMs }: PageOptions): Promise<Figures> {
  await using server = remote<PageServerApi>(start('page-server.js'), 'the server of the page')
  const port = await server.ask('start')
  await using load = remote<PageLoadApi>(start('page-load.js', String(port)), 'the people of the page')
  await load.ask('open')
  const browser = await launch()
  try {
    const context = await browser.newContext({ ...VIEWS[view], locale: 'en-GB' })
    const page = await context.newPage()
    const heard = listen(page)
    await page.addInitScript(`sessionStorage.setItem('vigie-user', ${JSON.stringify(VIEWER)})`)
    await page.addInitScript(OBSERVE)
    await page.goto(`http://127.0.0.1:${port}/#/c/${SHOWN_ROOM}`)
    await page.locator('[data-testid=banner][data-state=live]').waitFor({ state: 'attached' })
    const thread = await context.newCDPSession(page)
    const pid = await rendererOf(browser)
    await thread.send('Performance.enable')
    const take = async () => {
      const { metrics } = await thread.send('Performance.getMetrics')
      const seconds = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? 0
      const observed = await page.evaluate<Observed>('observed')
      return {
        ...observed,
        ...heard,
        at: performance.now(),
        scriptMs: seconds('ScriptDuration') * 1_000,
        layoutMs: (seconds('LayoutDuration') + seconds('RecalcStyleDuration')) * 1_000,
        ...threadTimes(pid),
        visits: await load.ask('visits'),
        serverMs: await server.ask('cpuMs'),
      }
    }

    await load.ask('start', { rate })
    await sleep(WARM_MS)
    await page.evaluate('observed.longest = 0, observed.longestFrameMs = 0')
    const before = await take()
    await sleep(measureMs)
    const after = await take()
    await load.ask('stop')

    const elapsedMs = after.at - before.at
    const perSecond = (from: number, to: number) => (to - from) / (elapsedMs / 1_000)
    return {
      // Who was there and has gone has come and has gone: two changes.
      reachedRate: 2 * perSecond(before.visits, after.visits),
      framesRate: perSecond(before.frames, after.frames),
      changesRate: perSecond(before.changes, after.changes),
      longTasks: after.longTasks - before.longTasks,
      longestTaskMs: after.longest,
      scriptShare: (after.scriptMs - before.scriptMs) / elapsedMs,
      layoutShare: (after.layoutMs - before.layoutMs) / elapsedMs,
      ranShare: (after.ranMs - before.ranMs) / elapsedMs,
      waitedShare: (after.waitedMs - before.waitedMs) / elapsedMs,
      rendersRate: perSecond(before.renders, after.renders),
      drawnRate: perSecond(before.drawn, after.drawn),
      longestFrameMs: after.longestFrameMs,
      serverShare: (after.serverMs - before.serverMs) / elapsedMs,
      wrongViews: await wrongRows(page, () => load.ask('online')),
    }
  } finally {
    await browser.close()
  }
}

function start(name: string, ...args: readonly string[]): ChildProcess {
  const child = fork(fileURLToPath(new URL(name, import.meta.url)), args)
  // All its threads: at this time there are those that Node starts with, and later ones inherit it.
  if (isPinned) spawnSync('taskset', ['-acp', SERVER_AND_LOAD_CPU, String(child.pid)])
  return child
}

/** Events of presence that came over the page's connection, and the changes of somebody's presence in them. */
function listen(page: Page): { readonly frames: number; readonly changes: number } {
  const heard = { frames: 0, changes: 0 }
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      if (typeof payload !== 'string' || !payload.startsWith('42["presence:diff"')) return
      const [, { users = [] }] = JSON.parse(payload.slice(2)) as [string, { users?: readonly unknown[] }]
      heard.frames++
      heard.changes += users.length
    })
  })
  return heard
}

/** The process of the page's main thread. */
async function rendererOf(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  // The youngest: a browser may keep one in reserve.
  return processInfo.filter(({ type }) => type === 'renderer').reduce((id, each) => Math.max(id, each.id), 0)
}

/** How long the first thread of a process ran, and how long others had its processor; 0 where the system does not tell. */
function threadTimes(pid: number): { readonly ranMs: number; readonly waitedMs: number } {
  const path = `/proc/${pid}/schedstat`
  const [ran = 0, waited = 0] = existsSync(path) ? readFileSync(path, 'utf8').split(' ').map(Number) : []
  return { ranMs: ran / 1e6, waitedMs: waited / 1e6 }
}

interface Observed {
  /** Tasks of over 50 ms, as the browser counts them. */
  readonly longTasks: number
  readonly longest: number
  /** Times that React changed the page. */
  readonly renders: number
  /** Pictures that the browser made, and the longest time between two. */
  readonly drawn: number
  readonly longestFrameMs: number
}

/** Runs in the page before its own scripts. React tells the hook of its developer tools of each commit. */
const OBSERVE = `
globalThis.observed = { longTasks: 0, longest: 0, renders: 0, drawn: 0, longestFrameMs: 0 }
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    observed.longTasks++
    observed.longest = Math.max(observed.longest, duration)
  }
}).observe({ type: 'longtask' })
const nothing = () => {}
globalThis.__REACT_DEVTOOLS_GLOBAL_HOOK__ = {
  supportsFiber: true,
  renderers: new Map(),
  inject: () => 1,
  checkDCE: nothing,
  onCommitFiberRoot() { observed.renders++ },
  onCommitFiberUnmount: nothing,
  onPostCommitFiberRoot: nothing,
}
let last = performance.now()
const draw = (now) => {
  observed.drawn++
  observed.longestFrameMs = Math.max(observed.longestFrameMs, now - last)
  last = now
  requestAnimationFrame(draw)
}
requestAnimationFrame(draw)
`

/** Members of whom the page says otherwise than it is, once all is quiet. */
async function wrongRows(page: Page, online: () => Promise<readonly string[]>): Promise<number> {
  let wrong = Infinity
  for (
    const until = performance.now() + REST_MS;
    wrong > 0 && performance.now() < until;
    await sleep(LOOK_MS)
  ) {
    const there = new Set([...(await online()), VIEWER])
    const shown = await page.evaluate<[user: string, isOnline: string][]>(
      `[...document.querySelectorAll('[data-testid=member]')].map(({ dataset }) => [dataset.user, dataset.online])`,
    )
    if (shown.length === 0) throw new Void('the page shows no members')
    wrong = shown.filter(([user, isOnline]) => isOnline !== String(there.has(user))).length
  }
  return wrong
}

/** Not imported by name: it is no part of this TypeScript project. */
async function launch(): Promise<Browser> {
  const { launchBrowser } = (await import(new URL('../../scripts/browser.js', import.meta.url).href)) as {
    launchBrowser(): Promise<Browser>
  }
  return launchBrowser()
}
