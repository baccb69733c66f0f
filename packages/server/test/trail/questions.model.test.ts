import { migrate, openTrail, postgresTrail } from '@vigie/server/postgres'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { silentLog } from '../../src/core/ports.js'
import type { Hole, Interval } from '../../src/trail/answers.js'
import { dayOf } from '../../src/trail/days.js'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'
import { holesBetween, momentAt, play, reasonsAt, ROOMS, USERS, type Played, type Step } from './history.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const number = fc.nat(10_000)
const after = fc.oneof(
  { weight: 3, arbitrary: fc.nat(3) },
  { weight: 4, arbitrary: fc.integer({ min: 1_000, max: HOUR_MS }) },
  { weight: 1, arbitrary: fc.integer({ min: HOUR_MS, max: 9 * HOUR_MS }) },
)
const step = (names: readonly Step['do'][]): fc.Arbitrary<Step> =>
  fc.record({ do: fc.constantFrom(...names), after, a: number, b: number, c: number })
const ORDINARY = [
  ...([
    'connect',
    'connect',
    'connect',
    'connect',
    'lose',
    'return',
    'end',
    'end',
    'rooms',
    'rooms',
    'rooms',
  ] as const),
  ...(['start', 'start', 'quiet'] as const),
]
const begun: readonly Step[] = [0, 1].map((a) => ({ do: 'start', after: a, a, b: 0, c: 0 }))
const history = (names: readonly Step['do'][]) =>
  fc.array(step(names), { minLength: 30, maxLength: 70 }).map((steps) => [...begun, ...steps])

/** An instant: beside a step, or anywhere. */
const instants = fc.array(fc.tuple(fc.nat(1_000), fc.integer({ min: -1, max: 1 }), fc.boolean()), {
  minLength: 12,
  maxLength: 12,
})

test.each([
  [
    'presence, memberships, restarts, deaths and holes',
    [...ORDINARY, 'stop', 'kill', 'fill', 'drain'] as const,
    30,
  ],
  ['presence and memberships, without anything missing', [...ORDINARY, 'stop'] as const, 10],
])(
  'answers equal the truth of random histories of %s, at random instants',
  async (_, names, numRuns) => {
    await using database = await freshDatabase()
    await migrate(database.sql, { createTables: true })
    // Days are made within eight days of today.
    const begin = Math.floor(Date.now() / DAY_MS) * DAY_MS - 6 * DAY_MS + 20 * HOUR_MS
    await using trail = closing(openTrail({ sql: database.sql, log: silentLog }))
    const store = postgresTrail({ sql: database.sql, node: 'test', log: silentLog })

    await fc.assert(
      fc.asyncProperty(history(names), instants, async (steps, picks) => {
        const played = play(
          steps.map((each) => ({ ...each, after: Math.min(each.after, (4 * DAY_MS) / steps.length) | 0 })),
          begin,
        )
        await forgetAll(database)
        await store.makeDays([...new Set(played.rows.map(({ day }) => day))])
        await store.write(played.rows)
        for (const [index, offset, isAnywhere] of picks) {
          const instant = isAnywhere
            ? begin + Math.floor((index / 1_000) * (played.end - begin))
            : (played.moments[1 + (index % (played.moments.length - 1))]?.at ?? begin) + offset
          await askAt(trail, played, instant)
        }
        const [one, other] = [picks[0]?.[0] ?? 0, picks[1]?.[0] ?? 0].sort((x, y) => x - y) as [
          number,
          number,
        ]
        const from = begin + Math.floor((one / 1_001) * (played.end - begin))
        await askUser(trail, played, { from, to: from + 1 + other * 60_000 })
        for (const day of new Set(played.rows.map((row) => row.day))) await askPeak(trail, played, day)
      }),
      // A smaller counterexample would take longer than the test may: the seed is printed.
      { numRuns, endOnFailure: true },
    )
  },
  120_000,
)

type Trail = ReturnType<typeof openTrail>

function closing(trail: Trail): Trail & AsyncDisposable {
  return { ...trail, [Symbol.asyncDispose]: () => trail.close() }
}

async function forgetAll({ sql }: TestDatabase): Promise<void> {
  const days = await sql<{ name: string }[]>`
    SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'vigie.trail'::regclass`
  for (const { name } of days) await sql.unsafe(`DROP TABLE ${name}`)
}

const sorted = (holes: readonly Hole[]) =>
  holes.map((hole) => JSON.stringify(hole, ['from', 'to', 'boot', 'why'])).sort()

