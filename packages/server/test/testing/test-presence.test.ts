import { describe, expect, expectTypeOf, it } from 'vitest'
import type { attachPresence, PresenceServer } from '../../src/socketio/index.js'
import { createTestPresence, type TestPresence } from '../../src/testing/index.js'
import { startWire, type WireClient } from '../support/wire.js'

const rooms = {
  groups: { crew: ['ann', 'bob'] },
  conversations: { plan: ['ann', 'bob'], lunch: ['bob', 'cid'] },
}

describe('presence for tests', () => {
  it('answers as a server does, at once', () => {
    const presence = createTestPresence({ ...rooms, online: ['ann', 'bob'] })
    presence.connect('bob', { deviceId: 'laptop' })
    expect(presence.get('bob')).toEqual({ online: true, count: 2 })
    expect(presence.get('nobody')).toEqual({ online: false, count: 0 })
    expect(presence.online('plan')).toEqual(['ann', 'bob'])
    expect([...presence.getMany(['cid', 'ann'])]).toEqual([
      ['cid', { online: false, count: 0 }],
      ['ann', { online: true, count: 1 }],
    ])
    expect(presence.sizes()).toMatchObject({ local: 2, sessions: 3, connections: 3 })
  })

  it('takes rooms as pairs, too, and people without any', () => {
    const presence = createTestPresence({
      conversations: new Map([['plan', new Set(['ann'])]]),
      users: ['loner'],
      online: ['loner', 'ann'],
    })
    expect(presence.online('plan')).toEqual(['ann'])
    expect(presence.get('loner').online).toBe(true)
  })

  it('ends what is named: a device, or all that a user has', () => {
    const presence = createTestPresence(rooms)
    presence.connect('bob', { deviceId: 'phone' })
    presence.connect('bob', { deviceId: 'laptop' })
    presence.disconnect('bob', { deviceId: 'phone' })
    expect(presence.get('bob').count).toBe(1)
    presence.connect('bob')
    presence.disconnect('bob')
    expect(presence.get('bob').online).toBe(false)
  })

  it('shows a change of members at once, and ends what is over with it', () => {
    const presence = createTestPresence({ ...rooms, online: ['ann', 'bob'] })
    const heard = listen(presence)
    presence.startTyping('bob', 'plan')
    presence.setConversation('plan', ['ann', 'cid'])
    presence.connect('cid')
    expect(presence.online('plan')).toEqual(['ann', 'cid'])
    presence.setConversation('plan', undefined)
    presence.setGroup('crew', ['dan'])
    presence.connect('dan')
    expect(presence.online('plan')).toEqual([])
    expect(heard).toEqual(['bob types in plan', 'bob stops in plan', 'cid comes', 'dan comes'])
  })
})

describe('what it explains', () => {
  it('is what a server would, with times since the test began', () => {
    const presence = createTestPresence({
      conversations: { plan: ['ana', 'ben'] },
      users: ['cyd'],
      online: ['ana', 'ben', 'cyd'],
    })
    presence.advance('2s')
    presence.lose('ana')
    presence.advance('1s')
    expect(presence.explain('ana', 'ben')).toMatchObject({
      presence: { online: true, count: 1 },
      sessions: [{ state: 'lost', lostAt: 2_000, graceEndsAt: 7_000 }],
      transitions: [
        { at: 2_000, reason: 'lost' },
        { at: 0, reason: 'connected' },
      ],
      rooms: [{ kind: 'conversation', id: 'plan', mode: 'names' }],
      viewer: { sees: true, told: { online: true, count: 1 } },
    })
    presence.advance('5s')
    expect(presence.explain('ana', 'cyd')).toMatchObject({
      presence: { online: false },
      transitions: [{ at: 7_000, reason: 'grace_over', after: { online: false, count: 0 } }, {}, {}],
      viewer: { sees: false, hiddenBy: 'no_shared_room' },
    })
    expect(presence.ghosts()).toEqual({ sockets: 0, sessions: 0, rosters: 0, published: 0, rooms: 0 })
  })
})

