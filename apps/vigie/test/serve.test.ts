import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { io, type Socket } from 'socket.io-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startProxy } from '../../../e2e/support/proxy.js'
import { freshDatabase } from '../../../test/database.js'
import { BIN, startVigie, temporaryFolder } from './vigie-process.js'

const SECRET = 'a-secret-that-is-long-enough-to-sign'
const DEMO = { PORT: '0', VIGIE_DEMO_BOTS: '0', VIGIE_JWT_SECRET: SECRET }

interface Refusal extends Error {
  readonly data?: { readonly code: string }
}

function client(url: string, token: string | undefined): Socket {
  const socket = io(url, { auth: { token }, forceNew: true })
  onTestFinished(() => {
    socket.disconnect()
  })
  return socket
}

/** The first `event` that `isWanted`. */
function hear<T>(socket: Socket, event: string, isWanted: (payload: T) => boolean = () => true): Promise<T> {
  return new Promise((resolve) => {
    socket.on(event, (payload: T) => {
      if (isWanted(payload)) resolve(payload)
    })
  })
}

async function login(url: string, body: unknown): Promise<{ status: number; token: string | undefined }> {
  const response = await fetch(`${url}/demo/login`, { method: 'POST', body: JSON.stringify(body) })
  return { status: response.status, token: ((await response.json()) as { token?: string }).token }
}

