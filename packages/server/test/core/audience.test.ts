import type { GroupId, SessionId, UserId } from '@vigie/protocol'
import { describe, expect, it } from 'vitest'
import { createEngine, resolveSettings, type Input, type KnownRooms } from '../../src/core/index.js'
import { TOLD_PER_MS } from '../../src/core/occupancy.js'
import { story } from '../support/story.js'

describe('a transition', () => {
  it('is told once to whoever shares three groups, and once per shared conversation', () => {
    const s = story({
      ann: { groups: ['g1', 'g2', 'g3'], conversations: ['c1', 'c2'] },
      bob: { groups: ['g1', 'g2', 'g3'], conversations: ['c1', 'c2', 'private'] },
    })
    const ann = s.connect('ann')
    s.wait(100)
    s.hear(ann)
    s.connect('bob')
    expect(s.hear(ann)).toEqual(['bob 1', 'bob 1 in c1', 'bob 1 in c2'])
  })

  it('is not told to strangers', () => {
    const s = story({
      ann: { groups: ['g'] },
      bob: { groups: ['g'] },
      eve: { groups: ['other'], conversations: ['x'] },
    })
    const eve = s.connect('eve')
    s.hear(eve)
    s.connect('bob')
    s.wait(1_000)
    expect(s.hear(eve)).toEqual([])
  })

  it('is told to the own sessions of the user, as to others', () => {
    const s = story({ bob: { groups: ['g'], conversations: ['c'] } })
    const phone = s.connect('bob', { device: 'phone' })
    s.wait(100)
    s.hear(phone)
    s.connect('bob', { device: 'laptop' })
    expect(s.hear(phone)).toEqual(['bob 2', 'bob 2 in c', 'devices phone laptop'])
  })

  it('that is undone before anybody heard of it is never told', () => {
    const s = story({ ann: { groups: ['g'] }, bob: { groups: ['g'] } }, { windowMs: 20 })
    const ann = s.connect('ann')
    s.wait(100)
    s.hear(ann)
    const bob = s.connect('bob')
    expect(s.hear(ann)).toEqual(['bob 1'])
    s.disconnect(bob)
    s.connect('bob')
    s.wait(100)
    expect(s.hear(ann)).toEqual([])
  })
})

describe('a first picture', () => {
  it('names who is online, who types, and who went offline lately', () => {
    const s = story({
      ann: { groups: ['g'], conversations: ['c'] },
      bob: { groups: ['g'], conversations: ['c'] },
      eve: { groups: ['g'] },
    })
    const bob = s.connect('bob')
    s.disconnect(s.connect('eve'))
    s.type(bob, 'c')
    const ann = s.connect('ann', { device: 'phone' })
    expect(s.hear(ann)).toEqual([
      'ann 1',
      'bob 1',
      'eve 0',
      'ann 1 in c',
      'bob 1 in c',
      'bob types in c',
      'devices phone',
    ])
  })

  it('names nobody who went offline before offlineMemoryMs', () => {
    const s = story({ ann: { groups: ['g'] }, eve: { groups: ['g'] } }, { offlineMemoryMs: 1_000 })
    s.disconnect(s.connect('eve'))
    s.wait(1_000)
    const ann = s.connect('ann', { device: 'phone' })
    expect(s.hear(ann)).toEqual(['ann 1', 'devices phone'])
  })

  it('remembers at most offlineMemoryMax people, the latest', () => {
    const s = story(
      { ann: { groups: ['g'] }, eve: { groups: ['g'] }, joe: { groups: ['g'] } },
      { offlineMemoryMax: 1 },
    )
    s.disconnect(s.connect('eve'))
    s.disconnect(s.connect('joe'))
    const ann = s.connect('ann', { device: 'phone' })
    expect(s.hear(ann)).toEqual(['ann 1', 'joe 0', 'devices phone'])
  })
})

