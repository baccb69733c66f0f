import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { io as connectSocket } from 'socket.io-client'
import { describe, expect, it } from 'vitest'
import { PresenceError } from '@vigie/protocol'
import { memoryMemberships } from '../../src/memory/index.js'
import { attachPresence, type Memberships } from '../../src/socketio/index.js'
import { withOutages, type MembershipsWithOutages } from '../../src/testing/outages.js'
import { connectRaw } from '../support/raw.js'
import { SECRET, startWire, token, unsignedToken, type ClientOptions, type Wire } from '../support/wire.js'

const inSeconds = (seconds: number) => Date.now() / 1_000 + seconds

async function refusalOf(wire: Wire, options: ClientOptions): Promise<unknown> {
  const client = wire.client('ann', { reconnection: true, ...options })
  await client.until(({ refusals, connections }) => refusals.length + connections > 0)
  expect(client.socket.active).toBe(false)
  return client.refusals[0]
}

describe('a connection is refused for good', () => {
  it.each<[string, string, Readonly<Record<string, unknown>>]>([
    ['without a token', 'token_missing', { token: undefined }],
    ['with an empty token', 'token_missing', { token: '' }],
    ['with a token that is none', 'token_invalid', { token: 'none' }],
    ['with a token that is no string', 'token_invalid', { token: { sub: 'ann' } }],
    ['with a token that is too long', 'token_too_long', { token: token('ann', { pad: 'x'.repeat(10_000) }) }],
    ['with a token of another secret', 'token_invalid', { token: token('ann', {}, 'another') }],
    ['with a token that asks for no signature', 'token_invalid', { token: unsignedToken('ann') }],
    ['with a token that is not valid yet', 'token_invalid', { token: token('ann', { nbf: inSeconds(60) }) }],
    ['with a token that has ended', 'token_expired', { token: token('ann', { exp: inSeconds(-1) }) }],
    ['with a token without a user', 'token_without_user', { token: token(undefined) }],
    ['with a token whose user is an object', 'token_without_user', { token: token({ id: 'ann' }) }],
    ['with a token whose user is empty', 'token_without_user', { token: token('') }],
    ['with a token whose user is a fraction', 'token_without_user', { token: token(1.5) }],
    ['with a user id that is too long', 'token_without_user', { token: token('x'.repeat(129)) }],
    ['with a deviceId of a wrong type', 'auth_invalid', { deviceId: 7 }],
    ['with a deviceId that is too long', 'auth_invalid', { deviceId: 'x'.repeat(65) }],
    ['with an empty clientId', 'auth_invalid', { clientId: '' }],
    ['with a label that is too long', 'auth_invalid', { label: 'x'.repeat(65) }],
    ['with a protocol that is no number', 'auth_invalid', { protocol: 'two' }],
  ])('%s: %s', async (_name, code, auth) => {
    await using wire = await startWire()
    expect(await refusalOf(wire, { auth })).toMatchObject({ code, retry: 'never' })
    expect(wire.presence.sizes()).toMatchObject({ local: 0, sessions: 0, connections: 0 })
  })

  it('with a protocol that is not spoken, and told which ones are', async () => {
    await using wire = await startWire()
    expect(await refusalOf(wire, { auth: { protocol: 99 } })).toEqual({
      code: 'protocol_unsupported',
      message: 'Protocol 99 is not spoken here.',
      retry: 'never',
      supported: [1, 2],
    })
  })

  it.each([
    ['of another issuer', { iss: 'eve', aud: 'chat' }],
    ['of no issuer', { aud: 'chat' }],
    ['for another audience', { iss: 'acme', aud: 'mail' }],
    ['for no audience', { iss: 'acme' }],
  ])('with a token %s', async (_name, claims) => {
    await using wire = await startWire({
      presence: { auth: { secret: SECRET, issuer: 'acme', audience: 'chat' } },
    })
    expect(await refusalOf(wire, { auth: { token: token('ann', claims) } })).toMatchObject({
      code: 'token_invalid',
    })
    await wire.connect('ann', { auth: { token: token('ann', { iss: 'acme', aud: ['mail', 'chat'] }) } })
  })
})

