import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { connect } from 'node:net'
import { PresenceError } from '@vigie/protocol'
import type { Log } from '@vigie/server'
import { describe, expect, it } from 'vitest'
import { BODY_MAX_BYTES } from '../src/api/api.js'
import { createKeyring } from '../src/api/keys.js'
import { ADDRESSES_MAX, createLimits, WRONG_KEYS } from '../src/api/limits.js'
import { CHANGED_MAX, QUERY_USERS_MAX } from '../src/api/schemas.js'
import { createHealth } from '../src/health.js'
import { createHttp } from '../src/http.js'
import { createLog } from '../src/log.js'
import { ACT_KEY, BOTH_KEY, READ_KEY, startApi, type ApiServer } from './api-server.js'

async function read(server: ApiServer, path: string): Promise<unknown> {
  const answer = await server.ask(path, { key: READ_KEY })
  expect(answer.status).toBe(200)
  return answer.json()
}

const post = (server: ApiServer, path: string, body: string | ReadableStream, type = 'application/json') =>
  server.ask(path, { method: 'POST', body, headers: { 'Content-Type': type }, duplex: 'half' })

it('tells of users, a group and a conversation what is so now, of those that nobody here is in, too', async () => {
  await using server = await startApi()
  const ann = await server.connect('ann')
  await server.connect('ann')
  await server.connect('ben')
  await ann.emitWithAck('typing:start', { convId: 'plan' })
  expect(await read(server, '/v1/users/ann')).toEqual({ userId: 'ann', online: true, count: 2 })
  expect(await read(server, '/v1/users/nobody')).toEqual({ userId: 'nobody', online: false, count: 0 })
  expect(await read(server, '/v1/groups/crew')).toEqual({
    id: 'crew',
    mode: 'names',
    members: 3,
    online: 2,
    onlineUsers: ['ann', 'ben'],
  })
  expect(await read(server, '/v1/conversations/plan')).toEqual({
    id: 'plan',
    mode: 'names',
    members: 2,
    online: 2,
    onlineUsers: ['ann', 'ben'],
    typing: ['ann'],
  })
  // Too large for names; and one that nobody here is in.
  expect(await read(server, '/v1/conversations/hall')).toEqual({
    id: 'hall',
    mode: 'count',
    members: 5,
    online: 2,
    typing: [],
  })
  expect(await read(server, '/v1/conversations/quiet')).toMatchObject({ members: 2, online: 0 })
  expect(await read(server, '/v1/conversations/nowhere')).toMatchObject({ members: 0, online: 0 })
  expect(await read(server, '/v1/conversations?order=online&limit=1')).toEqual({
    conversations: [{ id: 'plan', mode: 'names', members: 2, online: 2, typing: 1 }],
  })
})

it('asks for many users at once, in their order, a repeated one as often as it was named', async () => {
  await using server = await startApi()
  await server.connect('ben')
  const answer = await post(server, '/v1/users/query', JSON.stringify({ userIds: ['ann', 'ben', 'ann'] }))
  expect(await answer.json()).toEqual({
    users: [
      { userId: 'ann', online: false, count: 0 },
      { userId: 'ben', online: true, count: 1 },
      { userId: 'ann', online: false, count: 0 },
    ],
  })
  const most = JSON.stringify({ userIds: Array.from({ length: QUERY_USERS_MAX }, (_, n) => `u${n}`) })
  expect((await post(server, '/v1/users/query', most)).status).toBe(200)
  const changed = (length: number) => JSON.stringify({ users: Array.from({ length }, (_, n) => `u${n}`) })
  expect((await post(server, '/v1/memberships/changed', changed(CHANGED_MAX))).status).toBe(202)
  expect((await post(server, '/v1/memberships/changed', changed(CHANGED_MAX + 1))).status).toBe(400)
})

