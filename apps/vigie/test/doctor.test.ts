/** The checks of `vigie doctor`, one by one; e2e/system/doctor.test.ts plants faults in real programs. */
import { readFile } from 'node:fs/promises'
import { createServer, request as httpRequest, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { migrate } from '@vigie/server/postgres'
import { Server } from 'socket.io'
import { afterEach, describe, expect, it } from 'vitest'
import { freshDatabase } from '../../../test/database.js'
import { loadConfig, type ConfigInput } from '../src/config.js'
import { lookAtConfiguration } from '../src/doctor/configuration.js'
import { lookAtDatabase } from '../src/doctor/database.js'
import { asJson, examine, exitCodeOf, forPeople, type Report } from '../src/doctor/doctor.js'
import { FINDING_CODES, type Finding } from '../src/doctor/finding.js'
import { lookFromOutside } from '../src/doctor/outside.js'

const SECRET = 'a-secret-that-is-long-enough-to-sign'
const DATABASE_URL = 'postgres://u@127.0.0.1:1/none'

const codesOf = (findings: readonly Finding[]) => findings.map(({ code }) => code)

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function listen(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

describe('the configuration', () => {
  async function codes(env: ConfigInput['env']): Promise<string[]> {
    const { findings } = await lookAtConfiguration({ load: () => loadConfig({ env }), env })
    return codesOf(findings)
  }
  const right = { DATABASE_URL, VIGIE_JWT_SECRET: SECRET }

  it.each<[codes: string[], env: ConfigInput['env']]>([
    [[], right],
    [['secret_weak'], { ...right, VIGIE_JWT_SECRET: 'short' }],
    [['secret_weak'], { ...right, VIGIE_JWT_PREVIOUS_SECRET: 'short' }],
    [['secret_unreadable'], { DATABASE_URL, VIGIE_JWT_SECRET_FILE: '/nowhere/secret' }],
    [['secret_unreadable'], { VIGIE_JWT_SECRET: SECRET, DATABASE_URL_FILE: '/nowhere/url' }],
    [['tokens_unchecked'], { DATABASE_URL }],
    [['database_unnamed'], { VIGIE_JWT_SECRET: SECRET }],
    [['tokens_unchecked', 'database_unnamed'], {}],
    [[], { VIGIE_DEMO: '1' }],
    [['variable_unknown', 'variable_unknown'], { ...right, VIGIE_GRACE: '1', VIGIE_POORT: '80' }],
    [['configuration_refused'], { ...right, PORT: 'high' }],
    [['redis_without_effect'], { ...right, REDIS_URL: 'redis://127.0.0.1' }],
    [[], { ...right, REDIS_URL: '' }],
  ])('has the findings %j', async (expected, env) => {
    expect(await codes(env)).toEqual(expected)
  })

  it('asks for the keys of the issuer', async () => {
    const answers = new Map<string | undefined, [status: number, body: unknown]>([
      ['/right', [200, { keys: [{ kty: 'OKP' }] }]],
      ['/empty', [200, { keys: [] }]],
      ['/page', [200, 'welcome']],
      ['/gone', [404, {}]],
    ])
    const { url } = await listen((request, response) => {
      const [status, body] = answers.get(request.url) ?? [500, {}]
      response.writeHead(status).end(JSON.stringify(body))
    })
    expect(await codes({ DATABASE_URL, VIGIE_JWKS_URL: `${url}/right` })).toEqual([])
    for (const path of ['/empty', '/page', '/gone']) {
      expect(await codes({ DATABASE_URL, VIGIE_JWKS_URL: url + path })).toEqual(['keys_unreachable'])
    }
  })

  it('minds keys that come unencrypted from another machine', async () => {
    // RFC 2606: there is no such host.
    const found = await codes({ DATABASE_URL, VIGIE_JWKS_URL: 'http://issuer.invalid/keys' })
    expect(found).toEqual(['keys_unencrypted', 'keys_unreachable'])
  })
})

describe('the database', () => {
  async function configOn(url: string, env: ConfigInput['env'] = {}) {
    return loadConfig({ env: { DATABASE_URL: url, VIGIE_JWT_SECRET: SECRET, ...env } })
  }

  /** A database to which Vigie comes with a role of its own, which writes the audit trail and does not own it. */
  async function rightDatabase() {
    const database = await freshDatabase()
    const { sql, url } = database
    const role = `${new URL(url).pathname.slice(1)}_writer`
    await sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'of-the-writer'`)
    await migrate(sql, { createTables: true, trail: { writer: role } })
    await sql.unsafe(`
      GRANT SELECT ON group_users, conversation_users, vigie.migrations TO ${role};
      GRANT SELECT, UPDATE, DELETE ON vigie.changes TO ${role}`)
    const own = new URL(url)
    own.username = role
    own.password = 'of-the-writer'
    return {
      sql,
      role,
      url: own.href,
      ownerUrl: url,
      async [Symbol.asyncDispose]() {
        await sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
        await database[Symbol.asyncDispose]()
      },
    }
  }

  it('is right after a migration', async () => {
    await using database = await rightDatabase()
    expect(await lookAtDatabase(await configOn(database.url))).toEqual([])
  })

  const DAYS_AGO = (days: number) => `(now() AT TIME ZONE 'UTC')::date - ${days}`
  const NO_DAYS = 'REVOKE EXECUTE ON FUNCTION vigie.make_trail_day(date) FROM $role'
  const makeDay = (days: number) => `SELECT vigie.make_trail_day(${DAYS_AGO(days)})`
  it.each<[codes: string[], statements: string[], what?: RegExp]>([
    [['trail_missing'], ['DROP TABLE vigie.trail_keeping']],
    [
      ['trail_rights_missing'],
      ['REVOKE INSERT ON vigie.trail FROM $role'],
      /lacks INSERT on vigie\.trail\.$/u,
    ],
    [
      ['trail_rights_missing'],
      ['REVOKE SELECT ON vigie.trail_keeping FROM $role'],
      /lacks SELECT on vigie\.trail_keeping\.$/u,
    ],
    [['trail_day_missing'], [NO_DAYS], /may not make days, and there is none for \d{4}-\d\d-\d\d\.$/u],
    [[], [NO_DAYS, makeDay(-1)]],
    [['trail_changeable'], ['GRANT DELETE ON vigie.trail TO $role'], /has vigie\.trail DELETE\.$/u],
    [['trail_changeable'], ['GRANT UPDATE (reason) ON vigie.trail TO $role'], /has vigie\.trail UPDATE\.$/u],
    [
      ['trail_changeable'],
      [
        makeDay(0),
        'DO $$ BEGIN EXECUTE format($f$GRANT TRUNCATE ON vigie.trail_%s TO $role$f$, to_char(now() AT TIME ZONE $u$UTC$u$, $d$YYYYMMDD$d$)); END $$',
      ],
      /has vigie\.trail_\d{8} TRUNCATE\.$/u,
    ],
    [
      ['trail_changeable'],
      ['GRANT INSERT ON vigie.trail_erasures TO $role'],
      /has vigie\.trail_erasures INSERT\.$/u,
    ],
    [
      ['trail_changeable'],
      ['GRANT EXECUTE ON FUNCTION vigie.erase_from_trail(text) TO $role'],
      /has vigie\.erase_from_trail EXECUTE\.$/u,
    ],
    [[], [makeDay(0)]],
    [['trail_retention_missing'], [makeDay(1)], /the oldest day is \d{4}-\d\d-\d\d\.$/u],
    [[], [makeDay(5), 'SELECT vigie.keep_trail(NULL)']],
    // The run of today may still come.
    [[], ['SELECT vigie.keep_trail(2)', makeDay(3)]],
    [
      ['trail_retention_late'],
      ['SELECT vigie.keep_trail(2)', makeDay(4)],
      /it is kept for 2 days, and its oldest day is/u,
    ],
  ])('has the findings %j of the audit trail after %j', async (codes, statements, what = /./u) => {
    await using database = await rightDatabase()
    for (const statement of statements)
      await database.sql.unsafe(statement.replaceAll('$role', database.role))
    const found = await lookAtDatabase(await configOn(database.url))
    expect(codesOf(found)).toEqual(codes)
    if (codes.length > 0) expect(found[0]?.what).toMatch(what)
    // Where there is no trail nobody needs rights on it; what was stored before still grows old.
    const off = codesOf(await lookAtDatabase(await configOn(database.url, { VIGIE_TRAIL: '0' })))
    expect(off).toEqual(codes.filter((code) => code.startsWith('trail_retention')))
  })

  it('has an audit trail that its owner writes', async () => {
    await using database = await rightDatabase()
    const [owned, ...others] = await lookAtDatabase(await configOn(database.ownerUrl))
    expect([owned?.code, others]).toEqual(['trail_changeable', []])
    expect(owned?.what).toMatch(/ owns vigie\.trail, or may act as its owner\.$/u)
  })

  it('has a clock that may differ by what a token is forgiven, and no more', async () => {
    await using database = await rightDatabase()
    const config = await configOn(database.url, { VIGIE_TOKEN_CLOCK_TOLERANCE_MS: '60000' })
    const codesAt = async (offsetMs: number) =>
      codesOf(await lookAtDatabase(config, () => Date.now() + offsetMs))
    expect(await codesAt(0)).toEqual([])
    expect(await codesAt(30_000)).toEqual([])
    expect(await codesAt(90_000)).toEqual(['clocks_differ'])
    expect(await codesAt(-90_000)).toEqual(['clocks_differ'])
    const [ahead] = await lookAtDatabase(config, () => Date.now() - 90_000)
    expect(ahead?.what).toMatch(/is (?:89|90)\d{3} ms ahead of the clock of this machine/u)
  })

  it('has limits on connections that a server fits in: of the database, too', async () => {
    await using database = await rightDatabase()
    await database.sql.unsafe(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} CONNECTION LIMIT 15`)
    const [few, ...others] = await lookAtDatabase(await configOn(database.url))
    expect([few?.code, others]).toEqual(['connections_few', []])
    expect(few?.what).toMatch(/^CONNECTION LIMIT of the database \w+ allows 15 connections/u)
  })

  it('cannot be reached where nobody listens, or by an address that the driver cannot honour', async () => {
    for (const url of [DATABASE_URL, `${DATABASE_URL}?service=chat`]) {
      expect(codesOf(await lookAtDatabase(await configOn(url)))).toEqual(['database_unreachable'])
    }
  })
})

