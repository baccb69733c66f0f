/** The code of docs/guides, as it stands there, in front of the people and the phone that it is written for. */
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import ts from 'typescript'
import { createServer } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPresenceClient, type PresenceClient } from '@vigie/client'
import { defaultPlatform } from '../packages/client/src/platform.js'
import { isLive, openSdk } from '../packages/client/test/support/sdk.js'
import { startWire, token } from '../packages/server/test/support/wire.js'
import { launchBrowser, overhear } from './support/chromium.js'
import { codeOfGuide } from './support/guides.js'
import { startVigie } from './support/vigie.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Unpacking the browser, and a first start of the server, on a busy machine. */
const SLOW_MS = 120_000

describe('the page of the guide without a framework', { timeout: SLOW_MS }, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, SLOW_MS)
  afterAll(() => browser.close())

  test('shows who comes, types and goes, says when it cannot know, and mends itself', async () => {
    await using vigie = await startVigie({ VIGIE_GRACE_MS: '1000' })
    await using site = await servePage(vigie.url)
    const openAs = async (query: string) => {
      const context = await browser.newContext()
      const page = await context.newPage()
      const { problems } = overhear(page, site.url)
      await page.goto(`${site.url}/${query}`)
      await page.locator('#banner').waitFor({ state: 'hidden' })
      const says = (id: string, text: string) =>
        page
          .locator(`#${id}`)
          .filter({ hasText: new RegExp(`^${text}$`, 'u') })
          .waitFor({ state: 'attached' })
      const member = (text: string) => page.locator('li', { hasText: text }).waitFor()
      return { page, context, problems, says, member }
    }

    const amelie = await openAs('')
    await amelie.says('title', 'Café')
    await amelie.says('count', '1 of 44 online')
    await amelie.member('○ Kofi Mensah')

    const kofi = await openAs('?me=kofi-mensah')
    await amelie.member('● Kofi Mensah')
    await amelie.says('count', '2 of 44 online')
    await kofi.page.locator('#message').pressSequentially('hm')
    await amelie.says('typing', 'Kofi Mensah typing…')
    expect(await kofi.page.locator('#typing').textContent()).toBe('')
    await kofi.page.locator('#message').press('Enter')
    await amelie.says('typing', '')
    expect([...amelie.problems, ...kofi.problems]).toEqual([])

    await vigie.process.kill('SIGKILL')
    await amelie.page.locator('#banner', { hasText: 'Connecting…' }).waitFor()
    await amelie.member('◌ Kofi Mensah')
    await vigie.restart()
    await amelie.page.locator('#banner').waitFor({ state: 'hidden' })
    await amelie.member('● Kofi Mensah')

    await kofi.context.close()
    await amelie.member('○ Kofi Mensah')
    await amelie.says('count', '1 of 44 online')
    await amelie.context.close()
  })
})

describe('keepWithApp of the guide for React Native', () => {
  const rows = { conversations: [['c', ['ann', 'bob']]] } as const

  test('hides from others that the app was in the background and lost its network there', async () => {
    // Without a word, a loss is seen at once here.
    await using wire = await startWire({ rows, presence: { graceMs: 0, reattachGraceMs: 0 } })
    using ann = openSdk(wire.url, { token: token('ann'), ...PATIENT })
    const phone = fakePhone()
    const calls: string[] = []
    const stop = await keepWithApp(noting(ann.client, calls), phone)
    await ann.until('live', isLive)
    const bob = await wire.connect('bob')
    ann.client.startTyping('c')
    await bob.until('ann types in c')
    expect(calls.splice(0)).toEqual(['foreground'])

    phone.app('inactive')
    expect(calls).toEqual([])
    phone.app('background')
    // The end of her typing says that the server knows.
    await bob.until('ann stops in c')
    bob.hear()
    phone.network(false)
    ann.cut()
    await ann.until('lost', (view) => view.state().name === 'backingOff')
    await wire.until('the loss', () => wire.io.sockets.sockets.size === 1)
    phone.network(true)
    expect(calls.splice(0)).toEqual(['background'])

    phone.app('active')
    expect(calls).toEqual(['foreground'])
    await ann.until('live again', isLive)
    await bob.fence()
    expect(bob.hear()).toEqual([])

    stop()
    phone.app('background')
    phone.network(false)
    phone.network(true)
    expect(calls).toEqual(['foreground'])
  })

  test('connects again as soon as the network is back, without a blink', async () => {
    await using wire = await startWire({ rows, presence: { graceMs: 60_000, reattachGraceMs: 60_000 } })
    using ann = openSdk(wire.url, { token: token('ann'), ...PATIENT })
    const phone = fakePhone()
    const calls: string[] = []
    await keepWithApp(noting(ann.client, calls), phone)
    await ann.until('live', isLive)
    const bob = await wire.connect('bob')
    bob.hear()
    // Only what ends an absence counts: the phone repeats itself.
    for (const isConnected of [null, true, true]) phone.network(isConnected)
    expect(calls.splice(0)).toEqual(['foreground'])

    phone.network(false)
    ann.cut()
    await ann.until('lost', (view) => view.state().name === 'backingOff')
    phone.network(true)
    expect(calls).toEqual(['foreground'])
    await ann.until('live again', isLive)
    await bob.fence()
    expect(bob.hear()).toEqual([])
  })
})

