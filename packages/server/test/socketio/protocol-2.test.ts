import { describe, expect, it } from 'vitest'
import type { PresenceDiff, PresenceState } from '@vigie/protocol'
import { emptySynced, foldDiff, foldState, pictureOf } from '../../src/testing/synced.js'
import { startWire, type ClientOptions, type Wire, type WireClient } from '../support/wire.js'

/** A client of protocol 2. */
function sdk(
  wire: Wire,
  userId: string,
  auth: Record<string, unknown> = {},
  options: ClientOptions = {},
): WireClient {
  return wire.client(userId, { ...options, auth: { protocol: 2, ...auth } })
}

/** What it knows by all that it was told. */
function syncedOf(client: WireClient) {
  const synced = emptySynced()
  for (const [name, payload] of client.told) {
    if (name === 'presence:state') foldState(synced, payload as PresenceState)
    if (name === 'presence:diff') foldDiff(synced, payload as PresenceDiff)
  }
  return synced
}
const isSynced = (client: WireClient) => syncedOf(client).at !== undefined
const knows = (userId: string, count: number) => (client: WireClient) =>
  syncedOf(client).users.get(userId) === count

let fences = 0
/** Resolves once everything that the server owed the client has come: a room that is new comes after it. */
async function fence(wire: Wire, client: WireClient): Promise<void> {
  const id = `fence-${++fences}`
  wire.rows.addToConversation(id, client.userId)
  await client.until((it) => syncedOf(it).rooms.has(`conversation ${id}`))
}
const names = (client: WireClient) => client.told.map(([name]) => name)

const rows = {
  groups: [['g', ['ann', 'bob', 'cid']]],
  conversations: [
    ['c', ['ann', 'bob']],
    ['d', ['ann', 'bob']],
  ],
} as const

