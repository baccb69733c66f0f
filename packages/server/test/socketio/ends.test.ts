/**
 * How the server ends a connection, down to the bytes. A client that is to come back sees its line cut: no close frame.
 * A client that is to stay away has its last word, a DISCONNECT packet and a close frame, one after the other.
 */
import { EventEmitter } from 'node:events'
import type { Socket } from 'socket.io'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createEnds,
  LAST_WORD_PAUSE_MS,
  REFUSAL_HOLD_MS,
  REFUSAL_JITTER,
  REFUSALS_HELD_MAX,
  WRITE_OUT_MS,
} from '../../src/socketio/ends.js'
import { withOutages, type MembershipsWithOutages } from '../../src/testing/outages.js'
import { CLOSE, connectTcp, serverFrames, upgradeRequest, type TcpClient } from '../support/tcp.js'
import { startWire, token, type Wire, type WireOptions } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob']]] } as const
const DISCONNECT = '41'

/** Over a WebSocket, after its CONNECT was sent. */
async function comeIn(port: number, auth: Readonly<Record<string, unknown>>): Promise<TcpClient> {
  const client = await connectTcp(port)
  client.tcp.write(upgradeRequest())
  await client.until('"sid"')
  client.send(`40${JSON.stringify(auth)}`)
  return client
}

/** … and has its first picture. */
async function openSession(port: number, auth: Readonly<Record<string, unknown>> = {}): Promise<TcpClient> {
  const client = await comeIn(port, { token: token('ann'), ...auth })
  await client.until('presence:devices')
  return client
}

/** Resolves once the server has ended the TCP connection. */
function ended({ tcp }: TcpClient): Promise<void> {
  return new Promise((resolve) => {
    if (tcp.destroyed || tcp.readableEnded) resolve()
    tcp.once('end', resolve).once('close', resolve)
  })
}

/** What came after the first picture, or after the handshake. A close frame is `close`. */
function lastFrames(client: TcpClient): string[] {
  const frames = serverFrames(client.text()).map(({ opcode, text }) => (opcode === CLOSE ? 'close' : text))
  const from = frames.findLastIndex((frame) => frame.includes('presence:devices') || frame.startsWith('0{'))
  return frames.slice(from + 1)
}

/** Resolves once there is a close frame. */
function closeFrame(client: TcpClient): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (lastFrames(client).includes('close')) resolve()
      else client.tcp.once('data', look)
    }
    look()
  })
}

function closed(code: string): unknown {
  return expect.stringMatching(`^42\\["presence:closed",\\{"code":"${code}",`)
}

const inMs = (ms: number) => (Date.now() + ms) / 1_000

