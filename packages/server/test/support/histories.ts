import fc from 'fast-check'
import { resolveSettings, type Settings } from '../../src/core/index.js'
import type { History, Step } from '../../src/testing/history.js'

/** Few of everything, so that histories meet themselves; bounds low enough to be reached. */
export const worldSettings: Settings = resolveSettings({
  graceMs: 5_000,
  reattachGraceMs: 15_000,
  massLossMinSessions: 1_000_000,
  offlineMemoryMs: 60_000,
  namesMax: 4,
  occupancyTypistsMax: 10,
  sessionsPerUserMax: 4,
})

const user = fc.nat(5)
const session = fc.nat(11)
const conversation = fc.nat(2)

function step<Do extends Step['do']>(name: Do, fields: object = {}, optional: readonly string[] = []) {
  const record = { do: fc.constant(name), ...fields }
  const requiredKeys = Object.keys(record).filter((key) => !optional.includes(key)) as never[]
  return fc.record(record, { requiredKeys }) as unknown as fc.Arbitrary<Step>
}

const room = fc.oneof(fc.record({ group: fc.nat(1) }), fc.record({ conversation }))
const row = (name: 'join' | 'part') =>
  fc.tuple(user, room).map(([who, where]): Step => ({ do: name, user: who, ...where }))

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: step('connect', { user, device: fc.nat(1), client: fc.nat(2) }, ['device', 'client']),
  },
  { weight: 4, arbitrary: step('lose', { session }) },
  {
    weight: 4,
    arbitrary: step('reload', {
      session,
      ms: fc.constantFrom(0, 30, 2_000, 6_000),
      isSameProgram: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: step('keepTyping', { session, conversation, times: fc.integer({ min: 2, max: 5 }) }),
  },
  { weight: 1, arbitrary: step('disconnect', { session }) },
  { weight: 1, arbitrary: step('leave', { session }) },
  { weight: 1, arbitrary: step('logOut', { session }) },
  { weight: 1, arbitrary: step('kick', { session }) },
  { weight: 1, arbitrary: step('expire', { session }) },
  { weight: 1, arbitrary: step('background', { session, graceMs: fc.constantFrom(0, 1_000, 30_000) }) },
  { weight: 5, arbitrary: step('type', { session, conversation }) },
  { weight: 2, arbitrary: step('stopTyping', { session, conversation }) },
  { weight: 1, arbitrary: step('hostStopTyping', { user }) },
  { weight: 6, arbitrary: row('join') },
  { weight: 6, arbitrary: row('part') },
  { weight: 4, arbitrary: step('contribute', { node: fc.nat(1), user, devices: fc.nat(2) }) },
  { weight: 3, arbitrary: step('loseNode', { node: fc.nat(1) }) },
  { weight: 1, arbitrary: step('block', { session }) },
  { weight: 1, arbitrary: step('unblock', { session }) },
  {
    weight: 6,
    arbitrary: step('wait', {
      ms: fc.constantFrom(0, 1, 10, 25, 500, 1_500, 3_000, 4_999, 5_000, 7_000, 70_000),
    }),
  },
)

/** A world in which most already share something, and then whatever comes. */
export const histories: fc.Arbitrary<History> = fc
  .tuple(
    fc.array(row('join'), { minLength: 10, maxLength: 24 }),
    fc.array(anyStep, { minLength: 10, maxLength: 70 }),
  )
  .map(([rows, steps]) => [...rows, ...steps])