/** Whether the process is there; a signal 0 only asks. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false // ESRCH: nobody has this number
  }
}

async function databasePid(folder: string): Promise<number> {
  const lines = await readFile(join(folder, '.vigie', 'postgres', 'postmaster.pid'), 'utf8')
  return Number(lines.split('\n')[0])
}

describe('vigie serve --demo', { timeout: 60_000 }, () => {
  it('answers over HTTP: health, the page, who one can be, signing in, what one sees', async () => {
    await using folder = await temporaryFolder()
    await using vigie = startVigie(['serve', '--demo'], folder.path, DEMO)
    const url = await vigie.url

    const health = await fetch(`${url}/healthz`)
    expect([health.status, ((await health.json()) as { status: string }).status]).toEqual([200, 'ok'])

    const [script = ''] = /assets\/[\w-]+\.js/u.exec(await (await fetch(url)).text()) ?? []
    for (const [path, type, cache] of [
      ['/', 'text/html', 'no-store'],
      [`/${script}`, 'text/javascript', 'public, max-age=31536000, immutable'],
      ['/plain/', 'text/html', 'no-store'],
      ['/plain', 'text/html', 'no-store'],
      ['/plain/app.js', 'text/javascript', 'no-store'],
      ['/plain/style.css', 'text/css', 'no-store'],
    ] as const) {
      const answer = await fetch(`${url}${path}`)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`])
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(answer.headers.get('cache-control')).toBe(cache)
    }
    for (const path of [
      '/package.json',
      '/plain/README.md',
      '/assets/../package.json',
      '/plain/..%2fpackage.json',
    ]) {
      expect((await fetch(`${url}${path}`)).status).toBe(404)
    }

    // What the page links to.
    const guide = await fetch(`${url}/docs/client.md`)
    expect([guide.status, guide.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8'])
    expect(await guide.text()).toContain('createPresenceClient')
    const users = (await (await fetch(`${url}/demo/users`)).json()) as { userId: string; name: string }[]
    expect(users[0]).toEqual({ userId: 'amelie-durand', name: 'Amélie Durand' })
    expect((await login(url, { userId: 'nobody' })).status).toBe(404)
    // A colleague is the bots', not the visitors'.
    expect((await login(url, { userId: 'noor-siddiqui' })).status).toBe(404)
    for (const body of [{}, { userId: 5 }, { userId: 'amelie-durand', admin: true }, null, []]) {
      expect((await login(url, body)).status).toBe(400)
    }
    const { status, token = '' } = await login(url, { userId: 'amelie-durand' })
    expect(status).toBe(200)

    const world = await fetch(`${url}/demo/world`, { headers: { Authorization: `Bearer ${token}` } })
    expect(((await world.json()) as { me: unknown }).me).toEqual({
      userId: 'amelie-durand',
      name: 'Amélie Durand',
      givenName: 'Amélie',
    })
    const french = (await (await fetch(`${url}/demo/users?lang=fr`)).json()) as { userId: string }[]
    expect(french[0]?.userId).toBe('juliette-moreau')
    const messages = await fetch(`${url}/demo/messages`, { headers: { Authorization: `Bearer ${token}` } })
    const rooms = new Set(
      ((await messages.json()) as { conversationId: string }[]).map(({ conversationId }) => conversationId),
    )
    expect([rooms.has('cafe'), rooms.has('team-sales')]).toEqual([true, false])
    expect((await fetch(`${url}/demo/messages`)).status).toBe(401)
    for (const right of [`bearer ${token}`, `Bearer  ${token}`]) {
      expect((await fetch(`${url}/demo/world`, { headers: { Authorization: right } })).status).toBe(200)
    }
    for (const wrong of ['', 'Bearer ', `Bearer ${token}x`, token]) {
      expect((await fetch(`${url}/demo/world`, { headers: { Authorization: wrong } })).status).toBe(401)
    }
  })

  it('lets two people see each other come, type and go, and refuses strangers with a code', async () => {
    await using folder = await temporaryFolder()
    await using vigie = startVigie(['serve', '--demo'], folder.path, DEMO)
    const url = await vigie.url
    const amelie = client(url, (await login(url, { userId: 'amelie-durand' })).token)
    await hear(amelie, 'connect')

    const arrival = hear<{ userId: string }>(
      amelie,
      'presence:update',
      ({ userId }) => userId === 'kofi-mensah',
    )
    const kofi = client(url, (await login(url, { userId: 'kofi-mensah' })).token)
    expect(await arrival).toEqual({ userId: 'kofi-mensah', online: true, count: 1 })

    const typing = hear(amelie, 'typing:start')
    expect(await kofi.emitWithAck('typing:start', { convId: 'cafe' })).toEqual({ ok: true })
    expect(await typing).toEqual({ convId: 'cafe', userId: 'kofi-mensah' })

    const end = hear(amelie, 'typing:stop')
    const leave = hear<{ userId: string; online: boolean }>(
      amelie,
      'presence:update',
      ({ online }) => !online,
    )
    kofi.disconnect()
    expect(await end).toEqual({ convId: 'cafe', userId: 'kofi-mensah' })
    expect(await leave).toEqual({ userId: 'kofi-mensah', online: false, count: 0 })

    for (const [token, code] of [
      ['nonsense', 'token_invalid'],
      [undefined, 'token_missing'],
    ] as const) {
      expect((await hear<Refusal>(client(url, token), 'connect_error')).data?.code).toBe(code)
    }
  })

  it('shows life to whoever signs in: colleagues who are there, and one who types', async () => {
    await using folder = await temporaryFolder()
    await using vigie = startVigie(['serve', '--demo'], folder.path, { ...DEMO, VIGIE_DEMO_BOTS: '20' })
    const url = await vigie.url
    const me = client(url, (await login(url, { userId: 'keoni-kahale' })).token)
    const isOther = ({ userId }: { userId: string }) => userId !== 'keoni-kahale'
    const [there, typing] = await Promise.all([
      hear<{ userId: string; online: boolean }>(me, 'presence:conversation', isOther),
      hear<{ userId: string }>(me, 'typing:start', isOther),
    ])
    expect(there.online).toBe(true)
    expect(typing.userId).not.toBe('keoni-kahale')
  })

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    'ends on %s with code 0 and leaves no database behind',
    async (signal) => {
      await using folder = await temporaryFolder()
      await using vigie = startVigie(['serve', '--demo'], folder.path, { ...DEMO, VIGIE_DEMO_BOTS: '3' })
      const url = await vigie.url
      const me = client(url, (await login(url, { userId: 'amelie-durand' })).token)
      await hear(me, 'connect')
      const pid = await databasePid(folder.path)
      expect(isAlive(pid)).toBe(true)
      const reason = hear(me, 'disconnect')
      vigie.kill(signal)
      expect((await vigie.ended).code).toBe(0)
      expect(isAlive(pid)).toBe(false)
      // Not "io server disconnect", after which a stock client would stay away.
      expect(await reason).toMatch(/^transport (close|error)$/u)
      expect(me.active).toBe(true)
    },
  )

  it('takes a signal that comes twice at once for one wish: the terminal sends it, and npm or the shell as well', async () => {
    await using folder = await temporaryFolder()
    await using vigie = startVigie(['serve', '--demo'], folder.path, DEMO)
    await vigie.url
    const pid = await databasePid(folder.path)
    for (const signal of ['SIGHUP', 'SIGHUP', 'SIGTERM'] as const) vigie.kill(signal)
    // 130 is the end without a drain, which another signal a while later asks for.
    expect((await vigie.ended).code).toBe(0)
    expect(isAlive(pid)).toBe(false)
  })

  it('refuses a second server on its data folder with one sentence, and goes on', async () => {
    await using folder = await temporaryFolder()
    await using vigie = startVigie(['serve', '--demo'], folder.path, DEMO)
    const url = await vigie.url
    const quiet = { ...DEMO, VIGIE_LOG_LEVEL: 'warn' }
    const second = await startVigie(['serve', '--demo'], folder.path, quiet).ended
    expect([second.code, second.stdout]).toEqual([1, ''])
    expect(second.stderr).toMatch(
      /^vigie: Another Vigie is running on \S+ \(process \d+ on \S+ since \S+\); stop it, or set VIGIE_DATA_DIR to another folder\.\n$/u,
    )
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })

  it('starts again after a kill -9, with the same people, tokens and rows', async () => {
    await using folder = await temporaryFolder()
    const { VIGIE_JWT_SECRET: _, ...env } = DEMO
    const first = startVigie(['serve', '--demo'], folder.path, env)
    const { token = '' } = await login(await first.url, { userId: 'amelie-durand' })
    first.kill('SIGKILL')
    await first.ended
    expect((await stat(join(folder.path, '.vigie', 'demo-secret'))).mode & 0o777).toBe(0o600)

    await using second = startVigie(['serve', '--demo'], folder.path, env)
    const me = client(await second.url, token)
    await hear(me, 'connect')
    expect(await me.emitWithAck('typing:start', { convId: 'cafe' })).toEqual({ ok: true })
  })
})

describe('vigie serve with DATABASE_URL', { timeout: 60_000 }, () => {
  it('creates the two tables that are missing, and lets a user of a row in', async () => {
    await using folder = await temporaryFolder()
    await using database = await freshDatabase()
    const env = { PORT: '0', DATABASE_URL: database.url, VIGIE_JWT_SECRET: SECRET }
    await using vigie = startVigie(['serve'], folder.path, env)
    const url = await vigie.url
    const { stdout } = await startVigie(['token', 'alice'], folder.path, { VIGIE_JWT_SECRET: SECRET }).ended
    const alice = client(url, stdout.trim())
    await hear(alice, 'connect')
    const row = hear(alice, 'presence:conversation')
    await database.sql`insert into conversation_users (conversation_id, user_id) values ('lobby', 'alice')`
    expect(await row).toEqual({ userId: 'alice', online: true, count: 1, conversationId: 'lobby' })
    // The demo's doors are closed.
    expect((await login(url, { userId: 'alice' })).status).toBe(404)
    expect((await fetch(`${url}/demo/users`)).status).toBe(404)
  })

  it('takes tokens of both secrets while one is exchanged, from files, at a path of its own', async () => {
    await using folder = await temporaryFolder()
    await using database = await freshDatabase()
    const [now, before] = ['now', 'before'].map((name) => `${SECRET} of ${name}`)
    for (const [name, text] of [
      ['now', now],
      ['before', before],
      ['database', database.url],
    ]) {
      await writeFile(join(folder.path, name ?? ''), `${text ?? ''}\n`)
    }
    const files = { VIGIE_JWT_SECRET_FILE: 'now', VIGIE_JWT_PREVIOUS_SECRET_FILE: 'before' }
    const env = { PORT: '0', DATABASE_URL_FILE: 'database', VIGIE_SOCKET_IO_PATH: '/chat/', ...files }
    await using vigie = startVigie(['serve'], folder.path, env)
    const url = await vigie.url
    const connect = async (token: string) => {
      const socket = io(url, { path: '/chat/', auth: { token }, forceNew: true })
      onTestFinished(() => {
        socket.disconnect()
      })
      const refused = hear<Refusal>(socket, 'connect_error').then(({ data }) => data?.code)
      return Promise.race([hear(socket, 'connect').then(() => 'connected'), refused])
    }
    const sign = async (given: Readonly<Record<string, string>>) =>
      (await startVigie(['token', 'alice'], folder.path, given).ended).stdout.trim()
    expect(await connect(await sign(files))).toBe('connected')
    expect(await connect(await sign({ VIGIE_JWT_SECRET: now ?? '' }))).toBe('connected')
    expect(await connect(await sign({ VIGIE_JWT_SECRET: before ?? '' }))).toBe('connected')
    expect(await connect(await sign({ VIGIE_JWT_SECRET: `${SECRET} of nobody` }))).toBe('token_invalid')
  })

  it('says in /healthz that the database is away, lives on, and says when it is back', async () => {
    await using folder = await temporaryFolder()
    await using database = await freshDatabase()
    await using line = await startProxy(database.url)
    const address = new URL(database.url)
    address.host = new URL(line.url).host
    const env = { PORT: '0', DATABASE_URL: address.href, VIGIE_JWT_SECRET: SECRET }
    await using vigie = startVigie(['serve'], folder.path, env)
    const url = await vigie.url
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    line.freeze()
    const answers = await Promise.all([1, 2, 3].map(() => fetch(`${url}/healthz`)))
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503])
    line.thaw()
    await expect.poll(async () => (await fetch(`${url}/healthz`)).status).toBe(200)
  })
})

describe('vigie serve and those who watch it', { timeout: 60_000 }, () => {
  it('is alive and not ready while it starts, and lets whoever came meanwhile in by themselves when it is ready', async () => {
    await using folder = await temporaryFolder()
    await using database = await freshDatabase()
    await using line = await startProxy(database.url)
    const address = new URL(database.url)
    address.host = new URL(line.url).host
    line.freeze()
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const env = { PORT: String(port), DATABASE_URL: address.href, VIGIE_JWT_SECRET: SECRET }
    const { stdout } = await startVigie(['token', 'alice'], folder.path, { VIGIE_JWT_SECRET: SECRET }).ended
    await using vigie = startVigie(['serve'], folder.path, env)
    await expect.poll(() => statusOf(`${url}/livez`), { timeout: 20_000 }).toBe(200)

    expect(await answerOf(`${url}/readyz`)).toMatchObject([
      503,
      { status: 'unavailable', reasons: ['starting'] },
    ])
    expect(await answerOf(`${url}/healthz`)).toMatchObject([503, { database: 'starting' }])
    const early = await fetch(url)
    expect([early.status, early.headers.get('retry-after')]).toEqual([503, '1'])
    const clients = (['websocket', 'polling'] as const).map((transport) => {
      const socket = io(url, {
        auth: { token: stdout.trim() },
        forceNew: true,
        transports: [transport],
        reconnectionDelay: 100,
        reconnectionDelayMax: 200,
      })
      onTestFinished(() => {
        socket.disconnect()
      })
      return socket
    })
    await Promise.all(clients.map((socket) => hear(socket, 'connect_error')))
    const entries = clients.map((socket) => hear(socket, 'connect'))
    line.thaw()
    await vigie.url
    await Promise.all(entries)
    expect(await answerOf(`${url}/readyz`)).toMatchObject([200, { status: 'ok', reasons: [] }])
  })

  it('is alive, and ready with a reason, while its database is away: a restart would end the sessions that it keeps', async () => {
    await using folder = await temporaryFolder()
    await using database = await freshDatabase()
    await using line = await startProxy(database.url)
    const address = new URL(database.url)
    address.host = new URL(line.url).host
    const env = { PORT: '0', DATABASE_URL: address.href, VIGIE_JWT_SECRET: SECRET }
    await using vigie = startVigie(['serve'], folder.path, env)
    const url = await vigie.url
    line.freeze()
    expect(await statusOf(`${url}/healthz`)).toBe(503)
    await expect
      .poll(() => answerOf(`${url}/readyz`), { timeout: 20_000 })
      .toMatchObject([200, { status: 'degraded', reasons: ['database_unreachable', 'feed_late'] }])
    expect(await answerOf(`${url}/livez`)).toMatchObject([200, { status: 'ok' }])
    line.thaw()
    await expect
      .poll(() => answerOf(`${url}/readyz`), { timeout: 20_000 })
      .toMatchObject([200, { status: 'ok', reasons: [] }])
  })
})

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** 0: nobody listens. */
async function statusOf(url: string): Promise<number> {
  try {
    return (await fetch(url)).status
  } catch {
    return 0
  }
}

