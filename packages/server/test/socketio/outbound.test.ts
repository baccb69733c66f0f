import { EventEmitter } from 'node:events'
import type { Duplex, Writable } from 'node:stream'
import * as ws from 'ws'
import { WebSocketServer, type WebSocket } from 'ws'
import { describe, expect, it, vi } from 'vitest'
import { textFrame } from '../../src/socketio/websocket-frames.js'
import { valueOf } from '../support/metrics.js'
import { startWire, type WireClient } from '../support/wire.js'

const friends = { conversations: [['c', ['ann', 'bob', 'cid']]] } as const

/** What outbound.ts uses of engine.io and ws beyond their public types. */
interface ServerTransport {
  readonly name: string
  writable: boolean
  send(packets: readonly { readonly options: { readonly wsPreEncodedFrame?: readonly Buffer[] } }[]): void
  readonly socket: {
    readonly _sender: { sendFrame(list: readonly Buffer[], callback: () => void): void }
    readonly _socket: Duplex
  }
  once(event: string, listener: () => void): void
}
const transportOf = (client: WireClient) => client.server().conn.transport as unknown as ServerTransport

/** The client's end of the TCP connection. */
function tcpOf(client: WireClient): { pause(): void; resume(): void } {
  const { ws } = client.socket.io.engine.transport as unknown as {
    ws: { _socket: { pause(): void; resume(): void } }
  }
  return ws._socket
}

describe('textFrame', () => {
  it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])('of %i bytes is what ws reads', (length) => {
    const messages: string[] = []
    // Not in its types: the half of ws that reads.
    const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable }
    const receiver = new Receiver({ isServer: false })
    receiver.on('message', (data: Buffer, isBinary: boolean) => {
      messages.push(isBinary ? 'binary' : data.toString())
    })
    const text = 'x'.repeat(length)
    receiver.write(Buffer.concat([textFrame(text), textFrame('é😀')]))
    expect(messages).toEqual([text, 'é😀'])
  })
})

describe('over a WebSocket', () => {
  it('a change is one write of finished frames to the stream under ws, which ws writes its own to as well', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    const transport = transportOf(ann)
    const { _socket: stream } = transport.socket
    const sent = vi.spyOn(transport, 'send')
    const written = vi.spyOn(stream, 'write')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    expect(transport.name).toBe('websocket')
    expect(sent).not.toHaveBeenCalled()
    expect(written).toHaveBeenCalledTimes(1)
    // Written at once: what is seen of the stream by the next offer is true.
    expect(stream.writableLength).toBe(0)
    written.mockClear()
    transport.socket._sender.sendFrame([textFrame('42["host",1]')], () => {})
    expect(written).toHaveBeenCalledTimes(1)
  })

  it('a handshake is two system calls: the upgrade and engine.io’s opening, then the CONNECT and the picture', async () => {
    const calls: string[][] = []
    await using wire = await startWire({
      rows: friends,
      before: (io) => {
        io.engine.on('headers', (_headers: unknown, { socket }: { socket: Duplex }) => {
          const mine: string[] = []
          calls.push(mine)
          const spied = socket as unknown as Record<'_write' | '_writev', (...args: unknown[]) => void>
          const { _write: write, _writev: writev } = spied
          spied._write = (chunk, ...rest) => {
            mine.push(String(chunk))
            write.call(socket, chunk, ...rest)
          }
          spied._writev = (chunks, ...rest) => {
            mine.push((chunks as { chunk: unknown }[]).map(({ chunk }) => String(chunk)).join(''))
            writev.call(socket, chunks, ...rest)
          }
        })
      },
    })
    // The first shows where connections come from.
    await wire.connect('bob', { transports: ['websocket'] })
    const ann = await wire.connect('ann', { transports: ['websocket'] })
    expect(ann.hear()).toEqual(['ann 1', 'ann 1 in c', 'bob 1 in c'])
    const texts = calls.at(-1)?.slice(0, 2) ?? []
    expect(texts).toHaveLength(2)
    expect(texts[0]).toMatch(/^HTTP\/1\.1 101 [\s\S]*\{"sid":"[^"]+"/u)
    expect(texts[1]).toMatch(/40\{"sid":[\s\S]*bob/u)
  })

  it('what the host sends when somebody connects keeps its place behind the CONNECT', async () => {
    await using wire = await startWire({
      rows: friends,
      before: (io) => {
        io.on('connection', (socket) => {
          socket.emit('host', 1)
          socket.emit('host', 2)
        })
      },
    })
    await wire.connect('bob', { transports: ['websocket'] })
    const ann = await wire.connect('ann', { transports: ['websocket'] })
    await ann.until('bob 1 in c')
    expect(ann.hear().filter((line) => line.startsWith('host'))).toEqual(['host 1', 'host 2'])
  })

  it('a later middleware of the host that takes its time finds a connection like any other', async () => {
    await using wire = await startWire({ rows: friends })
    wire.io.use((_socket, next) => {
      setImmediate(() => setImmediate(next))
    })
    const ann = await wire.connect('ann', { transports: ['websocket'] })
    await wire.connect('bob', { transports: ['websocket'] })
    await ann.until('bob 1 in c')
    expect(ann.hear()).toEqual(['ann 1', 'ann 1 in c', 'bob 1 in c'])
  })

  it('what engine.io keeps back for want of room goes first', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    await ann.fence()
    ann.hear()
    // The first is under way until the next turn of the loop, so the second waits in engine.io.
    ann.server().emit('host', 1)
    ann.server().emit('host', 2)
    wire.presence.kick('nobody')
    await Promise.all([wire.connect('bob'), ann.until('bob 1 in c')])
    expect(ann.hear()).toEqual(['host 1', 'host 2', 'bob 1 in c'])
  })

  it('engine.io says `ready` when it can be written again, and keeps what cannot be written in writeBuffer', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    const transport = transportOf(ann)
    expect(transport.writable).toBe(true)
    const ready = new Promise<void>((resolve) => {
      transport.once('ready', resolve)
    })
    ann.server().emit('host', 1)
    expect(transport.writable).toBe(false)
    ann.server().emit('host', 2)
    const { writeBuffer } = ann.server().conn as unknown as { writeBuffer: readonly unknown[] }
    expect(writeBuffer).toHaveLength(1)
    await ready
    await ann.until(({ told }) => told.at(-1)?.[1] === 2)
  })

  it('the same change is encoded once for all who hear it', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    const cid = await wire.connect('cid')
    await ann.fence()
    await cid.fence()
    ann.hear()
    cid.hear()
    const encode = vi.spyOn(JSON, 'stringify')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    await cid.until('bob 1 in c')
    const ofBob = encode.mock.calls.filter(([value]) => {
      const { userId, conversationId } = (value ?? {}) as Record<string, unknown>
      return userId === 'bob' && conversationId === 'c'
    })
    encode.mockRestore()
    expect(ofBob).toHaveLength(1)
  })

  it('a client that does not read is owed one state, not a queue, and has the right one when it reads again', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.until('bob 1 in c')
    ann.hear()
    const { conn } = ann.server()
    tcpOf(ann).pause()
    // More than the kernel holds for both ends: from here on the connection cannot be written.
    ann.server().emit('host', 'x'.repeat(32 * 1024 * 1024))
    let longestBuffer = 0
    let packets = 0
    conn.on('packetCreate', () => {
      packets++
      longestBuffer = Math.max(
        longestBuffer,
        (conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length,
      )
    })
    for (let i = 0; i < 1_000; i++) {
      bob.socket.emit('typing:start', { convId: 'c' })
      bob.socket.emit('typing:stop', { convId: 'c' })
    }
    expect(await bob.ask('typing:start', { convId: 'c' })).toEqual({ ok: true })
    const cid = await wire.connect('cid')
    expect([packets, longestBuffer]).toEqual([0, 0])
    expect(wire.presence.sizes().owed).toBeLessThanOrEqual(4)
    expect(valueOf(wire.presence, 'presence_connections_blocked')).toBe(1)
    tcpOf(ann).resume()
    await ann.until('cid 1 in c')
    await ann.fence()
    expect(ann.hear().filter((line) => !line.startsWith('host'))).toEqual(['cid 1 in c', 'bob types in c'])
    expect(cid.socket.connected).toBe(true)
    expect(valueOf(wire.presence, 'presence_connections_blocked')).toBe(0)
  })
})