describe('a row', () => {
  it('that goes takes both out of each other’s sight, once, and for good', () => {
    const s = story({
      ann: { groups: ['g'], conversations: ['c'] },
      bob: { groups: ['g'], conversations: ['c'] },
    })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.wait(100)
    s.hear(ann)
    s.hear(bob)
    s.rows('bob', {})
    expect(s.hear(ann)).toEqual(['bob 0', 'bob 0 in c'])
    expect(s.hear(bob)).toEqual(['ann 0', 'ann 0 in c', 'bob 0 in c'])
    s.disconnect(bob)
    s.connect('bob')
    s.wait(1_000)
    expect(s.hear(ann)).toEqual([])
  })

  it('that goes leaves what another row still allows', () => {
    const s = story({
      ann: { groups: ['g'], conversations: ['c'] },
      bob: { groups: ['g'], conversations: ['c'] },
    })
    const ann = s.connect('ann')
    s.connect('bob')
    s.wait(100)
    s.hear(ann)
    s.rows('bob', { groups: ['g'] })
    expect(s.hear(ann)).toEqual(['bob 0 in c'])
  })

  it('that goes while a transition waits to be written lets nothing of it out', () => {
    const s = story({ ann: { groups: ['g'] }, bob: { groups: ['g'] } })
    const ann = s.connect('ann')
    s.block(ann)
    s.connect('bob')
    s.unblock(ann)
    s.wait(100)
    s.hear(ann)
    s.block(ann)
    s.connect('bob', { device: 'second' })
    s.rows('bob', {})
    s.unblock(ann)
    expect(s.hear(ann)).toEqual(['bob 0'])
  })

  it('that goes, and comes back while nothing was written, is told by what was told before it went', () => {
    const s = story({ ann: { groups: ['g'] }, bob: { groups: ['g'] } })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.wait(100)
    s.hear(ann)
    s.block(ann)
    s.rows('bob', {})
    // Ann is not told of it: they share nothing.
    s.disconnect(bob)
    s.rows('bob', { groups: ['g'] })
    s.connect('bob')
    s.unblock(ann)
    s.wait(100)
    expect(s.hear(ann)).toEqual([])
  })

  it('that the room’s members do not have changes nothing: both are read again, once, and the roster stands', () => {
    const s = story({ ann: { groups: ['g'] }, bob: { groups: ['g'] } })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.wait(100)
    s.hear(ann)
    // The user's read says that bob left; the room's fails.
    s.readUser('bob', {})
    expect(s.hear(ann)).toEqual([])
    s.wait(1_000)
    expect(s.rereads()).toEqual(['bob g'])
    s.disconnect(bob)
    expect(s.hear(ann)).toEqual(['bob 0'])
    s.wait(1_000)
    expect(s.rereads()).toEqual(['bob g'])
  })

  it('of a room alone shows and hides by what the room’s rows say', () => {
    const s = story({ ann: { groups: ['g'] }, bob: { groups: ['g'] }, cid: {} })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    const cid = s.connect('cid')
    s.wait(100)
    for (const session of [ann, bob, cid]) s.hear(session)
    s.readRoom('group', 'g', ['ann', 'cid'])
    expect(s.hear(ann)).toEqual(['cid 1', 'bob 0'])
    expect(s.hear(bob)).toEqual(['ann 0'])
    expect(s.hear(cid)).toEqual(['ann 1'])
    s.disconnect(bob)
    s.wait(100)
    expect(s.hear(ann)).toEqual([])
  })

  it('that comes shows both to each other', () => {
    const s = story({ ann: { conversations: ['c'] }, bob: {} })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.wait(100)
    s.hear(ann)
    s.hear(bob)
    s.rows('bob', { conversations: ['c'] })
    expect(s.hear(ann)).toEqual(['bob 1 in c'])
    expect(s.hear(bob)).toEqual(['ann 1 in c', 'bob 1 in c'])
  })

  it('that goes ends the typing of whoever loses it, and hides that of others', () => {
    const s = story({ ann: { conversations: ['c'] }, bob: { conversations: ['c'] } })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.type(ann, 'c')
    s.type(bob, 'c')
    s.wait(100)
    s.hear(ann)
    s.hear(bob)
    s.rows('bob', {})
    expect(s.hear(ann)).toEqual(['bob stops in c', 'bob 0 in c'])
    expect(s.hear(bob)).toEqual(['ann stops in c', 'ann 0 in c', 'bob 0 in c'])
  })
})

