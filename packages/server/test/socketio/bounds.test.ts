import { describe, expect, it, vi } from 'vitest'
import { BACKGROUND_GRACE_MAX_MS, ID_MAX_LENGTH, LABEL_MAX_LENGTH } from '@vigie/protocol'
import { READ_ROOMS_MAX } from '../../src/core/ports.js'
import { createAuthenticate } from '../../src/socketio/authenticate.js'
import { resolveSettings, SETTINGS, type SettingName } from '../../src/socketio/index.js'
import { bearing, startIssuer } from '../support/issuer.js'
import { startWire, token } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob', 'cid']]] } as const
const crowd = { presence: { occupancyWindowMs: 0 } }

/** By bound: what happens when it is reached. */
const SETTING_BOUNDS: Readonly<Record<string, () => Promise<void>>> = {
  async trailBufferMax() {
    let isAway = true
    const answer = async () => {
      if (isAway) throw new Error('away')
    }
    const trail = {
      node: 'a',
      check: async () => {},
      makeDays: answer,
      write: async (written: readonly object[]) => {
        await answer()
        return written.length
      },
      lastBoot: async () => undefined,
      unfinished: async () => [],
      close: async () => {},
    }
    await using wire = await startWire({ rows, presence: { trail, trailBufferMax: 1_000 } })
    for (let n = 0; n < 1_005; n++) wire.presence.note({ reason: 'noted' })
    // `start` was the first of those that wait.
    const samples = (name: string) => wire.presence.metrics().find((family) => family.name === name)?.samples
    expect(samples('presence_trail_waiting')).toEqual([{ labels: {}, value: 1_000 }])
    expect(samples('presence_trail_dropped_total')).toEqual([{ labels: {}, value: 6 }])
    // Its end waits for what is to be written.
    isAway = false
  },
  async massLossMinSessions() {
    const presence = {
      massLossMinSessions: 3,
      massLossShare: 0.5,
      graceMs: 30,
      reattachGraceMs: 60_000,
      typingRepeatMs: 40,
      typingLeaseMs: 100,
    }
    await using wire = await startWire({ rows, presence })
    const ann = await wire.connect('ann')
    const alone = await wire.connect('bob')
    await alone.drop()
    await ann.until('bob 0 in c')
    const bob = await wire.connect('bob')
    const cid = await wire.connect('cid')
    await Promise.all([bob.drop(), cid.drop()])
    // Two of three: a lease that outlives the ordinary grace ends, and they are still there.
    await ann.ask('typing:start', { convId: 'c' })
    const stopped = new Promise<void>((resolve) => {
      wire.presence.on('typing', ({ typing }) => {
        if (!typing) resolve()
      })
    })
    await stopped
    expect(wire.presence.online('c').sort()).toEqual(['ann', 'bob', 'cid'])
  },

  async offlineMemoryMax() {
    await using wire = await startWire({ rows, presence: { offlineMemoryMax: 1 } })
    for (const userId of ['bob', 'cid']) {
      const client = await wire.connect(userId)
      client.socket.disconnect()
      await wire.until(`${userId} is gone`, () => !wire.presence.get(userId).online)
    }
    expect(wire.presence.sizes()).toMatchObject({ offline: 1, local: 1 })
    const ann = await wire.connect('ann')
    expect(ann.hear().sort()).toEqual(['ann 1', 'ann 1 in c', 'cid 0 in c'])
  },

  async occupancyTypistsMax() {
    await using wire = await startWire({
      rows,
      presence: { ...crowd.presence, namesMax: 1, occupancyTypistsMax: 1 },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    const cid = await wire.connect('cid')
    await bob.ask('typing:start', { convId: 'c' })
    await cid.ask('typing:start', { convId: 'c' })
    await ann.fence()
    expect(ann.hear().filter((line) => line.includes('types'))).toEqual(['bob types in c'])
    await bob.ask('typing:stop', { convId: 'c' })
    await ann.until('cid types in c')
  },

  async namesMax() {
    await using wire = await startWire({ rows, presence: { ...crowd.presence, namesMax: 2 } })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('c: 2 of 3')
    expect(ann.hear()).toEqual(['ann 1', 'c: 1 of 3', 'c: 2 of 3'])
  },

  async sessionsPerUserMax() {
    await using wire = await startWire({ rows, presence: { sessionsPerUserMax: 1 } })
    const first = await wire.connect('bob')
    const second = wire.client('bob', { reconnection: true })
    await second.until(({ ends }) => ends.length > 0)
    expect(second.hear()).toEqual(['closed: too_many_sessions'])
    expect([second.connections, second.socket.active, first.socket.connected]).toEqual([1, false, true])
    expect(wire.presence.sizes()).toMatchObject({ sessions: 1, connections: 1 })
    // Somebody who is there goes before somebody who was.
    await first.drop()
    await wire.connect('bob', { auth: { deviceId: 'phone' } })
    expect(wire.presence.get('bob').count).toBe(1)
  },

  async membershipsPerUserMax() {
    const many = ['c1', 'c2', 'c3'].map((id) => [id, ['ann']] as const)
    await using wire = await startWire({
      rows: { conversations: many },
      presence: { membershipsPerUserMax: 2 },
    })
    const ann = await wire.connect('ann')
    expect(ann.hear().sort()).toEqual(['ann 1', 'ann 1 in c1', 'ann 1 in c2'])
    expect(wire.log.filter(({ level }) => level === 'warn')).toHaveLength(1)
  },

  async transitionsMax() {
    await using wire = await startWire({ rows, presence: { transitionsMax: 2 } })
    await wire.connect('ann')
    await wire.connect('bob')
    expect(wire.presence.explain('ann').transitions).toHaveLength(1)
    await wire.connect('cid')
    expect(wire.presence.explain('ann').transitions).toEqual([])
    expect(wire.presence.explain('bob').transitions).toHaveLength(1)
  },

  async pendingMax() {
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    await using wire = await startWire({
      rows,
      presence: { pendingMax: 1 },
      wrap: (inner) => ({ ...inner, readUsers: (ids) => gate.then(() => inner.readUsers(ids)) }),
    })
    const bob = wire.client('bob', { reconnection: true })
    const cid = wire.client('cid', { reconnection: true })
    await wire.until('one is sent away', () => wire.log.some(({ fields }) => fields.code === 'overloaded'))
    open()
    await bob.until('cid 1 in c')
    await cid.until('bob 1 in c')
  },

  async admittingMax() {
    let open = () => {}
    let arrived = 0
    let checked = 0
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    await using wire = await startWire({
      rows,
      before: (io) => {
        io.use((_socket, next) => {
          arrived++
          next()
        })
      },
      presence: {
        admittingMax: 2,
        authenticate: async ({ handshake }) => {
          checked++
          await gate
          return { userId: (handshake.auth as { userId: string }).userId }
        },
      },
    })
    const clients = ['ann', 'bob', 'cid', 'dan', 'eve'].map((userId) =>
      wire.client(userId, { auth: { userId } }),
    )
    await wire.until('all are at the door', () => arrived === 5)
    expect(checked).toBe(2)
    open()
    for (const client of clients) await client.until(({ connections }) => connections === 1)
    expect(checked).toBe(5)
  },

  async tokenCacheMax() {
    const verify = vi.spyOn(globalThis.crypto.subtle, 'verify')
    await using issuer = await startIssuer()
    issuer.publish('1')
    const settings = resolveSettings({ tokenCacheMax: 2 })
    const authenticate = createAuthenticate({ jwt: { jwksUrl: issuer.url } }, settings)
    const check = async (...tokens: string[]) => {
      verify.mockClear()
      for (const each of tokens) await authenticate(bearing(each))
      return verify.mock.calls.length
    }
    const [ann = '', bob = '', cid = ''] = ['ann', 'bob', 'cid'].map((userId) => issuer.token('1', userId))
    // The first check of all brings the keys.
    await check(issuer.token('1', 'eve'))
    expect(await check(ann, bob, ann, bob)).toBe(2)
    expect(await check(cid, bob, cid)).toBe(1)
    expect(await check(ann)).toBe(1)
    verify.mockRestore()
  },

  async tokenMaxLength() {
    const tokenMaxLength = 9_000
    await using wire = await startWire({ presence: { tokenMaxLength } })
    const padded = (length: number) => {
      for (let pad = length; pad > 0; pad--) {
        const made = token('ann', { pad: 'x'.repeat(pad) })
        if (made.length <= length) return made
      }
      return ''
    }
    const longest = padded(tokenMaxLength)
    expect(longest.length).toBeGreaterThan(tokenMaxLength - 4)
    const longer = padded(tokenMaxLength + 4)
    const ann = await wire.connect('ann', { auth: { token: longest } })
    await expect(wire.connect('ann', { auth: { token: longer } })).rejects.toThrow('token_too_long')
    const header = { auth: { token: undefined }, extraHeaders: { Authorization: `Bearer ${longer}` } }
    await expect(wire.connect('ann', header)).rejects.toThrow('token_too_long')
    expect(await ann.ask('presence:token', { token: longest })).toEqual({ ok: true })
    expect(await ann.ask('presence:token', { token: longer })).toMatchObject({
      error: { code: 'token_too_long' },
    })
    expect(ann.socket.connected).toBe(true)
  },

  async eventsBurst() {
    await using wire = await startWire({ rows, presence: { eventsPerSecond: 1, eventsBurst: 3 } })
    const bob = await wire.connect('bob')
    const answers: string[] = []
    const limited = '{"ok":false,"error":{"code":"rate_limited"'
    for (let i = 0; i < 100; i++) {
      bob.socket.emit('typing:start', { convId: 'c' }, (answer: unknown) =>
        answers.push(JSON.stringify(answer)),
      )
    }
    // Names have bursts of their own.
    expect(await bob.ask('typing:stop', { convId: 'c' })).toEqual({ ok: true })
    expect(answers.filter((answer) => answer === '{"ok":true}').length).toBeGreaterThanOrEqual(3)
    expect(answers.filter((answer) => answer.startsWith(limited)).length).toBeGreaterThanOrEqual(3)
    expect(answers.length).toBeLessThan(20)
  },

  async eventsPerSecond() {
    await using slow = await startWire({ rows, presence: { eventsPerSecond: 1, eventsBurst: 1 } })
    const bob = await slow.connect('bob')
    expect(await bob.ask('typing:start', { convId: 'c' })).toEqual({ ok: true })
    expect(await bob.ask('typing:start', { convId: 'c' })).toMatchObject({ error: { code: 'rate_limited' } })
    // Ten a millisecond: more than an answer takes to come.
    await using quick = await startWire({ rows, presence: { eventsPerSecond: 10_000, eventsBurst: 1 } })
    const cid = await quick.connect('cid')
    for (let i = 0; i < 20; i++) expect(await cid.ask('typing:start', { convId: 'c' })).toEqual({ ok: true })
  },
}

const PROTOCOL_BOUNDS: Readonly<Record<string, () => Promise<void>>> = {
  async ID_MAX_LENGTH() {
    const longest = 'x'.repeat(ID_MAX_LENGTH)
    await using wire = await startWire({ rows: { conversations: [[longest, [longest]]] } })
    const client = await wire.connect(longest)
    expect(await client.ask('typing:start', { convId: longest })).toEqual({ ok: true })
    expect(await client.ask('typing:start', { convId: `${longest}x` })).toMatchObject({
      error: { code: 'invalid_payload' },
    })
  },

  async LABEL_MAX_LENGTH() {
    await using wire = await startWire()
    const longest = 'x'.repeat(LABEL_MAX_LENGTH)
    await wire.connect('ann', { auth: { label: longest, deviceId: longest, clientId: longest } })
    for (const name of ['label', 'deviceId', 'clientId']) {
      await expect(wire.connect('ann', { auth: { [name]: `${longest}x` } })).rejects.toThrow('auth_invalid')
    }
  },

  async BACKGROUND_GRACE_MAX_MS() {
    await using wire = await startWire()
    const ann = await wire.connect('ann')
    expect(await ann.ask('presence:background', { graceMs: BACKGROUND_GRACE_MAX_MS })).toEqual({ ok: true })
    for (const graceMs of [BACKGROUND_GRACE_MAX_MS + 1, -1, 0.5, '1', null]) {
      expect(await ann.ask('presence:background', { graceMs })).toMatchObject({
        error: { code: 'invalid_payload' },
      })
    }
  },

  async READ_ROOMS_MAX() {
    const count = READ_ROOMS_MAX + 600
    const batches: number[] = []
    const rooms = Array.from({ length: count }, (_, i) => [`c${i}`, ['ann']] as const)
    await using wire = await startWire({
      rows: { conversations: rooms },
      wrap: (inner) => ({
        ...inner,
        readRooms(groups, conversations, most) {
          batches.push(groups.length + conversations.length)
          return inner.readRooms(groups, conversations, most)
        },
      }),
    })
    const ann = await wire.connect('ann')
    expect(ann.hear()).toHaveLength(1 + count)
    // The first is small: nothing is known yet of the size of rooms.
    expect(batches).toEqual([500, READ_ROOMS_MAX, 100])
  },
}

describe('every bound is reached', () => {
  it.each(Object.entries({ ...SETTING_BOUNDS, ...PROTOCOL_BOUNDS }))('%s', (_name, reach) => reach())

  it('and none of those in the table of settings is left out', () => {
    const names = Object.keys(SETTINGS) as SettingName[]
    expect(Object.keys(SETTING_BOUNDS).sort()).toEqual(
      names.filter((name) => SETTINGS[name].unit === 'count').sort(),
    )
  })
})