describe('a client that is to come back has its line cut, without a close frame', () => {
  it('when its token ends', async () => {
    await using wire = await startWire({ rows })
    using ann = await openSession(wire.port, { token: token('ann', { exp: inMs(300) }) })
    await ended(ann)
    expect(lastFrames(ann)).toEqual([])
    await wire.until('the end of the connection', () => wire.presence.sizes().connections === 0)
  })

  it('when Socket.IO is closed, which is a drain: nobody is seen leaving', async () => {
    await using wire = await startWire({ rows, presence: { graceMs: 0, reattachGraceMs: 60_000 } })
    using ann = await openSession(wire.port)
    const isClosed = wire.io.close()
    await ended(ann)
    expect(lastFrames(ann)).toEqual([])
    expect(wire.presence.get('ann')).toEqual({ online: true, count: 1 })
    await isClosed
  })

  it('when connectionStateRecovery let it past the checks, and it is refused afterwards', async () => {
    await using wire = await startWire({
      rows,
      server: { connectionStateRecovery: {} },
      presence: { allowRecovery: true },
    })
    const first = await openSession(wire.port)
    const pid = /"pid":"([^"]+)"/u.exec(first.text())?.[1]
    wire.io.emit('host', 'an offset')
    await first.until('an offset')
    const offset = /"an offset","([^"]+)"/u.exec(first.text())?.[1]
    first.tcp.destroy()
    await wire.until('the loss', () => wire.presence.sizes().connections === 0)
    using second = await comeIn(wire.port, { token: 'no token', pid, offset })
    await ended(second)
    expect(lastFrames(second)).toEqual([expect.stringMatching(/^40/u)])
  })

  it.each<[string, WireOptions, (wire: Wire) => Promise<void> | void]>([
    ['unavailable', { wrap: away }, () => {}],
    [
      'internal',
      { wrap: (memory) => ({ ...memory, readUsers: () => Promise.reject(new Error('a bug')) }) },
      () => {},
    ],
    ['overloaded', { presence: { admittingMax: 1, pendingMax: 1, authenticate: never } }, blockTheDoor],
  ])('when it is refused as %s', async (code, options, bringAbout) => {
    await using wire = await startWire({ rows, ...options })
    await bringAbout(wire)
    using ann = await comeIn(wire.port, { token: token('ann') })
    await wire.until('the refusal', () => wire.log.some(({ fields }) => fields.code === code))
    await ended(ann)
    expect(lastFrames(ann)).toEqual([])
  })

  it('when it is refused and speaks protocol 2, after it heard why', async () => {
    await using wire = await startWire({ rows, wrap: away })
    using ann = await comeIn(wire.port, { token: token('ann'), protocol: 2 })
    await ended(ann)
    expect(lastFrames(ann)).toEqual([expect.stringMatching(/^44.*"code":"unavailable"/u)])
  })

  it('once what is pending has been written', async () => {
    await using wire = await startWire({ rows, presence: { graceMs: 0 } })
    using ann = await openSession(wire.port, { token: token('ann', { exp: inMs(300) }) })
    ann.tcp.pause()
    wire.io.emit('host', MORE_THAN_FITS)
    wire.io.emit('host', 'the last one')
    await wire.until('the end of the token', () => !wire.presence.get('ann').online)
    ann.tcp.resume()
    await ended(ann)
    expect(lastFrames(ann)).toEqual([`42["host","${MORE_THAN_FITS}"]`, '42["host","the last one"]'])
  })

  it('also when it never reads what is pending', async () => {
    await using wire = await startWire({ rows })
    using ann = await openSession(wire.port, { token: token('ann', { exp: inMs(300) }) })
    ann.tcp.pause()
    wire.io.emit('host', MORE_THAN_FITS)
    await wire.until('the end of the connection', () => wire.io.engine.clientsCount === 0)
  })

  it('also over polling, where it hears that the connection has ended', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann', {
      transports: ['polling'],
      auth: { token: token('ann', { exp: inMs(300) }) },
    })
    await ann.until(({ ends }) => ends.length === 1)
    expect(ann.ends).toEqual(['transport close'])
    expect(ann.socket.active).toBe(true)
  })
})

describe('a client that is to stay away hears why, then a DISCONNECT packet, then a close frame', () => {
  const others: Readonly<Record<string, (wire: Wire) => Promise<TcpClient> | undefined>> = {
    kicked: ({ presence }) => {
      presence.kick('ann')
      return undefined
    },
    logged_out: async ({ port }) => {
      const other = await openSession(port, { deviceId: 'phone' })
      other.send('42["presence:leave",{"scope":"device"}]')
      return other
    },
  }
  it.each(Object.entries(others))('when it is %s', async (code, bringAbout) => {
    await using wire = await startWire()
    using ann = await openSession(wire.port, { deviceId: 'phone' })
    using _other = await bringAbout(wire)
    await closeFrame(ann)
    expect(lastFrames(ann)).toEqual([closed(code), DISCONNECT, 'close'])
  })

  it('but is not told why when it is replaced by its own next connection', async () => {
    await using wire = await startWire()
    using ann = await openSession(wire.port, { clientId: 'run-1' })
    using _next = await openSession(wire.port, { clientId: 'run-1' })
    await closeFrame(ann)
    expect(lastFrames(ann)).toEqual([DISCONNECT, 'close'])
  })

  it('when the user has too many sessions', async () => {
    await using wire = await startWire({ presence: { sessionsPerUserMax: 1 } })
    using _first = await openSession(wire.port, { deviceId: 'phone' })
    using second = await comeIn(wire.port, { token: token('ann'), deviceId: 'laptop' })
    await closeFrame(second)
    expect(lastFrames(second)).toEqual([
      expect.stringMatching(/^40/u),
      closed('too_many_sessions'),
      DISCONNECT,
      'close',
    ])
  })

  it('when it leaves: the answer comes first, and others hear at once', async () => {
    await using wire = await startWire({ rows })
    const bob = await wire.connect('bob')
    using ann = await openSession(wire.port)
    await bob.until('ann 1 in c')
    const order: string[] = []
    wire.presence.on('offline', () => order.push('offline'))
    wire.io.sockets.sockets.forEach((socket) => socket.on('disconnect', () => order.push('disconnect')))
    ann.send('420["presence:leave",{}]')
    await closeFrame(ann)
    expect(lastFrames(ann)).toEqual(['430[{"ok":true}]', DISCONNECT, 'close'])
    expect(order).toEqual(['offline', 'disconnect'])
  })

  it('each in bytes of its own: a library that handles packets in threads would mix them up', async () => {
    await using wire = await startWire()
    using ann = await openSession(wire.port)
    const chunks: number[] = []
    ann.tcp.on('data', () => chunks.push(lastFrames(ann).length))
    wire.presence.kick('ann')
    await closeFrame(ann)
    expect(chunks).toEqual([1, 2, 3])
  })

  it('in every namespace of its connection', async () => {
    await using wire = await startWire()
    wire.io.of('/other').on('connection', () => {})
    using ann = await openSession(wire.port)
    ann.send('40/other,')
    await ann.until('40/other,')
    wire.presence.kick('ann')
    await closeFrame(ann)
    expect(lastFrames(ann).slice(-4)).toEqual([closed('kicked'), DISCONNECT, '41/other,', 'close'])
  })

  it('and nothing is taken from it from the first of them on', async () => {
    await using wire = await startWire({ rows })
    const heard: string[] = []
    wire.io.on('connection', (socket) => {
      socket.onAny((name: string) => heard.push(name))
    })
    const bob = await wire.connect('bob')
    using ann = await openSession(wire.port)
    ann.send('42["before"]')
    await wire.until('what came before', () => heard.includes('before'))
    wire.presence.kick('ann')
    for (const name of ['after', 'typing:start']) ann.send(`42["${name}",{"convId":"c"}]`)
    await closeFrame(ann)
    expect(heard).toEqual(['before'])
    await bob.fence()
    expect(bob.hear().filter((line) => line.includes('types'))).toEqual([])
  })

  it('and is cut when it reads nothing', async () => {
    await using wire = await startWire()
    using ann = await openSession(wire.port)
    ann.tcp.pause()
    wire.io.emit('host', MORE_THAN_FITS)
    wire.presence.kick('ann')
    await wire.until('the end of the connection', () => wire.io.engine.clientsCount === 0)
    ann.tcp.resume()
    await ended(ann)
  })

  it('and is cut when it does not answer the close frame', async () => {
    await using wire = await startWire()
    using ann = await openSession(wire.port)
    wire.presence.kick('ann')
    await ended(ann)
    expect(lastFrames(ann).at(-1)).toBe('close')
  })
})

