import { describe, expect, it } from 'vitest'
import { EMPTY_HISTORY, GAP_MS, HISTORY_MS, rowsOf, withGap, withLook } from '../src/monitor/history.js'
import type { Look, Source } from '../src/monitor/measure.js'
import { look } from './looks.js'

const SOURCES: readonly Source[] = [
  { kind: 'value', family: 'presence_connections', fold: 'sum' },
  { kind: 'rate', family: 'presence_frames_total' },
]

function historyOf(looks: readonly Look[]) {
  return looks.reduce((history, each) => withLook(history, each, SOURCES), EMPTY_HISTORY)
}

const drawn = (looks: readonly Look[]) => historyOf(looks).points.map(({ at, values }) => [at, ...values])

describe('the history', () => {
  it('has a point for each look', () => {
    expect(
      drawn([
        look(0, { connections: 1, frames: 0 }),
        look(1_000, { connections: 2, frames: 10 }),
        look(2_000, { connections: 2, frames: 30 }),
      ]),
    ).toEqual([
      [0, 1, null],
      [1_000, 2, 10],
      [2_000, 2, 20],
    ])
  })

  it('shows a gap, and no mean over it, where nobody looked for a while, as while the page was hidden', () => {
    const hidden = look(60_000, { connections: 5, frames: 600_000 })
    const points = drawn([
      look(0, { connections: 1 }),
      hidden,
      look(61_000, { connections: 5, frames: 600_007 }),
    ])
    expect(points).toEqual([
      [0, 1, null],
      [1, null, null],
      [60_000, 5, null],
      [61_000, 5, 7],
    ])
    // What is hardly late is no gap.
    expect(drawn([look(0, {}), look(GAP_MS, { frames: 7 })])).toHaveLength(2)
    expect(drawn([look(0, {}), look(GAP_MS + 1, { frames: 7 })])).toHaveLength(3)
  })

  it('shows a gap where the server was replaced, also when its counters have passed those of the one before', () => {
    const points = drawn([
      look(0, { connections: 4, frames: 10 }, 'a'),
      look(1_000, { connections: 4, frames: 20 }, 'b'),
      look(2_000, { connections: 4, frames: 25 }, 'b'),
    ])
    expect(points).toEqual([
      [0, 4, null],
      [1, null, null],
      [1_000, 4, null],
      [2_000, 4, 5],
    ])
  })

  it('shows one gap while the server does not answer, and starts rates anew after it', () => {
    const before = historyOf([look(0, { connections: 3 }), look(1_000, { connections: 3, frames: 5 })])
    const lost = withGap(withGap(before, SOURCES), SOURCES)
    expect(lost.points.slice(2)).toEqual([{ at: 1_001, values: [null, null] }])
    const after = withLook(lost, look(3_000, { connections: 3, frames: 9 }), SOURCES)
    expect(after.points.at(-1)).toEqual({ at: 3_000, values: [3, null] })
    expect(withGap(EMPTY_HISTORY, SOURCES).points).toEqual([])
  })

  it('is ten minutes long', () => {
    const seconds = Array.from({ length: 700 }, (_, second) => look(second * 1_000, { connections: second }))
    const { points, run } = historyOf(seconds)
    expect(points).toHaveLength(HISTORY_MS / 1_000 + 1)
    expect(points[0]?.at).toBe(699_000 - HISTORY_MS)
    // Of whole answers only as many are kept as latencies need.
    expect(run).toHaveLength(61)
  })

  it('has no point ahead of now when this device’s clock was set back', () => {
    const points = drawn([look(10_000, { connections: 1 }), look(5_000, { connections: 2 })])
    expect(points).toEqual([[5_000, 2, null]])
  })
})

describe('the table behind a chart', () => {
  it('has the highest of each half minute, newest first, and says where nothing was known', () => {
    const points = [
      { at: 1_000, values: [3, 1] },
      { at: 2_000, values: [5, null] },
      { at: 2_001, values: [null, null] },
      { at: 95_000, values: [4, 2] },
    ]
    expect(rowsOf(points, [0], 30_000)).toEqual([
      { at: 95_000, values: [4] },
      { at: 90_000, values: [null] },
      { at: 60_000, values: [null] },
      { at: 30_000, values: [5] },
    ])
    expect(rowsOf([], [0], 30_000)).toEqual([])
  })
})