it('kicks, ends typing, and has rows read again', async () => {
  await using server = await startApi({ wrap: (rows) => ({ ...rows, open: () => Promise.resolve() }) })
  const ann = await server.connect('ann')
  await ann.emitWithAck('typing:start', { convId: 'plan' })
  expect(await read(server, '/v1/conversations/plan')).toMatchObject({ typing: ['ann'] })
  expect((await post(server, '/v1/users/ann/stop-typing', '{"conversationId":"plan"}')).status).toBe(202)
  expect(await read(server, '/v1/conversations/plan')).toMatchObject({ typing: [] })

  // This feed says nothing: only the call can.
  server.rows.addToConversation('plan', 'gus')
  const heard = new Promise((resolve) => ann.once('presence:diff', resolve))
  expect((await post(server, '/v1/memberships/changed', '{"users":["gus"]}')).status).toBe(202)
  await heard
  expect(await read(server, '/v1/conversations/plan')).toMatchObject({ members: 3 })

  const closed = new Promise((resolve) => ann.once('presence:closed', resolve))
  const kick = await server.ask('/v1/users/ann/kick', { method: 'POST' })
  expect([kick.status, await kick.text()]).toEqual([202, ''])
  expect(await closed).toMatchObject({ code: 'kicked' })
  expect(await read(server, '/v1/users/ann')).toMatchObject({ online: false })
})

it('is another answer, with another tag, once presence has changed', async () => {
  await using server = await startApi()
  const before = await server.ask('/v1/users/ann')
  await server.connect('ann')
  const after = await server.ask('/v1/users/ann', {
    headers: { 'If-None-Match': before.headers.get('etag') ?? '' },
  })
  expect(after.status).toBe(200)
  expect(after.headers.get('etag')).not.toBe(before.headers.get('etag'))
})

it('says how the server is; a limit that is none is null in JSON', async () => {
  const histogram = { labels: {}, buckets: [[0.05, 1] as const, [Infinity, 2] as const], sum: 1, count: 2 }
  await using server = await startApi({
    metrics: () => [
      { name: 'presence_publish_seconds', kind: 'histogram', help: 'Help.', samples: [histogram] },
    ],
  })
  expect(await read(server, '/v1/monitor')).toMatchObject({
    node: 'node-a',
    version: '1.2.3',
    metrics: [
      {
        samples: [
          {
            buckets: [
              [0.05, 1],
              [null, 2],
            ],
          },
        ],
      },
    ],
  })
  await using plain = await startApi()
  await plain.connect('ann')
  const { metrics } = (await read(plain, '/v1/monitor')) as { metrics: readonly { name: string }[] }
  expect(metrics.find(({ name }) => name === 'presence_users_online')).toMatchObject({
    kind: 'gauge',
    samples: [{ labels: {}, value: 1 }],
  })
})

it('answers 503 with a time to come again while rows cannot be read, and tells nothing of why', async () => {
  await using server = await startApi({
    wrap: (rows) => ({ ...rows, readRooms: () => Promise.reject(new Error('password of the database')) }),
  })
  const answer = await server.ask('/v1/groups/crew')
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  const text = await answer.text()
  expect(JSON.parse(text)).toMatchObject({ code: 'unavailable', type: '/v1/docs#unavailable' })
  expect(text).not.toContain('password')
  expect(server.errors).toEqual([])
})

it('answers 500 for a fault of its own, which the log has and the answer has not', async () => {
  await using server = await startApi({
    metrics: () => {
      throw new Error('secret')
    },
  })
  const answer = await server.ask('/v1/monitor')
  const text = await answer.text()
  expect([answer.status, JSON.parse(text)]).toMatchObject([500, { code: 'internal' }])
  expect(text).not.toContain('secret')
  expect(server.errors).toEqual(['The HTTP API failed to answer a request. Its sender is told `internal`.'])
  // A refusal by presence that is not about the rows is a fault as well.
  await using other = await startApi({
    metrics: () => {
      throw new PresenceError('overloaded')
    },
  })
  expect((await other.ask('/v1/monitor')).status).toBe(500)
})