async function askAt(trail: Trail, played: Played, at: number): Promise<void> {
  const holes = holesBetween(played, at, at)
  const { online, rooms } = momentAt(played, at)
  for (const room of ROOMS) {
    const [conversation, group] = await Promise.all([
      trail.online({ conversation: room, at }),
      trail.online({ group: `group ${room}`, at }),
    ])
    expect(sorted(conversation.holes)).toEqual(sorted(holes))
    expect(group.users).toEqual(conversation.users)
    if (holes.length > 0) continue
    const truth = [...online]
      .filter(([userId]) => rooms.get(userId)?.has(room))
      .map(([userId, devices]) => [userId, [...devices].sort()])
      .sort()
    expect(
      conversation.users.map(({ userId, devices }) => [userId, devices.map(({ deviceId }) => deviceId)]),
    ).toEqual(truth)
  }
  const userId = USERS[at % USERS.length] as string
  const why = await trail.why({ userId, at })
  expect(sorted(why.holes)).toEqual(sorted(holes))
  if (holes.length > 0) return
  expect({ online: why.online, count: why.count }).toEqual({
    online: online.has(userId),
    count: online.get(userId)?.size ?? 0,
  })
  const { because } = why
  if (because) expect(reasonsAt(played, userId, because.at)).toContain(because.reason)
  const turnedAt = lastTurn(played, userId, at)
  if (turnedAt === undefined || holesBetween(played, turnedAt - 1, at).length > 0) return
  // Somebody who came and went in one instant was there in no moment.
  if (because) expect(because.at).toBeGreaterThanOrEqual(turnedAt)
  else
    expect({ online: why.online, isOfToday: dayOf(turnedAt) === dayOf(at) }).toEqual({
      online: true,
      isOfToday: false,
    })
}

/** Since when the user is what they are at an instant; undefined: ever since. */
function lastTurn({ moments }: Played, userId: string, at: number): number | undefined {
  const known = moments.filter((moment, index) => moment.at <= at && moments[index + 1]?.at !== moment.at)
  const index = known.findLastIndex(
    ({ online }, place) => online.has(userId) !== known[place - 1]?.online.has(userId),
  )
  return index < 1 ? undefined : known[index]?.at
}

async function askUser(
  trail: Trail,
  played: Played,
  { from, to }: { from: number; to: number },
): Promise<void> {
  for (const userId of USERS) {
    const answer = await trail.user({ userId, from, to })
    const holes = holesBetween(played, from, to)
    expect(sorted(answer.holes)).toEqual(sorted(holes))
    for (const [index, { from: begins }] of answer.intervals.entries()) {
      expect(begins).toBeGreaterThan(answer.intervals[index - 1]?.to ?? from - 1)
    }
    const contains = (intervals: readonly Interval[], at: number) =>
      intervals.some((interval) => interval.from <= at && at < interval.to)
    const changes = played.moments.flatMap(({ at }) => [at - 1, at, at + 1])
    for (const at of [from, ...changes, to - 1]) {
      if (at < from || at >= to || holesBetween(played, at, at).length > 0) continue
      const devices = momentAt(played, at).online.get(userId) ?? new Set()
      expect(contains(answer.intervals, at)).toBe(devices.size > 0)
      const answered = answer.devices.filter((interval) => contains([interval], at))
      expect(answered.map(({ deviceId }) => deviceId).sort()).toEqual([...devices].sort())
    }
    if (holes.length > 0) continue
    for (const { from: begins, began, to: ends, ended } of answer.intervals) {
      if (began === null) expect(begins).toBe(from)
      else expect(reasonsAt(played, userId, begins)).toContain(began)
      if (ended === null) expect(ends).toBe(to)
      else expect(reasonsAt(played, userId, ends)).toContain(ended)
    }
  }
}

async function askPeak(trail: Trail, played: Played, day: string): Promise<void> {
  const from = Date.parse(day)
  const answer = await trail.peak({ day })
  const holes = holesBetween(played, from, from + DAY_MS - 1)
  expect(sorted(answer.holes)).toEqual(sorted(holes))
  if (holes.length > 0) return
  const moments = [
    { ...momentAt(played, from), at: from },
    ...played.moments.filter(({ at }) => at > from && dayOf(Math.max(0, at)) === day),
  ].filter(({ at }, index, all) => all[index + 1]?.at !== at)
  const most = (countOf: (moment: (typeof moments)[number]) => number) => {
    const count = Math.max(...moments.map(countOf))
    return {
      count,
      at: count === 0 ? null : (moments.find((moment) => countOf(moment) === count)?.at ?? null),
    }
  }
  expect(answer.users).toEqual(most(({ online }) => online.size))
  expect(answer.devices).toEqual(
    most(({ online }) => [...online.values()].reduce((sum, devices) => sum + devices.size, 0)),
  )
}
