import type { Server, Socket } from 'socket.io'
import type { Adapter } from 'socket.io-adapter'
import { describe, expect, it } from 'vitest'
import { attachPresence } from '../../src/socketio/index.js'
import { memoryMemberships } from '../../src/memory/index.js'
import { SECRET, startWire, type Wire, type WireClient, type WireOptions } from '../support/wire.js'

const rows = {
  groups: [['g', ['ann', 'bob']]],
  conversations: [['c', ['ann', 'bob']]],
} as const

/** Without its own, and without the conversation that a fence makes. */
const roomsOf = (socket: Socket) =>
  [...socket.rooms].filter((room) => room !== socket.id && !room.endsWith('~fence')).sort()

const adapterOf = (io: Server) => io.of('/').adapter

/** Its methods and its map are the server's own; what it is told of joins and leaves stands in `subscribed`. */
function learningAdapter(io: Server) {
  const subscribed: string[] = []
  class LearningAdapter extends (adapterOf(io).constructor as typeof Adapter) {
    override addAll(id: string, rooms: Set<string>) {
      subscribed.push(...[...rooms].map((room) => `+${room}`))
      return super.addAll(id, rooms)
    }
    override del(id: string, room: string) {
      subscribed.push(`-${room}`)
      return super.del(id, room)
    }
  }
  io.adapter(LearningAdapter)
  return subscribed
}

/** An adapter is told of members in one of two ways, and a host sees no difference. */
const WAYS: readonly [string, (io: Server) => void][] = [
  ['that looks into its rooms when it sends', () => {}],
  ['that learns of rooms when sockets join', learningAdapter],
]

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

