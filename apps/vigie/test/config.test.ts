import { describe, expect, it } from 'vitest'
import {
  describeConfig,
  loadConfig,
  requireDatabase,
  requireTokenCheck,
  type ConfigInput,
} from '../src/config.js'
import { OPTIONS, variableOf } from '../src/options.js'

const fromEnv = (env: ConfigInput['env']) => loadConfig({ env })
const fromFile = (content: unknown, env: ConfigInput['env'] = {}) =>
  loadConfig({ env, file: { path: 'vigie.config.json', text: JSON.stringify(content) } })

describe('where a value comes from', () => {
  it('is the default when nobody says otherwise', () => {
    const config = fromEnv({})
    expect([
      config.host,
      config.port,
      config.pingIntervalMs,
      config.pingTimeoutMs,
      config.settings.graceMs,
    ]).toEqual([...['127.0.0.1', 8_080, 15_000, 5_000, 5_000]])
    expect(config.sources.get('graceMs')).toBe('default')
  })

  it('is the file before the default, and the environment before the file', () => {
    const config = fromFile(
      { graceMs: 6_000, port: 1_234, jwtAlgorithms: ['HS512'] },
      { VIGIE_GRACE_MS: '7000' },
    )
    expect([config.settings.graceMs, config.port, config.jwtAlgorithms]).toEqual([7_000, 1_234, ['HS512']])
    expect(config.sources.get('graceMs')).toBe('environment')
    expect(config.sources.get('port')).toBe('file')
  })

  it('is the command line before all for the demo', () => {
    const config = loadConfig({ env: { VIGIE_DEMO: '0' }, demo: true })
    expect([config.demo, config.sources.get('demo')]).toEqual([true, 'command line'])
  })

  it('is not an empty variable: compose files write "nothing" so', () => {
    expect(fromEnv({ VIGIE_JWT_SECRET: '', PORT: '' }).jwtSecret).toBeUndefined()
  })
})

describe('the names of variables', () => {
  it.each([
    ['graceMs', 'VIGIE_GRACE_MS'],
    ['offlineMemoryMax', 'VIGIE_OFFLINE_MEMORY_MAX'],
    ['jwtUserClaim', 'VIGIE_JWT_USER_CLAIM'],
    ['databaseUrl', 'DATABASE_URL'],
    ['port', 'PORT'],
  ])('make %s of the file %s of the environment', (name, variable) => {
    expect(OPTIONS.has(name)).toBe(true)
    expect(variableOf(name)).toBe(variable)
  })

  it('are each used once', () => {
    const variables = [...OPTIONS.keys()].map(variableOf)
    expect(new Set(variables).size).toBe(variables.length)
  })
})