describe('the way from outside', () => {
  const config = { socketIoPath: '/socket.io/', corsOrigins: undefined }

  /** A Socket.IO server that refuses other origins, as `vigie serve` does, and what stands before it. */
  async function lookThrough(stand: (listener: RequestListener) => RequestListener) {
    const io = new Server({
      pingInterval: 200,
      pingTimeout: 200,
      allowRequest: ({ headers }, decide) => {
        const isOwn = headers.origin === undefined || headers.origin === `http://${headers.host ?? ''}`
        decide(isOwn ? null : 'another origin', isOwn)
      },
    })
    const { server, url } = await listen((_request, response) => response.writeHead(404).end())
    io.attach(server)
    ends.push(() => io.close())
    const [own] = server.listeners('request') as RequestListener[]
    if (!own) throw new Error('Socket.IO does not listen')
    server.removeAllListeners('request')
    server.on('request', stand(own))
    return { codes: async () => codesOf(await lookFromOutside(new URL(url), config)), server, url }
  }

  it('has nothing wrong without anything in between', async () => {
    const { codes } = await lookThrough((own) => own)
    expect(await codes()).toEqual([])
  })

  /** Compresses every long answer of the server, which compresses them, too, and says in a header what it likes. */
  async function compressing(header: (earlier: string) => string) {
    const inner = await lookThrough((own) => own)
    const outer = await listen((request, response) => {
      const { method, headers, url = '' } = request
      const passed = httpRequest(inner.url + url, { method, headers }, (answer) => {
        void buffer(answer).then((body) => {
          const earlier = answer.headers['content-encoding']
          const isLong = earlier !== undefined
          response.writeHead(answer.statusCode ?? 500, {
            'Content-Type': answer.headers['content-type'],
            ...(isLong && { 'Content-Encoding': header(earlier) }),
          })
          response.end(isLong ? gzipSync(body) : body)
        })
      })
      request.pipe(passed)
    })
    outer.server.on('upgrade', (...parts: unknown[]) => inner.server.emit('upgrade', ...parts))
    return codesOf(await lookFromOutside(new URL(outer.url), config))
  }

  it('has answers that are compressed twice', async () => {
    expect(await compressing((earlier) => `${earlier}, gzip`)).toEqual(['compressed_twice'])
  })

  it('has answers that are compressed more often than their header says', async () => {
    expect(await compressing((earlier) => earlier)).toEqual(['compressed_twice'])
  })

  it('has WebSockets that are refused', async () => {
    const { codes, server } = await lookThrough((own) => own)
    server.removeAllListeners('upgrade')
    server.on('upgrade', (_request, line) => {
      line.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    })
    expect(await codes()).toEqual(['no_upgrade'])
  })

  it('has WebSockets that are opened and over which nothing comes', async () => {
    const { codes, server } = await lookThrough((own) => own)
    server.removeAllListeners('upgrade')
    server.on('upgrade', (_request, line) => {
      line.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      line.end()
    })
    expect(await codes()).toEqual(['no_upgrade'])
  })

  it('leads to monitoring that is open, in the demo to that of /v1, too; not to another program’s /metrics', async () => {
    const monitoring = async (answers: Readonly<Record<string, string>>, doctorToken?: string) => {
      const { url } = await lookThrough((own) => (request, response) => {
        const seen = { port: 1, forwardedFor: request.headers['x-forwarded-for'] ?? '10.0.0.7' }
        if (request.url === '/livez') response.end(JSON.stringify({ status: 'ok', seen: withProxy(seen) }))
        else if (answers[request.url ?? ''] !== undefined) response.end(answers[request.url ?? ''])
        else own(request, response)
      })
      return (await lookFromOutside(new URL(url), { ...config, doctorToken })).map(
        ({ code, what }) => `${code} ${what.replace(/ answered.*$/u, '')}`,
      )
    }
    // Only the last address is the proxy's own: it adds one.
    const withProxy = ({ port, forwardedFor }: { port: number; forwardedFor: string | string[] }) => ({
      port,
      forwardedFor: `${String(forwardedFor)}, 10.0.0.7`,
    })
    const metrics = { '/metrics': '# HELP presence_x Y.\n# TYPE presence_x gauge\npresence_x 1\n' }
    const monitor = { '/v1/monitor': '{"metrics":[{"name":"presence_x"}]}' }
    expect(await monitoring(metrics, 'signed')).toEqual(['monitoring_open /metrics is'])
    expect(await monitoring({ ...metrics, ...monitor }, 'signed')).toEqual([
      'monitoring_open /metrics and /v1/monitor are',
    ])
    expect(await monitoring({ '/metrics': '# TYPE go_threads gauge\ngo_threads 1\n' }, 'signed')).toEqual([])
    // Nobody says whether there is a proxy, and programs of this machine may read.
    expect(await monitoring(metrics)).toEqual([])
  })

  it('has the path of another server, or of a server that starts', async () => {
    const page = await listen((_request, response) => response.end('<h1>Welcome</h1>'))
    expect(codesOf(await lookFromOutside(new URL(page.url), config))).toEqual(['path_not_served'])
    const starting = await listen((_request, response) => response.writeHead(503).end())
    expect(codesOf(await lookFromOutside(new URL(starting.url), config))).toEqual(['outside_unreachable'])
  })

  it('may be a path of the proxy’s own', async () => {
    const { url } = await lookThrough((own) => (request, response) => {
      request.url = request.url?.replace('/chat/', '/')
      own(request, response)
    })
    const look = (path: string) => lookFromOutside(new URL(path, url), config)
    expect(codesOf(await look('/elsewhere'))).toEqual(['path_not_served'])
    // The upgrade is answered by Socket.IO itself, which does not know of that path.
    expect(codesOf(await look('/chat'))).toEqual(['no_upgrade'])
  })
})