describe('somebody who reads slowly', () => {
  it('is owed so many entries at most, however often others came and went, and then the truth', () => {
    const s = story({ ann: { groups: ['g'] }, bob: { groups: ['g'] }, joe: { groups: ['g'] } })
    const ann = s.connect('ann')
    s.wait(100)
    s.hear(ann)
    s.block(ann)
    for (let i = 0; i < 1_000; i++) {
      s.disconnect(s.connect('bob'))
      s.disconnect(s.connect('joe'))
      s.wait(7)
    }
    s.connect('joe')
    // Whether some are about the same two is not looked at before.
    expect(s.engine.sizes().owed).toBeLessThanOrEqual(128)
    s.unblock(ann)
    expect(s.hear(ann)).toEqual(['joe 1'])
  })

  it.each([2, 100, 300])(
    'is owed hardly more than one entry for each of %i others, and one when it counts',
    (others) => {
      const names = Array.from({ length: others }, (_, place) => `p${place}`)
      const people = Object.fromEntries(['ann', ...names].map((name) => [name, { groups: ['g'] }]))
      const s = story(people, { namesMax: 1_000, windowMs: 0 })
      const ann = s.connect('ann')
      s.wait(100)
      s.hear(ann)
      s.block(ann)
      let most = 0
      for (let round = 0; round < 5; round++) {
        const sessions = names.map((name) => s.connect(name))
        most = Math.max(most, s.engine.sizes().owed)
        if (round < 4) for (const session of sessions) s.disconnect(session)
        s.wait(100)
      }
      expect(most).toBeLessThanOrEqual(Math.max(128, 1.25 * others + 33))
      s.unblock(ann)
      expect(s.hear(ann)).toEqual(names.map((name) => `${name} 1`))
    },
  )

  /** Ann does not read, and Bob is forgotten meanwhile. */
  function forgotten() {
    const s = story({ ann: { groups: ['g'] }, bob: { groups: ['g'] } }, { offlineMemoryMs: 1_000 })
    const ann = s.connect('ann')
    const bob = s.connect('bob')
    s.wait(100)
    s.hear(ann)
    s.block(ann)
    s.disconnect(bob)
    s.wait(5_000)
    expect(s.engine.sizes().local).toBe(1)
    return { ...s, ann }
  }

  it('hears the latest of somebody who was forgotten meanwhile and has come back', () => {
    const { ann, ...s } = forgotten()
    s.connect('bob', { device: 'laptop' })
    s.connect('bob', { device: 'phone' })
    s.unblock(ann)
    expect(s.hear(ann)).toEqual(['bob 2'])
  })

  it('still hears that somebody went who has been forgotten meanwhile', () => {
    const { ann, ...s } = forgotten()
    s.unblock(ann)
    expect(s.hear(ann)).toEqual(['bob 0'])
  })
})

describe('the slots of a session', () => {
  it('write at once after a quiet window, a second time soon, and then at most once per window', () => {
    const names = ['ann', 'b', 'c', 'd', 'e', 'f']
    const people = Object.fromEntries(names.map((name) => [name, { groups: ['g'] }]))
    const s = story(people, { windowMs: 20, idleWindowMs: 5 })
    const ann = s.connect('ann')
    s.wait(100)
    s.hear(ann)
    s.connect('b')
    expect(s.hear(ann)).toEqual(['b 1'])
    for (const name of ['c', 'd']) {
      s.wait(2)
      s.connect(name)
      expect(s.hear(ann)).toEqual([])
    }
    s.wait(1)
    expect(s.hear(ann)).toEqual(['c 1', 'd 1'])
    for (const name of ['e', 'f']) {
      s.wait(9)
      s.connect(name)
      expect(s.hear(ann)).toEqual([])
    }
    s.wait(2)
    expect(s.hear(ann)).toEqual(['e 1', 'f 1'])
    // Two windows without news: what comes alone is not kept waiting.
    s.wait(40)
    s.connect('b', { device: 'second' })
    expect(s.hear(ann)).toEqual(['b 2'])
  })

  it('are all of one length when idleWindowMs is not shorter', () => {
    const people = Object.fromEntries(['ann', 'b', 'c'].map((name) => [name, { groups: ['g'] }]))
    const s = story(people, { windowMs: 20, idleWindowMs: 20 })
    const ann = s.connect('ann')
    s.wait(100)
    s.hear(ann)
    s.connect('b')
    s.wait(2)
    s.connect('c')
    s.wait(17)
    expect(s.hear(ann)).toEqual(['b 1'])
    s.wait(1)
    expect(s.hear(ann)).toEqual(['c 1'])
  })
})