describe('its time', () => {
  it('passes when it is told to, in whatever unit: a loss is seen when its grace is over', () => {
    const presence = createTestPresence({
      ...rooms,
      graceMs: 60_000,
      reattachGraceMs: 60_000,
      online: ['ann'],
    })
    presence.lose('ann')
    presence.advance(29_999)
    presence.advance('0.5min')
    expect(presence.get('ann').online).toBe(true)
    presence.advance('1ms')
    expect(presence.get('ann').online).toBe(false)
  })

  it('shows nothing of somebody who is back within the grace', () => {
    const presence = createTestPresence(rooms)
    presence.connect('ann', { deviceId: 'phone' })
    const heard = listen(presence)
    presence.lose('ann')
    presence.advance('4s')
    presence.connect('ann', { deviceId: 'phone' })
    presence.advance('1min')
    expect(heard).toEqual([])
    expect(presence.get('ann').count).toBe(1)
  })

  it('ends typing that is not repeated, and everything in the order in which it is due', () => {
    const presence = createTestPresence({ ...rooms, online: ['ann', 'bob', 'cid'] })
    presence.startTyping('bob', 'plan')
    presence.advance('2s')
    presence.startTyping('ann', 'plan')
    presence.startTyping('bob', 'plan')
    presence.lose('cid')
    const heard = listen(presence)
    presence.advance('1min')
    expect(heard).toEqual(['cid goes', 'ann stops in plan', 'bob stops in plan'])
  })

  it('shows to a listener the moment that it hears of', () => {
    const presence = createTestPresence({ ...rooms, online: ['ann', 'bob'] })
    presence.lose('ann')
    presence.advance('1s')
    presence.lose('bob')
    const online: string[][] = []
    presence.on('offline', () => online.push(presence.online('plan')))
    presence.advance('1min')
    expect(online).toEqual([['bob'], []])
  })
})

describe('what it is told wrongly', () => {
  const mistakes: [string, (presence: TestPresence) => void, string][] = [
    ['somebody unknown', (presence) => presence.connect('ban'), '"ban" is in no group or conversation'],
    ['nobody there', (presence) => presence.lose('bob'), '"bob" is not connected.'],
    [
      'another device',
      (presence) => presence.disconnect('ann', { deviceId: 'x' }),
      '"ann" is not connected with the device "x".',
    ],
    [
      'typing elsewhere',
      (presence) => presence.startTyping('ann', 'lunch'),
      'not in the conversation "lunch"',
    ],
    ['typing while away', (presence) => presence.startTyping('bob', 'plan'), '"bob" is not connected.'],
    ['time that goes back', (presence) => presence.advance(-1), '"-1" is no duration'],
    ['time less than none', (presence) => presence.advance('-5s'), '"-5s" is no duration'],
    ['no id', (presence) => presence.setGroup('', ['ann']), 'is not an id'],
    ['a device that is none', (presence) => presence.connect('ann', { deviceId: '' }), 'deviceId'],
  ]

  it.each(mistakes)('is refused in a sentence: %s', (_name, mistake, sentence) => {
    const presence = createTestPresence({ ...rooms, online: ['ann'] })
    expect(() => mistake(presence)).toThrow(sentence)
  })

  it('is refused at the start, too', () => {
    expect(() => createTestPresence({ ...rooms, online: ['ban'] })).toThrow('"ban"')
    expect(() => createTestPresence({ graceMs: -1 })).toThrow('graceMs is -1')
  })

  it('is anything that happens after its end', async () => {
    const presence = createTestPresence({ ...rooms, online: ['ann'] })
    const heard = listen(presence)
    await presence.close()
    await presence.close()
    presence.kick('ann')
    expect(heard).toEqual([])
    expect(() => presence.connect('bob')).toThrow('This presence is closed.')
    expect(() => presence.setGroup('crew', [])).toThrow('This presence is closed.')
  })
})

