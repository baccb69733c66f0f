import type { Server, Socket } from 'socket.io'
import type { Adapter } from 'socket.io-adapter'
import { describe, expect, it } from 'vitest'
import { startWire, type WireClient } from '../support/wire.js'

const rows = {
  groups: [['g', ['ann', 'bob']]],
  conversations: [['c', ['ann', 'bob']]],
} as const

/** Without its own, and without the conversation that a fence makes. */
const roomsOf = (socket: Socket) =>
  [...socket.rooms].filter((room) => room !== socket.id && !room.endsWith('~fence')).sort()

const adapterOf = (io: Server) => io.of('/').adapter

/** What the client hears of the host: `to <room>`, and a fence. */
async function heard(client: WireClient, act: () => void): Promise<readonly string[]> {
  const texts: string[] = []
  const listen = (text: string) => texts.push(text)
  client.socket.on('news', listen)
  act()
  await client.fence()
  client.socket.off('news', listen)
  return texts
}

describe('a room of Socket.IO', () => {
  it('is those whom the rows name, on all of their connections', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    const second = await wire.connect('ann')
    const bob = await wire.connect('bob')
    const tell = () => {
      for (const room of ['user:ann', 'group:g', 'conv:c', 'conv:none']) wire.io.to(room).emit('news', room)
    }
    expect(await heard(ann, tell)).toEqual(['user:ann', 'group:g', 'conv:c'])
    expect(await heard(second, tell)).toEqual(['user:ann', 'group:g', 'conv:c'])
    expect(await heard(bob, tell)).toEqual(['group:g', 'conv:c'])
    expect(await heard(bob, () => wire.io.to('group:g').except('user:bob').emit('news', ''))).toEqual([])
    // Each once, whoever is in several of them.
    expect(await heard(bob, () => wire.io.to(['group:g', 'conv:c']).emit('news', 'once'))).toEqual(['once'])
    const found = await wire.io.in('conv:c').fetchSockets()
    expect(found.map(({ id }) => id).sort()).toEqual(
      [ann, second, bob].map(({ socket }) => String(socket.id)).sort(),
    )
  })

  it('follows the rows at once', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    wire.rows.removeFromConversation('c', 'bob')
    wire.rows.addToConversation('d', 'bob')
    await bob.until('bob 1 in d')
    const tell = () => {
      wire.io.to('conv:c').to('conv:d').emit('news', 'x')
    }
    expect(await heard(bob, tell)).toEqual(['x'])
    expect(roomsOf(bob.server())).toEqual(['conv:d', 'group:g', 'user:bob'])
    expect(await heard(bob, () => wire.io.to('conv:c').emit('news', 'x'))).toEqual([])
    expect(await heard(ann, () => wire.io.to('conv:c').emit('news', 'x'))).toEqual(['x'])
  })

  it('has nobody who has gone', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    const seen: unknown[] = []
    const socket = bob.server()
    socket.on('disconnecting', () => seen.push(roomsOf(socket)))
    socket.on('disconnect', () => {
      seen.push(adapterOf(wire.io).rooms.get('conv:c')?.size)
    })
    bob.socket.disconnect()
    await ann.until('bob 0 in c')
    // On its way out it is still in them, as in those that were joined.
    expect(seen).toEqual([['conv:c', 'group:g', 'user:bob'], 1])
    expect(adapterOf(wire.io).rooms.has('user:bob')).toBe(false)
    expect([...adapterOf(wire.io).rooms.keys()].sort()).toEqual(
      ['conv:c', 'group:g', 'user:ann', String(ann.socket.id)].sort(),
    )
  })

  it('that the host has joined itself is left alone, whatever it is called', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    await ann.server().join(['lobby', 'conv:c', 'conv:d'])
    const { rooms } = adapterOf(wire.io)
    expect([...(rooms.get('conv:d') ?? [])]).toEqual([ann.socket.id])
    wire.rows.removeFromConversation('c', 'ann')
    wire.rows.addToConversation('d', 'ann')
    await ann.until('ann 1 in d')
    wire.rows.removeFromConversation('d', 'ann')
    await ann.until('ann 0 in d')
    expect(roomsOf(ann.server())).toEqual(['conv:c', 'conv:d', 'group:g', 'lobby', 'user:ann'])
    await ann.server().leave('conv:c')
    await ann.server().leave('group:g')
    // The row says that she is in it.
    expect(roomsOf(ann.server())).toEqual(['conv:d', 'group:g', 'lobby', 'user:ann'])
    ann.socket.disconnect()
    await wire.until('she has gone', () => adapterOf(wire.io).rooms.size === 0)
  })

  it('is listed, counted and visited as any other', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    await ann.server().join('lobby')
    const { rooms } = adapterOf(wire.io)
    const names = [String(ann.socket.id), 'conv:c', 'group:g', 'lobby', 'user:ann'].sort()
    expect([...rooms.keys()].sort()).toEqual(names)
    expect([...rooms].map(([name]) => name).sort()).toEqual(names)
    expect([...rooms.entries()].map(([name]) => name).sort()).toEqual(names)
    expect([...rooms.values()].map((ids) => [...ids])).toEqual(names.map(() => [ann.socket.id]))
    expect(rooms.size).toBe(names.length)
    const visited: string[] = []
    rooms.forEach((ids, name) => visited.push(`${name} ${ids.size}`))
    expect(visited.sort()).toEqual(names.map((name) => `${name} 1`))
  })

  it('may have another name, or the same as another', async () => {
    const presence = { rooms: { user: '', group: 'room/', conversation: 'room/' } }
    await using wire = await startWire({
      rows: { groups: [['x', ['ann']]], conversations: [['x', ['bob']]] },
      presence,
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    const tell = () => {
      wire.io.to('room/x').to('ann').emit('news', 'x')
    }
    expect(await heard(ann, tell)).toEqual(['x'])
    expect(await heard(bob, tell)).toEqual(['x'])
    expect(roomsOf(bob.server())).toEqual(['bob', 'room/x'])
  })

  it('is none where rooms are off, and in shadow mode', async () => {
    for (const presence of [{ rooms: false }, { emit: false }] as const) {
      await using wire = await startWire({ rows, presence })
      const ann = wire.client('ann')
      await ann.until(({ connections }) => connections === 1)
      expect(roomsOf(ann.server())).toEqual([])
      expect(adapterOf(wire.io).rooms.has('conv:c')).toBe(false)
    }
  })
})

