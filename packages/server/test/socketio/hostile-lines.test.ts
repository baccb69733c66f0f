/**
 * Lines that end or go dead in a way that their client chose, whatever the server was doing with them: only what a client
 * can do, and only Socket.IO's public calls, so that it holds on every WebSocket server.
 */
import { describe, expect, it } from 'vitest'
import { connectTcp, openTcpSession, upgradeRequest, type TcpClient } from '../support/tcp.js'
import { startWire, type Wire } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob', 'cid']]] } as const
const presence = { graceMs: 0, reattachGraceMs: 0 } as const
/** A dead line is noticed after these. */
const server = { pingInterval: 100, pingTimeout: 100 } as const
/** More than the kernel holds for both ends of a connection that is not read. */
const MORE_THAN_FITS = 'x'.repeat(16 * 1024 * 1024)

const states: Readonly<Record<string, (wire: Wire, client: TcpClient) => Promise<void> | void>> = {
  'that has nothing to write': () => {},
  'with a message of the host under way': (wire, client) => {
    client.tcp.pause()
    wire.io.emit('host', MORE_THAN_FITS)
  },
  'with presence pending behind a message of the host': async (wire, client) => {
    client.tcp.pause()
    wire.io.emit('host', MORE_THAN_FITS)
    const bob = await wire.connect('bob')
    await bob.fence()
  },
}

const ends: Readonly<Record<string, (client: TcpClient) => void>> = {
  'half-closes': ({ tcp }) => tcp.end(),
  resets: ({ tcp }) => tcp.resetAndDestroy(),
  'stops reading and answering': ({ tcp }) => tcp.pause(),
}

async function answersHttp({ url }: Wire): Promise<void> {
  const { status } = await fetch(`${url}/socket.io/?EIO=4&transport=polling`)
  expect(status).toBe(200)
}

describe.each(Object.keys(states))('a line %s', (state) => {
  it.each(Object.keys(ends))('whose client %s is lost, and the process answers', async (end) => {
    await using wire = await startWire({ rows, presence, server })
    using client = await openTcpSession(wire.port, 'ann')
    await states[state]?.(wire, client)
    ends[end]?.(client)
    // From here on something is pending for ann's session.
    const cid = await wire.connect('cid')
    await answersHttp(wire)
    await wire.until('the loss of ann', () => !wire.presence.get('ann').online)
    await cid.until('ann 0 in c')
    await answersHttp(wire)
    expect(wire.io.of('/').adapter.rooms.has('user:ann')).toBe(false)
    const connections = wire.presence.sizes().connections ?? 0
    expect(wire.presence.sizes()).toMatchObject({ owed: 0, sessions: connections })
  })
})

it('a client that reads nothing of a long message has what matters once it reads', async () => {
  await using wire = await startWire({ rows })
  using client = await openTcpSession(wire.port, 'ann')
  client.tcp.pause()
  wire.io.emit('host', MORE_THAN_FITS)
  const bob = await wire.connect('bob')
  for (let times = 0; times < 50; times++) {
    await bob.ask('typing:start', { convId: 'c' })
    await bob.ask('typing:stop', { convId: 'c' })
  }
  await bob.ask('typing:start', { convId: 'c' })
  expect(wire.presence.sizes().owed).toBeLessThanOrEqual(4)
  client.tcp.resume()
  await client.until('typing:start')
  expect(client.text().slice(-2_000)).toContain('"userId":"bob","online":true')
  expect(client.text()).not.toContain('typing:stop')
})

it.each([
  ['says nothing after its handshake', () => {}],
  [
    'asks for the namespace again and again',
    (client: TcpClient) => {
      for (let times = 0; times < 100; times++) client.send('40{}')
    },
  ],
  ['sends what is no packet', (client: TcpClient) => client.send('4\u0000')],
])('a client without a session that %s holds nothing', async (_, act) => {
  await using wire = await startWire({ rows, presence, server: { ...server, connectTimeout: 100 } })
  using client = await connectTcp(wire.port)
  client.tcp.write(upgradeRequest())
  await client.until('"sid"')
  act(client)
  await wire.until('its end', () => wire.io.engine.clientsCount === 0)
  await answersHttp(wire)
  expect(wire.presence.sizes()).toMatchObject({ users: 0, sessions: 0, heldUsers: 0, connections: 0 })
})

it('a client that leaves the namespace and keeps its line hears nothing of its rooms any more', async () => {
  await using wire = await startWire({
    rows,
    before: (io) => {
      io.of('/other')
    },
  })
  using client = await openTcpSession(wire.port, 'ann')
  const bob = await wire.connect('bob')
  wire.io.to('conv:c').emit('news', 'while she is there')
  await client.until('while she is there')
  client.send('41')
  await wire.until('her leave', () => wire.io.of('/').sockets.size === 1)
  wire.io.to('conv:c').emit('news', 'when she has left')
  await bob.until('news "when she has left"')
  // Whatever was sent to the line before comes before this answer.
  client.send('40/other,{}')
  await client.until('40/other,')
  expect(client.text()).not.toContain('when she has left')
})