describe('listeners', () => {
  it('fail the test when they throw, once all have heard', () => {
    const presence = createTestPresence(rooms)
    presence.on('online', () => {
      throw new Error('a bug of the host')
    })
    const heard = listen(presence)
    expect(() => presence.connect('ann')).toThrow('a bug of the host')
    expect(heard).toEqual(['ann comes'])
    expect(() => presence.disconnect('ann')).not.toThrow()
  })

  it('may use presence, but not make time pass', () => {
    const presence = createTestPresence(rooms)
    const heard = listen(presence)
    presence.on('online', ({ userId }) => {
      presence.kick(userId)
      expect(() => presence.advance('1s')).toThrow('Time cannot pass')
    })
    presence.connect('ann')
    expect(heard).toEqual(['ann comes', 'ann goes'])
  })
})

describe('the types', () => {
  it('are those of a server, so that the code under test takes either', () => {
    const codeUnderTest = (presence: ReturnType<typeof attachPresence>) => presence.get('ann').online
    expect(codeUnderTest(createTestPresence())).toBe(false)
    expectTypeOf<TestPresence>().toExtend<PresenceServer>()
    // @ts-expect-error a duration without a unit
    expect(() => createTestPresence().advance('5')).toThrow(RangeError)
    // @ts-expect-error an option that there is not
    createTestPresence({ grace: 5 })
  })
})

/** Whoever makes a story happen: a real server with real sockets, or the presence for tests. */
interface Stage {
  readonly presence: PresenceServer
  connect(userId: string, deviceId: string): Promise<void>
  disconnect(userId: string, deviceId: string): Promise<void>
  lose(userId: string, deviceId: string): Promise<void>
  startTyping(userId: string, conversationId: string): Promise<void>
  setConversation(conversationId: string, userIds: readonly string[]): Promise<void>
  /** Time passes until that which is due has come. */
  pass(over: Promise<unknown>): Promise<unknown>
}

/** All that a host can hear and ask, in an order that does not depend on when its packets come. */
async function play({ presence, ...stage }: Stage): Promise<unknown[]> {
  const log: unknown[] = []
  const users = ['ann', 'bob', 'cid', 'nobody']
  for (const event of ['online', 'offline', 'typing'] as const)
    presence.on(event, (payload: unknown) => log.push([event, payload]))
  const look = (what: string) => {
    // What sessions are owed depends on when their connections can take it.
    const {
      owed: _owed,
      heldUsers: _users,
      heldRooms: _rooms,
      pressure: _pressure,
      // A connection that is ended keeps its place until its client has had its last word.
      connections: _connections,
      ...sizes
    } = presence.sizes()
    const online = ['plan', 'lunch', 'none'].map((id) => presence.online(id).sort())
    log.push([what, [...presence.getMany(users)], online, sizes])
  }
  await stage.connect('ann', 'phone')
  await stage.connect('bob', 'phone')
  await stage.connect('bob', 'laptop')
  await stage.connect('bob', 'laptop')
  look('four connections, three devices')
  await stage.startTyping('bob', 'plan')
  await stage.startTyping('bob', 'lunch')
  presence.stopTyping('bob', 'plan')
  presence.stopTyping('bob', 'lunch')
  presence.stopTyping('bob')
  look('typing that the host has ended')
  await stage.startTyping('ann', 'plan')
  await stage.lose('ann', 'phone')
  look('Ann is lost, in her grace')
  await stage.connect('ann', 'phone')
  look('and back')
  await stage.startTyping('bob', 'lunch')
  presence.kick('bob', { deviceId: 'laptop' })
  presence.kick('nobody')
  look('a device was kicked, with the typing on it')
  await stage.disconnect('bob', 'phone')
  look('Bob has left')
  await stage.connect('cid', 'tablet')
  await stage.setConversation('plan', ['ann', 'cid'])
  look('Cid in, Bob out')
  await stage.startTyping('cid', 'plan')
  await stage.setConversation('plan', ['ann'])
  look('Cid out again, while typing')
  presence.membershipsChanged({ users: ['ann'], groups: ['crew'], conversations: ['plan'] })
  presence.kick('ann')
  look('Ann is gone for good')
  await stage.startTyping('cid', 'lunch')
  await stage.pass(new Promise((resolve) => presence.on('typing', resolve)))
  await presence.close()
  presence.kick('cid')
  look('closed')
  return log
}

