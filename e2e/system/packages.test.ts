import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectClient } from '../support/clients.js'
import { installedProject, must, type FreshProject } from '../support/packages.js'
import { startProcess } from '../support/process.js'
import { addressOf, withoutOwnSettings } from '../support/serve.js'

/**
 * Platforms for which npm has Node itself as a package without a download at install time. On others only the
 * Node that runs the tests is tried.
 */
const OTHER_NODE = ['linux-x64', 'linux-arm64'].includes(`${process.platform}-${process.arch}`)
  ? `node-${process.platform}-${process.arch}`
  : undefined
const OTHER_MAJOR = 24
const MAJORS = [...new Set([Number(process.versions.node.split('.')[0]), OTHER_MAJOR])].filter(
  (major) => major !== OTHER_MAJOR || OTHER_NODE !== undefined,
)
if (OTHER_NODE === undefined)
  console.info(`npm has no Node ${OTHER_MAJOR} for this platform: it is not tried.`)

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
  if (process.version.startsWith(`v${major}.`)) return process.execPath
  must(await project.run('npm', 'install', '--no-audit', '--no-fund', `${OTHER_NODE ?? ''}@${major}`))
  return join(project.path, 'node_modules', OTHER_NODE ?? '', 'bin', 'node')
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
  expect(files).toContain('node_modules/vigie/public/index.html')
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
