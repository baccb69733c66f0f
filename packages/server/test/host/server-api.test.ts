import { createServer } from 'node:http'
import { Server, type Namespace } from 'socket.io'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { memoryMemberships } from '../../src/memory/index.js'
import {
  attachPresence,
  type PresenceClientEvents,
  type PresenceServer,
  type PresenceServerEvents,
} from '../../src/socketio/index.js'
import { SECRET, startWire } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob', 'cid']]] } as const

describe('the server side', () => {
  it('tells what others see of one, of many, and of nobody known', async () => {
    await using wire = await startWire({ rows })
    await wire.connect('bob', { auth: { deviceId: 'phone' } })
    await wire.connect('bob', { auth: { deviceId: 'laptop' } })
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 2 })
    expect(wire.presence.get('nobody')).toEqual({ online: false, count: 0 })
    expect(wire.presence.get('__proto__')).toEqual({ online: false, count: 0 })
    expect([...wire.presence.getMany(['bob', 'ann', 'bob'])]).toEqual([
      ['bob', { online: true, count: 2 }],
      ['ann', { online: false, count: 0 }],
    ])
    expect(wire.presence.getMany([])).toEqual(new Map())
  })

  it('tells who of a conversation is online, in count mode too', async () => {
    await using wire = await startWire({ rows, presence: { namesMax: 1 } })
    await wire.connect('bob')
    await wire.connect('cid')
    expect(wire.presence.online('c').sort()).toEqual(['bob', 'cid'])
    expect(wire.presence.online('nowhere')).toEqual([])
  })

  it('tells of transitions, once each, until it is asked no more', async () => {
    await using wire = await startWire({ rows })
    const heard: unknown[] = []
    const off = wire.presence.on('online', (event) => heard.push(event))
    wire.presence.on('offline', (event) => heard.push(event))
    wire.presence.on('typing', (event) => heard.push(event))
    const phone = await wire.connect('bob', { auth: { deviceId: 'phone' } })
    const laptop = await wire.connect('bob', { auth: { deviceId: 'laptop' } })
    await phone.ask('typing:start', { convId: 'c' })
    await phone.ask('typing:start', { convId: 'c' })
    phone.socket.disconnect()
    laptop.socket.disconnect()
    await wire.until('Bob is gone', () => !wire.presence.get('bob').online)
    off()
    await wire.connect('bob')
    expect(heard).toEqual([
      { userId: 'bob', count: 1 },
      { userId: 'bob', conversationId: 'c', typing: true },
      { userId: 'bob', conversationId: 'c', typing: false },
      { userId: 'bob' },
    ])
  })

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('a bug of the host')
      },
    ],
    ['rejects', () => Promise.reject(new Error('a bug of the host'))],
  ])('logs a listener that %s, and goes on', async (_name, listener) => {
    await using wire = await startWire({ rows })
    const heard: string[] = []
    wire.presence.on('online', listener)
    wire.presence.on('online', ({ userId }) => heard.push(userId))
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    expect(heard).toEqual(['ann', 'bob'])
    await wire.until('two lines', () => wire.log.filter(({ level }) => level === 'error').length === 2)
  })

  it('may be used from inside a listener', async () => {
    await using wire = await startWire({ rows })
    wire.presence.on('online', ({ userId }) => {
      if (userId === 'bob') wire.presence.kick('bob')
    })
    const ann = await wire.connect('ann')
    const bob = wire.client('bob', { reconnection: true })
    await bob.until(({ ends }) => ends.length === 1)
    await ann.fence()
    expect(wire.presence.get('bob').online).toBe(false)
    expect(ann.hear().filter((line) => line.startsWith('bob'))).toEqual(['bob 1 in c', 'bob 0 in c'])
  })

  it('reads again what the host says has changed', async () => {
    const silent = memoryMemberships({ conversations: [['c', ['ann', 'bob']]] })
    await using wire = await startWire({ wrap: () => ({ ...silent, open: () => Promise.resolve() }) })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    silent.removeFromConversation('c', 'bob')
    wire.presence.membershipsChanged({ users: ['bob'] })
    await ann.until('bob 0 in c')
  })

  it('refuses options that cannot work', () => {
    const io = new Server(createServer())
    const memberships = memoryMemberships()
    const auth = { secret: SECRET }
    expect(() => attachPresence(io, { memberships })).toThrow(TypeError)
    expect(() => attachPresence(io, { memberships, auth, authenticate: () => ({ userId: 'a' }) })).toThrow(
      TypeError,
    )
    expect(() => attachPresence(io, { memberships, auth: {} })).toThrow(TypeError)
    expect(() => attachPresence(io, { memberships, auth: { secret: '' } })).toThrow(TypeError)
    expect(() => attachPresence(io, { memberships, auth: { ...auth, algorithms: ['None'] } })).toThrow(
      TypeError,
    )
    expect(() => attachPresence(io, { memberships, auth, graceMs: -1 })).toThrow(RangeError)
    expect(() => attachPresence(io, { memberships, auth, typingLeaseMs: 3_000 })).toThrow(/typingLeaseMs/)
  })
})

describe('the types', () => {
  interface ClientEvents {
    'chat:send': (text: string) => void
  }
  interface ServerEvents {
    'chat:message': (text: string) => void
  }
  interface Data {
    readonly locale: string
  }

  it('intersect with the host’s own', () => {
    const io = new Server<
      ClientEvents & PresenceClientEvents,
      ServerEvents & PresenceServerEvents,
      Record<string, never>,
      Data
    >()
    const attach = () => attachPresence(io, { memberships: memoryMemberships(), auth: { secret: SECRET } })
    const attachHere = () =>
      attachPresence(io.of('/chat'), { memberships: memoryMemberships(), auth: { secret: SECRET } })
    expectTypeOf(attach).returns.toEqualTypeOf<PresenceServer>()
    expectTypeOf(attachHere).returns.toEqualTypeOf<PresenceServer>()
    const plain: Namespace = new Server().of('/plain')
    expectTypeOf(attachPresence).toBeCallableWith(plain, { memberships: memoryMemberships() })
    io.on('connection', (socket) => {
      expectTypeOf(socket.data.locale).toEqualTypeOf<string>()
      socket.emit('presence:update', { userId: 'a' as never, online: true, count: 1 })
      // @ts-expect-error a payload without its fields
      socket.emit('presence:update', { userId: 'a' })
    })
  })
})