describe('a wrong value stops the start with one sentence', () => {
  const secret = 'a-secret-of-thirty-two-characters'
  it.each<[title: string, env: ConfigInput['env'], sentence: string]>([
    ['no number', { PORT: 'eighty' }, 'PORT is "eighty"; it must be a whole number from 0 to 65535.'],
    ['out of range', { PORT: '65536' }, 'PORT is "65536"; it must be'],
    ['a fraction', { VIGIE_GRACE_MS: '1500.5' }, 'VIGIE_GRACE_MS is "1500.5"; it must be a whole number'],
    ['another way to write a number', { VIGIE_GRACE_MS: '0x1000' }, 'VIGIE_GRACE_MS is "0x1000"'],
    [
      'a share above 1',
      { VIGIE_MASS_LOSS_SHARE: '2' },
      'VIGIE_MASS_LOSS_SHARE is "2"; it must be a number from',
    ],
    [
      'another database',
      { DATABASE_URL: 'mysql://u:hunter2@h/d' },
      'DATABASE_URL is a value that is not shown; it must',
    ],
    ['no flag', { VIGIE_DEMO: 'yes' }, 'VIGIE_DEMO is "yes"; it must be 1 or 0.'],
    [
      'no algorithm',
      { VIGIE_JWT_ALGORITHMS: 'HS256,none' },
      'VIGIE_JWT_ALGORITHMS is "HS256,none"; it must be a list',
    ],
    [
      'no log level',
      { VIGIE_LOG_LEVEL: 'loud' },
      'VIGIE_LOG_LEVEL is "loud"; it must be one of debug, info, warn, error.',
    ],
    [
      'an origin with a path',
      { VIGIE_CORS_ORIGINS: 'https://a.example/' },
      'VIGIE_CORS_ORIGINS is "https://a.example/"',
    ],
    [
      'two databases',
      { DATABASE_URL: 'postgres://u@h/d', VIGIE_EMBEDDED_DATABASE: '1' },
      'DATABASE_URL is set and VIGIE_EMBEDDED_DATABASE is 1; memberships are in one database:',
    ],
    [
      'two databases, one of them in a file',
      { DATABASE_URL_FILE: 'database', VIGIE_EMBEDDED_DATABASE: '1' },
      'DATABASE_URL_FILE is set and VIGIE_EMBEDDED_DATABASE is 1;',
    ],
    [
      'an address of a database in two places',
      { DATABASE_URL: 'postgres://u@h/d', DATABASE_URL_FILE: 'database' },
      'DATABASE_URL and DATABASE_URL_FILE are both set; a secret has one place',
    ],
    [
      'two addresses of the keeper of the trail',
      { VIGIE_TRAIL_KEEPER_URL: 'postgres://u@h/d', VIGIE_TRAIL_KEEPER_URL_FILE: '/run/secrets/keeper' },
      'VIGIE_TRAIL_KEEPER_URL and VIGIE_TRAIL_KEEPER_URL_FILE are both set; a secret has one place',
    ],
    [
      'one role for the writer and the keeper of the trail',
      { VIGIE_TRAIL_WRITER_ROLE: 'chat', VIGIE_TRAIL_KEEPER_ROLE: 'chat' },
      'VIGIE_TRAIL_WRITER_ROLE and VIGIE_TRAIL_KEEPER_ROLE are both "chat"; who writes the audit trail must not be able to erase from it: name two roles.',
    ],
    [
      'too many bots',
      { VIGIE_DEMO_BOTS: '21' },
      'VIGIE_DEMO_BOTS is "21"; it must be a whole number from 0 to 20.',
    ],
    [
      'a message limit that cuts tokens off',
      { VIGIE_MAX_MESSAGE_BYTES: '8192' },
      'VIGIE_MAX_MESSAGE_BYTES is "8192"',
    ],
    [
      'a grace below the client’s delay',
      { VIGIE_GRACE_MS: '900' },
      'VIGIE_GRACE_MS is 900 and VIGIE_CLIENT_RECONNECT_MS 1000;',
    ],
    [
      'a ping timeout above the interval',
      { VIGIE_PING_TIMEOUT_MS: '20000' },
      'VIGIE_PING_TIMEOUT_MS is 20000 and VIGIE_PING_INTERVAL_MS',
    ],
    [
      'neither groups nor conversations',
      { VIGIE_GROUPS: '0', VIGIE_CONVERSATIONS: '0' },
      'VIGIE_GROUPS and VIGIE_CONVERSATIONS are both 0;',
    ],
    [
      'a demo without groups',
      { VIGIE_DEMO: '1', VIGIE_GROUPS: '0' },
      'the demo has groups and conversations',
    ],
    [
      'a lease under 2.5 repetitions',
      { VIGIE_TYPING_LEASE_MS: '5000' },
      'typingLeaseMs (VIGIE_TYPING_LEASE_MS) is 5000 and',
    ],
    [
      'two ways to check tokens',
      { VIGIE_JWT_SECRET: secret, VIGIE_JWKS_URL: 'https://a.example/k' },
      'are both set',
    ],
    [
      'a secret in two places',
      { VIGIE_JWT_SECRET: secret, VIGIE_JWT_SECRET_FILE: 'secret' },
      'VIGIE_JWT_SECRET and VIGIE_JWT_SECRET_FILE are both set; a secret has one place',
    ],
    [
      'a second secret in two places',
      { VIGIE_JWT_SECRET: secret, VIGIE_JWT_PREVIOUS_SECRET: 'b', VIGIE_JWT_PREVIOUS_SECRET_FILE: 'b' },
      'VIGIE_JWT_PREVIOUS_SECRET and VIGIE_JWT_PREVIOUS_SECRET_FILE are both set;',
    ],
    [
      'a second secret without a first',
      { VIGIE_JWT_PREVIOUS_SECRET_FILE: 'old' },
      'VIGIE_JWT_PREVIOUS_SECRET_FILE is set without VIGIE_JWT_SECRET',
    ],
    [
      'a file with a secret, and public keys',
      { VIGIE_JWT_SECRET_FILE: 'secret', VIGIE_JWKS_URL: 'https://a.example/k' },
      'VIGIE_JWT_SECRET_FILE and VIGIE_JWKS_URL are both set;',
    ],
    [
      'a second secret, and public keys',
      { VIGIE_JWT_PREVIOUS_SECRET: secret, VIGIE_JWKS_URL: 'https://a.example/k' },
      'VIGIE_JWT_PREVIOUS_SECRET and VIGIE_JWKS_URL are both set;',
    ],
    [
      'tokens that are longer than a message',
      { VIGIE_TOKEN_MAX_LENGTH: '15000' },
      'VIGIE_MAX_MESSAGE_BYTES is 16384 and VIGIE_TOKEN_MAX_LENGTH 15000;',
    ],
    [
      'a path without a slash',
      { VIGIE_SOCKET_IO_PATH: 'chat' },
      'VIGIE_SOCKET_IO_PATH is "chat"; it must be a path',
    ],
    ['the path of everything', { VIGIE_SOCKET_IO_PATH: '/' }, 'VIGIE_SOCKET_IO_PATH is "/"'],
    ['a path that climbs', { VIGIE_SOCKET_IO_PATH: '/a/../b' }, 'VIGIE_SOCKET_IO_PATH is "/a/../b"'],
    ['a path with a query', { VIGIE_SOCKET_IO_PATH: '/a?b' }, 'VIGIE_SOCKET_IO_PATH is "/a?b"'],
    [
      'a path that is taken',
      { VIGIE_SOCKET_IO_PATH: '/healthz' },
      'VIGIE_SOCKET_IO_PATH is "/healthz/", where the server answers itself;',
    ],
    [
      'a path of the API',
      { VIGIE_SOCKET_IO_PATH: '/v1/socket.io/' },
      'VIGIE_SOCKET_IO_PATH is "/v1/socket.io/", where the server answers itself;',
    ],
    [
      'a demo whose page would not find the server',
      { VIGIE_DEMO: '1', VIGIE_SOCKET_IO_PATH: '/chat/' },
      'VIGIE_DEMO is 1 and VIGIE_SOCKET_IO_PATH is "/chat/";',
    ],
    [
      'an app’s origin with a path',
      { VIGIE_CORS_ORIGINS: 'capacitor://localhost/' },
      'VIGIE_CORS_ORIGINS is "capacitor://localhost/"',
    ],
    [
      'public keys with a secret',
      { VIGIE_JWT_SECRET: secret, VIGIE_JWT_ALGORITHMS: 'RS256' },
      'set VIGIE_JWKS_URL',
    ],
    [
      'a secret with public keys',
      { VIGIE_JWKS_URL: 'https://a.example/k', VIGIE_JWT_ALGORITHMS: 'HS256' },
      'could sign tokens',
    ],
    [
      'a demo for the network',
      { VIGIE_DEMO: '1', HOST: '0.0.0.0' },
      'VIGIE_DEMO is 1 and HOST is "0.0.0.0";',
    ],
    [
      'a demo with public keys',
      { VIGIE_DEMO: '1', VIGIE_JWKS_URL: 'https://a.example/k' },
      'the demo signs its own tokens',
    ],
    [
      'a demo in tables of one’s own',
      { VIGIE_DEMO: '1', VIGIE_GROUPS_TABLE: 'teams' },
      'the demo would write its people',
    ],
  ])('%s', (_, env, sentence) => {
    expect(() => fromEnv(env)).toThrow(sentence)
  })

  it.each<[title: string, text: string, sentence: string]>([
    ['no JSON', '{ "port": }', 'vigie.config.json is not valid JSON'],
    ['no object', '[]', 'must hold one JSON object'],
    [
      'a misspelt key',
      '{ "gracems": 5 }',
      '"gracems" in vigie.config.json is no option; the nearest is graceMs.',
    ],
    ['a wrong type', '{ "port": true }', '"port" in vigie.config.json is true; it must be a whole number'],
    [
      'an object for a list',
      '{ "corsOrigins": {} }',
      '"corsOrigins" in vigie.config.json is {}; it must be a list',
    ],
    [
      'the name of something inherited',
      '{ "__proto__": 5 }',
      '"__proto__" in vigie.config.json is no option',
    ],
  ])('a file that holds %s', (_, text, sentence) => {
    expect(() => loadConfig({ env: {}, file: { path: 'vigie.config.json', text } })).toThrow(sentence)
  })

  it('never shows a secret, not even a broken one', () => {
    const secret = 'hunter2\u0000'
    for (const load of [
      () => fromEnv({ VIGIE_JWT_SECRET: secret }),
      () => fromEnv({ DATABASE_URL: `http://u:${secret}@h` }),
      () => fromFile({ jwtSecret: [secret] }),
      () => loadConfig({ env: {}, file: { path: 'f.json', text: `{ "jwtSecret": "hunter2" "port": 1 }` } }),
    ]) {
      const said = thrown(load)
      expect(said).not.toBe('')
      expect(said).not.toContain('hunter2')
    }
  })
})

