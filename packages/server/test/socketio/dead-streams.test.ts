/**
 * A connection can end in a way that its stream never drains: the client half-closes and does not read, resets with
 * bytes pending, or the stream is destroyed. Whatever its outlet was doing at that moment, the process goes on
 * answering, and the session is lost.
 */
import { once } from 'node:events'
import type { Socket as NetSocket } from 'node:net'
import { expect, it } from 'vitest'
import type { Connection } from '../../src/socketio/internals.js'
import { valueOf } from '../support/metrics.js'
import { clientFrame, connectTcp, openTcpSession, upgradeRequest, type TcpClient } from '../support/tcp.js'
import { startWire, type Wire } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob', 'cid']]] } as const
const presence = { graceMs: 0, reattachGraceMs: 0 } as const

/** More than the kernel holds for both ends of a connection that is not read. */
const MORE_THAN_FITS = 'x'.repeat(16 * 1024 * 1024)

type ServerEnd = (wire: Wire) => { connection: Connection; stream: NetSocket }

/** Of the first session, which is the one that ends. */
const serverEnd: ServerEnd = ({ io }) => {
  const [socket] = io.sockets.sockets.values()
  if (!socket) throw new Error('nobody is connected')
  const connection = socket.conn as unknown as Connection
  return { connection, stream: connection.transport.socket?._socket as NetSocket }
}

const ends: Readonly<Record<string, (client: TcpClient, stream: NetSocket) => Promise<void>>> = {
  'half-closes': async ({ tcp }, stream) => {
    const ended = new Promise((resolve) =>
      stream.once('finish', resolve).once('end', resolve).once('close', resolve),
    )
    tcp.end()
    await ended
  },
  resets: async ({ tcp }, stream) => {
    const closed = new Promise((resolve) => stream.once('close', resolve))
    tcp.resetAndDestroy()
    // A missed ping may have ended it already.
    if (!stream.destroyed) await closed
  },
  'is destroyed on the server': async (_client, stream) => {
    stream.destroy()
  },
}

const states: Readonly<Record<string, (wire: Wire, client: TcpClient) => Promise<void> | void>> = {
  idle: () => {},
  'busy with what the host sends': (wire, client) => {
    client.tcp.pause()
    wire.io.emit('host', MORE_THAN_FITS)
  },
  'busy with bytes in the stream alone': (wire, client) => {
    client.tcp.pause()
    const { stream } = serverEnd(wire)
    // As a large diff is written: engine.io knows nothing of it.
    stream.write(MORE_THAN_FITS)
    expect(stream.writableLength).toBeGreaterThan(0)
  },
  'waiting for its stream': async (wire, client) => {
    client.tcp.pause()
    serverEnd(wire).stream.write(MORE_THAN_FITS)
    const bob = await wire.connect('bob')
    await bob.fence()
  },
  'waiting for its transport': async (wire, client) => {
    client.tcp.pause()
    wire.io.emit('host', MORE_THAN_FITS)
    const bob = await wire.connect('bob')
    await bob.fence()
  },
}

/** A loop that never leaves its microtasks or ticks answers nothing. */
async function answersHttp({ url }: Wire): Promise<void> {
  const { status } = await fetch(`${url}/socket.io/?EIO=4&transport=polling`)
  expect(status).toBe(200)
}

async function nothingIsLeftOf(wire: Wire, client: TcpClient): Promise<void> {
  await answersHttp(wire)
  client.tcp.resume()
  await wire.until('the loss of ann', () => !wire.presence.get('ann').online)
  const others = wire.presence.sizes().connections ?? 0
  expect(wire.presence.sizes()).toMatchObject({ owed: 0, sessions: others })
  await answersHttp(wire)
}

for (const [state, bringAbout] of Object.entries(states)) {
  for (const [name, end] of Object.entries(ends)) {
    it(`whoever ${name} while the outlet is ${state} is lost, and the process answers`, async () => {
      await using wire = await startWire({ rows, presence, server: { pingInterval: 300, pingTimeout: 300 } })
      using client = await openTcpSession(wire.port, 'ann')
      await bringAbout(wire, client)
      await end(client, serverEnd(wire).stream)
      // From here on something is pending for ann's session.
      await wire.connect('cid')
      await nothingIsLeftOf(wire, client)
    })
  }
}

