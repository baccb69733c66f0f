import { once } from 'node:events'
import { createServer, request, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from '@vigie/server'
import { io as connectSocket } from 'socket.io-client'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../src/config.js'
import { createIo, createOriginCheck, REFUSED_ORIGINS_MAX } from '../src/socket-io.js'

const NAMED = 'https://chat.example.org'
const OTHER = 'https://evil.example'

function recordingLog() {
  const warnings: unknown[] = []
  const nothing = () => {}
  const log: Log = {
    debug: nothing,
    info: nothing,
    error: nothing,
    warn: (_, fields) => warnings.push(fields?.origin),
  }
  return { log, warnings }
}

/** The Socket.IO of a server with these variables, on a port of its own. */
async function start(env: Readonly<Record<string, string>> = {}) {
  const http = createServer()
  const { log, warnings } = recordingLog()
  const io = createIo(loadConfig({ env }), log)
  io.attach(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, warnings, [Symbol.asyncDispose]: () => io.close() }
}
type Started = Awaited<ReturnType<typeof start>>

/** `true`: connected. Headers as a browser, a proxy or an app would send them. */
async function connects(
  { url }: Started,
  transport: 'websocket' | 'polling',
  extraHeaders: Readonly<Record<string, string>> = {},
  path = '/socket.io/',
): Promise<boolean> {
  const options = { path, transports: [transport], extraHeaders, reconnection: false, forceNew: true }
  const socket = connectSocket(url, options)
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('connect_error', () => resolve(false))
    })
  } finally {
    socket.disconnect()
  }
}

/** What the server answers to a request by hand: `fetch` would not let go of its own `Origin`. */
async function answer(
  { port }: Started,
  method: 'GET' | 'OPTIONS',
  headers: Readonly<Record<string, string>>,
) {
  const path = '/socket.io/?EIO=4&transport=polling'
  const asked = request({ host: '127.0.0.1', port, method, path, headers }).end()
  const [response] = (await once(asked, 'response')) as [
    { statusCode: number; headers: IncomingHttpHeaders; resume(): void },
  ]
  response.resume()
  return response
}

describe.each(['websocket', 'polling'] as const)('over %s', (transport) => {
  it('a page of an origin that is not named is refused, and the log names it once', async () => {
    await using server = await start({ VIGIE_CORS_ORIGINS: NAMED })
    expect(await connects(server, transport, { origin: OTHER })).toBe(false)
    expect(await connects(server, transport, { origin: OTHER })).toBe(false)
    expect(server.warnings).toEqual([OTHER])
  })

  it('a page of a named origin connects', async () => {
    await using server = await start({
      VIGIE_CORS_ORIGINS: `https://a.example,${NAMED},capacitor://localhost`,
    })
    expect(await connects(server, transport, { origin: NAMED })).toBe(true)
    expect(await connects(server, transport, { origin: 'capacitor://localhost' })).toBe(true)
    expect(server.warnings).toEqual([])
  })

  it('no page of another origin connects when none is named, and each does with *', async () => {
    await using none = await start()
    for (const origin of [OTHER, 'null', 'https://127.0.0.1.evil.example', 'evil']) {
      expect([origin, await connects(none, transport, { origin })]).toEqual([origin, false])
    }
    await using all = await start({ VIGIE_CORS_ORIGINS: '*' })
    for (const origin of [OTHER, 'null']) expect(await connects(all, transport, { origin })).toBe(true)
  })

  it('a native app, which sends no Origin, connects', async () => {
    await using server = await start({ VIGIE_CORS_ORIGINS: NAMED })
    expect(await connects(server, transport)).toBe(true)
  })

  it('the server’s own pages connect, also behind a proxy', async () => {
    await using server = await start({ VIGIE_CORS_ORIGINS: NAMED })
    const { url, port } = server
    expect(await connects(server, transport, { origin: url })).toBe(true)
    expect(await connects(server, transport, { origin: `https://127.0.0.1:${port}` })).toBe(true)
    const own = 'https://own.example'
    expect(await connects(server, transport, { origin: own, 'x-forwarded-host': 'own.example' })).toBe(true)
    expect(
      await connects(server, transport, { origin: own, 'x-forwarded-host': 'a.example, own.example:443' }),
    ).toBe(true)
    expect(await connects(server, transport, { origin: own, 'x-forwarded-host': 'a.example' })).toBe(false)
  })

  it('clients with another path connect where VIGIE_SOCKET_IO_PATH says', async () => {
    await using server = await start({ VIGIE_SOCKET_IO_PATH: '/chat/presence' })
    expect(await connects(server, transport, {}, '/chat/presence/')).toBe(true)
    expect(await connects(server, transport, {}, '/chat/presence')).toBe(true)
    expect(server.warnings).toEqual([])
  })
})

describe('the answers that a page of another origin may read', () => {
  it('name its origin and allow credentials, in a preflight and after it, if it is named', async () => {
    await using server = await start({ VIGIE_CORS_ORIGINS: `https://a.example,${NAMED}` })
    for (const method of ['OPTIONS', 'GET'] as const) {
      const asked = { origin: NAMED, 'access-control-request-headers': 'authorization' }
      const { headers } = await answer(server, method, asked)
      expect(headers).toMatchObject({
        'access-control-allow-origin': NAMED,
        'access-control-allow-credentials': 'true',
        vary: expect.stringContaining('Origin'),
      })
    }
  })

  it('are none if it is not', async () => {
    await using server = await start({ VIGIE_CORS_ORIGINS: NAMED })
    const { statusCode, headers } = await answer(server, 'GET', { origin: OTHER })
    expect([statusCode, headers['access-control-allow-origin']]).toEqual([403, undefined])
  })

  it('are for everybody, and without credentials, with *', async () => {
    await using server = await start({ VIGIE_CORS_ORIGINS: '*' })
    const { headers } = await answer(server, 'GET', { origin: OTHER })
    expect(headers['access-control-allow-origin']).toBe('*')
    expect(headers['access-control-allow-credentials']).toBeUndefined()
  })
})

it.each([
  ['https://own.example', 'own.example', true],
  ['https://own.example', 'OWN.example:443', true],
  ['http://own.example', 'own.example:80', true],
  ['https://own.example:8443', 'own.example:8443', true],
  ['https://own.example:8443', 'own.example', false],
  ['https://own.example.evil.example', 'own.example', false],
  ['https://evil.example', 'own.example', false],
  ['null', 'null', false],
  ['file://', '', false],
  ['', '', false],
])('a page of %j at the server %j: %s', (origin, host, isAllowed) => {
  expect(createOriginCheck([], recordingLog().log)({ origin, host })).toBe(isAllowed)
})

it('the log names at most REFUSED_ORIGINS_MAX origins: anybody can make up more', () => {
  const { log, warnings } = recordingLog()
  const mayConnect = createOriginCheck([], log)
  for (let i = 0; i < 3 * REFUSED_ORIGINS_MAX; i++) {
    expect(mayConnect({ host: 'own.example', origin: `https://evil-${i}.example` })).toBe(false)
  }
  expect(warnings).toHaveLength(REFUSED_ORIGINS_MAX)
})
