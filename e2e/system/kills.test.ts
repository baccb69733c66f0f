import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/database.js'
import { connectClient, type TestClient } from '../support/clients.js'
import { childrenOf, isRunning, postmasterOf, startPostgresServer } from '../support/postgres-server.js'
import { startProcess } from '../support/process.js'
import { freshSecret, serve, signToken } from '../support/serve.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const KILLS = 5
const GRACE_MS = '1000'
const QUICK = {
  VIGIE_GRACE_MS: GRACE_MS,
  VIGIE_REATTACH_GRACE_MS: GRACE_MS,
  VIGIE_CLIENT_RECONNECT_MS: '500',
}
const LOOK_AGAIN_MS = 50
/** A limit for what never comes: a query that hangs is given up after 5 s, and then a client tries again. */
const PATIENCE_MS = 30_000

test('after each of five kill -9 of the server, the next one takes its PostgreSQL over, clients come back by themselves to the same picture, and SIGTERM leaves nothing running', async () => {
  await using folder = await openFolder()
  const secret = freshSecret()
  const env = { ...QUICK, VIGIE_DATA_DIR: folder.path, VIGIE_JWT_SECRET: secret, VIGIE_DEMO_BOTS: '0' }
  const cluster = join(folder.path, 'postgres')
  let server = await serve({ words: ['--demo'], env })
  const { url } = server
  const users = (await (await fetch(`${url}/demo/users`)).json()) as { userId: string }[]
  const clients = users.slice(0, 4).map(({ userId }) => connectClient(url, signToken(secret, userId)))
  try {
    const [first] = clients as [TestClient]
    await Promise.all(clients.map((client) => client.until('everybody is there', sees(client, users, 4))))
    const pictures = clients.map(({ picture }) => JSON.stringify(picture.snapshot()))
    expect(first.picture.member('cafe', users[1]!.userId)).toEqual({ online: true, count: 1 })

    const seen = new Set<number>()
    for (let kill = 1; kill <= KILLS; kill++) {
      const left = await postmasterOf(cluster)
      expect(seen.has(left)).toBe(false)
      seen.add(left)
      expect(await server.process.kill('SIGKILL')).toBe('SIGKILL')
      expect(await isRunning(left)).toBe(true)

      server = await serve({ words: ['--demo'], env: { ...env, PORT: new URL(url).port } })
      expect(await isRunning(left)).toBe(false)
      await Promise.all(
        clients.map((client, index) =>
          client.until(
            `the picture is whole after kill ${kill}`,
            ({ connections, picture }) =>
              connections === kill + 1 && JSON.stringify(picture.snapshot()) === pictures[index],
            PATIENCE_MS,
          ),
        ),
      )
    }

    const postmaster = await postmasterOf(cluster)
    const family = [server.process.pid, postmaster, ...(await childrenOf(postmaster))]
    expect(family.length).toBeGreaterThan(2)
    expect(await server.process.kill('SIGTERM')).toBe(0)
    expect(await runningOf(family)).toEqual([])
  } finally {
    for (const client of clients) client[Symbol.dispose]()
    // When an expectation has failed: kill -9 of the server would leave its database.
    await server.process.kill('SIGTERM')
  }
})

