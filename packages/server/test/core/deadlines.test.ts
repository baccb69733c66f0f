import { queryObjects } from 'node:v8'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Deadlines } from '../../src/core/deadlines.js'

it('gives items in the order of their last deadlines, and of equal ones the first set', () => {
  const change = fc.tuple(fc.nat(20), fc.option(fc.nat(50)))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
      const deadlines = new Deadlines<number>()
      const expected = new Map<number, { at: number; order: number }>()
      changes.forEach(([item, at], order) => {
        if (at === null) {
          deadlines.delete(item)
          expected.delete(item)
        } else {
          deadlines.set(item, at)
          if (expected.get(item)?.at !== at) expected.set(item, { at, order })
        }
      })
      const sorted = [...expected].sort(([, a], [, b]) => a.at - b.at || a.order - b.order)
      expect(deadlines.next()).toBe(sorted[0]?.[1].at)
      const taken: number[] = []
      for (let item = deadlines.takeDue(50); item !== undefined; item = deadlines.takeDue(50))
        taken.push(item)
      expect(taken).toEqual(sorted.map(([item]) => item))
    }),
  )
})

it('takes nothing before it is due', () => {
  const deadlines = new Deadlines<string>()
  deadlines.set('a', 10)
  expect(deadlines.takeDue(9)).toBeUndefined()
  expect(deadlines.takeDue(10)).toBe('a')
  expect(deadlines.next()).toBeUndefined()
})

it('keeps nothing of an item whose deadline was moved, taken back or taken', () => {
  class Timed {
    readonly is = 'timed'
  }
  const deadlines = new Deadlines<Timed>()
  function setMoveAndTake(): void {
    const items = [new Timed(), new Timed(), new Timed()] as const
    deadlines.set(items[0], 50)
    items.forEach((item, place) => {
      deadlines.set(item, 10 + place)
      deadlines.set(item, 5 - place)
    })
    deadlines.delete(items[0])
    const taken = [deadlines.takeDue(4), deadlines.takeDue(4), deadlines.takeDue(4)]
    expect(taken.map((item) => items.findIndex((other) => other === item))).toEqual([2, 1, -1])
  }
  const kept = new Timed()
  deadlines.set(kept, 20)
  setMoveAndTake()
  // After a collection of garbage.
  expect(queryObjects(Timed, { format: 'count' })).toBe(1)
  expect(deadlines.takeDue(20)).toBe(kept)
})
