import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  contains,
  LIST_MAX,
  sizeOf,
  visitAll,
  withItem,
  withoutItem,
  type SmallSet,
} from '../../src/core/small-set.js'

const filled = (size: number) => {
  let set: SmallSet<number> = []
  for (let item = 1; item <= size; item++) set = withItem(set, -item)
  return set
}

describe.each([0, LIST_MAX - 5])('of %i and more', (size) => {
  it('is a set, whatever is added and deleted', () => {
    const step = fc.record({ adds: fc.boolean(), item: fc.nat({ max: 20 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        let set = filled(size)
        const model = new Set(set)
        for (const { adds, item } of steps) {
          if (adds) {
            set = withItem(set, item)
            model.add(item)
          } else {
            set = withoutItem(set, item)
            model.delete(item)
          }
          expect([...set]).toEqual([...model])
          expect(sizeOf(set)).toBe(model.size)
          expect(contains(set, item)).toBe(model.has(item))
        }
      }),
    )
  })
})

it.each([3, 20, LIST_MAX + 1])('of %i may lose those that it comes to while they are visited', (size) => {
  let set = filled(size)
  const visited: number[] = []
  visitAll(set, (item) => {
    visited.push(item)
    set = withoutItem(set, item)
  })
  expect(visited).toHaveLength(size)
  expect(sizeOf(set)).toBe(0)
})