const settings = { graceMs: 60_000, reattachGraceMs: 60_000 }

async function playForReal(extra: object): Promise<unknown[]> {
  await using wire = await startWire({
    rows: { groups: Object.entries(rooms.groups), conversations: Object.entries(rooms.conversations) },
    presence: { ...settings, ...extra },
  })
  const clients = new Map<string, WireClient[]>()
  const here = (userId: string, deviceId: string) => clients.get(`${userId} ${deviceId}`) ?? []
  const newest = (userId: string) => {
    const of = [...clients].filter(([name]) => name.startsWith(`${userId} `)).flatMap(([, each]) => each)
    return of.at(-1)!
  }
  return await play({
    presence: wire.presence,
    async connect(userId, deviceId) {
      const client = await wire.connect(userId, { auth: { deviceId } })
      clients.set(`${userId} ${deviceId}`, [...here(userId, deviceId), client])
    },
    async disconnect(userId, deviceId) {
      for (const { socket } of here(userId, deviceId)) {
        const { id = '' } = socket
        socket.disconnect()
        await wire.until('the end', () => !wire.io.sockets.sockets.has(id))
      }
      clients.delete(`${userId} ${deviceId}`)
    },
    async lose(userId, deviceId) {
      for (const client of here(userId, deviceId)) await client.drop()
      clients.delete(`${userId} ${deviceId}`)
    },
    async startTyping(userId, convId) {
      expect(await newest(userId).ask('typing:start', { convId })).toEqual({ ok: true })
    },
    async setConversation(id, userIds) {
      const before = [...wire.rows.membersOfConversation(id)]
      for (const userId of before) if (!userIds.includes(userId)) wire.rows.removeFromConversation(id, userId)
      for (const userId of userIds) wire.rows.addToConversation(id, userId)
      const wanted = userIds.filter((userId) => wire.presence.get(userId).online).sort()
      await wire.until('the rows', () => wire.presence.online(id).sort().join() === wanted.join())
    },
    pass: (over) => over,
  })
}

async function playAtOnce(extra: object): Promise<unknown[]> {
  const presence = createTestPresence({ ...rooms, ...settings, ...extra })
  return play({
    presence,
    connect: async (userId, deviceId) => presence.connect(userId, { deviceId }),
    disconnect: async (userId, deviceId) => presence.disconnect(userId, { deviceId }),
    lose: async (userId, deviceId) => presence.lose(userId, { deviceId }),
    startTyping: async (userId, conversationId) => presence.startTyping(userId, conversationId),
    setConversation: async (id, userIds) => presence.setConversation(id, userIds),
    pass: async () => presence.advance('10s'),
  })
}

describe('beside a real server', () => {
  it('answers the same, and tells the same in the same order', async () => {
    const extra = { typingLeaseMs: 1_000, typingRepeatMs: 400 }
    const real = await playForReal(extra)
    expect(real.length).toBeGreaterThan(20)
    expect(await playAtOnce(extra)).toEqual(real)
  })
})

function listen(presence: PresenceServer): string[] {
  const heard: string[] = []
  presence.on('online', ({ userId }) => heard.push(`${userId} comes`))
  presence.on('offline', ({ userId }) => heard.push(`${userId} goes`))
  presence.on('typing', ({ userId, conversationId, typing }) =>
    heard.push(`${userId} ${typing ? 'types' : 'stops'} in ${conversationId}`),
  )
  return heard
}