describe('a variable that looks like one of ours and is none', () => {
  it.each<[variable: string, value: string, nearest: string | undefined]>([
    ['VIGIE_GRACEMS', '1', 'VIGIE_GRACE_MS'],
    ['VIGIE_JWT_SECRETS', 'x', 'VIGIE_JWT_SECRET'],
    ['VIGIE_DATABASE_URL', 'postgres://u:hunter2@h/d', 'DATABASE_URL'],
    ['VIGIE_HOST', '0.0.0.0', 'HOST'],
    ['VIGIE_PORT', '9000', 'PORT'],
    ['VIGIE_QQ', '1', undefined],
    ['VIGIE_', '', undefined],
  ])('%s=%s is a warning that names the nearest, and stops nothing', (variable, value, nearest) => {
    const config = fromEnv({ [variable]: value })
    expect(config.warnings).toEqual([
      `${variable} is no variable of Vigie and has no effect${nearest === undefined ? '' : `; the nearest is ${nearest}`}.`,
    ])
    expect(config.port).toBe(8_080)
  })

  it('is not warned of when Kubernetes or Docker wrote it for a service whose name begins with vigie', () => {
    const env = {
      VIGIE_SERVICE_HOST: '10.96.0.7',
      VIGIE_SERVICE_PORT: '80',
      VIGIE_SERVICE_PORT_HTTP: '80',
      VIGIE_SERVICE_PORT_HTTP_METRICS: '9090',
      VIGIE_PORT: 'tcp://10.96.0.7:80',
      VIGIE_PORT_80_TCP: 'tcp://10.96.0.7:80',
      VIGIE_PORT_80_TCP_PROTO: 'tcp',
      VIGIE_PORT_80_TCP_PORT: '80',
      VIGIE_PORT_80_TCP_ADDR: '10.96.0.7',
      VIGIE_WEB_1_SERVICE_HOST: '10.96.0.8',
      VIGIE_WEB_1_PORT: 'udp://10.96.0.8:53',
      VIGIE_WEB_1_PORT_53_UDP_ADDR: '10.96.0.8',
    }
    expect(fromEnv(env).warnings).toEqual([])
    expect(fromEnv({ ...env, VIGIE_GRACEMS: '1' }).warnings).toHaveLength(1)
  })

  it('is none of the variables that there are', () => {
    const env = Object.fromEntries([...OPTIONS.keys()].map((name) => [variableOf(name), '']))
    expect(fromEnv(env).warnings).toEqual([])
  })
})