it('has a limit for each key, says how much is left, and fills up as time passes', async () => {
  let now = 1_000
  await using server = await startApi({ rate: { perSecond: 2, burst: 3 }, now: () => now })
  const ask = async (key?: string) => {
    const { status, headers } = await server.ask('/v1/users/ann', key === undefined ? {} : { key })
    return [status, headers.get('ratelimit'), headers.get('retry-after')]
  }
  expect((await server.ask('/v1/users/ann')).headers.get('ratelimit-policy')).toBe('"key";q=3;w=2')
  expect(await ask()).toEqual([200, '"key";r=1;t=1', null])
  expect(await ask()).toEqual([200, '"key";r=0;t=2', null])
  expect(await ask()).toEqual([429, '"key";r=0;t=2', '1'])
  const refused = await server.ask('/v1/users/ann')
  expect(refused.headers.get('content-type')).toBe('application/problem+json')
  expect(await refused.json()).toMatchObject({ status: 429, code: 'rate_limited' })
  expect(await ask(READ_KEY)).toEqual([200, '"key";r=2;t=1', null])
  now += 499
  expect((await ask())[0]).toBe(429)
  now += 1
  expect((await ask())[0]).toBe(200)
  now += 3_600_000
  expect(await ask()).toEqual([200, '"key";r=2;t=1', null])
  // The list looks at all conversations: it counts as twenty requests, here as all that there are.
  now += 3_600_000
  expect((await server.ask('/v1/conversations')).headers.get('ratelimit')).toBe('"key";r=0;t=2')
  now += 1_499
  expect((await server.ask('/v1/conversations')).headers.get('retry-after')).toBe('1')
  now += 1
  expect((await server.ask('/v1/conversations')).status).toBe(200)
  // To ask clients counts as fifty.
  now += 3_600_000
  const audit = await server.ask('/v1/clients/audit', { method: 'POST' })
  expect([audit.status, audit.headers.get('ratelimit')]).toEqual([200, '"key";r=0;t=2'])
  // Who is refused has not used a key.
  for (let n = 0; n < 5; n++) expect((await server.ask('/v1/users/ann', { key: null })).status).toBe(401)
})

describe('keys that are not known', () => {
  const ask = (server: ApiServer, key: string) => server.ask('/v1/users/ann', { key })

  it('are so many from one address, then 429 with a time to come again; a key that is known is let in', async () => {
    let now = 1_000
    const warnings: unknown[] = []
    const warn: Log['warn'] = (message, fields) => warnings.push({ message, ...fields })
    await using server = await startApi({ now: () => now, log: { warn } })
    for (let n = 0; n < WRONG_KEYS.burst; n++) expect((await ask(server, `wrong-${n}`)).status).toBe(401)
    expect(warnings).toEqual([])
    const refused = await ask(server, 'wrong-again')
    expect([refused.status, refused.headers.get('content-type'), await refused.json()]).toMatchObject([
      429,
      'application/problem+json',
      { status: 429, code: 'wrong_keys', type: '/v1/docs#wrong_keys' },
    ])
    expect([refused.headers.get('retry-after'), refused.headers.get('ratelimit')]).toEqual([
      '1',
      `"address";r=0;t=${WRONG_KEYS.burst / WRONG_KEYS.perSecond}`,
    ])
    expect((await ask(server, BOTH_KEY)).status).toBe(200)
    // Who sends none is no such stranger.
    expect((await server.ask('/v1/users/ann', { key: null })).status).toBe(401)
    for (let n = 0; n < 3; n++) expect((await ask(server, 'wrong')).status).toBe(429)
    now += 1_000 / WRONG_KEYS.perSecond
    expect((await ask(server, 'wrong')).status).toBe(401)
    expect((await ask(server, 'wrong')).status).toBe(429)
    const line = { message: expect.stringMatching(/key that is not known/u) as string, address: '127.0.0.1' }
    expect(warnings).toEqual([line, { ...line, leftOut: 3 }])
    expect(JSON.stringify(warnings)).not.toContain('wrong')
  })

  it('are counted for so many addresses: the one that was quiet for longest begins anew', () => {
    const limits = createLimits<string>(WRONG_KEYS, {
      name: 'address',
      now: () => 0,
      holdersMax: ADDRESSES_MAX,
    })
    const use = (address: string) => limits.take(address, WRONG_KEYS.burst).isAllowed
    for (let n = 0; n < ADDRESSES_MAX; n++) expect(use(`address-${n}`)).toBe(true)
    expect([use('address-0'), use('address-1'), limits.size]).toEqual([false, false, ADDRESSES_MAX])
    for (let n = 0; n < ADDRESSES_MAX - 1; n++) use(`other-${n}`)
    expect(limits.size).toBe(ADDRESSES_MAX)
    // The last who was heard of is still known.
    expect([use('address-1'), use('address-0')]).toEqual([false, true])
  })
})