describe('under pressure', () => {
  it('sessions are written less often, and still told the latest', () => {
    const people = Object.fromEntries(['ann', 'b', 'c', 'd'].map((name) => [name, { groups: ['g'] }]))
    const s = story(people, { windowMs: 20 })
    const ann = s.connect('ann')
    s.apply({ type: 'window', ms: 250 })
    s.wait(100)
    s.hear(ann)
    s.connect('b')
    expect(s.hear(ann)).toEqual(['b 1'])
    s.wait(200)
    s.connect('c')
    s.connect('d')
    expect(s.hear(ann)).toEqual([])
    s.wait(50)
    expect(s.hear(ann)).toEqual(['c 1', 'd 1'])
    s.apply({ type: 'window', ms: 0 })
    s.wait(250)
    s.connect('b', { device: 'x' })
    s.wait(20)
    s.connect('b', { device: 'y' })
    expect(s.hear(ann)).toEqual(['b 2', 'b 3'])
  })

  it('whoever waits when it is over waits for so much less, in the same order', () => {
    const people = Object.fromEntries(
      ['ann', 'bob', 'c', 'd', 'e'].map((name) => [name, { groups: [name === 'bob' ? 'h' : 'g', 'h'] }]),
    )
    const s = story(people, { windowMs: 20 })
    const ann = s.connect('ann')
    s.wait(100)
    s.hear(ann)
    s.apply({ type: 'window', ms: 1_000 })
    s.connect('c')
    s.wait(500)
    const bob = s.connect('bob')
    s.hear(ann)
    s.hear(bob)
    s.connect('d')
    // Hers would be in 500 ms, his in 1,000.
    s.apply({ type: 'window', ms: 0 })
    expect([s.hear(ann), s.hear(bob)]).toEqual([[], []])
    s.wait(10)
    expect([s.hear(ann), s.hear(bob)]).toEqual([['bob 1', 'd 1'], []])
    s.wait(10)
    expect(s.hear(bob)).toEqual(['d 1'])
    s.wait(5)
    s.connect('e')
    s.wait(20)
    expect([s.hear(ann), s.hear(bob)]).toEqual([['e 1'], ['e 1']])
  })

  it('whoever was written before it was over waits no longer than others do now', () => {
    const people = Object.fromEntries(['ann', 'b', 'c'].map((name) => [name, { groups: ['g'] }]))
    const s = story(people, { windowMs: 20 })
    const ann = s.connect('ann')
    s.wait(100)
    s.apply({ type: 'window', ms: 1_000 })
    s.connect('b')
    s.hear(ann)
    s.apply({ type: 'window', ms: 0 })
    s.connect('c')
    expect(s.hear(ann)).toEqual([])
    s.wait(20)
    expect(s.hear(ann)).toEqual(['c 1'])
  })
})