describe('what may be unusual and still works', () => {
  it('a grace of 0 is a decision, not a mistake', () => {
    expect(fromEnv({ VIGIE_GRACE_MS: '0' }).settings.graceMs).toBe(0)
  })

  it.each([
    'https://chat.example.org',
    'http://localhost:5173',
    'capacitor://localhost',
    'tauri://localhost',
    '*',
  ])('%s is an origin', (origin) => {
    expect(fromEnv({ VIGIE_CORS_ORIGINS: `https://a.example, ${origin}` }).corsOrigins).toEqual([
      'https://a.example',
      origin,
    ])
  })

  it.each([
    ['/ws', '/ws/'],
    ['/chat/socket.io/', '/chat/socket.io/'],
    ['/v1.2/_x~y-z', '/v1.2/_x~y-z/'],
  ])('%s is a path of Socket.IO', (path, shown) => {
    expect(fromEnv({ VIGIE_SOCKET_IO_PATH: path }).socketIoPath).toBe(shown)
  })

  it('longer tokens go with larger messages', () => {
    const env = { VIGIE_TOKEN_MAX_LENGTH: '30000', VIGIE_MAX_MESSAGE_BYTES: '32048' }
    expect(fromEnv(env).settings.tokenMaxLength).toBe(30_000)
  })

  it('a shorter grace goes with clients that come back sooner', () => {
    expect(fromEnv({ VIGIE_GRACE_MS: '300', VIGIE_CLIENT_RECONNECT_MS: '50' }).settings.graceMs).toBe(300)
  })

  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost'])('the demo runs on %s', (host) => {
    expect(fromEnv({ VIGIE_DEMO: '1', HOST: host }).demo).toBe(true)
  })
})

