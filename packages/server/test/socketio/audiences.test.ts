import { describe, expect, it } from 'vitest'
import { startWire } from '../support/wire.js'

describe('a change of presence', () => {
  it('is one presence:update however many groups are shared, and one presence:conversation for each conversation', async () => {
    await using wire = await startWire({
      rows: {
        groups: ['g1', 'g2', 'g3'].map((id) => [id, ['ann', 'bob']] as const),
        conversations: ['c1', 'c2'].map((id) => [id, ['ann', 'bob']] as const),
      },
    })
    const ann = await wire.connect('ann')
    ann.hear()
    const bob = await wire.connect('bob', { auth: { deviceId: 'phone' } })
    await ann.fence()
    expect(ann.hear().sort()).toEqual(['bob 1', 'bob 1 in c1', 'bob 1 in c2'])
    await wire.connect('bob', { auth: { deviceId: 'laptop' } })
    await ann.fence()
    expect(ann.hear().sort()).toEqual(['bob 2', 'bob 2 in c1', 'bob 2 in c2'])
    bob.socket.disconnect()
    await ann.until('bob 1 in c2')
    await ann.fence()
    expect(ann.hear().sort()).toEqual(['bob 1', 'bob 1 in c1', 'bob 1 in c2'])
  })

  it('is told to nobody who shares nothing', async () => {
    await using wire = await startWire({
      rows: {
        groups: [['g', ['ann', 'bob']]],
        conversations: [
          ['c', ['ann', 'bob']],
          ['d', ['eve']],
        ],
      },
    })
    const eve = await wire.connect('eve')
    const ann = await wire.connect('ann')
    eve.hear()
    const bob = await wire.connect('bob')
    await bob.ask('typing:start', { convId: 'c' })
    bob.socket.disconnect()
    await ann.until('bob 0 in c')
    await eve.fence()
    expect(eve.hear()).toEqual([])
  })

  it('of a member of a conversation is no presence:update for those who share no group', async () => {
    await using wire = await startWire({
      rows: { conversations: [['c', ['ann', 'bob']]], groups: [['g', ['bob']]] },
    })
    const ann = await wire.connect('ann')
    ann.hear()
    await wire.connect('bob')
    await ann.fence()
    expect(ann.hear()).toEqual(['bob 1 in c'])
  })

  it('is heard by the user’s own sessions, but their typing is not', async () => {
    await using wire = await startWire({
      rows: { groups: [['g', ['ann', 'bob']]], conversations: [['c', ['ann', 'bob']]] },
    })
    const phone = await wire.connect('ann', { auth: { deviceId: 'phone' } })
    const bob = await wire.connect('bob')
    await phone.until('bob 1 in c')
    phone.hear()
    const laptop = await wire.connect('ann', { auth: { deviceId: 'laptop' } })
    await laptop.ask('typing:start', { convId: 'c' })
    await bob.until('ann types in c')
    await phone.fence()
    await laptop.fence()
    expect(phone.hear().sort()).toEqual(['ann 2', 'ann 2 in c'])
    expect(laptop.hear().filter((line) => line.includes('type'))).toEqual([])
  })
})

describe('a room above namesMax', () => {
  const people = ['ann', 'bob', 'cid', 'dan', 'eve', 'fay', 'gil', 'hal']
  const crowd = { groups: [['all', people]], conversations: [['hall', people]] } as const

  it('is told as numbers only', async () => {
    await using wire = await startWire({ rows: crowd, presence: { namesMax: 4, occupancyWindowMs: 0 } })
    const ann = await wire.connect('ann')
    await wire.connect('bob')
    const cid = await wire.connect('cid')
    cid.socket.disconnect()
    await wire.until('Cid is gone', () => !wire.presence.get('cid').online)
    await ann.fence()
    expect(ann.hear()).toEqual([
      'ann 1',
      'all: 1 of 8',
      'hall: 1 of 8',
      'all: 2 of 8',
      'hall: 2 of 8',
      'all: 3 of 8',
      'hall: 3 of 8',
      'all: 2 of 8',
      'hall: 2 of 8',
    ])
  })

  it('tells at most once per window, and the last number is the true one', async () => {
    await using wire = await startWire({
      rows: { groups: [['all', people]] },
      presence: { namesMax: 4, occupancyWindowMs: 300 },
    })
    const startedAt = performance.now()
    const ann = await wire.connect('ann')
    await Promise.all(people.slice(1).map((userId) => wire.connect(userId)))
    await ann.until('all: 8 of 8')
    // The first at once, then one a window: so many at most, however slow everything is.
    const windows = Math.floor((performance.now() - startedAt) / 300)
    const told = ann.hear().filter((line) => line.startsWith('all: '))
    expect(told.length).toBeLessThanOrEqual(1 + windows)
    expect(told.at(-1)).toBe('all: 8 of 8')
  })

  it('names a few of those who type', async () => {
    await using wire = await startWire({
      rows: { conversations: [['hall', people]] },
      presence: { namesMax: 4, occupancyWindowMs: 0, occupancyTypistsMax: 2 },
    })
    const ann = await wire.connect('ann')
    const typists = await Promise.all(['bob', 'cid', 'dan'].map((userId) => wire.connect(userId)))
    for (const typist of typists)
      expect(await typist.ask('typing:start', { convId: 'hall' })).toEqual({ ok: true })
    await ann.fence()
    expect(ann.hear().filter((line) => line.includes('types'))).toEqual([
      'bob types in hall',
      'cid types in hall',
    ])
  })
})