test('keepWithApp asks whether the connection still lives when the network is another one', async () => {
  const calls: string[] = []
  const client = createPresenceClient({ url: 'http://127.0.0.1:9', token: 'token' })
  const phone = fakePhone()
  await keepWithApp(noting(client, calls), phone)
  phone.network(true, 'wifi')
  phone.network(true, 'wifi')
  calls.length = 0
  phone.network(true, 'cellular')
  expect(calls).toEqual(['foreground'])
  phone.app('background')
  phone.network(true, 'wifi')
  expect(calls).toEqual(['foreground', 'background'])
})

test('the Dart code of the guide for Flutter uses events and fields that the protocol has', async () => {
  const protocol = await readFile(join(ROOT, 'docs/protocol.md'), 'utf8')
  const code = (await codeOfGuide('flutter', ['dart'])).map(({ text }) => text).join('\n')
  const events = new Set([...code.matchAll(/'((?:presence|typing):\w+)'/gu)].map(([, name]) => name!))
  expect([...events].sort()).toEqual([
    'presence:background',
    'presence:conversation',
    'presence:devices',
    'presence:foreground',
    'presence:update',
    'typing:start',
    'typing:stop',
  ])
  for (const event of events) {
    const [, payload = ''] = new RegExp(`^\\| \`${event}\` +\\|(.+?)\\|`, 'mu').exec(protocol) ?? []
    const [, handler = ''] = new RegExp(`'${event}'(.*?)\\}`, 'su').exec(code) ?? []
    const fields = [...handler.matchAll(/data\['(\w+)'\]/gu)].map(([, field]) => field!)
    expect(payload, event).not.toBe('')
    expect(
      fields.filter((field) => !payload.includes(`${field}:`)),
      event,
    ).toEqual([])
  }
  const auth = [...code.matchAll(/'(token|\w+Id|label)':/gu)].map(([, field]) => field!)
  expect(auth).toEqual(['token', 'deviceId', 'clientId', 'label'])
  expect(auth.filter((field) => !protocol.includes(`| \`${field}\``))).toEqual([])
})

/** A first retry that waits for most of a minute: whoever is back earlier was hurried. */
const PATIENT = {
  reconnectBaseMs: 60_000,
  reconnectMaxMs: 60_000,
  platform: { ...defaultPlatform, random: () => 0.9 },
}

/** The page of the guide under Vite, as its reader has it, but for the address of the server behind it. */
async function servePage(server: string) {
  await mkdir(join(ROOT, 'test-results'), { recursive: true })
  const root = await mkdtemp(join(ROOT, 'test-results', 'guide-'))
  const files = await codeOfGuide('without-a-framework', ['js', 'html'])
  await Promise.all(files.map(({ file, text }) => writeFile(join(root, file), text)))
  // Under a server of ours: Vite's own tries its port on every address of the machine.
  const http = createHttpServer()
  const vite = await createServer({
    root,
    configFile: join(root, 'vite.config.mjs'),
    cacheDir: join(root, '.vite'),
    logLevel: 'silent',
    server: {
      middlewareMode: { server: http },
      ws: { server: http },
      proxy: { '/demo': server, '/socket.io': { target: server, ws: true } },
    },
  })
  http.on('request', vite.middlewares)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      await vite.close()
      http.closeAllConnections()
      http.close()
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** What React Native's `AppState` and `NetInfo` are to the guide's function. */
interface Phone {
  readonly appState: {
    readonly currentState: string
    addEventListener(type: 'change', listener: (state: string) => void): { remove(): void }
  }
  readonly netInfo: {
    addEventListener(listener: (state: { readonly isConnected: boolean | null }) => void): () => void
  }
}

/** Takes the guide's types off; that they are right, a system test says. */
async function keepWithApp(client: PresenceClient, phone: Phone): Promise<() => void> {
  const files = await codeOfGuide('react-native', ['ts'])
  const { text = '' } = files.find(({ file }) => file === 'keep-with-app.ts') ?? {}
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  })
  const url = `data:text/javascript,${encodeURIComponent(outputText)}`
  const module = (await import(/* @vite-ignore */ url)) as {
    keepWithApp(client: PresenceClient, phone: Phone): () => void
  }
  return module.keepWithApp(client, phone)
}

/** A phone in somebody's hand, whose app and network go where the test says. As NetInfo, it speaks when it is listened to. */
function fakePhone() {
  const app = new Set<(state: string) => void>()
  interface Network {
    readonly isConnected: boolean | null
    readonly type: string
  }
  const network = new Set<(state: Network) => void>()
  return {
    appState: {
      currentState: 'active',
      addEventListener(_type: 'change', listener: (state: string) => void) {
        app.add(listener)
        return { remove: () => void app.delete(listener) }
      },
    },
    netInfo: {
      addEventListener(listener: (state: Network) => void) {
        network.add(listener)
        listener({ isConnected: true, type: 'wifi' })
        return () => void network.delete(listener)
      },
    },
    app: (state: string) => app.forEach((tell) => tell(state)),
    network: (isConnected: boolean | null, type = 'wifi') =>
      network.forEach((tell) => tell({ isConnected, type })),
  }
}

/** The same client, which writes down what the phone makes of it. */
function noting(client: PresenceClient, calls: string[]): PresenceClient {
  return {
    ...client,
    background(graceMs) {
      calls.push('background')
      client.background(graceMs)
    },
    foreground() {
      calls.push('foreground')
      client.foreground()
    },
  }
}