for (const end of ['end', 'destroy'] as const) {
  it(`a stream on which the server called ${end}() while its handshake was corked is lost, and the process answers`, async () => {
    let isFirst = true
    await using wire = await startWire({
      rows,
      presence,
      server: { pingInterval: 300, pingTimeout: 300 },
      before: (io) => {
        io.on('connection', ({ conn }) => {
          if (!isFirst) return
          isFirst = false
          const { transport } = conn as unknown as Connection
          transport.socket?._socket?.[end]()
        })
      },
    })
    const ann = wire.client('ann')
    await ann.until(({ ends: seen }) => seen.length > 0)
    await wire.connect('bob')
    await answersHttp(wire)
    expect(wire.presence.sizes()).toMatchObject({ owed: 0, sessions: 1 })
  })
}

it('a server that is closed while an outlet waits ends, and nothing asks the stream again', async () => {
  const wire = await startWire({ rows, presence })
  using client = await openTcpSession(wire.port, 'ann')
  client.tcp.pause()
  const { stream } = serverEnd(wire)
  stream.write(MORE_THAN_FITS)
  await wire.connect('bob')
  const closed = wire.close()
  client.tcp.destroy()
  await closed
  expect(stream.destroyed).toBe(true)
})

it('a client that takes nothing for stalledClientMs is cut, though it goes on sending', async () => {
  await using wire = await startWire({ rows, presence: { ...presence, stalledClientMs: 100 } })
  using client = await openTcpSession(wire.port, 'ann')
  client.tcp.pause()
  serverEnd(wire).stream.write(MORE_THAN_FITS)
  const pongs = setInterval(() => {
    client.send('3')
  }, 10)
  try {
    await wire.connect('bob')
    await wire.until('the loss of ann', () => !wire.presence.get('ann').online)
    expect(wire.presence.sizes()).toMatchObject({ owed: 0, sessions: 1 })
    expect(valueOf(wire.presence, 'presence_stalled_cut_total')).toBe(1)
  } finally {
    clearInterval(pongs)
  }
})

it('a write that fails closes the connection: its client starts anew instead of missing something for ever', async () => {
  await using wire = await startWire({ rows })
  const ann = await wire.connect('ann', { reconnection: true })
  const { stream } = serverEnd(wire)
  stream.write = () => {
    throw new Error('broken')
  }
  await wire.connect('bob')
  await ann.until(({ connections }) => connections === 2)
  await ann.until('bob 1 in c')
  expect(wire.log.filter(({ level }) => level === 'error')).toHaveLength(1)
})

it('somebody who half-closes, reads nothing and stays is given up: their stream, and what waits in it, does not last', async () => {
  await using wire = await startWire({
    rows,
    presence: { ...presence, stalledClientMs: 100 },
    server: { pingInterval: 300, pingTimeout: 300 },
  })
  using client = await openTcpSession(wire.port, 'ann')
  const { stream, connection } = serverEnd(wire)
  client.tcp.pause()
  wire.io.emit('host', MORE_THAN_FITS)
  const closed = once(stream, 'close')
  client.tcp.end()
  await wire.until('the end of the connection', () => connection.readyState === 'closed')
  await closed
  expect(stream.destroyed).toBe(true)
})

it('the same holds for a connection that never became a session, and whose pongs nobody reads', async () => {
  await using wire = await startWire({
    rows,
    presence: { ...presence, stalledClientMs: 100 },
    server: { pingInterval: 300, pingTimeout: 2_000 },
  })
  await wire.connect('bob')
  using client = await connectTcp(wire.port)
  const opened = once(wire.io.engine, 'connection') as Promise<[Connection]>
  client.tcp.write(upgradeRequest())
  const [connection] = await opened
  const stream = connection.transport.socket?._socket as NetSocket
  client.tcp.pause()
  const closed = once(stream, 'close')
  const ping = clientFrame('x'.repeat(125), 0x89)
  client.tcp.write(Buffer.concat(Array(Math.ceil(MORE_THAN_FITS.length / 125)).fill(ping)))
  client.tcp.end()
  await once(stream, 'end')
  expect(stream.writableLength).toBeGreaterThan(0)
  await closed
  expect(connection.readyState).toBe('closed')
})
