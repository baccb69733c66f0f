import { describe, expect, it } from 'vitest'
import { startWire, token } from '../support/wire.js'

const friends = { conversations: [['c', ['ann', 'bob']]] } as const

describe('tabs and devices', () => {
  it('a second tab of a device changes nothing for others', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    await wire.connect('bob', { auth: { deviceId: 'laptop' } })
    await ann.until('bob 1 in c')
    ann.hear()
    const second = await wire.connect('bob', { auth: { deviceId: 'laptop' } })
    await second.drop()
    await ann.fence()
    expect(ann.hear()).toEqual([])
  })

  it('duplicated tabs, of one device and two programs, live side by side', async () => {
    await using wire = await startWire({ rows: friends })
    const first = await wire.connect('bob', { auth: { deviceId: 'laptop', clientId: 'a' } })
    const second = await wire.connect('bob', { auth: { deviceId: 'laptop', clientId: 'b' } })
    await first.fence()
    await second.fence()
    expect([first.socket.connected, second.socket.connected]).toEqual([true, true])
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
  })

  it('a new connection of the same program ends the older one, and nobody notices', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    const older = await wire.connect('bob', {
      reconnection: true,
      auth: { deviceId: 'laptop', clientId: 'a' },
    })
    await ann.until('bob 1 in c')
    ann.hear()
    const newer = await wire.connect('bob', { auth: { deviceId: 'laptop', clientId: 'a' } })
    await older.until(({ ends }) => ends.length > 0)
    await ann.fence()
    expect(ann.hear()).toEqual([])
    expect(older.ends).toEqual(['io server disconnect'])
    expect(older.told.filter(([name]) => name === 'presence:closed')).toEqual([])
    expect(newer.socket.connected).toBe(true)
  })

  it('are told to their owner with what they were called, and to nobody else', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob', { auth: { deviceId: 'laptop', label: 'Work' } })
    await wire.connect('bob', { auth: { deviceId: 'phone' } })
    await bob.until(({ told }) => told.filter(([name]) => name === 'presence:devices').length === 2)
    expect(bob.told.at(-1)).toEqual([
      'presence:devices',
      {
        count: 2,
        devices: [
          { deviceId: 'laptop', since: expect.any(Number) as number, label: 'Work' },
          { deviceId: 'phone', since: expect.any(Number) as number },
        ],
      },
    ])
    await ann.fence()
    expect(ann.told.filter(([name]) => name === 'presence:devices')).toHaveLength(1)
  })

  it('never makes somebody online with no device', async () => {
    await using wire = await startWire({ rows: friends, presence: { graceMs: 0 } })
    const ann = await wire.connect('ann')
    for (const deviceId of ['laptop', 'phone', undefined]) {
      const bob = await wire.connect('bob', deviceId === undefined ? {} : { auth: { deviceId } })
      await bob.drop()
    }
    await ann.fence()
    const payloads = ann.told
      .filter(([name]) => name.startsWith('presence:') && name !== 'presence:devices')
      .map(([, payload]) => payload as { online: boolean; count: number })
    expect(payloads.length).toBeGreaterThan(6)
    expect(payloads.filter(({ online, count }) => online !== count > 0)).toEqual([])
  })
})

describe('a reload inside the grace', () => {
  it.each([
    ['of a stock client without a device', {}],
    ['of a client that names its device', { auth: { deviceId: 'laptop' } }],
    ['of a client that names its device and program', { auth: { deviceId: 'laptop', clientId: 'a' } }],
  ])('%s shows nothing, the count included', async (_name, options) => {
    await using wire = await startWire({
      rows: friends,
      presence: { graceMs: 60_000, reattachGraceMs: 60_000 },
    })
    const ann = await wire.connect('ann')
    let bob = await wire.connect('bob', options)
    await ann.until('bob 1 in c')
    ann.hear()
    for (let reload = 0; reload < 3; reload++) {
      await bob.drop()
      bob = await wire.connect('bob', options)
    }
    await ann.fence()
    expect(ann.hear()).toEqual([])
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
    expect(bob.hear().filter((line) => line.startsWith('bob'))).toEqual(['bob 1', 'bob 1 in c'])
  })
})

