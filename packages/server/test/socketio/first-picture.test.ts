import { describe, expect, it } from 'vitest'
import { recordPackets } from '../support/packets.js'
import { jsonParser } from '../support/parsers.js'
import { startWire, type ClientOptions, type Told, type Wire, type WireOptions } from '../support/wire.js'

const rows = {
  groups: [
    ['crew', ['ann', 'bob', 'cid']],
    ['cooks', ['ann', 'bob']],
    ['all', ['ann', 'bob', 'cid', 'dan', 'eve', 'fay']],
    ['others', ['dan', 'eve']],
  ],
  conversations: [
    ['lunch', ['ann', 'bob', 'dan']],
    ['secret', ['bob', 'eve']],
  ],
} as const

/** Bob has two devices and Dan types; Cid has just gone, Eve shares only a crowd with Ann, Fay was never there. */
async function startWorld(options: WireOptions, clients: ClientOptions): Promise<Wire> {
  const wire = await startWire({
    rows,
    ...options,
    presence: { namesMax: 5, occupancyWindowMs: 0, ...options.presence },
  })
  await wire.connect('bob', { ...clients, auth: { deviceId: 'phone' } })
  await wire.connect('bob', { ...clients, auth: { deviceId: 'laptop' } })
  const dan = await wire.connect('dan', clients)
  await wire.connect('eve', clients)
  const cid = await wire.connect('cid', clients)
  cid.socket.disconnect()
  await wire.until('Cid is gone', () => !wire.presence.get('cid').online)
  expect(await dan.ask('typing:start', { convId: 'lunch' })).toEqual({ ok: true })
  return wire
}

const picture: readonly Told[] = [
  ['presence:update', { userId: 'ann', online: true, count: 1 }],
  ['presence:update', { userId: 'bob', online: true, count: 2 }],
  ['presence:update', { userId: 'cid', online: false, count: 0 }],
  ['presence:conversation', { userId: 'ann', online: true, count: 1, conversationId: 'lunch' }],
  ['presence:conversation', { userId: 'bob', online: true, count: 2, conversationId: 'lunch' }],
  ['presence:conversation', { userId: 'dan', online: true, count: 1, conversationId: 'lunch' }],
  ['typing:start', { convId: 'lunch', userId: 'dan' }],
  ['presence:occupancy', { groupId: 'all', members: 6, online: 4 }],
  [
    'presence:devices',
    { count: 1, devices: [{ deviceId: 'd', since: expect.any(Number) as number, label: 'Mine' }] },
  ],
]
const auth = { deviceId: 'd', label: 'Mine' }

describe('the first picture', () => {
  it('is all that may be seen, each event with its exact fields, in one write after the connection', async () => {
    const { connections, before } = recordPackets()
    await using wire = await startWorld({ before }, {})
    const ann = await wire.connect('ann', { auth })
    expect(ann.told).toHaveLength(picture.length)
    expect(ann.told).toEqual(expect.arrayContaining([...picture]))
    const [connected, drawn, ...rest] = connections.at(-1) ?? []
    expect(connected?.data).toMatch(/^0\{"sid"/)
    expect([drawn?.type, Buffer.isBuffer(drawn?.data)]).toEqual([undefined, true])
    expect(rest).toEqual([])
  })

  const binary = jsonParser('binary')
  const text = jsonParser('text')
  it.each<[string, Readonly<Record<string, unknown>>, ClientOptions]>([
    ['over polling', {}, { transports: ['polling'] }],
    ['with perMessageDeflate', { perMessageDeflate: { threshold: 0 } }, {}],
    ['with a parser that sends binary', { parser: binary }, { parser: binary }],
  ])('%s is the same, in single packets', async (_name, server, clients) => {
    const { connections, before } = recordPackets()
    await using wire = await startWorld({ before, server }, clients)
    const ann = await wire.connect('ann', { ...clients, auth })
    expect(ann.told).toHaveLength(picture.length)
    expect(ann.told).toEqual(expect.arrayContaining([...picture]))
    const packets = connections.at(-1) ?? []
    expect(packets.map(({ type }) => type)).toEqual(Array(1 + picture.length).fill('message'))
  })

  it.each<[string, WireOptions, ClientOptions]>([
    ['with a parser of the host that sends text', { server: { parser: text } }, { parser: text }],
    ['on a namespace', { namespace: '/chat' }, {}],
    ['to a client that comes by polling and upgrades', {}, { transports: ['polling', 'websocket'] }],
  ])('%s is the same', async (_name, server, clients) => {
    await using wire = await startWorld(server, clients)
    const ann = await wire.connect('ann', { ...clients, auth })
    await ann.fence()
    expect(ann.told).toHaveLength(picture.length)
    expect(ann.told).toEqual(expect.arrayContaining([...picture]))
  })

  it('of somebody without rows is their own presence and devices', async () => {
    await using wire = await startWire()
    const ann = await wire.connect('ann')
    await ann.fence()
    expect(ann.told.map(([name]) => name)).toEqual(['presence:update', 'presence:devices'])
  })

  it('names a stock client’s device by a name that the server made', async () => {
    await using wire = await startWire()
    const ann = await wire.connect('ann')
    const { devices } = ann.told.at(-1)?.[1] as { devices: Record<string, unknown>[] }
    expect(devices.map((device) => Object.keys(device).sort())).toEqual([['deviceId', 'since']])
    expect(devices[0]?.deviceId).toMatch(/^~./)
  })

  it('leaves out who went offline longer ago than offlineMemoryMs', async () => {
    await using wire = await startWire({ rows, presence: { offlineMemoryMs: 0 } })
    const cid = await wire.connect('cid')
    cid.socket.disconnect()
    await wire.until('Cid is gone', () => !wire.presence.get('cid').online)
    const ann = await wire.connect('ann')
    await ann.fence()
    expect(ann.hear().filter((line) => line.startsWith('cid'))).toEqual([])
  })

  it('comes again, whole, on each reconnection', async () => {
    await using wire = await startWorld({}, {})
    const ann = await wire.connect('ann', { auth, reconnection: true })
    ann.server().conn.close()
    await ann.until(({ told }) => told.length === 2 * picture.length)
    expect(ann.told.slice(picture.length)).toEqual(expect.arrayContaining([...picture]))
  })
})
