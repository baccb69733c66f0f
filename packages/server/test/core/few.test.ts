import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { holds, LIST_MAX, sizeOf, visitAll, withItem, withoutItem, type Few } from '../../src/core/few.js'

const filled = (size: number) => {
  let few: Few<number> = []
  for (let item = 1; item <= size; item++) few = withItem(few, -item)
  return few
}

describe.each([0, LIST_MAX - 5])('of %i and more', (size) => {
  it('is a set, whatever is added and deleted', () => {
    const step = fc.record({ adds: fc.boolean(), item: fc.nat({ max: 20 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        let few = filled(size)
        const model = new Set(few)
        for (const { adds, item } of steps) {
          if (adds) {
            few = withItem(few, item)
            model.add(item)
          } else {
            few = withoutItem(few, item)
            model.delete(item)
          }
          expect([...few]).toEqual([...model])
          expect(sizeOf(few)).toBe(model.size)
          expect(holds(few, item)).toBe(model.has(item))
        }
      }),
    )
  })
})

it.each([3, 20, LIST_MAX + 1])('of %i may lose those that it comes to while they are visited', (size) => {
  let few = filled(size)
  const visited: number[] = []
  visitAll(few, (item) => {
    visited.push(item)
    few = withoutItem(few, item)
  })
  expect(visited).toHaveLength(size)
  expect(sizeOf(few)).toBe(0)
})
