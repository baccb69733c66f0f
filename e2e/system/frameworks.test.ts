/** The packed client in a Vite project with Vue, Svelte and Solid: a store of each framework's own, in a few lines. */
import { cp } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, overhear } from '../support/chromium.js'
import { installedProject, must, versionsOf, type FreshProject } from '../support/packages.js'
import { startProcess } from '../support/process.js'

const APP = fileURLToPath(new URL('../support/frameworks-app', import.meta.url))
const FRAMEWORKS = [
  'vue@3.5.45',
  '@vitejs/plugin-vue@6.0.11',
  'svelte@5.57.3',
  '@sveltejs/vite-plugin-svelte@7.3.1',
  'solid-js@1.9.20',
  'vite-plugin-solid@2.11.14',
]

let browser: Browser
let project: FreshProject

beforeAll(async () => {
  browser = await launchBrowser()
  project = await installedProject()
  await cp(APP, project.path, { recursive: true })
  const packages = [...(await versionsOf(['vite'])), ...FRAMEWORKS]
  must(await project.run('npm', 'install', '--no-audit', '--no-fund', '--save-exact', ...packages))
  must(
    await project.run(
      'env',
      'NODE_ENV=production',
      process.execPath,
      'node_modules/vite/bin/vite.js',
      'build',
    ),
  )
}, 300_000)
afterAll(async () => {
  await browser.close()
  await project[Symbol.asyncDispose]()
})

test('the stores for Vue, Svelte and Solid pass strict type checks', async () => {
  const compiled = await project.run(
    process.execPath,
    'node_modules/typescript/bin/tsc',
    '-p',
    'tsconfig.json',
  )
  expect(compiled).toEqual({ code: 0, output: '\n' })
})

test.for(['vue', 'svelte', 'solid'])('a page of %s shows somebody come and go', async (framework) => {
  await using host = startProcess(['host.js', 'dist'], { cwd: project.path })
  const [, url = ''] = await host.waitForLine(/listening at (\S+)/u)
  await using context = await browser.newContext()
  const open = async (userId: string) => {
    const page = await context.newPage()
    const { problems } = overhear(page, url)
    await page.goto(`${url}/${framework}.html?${userId}`)
    return { page, problems, shows: (text: string) => page.getByText(text, { exact: true }).waitFor() }
  }
  const ana = await open('ana')
  await ana.shows('ana')
  const ben = await open('ben')
  await ana.shows('ana, ben')
  await ben.shows('ana, ben')
  await ben.page.close()
  await ana.shows('ana')
  expect([...ana.problems, ...ben.problems]).toEqual([])
})
