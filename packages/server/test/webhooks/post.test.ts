import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { CONNECTION_AGE_MS, createPost, type Attempt } from '../../src/webhooks/post.js'

const post = createPost({ mayBePrivate: true })

async function receiver(answer: RequestListener) {
  let requests = 0
  const connections: Socket[] = []
  const server = createServer((request, response) => {
    requests++
    answer(request, response)
  }).listen(0, '127.0.0.1')
  server.on('connection', (socket) => connections.push(socket))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, requests: () => requests, connections }
}

const attemptTo = (url: string, rest: Partial<Attempt> = {}): Attempt => ({
  url: new URL(url),
  headers: { 'webhook-id': 'msg_1' },
  body: '{"é":1}',
  timeoutMs: 5_000,
  signal: new AbortController().signal,
  ...rest,
})

it('a 2xx is a delivery; the request has the body, its type and its headers', async () => {
  const got: unknown[] = []
  const { port } = await receiver((request, response) => {
    request.setEncoding('utf8')
    request.on('data', (text) => got.push(request.method, request.url, request.headers, text))
    request.on('end', () => response.writeHead(202).end('so be it'))
  })
  expect(await post(attemptTo(`http://127.0.0.1:${port}/in?x=1`))).toBeUndefined()
  expect(got).toEqual([
    'POST',
    '/in?x=1',
    expect.objectContaining({
      'content-type': 'application/json',
      'webhook-id': 'msg_1',
      'content-length': '8',
    }),
    '{"é":1}',
  ])
})

it.each([400, 401, 404, 410, 429, 500, 503])('%s is a failure', async (status) => {
  const { port } = await receiver((_, response) => response.writeHead(status).end())
  expect(await post(attemptTo(`http://127.0.0.1:${port}/`))).toBe(`the receiver answered ${status}`)
})

it.each([301, 302, 303, 307, 308])('%s is not followed', async (status) => {
  const other = await receiver((_, response) => response.writeHead(204).end())
  const { port } = await receiver((_, response) =>
    response.writeHead(status, { location: `http://127.0.0.1:${other.port}/` }).end(),
  )
  expect(await post(attemptTo(`http://127.0.0.1:${port}/`))).toBe(
    `the receiver answered ${status}: redirects are not followed`,
  )
  expect(other.requests()).toBe(0)
})

it('one that says nothing is given up after the time-out; so is a name that is never resolved', async () => {
  const { port } = await receiver(() => {})
  expect(await post(attemptTo(`http://127.0.0.1:${port}/`, { timeoutMs: 100 }))).toBe(
    'no answer within 100 ms',
  )
  const waiting = createPost({ mayBePrivate: true, resolve: () => new Promise<never>(() => {}) })
  expect(await waiting(attemptTo('http://hooks.example/', { timeoutMs: 100 }))).toBe(
    'no answer within 100 ms',
  )
})

it('an answer whose body never ends is an answer', async () => {
  const { port } = await receiver((_, response) => response.writeHead(200).write('on and on'))
  expect(await post(attemptTo(`http://127.0.0.1:${port}/`, { timeoutMs: 1_000 }))).toBeUndefined()
})

it('a connection that ends, and one that nobody takes', async () => {
  const { port } = await receiver((request) => request.socket.destroy())
  expect(await post(attemptTo(`http://127.0.0.1:${port}/`))).toBe('socket hang up')
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const free = (gone.address() as AddressInfo).port
  gone.close()
  await once(gone, 'close')
  expect(await post(attemptTo(`http://127.0.0.1:${free}/`))).toContain('ECONNREFUSED')
})

it('it connects to the address that was checked, and to none that is private unless that is allowed', async () => {
  const { port, requests } = await receiver((_, response) => response.writeHead(204).end())
  const resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }])
  const url = `http://hooks.example:${port}/`
  const careful = createPost({ mayBePrivate: false, resolve })
  const allowed = createPost({ mayBePrivate: true, resolve })
  expect(await allowed(attemptTo(url))).toBeUndefined()
  expect(requests()).toBe(1)
  // The connection that is open now is not for everybody.
  expect(await careful(attemptTo(url))).toBe(
    'hooks.example leads to 127.0.0.1, which is not a public address',
  )
  for (const address of [`127.0.0.1:${port}`, `[::ffff:127.0.0.1]:${port}`])
    expect(await careful(attemptTo(`http://${address}/`))).toContain('is not a public address')
  expect(requests()).toBe(1)
})

