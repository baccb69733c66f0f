/** Real sockets: what the transport makes of Socket.IO, against a small server that speaks protocol 2. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, createServer as createProxy, type AddressInfo } from 'node:net'
import { Server, type Socket } from 'socket.io'
import { describe, expect, test } from 'vitest'
import type { Answer, ConversationId } from '@vigie/protocol'
import { createPresenceClient, type ConnectionState, type PresenceClientOptions } from '../src/index.js'
import { defaultPlatform } from '../src/platform.js'
import { OPEN_TIMEOUT_MS } from '../src/transport.js'
import { at, change, count, room, state } from './support/fakes.js'

interface SmallServer extends AsyncDisposable {
  readonly io: Server
  readonly url: string
  /** Each connection that was let in, in order. */
  next(): Promise<Socket>
}

async function smallServer(): Promise<SmallServer> {
  const http = createServer()
  const io = new Server(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const come: Socket[] = []
  const waiting: ((socket: Socket) => void)[] = []
  io.on('connection', (socket) => {
    const give = waiting.shift()
    if (give) give(socket)
    else come.push(socket)
  })
  return {
    io,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    next: async () => come.shift() ?? new Promise((resolve) => waiting.push(resolve)),
    [Symbol.asyncDispose]: () => io.close(),
  }
}

function open(url: string, options: Partial<PresenceClientOptions> = {}) {
  const client = createPresenceClient({ url, token: 'token', reconnectBaseMs: 1, ...options })
  client.connect()
  return {
    client,
    /** Resolves with the first state, from now on or already there, of that name. */
    async reached(name: ConnectionState['name']): Promise<ConnectionState> {
      const { promise, resolve } = deferred<ConnectionState>()
      const look = (shown: ConnectionState) => {
        if (shown.name === name) resolve(shown)
      }
      const stop = client.subscribe((view) => view.state(), look)
      look(client.state())
      return promise.finally(stop)
    },
    [Symbol.dispose]: () => client.close(),
  }
}

function deferred<Value>() {
  let resolve: (value: Value) => void = () => {}
  const promise = new Promise<Value>((settle) => (resolve = settle))
  return { promise, resolve }
}

const PICTURE = state({
  users: [count('ann', 1), count('bob', 0)],
  conversations: [room<ConversationId>('c', { roster: [0, 1] })],
})

describe.each([['websocket'], ['polling']])('over %s', (transport) => {
  const socketOptions = { transports: [transport] }

  test('a picture, a change, a message with its answer, a cut, and a return with a position', async () => {
    await using server = await smallServer()
    using mine = open(server.url, { socketOptions, deviceId: 'phone' })
    const first = await server.next()
    expect(first.handshake.auth).toMatchObject({ token: 'token', protocol: 2, deviceId: 'phone' })
    first.emit('presence:state', PICTURE)
    await mine.reached('live')
    expect(mine.client.getOnlineUsersInConversation('c')).toEqual(['ann'])

    const online = deferred<readonly string[]>()
    mine.client.subscribe((view) => view.getOnlineUsersInConversation('c'), online.resolve)
    first.emit('presence:diff', { at: at(2), users: [count('bob', 1)] })
    expect(await online.promise).toEqual(['ann', 'bob'])

    const typed = deferred<unknown>()
    first.on('typing:start', (payload: unknown, acknowledge: (answer: Answer) => void) => {
      acknowledge({ ok: true })
      typed.resolve(payload)
    })
    mine.client.startTyping('c')
    expect(await typed.promise).toEqual({ convId: 'c' })

    first.conn.close()
    const second = await server.next()
    expect(second.handshake.auth).toEqual({ ...first.handshake.auth, since: at(2), sinceUser: 'me' })
    second.emit('presence:diff', {
      at: at(3),
      conversations: [change<ConversationId>('c', { typing: ['bob'] })],
    })
    await mine.reached('live')
    expect(mine.client.typing('c')).toEqual(['bob'])
    expect(mine.client.diagnostics()).toMatchObject({ reconnections: 1, states: 1, diffs: 2, errors: 0 })
    expect(mine.client.diagnostics().roundTripMs).toBeGreaterThanOrEqual(0)
  })

  test('close is a goodbye, a picture that is broken is not', async () => {
    await using server = await smallServer()
    using mine = open(server.url, { socketOptions })
    const first = await server.next()
    first.emit('presence:state', PICTURE)
    await mine.reached('live')
    const dropped = once(first, 'disconnect')
    first.emit('presence:diff', { at: at(1, 'another boot') })
    expect((await dropped)[0]).toBe('transport close')
    const second = await server.next()
    expect(second.handshake.auth).not.toHaveProperty('since')
    second.emit('presence:state', PICTURE)
    await mine.reached('live')
    const left = once(second, 'disconnect')
    mine.client.close()
    expect((await left)[0]).toBe('client namespace disconnect')
  })

  test('a refusal for good, presence:closed, and a leave each end it for good', async () => {
    await using server = await smallServer()
    server.io.use((socket, next) => {
      if (socket.handshake.auth.token === 'token') next()
      else
        next(
          Object.assign(new Error('No.'), {
            data: { code: 'token_invalid', message: 'No.', retry: 'never' },
          }),
        )
    })
    using refused = open(server.url, { socketOptions, token: 'bad' })
    expect(await refused.reached('closed')).toMatchObject({ reason: 'token_invalid' })

    using kicked = open(server.url, { socketOptions })
    const kickedSocket = await server.next()
    kickedSocket.emit('presence:closed', { code: 'kicked', message: 'Goodbye.', retry: 'never' })
    kickedSocket.disconnect(true)
    expect(await kicked.reached('closed')).toMatchObject({ reason: 'kicked' })

    using leaving = open(server.url, { socketOptions })
    const leavingSocket = await server.next()
    leavingSocket.on('presence:leave', (_payload: unknown, acknowledge: (answer: Answer) => void) => {
      acknowledge({ ok: true })
      leavingSocket.disconnect(true)
    })
    leavingSocket.emit('presence:state', PICTURE)
    await leaving.reached('live')
    await leaving.client.leave({ scope: 'device' })
    expect(leaving.client.state()).toEqual({ name: 'closed', reason: 'left' })
  })

  test('a connection that is closed while it is let in tries again', async () => {
    await using server = await smallServer()
    let attempts = 0
    server.io.use((socket, next) => {
      attempts += 1
      if (attempts > 2) next()
      else {
        socket.conn.close()
        next(new Error('Later.'))
      }
    })
    using mine = open(server.url, { socketOptions })
    const socket = await server.next()
    socket.emit('presence:state', PICTURE)
    await mine.reached('live')
    expect(attempts).toBe(3)
  })
})

test("the host's own listeners on the socket hear on after a return", async () => {
  await using server = await smallServer()
  using mine = open(server.url)
  const heard = deferred<string>()
  mine.client.socket.on('message', heard.resolve)
  const first = await server.next()
  first.conn.close()
  const second = await server.next()
  second.emit('message', 'hello')
  expect(await heard.promise).toBe('hello')
})

test('a server that is not there yet is found when it is', async () => {
  const gone = await smallServer()
  const { port } = new URL(gone.url)
  await gone.io.close()
  using mine = open(gone.url)
  expect(await mine.reached('backingOff')).toMatchObject({ reason: 'lost' })
  const http = createServer()
  await using io = Object.assign(new Server(http), { [Symbol.asyncDispose]: () => io.close() })
  io.on('connection', (socket) => socket.emit('presence:state', PICTURE))
  http.listen(Number(port), '127.0.0.1')
  await mine.reached('live')
})

test('what is said to a line that Socket.IO takes for dead is not said to the next one; the host’s own message is', async () => {
  await using server = await smallServer()
  using mine = open(server.url, { socketOptions: { transports: ['websocket'] } })
  const first = await server.next()
  first.emit('presence:state', PICTURE)
  await mine.reached('live')
  const { socket } = mine.client
  // The wall clock jumps, as after a sleep: the time of the server's ping is over, and nothing has said so yet.
  const { now } = Date
  Date.now = () => now() + 3_600_000
  try {
    mine.client.startTyping('c')
    socket.emit('message', 'of the host')
  } finally {
    Date.now = now
  }
  const heard: string[] = []
  const second = await server.next()
  const message = deferred<string>()
  second.onAny((name: string) => {
    heard.push(name)
    if (name === 'message') message.resolve(name)
  })
  second.emit('presence:state', PICTURE)
  await message.promise
  expect(heard).toEqual(['message'])
})

describe('a way to the server that hangs', () => {
  test.each([
    ['never answers the upgrade', ''],
    [
      'answers the upgrade, and then nothing',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n',
    ],
  ])('because a proxy %s is given up, and the next attempt begins with polling', async (_, answer) => {
    await using server = await smallServer()
    const proxy = createProxy((client) => {
      client.on('error', () => {})
      client.once('data', (request) => {
        const text = String(request)
        if (!/upgrade: websocket/iu.test(text)) {
          const to = connect(Number(new URL(server.url).port), '127.0.0.1')
          to.on('error', () => client.destroy())
          to.write(request)
          client.pipe(to).pipe(client)
          return
        }
        const key = /sec-websocket-key: (\S+)/iu.exec(text)?.[1] ?? ''
        const accept = createHash('sha1')
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest('base64')
        if (answer) client.write(`${answer}Sec-WebSocket-Accept: ${accept}\r\n\r\n`)
      })
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const platform = { ...defaultPlatform, setTimeout: hurried(defaultPlatform.setTimeout) }
    using mine = open(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, { platform })
    const socket = await server.next()
    socket.emit('presence:state', PICTURE)
    await mine.reached('live')
    expect(socket.conn.transport.name).toBe('polling')
    mine.client.close()
    proxy.close()
  })
})

/** Of the timers only the one that waits for a way to open comes sooner. */
function hurried(start: typeof defaultPlatform.setTimeout): typeof defaultPlatform.setTimeout {
  return (run, delayMs) => start(run, delayMs === OPEN_TIMEOUT_MS ? 50 : delayMs)
}