describe('a group above namesMax', () => {
  const crowd = (size: number) => ({ groups: { all: size } })

  it('tells its members a number, and no names', () => {
    const s = story({ ann: crowd(500), bob: crowd(500) }, { namesMax: 250 })
    const ann = s.connect('ann', { device: 'phone' })
    expect(s.hear(ann)).toEqual(['ann 1', 'all: 1 of 500', 'devices phone'])
    s.wait(2_000)
    s.connect('bob')
    expect(s.hear(ann)).toEqual(['all: 2 of 500'])
  })

  it('tells it at most once in occupancyWindowMs', () => {
    const people = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`p${i}`, crowd(500)]))
    const s = story(people, { occupancyWindowMs: 1_000 })
    const first = s.connect('p0', { device: 'x' })
    s.wait(1_000)
    s.hear(first)
    for (let i = 1; i < 20; i++) {
      s.wait(40)
      s.connect(`p${i}`)
    }
    expect(s.hear(first)).toEqual(['all: 2 of 500'])
    s.wait(1_000)
    expect(s.hear(first)).toEqual(['all: 20 of 500'])
  })

  it('tells it less often under pressure, and of several groups at the same time', () => {
    const both = { groups: { all: 500, most: 400 } }
    const people = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`p${i}`, both]))
    const s = story(people, { occupancyWindowMs: 1_000, windowMs: 20 })
    const first = s.connect('p0', { device: 'x' })
    s.apply({ type: 'window', ms: 1_000 })
    s.wait(10_000)
    s.connect('p1')
    s.wait(5_000)
    s.hear(first)
    const told: (readonly string[])[] = []
    for (let i = 2; i <= 100; i++) {
      s.connect(`p${i}`)
      s.wait(100)
      const lines = s.hear(first)
      if (lines.length > 0) told.push(lines.map((line) => line.split(':')[0] ?? ''))
    }
    // In ten seconds, of which each window takes four.
    expect(told.length).toBeGreaterThanOrEqual(2)
    expect(told.length).toBeLessThanOrEqual(3)
    for (const rooms of told.slice(1)) expect(rooms).toEqual(['all', 'most'])
  })

  it('tells it to so many in a millisecond, and to whoever is told something else with that', () => {
    const names = Array.from({ length: 100 }, (_, i) => `p${i}`)
    const pair = { groups: { all: 500, pair: 3 } }
    const members = Object.fromEntries(
      names.map((name) => [name, name === 'p95' || name === 'p20' ? pair : crowd(500)]),
    )
    const s = story({ ...members, late: crowd(500), zoe: { groups: { pair: 3 } } }, { windowMs: 20 })
    const sessions = names.map((name) => s.connect(name))
    s.wait(2_000)
    for (const session of sessions) s.hear(session)
    const heard = () => sessions.map((session) => s.hear(session)).filter((lines) => lines.length > 0)
    s.connect('late')
    expect(heard()).toEqual(Array.from({ length: TOLD_PER_MS }, () => ['all: 101 of 500']))
    s.connect('zoe')
    expect(heard()).toEqual([
      ['zoe 1', 'all: 101 of 500'],
      ['zoe 1', 'all: 101 of 500'],
    ])
    // Slots are five milliseconds.
    s.wait(5)
    expect(heard()).toHaveLength(5 * TOLD_PER_MS - 1)
    s.wait(5)
    expect(heard()).toHaveLength(names.length - 6 * TOLD_PER_MS - 1)
    s.wait(1_000)
    expect(heard()).toEqual([])
  })

  it('says nothing of a move below occupancyShare', () => {
    const people = Object.fromEntries(Array.from({ length: 22 }, (_, i) => [`p${i}`, crowd(500)]))
    const s = story(people, { occupancyShare: 0.1 })
    const sessions = Array.from({ length: 20 }, (_, i) => s.connect(`p${i}`, { device: 'x' }))
    const first = sessions[0] ?? ''
    s.wait(5_000)
    s.hear(first)
    s.connect('p20')
    s.wait(5_000)
    expect(s.hear(first)).toEqual([])
    s.connect('p21')
    s.wait(5_000)
    expect(s.hear(first)).toEqual(['all: 22 of 500'])
  })

  it('goes back to names only at 80 % of it', () => {
    const s = story({ ann: crowd(250), bob: crowd(250) }, { namesMax: 250 })
    const ann = s.connect('ann')
    s.connect('bob')
    s.wait(2_000)
    s.hear(ann)
    s.size('group', 'all', 251)
    s.wait(2_000)
    expect(s.hear(ann)).toEqual(['bob 0', 'all: 2 of 251'])
    s.size('group', 'all', 201)
    s.wait(2_000)
    expect(s.hear(ann)).toEqual(['all: 2 of 201'])
    s.size('group', 'all', 200)
    s.wait(2_000)
    expect(s.hear(ann)).toEqual(['bob 1', 'all: 0 of 0'])
  })
})

describe('the event of protocol 2', () => {
  it.each(['comes', 'goes'])(
    'that somebody %s is one for all who hear of it together: it is encoded once',
    (what) => {
      const engine = createEngine(resolveSettings({ leaveGraceMs: 0 }))
      const roster = ['ann', 'bob', 'cid', 'dan'] as UserId[]
      const rooms: KnownRooms = [{ kind: 'group', id: 'g' as GroupId, value: roster }]
      let now = 1_000
      const told = (input: Input) => {
        now += 1_000
        return engine
          .apply(input, now)
          .flatMap((effect) => (effect.type === 'due' ? effect.sessions : []))
          .map((session) => engine.take(session, now))
      }
      const connect = (userId: UserId) =>
        told({
          type: 'connect',
          sessionId: userId as string as SessionId,
          userId,
          rooms,
          protocol: 2,
          since: 0,
        })
      for (const userId of roster) connect(userId)
      told({ type: 'wake' })
      const left = told({ type: 'disconnected', sessionId: 'dan' as SessionId })
      told({ type: 'wake' })
      const came = connect('dan' as UserId).filter(([event]) => event?.name === 'presence:diff')
      const events = what === 'goes' ? left : came
      expect(events).toHaveLength(3)
      expect(events[0]).toEqual([
        {
          name: 'presence:diff',
          payload: expect.objectContaining({ users: [['dan', what === 'goes' ? 0 : 1]] }),
        },
      ])
      expect(new Set(events).size).toBe(1)
    },
  )
})