it('writes into the log who acted, by the fingerprint of the key and never the key; what services do all day, once a second', async () => {
  let now = 1_000
  const texts: string[] = []
  const log = createLog({ level: 'info', output: { write: (text) => texts.push(text) } })
  await using server = await startApi({ now: () => now, log })
  const act = async (path: string, body: object, key = BOTH_KEY) => {
    const init = {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    }
    return (await server.ask(path, { ...init, key })).status
  }
  const lines = () =>
    texts
      .splice(0)
      .map((text) => JSON.parse(text) as { msg: string; userId?: string })
      .filter(({ msg }) => msg.includes('HTTP API'))
  const print = (key: string) => createHash('sha256').update(key).digest('hex').slice(0, 8)

  await act('/v1/users/ann/kick', {})
  await act('/v1/users/ann/kick', { deviceId: 'phone' }, ACT_KEY)
  await act('/v1/users/ann/kick', {}, READ_KEY)
  await act('/v1/users/ann/kick', { device: 1 })
  const kicks = lines()
  const kicked = { level: 'info', msg: 'A user was kicked over the HTTP API.' }
  expect(kicks).toMatchObject([
    { ...kicked, keyFingerprint: print(BOTH_KEY), devices: 'all' },
    { ...kicked, keyFingerprint: print(ACT_KEY), devices: 'one' },
  ])
  expect(kicks.map(({ userId }) => userId?.slice(0, 1))).toEqual(['#', '#'])

  for (let n = 0; n < 5; n++) await act('/v1/users/ann/stop-typing', { conversationId: 'plan' })
  await act('/v1/users/ann/stop-typing', {}, ACT_KEY)
  await act('/v1/memberships/changed', { users: ['ann', 'ben'], conversations: ['plan'] })
  now += 1_000
  await act('/v1/users/ben/stop-typing', {})
  const stopped = { msg: 'A user’s typing was ended over the HTTP API.' }
  const routine = lines()
  expect(routine).toMatchObject([
    { ...stopped, keyFingerprint: print(BOTH_KEY), conversationId: 'plan' },
    { ...stopped, keyFingerprint: print(ACT_KEY) },
    { msg: 'Rows were said to have changed over the HTTP API.', users: 2, groups: 0, conversations: 1 },
    { ...stopped, leftOut: 4 },
  ])
  // Reads are not acts.
  await server.ask('/v1/users/ann')
  expect(lines()).toEqual([])
  for (const key of [BOTH_KEY, ACT_KEY, READ_KEY]) expect(JSON.stringify([kicks, routine])).not.toContain(key)
})