describe('over polling', () => {
  it('a client whose host sends something between every two polls gets its snapshot with the next one', async () => {
    let sent = 0
    await using wire = await startWire({
      rows: friends,
      before: (io) => {
        io.use((socket, next) => {
          // With each answer to a poll the next packet of the host already waits; not for ever, or the loop is full.
          socket.conn.on('drain', () => sent < 40 && socket.emit('host', ++sent))
          next()
        })
      },
    })
    const ann = wire.client('ann', { transports: ['polling'] })
    await ann.until('ann 1 in c')
    await ann.until('host 40')
    const heard = ann.hear()
    expect(heard.indexOf('host 3')).toBeGreaterThan(heard.indexOf('ann 1 in c'))
  })

  it('a client between two polls is owed one state', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann', { transports: ['polling'] })
    const bob = await wire.connect('bob')
    await ann.until('bob 1 in c')
    const transport = transportOf(ann)
    if (!transport.writable) {
      await new Promise<void>((resolve) => {
        transport.once('ready', resolve)
      })
    }
    // As when the next poll has not come yet.
    transport.writable = false
    for (let i = 0; i < 100; i++) {
      bob.socket.emit('typing:start', { convId: 'c' })
      bob.socket.emit('typing:stop', { convId: 'c' })
    }
    expect(await bob.ask('typing:start', { convId: 'c' })).toEqual({ ok: true })
    expect((ann.server().conn as unknown as { writeBuffer: unknown[] }).writeBuffer).toHaveLength(0)
    transport.writable = true
    ;(transport as unknown as EventEmitter).emit('ready')
    await ann.until('bob types in c')
    expect(ann.hear().filter((line) => line.includes('typ') || line.includes('stop'))).toEqual([
      'bob types in c',
    ])
  })
})

describe('on a WebSocket server that is not ws', () => {
  /** What engine.io asks of one, and nothing of ws's inside. */
  class PlainSocket extends EventEmitter {
    readonly #socket: WebSocket
    constructor(socket: WebSocket) {
      super()
      this.#socket = socket
      for (const event of ['message', 'close', 'error']) {
        socket.on(event, (...args: unknown[]) => this.emit(event, ...args))
      }
    }
    send(data: string | Buffer, done: (error?: Error) => void): void {
      this.#socket.send(data, done)
    }
    close(): void {
      this.#socket.close()
    }
  }
  class PlainServer extends WebSocketServer {
    override handleUpgrade(
      ...[request, socket, head, done]: Parameters<WebSocketServer['handleUpgrade']>
    ): void {
      super.handleUpgrade(request, socket, head, (opened, ...rest) => {
        done(new PlainSocket(opened) as unknown as WebSocket, ...rest)
      })
    }
  }

  it('clients are told the same, in single packets', async () => {
    await using wire = await startWire({ rows: friends, server: { wsEngine: PlainServer } })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    expect(ann.hear()).toEqual(['ann 1', 'ann 1 in c', 'bob 1 in c'])
  })
})