describe('a connection is let in', () => {
  it.each<[string, string, ClientOptions]>([
    ['with a number for a user', '42', { auth: { token: token(42) } }],
    ['with protocol 1', 'ann', { auth: { protocol: 1 } }],
    ['with protocol 1 as a string', 'ann', { auth: { protocol: '1' } }],
    ['with fields that are the host’s', 'ann', { auth: { theme: 'dark', __proto__: null } }],
    [
      'with a token in the Authorization header',
      'ann',
      { auth: { token: undefined }, extraHeaders: { Authorization: `Bearer ${token('ann')}` } },
    ],
    ['over polling', 'ann', { transports: ['polling'] }],
  ])('%s', async (_name, userId, options) => {
    await using wire = await startWire()
    await wire.connect('ann', options)
    expect(wire.presence.get(userId)).toEqual({ online: true, count: 1 })
  })

  it('by another claim', async () => {
    await using wire = await startWire({ presence: { auth: { secret: SECRET, userClaim: 'uid' } } })
    await wire.connect('ann', { auth: { token: token('someone', { uid: 'ann' }) } })
    expect(wire.presence.get('ann').online).toBe(true)
  })

  it('by the host’s own check, which may refuse in its own words, kept from the client', async () => {
    await using wire = await startWire({
      presence: {
        authenticate: (socket) => {
          const { token: given } = socket.handshake.auth as { token: string }
          if (given === 'wrong') throw new Error('no row in table sessions')
          if (given === 'later') throw new PresenceError('token_expired', 'Sign in again.')
          return { userId: given }
        },
      },
    })
    await wire.connect('ann', { auth: { token: 'ann' } })
    expect(wire.presence.get('ann').online).toBe(true)
    const refusal = await refusalOf(wire, { auth: { token: 'wrong' } })
    expect(refusal).toMatchObject({ code: 'token_invalid' })
    expect(JSON.stringify(refusal)).not.toContain('table')
    expect(await refusalOf(wire, { auth: { token: 'later' } })).toEqual({
      code: 'token_expired',
      message: 'Sign in again.',
      retry: 'never',
    })
    expect(await refusalOf(wire, { auth: { token: '' } })).toMatchObject({ code: 'token_without_user' })
  })
})

describe('a store that is away', () => {
  it('closes new connections, which come back by themselves, while present ones go on', async () => {
    let outages: MembershipsWithOutages | undefined
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann', 'bob']]] },
      wrap: (rows) => (outages = withOutages(rows)),
    })
    const ann = await wire.connect('ann')
    outages?.goAway()
    const bob = wire.client('bob', { reconnection: true })
    let attempts = 0
    bob.socket.io.on('reconnect_attempt', () => {
      attempts++
    })
    await wire.until('a refusal', () => wire.log.some(({ fields }) => fields.code === 'unavailable'))
    await bob.until(() => attempts > 0 || bob.refusals.length > 0)
    expect(bob.socket.active).toBe(true)
    expect(await ann.ask('typing:start', { convId: 'c' })).toEqual({ ok: true })
    outages?.comeBack()
    await ann.until('bob 1 in c')
    await bob.until('ann types in c')
    expect(wire.presence.sizes()).toMatchObject({ local: 2, sessions: 2, connections: 2 })
  })

  it('from the start lets nobody in, and says so', async () => {
    const failing: Memberships = {
      ...memoryMemberships(),
      open: () => Promise.reject(new Error('no such table')),
    }
    await using wire = await startWire({ wrap: () => failing })
    await expect(wire.presence.ready).rejects.toThrow('no such table')
    const ann = wire.client('ann', { reconnection: true })
    await wire.until('a refusal', () => wire.log.some(({ fields }) => fields.code === 'unavailable'))
    expect([ann.connections, ann.socket.active]).toEqual([0, true])
  })
})