describe('an adapter', () => {
  it('that the host exchanges later has the same rooms', async () => {
    await using wire = await startWire({ rows })
    class Another extends (adapterOf(wire.io).constructor as typeof Adapter) {}
    wire.io.adapter(Another)
    const ann = await wire.connect('ann')
    expect(adapterOf(wire.io)).toBeInstanceOf(Another)
    expect(await heard(ann, () => wire.io.to('conv:c').emit('news', 'x'))).toEqual(['x'])
  })

  it('finds them when another node asks', async () => {
    await using wire = await startWire({ rows })
    await wire.connect('ann')
    // As those for several nodes do before they pass on what came.
    const { rooms } = adapterOf(wire.io)
    expect([rooms.has('conv:c'), rooms.has('conv:none')]).toEqual([true, false])
  })
})

it('a handler of the host for `connect` finds the rooms, and the user', async () => {
  const seen: unknown[] = []
  await using wire = await startWire({
    rows,
    before(io: Server) {
      io.on('connect', (socket: Socket) => {
        seen.push((socket.data as { userId: string }).userId, roomsOf(socket))
      })
    },
  })
  await wire.connect('ann')
  expect(seen).toEqual(['ann', ['conv:c', 'group:g', 'user:ann']])
})

it('namespaces that a pattern stands for have rooms each, on one presence', async () => {
  await using wire = await startWire({ rows, namespace: /^\/tenant-\d$/u })
  const ann = await wire.connect('ann', { namespace: '/tenant-1' })
  const bob = await wire.connect('bob', { namespace: '/tenant-2' })
  wire.io.of('/tenant-1').to('conv:c').emit('news', 'one')
  wire.io.of('/tenant-2').to('conv:c').emit('news', 'two')
  await ann.until('news "one"')
  await bob.until('news "two"')
  expect(bob.told.flatMap(([name, ...args]) => (name === 'news' ? args : []))).toEqual(['two'])
  await ann.until('bob 1 in c')
})
