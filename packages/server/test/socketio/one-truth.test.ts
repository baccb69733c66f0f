/**
 * A host without a feed says which rows changed: of a user, of a room, of both. Whatever it says, and whichever of the
 * reads fails, nobody is shown somebody whom the room's rows do not have, and everybody who is shown is kept up to date.
 */
import { PresenceError } from '@vigie/protocol'
import { describe, expect, it } from 'vitest'
import type { MemoryMemberships } from '../../src/memory/index.js'
import type { Memberships } from '../../src/socketio/index.js'
import { startWire, type Wire } from '../support/wire.js'

const rows = {
  conversations: [
    ['c', ['ann', 'bob']],
    ['d', ['ann', 'cid']],
  ],
} as const
const fast = { graceMs: 0, reattachGraceMs: 0 } as const

/** Rows that nobody is told of, and reads of rooms that fail while `broken` says so. */
function unheard(broken = { rooms: false, users: false }) {
  return (memory: MemoryMemberships): Memberships => ({
    open: async () => {},
    readUsers: async (ids) => {
      if (broken.users) throw new PresenceError('unavailable')
      return memory.readUsers(ids)
    },
    readRooms: async (groups, conversations, most) => {
      if (broken.rooms) throw new PresenceError('unavailable')
      return memory.readRooms(groups, conversations, most)
    },
    close: () => memory.close(),
  })
}

const says = {
  user: { users: ['bob'] },
  room: { conversations: ['c'] },
  both: { users: ['bob'], conversations: ['c'] },
} as const

/** The roster that a client of protocol 2 is told when it comes. */
async function rosterFor(wire: Wire, userId: string): Promise<readonly (readonly [string, number])[]> {
  const client = wire.client(userId, { auth: { protocol: 2 } })
  await client.until(({ told }) => told.some(([name]) => name === 'presence:state'))
  const state = client.told.find(([name]) => name === 'presence:state')?.[1] as {
    users: [string, number][]
    conversations: { id: string; roster: number[] }[]
  }
  await client.drop()
  const room = state.conversations.find(({ id }) => id === 'c')
  return (room?.roster ?? []).map((place) => state.users[place] ?? ['nobody', 0])
}

describe.each(Object.entries(says))('a host that names the %s', (_what, changed) => {
  it('of a row that went: nobody is told of the person any more, and no roster has them', async () => {
    await using wire = await startWire({ rows, presence: fast, wrap: unheard() })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.until('bob 1 in c')
    ann.hear()
    wire.rows.removeFromConversation('c', 'bob')
    wire.presence.membershipsChanged(changed)
    await ann.until('bob 0 in c')
    ann.hear()
    expect(wire.presence.online('c')).toEqual(['ann'])
    expect((await rosterFor(wire, 'ann')).map(([id]) => id)).toEqual(['ann'])
    const cid = await wire.connect('cid')
    await bob.drop()
    // What was said of Bob would come before this.
    await cid.ask('typing:start', { convId: 'd' })
    await ann.until('cid types in d')
    expect(ann.hear().filter((line) => line.startsWith('bob'))).toEqual([])
  })

  it('of a row that came: the person is shown, is in the roster, and is told of the others', async () => {
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann']]] },
      presence: fast,
      wrap: unheard(),
    })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    wire.rows.addToConversation('c', 'bob')
    wire.presence.membershipsChanged(changed)
    await ann.until('bob 1 in c')
    await bob.until('ann 1 in c')
    expect([...wire.presence.online('c')].sort()).toEqual(['ann', 'bob'])
    expect((await rosterFor(wire, 'ann')).map(([id]) => id).sort()).toEqual(['ann', 'bob'])
    await bob.drop()
    await ann.until('bob 0 in c')
  })

  it('of a row that came for somebody who is away: the roster has them, and they are shown when they come', async () => {
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann']]] },
      presence: fast,
      wrap: unheard(),
    })
    const ann = wire.client('ann', { auth: { protocol: 2 } })
    await ann.until(({ told }) => told.some(([name]) => name === 'presence:state'))
    wire.rows.addToConversation('c', 'bob')
    wire.presence.membershipsChanged(changed)
    await ann.until(({ told }) => JSON.stringify(told).includes('"add":["bob"]'))
    await wire.connect('bob')
    await ann.until(({ told }) => JSON.stringify(told).includes('["bob",1]'))
  })
})

it('a read of the user that succeeds while the room’s fails changes nothing; then the room’s rows decide', async () => {
  const broken = { rooms: false, users: false }
  await using wire = await startWire({ rows, presence: fast, wrap: unheard(broken) })
  const ann = await wire.connect('ann')
  const bob = await wire.connect('bob')
  await ann.until('bob 1 in c')
  ann.hear()
  broken.rooms = true
  wire.rows.removeFromConversation('c', 'bob')
  wire.presence.membershipsChanged(says.both)
  await wire.until('a read that failed', () => wire.log.some(({ level }) => level === 'warn'))
  // Not another picture than before, and not half of one: what Ann is told of Bob is still true of the roster.
  await bob.drop()
  await ann.until('bob 0 in c')
  await wire.connect('bob')
  await ann.until('bob 1 in c')
  ann.hear()
  broken.rooms = false
  await ann.until('bob 0 in c')
  expect(wire.presence.online('c')).toEqual(['ann'])
})

it('a read of the room that succeeds while the user’s fails is enough: the room’s rows decide', async () => {
  const broken = { rooms: false, users: false }
  await using wire = await startWire({ rows, presence: fast, wrap: unheard(broken) })
  const ann = await wire.connect('ann')
  await wire.connect('bob')
  await ann.until('bob 1 in c')
  ann.hear()
  broken.users = true
  wire.rows.removeFromConversation('c', 'bob')
  wire.presence.membershipsChanged(says.both)
  await ann.until('bob 0 in c')
  broken.users = false
})