test.for(['killed', 'paused'] as const)(
  'while PostgreSQL is %s, whoever is there goes on, whoever comes tries again by themselves and gets in when it is back, and rows are live again',
  async (what) => {
    await using database = await startPostgresServer()
    const secret = freshSecret()
    await using server = await serve({
      env: { ...QUICK, DATABASE_URL: database.url, VIGIE_JWT_SECRET: secret },
    })
    await rows(database.url, [
      `INSERT INTO group_users (group_id, user_id) VALUES ('team', 'ana'), ('team', 'ben'), ('team', 'cleo')`,
      `INSERT INTO conversation_users (conversation_id, user_id) VALUES ('plan', 'ana'), ('plan', 'ben'), ('plan', 'cleo')`,
    ])
    const come = (userId: string, deviceId: string) =>
      connectClient(server.url, signToken(secret, userId), { auth: { deviceId } })
    using ana = come('ana', 'desk')
    using ben = come('ben', 'desk')
    using phone = come('ben', 'phone')
    await ana.until('Ben is online twice', ({ picture }) => picture.member('plan', 'ben')?.count === 2)
    await healthBecomes(server.url, 200)

    if (what === 'killed') await database.kill()
    else await database.pause()
    await healthBecomes(server.url, 503)

    using cleo = come('cleo', 'desk')
    let attempts = 0
    cleo.socket.io.on('open', () => attempts++)
    phone.drop()
    await ana.until('Ben’s phone is gone', ({ picture }) => picture.user('ben')?.count === 1)
    expect(await ben.ask('typing:start', { convId: 'plan' })).toEqual({ ok: true })
    await ana.until('Ben types', ({ picture }) => picture.typists('plan').includes('ben'))
    expect(await ben.ask('typing:stop', { convId: 'plan' })).toEqual({ ok: true })
    await ana.until('Ben types no more', ({ picture }) => picture.typists('plan').length === 0)
    await until('Cleo has tried again', async () => attempts >= 2)
    expect(cleo.connections).toBe(0)

    if (what === 'killed') await database.start()
    else await database.resume()
    await cleo.until(
      'Cleo is in',
      ({ picture }) => picture.member('plan', 'ana')?.online === true,
      PATIENCE_MS,
    )
    await ana.until('Ana sees her', ({ picture }) => picture.user('cleo')?.online === true)
    await healthBecomes(server.url, 200)

    await rows(database.url, [`DELETE FROM conversation_users WHERE user_id = 'cleo'`])
    await ana.until(
      'Cleo has left the plan',
      ({ picture }) => picture.member('plan', 'cleo')?.online === false,
    )
    await cleo.until('so has Ana, for her', ({ picture }) => picture.member('plan', 'ana')?.online === false)
    await rows(database.url, [
      `INSERT INTO conversation_users (conversation_id, user_id) VALUES ('lunch', 'ana'), ('lunch', 'cleo')`,
    ])
    await cleo.until('they have lunch', ({ picture }) => picture.member('lunch', 'ana')?.online === true)

    expect([ana.connections, ben.connections, cleo.connections]).toEqual([1, 1, 1])
    expect(ana.picture.user('ben')).toEqual({ online: true, count: 1 })
    expect(await server.process.kill('SIGTERM')).toBe(0)
  },
)

test('when the lines to PostgreSQL die without a word, new ones are taken: rows are live again and whoever comes gets in', async () => {
  await using database = await freshDatabase()
  await using line = await openLine(database.url)
  const secret = freshSecret()
  await using server = await serve({ env: { ...QUICK, DATABASE_URL: line.url, VIGIE_JWT_SECRET: secret } })
  await rows(database.url, [
    `INSERT INTO group_users (group_id, user_id) VALUES ('team', 'ana'), ('team', 'ben')`,
  ])
  using ana = connectClient(server.url, signToken(secret, 'ana'))
  await ana.until('Ana is there', ({ picture }) => picture.user('ana')?.online === true)
  await healthBecomes(server.url, 200)

  line.die()
  await healthBecomes(server.url, 503)
  line.mend()
  await healthBecomes(server.url, 200)
  using ben = connectClient(server.url, signToken(secret, 'ben'))
  await ben.until('Ben is in', ({ picture }) => picture.user('ana')?.online === true, PATIENCE_MS)
  await ana.until('Ana sees him', ({ picture }) => picture.user('ben')?.online === true)
  await rows(database.url, [`DELETE FROM group_users WHERE user_id = 'ben'`])
  await ana.until('Ben is out', ({ picture }) => picture.user('ben')?.online === false, PATIENCE_MS)
  expect(ana.connections).toBe(1)
})