describe('one engine connection', () => {
  const connect = `40${JSON.stringify({ token: token('ann') })}`

  it('that is connected and sends CONNECT again is closed by Socket.IO itself', async () => {
    await using wire = await startWire()
    using raw = await connectRaw(wire.url)
    raw.send(connect)
    await raw.until(({ frames }) => frames.some((frame) => frame.includes('presence:devices')))
    raw.send(connect)
    await raw.until(({ isClosed }) => isClosed)
    await wire.until('the loss', () => wire.presence.sizes().connections === 0)
    expect(wire.presence.sizes()).toMatchObject({ local: 1, sessions: 1 })
  })

  it('has one session, also when a hundred CONNECTs come at once', async () => {
    await using wire = await startWire({ presence: { readBatchMs: 20 } })
    using raw = await connectRaw(wire.url)
    for (let i = 0; i < 100; i++) raw.send(connect)
    await raw.until(({ frames }) => frames.filter((frame) => frame.startsWith('4')).length >= 101)
    expect(raw.frames.filter((frame) => frame.startsWith('40'))).toHaveLength(1)
    expect(raw.frames.filter((frame) => frame.startsWith('44'))).toHaveLength(99)
    expect(wire.presence.sizes()).toMatchObject({ local: 1, sessions: 1, connections: 1 })
  })

  it('has one session also when a later middleware of the host holds several up', async () => {
    let release = () => {}
    let held = 0
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    await using wire = await startWire()
    wire.io.use((_socket, next) => {
      if (++held === 2) release()
      void gate.then(() => {
        next()
      })
    })
    using raw = await connectRaw(wire.url)
    raw.send(connect)
    await wire.until('the first is held up', () => held === 1 || wire.presence.sizes().sessions === 1)
    raw.send(connect)
    await raw.until(({ frames }) => frames.filter((frame) => /^4[014]/.test(frame)).length >= 3)
    expect(wire.presence.sizes()).toMatchObject({ local: 1, sessions: 1, connections: 1 })
    expect(wire.io.of('/').sockets.size).toBe(1)
  })

  it('may connect again after a session that ended', async () => {
    await using wire = await startWire()
    using raw = await connectRaw(wire.url)
    for (let i = 0; i < 3; i++) {
      raw.send(connect)
      await raw.until(({ frames }) => frames.filter((frame) => frame.startsWith('40')).length === i + 1)
      raw.send('41')
      await wire.until('the session ends', () => wire.presence.sizes().connections === 0)
    }
    expect(raw.frames.filter((frame) => frame.startsWith('44'))).toEqual([])
  })
})

describe('a client that leaves while it is let in', () => {
  it('leaves nothing behind', async () => {
    let open = () => {}
    const asked: string[] = []
    let arrived = 0
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann', 'bob']]] },
      before: (io) => {
        io.use((_socket, next) => {
          arrived++
          next()
        })
      },
      wrap: (rows) => ({
        ...rows,
        async readUsers(ids) {
          asked.push(...ids)
          await gate
          return rows.readUsers(ids)
        },
      }),
    })
    const bob = wire.client('bob')
    const clients = Array.from({ length: 10 }, () => wire.client('ann'))
    await wire.until('all are on their way', () => arrived === 11 && asked.length > 0)
    for (const { socket } of clients) socket.io.engine.close()
    await wire.until('all but one have gone', () => wire.io.engine.clientsCount === 1)
    open()
    await bob.until(({ told }) => told.length > 0)
    expect(wire.presence.sizes()).toMatchObject({ local: 1, sessions: 1, connections: 1, offline: 0 })
    const { rooms } = wire.io.of('/').adapter
    expect([...rooms.keys()].filter((room) => room !== bob.socket.id).sort()).toEqual(['conv:c', 'user:bob'])
    expect(rooms.get('conv:c')?.size).toBe(1)
    // Nobody holds Ann's rows any more: a change of them is not read.
    await wire.until('her rows are let go of', () => wire.presence.sizes().heldUsers === 1)
    const before = asked.length
    wire.rows.addToGroup('g', 'ann')
    wire.rows.addToGroup('h', 'bob')
    // Bob's change came later than hers.
    await wire.until('his change is read', () => asked.length > before)
    expect(new Set(asked.slice(before))).toEqual(new Set(['bob']))
  })
})

