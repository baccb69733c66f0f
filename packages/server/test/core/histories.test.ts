import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createEngine } from '../../src/core/index.js'
import { play } from '../../src/testing/history.js'
import type { Tally } from '../../src/testing/steps.js'
import { allHistories, worldSettings } from '../support/histories.js'

it('keeps every promise over 2,000 random histories', () => {
  const total: Partial<Tally> = {}
  fc.assert(
    fc.property(allHistories, (history) => {
      const tally = play(history, createEngine, worldSettings)
      for (const key of Object.keys(tally) as (keyof Tally)[]) total[key] = (total[key] ?? 0) + tally[key]
    }),
    { numRuns: Number(process.env.HISTORIES ?? 2_000) },
  )
  // Histories in which nothing happens prove nothing.
  for (const [what, times] of Object.entries(total)) expect(times, what).toBeGreaterThan(20)
}, 600_000)
