import fc from 'fast-check'
import { resolveSettings, type Settings } from '../../src/core/index.js'
import type { History, Step } from '../../src/testing/steps.js'

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
/** Both reads answer, in either order; now and then one of them fails or is late. */
const read = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('both' as const, 'roomFirst' as const) },
  { weight: 1, arbitrary: fc.constantFrom('user' as const, 'room' as const, 'neither' as const) },
)
const row = (name: 'join' | 'part') =>
  fc.tuple(user, room, read).map(([who, where, how]): Step => ({ do: name, user: who, ...where, read: how }))

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: step('connect', { user, device: fc.nat(1), client: fc.nat(2), sdk: fc.boolean() }, [
      'device',
      'client',
    ]),
  },
  { weight: 4, arbitrary: step('lose', { session }) },
  {
    weight: 4,
    arbitrary: step(
      'reload',
      {
        session,
        ms: fc.constantFrom(0, 30, 2_000, 6_000, 70_000),
        isSameProgram: fc.boolean(),
        meanwhile: fc.array(fc.oneof(row('join'), row('part'), step('type', { session, conversation })), {
          maxLength: 4,
        }),
      },
      ['meanwhile'],
    ),
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
  { weight: 3, arbitrary: step('answer', { which: fc.nat(9) }) },
  { weight: 2, arbitrary: step('watch', { session, user }) },
  { weight: 1, arbitrary: step('unwatch', { session, user }) },
  { weight: 4, arbitrary: step('contribute', { node: fc.nat(1), user, devices: fc.nat(2) }) },
  { weight: 3, arbitrary: step('loseNode', { node: fc.nat(1) }) },
  { weight: 2, arbitrary: step('holdBack', { delayMs: fc.constantFrom(0, 0, 500, 3_000, 60_000) }) },
  { weight: 2, arbitrary: step('press', { windowMs: fc.constantFrom(0, 0, 50, 5_000) }) },
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
const histories: fc.Arbitrary<History> = fc
  .tuple(
    fc.array(row('join'), { minLength: 10, maxLength: 24 }),
    fc.array(anyStep, { minLength: 10, maxLength: 70 }),
  )
  .map(([rows, steps]) => [...rows, ...steps])

/** A world of SDK clients who are away now and then while others come, go, and gain and lose rows. */
const absences: fc.Arbitrary<History> = fc
  .tuple(
    fc.array(row('join'), { minLength: 10, maxLength: 24 }),
    fc.array(step('connect', { user, client: fc.nat(9), sdk: fc.constant(true) }), {
      minLength: 3,
      maxLength: 6,
    }),
    fc.array(
      fc.tuple(
        session,
        fc.array(
          fc.oneof(
            row('join'),
            row('part'),
            step('connect', { user, device: fc.nat(1) }),
            step('disconnect', { session }),
          ),
          { minLength: 1, maxLength: 4 },
        ),
      ),
      { minLength: 3, maxLength: 8 },
    ),
  )
  .map(([rows, connects, away]) => [
    ...rows,
    ...connects,
    ...away.flatMap(([who, meanwhile]): Step[] => [
      { do: 'wait', ms: 30 },
      { do: 'reload', session: who, ms: 30, isSameProgram: true, meanwhile },
    ]),
  ])

/** A world of SDK clients who come all at once, and go, while there is more to do than time. */
const rushes: fc.Arbitrary<History> = fc
  .tuple(
    fc.array(row('join'), { minLength: 10, maxLength: 24 }),
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: step('connect', { user, device: fc.nat(1), sdk: fc.constant(true) }) },
        { weight: 2, arbitrary: step('leave', { session }) },
        { weight: 1, arbitrary: step('lose', { session }) },
        { weight: 1, arbitrary: row('join') },
        { weight: 1, arbitrary: row('part') },
        { weight: 1, arbitrary: step('type', { session, conversation }) },
        { weight: 1, arbitrary: step('wait', { ms: fc.constantFrom(1, 500, 5_000) }) },
      ),
      { minLength: 6, maxLength: 30 },
    ),
  )
  .map(([rows, steps]) => [...rows, { do: 'press', windowMs: 5_000 }, ...steps])

/** A room with too many people for names, on whose screens some of them are, while they come and go and lose rows. */
const screens: fc.Arbitrary<History> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: step('watch', { session, user }) },
      { weight: 1, arbitrary: step('unwatch', { session, user }) },
      { weight: 2, arbitrary: row('join') },
      { weight: 3, arbitrary: row('part') },
      { weight: 2, arbitrary: step('connect', { user, device: fc.nat(1), sdk: fc.constant(true) }) },
      { weight: 1, arbitrary: step('lose', { session }) },
      { weight: 1, arbitrary: step('type', { session, conversation }) },
      { weight: 3, arbitrary: step('wait', { ms: fc.constantFrom(25, 500, 1_500) }) },
    ),
    { minLength: 8, maxLength: 40 },
  )
  .map((steps) => [
    ...[0, 1, 2, 3, 4, 5].map((who): Step => ({ do: 'join', user: who, conversation: 0, read: 'both' })),
    ...[0, 1, 2, 3].map((who): Step => ({ do: 'connect', user: who, sdk: true })),
    ...steps,
  ])

/** A world in which people type in conversations that they lose and gain meanwhile. */
const chats: fc.Arbitrary<History> = fc
  .tuple(
    fc.array(
      fc
        .tuple(user, conversation)
        .map(([who, where]): Step => ({ do: 'join', user: who, conversation: where, read: 'both' })),
      { minLength: 8, maxLength: 16 },
    ),
    fc.array(
      fc.oneof(
        { weight: 4, arbitrary: step('type', { session, conversation }) },
        { weight: 3, arbitrary: row('part') },
        { weight: 2, arbitrary: row('join') },
        { weight: 1, arbitrary: step('connect', { user, device: fc.nat(1), sdk: fc.boolean() }) },
        { weight: 1, arbitrary: step('wait', { ms: fc.constantFrom(1, 25, 500) }) },
      ),
      { minLength: 6, maxLength: 30 },
    ),
  )
  .map(([rows, steps]) => [
    ...rows,
    ...[0, 1, 2, 3, 4, 5].map((who): Step => ({ do: 'connect', user: who, sdk: who % 2 === 0 })),
    ...steps,
  ])

/** Most mistakes show only in the first kind, and in few of those. */
export const allHistories: fc.Arbitrary<History> = fc.oneof(
  { weight: 4, arbitrary: histories },
  { weight: 2, arbitrary: absences },
  { weight: 1, arbitrary: rushes },
  { weight: 1, arbitrary: screens },
  { weight: 1, arbitrary: chats },
)
