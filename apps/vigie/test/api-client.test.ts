import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { ApiError, createApiClient } from '@vigie/server/http'
import { QUERY_USERS_MAX } from '../src/api/schemas.js'
import { ACT_KEY, BOTH_KEY, READ_KEY, startApi } from './api-server.js'

async function failure(call: Promise<unknown>): Promise<ApiError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ApiError)
  return error as ApiError
}

it('asks and acts as the library does, against a real server', async () => {
  await using server = await startApi()
  const vigie = createApiClient({ url: `${server.url}/`, key: BOTH_KEY })
  const ann = await server.connect('ann')
  await server.connect('ben')
  await ann.emitWithAck('typing:start', { convId: 'plan' })
  expect(await vigie.user('ann')).toEqual({ userId: 'ann', online: true, count: 1 })
  expect(await vigie.group('crew')).toMatchObject({ online: 2, onlineUsers: ['ann', 'ben'] })
  expect(await vigie.conversation('plan')).toMatchObject({ typing: ['ann'] })
  expect(await vigie.conversations({ limit: 1 })).toMatchObject([{ id: 'plan', typing: 1 }])
  expect(await vigie.conversations()).toHaveLength(2)
  expect(await vigie.monitor()).toMatchObject({ node: 'node-a', version: '1.2.3' })
  expect(await vigie.explain('ann')).toMatchObject({
    userId: 'ann',
    sessions: [{ state: 'live', typingIn: 'plan' }],
    transitions: [{ reason: 'connected' }],
  })
  expect(await vigie.explain('ann', { viewer: 'ben' })).toMatchObject({
    viewer: { userId: 'ben', sees: true },
  })
  expect(await vigie.auditClients()).toMatchObject({ answering: 0, asked: 0 })
  // Each session is asked, and this one's client does not answer as the protocol says.
  const cid = await server.connect('cid', { audit: true })
  cid.on('presence:digest', (_question: unknown, answer: (digest: unknown) => void) => answer('?'))
  expect(await vigie.auditClients({ sample: 1 })).toEqual({
    answering: 1,
    asked: 1,
    equal: 0,
    different: [],
    unanswered: 0,
    malformed: 1,
    skipped: 0,
  })
  expect(await failure(vigie.auditClients({ sample: 1_001 }))).toMatchObject({
    status: 400,
    code: 'invalid_payload',
  })
  cid.disconnect()
  await vigie.stopTyping('ann', { conversationId: 'plan' })
  expect(await vigie.conversation('plan')).toMatchObject({ typing: [] })
  await vigie.membershipsChanged({ users: ['ann'] })
  const closed = new Promise((resolve) => ann.once('presence:closed', resolve))
  await vigie.kick('ann')
  await closed
  expect(await vigie.user('ann')).toMatchObject({ online: false })
})

it('finds every id, whatever characters it has, in a path or not', async () => {
  await using server = await startApi()
  const vigie = createApiClient({ url: server.url, key: READ_KEY })
  const ids = ['a/b', '%2F', '?x=1#y', 'é 😀', '__proto__', '..x', 'x'.repeat(128), ' ']
  for (const id of ids) expect((await vigie.user(id)).userId).toBe(id)
  for (const id of ['.', '..']) await expect(vigie.user(id)).rejects.toThrow(RangeError)
  expect((await vigie.users(['.', '..'])).map(({ userId }) => userId)).toEqual(['.', '..'])
})

it('asks for any number of users in as many calls as the server needs', async () => {
  let calls = 0
  await using server = await startApi()
  const vigie = createApiClient({
    url: server.url,
    key: READ_KEY,
    fetch: (...asked) => {
      calls++
      return fetch(...asked)
    },
  })
  const ids = Array.from({ length: QUERY_USERS_MAX * 2 + 1 }, (_, n) => `u${n}`)
  expect((await vigie.users(ids)).map(({ userId }) => userId)).toEqual(ids)
  expect(calls).toBe(3)
  expect(await vigie.users([])).toEqual([])
  expect(calls).toBe(3)
})

it('says why it was refused, with the server’s code', async () => {
  await using server = await startApi({ rate: { perSecond: 1, burst: 1 }, now: () => 0 })
  const { url } = server
  expect(await failure(createApiClient({ url }).user('ann'))).toMatchObject({
    status: 401,
    code: 'key_missing',
  })
  expect(await failure(createApiClient({ url, key: READ_KEY }).kick('ann'))).toMatchObject({
    status: 403,
    code: 'scope_missing',
  })
  expect(await failure(createApiClient({ url, key: READ_KEY }).user(''))).toMatchObject({
    status: 404,
    code: 'not_found',
  })
  const vigie = createApiClient({ url, key: ACT_KEY })
  await vigie.kick('ann')
  expect(await failure(vigie.kick('ann'))).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 1 })
})

it('says that there was no answer, or none of Vigie, and never the key', async () => {
  const key = 'a-key-that-nobody-may-see'
  await using server = await startApi()
  const { url } = server
  await server[Symbol.asyncDispose]()
  const gone = await failure(createApiClient({ url, key }).user('ann'))
  expect(gone).toMatchObject({ status: 0, code: 'unreachable' })
  expect(gone.message).toContain('ECONNREFUSED')

  const paths: (string | undefined)[] = []
  const other = createServer((request, response) => {
    paths.push(request.url)
    if (request.url === '/moved/v1/monitor') response.writeHead(302, { Location: '/v1/monitor' }).end()
    else if (request.url === '/silent/v1/monitor') return
    else response.writeHead(request.url === '/fails/v1/monitor' ? 502 : 200).end('<html>')
  })
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const base = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const ask = (path: string, timeoutMs?: number) =>
      failure(
        createApiClient({ url: base + path, key, ...(timeoutMs !== undefined && { timeoutMs }) }).monitor(),
      )
    expect(await ask('/any')).toMatchObject({ status: 200, code: 'no_api' })
    expect(await ask('/fails')).toMatchObject({ status: 502, code: 'no_api' })
    expect(await ask('/moved')).toMatchObject({ code: 'unreachable' })
    expect(paths).not.toContain('/v1/monitor')
    expect((await ask('/silent', 1)).message).toMatch(/timeout/u)
    for (const path of ['/any', '/fails', '/moved']) expect((await ask(path)).message).not.toContain(key)
  } finally {
    other.closeAllConnections()
    other.close()
  }
  expect(() => createApiClient({ url: 'not an address' })).toThrow(TypeError)
})