describe('a client of protocol 2', () => {
  it('is told everything in one state, and no event of protocol 1', async () => {
    await using wire = await startWire({ rows })
    await wire.connect('bob')
    const ann = sdk(wire, 'ann', { deviceId: 'phone', label: 'Pixel' })
    await ann.until(isSynced)
    expect(ann.told).toEqual([
      [
        'presence:state',
        {
          protocol: 2,
          at: [expect.any(String), expect.any(Number)],
          user: 'ann',
          users: [
            ['ann', 1],
            ['bob', 1],
            ['cid', 0],
          ],
          groups: [{ id: 'g', mode: 'names', members: 3, roster: [0, 1, 2] }],
          conversations: [
            { id: 'c', mode: 'names', members: 2, roster: [0, 1] },
            { id: 'd', mode: 'names', members: 2, roster: [0, 1] },
          ],
          devices: { count: 1, devices: [{ deviceId: 'phone', since: expect.any(Number), label: 'Pixel' }] },
        },
      ],
    ])
  })

  it('hears a change once, however many groups and conversations are shared', async () => {
    await using wire = await startWire({ rows })
    const ann = sdk(wire, 'ann')
    await ann.until(isSynced)
    await wire.connect('bob')
    await ann.until(knows('bob', 1))
    const told = ann.told.at(-1)
    expect(told).toEqual([
      'presence:diff',
      { at: [expect.any(String), expect.any(Number)], users: [['bob', 1]] },
    ])
    expect(names(ann)).toEqual(['presence:state', 'presence:diff'])
  })

  it('hears typing as who types in a conversation', async () => {
    await using wire = await startWire({ rows })
    const ann = sdk(wire, 'ann')
    const bob = await wire.connect('bob')
    await ann.until(knows('bob', 1))
    await bob.ask('typing:start', { convId: 'c' })
    await ann.until((client) => pictureOf(syncedOf(client)).typing.get('c')?.has('bob') === true)
    await bob.ask('typing:stop', { convId: 'c' })
    await ann.until((client) => pictureOf(syncedOf(client)).typing.size === 0)
    expect(ann.told.slice(-2).map(([, diff]) => (diff as PresenceDiff).conversations)).toEqual([
      [{ id: 'c', typing: ['bob'] }],
      [{ id: 'c', typing: [] }],
    ])
  })

  it('hears rows that come and go as members of rosters, and of its own as rooms', async () => {
    await using wire = await startWire({ rows })
    const ann = sdk(wire, 'ann')
    await ann.until(isSynced)
    wire.rows.addToConversation('c', 'cid')
    await ann.until((client) => syncedOf(client).rooms.get('conversation c')?.roster.has('cid') === true)
    wire.rows.removeFromConversation('d', 'bob')
    await ann.until((client) => syncedOf(client).rooms.get('conversation d')?.roster.has('bob') === false)
    wire.rows.removeFromGroup('g', 'ann')
    await ann.until((client) => !syncedOf(client).rooms.has('group g'))
    wire.rows.addToConversation('new', 'ann')
    await ann.until((client) => syncedOf(client).rooms.has('conversation new'))
    expect(pictureOf(syncedOf(ann)).conversations.get('new')).toEqual(new Map([['ann', 1]]))
  })

  it('that comes back with its position is told only what changed meanwhile', async () => {
    await using wire = await startWire({ rows })
    const before = sdk(wire, 'ann', { clientId: 'page' })
    await before.until(isSynced)
    const { at } = syncedOf(before)
    await before.drop()
    await wire.connect('cid')
    const after = sdk(wire, 'ann', { clientId: 'page', since: at, sinceUser: 'ann' })
    await after.until((client) => client.told.length > 0)
    expect(after.told).toEqual([
      [
        'presence:diff',
        {
          at: [at?.[0], expect.any(Number)],
          users: [['cid', 1]],
          devices: { count: 1, devices: [expect.anything()] },
        },
      ],
    ])
  })

  it('whose library can send only strings comes back with its position as text', async () => {
    await using wire = await startWire({ rows })
    const before = sdk(wire, 'ann', { protocol: '2', clientId: 'page' })
    await before.until(isSynced)
    const { at } = syncedOf(before)
    await before.drop()
    await wire.connect('cid')
    const after = sdk(wire, 'ann', {
      protocol: '2',
      clientId: 'page',
      since: JSON.stringify(at),
      sinceUser: 'ann',
    })
    await after.until((client) => client.told.length > 0)
    expect(names(after)).toEqual(['presence:diff'])
    expect((after.told[0]?.[1] as PresenceDiff).users).toEqual([['cid', 1]])
  })

  it.each([
    ['of another node or an earlier start', ['elsewhere', 1]],
    ['from the future', ['same', 1e9]],
    ['from before everything', ['same', -1]],
  ])('that comes back with a position %s is told everything', async (_, [epoch, n]) => {
    await using wire = await startWire({ rows })
    const first = sdk(wire, 'ann')
    await first.until(isSynced)
    const real = syncedOf(first).at?.[0]
    const since = [epoch === 'same' ? real : epoch, n]
    const second = sdk(wire, 'bob', { since, sinceUser: 'bob' })
    await second.until((client) => client.told.length > 0)
    expect(names(second)).toEqual(['presence:state'])
  })

  it.each([
    ['of another person', 'bob', { sinceUser: 'ann' }],
    ['of nobody', 'ann', {}],
  ])('that comes with a position %s is told everything', async (_, userId, auth) => {
    await using wire = await startWire({ rows })
    const first = sdk(wire, 'ann', { clientId: 'page' })
    await first.until(isSynced)
    const { at } = syncedOf(first)
    // Bob was here at that time, too: what he would be told is nothing, were it his.
    await wire.connect('bob')
    await first.drop()
    const second = sdk(wire, userId, { clientId: 'page', since: at, ...auth })
    await second.until((client) => client.told.length > 0)
    expect(names(second)).toEqual(['presence:state'])
    expect((second.told[0]?.[1] as PresenceState).user).toBe(userId)
  })

  it('who was added to a conversation meanwhile is told that one', async () => {
    await using wire = await startWire({ rows })
    const before = sdk(wire, 'ann', { clientId: 'page' })
    await before.until(isSynced)
    const { at } = syncedOf(before)
    await before.drop()
    wire.rows.addToConversation('new', 'ann')
    const after = sdk(wire, 'ann', { clientId: 'page', since: at, sinceUser: 'ann' })
    await after.until((client) => client.told.length > 0)
    expect(names(after)).toEqual(['presence:diff'])
    const { conversations = [], groups = [] } = after.told[0]?.[1] as PresenceDiff
    expect([groups, conversations]).toEqual([
      [],
      [expect.objectContaining({ id: 'new', mode: 'names', roster: ['ann'] })],
    ])
  })

  it('who was removed from a conversation meanwhile is told everything', async () => {
    await using wire = await startWire({ rows: { conversations: [...rows.conversations, ['old', ['ann']]] } })
    const before = sdk(wire, 'ann', { clientId: 'page' })
    await before.until(isSynced)
    const { at } = syncedOf(before)
    await before.drop()
    wire.rows.removeFromConversation('old', 'ann')
    const after = sdk(wire, 'ann', { clientId: 'page', since: at, sinceUser: 'ann' })
    await after.until((client) => client.told.length > 0)
    expect(names(after)).toEqual(['presence:state'])
    expect(syncedOf(after).rooms.has('conversation old')).toBe(false)
  })

  it('gets a picture that is too large for one frame in several, of which the last has the position', async () => {
    const long = (n: number) => `${'a-user-with-a-long-name-'.repeat(4)}${n}`
    const conversations = Array.from(
      { length: 8 },
      (_, c) =>
        [
          `c${c}`,
          ['ann', long(7), ...Array.from({ length: 150 }, (_, n) => long(1_000 * (c + 1) + n))],
        ] as const,
    )
    await using wire = await startWire({ rows: { conversations } })
    await wire.connect(long(7))
    const ann = sdk(wire, 'ann')
    await ann.until(isSynced)
    expect(ann.told.length).toBeGreaterThan(1)
    expect(names(ann)[0]).toBe('presence:state')
    const positions = ann.told.map(([, payload]) => (payload as PresenceDiff).at !== undefined)
    expect(positions.indexOf(true)).toBe(positions.length - 1)
    const picture = pictureOf(syncedOf(ann))
    for (const [id] of conversations) {
      expect(picture.conversations.get(id)).toEqual(
        new Map([
          ['ann', 1],
          [long(7), 1],
        ]),
      )
    }
  })
})

