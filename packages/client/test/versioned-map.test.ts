/** Each version of a map stays what it was, whatever is written later, and a write costs what it writes. */
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { ConversationId, PresenceDiff } from '@vigie/protocol'
import { apply, EMPTY_SYNC, type Frame, type Picture } from '../src/sync.js'
import { VersionedMap } from '../src/versioned-map.js'
import { at, change, count, room, state } from './support/fakes.js'

interface Version {
  readonly map: VersionedMap<string, number>
  /** The same, copied: what this version must be for ever. */
  readonly model: ReadonlyMap<string, number>
}

const KEYS = ['a', 'b', 'c', '__proto__']
const anyWrite = fc.record({ key: fc.constantFrom(...KEYS), value: fc.option(fc.nat(3), { nil: undefined }) })
const anyStep = fc.record({
  /** From which version the next one is made: 0 is the newest. */
  back: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(9) }),
  writes: fc.array(anyWrite, { maxLength: 4 }),
  /** Which version is iterated afterwards, and so has entries of its own from then on. */
  iterated: fc.option(fc.nat(9), { nil: undefined }),
})

/** Asks key by key, which leaves the version as it is; iterating would copy it. */
function expectSame({ map, model }: Version): void {
  expect(map.size).toBe(model.size)
  for (const key of KEYS) expect([map.get(key), map.has(key)]).toEqual([model.get(key), model.has(key)])
}

test('every version stays what it was, from whichever version the next ones are made', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 12 }), (steps) => {
      const versions: Version[] = [{ map: new VersionedMap(new Map([['a', 1]])), model: new Map([['a', 1]]) }]
      const pick = (back: number) => versions[Math.max(0, versions.length - 1 - back)]!
      for (const { back, writes, iterated } of steps) {
        const from = pick(back)
        const map = from.map.next()
        const model = new Map(from.model)
        for (const { key, value } of writes) {
          if (value === undefined) map.set(key, undefined)
          else map.set(key, value)
          if (value === undefined) model.delete(key)
          else model.set(key, value)
        }
        versions.push({ map, model })
        versions.forEach(expectSame)
        if (iterated !== undefined) {
          const { map: old, model: was } = pick(iterated)
          expect(new Map(old)).toEqual(was)
        }
      }
      for (const version of versions) {
        expectSame(version)
        expect(new Map(version.map)).toEqual(version.model)
        expect([new Set(version.map.keys()), [...version.map.values()].sort()]).toEqual([
          new Set(version.model.keys()),
          [...version.model.values()].sort(),
        ])
      }
    }),
    { numRuns: 500 },
  )
})

test('whoever kept an early version may iterate it after very many later ones', () => {
  const first = new VersionedMap(new Map([['a', 0]]))
  let newest = first
  for (let n = 1; n <= 50_000; n++) {
    newest = newest.next()
    newest.set('a', n)
  }
  expect([...first]).toEqual([['a', 0]])
  expect([...newest]).toEqual([['a', 50_000]])
})

test('an older version that is iterated is copied once', () => {
  const first = new VersionedMap(new Map([['a', 0]]))
  first.next().set('a', 1)
  expect(writesOf(() => [...first])).toBe(2)
  expect(writesOf(() => [...first, ...first.keys(), ...first.values()])).toBe(0)
})

test('a frame that cannot be folded to its end leaves the picture as it was, also for what is folded later', () => {
  const { sync } = apply(EMPTY_SYNC, {
    name: 'presence:state',
    payload: state({
      users: [count('ann', 1), count('bob', 1)],
      conversations: [room<ConversationId>('one', { roster: [0, 1] })],
    }),
  })
  const step = apply(sync, diffFrame({ at: at(2), users: [count('ann', 2)] }))
  const half = { at: at(3), users: [count('ann', 7), null] } as unknown as PresenceDiff
  expect(() => apply(step.sync, diffFrame(half))).toThrow(TypeError)
  expect(new Map(step.sync.picture.users)).toEqual(new Map([count('ann', 2), count('bob', 1)]))
  const later = apply(step.sync, diffFrame({ at: at(3), users: [count('bob', 3)] }))
  expect(new Map(later.sync.picture.users)).toEqual(new Map([count('ann', 2), count('bob', 3)]))
})

const PEOPLE = 20_000
const ROOM_SIZE = 200
const everybody = Array.from({ length: PEOPLE }, (_, place) => count(`u${place}`, 0))
const BIG = state({
  users: everybody,
  conversations: Array.from({ length: PEOPLE / ROOM_SIZE }, (_, place) =>
    room<ConversationId>(`c${place}`, {
      roster: Array.from({ length: ROOM_SIZE }, (__, member) => place * ROOM_SIZE + member),
    }),
  ),
})
const diffFrame = (payload: PresenceDiff): Frame => ({ name: 'presence:diff', payload })

/** How many entries of maps and sets were written: a copy writes each entry once. */
function writesOf(run: () => void): number {
  const set = vi.spyOn(Map.prototype, 'set')
  const add = vi.spyOn(Set.prototype, 'add')
  try {
    run()
    return set.mock.calls.length + add.mock.calls.length
  } finally {
    set.mockRestore()
    add.mockRestore()
  }
}

test('a diff of one person, or of one room, does not copy a picture of 20,000 people; the picture before stays as it was', () => {
  let { sync } = apply(EMPTY_SYNC, { name: 'presence:state', payload: BIG })
  const first = diffFrame({
    at: at(2),
    users: [count('u0', 1)],
    conversations: [change<ConversationId>('c0', { typing: ['u1'] })],
  })
  expect(writesOf(() => ({ sync } = apply(sync, first)))).toBeLessThan(20)
  const pictures: Picture[] = [sync.picture]
  const oneByOne = writesOf(() => {
    for (let n = 1; n <= 10; n++) {
      const users = [count(`u${n}`, 1)]
      const conversations = [change<ConversationId>(`c${n}`, { typing: [`u${n}`] })]
      ;({ sync } = apply(sync, diffFrame({ at: at(n + 2), users, conversations })))
      pictures.push(sync.picture)
    }
  })
  expect(oneByOne).toBeLessThan(10 * 20)
  for (const [place, { users, conversations }] of pictures.entries()) {
    expect(everybody.filter(([id]) => users.get(id) === 1)).toHaveLength(place + 1)
    const typing = [...conversations.values()].filter((shown) => shown.typing.size > 0)
    expect(typing).toHaveLength(place + 1)
  }
})
