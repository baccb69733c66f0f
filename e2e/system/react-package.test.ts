import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser, overhear } from '../support/chromium.js'
import { installedProject, must, type FreshProject } from '../support/packages.js'
import { startProcess } from '../support/process.js'

/** A Vite and React project of somebody else's: `App` has every hook and every component. */
const APP = fileURLToPath(new URL('../support/react-app', import.meta.url))
const ROOT_MANIFEST = fileURLToPath(new URL('../../package.json', import.meta.url))
const TOOLS = ['vite', '@vitejs/plugin-react']
const REACT = ['react', 'react-dom', '@types/react', '@types/react-dom']
const REACT_18 = ['react@18.3.1', 'react-dom@18.3.1', '@types/react@18.3.31', '@types/react-dom@18.3.7']

let browser: Browser
let project: FreshProject

beforeAll(async () => {
  browser = await launchBrowser()
  project = await installedProject()
  await cp(APP, project.path, { recursive: true })
  await install(await pinned(TOOLS))
}, 300_000)
afterAll(async () => {
  await browser.close()
  await project[Symbol.asyncDispose]()
})

describe.for([
  ['19', () => pinned(REACT)],
  ['18', () => Promise.resolve(REACT_18)],
] as const)('in a fresh Vite project with React %s, the packed hooks and components', ([major, packages]) => {
  beforeAll(async () => {
    await install(await packages())
    must(await vite('build'))
    // With React's own warnings, of which the ordinary build has none.
    must(await vite('build', '--mode', 'development', '--outDir', 'dist-development'))
    must(await vite('build', '--ssr', 'src/render.tsx', '--outDir', 'rendered'))
  }, 300_000)

  test('pass strict type checks, and each misuse is one error, and nowhere else', async () => {
    const manifest = await readFile(join(project.path, 'node_modules/react/package.json'), 'utf8')
    expect((JSON.parse(manifest) as { version: string }).version.split('.')[0]).toBe(major)
    await project.write('src/misuses.tsx', 'export {}\n')
    expect(await compile()).toEqual({ code: 0, output: '\n' })

    await project.write('src/misuses.tsx', [...MISUSES_HEAD, ...MISUSES].join('\n'))
    // Others' declarations have just been checked.
    const { code, output } = await compile('--skipLibCheck')
    const places = [...output.matchAll(/^(\S+)\((\d+),\d+\): error/gmu)]
    expect(code).toBe(2)
    expect(new Set(places.map(([, file]) => file))).toEqual(new Set(['src/misuses.tsx']))
    expect(places.map(([, , line]) => MISUSES[Number(line) - 1 - MISUSES_HEAD.length])).toEqual(MISUSES)
  })

  test('show somebody come, type and go, against a real server', async () => {
    await using host = await startHost('dist')
    await using ana = await openPage(host.url, '/?ana')
    await ana.shows('h1', '1 of 2 online')
    await using ben = await openPage(host.url, '/?ben')
    await ana.shows('h1', '2 of 2 online')
    await ana.shows('#team', '2 of 2 online')
    await ana.shows('#ben', 'true')
    await ana.shows('#devices', '1')
    await ana.page.getByRole('img', { name: 'Online', exact: true }).waitFor()
    await ana.page.getByRole('img', { name: 'Ana and Ben' }).waitFor()

    await ben.page.getByLabel('Message').pressSequentially('hm')
    await ana.shows('[data-typing="1"]', 'Ben is typing…')
    await ana.shows('#typists', '1')
    await ben.page.getByLabel('Message').fill('')
    await ana.shows('#typists', '0')

    await ben.page.getByRole('button', { name: 'Sign out' }).click()
    await ana.shows('h1', '1 of 2 online')
    await ana.shows('#ben', 'false')
    await ana.page.getByRole('img', { name: 'Offline', exact: true }).waitFor()
    await ben.page.locator('main[data-connection=closed]').waitFor()
    expect([...ana.problems, ...ben.problems]).toEqual([])
  })

  test('know nothing on a server, open no connection there, and are taken over without a mismatch', async () => {
    await using host = await startHost('dist-development')
    const html = await (await fetch(`${host.url}/rendered`)).text()
    expect(html).toContain('<main data-connection="idle"><h1>unknown</h1>')
    expect(html).toContain('data-presence="unknown"')
    expect(html).toContain('data-typing="0"')
    expect(await (await fetch(`${host.url}/connections`)).text()).toBe('0')

    await using ana = await openPage(host.url, '/rendered?ana')
    await ana.shows('h1', '1 of 2 online')
    await ana.page.locator('main[data-connection=live]').waitFor()
    expect(ana.problems).toEqual([])
  })

  test('render what a fake presence says, without a server', async () => {
    await using host = await startHost('dist')
    await using story = await openPage(host.url, '/story.html')
    await story.shows('h1', '1 of 2 online')
    await story.shows('#team', '77 of 900 online')
    await story.page.getByRole('button', { name: 'Ben comes' }).click()
    await story.shows('h1', '2 of 2 online')
    await story.shows('[data-typing="1"]', 'Ben is typing…')
    expect(await (await fetch(`${host.url}/connections`)).text()).toBe('0')
    expect(story.problems).toEqual([])
  })
})

