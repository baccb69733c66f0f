import { expect, it } from 'vitest'
import { createInterner } from '../../src/rows/interner.js'

it('forgets what is not in use when twice as much has come together', () => {
  const inUse = new Set<string>()
  const names = createInterner(() => inUse, 10)
  for (let n = 0; n < 20; n++) inUse.add(names.intern(`kept ${n}`))
  let most = 0
  for (let n = 0; n < 1_000; n++) {
    names.intern(`gone ${n}`)
    most = Math.max(most, names.size)
  }
  expect(most).toBeGreaterThan(20)
  expect(most).toBeLessThanOrEqual(40)
})

it('gives back what it is given', () => {
  const names = createInterner(() => [], 2)
  expect(['a', 'b', 'a', 'c', 'a', ''].map((text) => names.intern(text))).toEqual([
    'a',
    'b',
    'a',
    'c',
    'a',
    '',
  ])
})