describe('a refusal that says to try again', () => {
  it('takes no place at the gate while it is held', async () => {
    let outages: MembershipsWithOutages | undefined
    await using wire = await startWire({
      wrap: (memory) => (outages = withOutages(memory)),
      presence: { admittingMax: 1, pendingMax: 1 },
    })
    outages?.goAway()
    using bob = await comeIn(wire.port, { token: token('bob') })
    await wire.until('the refusal', () => wire.log.some(({ fields }) => fields.code === 'unavailable'))
    outages?.comeBack()
    await wire.connect('ann')
    expect(bob.tcp.readableEnded || bob.tcp.destroyed).toBe(false)
  })

  it('leaves nothing behind when the client goes meanwhile', async () => {
    await using wire = await startWire({ wrap: away })
    using bob = await comeIn(wire.port, { token: token('bob') })
    await wire.until('the refusal', () => wire.log.some(({ fields }) => fields.code === 'unavailable'))
    bob.tcp.destroy()
    await wire.until('the end of the connection', () => wire.io.engine.clientsCount === 0)
    expect(wire.io.sockets.sockets.size).toBe(0)
    expect(wire.presence.sizes()).toMatchObject({ connections: 0, users: 0 })
  })

  it('is not waited for when presence is closed', async () => {
    await using wire = await startWire({ wrap: away })
    using bob = await comeIn(wire.port, { token: token('bob') })
    await wire.until('the refusal', () => wire.log.some(({ fields }) => fields.code === 'unavailable'))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      await wire.presence.close()
      await ended(bob)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('the clock of an end', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('a refusal is held for a time around REFUSAL_HOLD_MS, which chance decides', () => {
    const ends = createEnds(fail)
    const times: number[] = []
    for (let i = 0; i < 100; i++) {
      const over = vi.fn()
      ends.hold(socketOf(fakeConnection()), over)
      let ms = 0
      for (; over.mock.calls.length === 0; ms += 10) vi.advanceTimersByTime(10)
      times.push(ms)
    }
    expect(Math.min(...times)).toBeGreaterThanOrEqual(REFUSAL_HOLD_MS * (1 - REFUSAL_JITTER))
    expect(Math.max(...times)).toBeLessThanOrEqual(REFUSAL_HOLD_MS * (1 + REFUSAL_JITTER) + 10)
    expect(new Set(times).size).toBeGreaterThan(10)
    expect(ends.held).toBe(0)
  })

  it('REFUSALS_HELD_MAX are held, and one more is cut at once', () => {
    const ends = createEnds(fail)
    const over = vi.fn()
    for (let i = 0; i < REFUSALS_HELD_MAX; i++) ends.hold(socketOf(fakeConnection()), over)
    expect([ends.held, over.mock.calls.length]).toEqual([REFUSALS_HELD_MAX, 0])
    ends.hold(socketOf(fakeConnection()), over)
    expect([ends.held, over.mock.calls.length]).toEqual([REFUSALS_HELD_MAX, 1])
    ends.close()
    expect([ends.held, over.mock.calls.length]).toEqual([0, REFUSALS_HELD_MAX + 1])
    ends.hold(socketOf(fakeConnection()), over)
    expect([ends.held, over.mock.calls.length]).toEqual([0, REFUSALS_HELD_MAX + 2])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a connection is held once, however often it asks to be let in', () => {
    const ends = createEnds(fail)
    const conn = fakeConnection()
    const over = vi.fn()
    ends.hold(socketOf(conn), over)
    ends.hold(socketOf(conn), over)
    expect([ends.held, over.mock.calls.length]).toEqual([1, 1])
    conn.emit('close')
    expect([ends.held, over.mock.calls.length, vi.getTimerCount()]).toEqual([0, 2, 0])
  })

  it('what cannot be written is waited for no longer than WRITE_OUT_MS', () => {
    const ends = createEnds(fail)
    const conn = fakeConnection(['never written'])
    ends.cutWhenWritten(socketOf(conn))
    vi.advanceTimersByTime(WRITE_OUT_MS - 1)
    expect(conn.close).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(conn.close).toHaveBeenCalledWith(true)
    expect(conn.eventNames()).toEqual([])
    expect(conn.transport.eventNames()).toEqual([])
  })

  it('the pause begins when the last word has been written, also on a transport that was exchanged meanwhile', () => {
    const ends = createEnds(fail)
    const conn = fakeConnection(['the last word'])
    ends.cutWhenWritten(socketOf(conn), LAST_WORD_PAUSE_MS)
    const polling = conn.transport
    conn.transport = fakeTransport()
    conn.emit('upgrade')
    expect(polling.eventNames()).toEqual([])
    vi.advanceTimersByTime(WRITE_OUT_MS - 1)
    conn.writeBuffer.length = 0
    conn.transport.emit('ready')
    vi.advanceTimersByTime(LAST_WORD_PAUSE_MS - 1)
    expect(conn.close).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(conn.close).toHaveBeenCalledWith(true)
  })

  it('a connection that closes by itself meanwhile is left alone', () => {
    const ends = createEnds(fail)
    const conn = fakeConnection(['never written'])
    ends.cutWhenWritten(socketOf(conn))
    conn.emit('close')
    vi.advanceTimersByTime(WRITE_OUT_MS)
    expect(conn.close).not.toHaveBeenCalled()
    expect([conn.eventNames(), vi.getTimerCount()]).toEqual([[], 0])
  })
})

it('a held refusal does not keep the process alive', () => {
  const ends = createEnds(fail)
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  ends.hold(socketOf(fakeConnection()), () => {})
  expect(timers()).toBe(before)
  ends.close()
})

/** More than the kernel holds for both ends of a connection that is not read. */
const MORE_THAN_FITS = 'x'.repeat(16 * 1024 * 1024)

function away(memory: Parameters<typeof withOutages>[0]): MembershipsWithOutages {
  const outages = withOutages(memory)
  // Once it has been opened: a store that never opens is another case.
  void Promise.resolve().then(() => {
    outages.goAway()
  })
  return outages
}

function never(): Promise<never> {
  return new Promise(() => {})
}

/** One is being checked for ever, and that is as many as may be at the door. */
async function blockTheDoor(wire: Wire): Promise<void> {
  let arrived = 0
  wire.io.use((_socket, next) => {
    arrived++
    next()
  })
  wire.client('eve')
  await wire.until('the door is blocked', () => wire.io.engine.clientsCount > 0 || arrived > 0)
}

function fail(error: unknown): never {
  throw error
}

function fakeTransport(): EventEmitter & { name: string; writable: boolean } {
  return Object.assign(new EventEmitter(), { name: 'websocket', writable: true })
}

interface FakeConnection extends EventEmitter {
  readonly readyState: string
  readonly writeBuffer: unknown[]
  transport: ReturnType<typeof fakeTransport>
  readonly close: ReturnType<typeof vi.fn>
}

/** An open connection of another WebSocket server than ws. */
function fakeConnection(writeBuffer: unknown[] = []): FakeConnection {
  return Object.assign(new EventEmitter(), {
    readyState: 'open',
    writeBuffer,
    transport: fakeTransport(),
    close: vi.fn(),
  })
}

function socketOf(conn: FakeConnection): Socket {
  return { conn } as unknown as Socket
}
