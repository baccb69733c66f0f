import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { post, type Attempt } from '../../src/webhooks/post.js'

async function receiver(answer: RequestListener) {
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    answer(request, response)
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, requests: () => requests }
}

const attemptTo = (url: string, rest: Partial<Attempt> = {}): Attempt => ({
  url: new URL(url),
  headers: { 'webhook-id': 'msg_1' },
  body: '{"é":1}',
  timeoutMs: 5_000,
  mayBePrivate: true,
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
  const resolve = () => new Promise<never>(() => {})
  expect(await post(attemptTo('http://hooks.example/', { timeoutMs: 100, resolve }))).toBe(
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
  expect(await post(attemptTo(url, { resolve, mayBePrivate: false }))).toBe(
    'hooks.example leads to 127.0.0.1, which is not a public address',
  )
  expect(await post(attemptTo(`http://[::ffff:127.0.0.1]:${port}/`, { mayBePrivate: false }))).toContain(
    'is not a public address',
  )
  expect(requests()).toBe(0)
  expect(await post(attemptTo(url, { resolve }))).toBeUndefined()
  expect(requests()).toBe(1)
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
