import { PresenceError } from '@vigie/protocol'
import { expect, it } from 'vitest'
import { createTestPresence } from '../../src/testing/index.js'
import { startWire } from '../support/wire.js'

const rows = {
  groups: [['crew', ['ann', 'bob']]],
  conversations: [
    ['plan', ['ann', 'bob', 'cid']],
    ['hall', ['ann', 'bob', 'cid', 'dan']],
    ['quiet', ['eve', 'fay']],
  ],
} as const

it('a conversation and a group tell who is online and who types; a group has no typing', async () => {
  await using wire = await startWire({ rows })
  const ann = await wire.connect('ann')
  await wire.connect('bob')
  await ann.ask('typing:start', { convId: 'plan' })
  expect(await wire.presence.room({ kind: 'conversation', id: 'plan' })).toEqual({
    id: 'plan',
    mode: 'names',
    members: 3,
    online: 2,
    onlineUsers: ['ann', 'bob'],
    typing: ['ann'],
  })
  expect(await wire.presence.room({ kind: 'group', id: 'crew' })).toEqual({
    id: 'crew',
    mode: 'names',
    members: 2,
    online: 2,
    onlineUsers: ['ann', 'bob'],
  })
})

it('a room that is too large for names tells numbers, held or not', async () => {
  await using wire = await startWire({ rows, presence: { namesMax: 2 } })
  await wire.connect('ann')
  expect(await wire.presence.room({ kind: 'conversation', id: 'hall' })).toEqual({
    id: 'hall',
    mode: 'count',
    members: 4,
    online: 1,
    typing: [],
  })
  await using empty = await startWire({ rows, presence: { namesMax: 1 } })
  expect(await empty.presence.room({ kind: 'group', id: 'crew' })).toEqual({
    id: 'crew',
    mode: 'count',
    members: 2,
    online: 0,
  })
})

it('a room that nobody here is in is read from its rows, and is not kept', async () => {
  let reads = 0
  await using wire = await startWire({
    rows,
    wrap: (memberships) => ({
      ...memberships,
      readRooms(...asked) {
        reads++
        return memberships.readRooms(...asked)
      },
    }),
  })
  const quiet = { id: 'quiet', mode: 'names', members: 2, online: 0, onlineUsers: [], typing: [] }
  expect(await wire.presence.room({ kind: 'conversation', id: 'quiet' })).toEqual(quiet)
  expect(reads).toBe(1)
  expect(wire.presence.sizes()).toMatchObject({ heldRooms: 0, rooms: 0 })
  wire.rows.addToConversation('quiet', 'gus')
  expect(await wire.presence.room({ kind: 'conversation', id: 'quiet' })).toMatchObject({ members: 3 })
  expect(await wire.presence.room({ kind: 'group', id: 'quiet' })).toMatchObject({ members: 0, online: 0 })
  expect(reads).toBe(3)
})

it('a room is known by both spellings of its id', async () => {
  await using wire = await startWire({
    rows,
    wrap: (memberships) => ({ ...memberships, spelling: (_kind, id) => id.toLowerCase() }),
  })
  await wire.connect('ann')
  for (const id of ['plan', 'PLAN']) {
    expect(await wire.presence.room({ kind: 'conversation', id })).toMatchObject({ id: 'plan', online: 1 })
  }
})

it('a room whose rows cannot be read is unavailable, and so is every room that is not held once presence is closed', async () => {
  const away = new Error('the database is away')
  await using wire = await startWire({
    rows,
    wrap: (memberships) => ({ ...memberships, readRooms: () => Promise.reject(away) }),
  })
  const asked = wire.presence.room({ kind: 'group', id: 'crew' })
  await expect(asked).rejects.toBeInstanceOf(PresenceError)
  await expect(asked).rejects.toMatchObject({ code: 'unavailable', cause: away })
  await wire.presence.close()
  await expect(wire.presence.room({ kind: 'group', id: 'crew' })).rejects.toMatchObject({
    code: 'unavailable',
  })
})

it('a room that is being read while presence closes is unavailable, not silent', async () => {
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  await using wire = await startWire({
    rows,
    wrap: (memberships) => ({
      ...memberships,
      readRooms() {
        begin()
        return new Promise(() => {})
      },
    }),
  })
  const asked = wire.presence.room({ kind: 'group', id: 'crew' })
  asked.catch(() => undefined)
  await begun
  const closed = wire.presence.close()
  await expect(asked).rejects.toMatchObject({ code: 'unavailable' })
  await closed
})

it('the busiest conversations come first, as many as are asked for, counted ones among them', async () => {
  const presence = createTestPresence({
    namesMax: 3,
    conversations: {
      small: ['ann', 'bob'],
      hall: ['ann', 'bob', 'cid', 'dan', 'eve'],
      plan: ['ann', 'bob', 'cid'],
      empty: ['gus', 'hal', 'ann'],
    },
    online: ['ann', 'bob', 'cid', 'dan'],
  })
  const found = (limit: number) => presence.busiest(limit).map(({ id, online }) => [id, online])
  expect(found(10)).toEqual([
    ['hall', 4],
    ['plan', 3],
    ['small', 2],
    ['empty', 1],
  ])
  expect(found(2)).toEqual(found(10).slice(0, 2))
  expect(found(0)).toEqual([])
  presence.startTyping('ann', 'plan')
  expect(presence.busiest(2)[1]).toMatchObject({ id: 'plan', mode: 'names', members: 3, typing: ['ann'] })
  expect(await presence.room({ kind: 'conversation', id: 'nowhere' })).toMatchObject({ members: 0 })
  await presence.close()
})