it('takes bodies of so many bytes, whether they say their length or not', async () => {
  await using server = await startApi()
  const whole = (bytes: number) => `{"userIds":[]}${' '.repeat(bytes - 14)}`
  const parts = (text: string) =>
    new ReadableStream({
      start(controller) {
        for (let at = 0; at < text.length; at += 65_536) {
          controller.enqueue(new TextEncoder().encode(text.slice(at, at + 65_536)))
        }
        controller.close()
      },
    })
  for (const body of [whole, (bytes: number) => parts(whole(bytes))]) {
    expect((await post(server, '/v1/users/query', body(BODY_MAX_BYTES))).status).toBe(200)
    const refused = await post(server, '/v1/users/query', body(BODY_MAX_BYTES + 1))
    expect([refused.status, await refused.json()]).toMatchObject([413, { code: 'body_too_large' }])
  }
  // One that is far larger is not read to its end: its sender may see the closed connection before the answer.
  const endless = post(server, '/v1/users/query', parts(whole(BODY_MAX_BYTES * 4)))
  expect([413, 'closed']).toContain(
    await endless.then(
      ({ status }) => status,
      () => 'closed',
    ),
  )
  expect(server.errors).toEqual([])
  // The longest ids there can be, each unit as three bytes, fit.
  const longest = Array.from(
    { length: QUERY_USERS_MAX },
    (_, n) => '€'.repeat(124) + String(n).padStart(4, '0'),
  )
  expect((await post(server, '/v1/users/query', JSON.stringify({ userIds: longest }))).status).toBe(200)
})

it('wants JSON that is said to be JSON', async () => {
  await using server = await startApi()
  const body = '{"userIds":[]}'
  for (const type of ['application/json', 'Application/JSON; charset=utf-8']) {
    expect((await post(server, '/v1/users/query', body, type)).status).toBe(200)
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
    const refused = await post(server, '/v1/users/query', body, type)
    expect([refused.status, await refused.json()]).toMatchObject([415, { code: 'unsupported_media_type' }])
  }
  const bytes = new Blob([Uint8Array.of(0x22, 0xff, 0x22)]).stream()
  expect(await (await post(server, '/v1/users/query', bytes)).json()).toMatchObject({
    detail: 'The body is no UTF-8.',
  })
  const refused = await post(server, '/v1/users/query', '{"userIds":')
  expect(await refused.json()).toMatchObject({ code: 'invalid_payload', detail: 'The body is no JSON.' })
})

it('names the field that is wrong, and never what was in it', async () => {
  await using server = await startApi()
  const refused = await post(server, '/v1/users/query', JSON.stringify({ userIds: ['ann', 'se\u0000cret'] }))
  expect((await refused.json()) as object).toMatchObject({
    detail: '`userIds.1` of the body is out of range.',
  })
  const long = await server.ask(`/v1/conversations?${'x'.repeat(5_000)}=1`)
  expect((await long.text()).length).toBeLessThan(400)
  for (const path of ['/v1/conversations?limit=1&limit=2', '/v1/users/%zz', '/v1/users/%ff']) {
    expect([path, (await server.ask(path)).status]).toEqual([path, 400])
  }
})

it('does not log a client that goes in the middle of its body, and answers the next', async () => {
  await using server = await startApi()
  const { port } = new URL(server.url)
  for (const length of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const line = connect(Number(port), '127.0.0.1')
    const head = `POST /v1/users/query HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${BOTH_KEY}\r\n`
    line.write(`${head}Content-Type: application/json\r\n${length}\r\n\r\n5\r\n{"use`)
    await new Promise((resolve) => line.once('connect', resolve))
    // The server has read the head once it has read what comes after it on another line.
    await server.ask('/v1/users/ann')
    line.destroy()
    await new Promise((resolve) => line.once('close', resolve))
  }
  expect((await server.ask('/v1/users/ann')).status).toBe(200)
  expect(server.errors).toEqual([])
})