describe('a host', () => {
  it('that attaches presence before its server has HTTP is served', async () => {
    const io = new Server()
    const presence = attachPresence(io, { auth: { secret: SECRET }, memberships: memoryMemberships() })
    const http = createServer()
    io.attach(http)
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const socket = connectSocket(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
      auth: { token: token('ann') },
      transports: ['websocket'],
      reconnection: false,
    })
    await new Promise<void>((resolve) => socket.once('presence:devices', () => resolve()))
    expect(presence.get('ann').online).toBe(true)
    socket.disconnect()
    await presence.close()
    await io.close()
  })

  it('with connectionStateRecovery is told to do without, unless it insists', async () => {
    const server = { connectionStateRecovery: {} }
    await expect(startWire({ server })).rejects.toThrow(/connectionStateRecovery/)
    await using wire = await startWire({ server, presence: { allowRecovery: true } })
    await wire.connect('ann')
  })

  it('whose connectionStateRecovery lets sockets past the middleware has them online, in the rooms of their rows', async () => {
    await using wire = await startWire({
      rows: {
        conversations: [
          ['c', ['ann', 'bob']],
          ['d', ['bob']],
        ],
      },
      server: { connectionStateRecovery: {} },
      presence: { allowRecovery: true, graceMs: 100, reattachGraceMs: 100 },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob', { reconnection: true })
    const before = bob.told.length
    // Recovery needs an offset, which the host's own messages carry.
    wire.io.emit('message', 'hello')
    await bob.until('message "hello"')
    bob.server().conn.close()
    wire.rows.removeFromConversation('d', 'bob')
    await bob.until(({ connections, told }) => connections >= 2 && told.length > before + 1)
    await ann.fence()
    expect(bob.socket.recovered).toBe(true)
    expect([...bob.server().rooms].filter((room) => room.includes(':')).sort()).toEqual([
      'conv:c',
      'user:bob',
    ])
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
    expect(wire.presence.sizes()).toMatchObject({ connections: wire.io.of('/').sockets.size })
  })

  it('whose connectionStateRecovery brings a socket back as another user keeps both users right', async () => {
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann', 'bob', 'eve']]] },
      server: { connectionStateRecovery: {} },
      presence: { allowRecovery: true, graceMs: 100, reattachGraceMs: 100 },
    })
    const eve = await wire.connect('eve')
    const ann = await wire.connect('ann', { reconnection: true })
    wire.io.emit('message', 'hello')
    await ann.until('message "hello"')
    const id = ann.socket.id
    Object.assign(ann.socket.auth, { token: token('bob') })
    ann.server().conn.close()
    await eve.until('bob 1 in c')
    await eve.until('ann 0 in c')
    expect([ann.socket.recovered, ann.socket.id]).toEqual([true, id])
    expect([wire.presence.get('ann').count, wire.presence.get('bob').count]).toEqual([0, 1])
    // Bob's session outlived Ann's, and is heard and ended under its id.
    expect(await ann.ask('typing:start', { convId: 'c' })).toEqual({ ok: true })
    await eve.until('bob types in c')
    ann.socket.io.reconnection(false)
    await ann.drop()
    await eve.until('bob 0 in c')
    expect(wire.presence.sizes()).toMatchObject({ sessions: 1, connections: 1 })
  })

  it('has presence on a namespace of its choice, and its other namespaces without', async () => {
    await using wire = await startWire({
      namespace: '/chat',
      rows: { conversations: [['c', ['ann', 'bob']]] },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await bob.ask('typing:start', { convId: 'c' })
    await ann.until('bob types in c')
    const other = connectSocket(wire.url, { forceNew: true, transports: ['websocket'], reconnection: false })
    await new Promise<void>((resolve) => other.once('connect', () => resolve()))
    other.disconnect()
    expect(wire.presence.sizes()).toMatchObject({ connections: 2 })
  })

  it('that closed presence keeps its connections, lets new ones in, and may close it again', async () => {
    await using wire = await startWire({ rows: { conversations: [['c', ['ann', 'bob']]] } })
    const ann = await wire.connect('ann')
    const closing = wire.presence.close()
    expect(wire.presence.close()).toBe(closing)
    await closing
    const bob = wire.client('bob', { auth: { token: 'nobody looks at it' } })
    await bob.until(({ connections }) => connections === 1)
    expect(await ann.ask('typing:start', { convId: 'c' })).toMatchObject({ error: { code: 'session_ended' } })
    wire.io.emit('message', 'hello')
    await ann.until('message "hello"')
    expect(ann.hear()).toEqual(['ann 1', 'ann 1 in c', 'message "hello"'])
    await bob.until('message "hello"')
    expect(bob.told).toEqual([['message', 'hello']])
    ann.socket.disconnect()
    wire.presence.kick('bob')
    expect(bob.socket.connected).toBe(true)
  })

  it('in shadow mode can ask for everything, and nothing is sent, refused or closed', async () => {
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann', 'bob']]] },
      presence: { emit: false, sessionsPerUserMax: 1 },
    })
    const ann = wire.client('ann')
    const bob = wire.client('bob')
    await wire.until('both are online', () => wire.presence.online('c').length === 2)
    await bob.until(({ connections }) => connections === 1)
    bob.socket.emit('typing:start', { convId: 'c' })
    const second = wire.client('ann', { auth: { deviceId: 'second' } })
    await second.until(({ connections }) => connections === 1)
    const stranger = wire.client('eve', { auth: { token: 'no token' } })
    await stranger.until(({ connections }) => connections === 1)
    wire.io.emit('message', 'hello')
    await ann.until('message "hello"')
    expect(ann.told).toEqual([['message', 'hello']])
    expect(wire.presence.getMany(['ann', 'bob', 'cid'])).toEqual(
      new Map([
        ['ann', { online: true, count: 1 }],
        ['bob', { online: true, count: 1 }],
        ['cid', { online: false, count: 0 }],
      ]),
    )
    expect(wire.presence.sizes().owed).toBe(0)
  })

  it('whose later middleware refuses leaves nothing of that connection behind', async () => {
    await using wire = await startWire()
    wire.io.use((_socket, next) => {
      next(new Error('not today'))
    })
    const ann = wire.client('ann')
    await ann.until(({ refusals }) => refusals.length > 0)
    ann.socket.io.engine.close()
    await wire.until('all is forgotten', () => wire.presence.sizes().users === 0)
    expect(wire.presence.sizes()).toMatchObject({ local: 0, sessions: 0, connections: 0 })
  })

  it('whose disconnect handler throws harms no other session', async () => {
    await using wire = await startWire({ rows: { conversations: [['c', ['ann', 'bob']]] } })
    wire.io.on('connection', (socket) => {
      socket.on('disconnect', () => {
        if ((socket.data as { userId: string }).userId === 'bob') throw new Error('a bug of the host')
      })
    })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    wire.presence.kick('bob')
    await ann.until('bob 0 in c')
    await ann.fence()
    // Bob's connection ends a moment after he is seen leaving.
    await wire.until('the failure is logged', () => wire.log.some(({ level }) => level === 'error'))
    await wire.until('his connection ends', () => wire.presence.sizes().connections === 2)
    expect(wire.log.filter(({ level }) => level === 'error')).toHaveLength(1)
  })
})
