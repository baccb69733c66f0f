import type { Server } from 'socket.io'
import type { Adapter } from 'socket.io-adapter'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { UserId } from '@vigie/protocol'
import type { announce } from '../../src/core/announce.js'
import { OFFLINE, type World } from '../../src/core/model.js'
import { startWire, type Wire, type WireOptions } from '../support/wire.js'

/** The engine's own state, to plant something in it: the engine shows it to nobody. */
const engine = vi.hoisted((): { world: unknown } => ({ world: undefined }))
vi.mock('../../src/core/announce.js', async (original) => {
  const real = await original<{ announce: typeof announce }>()
  return {
    announce: (...args: Parameters<typeof announce>) => {
      engine.world = args[0]
      real.announce(...args)
    },
  }
})
afterEach(() => {
  engine.world = undefined
})

const rows = { groups: [['g', ['ann', 'bob']]], conversations: [['c', ['ann', 'bob']]] } as const
const NONE = { sockets: 0, sessions: 0, rosters: 0, published: 0, rooms: 0 }

const start = (options: WireOptions = {}) =>
  startWire({
    rows,
    ...options,
    presence: { auditMs: 400, graceMs: 60_000, reattachGraceMs: 60_000, ...options.presence },
  })

const worldOf = () => engine.world as World
const warnings = (wire: Wire) => wire.log.filter(({ level }) => level === 'warn' || level === 'error')
const reasons = (wire: Wire, userId: string) =>
  wire.presence.explain(userId).transitions.map(({ reason }) => reason)

/** An adapter that must be told of joins. */
function learningAdapter(io: Server): void {
  class LearningAdapter extends (io.of('/').adapter.constructor as typeof Adapter) {
    override addAll(id: string, rooms: Set<string>) {
      return super.addAll(id, rooms)
    }
    override del(id: string, room: string) {
      return super.del(id, room)
    }
  }
  io.adapter(LearningAdapter)
}

describe('a ghost that was planted is found within one round, counted, repaired and explained', () => {
  it('sessions: a host took all listeners off a socket, and nothing said that it was gone', async () => {
    await using wire = await start()
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    bob.server().removeAllListeners('disconnect')
    await bob.drop()
    expect(wire.presence.explain('bob').sessions).toMatchObject([{ state: 'live' }])
    await wire.until('it is found', () => wire.presence.ghosts().sessions === 1)
    expect(wire.presence.ghosts()).toEqual({ ...NONE, sessions: 1 })
    expect(wire.presence.explain('bob').sessions).toMatchObject([{ state: 'lost' }])
    expect(reasons(wire, 'bob')).toEqual(['lost', 'connected'])
    expect(wire.presence.sizes()).toMatchObject({ connections: 1, ghostsRepaired: 1 })
    expect(warnings(wire)).toEqual([
      expect.objectContaining({
        message: expect.stringMatching(/^A session had no connection any more/) as string,
        fields: { place: 'sessions', sessionId: expect.any(String) as string },
      }),
    ])
    expect(ann.socket.connected).toBe(true)
  })

  it('sockets: a connection whose session had ended is cut, and its client is back', async () => {
    await using wire = await start()
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob', { reconnection: true })
    const socket = bob.server()
    // Our own listener hears of an end that was none.
    for (const listener of socket.listeners('disconnect')) listener.call(socket, 'transport close', undefined)
    expect([bob.socket.connected, wire.presence.explain('bob').sessions[0]?.state]).toEqual([true, 'lost'])
    await wire.until('it is found', () => wire.presence.ghosts().sockets === 1)
    await bob.until(({ connections }) => connections === 2)
    await wire.until('it is a session again', () => reasons(wire, 'bob')[0] === 'returned')
    expect(wire.presence.explain('bob', 'ann')).toMatchObject({
      presence: { count: 1 },
      sessions: [{ state: 'live' }],
      viewer: { sees: true },
    })
    expect(warnings(wire)).toMatchObject([
      { message: /^A connection had no session/u.exec(String(warnings(wire)[0]?.message))?.input },
    ])
    expect(ann.socket.connected).toBe(true)
  })

  it('published: others see somebody as offline whose device is there', async () => {
    await using wire = await start()
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    const person = worldOf().people.get('bob' as UserId)
    if (!person) throw new Error('bob is unknown')
    person.presence = OFFLINE
    expect(wire.presence.get('bob').online).toBe(false)
    await wire.until('it is found', () => wire.presence.ghosts().published === 1)
    expect(wire.presence.get('bob')).toEqual({ online: true, count: 1 })
    expect(wire.presence.explain('bob', 'ann')).toMatchObject({
      presence: { online: true, count: 1 },
      viewer: { told: { online: true, count: 1 } },
    })
    expect(warnings(wire)).toMatchObject([{ fields: { place: 'published', userId: 'bob' } }])
  })

  it('published: the number of a large room', async () => {
    await using wire = await start({ presence: { namesMax: 1 } })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('c: 2 of 2')
    const counted = [...worldOf().conversations.values()][0]?.counted
    if (!counted) throw new Error('the room is not counted')
    counted.online = 7
    await wire.until('it is found', () => wire.presence.ghosts().published === 1)
    expect(counted.online).toBe(2)
  })

  it('rosters: the engine’s members are not the rows that were read', async () => {
    await using wire = await start()
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await bob.until('ann 1 in c')
    await ann.until('bob 1 in c')
    ann.hear()
    const room = [...worldOf().conversations.values()].find(({ name }) => name.id === 'c')
    const lost = room?.roster.find(({ id }) => id === 'bob')
    if (!room || !lost) throw new Error('the room is not held')
    // One end of an edge is missing, and the rows are said to be whole.
    lost.memberOf = lost.memberOf.filter((other) => other !== room)
    await wire.until('it is found', () => wire.presence.ghosts().rosters >= 1)
    expect(wire.presence.explain('bob', 'ann').viewer?.through).toContainEqual({
      kind: 'conversation',
      id: 'c',
      mode: 'names',
    })
    expect(warnings(wire)).toMatchObject([{ fields: { place: 'rosters' } }])
    // There and back is nothing that a client would have to hear.
    await ann.fence()
    expect(ann.hear().filter((line) => line.endsWith(' in c'))).toEqual([])
  })

  it('rosters: rows changed, and no feed said so', async () => {
    await using wire = await start({
      wrap: (memory) => ({ ...memory, open: () => Promise.resolve() }),
      presence: { rereadMs: 200 },
    })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    wire.rows.removeFromConversation('c', 'bob')
    await ann.until('bob 0 in c')
    await wire.until('it is found', () => wire.presence.ghosts().rosters >= 1)
    expect(wire.presence.explain('bob', 'ann').viewer?.through).toEqual([
      { kind: 'group', id: 'g', mode: 'names' },
    ])
    expect(warnings(wire)[0]).toMatchObject({
      message: expect.stringMatching(/^Rows had changed, and no change feed said so/) as string,
      fields: { place: 'rosters' },
    })
  })

  it('rooms: a socket is not in a room that its rows name', async () => {
    await using wire = await start({ before: learningAdapter })
    const bob = await wire.connect('bob')
    const { sids, rooms } = wire.io.of('/').adapter
    const id = String(bob.socket.id)
    sids.get(id)?.delete('conv:c')
    rooms.get('conv:c')?.delete(id)
    await wire.until('it is found', () => wire.presence.ghosts().rooms === 1)
    expect([sids.get(id)?.has('conv:c'), rooms.get('conv:c')?.has(id)]).toEqual([true, true])
    expect(warnings(wire)).toMatchObject([{ fields: { place: 'rooms', sessionId: id } }])
  })

  it('rooms: a host exchanged the adapter, which knows of no rows', async () => {
    await using wire = await start()
    const bob = await wire.connect('bob')
    wire.io.adapter(wire.io.of('/').adapter.constructor as typeof Adapter)
    expect(wire.io.of('/').adapter.rooms.has('conv:c')).toBe(false)
    await wire.until('it is found', () => wire.presence.ghosts().rooms >= 1)
    expect(wire.io.of('/').adapter.rooms.get('conv:c')).toEqual(new Set([bob.socket.id]))
  })
})

