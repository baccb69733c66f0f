import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { watchArrivals } from './support/arrivals.js'
import { Picture } from './support/picture.js'
import { startProcess } from './support/process.js'
import { startProxy } from './support/proxy.js'
import { readSeed } from './support/seed.js'

// The other tests believe what these helpers say, so the helpers are tested too.

/** A server that answers each chunk with itself. */
async function startEcho(): Promise<{ url: string } & Disposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.dispose]: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

async function dial(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  await once(socket, 'connect')
  // The proxy breaks what is open when it is disposed of; that is no failure of a test.
  socket.on('error', () => {})
  return socket.setEncoding('utf8')
}

/** Reads until `length` characters have come. */
async function read(socket: Socket, length: number): Promise<string> {
  let text = ''
  while (text.length < length) {
    const [chunk] = (await once(socket, 'data')) as [string]
    text += chunk
  }
  return text
}

test('a proxy forwards both ways', async () => {
  using echo = await startEcho()
  await using proxy = await startProxy(echo.url)
  const socket = await dial(proxy.url)
  socket.write('hello')
  expect(await read(socket, 5)).toBe('hello')
  expect([proxy.accepted, proxy.open]).toEqual([1, 1])
})

test('a frozen proxy says nothing and ends nothing, and delivers in order once it has thawed', async () => {
  using echo = await startEcho()
  await using proxy = await startProxy(echo.url)
  const socket = await dial(proxy.url)
  const heard: string[] = []
  socket.on('data', (chunk: string) => heard.push(chunk))
  socket.on('close', () => heard.push('closed'))
  proxy.freeze()
  socket.write('one ')

  // A line that is not frozen answers meanwhile: had the frozen one forwarded, its answer would be here too.
  await using other = await startProxy(echo.url)
  const witness = await dial(other.url)
  witness.write('two')
  await read(witness, 3)
  expect(heard).toEqual([])
  expect(proxy.open).toBe(1)

  proxy.thaw()
  socket.write('three')
  await expect.poll(() => heard.join('')).toBe('one three')
})

test('a cut connection ends with a reset, and the proxy serves the next one', async () => {
  using echo = await startEcho()
  await using proxy = await startProxy(echo.url)
  const socket = await dial(proxy.url)
  const broken = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>
  await expect.poll(() => proxy.open).toBe(1)
  proxy.cut()
  const [error] = await broken
  expect(error.code).toBe('ECONNRESET')

  const next = await dial(proxy.url)
  next.write('again')
  expect(await read(next, 5)).toBe('again')
  expect(proxy.accepted).toBe(2)
})

test('a started process tells its lines, and says what it printed when the awaited line does not come', async () => {
  await using talker = startProcess(['-e', 'console.log("ready on 7"); console.error("bye")'])
  const [, number] = await talker.waitForLine(/ready on (\d+)/u)
  expect(number).toBe('7')
  expect(await talker.ended).toBe(0)
  await expect(talker.waitForLine(/never/u)).rejects.toThrow(/the process ended.*bye/su)
})

test('a process that does not end by itself is gone after its block', async () => {
  const pid = await (async () => {
    await using sleeper = startProcess(['-e', 'console.log("up"); setInterval(() => {}, 1000)'])
    await sleeper.waitForLine(/up/u)
    return sleeper.pid
  })()
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/u)
})

test('a picture keeps the last word on each user, conversation and typist, and nothing after it was cleared', () => {
  const picture = new Picture()
  picture.apply('presence:update', { userId: '__proto__', online: true, count: 1 })
  picture.apply('presence:update', { userId: '__proto__', online: true, count: 2 })
  picture.apply('presence:conversation', { userId: 'ana', online: true, count: 1, conversationId: 'c' })
  picture.apply('typing:start', { convId: 'c', userId: 'ana' })
  picture.apply('typing:start', { convId: 'c', userId: 'ben' })
  picture.apply('typing:stop', { convId: 'c', userId: 'ana' })
  expect(picture.user('__proto__')).toEqual({ online: true, count: 2 })
  expect(picture.member('c', 'ana')).toEqual({ online: true, count: 1 })
  expect(picture.member('d', 'ana')).toBeUndefined()
  expect(picture.typists('c')).toEqual(['ben'])
  picture.clear()
  expect(picture.snapshot()).toEqual({ users: [], conversations: [], typing: [] })
})

test('what waited in a socket while the process stood still is not said to have come later than it did', async () => {
  // In a process of its own, so that it answers meanwhile.
  await using echo = startProcess([
    '-e',
    `const server = require('node:net').createServer((socket) => socket.pipe(socket))
    server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port))`,
  ])
  const [, port] = await echo.waitForLine(/port (\d+)/u)
  const socket = await dial(`http://127.0.0.1:${port}`)
  using arrivals = watchArrivals()
  const cameAt = new Promise<number>((resolve) => {
    socket.once('data', () => resolve(arrivals.earliest()))
  })
  socket.write('hello')
  const stillSince = performance.now()
  while (performance.now() - stillSince < 200);
  expect(await cameAt).toBeLessThanOrEqual(stillSince)
  socket.destroy()
})

test('a seed that was printed gives the same seed again, and what is no seed is refused in a sentence', () => {
  expect(readSeed('a test', { TEST_SEED: '42' })).toBe(42)
  const seed = readSeed('a test', {})
  expect(Number.isInteger(seed) && seed >= 0).toBe(true)
  expect(() => readSeed('a test', { TEST_SEED: 'one' })).toThrow(/^TEST_SEED is "one": give a whole number/u)
})