test('SIGTERM ends a server whose database hangs', async () => {
  await using database = await startPostgresServer()
  await using server = await serve({
    env: { ...QUICK, DATABASE_URL: database.url, VIGIE_JWT_SECRET: freshSecret() },
  })
  await healthBecomes(server.url, 200)
  await database.pause()
  await healthBecomes(server.url, 503)
  expect(await server.process.kill('SIGTERM')).toBe(0)
})

test('a client process that is killed types no more at once, and is offline after its grace', async () => {
  await using database = await freshDatabase()
  const secret = freshSecret()
  await using server = await serve({
    env: { ...QUICK, DATABASE_URL: database.url, VIGIE_JWT_SECRET: secret },
  })
  await rows(database.url, [
    `INSERT INTO group_users (group_id, user_id) VALUES ('team', 'ana'), ('team', 'ben')`,
    `INSERT INTO conversation_users (conversation_id, user_id) VALUES ('plan', 'ana'), ('plan', 'ben')`,
  ])
  using ana = connectClient(server.url, signToken(secret, 'ana'))
  await ana.until('Ana is there', ({ picture }) => picture.user('ana')?.online === true)
  await using ben = startProcess(['--input-type=module', '-e', TYPIST], {
    cwd: ROOT,
    env: { URL: server.url, TOKEN: signToken(secret, 'ben') },
  })
  await ana.until('Ben types', ({ picture }) => picture.typists('plan').includes('ben'))

  expect(await ben.kill('SIGKILL')).toBe('SIGKILL')
  await ana.until('Ben is offline', ({ picture }) => picture.user('ben')?.online === false)
  await ana.until('there, too', ({ picture }) => picture.member('plan', 'ben')?.online === false)
  const ofBen = ana.events.filter(({ payload }) => (payload as { userId?: string }).userId === 'ben')
  const told = ofBen.map(({ name, payload }) =>
    `${name} ${(payload as { count?: number }).count ?? ''}`.trim(),
  )
  expect(told.slice(0, 2).sort()).toEqual(['presence:conversation 1', 'presence:update 1'])
  expect(told.slice(2, 4)).toEqual(['typing:start', 'typing:stop'])
  expect(told.slice(4).sort()).toEqual(['presence:conversation 0', 'presence:update 0'])
})

const TYPIST = `
import { io } from 'socket.io-client'
const socket = io(process.env.URL, { auth: { token: process.env.TOKEN }, transports: ['websocket'] })
socket.on('connect', () => socket.emit('typing:start', { convId: 'plan' }))
`

/** The first people of the demo meet in the café: each sees all of them. */
function sees({ picture }: TestClient, users: readonly { userId: string }[], count: number) {
  const online = () =>
    users.slice(0, count).filter(({ userId }) => picture.member('cafe', userId)?.online === true)
  return () => online().length === count
}

/** PostgreSQL, which is never root, must be able to reach its data. */
async function openFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'vigie-kills-'))
  await chmod(path, 0o755)
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** A way to the database whose connections can die as when its host is gone: nothing comes, nothing is refused. */
async function openLine(target: string) {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const dead = new WeakSet<Socket>()
  let isDead = false
  const listener = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      if (isDead) dead.add(one)
      one.on('data', (bytes) => {
        if (!dead.has(one)) other.write(bytes)
      })
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const url = new URL(target)
  url.port = String((listener.address() as AddressInfo).port)
  return {
    url: url.href,
    /** What is open now is dead for ever, and so is what is opened until it is mended. */
    die() {
      isDead = true
      for (const socket of sockets) dead.add(socket)
    },
    mend() {
      isDead = false
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}

async function rows(url: string, statements: readonly string[]): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    for (const statement of statements) await sql.unsafe(statement)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function healthBecomes(url: string, status: number): Promise<void> {
  await until(`/healthz says ${status}`, async () => (await fetch(`${url}/healthz`)).status === status)
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`${PATIENCE_MS} ms passed without: ${what}.`)
    await sleep(LOOK_AGAIN_MS)
  }
}

async function runningOf(pids: readonly number[]): Promise<readonly number[]> {
  const running = await Promise.all(pids.map((pid) => isRunning(pid)))
  return pids.filter((_, index) => running[index])
}