it('finds nothing while real clients come, go, are kicked, refused, and lose rows', async () => {
  let beats = 0
  await using wire = await start({
    before: learningAdapter,
    presence: { auditMs: 200, graceMs: 50, reattachGraceMs: 50, sessionsPerUserMax: 2, rereadMs: 100 },
  })
  for (let round = 0; round < 12; round++) {
    const ann = await wire.connect('ann', { auth: { deviceId: 'phone' } })
    const bob = await wire.connect('bob', { auth: { clientId: 'tab' } })
    const again = await wire.connect('bob', { auth: { clientId: 'tab' } })
    wire.rows.removeFromConversation('c', 'bob')
    wire.rows.addToConversation(`d${round}`, 'bob')
    await again.until(`bob 1 in d${round}`)
    wire.rows.addToConversation('c', 'bob')
    await bob.until(({ ends }) => ends.length > 0)
    if (round % 3 === 0) wire.presence.kick('ann')
    else if (round % 3 === 1) await ann.drop()
    else ann.socket.disconnect()
    await wire.until('she is gone', () => !wire.presence.get('ann').online)
    await again.drop()
    beats++
  }
  expect(beats).toBe(12)
  expect(wire.presence.ghosts()).toEqual(NONE)
  expect(wire.presence.sizes().ghostsRepaired).toBe(0)
}, 60_000)

it('is off with 0, and in shadow mode leaves connections alone', async () => {
  await using off = await start({ presence: { auditMs: 0 } })
  const bob = await off.connect('bob')
  bob.server().removeAllListeners('disconnect')
  await bob.drop()
  await using shadow = await start({ presence: { emit: false, sessionsPerUserMax: 1 } })
  const first = shadow.client('ann')
  await first.until(({ connections }) => connections === 1)
  const second = shadow.client('ann')
  await second.until(({ connections }) => connections === 1)
  const gone = shadow.client('bob')
  await gone.until(({ connections }) => connections === 1)
  await shadow.until('bob is there', () => shadow.presence.get('bob').online)
  gone.server().removeAllListeners('disconnect')
  await gone.drop()
  // It runs: the second look at the second of Ann’s, who is refused, would have come before this one.
  await shadow.until('it is found', () => shadow.presence.ghosts().sessions === 1)
  expect(shadow.presence.ghosts()).toEqual({ ...NONE, sessions: 1 })
  expect([first.socket.connected, second.socket.connected]).toEqual([true, true])
  expect(off.presence.ghosts()).toEqual(NONE)
})