async function answerOf(url: string): Promise<[status: number, body: unknown]> {
  const answer = await fetch(url)
  return [answer.status, await answer.json()]
}

describe('vigie serve that cannot start', { timeout: 30_000 }, () => {
  it.each<[title: string, words: readonly string[], env: Readonly<Record<string, string>>, sentence: string]>(
    [
      [
        'a database that is down',
        ['serve'],
        { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/chat', VIGIE_JWT_SECRET: SECRET },
        'vigie: The database at postgres://u:***@127.0.0.1:1/chat cannot be reached: nothing listens there; ' +
          'is it running, and is DATABASE_URL right?\n',
      ],
      [
        'no way to check tokens',
        ['serve'],
        {},
        'vigie: Nothing says how tokens are checked; set VIGIE_JWT_SECRET, VIGIE_JWT_SECRET_FILE or VIGIE_JWKS_URL, or try the demo with --demo.\n',
      ],
      ...(['serve', 'migrate'] as const).map(
        (command): [string, string[], Record<string, string>, string] => [
          `no database, of vigie ${command}`,
          [command],
          { VIGIE_JWT_SECRET: SECRET },
          'vigie: No database is named; set DATABASE_URL (or DATABASE_URL_FILE) to the PostgreSQL that has your memberships, or ' +
            'VIGIE_EMBEDDED_DATABASE=1 to use one that Vigie brings, which starts empty and keeps its data in .vigie ' +
            '(VIGIE_DATA_DIR).\n',
        ],
      ),
      [
        'a data folder that is a file',
        ['serve', '--demo'],
        { PORT: '0', VIGIE_JWT_SECRET: SECRET, VIGIE_DATA_DIR: BIN },
        `vigie: The embedded PostgreSQL cannot use ${BIN}: there is a file of that name; put that right, or set ` +
          'VIGIE_DATA_DIR to another folder.\n',
      ],
      [
        'no place for the secret of the demo',
        ['serve', '--demo'],
        { PORT: '0', VIGIE_DATA_DIR: BIN },
        `vigie: The secret of the demo cannot be kept in ${join(BIN, 'demo-secret')}: there is a file of that name; put ` +
          'that right, or set VIGIE_DATA_DIR.\n',
      ],
      [
        'a configuration that is a folder',
        ['config', '--config', '.'],
        {},
        'vigie: . cannot be read: it is a folder.\n',
      ],
      [
        'a wrong value',
        ['serve', '--demo'],
        { VIGIE_GRACE_MS: 'soon' },
        'vigie: VIGIE_GRACE_MS is "soon"; it must be a whole number from 0 to 600000.\n',
      ],
      [
        'a misspelt flag',
        ['serve', '--dmeo'],
        {},
        'vigie: vigie serve has no option --dmeo; vigie serve --help lists those it has.\n',
      ],
      [
        'an unknown command',
        ['constructor'],
        {},
        'vigie: There is no command "constructor"; there are serve, token, migrate, config, explain, doctor, audit, audit-clients.\n',
      ],
      ['a word too many', ['serve', 'now'], {}, 'vigie: vigie serve does not know what to do with "now".\n'],
      ['a file that is not there', ['config', '--config', 'x.json'], {}, 'vigie: There is no file x.json.\n'],
      [
        'a token for nobody',
        ['token'],
        {},
        'vigie: vigie token needs a user id, such as vigie token alice.\n',
      ],
    ],
  )('says so in one sentence: %s', async (_, words, env, sentence) => {
    await using folder = await temporaryFolder()
    const quiet = { VIGIE_LOG_LEVEL: 'warn', ...env }
    const { code, stderr, stdout } = await startVigie(words, folder.path, quiet).ended
    expect([code, stderr, stdout]).toEqual([1, sentence, ''])
  })

  it('says so in one sentence: a port in use, before anything else is started or made', async () => {
    await using folder = await temporaryFolder()
    const other = createServer()
    onTestFinished(() => void other.close())
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const address = other.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { code, stderr, stdout } = await startVigie(['serve', '--demo'], folder.path, {
      ...DEMO,
      PORT: String(port),
    }).ended
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toBe(
      `vigie: Vigie cannot listen on 127.0.0.1, port ${port}: something listens there already; stop it, or choose ` +
        'another PORT.\n',
    )
    expect(await readdir(folder.path)).toEqual([])
  })
})

describe('the other commands', { timeout: 30_000 }, () => {
  it('vigie token prints a token that the server with the same secret accepts', async () => {
    await using folder = await temporaryFolder()
    const words = ['token', 'amelie-durand', '--ttl', '5m']
    const { stdout } = await startVigie(words, folder.path, { VIGIE_JWT_SECRET: SECRET }).ended
    await using vigie = startVigie(['serve', '--demo'], folder.path, DEMO)
    await hear(client(await vigie.url, stdout.trim()), 'connect')
  })

  it('vigie migrate --print prints SQL and needs no database', async () => {
    await using folder = await temporaryFolder()
    const { code, stdout } = await startVigie(['migrate', '--print'], folder.path).ended
    expect([code, stdout.includes('CREATE SCHEMA IF NOT EXISTS vigie')]).toEqual([0, true])
  })

  it('start in spite of a variable that is none, and warn of it', async () => {
    await using folder = await temporaryFolder()
    const env = { VIGIE_GRACEMS: '1', VIGIE_SERVICE_HOST: '10.96.0.7', VIGIE_PORT: 'tcp://10.96.0.7:80' }
    const { code, stderr } = await startVigie(['config'], folder.path, env).ended
    expect(code).toBe(0)
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { level: string; msg: string })
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
      ['warn', 'VIGIE_GRACEMS is no variable of Vigie and has no effect; the nearest is VIGIE_GRACE_MS.'],
    ])
  })

  it('vigie config names where each value came from', async () => {
    await using folder = await temporaryFolder()
    const { code, stdout } = await startVigie(['config'], folder.path, { PORT: '9000' }).ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/^PORT +9000 +environment$/mu)
  })
})