it('answers what is unknown below /v1 as a problem, and leaves everything else alone', async () => {
  await using server = await startApi()
  for (const path of [
    '/v1',
    '/v1/',
    '/v1/users',
    '/v1/users/',
    '/v1/users/ann/',
    '/v1/users/a/b/c',
    '/v1/monitor/x',
  ]) {
    const answer = await server.ask(path, { key: null })
    expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
      path,
      404,
      'application/problem+json',
    ])
    expect(await answer.json()).toMatchObject({ status: 404, code: 'not_found' })
  }
  const elsewhere = await server.ask('/v10')
  expect(await elsewhere.json()).toEqual({ error: { code: 'not_found', message: 'There is nothing here.' } })
  const query = await server.ask('/v1/users/query', { method: 'OPTIONS' })
  expect(query.headers.get('allow')).toBe('GET, HEAD, POST, OPTIONS')
})

it('says that the server starts, as a problem', async () => {
  const http = createHttp({ health: createHealth(), version: '1.2.3' })
  for (const path of ['/v1/users/ann', '/v1']) {
    const answer = await http.request(path)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await answer.json()).toMatchObject({
      code: 'unavailable',
      detail: 'Vigie is starting; try again.',
    })
  }
})

it('in the demo is open to read at a loopback address, to act only with a key, and never with a wrong one', async () => {
  await using server = await startApi({ isOpenToRead: true })
  const status = async (path: string, init: Parameters<ApiServer['ask']>[1]) =>
    (await server.ask(path, init)).status
  expect(await status('/v1/users/ann', { key: null })).toBe(200)
  expect(await status('/v1/users/ann/kick', { key: null, method: 'POST' })).toBe(401)
  expect(await status('/v1/users/ann', { key: 'wrong' })).toBe(401)
  await using keyless = await startApi({ isOpenToRead: true, keyring: createKeyring([]) })
  expect((await keyless.ask('/v1/users/ann', { key: null })).status).toBe(200)
  expect((await keyless.ask('/v1/users/ann/kick', { key: null, method: 'POST' })).status).toBe(403)
  // A name of somebody else's that leads here, as a page elsewhere would use it.
  const { port } = new URL(server.url)
  const rebound = await new Promise<number | undefined>((resolve, reject) => {
    request(
      { host: '127.0.0.1', port, path: '/v1/users/ann', headers: { Host: `evil.example:${port}` } },
      (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      },
    )
      .on('error', reject)
      .end()
  })
  expect(rebound).toBe(401)
})

it('in the demo is open to nobody who comes through a proxy, on this machine, too', async () => {
  await using server = await startApi({ isOpenToRead: true })
  for (const name of ['X-Forwarded-For', 'X-Forwarded-Host', 'Forwarded', 'X-Real-IP', 'Via']) {
    const answer = await server.ask('/v1/users/ann', { key: null, headers: { [name]: 'localhost' } })
    expect([name, answer.status]).toEqual([name, 401])
  }
})

it('shows the document as a page without scripts, with nothing from elsewhere, and each error that there is', async () => {
  await using server = await startApi()
  const page = await server.ask('/v1/docs', { key: null })
  const text = await page.text()
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=UTF-8'])
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(text).not.toMatch(/<script|style=|\son\w+=|(?:src|href)="(?!#|\/v1\/)/u)
  // What is code in a description of OpenAPI is code on the page.
  expect(text).toContain('Needs the scope <code>read</code>.')
  expect(text.replaceAll(/<pre>.*?<\/pre>/gsu, '').includes('`')).toBe(false)
  for (const [, id] of text.matchAll(/href="#([\w-]+)"/gu)) expect(text).toContain(`id="${id ?? ''}"`)
  const refused = (await (await server.ask('/v1/users/ann', { key: null })).json()) as { type: string }
  expect(text).toContain(`id="${refused.type.split('#')[1] ?? ''}"`)
  const style = await server.ask('/v1/docs.css', { key: null })
  expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8')
  const same = await server.ask('/v1/docs', { headers: { 'If-None-Match': page.headers.get('etag') ?? '' } })
  expect(same.status).toBe(304)
})