async function pinned(names: readonly string[]): Promise<readonly string[]> {
  const { devDependencies } = JSON.parse(await readFile(ROOT_MANIFEST, 'utf8')) as {
    devDependencies: Readonly<Record<string, string>>
  }
  return names.map((name) => `${name}@${devDependencies[name] ?? ''}`)
}

async function install(packages: readonly string[]): Promise<void> {
  must(await project.run('npm', 'install', '--no-audit', '--no-fund', '--save-exact', ...packages))
}

/** `NODE_ENV` of the tests is `test`, which React and Vite both take for development. */
function vite(...args: readonly string[]) {
  const mode = args.includes('development') ? 'development' : 'production'
  return project.run('env', `NODE_ENV=${mode}`, process.execPath, 'node_modules/vite/bin/vite.js', ...args)
}

function compile(...args: readonly string[]) {
  return project.run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', ...args)
}

async function startHost(folder: string) {
  const host = startProcess(['host.js', folder], { cwd: project.path, env: { NODE_ENV: 'production' } })
  const [, url = ''] = await host.waitForLine(/listening at (\S+)/u)
  return { url, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() }
}

async function openPage(url: string, path: string) {
  const context = await browser.newContext()
  const page: Page = await context.newPage()
  const { problems } = overhear(page, url)
  await page.goto(url + path)
  return {
    page,
    problems,
    shows: (selector: string, text: string) =>
      page
        .locator(selector)
        .and(page.getByText(text, { exact: true }))
        .waitFor(),
    [Symbol.asyncDispose]: () => context.close(),
  }
}

/** What the lines below stand on. */
const MISUSES_HEAD = [
  `import { AvatarStack, PresenceDot, PresenceProvider, TypingIndicator, useDevices, useGroupPresence, useOnlineMembers, usePresence, usePresenceConnection, useTyping, useTypingInput } from '@vigie/client/react'`,
  `import { createFakePresence } from '@vigie/client/testing'`,
]

/** Each hook, each component and the fake, used in a way that cannot be meant. */
const MISUSES = [
  `export const a = () => usePresence()`,
  `export const b = () => usePresence('ben', { watched: false })`,
  `export const c = (): boolean => usePresence('ben').online`,
  `export const d = (): number => useOnlineMembers('plan').members`,
  `export const e = () => useOnlineMembers('plan').userIds.push('ben')`,
  `export const f = () => useGroupPresence({ groupId: 'team' })`,
  `export const g = () => useTyping('plan').push('ben')`,
  `export const h = () => useDevices().devices.map((device) => device.name)`,
  `export const i = () => usePresenceConnection().name === 'offline'`,
  `export const j = () => <input ref={useTypingInput()} />`,
  `export const k = () => <PresenceProvider />`,
  `export const l = () => <PresenceDot />`,
  `export const m = () => <PresenceDot userId="ben" label="Ben" />`,
  `export const n = () => <AvatarStack userIds={['ben']} />`,
  `export const o = () => <TypingIndicator nameOf={(userId: string) => userId} />`,
  `export const p = () => createFakePresence({ conversations: { plan: 2 } })`,
]
