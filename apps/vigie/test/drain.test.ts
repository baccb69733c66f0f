import { once } from 'node:events'
import { createServer, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket as NetSocket } from 'node:net'
import { Server } from 'socket.io'
import { io as connectSocket, type Socket } from 'socket.io-client'
import { afterEach, expect, test, vi } from 'vitest'
import { CLOSE, connectTcp, serverFrames, upgradeRequest } from '../../../packages/server/test/support/tcp.js'
import { createDrain, DRAIN_MS } from '../src/drain.js'

/** More than the kernel holds for both ends of a connection that is not read. */
const MORE_THAN_FITS = 'x'.repeat(16 * 1024 * 1024)

interface Place extends AsyncDisposable {
  readonly io: Server
  readonly server: HttpServer
  readonly port: number
  readonly drain: () => Promise<void>
}

async function open(answer?: (response: ServerResponse) => void): Promise<Place> {
  const server = createServer((_request, response) => answer?.(response))
  const io = new Server(server)
  const drain = createDrain(server, () => io)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    io,
    server,
    port: (server.address() as AddressInfo).port,
    drain,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await io.close()
    },
  }
}

/** A WebSocket that is connected, and answers nothing. */
async function openWebSocket(port: number) {
  const client = await connectTcp(port)
  client.tcp.write(upgradeRequest())
  await client.until('"sid"')
  client.send('40')
  await client.until('40{"sid"')
  return client
}

function hasCloseFrame(text: string): boolean {
  return serverFrames(text).some(({ opcode }) => opcode === CLOSE)
}

function ended(tcp: NetSocket): Promise<void> {
  return new Promise((resolve) => {
    tcp.once('end', resolve).once('close', resolve)
  })
}

afterEach(() => {
  vi.useRealTimers()
})

test('a WebSocket is cut without a close frame, and nobody waits for its client', async () => {
  await using place = await open()
  using client = await openWebSocket(place.port)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const isEnded = ended(client.tcp)
  await place.drain()
  await isEnded
  expect(hasCloseFrame(client.text())).toBe(false)
})

test('what is pending for a WebSocket is written first, also what Socket.IO still keeps', async () => {
  await using place = await open()
  using client = await openWebSocket(place.port)
  client.tcp.pause()
  place.io.emit('host', MORE_THAN_FITS)
  place.io.emit('host', 'the last one')
  const isEnded = ended(client.tcp)
  const isDrained = place.drain()
  client.tcp.resume()
  await isEnded
  await isDrained
  expect(serverFrames(client.text()).at(-1)?.text).toBe('42["host","the last one"]')
})

test('a client that reads nothing is cut when DRAIN_MS are over', async () => {
  await using place = await open()
  using client = await openWebSocket(place.port)
  client.tcp.pause()
  place.io.emit('host', MORE_THAN_FITS)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  let isDrained = false
  const drained = place.drain().then(() => (isDrained = true))
  await vi.advanceTimersByTimeAsync(DRAIN_MS - 1)
  expect(isDrained).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  await drained
  client.tcp.resume()
})

test('a polling client is told to come again, and connections without a request are not waited for', async () => {
  await using place = await open()
  const client: Socket = connectSocket(`http://127.0.0.1:${place.port}`, {
    transports: ['polling'],
    forceNew: true,
    reconnection: false,
  })
  await new Promise<void>((resolve) => client.once('connect', () => resolve()))
  const reason = new Promise((resolve) => client.once('disconnect', resolve))
  const [socket] = place.io.sockets.sockets.values()
  const { transport } = socket!.conn
  // Between two polls it would only see its next one refused.
  if (!transport.writable) await once(transport, 'ready')
  const connection = once(place.server, 'connection')
  using silent = await connectTcp(place.port)
  const [line] = (await connection) as [NetSocket]
  expect(line.remotePort).toBe(silent.tcp.localPort)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  await place.drain()
  vi.useRealTimers()
  expect(await reason).toBe('transport close')
})

test('a request that is being answered has its answer', async () => {
  let asked: ((response: ServerResponse) => void) | undefined
  const request = new Promise<ServerResponse>((resolve) => (asked = resolve))
  await using place = await open((response) => asked?.(response))
  const answer = fetch(`http://127.0.0.1:${place.port}/slow`)
  const response = await request
  const isDrained = place.drain()
  response.end('done')
  expect(await (await answer).text()).toBe('done')
  await isDrained
})