it('attempts one after another share a connection, whose name is resolved once; at once each has its own', async () => {
  const { port, requests, connections } = await receiver((_, response) => response.writeHead(204).end())
  let asked = 0
  const shared = createPost({
    mayBePrivate: true,
    resolve() {
      asked++
      return Promise.resolve([{ address: '127.0.0.1', family: 4 }])
    },
  })
  const attempt = attemptTo(`http://hooks.example:${port}/`)
  for (let n = 0; n < 5; n++) expect(await shared(attempt)).toBeUndefined()
  expect([requests(), connections.length, asked]).toEqual([5, 1, 1])
  expect(await Promise.all([shared(attempt), shared(attempt)])).toEqual([undefined, undefined])
  expect([requests(), connections.length, asked]).toEqual([7, 2, 2])
})

it('what ends an attempt that is over does not end its connection', async () => {
  const { port, connections } = await receiver((_, response) => response.writeHead(204).end())
  const url = `http://127.0.0.1:${port}/`
  const over = new AbortController()
  expect(await post(attemptTo(url, { signal: over.signal }))).toBeUndefined()
  // The connection is given back in a later turn.
  await post(attemptTo(url))
  over.abort()
  expect(await post(attemptTo(url))).toBeUndefined()
  expect(connections).toHaveLength(1)
})

it('a connection without a request is closed soon; one that waits for its answer is not', async () => {
  const { port, connections } = await receiver((_, response) => {
    // Twice the time that an idle connection has.
    setTimeout(() => response.writeHead(204).end(), 100)
  })
  const impatient = createPost({ mayBePrivate: true, idleMs: 50 })
  expect(await impatient(attemptTo(`http://127.0.0.1:${port}/`))).toBeUndefined()
  const [connection] = connections
  if (!connection!.destroyed) await once(connection!, 'close')
  expect(connections).toHaveLength(1)
})

it('a connection that has served for long is not used again: a receiver that has moved is found', async () => {
  const before = await receiver((_, response) => response.writeHead(204).end())
  let now = 0
  let isMoved = false
  const moving = createPost({
    mayBePrivate: true,
    resolve: () => Promise.resolve(isMoved ? [] : [{ address: '127.0.0.1', family: 4 }]),
    now: () => now,
  })
  const attempt = attemptTo(`http://hooks.example:${before.port}/`)
  await moving(attempt)
  isMoved = true
  now = CONNECTION_AGE_MS
  expect(await moving(attempt)).toBeUndefined()
  now++
  expect(await moving(attempt)).toBe('hooks.example has no address')
  expect(before.requests()).toBe(2)
})

it('one that the receiver closes while the next request is on its way is no failure: it is sent over a new one', async () => {
  let isClosing = false
  const { port, requests, connections } = await receiver((request, response) => {
    if (isClosing) {
      isClosing = false
      request.socket.destroy()
    } else response.writeHead(204).end()
  })
  const attempt = attemptTo(`http://127.0.0.1:${port}/`)
  expect(await post(attempt)).toBeUndefined()
  isClosing = true
  expect(await post(attempt)).toBeUndefined()
  expect([requests(), connections.length]).toEqual([3, 2])
})

it('one that the receiver closes each time is a failure after two', async () => {
  let isAway = false
  const { port, requests } = await receiver((request, response) => {
    if (isAway) request.socket.destroy()
    else response.writeHead(204).end()
  })
  const attempt = attemptTo(`http://127.0.0.1:${port}/`)
  await post(attempt)
  isAway = true
  expect(await post(attempt)).toBe('socket hang up')
  expect(requests()).toBe(3)
})

it('an answer whose body is not over gives its connection to nobody', async () => {
  const { port, connections } = await receiver((_, response) => response.writeHead(200).write('on and on'))
  const attempt = attemptTo(`http://127.0.0.1:${port}/`, { timeoutMs: 300 })
  expect(await post(attempt)).toBeUndefined()
  expect(await post(attempt)).toBeUndefined()
  expect(connections).toHaveLength(2)
  for (const socket of connections) if (!socket.destroyed) await once(socket, 'close')
})

it('an end of the server ends it', async () => {
  const stop = new AbortController()
  const { port } = await receiver(() => {
    stop.abort()
  })
  expect(await post(attemptTo(`http://127.0.0.1:${port}/`, { signal: stop.signal }))).toBe(
    'the server was stopped before the answer came',
  )
})