describe.each(WAYS)('a room of an adapter %s', (_, before) => {
  const start = (options: WireOptions = {}) => startWire({ rows, before, ...options })

  it('is those whom the rows name, on all of their connections', async () => {
    await using wire = await start()
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
    await using wire = await start()
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

  it.each([
    ['the user', { users: ['bob'] }],
    ['the room', { conversations: ['c'] }],
    ['both', { users: ['bob'], conversations: ['c'] }],
  ])('follows what a host without a feed says, naming %s', async (_name, stale) => {
    await using wire = await start({ wrap: (memory) => ({ ...memory, open: async () => {} }) })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    const rooms = () => adapterOf(wire.io).rooms.get('conv:c')
    const ids = (...clients: WireClient[]) => new Set(clients.map(({ socket }) => String(socket.id)))
    wire.rows.removeFromConversation('c', 'bob')
    wire.presence.membershipsChanged(stale)
    await wire.until('that he is out', () => rooms()?.size === 1)
    expect(rooms()).toEqual(ids(ann))
    expect(roomsOf(bob.server())).toEqual(['group:g', 'user:bob'])
    wire.rows.addToConversation('c', 'bob')
    wire.presence.membershipsChanged(stale)
    await wire.until('that he is in', () => rooms()?.size === 2)
    expect(rooms()).toEqual(ids(ann, bob))
    expect(roomsOf(bob.server())).toEqual(['conv:c', 'group:g', 'user:bob'])
  })

  it('has its members when it gets too large for names, and when it shrinks again', async () => {
    await using wire = await start({
      rows: { conversations: [['c', ['ann', 'bob']]] },
      presence: { namesMax: 2 },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    const cid = await wire.connect('cid')
    const tell = () => {
      wire.io.to('conv:c').emit('news', 'x')
    }
    const whoHears = async () => [await heard(ann, tell), await heard(bob, tell), await heard(cid, tell)]
    wire.rows.addToConversation('c', 'cid')
    await cid.until('c: 3 of 3')
    expect(await whoHears()).toEqual([['x'], ['x'], ['x']])
    wire.rows.removeFromConversation('c', 'bob')
    await wire.until('that he is out', () => adapterOf(wire.io).rooms.get('conv:c')?.size === 2)
    expect(await whoHears()).toEqual([['x'], [], ['x']])
    wire.rows.removeFromConversation('c', 'cid')
    await wire.until('that he is out', () => adapterOf(wire.io).rooms.get('conv:c')?.size === 1)
    expect(await whoHears()).toEqual([['x'], [], []])
  })

  it('is found by another spelling of its id, where the store has one of its own', async () => {
    await using wire = await start({
      wrap: (memory) => ({ ...memory, spelling: (_, id) => id.toLowerCase() }),
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.server().join('conv:C')
    const both = () => {
      wire.io.to('conv:C').emit('news', 'x')
      wire.io.to(['conv:C', 'conv:c', 'user:BOB']).emit('news', 'y')
      wire.io.to('group:G').except('user:ANN').emit('news', 'z')
    }
    expect(await heard(ann, both)).toEqual(['x', 'y'])
    expect(await heard(bob, both)).toEqual(['x', 'y', 'z'])
    expect(await wire.io.in('conv:C').fetchSockets()).toHaveLength(2)
    wire.io.in('user:BOB').socketsJoin('lobby')
    expect(roomsOf(bob.server())).toEqual(['conv:c', 'group:g', 'lobby', 'user:bob'])
    wire.io.in('user:BOB').disconnectSockets()
    await wire.until('his end', () => wire.io.of('/').sockets.size === 2)
    expect(ann.socket.connected).toBe(true)
  })

  it('has nobody who has gone', async () => {
    await using wire = await start()
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

  it('is left to the host when a connection is kept for recovery', async () => {
    const kept: (readonly string[])[] = []
    await using wire = await start({
      before(io) {
        before(io)
        adapterOf(io).persistSession = ({ rooms }) => kept.push(rooms)
      },
      server: { connectionStateRecovery: {} },
      presence: { allowRecovery: true },
    })
    const ann = await wire.connect('ann')
    await ann.server().join(['lobby', 'conv:c'])
    const { id } = ann.server()
    await ann.drop()
    // Whether the rows still name her is asked again when she is back.
    expect(kept.map((rooms) => [...rooms].sort())).toEqual([[id, 'lobby', 'conv:c'].sort()])
  })

  it('that the host has joined itself is left alone, whatever it is called', async () => {
    await using wire = await start()
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
    await using wire = await start()
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
    await using wire = await start({
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
      await using wire = await start({ presence })
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

  it.each(WAYS)(
    'that the host exchanges has, with the next arrival, those who were there before, %s',
    async (_, before) => {
      await using wire = await startWire({ rows, before })
      const ann = await wire.connect('ann')
      wire.io.adapter(adapterOf(wire.io).constructor as typeof Adapter)
      const bob = await wire.connect('bob')
      await ann.until('bob 1 in c')
      const tell = () => {
        wire.io.to('conv:c').except(`user:bob`).emit('news', 'x')
      }
      expect(await heard(ann, tell)).toEqual(['x'])
      expect(await heard(bob, tell)).toEqual([])
    },
  )

  it('that the host exchanges, and that learns of rooms by joins, has them with the next change of rows', async () => {
    let subscribed: string[] = []
    await using wire = await startWire({
      rows,
      before(io) {
        subscribed = learningAdapter(io)
      },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await bob.until('ann 1 in c')
    await ann.until('bob 1 in c')
    wire.io.adapter(adapterOf(wire.io).constructor as typeof Adapter)
    subscribed.splice(0)
    wire.rows.removeFromConversation('c', 'bob')
    await bob.until('ann 0 in c')
    // Everybody leaves the former adapter’s rooms: on uWebSockets.js its topics would go on, of bob and c, too.
    const left = ['-user:ann', '-group:g', '-conv:c', '-user:bob', '-group:g', '-conv:c']
    const joined = ['+user:ann', '+group:g', '+conv:c', '+user:bob', '+group:g']
    expect(subscribed).toEqual([...left, ...joined])
    wire.rows.addToConversation('d', 'bob')
    await bob.until('bob 1 in d')
    const tell = () => {
      for (const room of ['user:bob', 'conv:c', 'conv:d']) wire.io.to(room).emit('news', room)
    }
    expect(await heard(bob, tell)).toEqual(['user:bob', 'conv:d'])
    expect(await heard(ann, tell)).toEqual(['conv:c'])
  })

  it('that listens for rooms hears of each with its first member and its last', async () => {
    const heardOf: string[] = []
    await using wire = await startWire({
      rows,
      before(io) {
        for (const event of ['create-room', 'delete-room'] as const) {
          adapterOf(io).on(event, (room: string) => {
            if (room.startsWith('conv:')) heardOf.push(`${event} ${room}`)
          })
        }
      },
    })
    const take = () => heardOf.splice(0)
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    expect(take()).toEqual(['create-room conv:c'])
    wire.rows.addToConversation('d', 'bob')
    await bob.until('bob 1 in d')
    expect(take()).toEqual(['create-room conv:d'])
    wire.rows.removeFromConversation('d', 'bob')
    await bob.until('bob 0 in d')
    expect(take()).toEqual(['delete-room conv:d'])
    // A second device, and a page that is back before its old connection is seen to have ended, change nothing.
    const second = await wire.connect('bob', { auth: { deviceId: 'phone', clientId: 'app' } })
    await wire.connect('bob', { auth: { deviceId: 'phone', clientId: 'app' } })
    await second.until(({ ends }) => ends.length > 0)
    expect(take()).toEqual([])
    await ann.drop()
    wire.presence.kick('bob')
    await wire.until('everybody has gone', () => adapterOf(wire.io).sids.size === 0)
    expect(take()).toEqual(['delete-room conv:c'])
  })

  it('that learns of rooms by joins is told of those of a session, and of no more', async () => {
    let subscribed: string[] = []
    await using wire = await startWire({
      rows,
      before(io) {
        subscribed = learningAdapter(io)
      },
    })
    const ann = await wire.connect('ann')
    const id = ann.server().id
    expect(subscribed.splice(0)).toEqual([`+${id}`, '+user:ann', '+group:g', '+conv:c'])
    wire.rows.removeFromConversation('c', 'ann')
    await ann.until('ann 0 in c')
    expect(subscribed.splice(0)).toEqual(['-conv:c'])
    // Refused: no session, and no rooms.
    const stranger = wire.client('bob', { auth: { token: 'none' } })
    await stranger.until(({ refusals }) => refusals.length === 1)
    expect(subscribed).toEqual([])
    expect(wire.log.map(({ message }) => message)).toContain(
      'The adapter `LearningAdapter` has a method `addAll` of its own: sockets join the rooms of their rows. ' +
        'That costs memory for each connection.',
    )
  })

  it('forgets a connection that leaves the namespace and stays open', async () => {
    let subscribed: string[] = []
    await using wire = await startWire({
      rows,
      before(io) {
        subscribed = learningAdapter(io)
      },
    })
    const ann = await wire.connect('ann')
    const { id, conn } = ann.server()
    subscribed.splice(0)
    // As any client may: a DISCONNECT packet, and the line goes on.
    ann.socket.io.engine.write('1')
    await wire.until('she has gone', () => adapterOf(wire.io).sids.size === 0)
    expect(conn.readyState).toBe('open')
    expect(subscribed.sort()).toEqual([`-${id}`, '-conv:c', '-group:g', '-user:ann'].sort())
  })

  it('with a listener that throws is no reason to let nobody in', async () => {
    await using wire = await startWire({
      rows,
      before(io) {
        adapterOf(io).on('join-room', (room: string) => {
          if (room === 'user:ann') throw new Error('a mistake of the host')
        })
      },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.until('bob 1 in c')
    await bob.until('ann 1 in c')
    expect(wire.log.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      'A socket could not be kept in the rooms of its rows.',
    ])
  })

  it('that cannot have rooms is refused at the start, and named when it comes later', async () => {
    const sentence =
      'The adapter `Foreign` has no method `del` and no method `persistSession`, so messages to rooms such as `conv:7` could ' +
      'not reach their members. Use an adapter that extends the one of `socket.io-adapter`, or set `rooms: false` ' +
      'and join the sockets yourself.'
    const spoil = (io: Server) => {
      class Foreign extends (adapterOf(io).constructor as typeof Adapter) {}
      Object.assign(Foreign.prototype, { del: undefined, persistSession: undefined })
      io.adapter(Foreign)
    }
    await expect(startWire({ rows, before: spoil })).rejects.toThrow(new TypeError(sentence))
    await using without = await startWire({ rows, before: spoil, presence: { rooms: false } })
    await without.connect('ann')
    await using wire = await startWire({ rows })
    spoil(wire.io)
    await wire.connect('ann')
    expect(wire.log.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      sentence,
    ])
  })

  it('finds them when another node asks', async () => {
    await using wire = await startWire({ rows })
    await wire.connect('ann')
    // As those for several nodes do before they pass on what came.
    const { rooms } = adapterOf(wire.io)
    expect([rooms.has('conv:c'), rooms.has('conv:none')]).toEqual([true, false])
  })
})

it.each(WAYS)('a handler of the host for `connect` finds the rooms, on an adapter %s', async (_, before) => {
  const seen: unknown[] = []
  await using wire = await startWire({
    rows,
    before(io: Server) {
      before(io)
      io.on('connect', (socket: Socket) => {
        seen.push((socket.data as { userId: string }).userId, roomsOf(socket))
      })
    },
  })
  await wire.connect('ann')
  expect(seen).toEqual(['ann', ['conv:c', 'group:g', 'user:ann']])
})

it.each(WAYS)('namespaces of a pattern have rooms each, on an adapter %s', async (_, before) => {
  await using wire = await startWire({ rows, before, namespace: /^\/tenant-\d$/u })
  const ann = await wire.connect('ann', { namespace: '/tenant-1' })
  const bob = await wire.connect('bob', { namespace: '/tenant-2' })
  wire.io.of('/tenant-1').to('conv:c').emit('news', 'one')
  wire.io.of('/tenant-2').to('conv:c').emit('news', 'two')
  await ann.until('news "one"')
  await bob.until('news "two"')
  expect(bob.told.flatMap(([name, ...args]) => (name === 'news' ? args : []))).toEqual(['two'])
  await ann.until('bob 1 in c')
})

describe.each(WAYS)('after `close`, an adapter %s', (_, before) => {
  const PARTS = ['rooms', 'addAll', 'del', 'delAll', 'socketRooms', 'persistSession'] as const
  const partsOf = (io: Server) => PARTS.map((name) => adapterOf(io)[name])
  const ownNames = (io: Server) => Object.getOwnPropertyNames(adapterOf(io)).sort()

  it('is what it was, and has in its rooms whom the host has joined', async () => {
    let was: { parts: unknown[]; names: string[] } | undefined
    await using wire = await startWire({
      rows,
      before(io) {
        before(io)
        was = { parts: partsOf(io), names: ownNames(io) }
      },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await bob.server().join(['conv:c', 'lobby'])
    expect(partsOf(wire.io)).not.toEqual(was?.parts)
    const held = adapterOf(wire.io).rooms

    await wire.presence.close()
    expect(ownNames(wire.io)).toEqual(was?.names)
    PARTS.forEach((name, place) => {
      expect(adapterOf(wire.io)[name], name).toBe(was?.parts[place])
    })
    const joined = [ann.server().id, bob.server().id, 'conv:c', 'lobby'].sort()
    // Also for whoever has kept the map of before.
    for (const rooms of [adapterOf(wire.io).rooms, held]) {
      expect([...rooms.keys()].sort()).toEqual(joined)
      expect(rooms.has('conv:c')).toBe(true)
      expect(rooms.has('group:g')).toBe(false)
    }
    expect(roomsOf(ann.server())).toEqual([])
    expect(roomsOf(bob.server())).toEqual(['conv:c', 'lobby'])
    expect(await heardUntilEnd(wire, ann, ['user:ann', 'group:g', 'conv:c'])).toEqual([])
    expect(await heardUntilEnd(wire, bob, ['user:bob', 'group:g', 'conv:c'])).toEqual(['conv:c'])
    expect((await wire.io.in('conv:c').fetchSockets()).map(({ id }) => id)).toEqual([bob.server().id])
  })

  it('keeps what somebody else has put in front of it meanwhile', async () => {
    await using wire = await startWire({ rows, before })
    const ann = await wire.connect('ann')
    const adapter = adapterOf(wire.io)
    const ofPresence = adapter.addAll
    const seen: string[] = []
    const inFront = (id: string, rooms: Set<string>) => {
      seen.push(...rooms)
      return ofPresence.call(adapter, id, rooms)
    }
    adapter.addAll = inFront
    await wire.presence.close()
    expect(adapter.addAll).toBe(inFront)
    await ann.server().join('conv:c')
    expect(seen).toEqual(['conv:c'])
    expect([...(adapter.rooms.get('conv:c') ?? [])]).toEqual([ann.server().id])
    await ann.server().leave('conv:c')
    expect(roomsOf(ann.server())).toEqual([])
  })

  it('can be attached to again, and the rows of then decide', async () => {
    await using wire = await startWire({ rows, before })
    const ann = await wire.connect('ann')
    await wire.presence.close()
    const again = attachPresence(wire.io, {
      memberships: memoryMemberships({ conversations: [['c', ['bob']]] }),
      auth: { secret: SECRET },
    })
    const bob = await wire.connect('bob')
    expect(roomsOf(bob.server())).toEqual(['conv:c', 'user:bob'])
    expect(await heardUntilEnd(wire, ann, ['conv:c', 'user:ann'])).toEqual([])
    expect(await heardUntilEnd(wire, bob, ['conv:c', 'user:ann'])).toEqual(['conv:c'])
    await again.close()
    expect(await heardUntilEnd(wire, bob, ['conv:c', 'user:bob'])).toEqual([])
  })
})

/** What reaches the client of messages to rooms; the last one goes to the client alone. */
async function heardUntilEnd(wire: Wire, client: WireClient, rooms: readonly string[]) {
  const from = client.told.length
  for (const room of rooms) wire.io.to(room).emit('news', room)
  wire.io.to(client.server().id).emit('end')
  await client.until(({ told }) => told.slice(from).some(([name]) => name === 'end'))
  return client.told.slice(from).flatMap(([name, room]) => (name === 'news' ? [room] : []))
}

describe('presence that is attached twice', () => {
  const options = () => ({ memberships: memoryMemberships(), auth: { secret: SECRET } })
  const sentence = (namespace: string) =>
    new TypeError(
      `The namespace \`${namespace}\` has presence already. Call \`attachPresence\` once, ` +
        'or `await presence.close()` before the next call.',
    )

  it('is refused, and what there is goes on', async () => {
    await using wire = await startWire({ rows })
    expect(() => attachPresence(wire.io, options())).toThrow(sentence('/'))
    expect(() => attachPresence(wire.io.of('/'), options())).toThrow(sentence('/'))
    const ann = await wire.connect('ann')
    expect(await heard(ann, () => wire.io.to('conv:c').emit('news', 'x'))).toEqual(['x'])
    const other = attachPresence(wire.io.of('/other'), options())
    await other.close()
  })

  it('is refused on a namespace that a pattern with presence stands for', async () => {
    await using wire = await startWire({ rows, namespace: /^\/tenant-\d$/u })
    expect(() => attachPresence(wire.io.of('/tenant-1'), options())).toThrow(sentence('/tenant-1'))
    await wire.presence.close()
    const again = attachPresence(wire.io.of('/tenant-1'), options())
    await again.close()
  })
})