describe('watching', () => {
  const crowd = {
    rows: { groups: [['all', ['ann', 'bob', 'cid', 'dan', 'eve']]] },
    presence: { namesMax: 2, occupancyWindowMs: 20 },
  } as const

  it('names somebody of a room that is too large for names, until it ends', async () => {
    await using wire = await startWire(crowd)
    const ann = sdk(wire, 'ann')
    await ann.until(isSynced)
    const bob = await wire.connect('bob')
    await fence(wire, ann)
    expect(syncedOf(ann).users.get('bob')).toBeUndefined()
    expect(await ann.ask('presence:watch', { add: ['bob'] })).toEqual({ ok: true })
    await ann.until((client) =>
      client.told.some(([, payload]) => JSON.stringify(payload).includes('["bob",1]')),
    )
    await bob.drop()
    await ann.until((client) =>
      client.told.some(([, payload]) => JSON.stringify(payload).includes('["bob",0]')),
    )
    await ann.ask('presence:watch', { remove: ['bob'] })
    const heard = ann.told.length
    await wire.connect('bob')
    await fence(wire, ann)
    expect(JSON.stringify(ann.told.slice(heard))).not.toContain('bob')
  })

  it('answers at once also for somebody who is offline and remembered', async () => {
    await using wire = await startWire(crowd)
    const bob = await wire.connect('bob')
    bob.socket.disconnect()
    await wire.until('bob is offline', () => !wire.presence.get('bob').online)
    const ann = sdk(wire, 'ann')
    await ann.until(isSynced)
    await ann.ask('presence:watch', { add: ['bob'] })
    await ann.until((client) =>
      client.told.some(([, payload]) => JSON.stringify(payload).includes('["bob",0]')),
    )
  })

  it.each(['somebody who was never there', 'somebody with whom no room is shared'])(
    'answers about %s as about somebody who is offline, and says no more',
    async (who) => {
      await using wire = await startWire(crowd)
      const ann = sdk(wire, 'ann')
      await ann.until(isSynced)
      const userId = who.endsWith('shared') ? 'stranger' : 'bob'
      await wire.connect('stranger')
      const heard = ann.told.length
      expect(await ann.ask('presence:watch', { add: [userId] })).toEqual({ ok: true })
      await wire.connect('stranger')
      await fence(wire, ann)
      const users = ann.told.slice(heard).flatMap(([, payload]) => (payload as PresenceDiff).users ?? [])
      expect(users.filter(([id]) => id === userId)).toEqual([[userId, 0]])
    },
  )

  it.each([
    ['the one who is watched', 'bob'],
    ['the one who watches', 'ann'],
  ])('is told when a row takes %s out of the only room in common, and brings them back', async (_, mover) => {
    await using wire = await startWire(crowd)
    const ann = sdk(wire, 'ann')
    await ann.until(isSynced)
    await wire.connect('bob')
    await ann.ask('presence:watch', { add: ['bob'] })
    const says = (count: number) => (client: WireClient) =>
      client.told
        .flatMap(([, payload]) => (payload as PresenceDiff).users ?? [])
        .filter(([id]) => id === 'bob')
        .at(-1)?.[1] === count
    await ann.until(says(1))
    wire.rows.removeFromGroup('all', mover)
    await ann.until(says(0))
    wire.rows.addToGroup('all', mover)
    await ann.until(says(1))
  })

  it('is for 200 people at most', async () => {
    await using wire = await startWire(crowd)
    const ann = sdk(wire, 'ann')
    const people = (from: number, count: number) => Array.from({ length: count }, (_, n) => `p${from + n}`)
    expect(await ann.ask('presence:watch', { add: people(0, 200) })).toEqual({ ok: true })
    expect(await ann.ask('presence:watch', { add: people(200, 1) })).toMatchObject({
      ok: false,
      error: { code: 'too_many_watched' },
    })
    expect(await ann.ask('presence:watch', { add: people(200, 1), remove: people(0, 1) })).toEqual({
      ok: true,
    })
  })
})