describe('checking tokens', () => {
  it('must be told how, except in the demo', () => {
    expect(() => {
      requireTokenCheck(fromEnv({}))
    }).toThrow('set VIGIE_JWT_SECRET, VIGIE_JWT_SECRET_FILE or VIGIE_JWKS_URL')
    for (const env of [{ VIGIE_JWT_SECRET_FILE: 'secret' }, { VIGIE_JWKS_URL: 'https://a.example/k' }]) {
      expect(() => {
        requireTokenCheck(fromEnv(env))
      }).not.toThrow()
    }
    expect(() => {
      requireTokenCheck(fromEnv({ VIGIE_DEMO: '1' }))
    }).not.toThrow()
  })
})

describe('a database', () => {
  it('must be chosen, except in the demo; the error says both ways', () => {
    expect(() => {
      requireDatabase(fromEnv({ VIGIE_DATA_DIR: '/data' }))
    }).toThrow(
      /^No database is named; set DATABASE_URL .* to .*, or VIGIE_EMBEDDED_DATABASE=1 to .* keeps its data in \/data \(VIGIE_DATA_DIR\)\.$/u,
    )
    for (const env of [
      { DATABASE_URL: 'postgres://u@h/d' },
      { DATABASE_URL_FILE: 'database' },
      { VIGIE_EMBEDDED_DATABASE: '1' },
      { VIGIE_DEMO: '1' },
      { VIGIE_DEMO: '1', DATABASE_URL: 'postgres://u@h/d' },
    ]) {
      expect(() => {
        requireDatabase(fromEnv(env))
      }).not.toThrow()
    }
  })
})

describe('a secret', () => {
  it('of each kind may be in a file: what is masked when it is printed has an option for one', () => {
    for (const [name, { secret }] of OPTIONS) {
      if (secret !== undefined) expect(OPTIONS.has(`${name}File`)).toBe(true)
    }
  })
})

describe('vigie config', () => {
  it('lists every option once, with its value and where that came from', () => {
    const lines = describeConfig(fromEnv({ PORT: '9000' })).split('\n')
    expect(lines).toHaveLength(OPTIONS.size)
    expect(lines.find((line) => line.startsWith('PORT '))).toMatch(/^PORT +9000 +environment$/u)
    expect(lines.find((line) => line.startsWith('VIGIE_GRACE_MS '))).toMatch(/5000 +default$/u)
  })

  it('masks secrets, those inside an address too', () => {
    const text = describeConfig(
      fromEnv({
        VIGIE_JWT_SECRET: 'hunter2',
        VIGIE_JWT_PREVIOUS_SECRET: 'hunter2',
        DATABASE_URL: 'postgres://u:hunter2@h/d?password=hunter2',
      }),
    )
    expect(text).not.toContain('hunter2')
    expect(text).toContain('postgres://u:***@h/d')
  })
})

function thrown(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return ''
}
