import { describe, expect, it } from 'vitest'
import type { Memberships } from '../../src/socketio/index.js'
import { withOutages } from '../../src/testing/outages.js'
import { startWire, type WireClient } from '../support/wire.js'

const kinds = (client: WireClient, kind: RegExp) => client.hear().filter((line) => kind.test(line))

describe('a row that is added', () => {
  it('shows both sides to each other', async () => {
    await using wire = await startWire({ rows: { conversations: [['c', ['ann']]] } })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    ann.hear()
    wire.rows.addToConversation('c', 'bob')
    await ann.until('bob 1 in c')
    await bob.until('ann 1 in c')
    await ann.fence()
    await bob.fence()
    expect(ann.hear()).toEqual(['bob 1 in c'])
    expect(bob.hear().sort()).toEqual(['ann 1 in c', 'bob 1', 'bob 1 in c'])
  })

  it('shows who types there', async () => {
    await using wire = await startWire({ rows: { conversations: [['c', ['ann']]] } })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.ask('typing:start', { convId: 'c' })
    wire.rows.addToConversation('c', 'bob')
    await bob.until('ann types in c')
  })
})

describe('a row that is removed', () => {
  it('is one retraction on both sides, the last thing that is said', async () => {
    await using wire = await startWire({
      rows: { groups: [['g', ['ann', 'bob']]], conversations: [['c', ['ann', 'bob']]] },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.until('bob 1 in c')
    await bob.fence()
    ann.hear()
    bob.hear()
    wire.rows.removeFromConversation('c', 'bob')
    await ann.until('bob 0 in c')
    await bob.until('ann 0 in c')
    expect(ann.hear()).toEqual(['bob 0 in c'])
    wire.rows.removeFromGroup('g', 'bob')
    await ann.until('bob 0')
    await bob.until('ann 0')
    expect(ann.hear()).toEqual(['bob 0'])
    // What Bob does from here on is not Ann's to know.
    const phone = await wire.connect('bob', { auth: { deviceId: 'phone' } })
    expect(await phone.ask('typing:start', { convId: 'c' })).toMatchObject({ error: { code: 'not_member' } })
    bob.socket.disconnect()
    await wire.until('Bob has one device', () => wire.presence.get('bob').count === 1)
    await ann.fence()
    expect(ann.hear()).toEqual([])
    expect(bob.hear().filter((line) => line.startsWith('ann'))).toEqual(['ann 0 in c', 'ann 0'])
  })

  it('is no presence:update while another group is shared', async () => {
    await using wire = await startWire({
      rows: {
        groups: [
          ['g', ['ann', 'bob']],
          ['h', ['ann', 'bob']],
        ],
      },
    })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.fence()
    ann.hear()
    wire.rows.removeFromGroup('g', 'bob')
    await wire.until('the row is live', () => wire.io.of('/').adapter.rooms.get('group:g')?.size === 1)
    await ann.fence()
    expect(ann.hear()).toEqual([])
  })

  it('ends typing on both sides, before the retraction', async () => {
    await using wire = await startWire({ rows: { conversations: [['c', ['ann', 'bob']]] } })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.ask('typing:start', { convId: 'c' })
    await bob.ask('typing:start', { convId: 'c' })
    await ann.until('bob types in c')
    await bob.until('ann types in c')
    ann.hear()
    bob.hear()
    wire.rows.removeFromConversation('c', 'bob')
    await ann.until('bob 0 in c')
    await bob.until('ann 0 in c')
    expect(ann.hear()).toEqual(['bob stops in c', 'bob 0 in c'])
    expect(kinds(bob, /ann/)).toEqual(['ann stops in c', 'ann 0 in c'])
  })
})

describe('what is deleted', () => {
  it('a user, disappears from everywhere, and the user from their own sight of others', async () => {
    await using wire = await startWire({
      rows: {
        groups: [['g', ['ann', 'bob']]],
        conversations: [
          ['c', ['ann', 'bob']],
          ['d', ['ann', 'bob']],
        ],
      },
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.until('bob 1 in d')
    ann.hear()
    bob.hear()
    wire.rows.deleteUser('bob')
    await ann.until('bob 0 in d')
    await bob.until('ann 0 in d')
    await ann.fence()
    expect(ann.hear().sort()).toEqual(['bob 0', 'bob 0 in c', 'bob 0 in d'])
    expect(kinds(bob, /ann/).sort()).toEqual(['ann 0', 'ann 0 in c', 'ann 0 in d'])
  })

  it('a conversation, is retracted for each of its members, and nothing is delivered there afterwards', async () => {
    await using wire = await startWire({ rows: { conversations: [['c', ['ann', 'bob', 'cid']]] } })
    const clients = await Promise.all(['ann', 'bob', 'cid'].map((userId) => wire.connect(userId)))
    const [ann, bob, cid] = clients as [WireClient, WireClient, WireClient]
    for (const client of clients) await client.fence()
    for (const client of clients) client.hear()
    wire.rows.deleteConversation('c')
    await ann.until('bob 0 in c')
    await bob.until('cid 0 in c')
    await cid.until('ann 0 in c')
    expect(await bob.ask('typing:start', { convId: 'c' })).toMatchObject({ error: { code: 'not_member' } })
    cid.socket.disconnect()
    await wire.until('Cid is gone', () => !wire.presence.get('cid').online)
    await ann.fence()
    expect(kinds(ann, /bob|cid/).sort()).toEqual(['bob 0 in c', 'cid 0 in c'])
  })
})

describe('rows that change while a connection is let in', () => {
  /** Reads wait at a gate, with the rows as they were when they were asked for. */
  function gated(): { wrap: (rows: Memberships) => Memberships; open(): void; asked: Promise<void> } {
    let open = () => {}
    let wasAsked = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const asked = new Promise<void>((resolve) => {
      wasAsked = resolve
    })
    return {
      open: () => {
        open()
      },
      asked,
      wrap: (rows) => ({
        open: (onStale) => rows.open(onStale),
        close: () => rows.close(),
        readRooms: (groups, conversations, most) => rows.readRooms(groups, conversations, most),
        async readUsers(ids) {
          const found = await rows.readUsers(ids)
          if (ids.some((id) => id === 'bob')) {
            wasAsked()
            await gate
          }
          return found
        },
      }),
    }
  }

  it('are not crossed: who lost a row meanwhile never sees that room', async () => {
    const gate = gated()
    await using wire = await startWire({ rows: { conversations: [['c', ['ann', 'bob']]] }, wrap: gate.wrap })
    const ann = await wire.connect('ann')
    const bob = wire.client('bob')
    await gate.asked
    wire.rows.removeFromConversation('c', 'bob')
    gate.open()
    await bob.until(({ told }) => told.length > 0)
    await bob.fence()
    await ann.fence()
    expect(bob.hear()).toEqual(['bob 1'])
    expect(kinds(ann, /bob/)).toEqual([])
    expect([...bob.server().rooms].filter((room) => room.startsWith('conv:c'))).toEqual([])
  })
})

describe('a store that is away', () => {
  it('leaves present sessions as they are, and what changed meanwhile is live when it is back', async () => {
    let outages = withOutages({} as Memberships)
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann', 'bob']]] },
      wrap: (rows) => (outages = withOutages(rows)),
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.until('bob 1 in c')
    ann.hear()
    outages.goAway()
    wire.rows.removeFromConversation('c', 'bob')
    expect(await bob.ask('typing:start', { convId: 'c' })).toEqual({ ok: true })
    await ann.until('bob types in c')
    outages.comeBack()
    await ann.until('bob 0 in c')
  })

  it('in the middle of a change still has that change read, although a new connection has asked in vain', async () => {
    let outages = withOutages({} as Memberships)
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann', 'bob']]] },
      wrap: (rows) => (outages = withOutages(rows)),
      presence: { readRetryMs: 100 },
    })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    await ann.until('bob 1 in c')
    const reads = () =>
      wire.log.filter(({ message }) => message.startsWith('Memberships cannot be read')).length
    wire.rows.removeFromConversation('c', 'bob')
    outages.goAway()
    await wire.until('the read of the change has failed', () => reads() > 0)
    const second = wire.client('bob')
    await second.until(
      ({ refusals, ends }) => refusals.length + ends.length > 0 || second.socket.io._readyState === 'closed',
    )
    outages.comeBack()
    await ann.until('bob 0 in c')
  })
})

describe('rooms', () => {
  const rows = { groups: [['g', ['ann']]], conversations: [['c', ['ann']]] } as const
  const roomsOf = (client: WireClient) =>
    [...client.server().rooms].filter((room) => room !== client.socket.id).sort()

  it('are joined before the host’s own connection handler runs, which also finds the user', async () => {
    const seen: unknown[] = []
    await using wire = await startWire({ rows })
    wire.io.on('connection', (socket) => {
      seen.push(
        (socket.data as { userId: string }).userId,
        [...socket.rooms].filter((room) => room !== socket.id).sort(),
      )
    })
    await wire.connect('ann')
    expect(seen).toEqual(['ann', ['conv:c', 'group:g', 'user:ann']])
  })

  it('follow the rows, and those that the host joined itself are left alone', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    await ann.server().join(['lobby', 'conv:later', 'conv:never'])
    wire.rows.addToConversation('d', 'ann')
    await ann.until('ann 1 in d')
    expect(roomsOf(ann)).toEqual([
      'conv:c',
      'conv:d',
      'conv:later',
      'conv:never',
      'group:g',
      'lobby',
      'user:ann',
    ])
    wire.rows.addToConversation('later', 'ann')
    wire.rows.removeFromConversation('later', 'ann')
    wire.rows.deleteUser('ann')
    await wire.until('the rooms are left', () => !ann.server().rooms.has('conv:d'))
    expect(roomsOf(ann)).toEqual(['conv:later', 'conv:never', 'lobby', 'user:ann'])
  })

  it('carry the host’s own messages to members, and only to them', async () => {
    await using wire = await startWire({ rows: { conversations: [['c', ['ann', 'bob']]] } })
    const ann = await wire.connect('ann')
    const eve = await wire.connect('eve')
    wire.io.to('conv:c').emit('message', 'hello')
    wire.io.emit('message', 'all')
    await ann.until('message "all"')
    await eve.until('message "all"')
    expect(kinds(ann, /message/)).toEqual(['message "hello"', 'message "all"'])
    expect(kinds(eve, /message/)).toEqual(['message "all"'])
  })

  it('have the host’s names', async () => {
    await using wire = await startWire({ rows, presence: { rooms: { conversation: 'chat/', user: 'u/' } } })
    expect(roomsOf(await wire.connect('ann'))).toEqual(['chat/c', 'group:g', 'u/ann'])
  })

  it('can be left out', async () => {
    await using wire = await startWire({ rows, presence: { rooms: false } })
    expect(roomsOf(await wire.connect('ann'))).toEqual([])
  })
})