describe('both protocols', () => {
  it('agree with each other and with the server, whatever happened', async () => {
    await using wire = await startWire({ rows })
    const ann = sdk(wire, 'ann')
    const stock = await wire.connect('ann')
    await ann.until(isSynced)
    const bob = await wire.connect('bob')
    const cid = sdk(wire, 'cid')
    await bob.ask('typing:start', { convId: 'c' })
    await cid.until(isSynced)
    await bob.drop()
    await wire.connect('bob')
    wire.rows.removeFromConversation('d', 'bob')
    await ann.until((client) => syncedOf(client).rooms.get('conversation d')?.roster.has('bob') === false)
    await stock.fence()
    await fence(wire, ann)
    const synced = pictureOf(syncedOf(ann))
    const counts = wire.presence.getMany(['ann', 'bob', 'cid'])
    expect([...synced.users].sort()).toEqual([...counts].map(([userId, { count }]) => [userId, count]).sort())
    const fromStock = new Map<string, number>()
    for (const [name, payload] of stock.told) {
      if (name !== 'presence:update') continue
      const { userId, count } = payload as { userId: string; count: number }
      fromStock.set(userId, count)
    }
    expect([...fromStock].sort()).toEqual([...synced.users].sort())
    expect(synced.typing.size).toBe(0)
  })
})