describe('who goes', () => {
  it('by disconnecting is gone at once, whatever the grace', async () => {
    await using wire = await startWire({
      rows: friends,
      presence: { graceMs: 60_000, reattachGraceMs: 60_000 },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    bob.socket.disconnect()
    await ann.until('bob 0 in c')
  })

  it('by disconnecting has leaveGraceMs, where the host gives one', async () => {
    await using wire = await startWire({ rows: friends, presence: { leaveGraceMs: 60_000 } })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.until('bob 1 in c')
    ann.hear()
    const serverSide = bob.server()
    bob.socket.disconnect()
    await wire.until('the leave', () => serverSide.disconnected)
    await ann.fence()
    expect(ann.hear()).toEqual([])
    await wire.connect('bob')
    await ann.fence()
    expect(ann.hear()).toEqual([])
  })

  it('with presence:leave is answered, then gone at once, and the other devices stay', async () => {
    await using wire = await startWire({
      rows: friends,
      presence: { graceMs: 60_000, reattachGraceMs: 60_000 },
    })
    const ann = await wire.connect('ann')
    const phone = await wire.connect('bob', { auth: { deviceId: 'phone' }, reconnection: true })
    const laptop = await wire.connect('bob', { auth: { deviceId: 'laptop' } })
    await ann.until('bob 2 in c')
    expect(await phone.ask('presence:leave')).toEqual({ ok: true })
    await ann.fence()
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
    expect(ann.hear().at(-1)).toBe('bob 1 in c')
    await phone.until(({ ends }) => ends.length > 0)
    expect(phone.ends).toEqual(['io server disconnect'])
    expect(laptop.socket.connected).toBe(true)
  })

  it('with a log-out takes all sessions of the device along, each told why, and no other device', async () => {
    await using wire = await startWire({ rows: friends })
    const ann = await wire.connect('ann')
    const tab = await wire.connect('bob', { auth: { deviceId: 'laptop' } })
    const other = await wire.connect('bob', { auth: { deviceId: 'laptop' }, reconnection: true })
    const phone = await wire.connect('bob', { auth: { deviceId: 'phone' } })
    expect(await tab.ask('presence:leave', { scope: 'device' })).toEqual({ ok: true })
    await other.until(({ ends }) => ends.length > 0)
    await tab.until(({ ends }) => ends.length > 0)
    expect(other.hear().at(-1)).toBe('closed: logged_out')
    expect(other.ends).toEqual(['io server disconnect'])
    expect(tab.hear()).not.toContain('closed: logged_out')
    await ann.fence()
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
    expect(phone.socket.connected).toBe(true)
  })

  it('because the host kicked is told so and does not come back', async () => {
    await using wire = await startWire({
      rows: friends,
      presence: { graceMs: 60_000, reattachGraceMs: 60_000 },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob', { reconnection: true })
    await ann.until('bob 1 in c')
    wire.presence.kick('bob')
    await bob.until(({ ends }) => ends.length > 0)
    await ann.until('bob 0 in c')
    expect(bob.told.at(-1)).toEqual([
      'presence:closed',
      { code: 'kicked', message: 'The host ended this session for good.', retry: 'never' },
    ])
    expect(bob.ends).toEqual(['io server disconnect'])
    expect(bob.socket.active).toBe(false)
    expect(bob.connections).toBe(1)
  })

  it('because the host disconnected its socket is gone at once', async () => {
    await using wire = await startWire({
      rows: friends,
      presence: { graceMs: 60_000, reattachGraceMs: 60_000 },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    bob.server().disconnect()
    await ann.until('bob 0 in c')
  })

  it('by a kick of one device leaves the others', async () => {
    await using wire = await startWire({ rows: friends })
    const phone = await wire.connect('bob', { auth: { deviceId: 'phone' } })
    const laptop = await wire.connect('bob', { auth: { deviceId: 'laptop' } })
    wire.presence.kick('bob', { deviceId: 'phone' })
    await phone.until(({ ends }) => ends.length > 0)
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
    expect(laptop.socket.connected).toBe(true)
  })

  it('without a word is offline when the grace is over', async () => {
    await using wire = await startWire({ rows: friends, presence: { graceMs: 50 } })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await bob.drop()
    expect(wire.presence.get('bob').online).toBe(true)
    await ann.until('bob 0 in c')
  })

  it('frozen keeps the grace that it asked for, while others in its place are gone', async () => {
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann', 'bob', 'cid']]] },
      presence: { graceMs: 50, reattachGraceMs: 50 },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    const cid = await wire.connect('cid')
    expect(await bob.ask('presence:background', { graceMs: 60_000 })).toEqual({ ok: true })
    await bob.drop()
    await cid.drop()
    await ann.until('cid 0 in c')
    await ann.fence()
    expect(ann.hear()).not.toContain('bob 0 in c')
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
  })
})

describe('a token', () => {
  const inMs = (ms: number) => ({ exp: (Date.now() + ms) / 1_000 })

  it('whose end comes makes the session lost, not left, and a stock client with a new one did not blink', async () => {
    await using wire = await startWire({
      rows: friends,
      presence: { graceMs: 60_000, reattachGraceMs: 60_000 },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob', { reconnection: true, auth: { token: token('bob', inMs(150)) } })
    bob.socket.auth = { token: token('bob') }
    await ann.until('bob 1 in c')
    ann.hear()
    await bob.until(({ connections }) => connections === 2)
    await ann.fence()
    expect(ann.hear()).toEqual([])
    expect(bob.ends).toEqual(['transport close'])
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
  })

  it('that is renewed on the open connection keeps it open', async () => {
    await using wire = await startWire({ rows: friends })
    const bob = await wire.connect('bob', { auth: { token: token('bob', inMs(300)) } })
    expect(await bob.ask('presence:token', { token: token('bob') })).toEqual({ ok: true })
    // Somebody whose token ends as late as that of bob would have.
    const cid = await wire.connect('cid', { auth: { token: token('cid', inMs(300)) } })
    await cid.until(({ ends }) => ends.length > 0)
    await bob.fence()
    expect(bob.socket.connected).toBe(true)
  })

  it('of another user is refused, and the connection stays as it was', async () => {
    await using wire = await startWire({ rows: friends })
    const bob = await wire.connect('bob')
    const before = bob.server().handshake.auth.token as unknown
    expect(await bob.ask('presence:token', { token: token('ann') })).toMatchObject({
      ok: false,
      error: { code: 'token_other_user' },
    })
    expect(await bob.ask('presence:token', { token: 'x.y.z' })).toMatchObject({
      error: { code: 'token_invalid' },
    })
    expect(bob.server().handshake.auth.token).toBe(before)
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
    expect(wire.presence.get('ann').online).toBe(false)
  })
})
