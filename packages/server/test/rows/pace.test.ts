import { expect, it } from 'vitest'
import { pauseAfter, roomsPerRead } from '../../src/rows/pace.js'

it('the pause after a turn is the ordinary one after few, and grows with their number up to 150 ms', () => {
  expect([0, 1, 10, 20, 60, 100, 1_000].map((count) => pauseAfter(count, 25))).toEqual([
    25, 25, 25, 50, 150, 150, 150,
  ])
})

it('the pause after a turn is never shorter than what was asked for, and none where none is', () => {
  expect(pauseAfter(1_000, 400)).toBe(400)
  expect(pauseAfter(1_000, 0)).toBe(0)
})

it('a read asks for as much as brings about 50,000 rows, and never for less than 50', () => {
  const pace = roomsPerRead()
  pace.fit(100, 20_000)
  expect(pace.most).toBe(250)
  pace.fit(1, 10_000_000)
  expect(pace.most).toBe(50)
  pace.shrink()
  expect(pace.most).toBe(50)
  pace.fit(50, 0)
  expect(pace.most).toBe(5_000)
})
