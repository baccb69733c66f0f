import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SmallSet } from '../../src/core/small-set.js'

it('is a set, whatever is added and deleted, small and large', () => {
  const step = fc.record({ adds: fc.boolean(), item: fc.nat({ max: 20 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const small = new SmallSet<number>()
      const model = new Set<number>()
      for (const { adds, item } of steps) {
        if (adds) {
          small.add(item)
          model.add(item)
        } else {
          small.delete(item)
          model.delete(item)
        }
        expect([...small]).toEqual([...model])
        expect(small.size).toBe(model.size)
        expect(small.has(item)).toBe(model.has(item))
      }
    }),
  )
})

it.each([3, 30])('of %i may lose those that it comes to while they are visited', (size) => {
  const set = new SmallSet<number>()
  for (let item = 0; item < size; item++) set.add(item)
  const visited: number[] = []
  for (const item of set) {
    visited.push(item)
    set.delete(item)
  }
  expect(visited).toHaveLength(size)
  expect(set.size).toBe(0)
})