it('has each code that it may find in the tables of docs/operations.md, and they have no other', async () => {
  const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
  for (const [subject, title] of [
    ['configuration', 'Findings in the configuration'],
    ['database', 'Findings in the database'],
    ['outside', 'Findings from outside'],
  ] as const) {
    const [, part = ''] = page.split(`### ${title}\n`)
    const [table = ''] = part.split(/^#/mu)
    const codes = [...table.matchAll(/^\| `(\w+)`/gmu)].map(([, code]) => code)
    expect(codes).toEqual([...FINDING_CODES[subject]])
  }
})

describe('the report', () => {
  const finding: Finding = {
    subject: 'database',
    code: 'index_missing',
    what: 'No index.',
    follows: 'It is slow.',
    todo: 'Make one.',
  }
  const report = (change: Partial<Report>): Report => ({
    findings: [],
    seen: ['configuration', 'database'],
    unseen: [],
    ...change,
  })
  const passed = { subject: 'outside', why: 'no address was given', isFailure: false } as const
  const failed = { subject: 'database', why: 'no answer within 10000 ms', isFailure: true } as const

  it.each<[code: number, change: Partial<Report>]>([
    [0, {}],
    [0, { unseen: [passed] }],
    [1, { findings: [finding] }],
    [2, { unseen: [failed] }],
    [2, { findings: [finding], unseen: [failed] }],
  ])('has the exit code %i', (code, change) => {
    expect(exitCodeOf(report(change))).toBe(code)
    expect(JSON.parse(asJson(report(change)))).toEqual({ ...report(change), exitCode: code })
  })

  it('has one paragraph for each finding, and a last one about what was looked at', () => {
    expect(forPeople(report({ findings: [finding, finding], unseen: [passed, failed] }))).toBe(
      [
        'index_missing: No index. It is slow. Make one.',
        'index_missing: No index. It is slow. Make one.',
        '2 things are wrong. Looked at: the configuration, the database. Not looked at: the way from outside; ' +
          'no address was given. The database could not be looked at to the end: no answer within 10000 ms.',
      ].join('\n\n'),
    )
    expect(forPeople(report({}))).toBe('Nothing is wrong. Looked at: the configuration, the database.')
  })

  it('looks at nothing else when the configuration is refused', async () => {
    const load = () => loadConfig({ env: { PORT: 'high' } })
    const { findings, seen, unseen } = await examine({ load, env: {}, url: 'http://127.0.0.1:1' })
    expect([codesOf(findings), seen]).toEqual([['configuration_refused'], ['configuration']])
    expect(unseen.map(({ subject, isFailure }) => [subject, isFailure])).toEqual([
      ['database', false],
      ['outside', false],
    ])
  })

  it('refuses an address that is none', async () => {
    const load = () => loadConfig({ env: {} })
    for (const url of ['chat.example.org', 'ftp://chat.example.org', '']) {
      await expect(examine({ load, env: {}, url })).rejects.toThrow('it must be the address that clients use')
    }
  })
})
