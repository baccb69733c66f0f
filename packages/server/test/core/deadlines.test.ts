import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
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

it('keeps nothing of an item whose deadline was moved, taken back or taken', async () => {
  const deadlines = new Deadlines<object>()
  const start = () => {
    const items = [{}, {}, {}] as const
    deadlines.set(items[0], 50)
    items.forEach((item, place) => {
      deadlines.set(item, 10 + place)
      deadlines.set(item, 5 - place)
    })
    deadlines.delete(items[0])
    const taken = [deadlines.takeDue(4), deadlines.takeDue(4), deadlines.takeDue(4)]
    expect(taken.map((item) => items.findIndex((other) => other === item))).toEqual([2, 1, -1])
    return items.map((item) => new WeakRef<object>(item))
  }
  const kept = {}
  deadlines.set(kept, 20)
  const gone = start()
  await collectGarbage()
  expect(gone.filter((item) => item.deref() !== undefined)).toHaveLength(0)
  expect(deadlines.next()).toBe(20)
})

/** What a `WeakRef` was made of, or asked for, stays until the end of the turn. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await nextTurn()
  collect()
}
