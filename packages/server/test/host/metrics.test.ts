import type { UserId } from '@vigie/protocol'
import { describe, expect, it } from 'vitest'
import { createEngine, createHistogram, resolveSettings, type Effect } from '../../src/core/index.js'
import { METRIC_LIMITS, METRICS, NOTHING_MEASURED, readMetrics } from '../../src/host/metrics.js'
import { countBytes, countClose, countDisconnect, createShellCounts } from '../../src/host/shell-counts.js'
import {
  createTransitionCounter,
  FALSE_OFFLINE_MAX,
  FALSE_OFFLINE_MS,
} from '../../src/host/transition-counter.js'

const NAME = /^presence_[a-z]+(_[a-z]+)*$/u

describe('the table', () => {
  it('names each metric once, as Prometheus does: counters end in _total, times in _seconds', () => {
    const names = METRICS.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => !NAME.test(name))).toEqual([])
    for (const { name, kind, unit } of METRICS) {
      expect([name, name.endsWith('_total')]).toEqual([name, kind === 'counter'])
      expect([name, name.endsWith('_seconds')]).toEqual([name, unit === 'seconds'])
      expect([name, METRIC_LIMITS.has(name)]).toEqual([name, kind === 'histogram'])
    }
  })

  it('lists every series, a hundred at most for a metric, and none that names a person, a room or a device', () => {
    for (const { name, series } of METRICS) {
      const keys = series.map((labels) => JSON.stringify(labels))
      expect([name, new Set(keys).size, keys.length <= 100]).toEqual([name, keys.length, true])
      const labels = new Set(series.flatMap((each) => Object.keys(each)))
      for (const id of ['user', 'userId', 'room', 'conversation', 'group', 'device', 'session', 'id'])
        expect([name, labels.has(id)]).toEqual([name, false])
    }
  })

  it('says of each in one sentence what it is', () => {
    for (const { help } of METRICS) expect(help).toMatch(/^[A-Z][^\n]*[.]$/u)
  })
})

describe('a histogram', () => {
  it('counts each value in the first bucket that holds it, and is read with the buckets added up', () => {
    const histogram = createHistogram([0.05, 0.1])
    for (const value of [0.05, 0.06, 0.1, 0.100001, 7]) histogram.observe(value)
    expect([histogram.counts, histogram.count]).toEqual([[1, 2, 2], 5])
    const counts = createShellCounts()
    counts.publishSeconds.group.observe(0.2)
    counts.publishSeconds.group.observe(0.3)
    const [family] = readMetrics(sources(counts)).filter(({ name }) => name === 'presence_publish_seconds')
    expect(family?.samples[0]).toEqual({
      labels: { level: 'group' },
      buckets: [
        ...[0.005, 0.01, 0.02, 0.05, 0.1].map((limit) => [limit, 0]),
        [0.2, 1],
        ...[0.5, 1, 2.5, 5, Infinity].map((limit) => [limit, 2]),
      ],
      sum: 0.5,
      count: 2,
    })
  })
})

describe('labels have no other values than those of the table', () => {
  it('an unknown reason of a disconnect is "other", an unknown code of a close is not counted', () => {
    const counts = createShellCounts()
    countDisconnect(counts, 'transport close')
    countDisconnect(counts, 'a reason that a later Socket.IO has')
    countClose(counts, 'kicked')
    countClose(counts, 'a code of nobody')
    expect(counts.disconnects).toMatchObject({ transport_close: 1, other: 1 })
    expect(counts.closed).toMatchObject({ kicked: 1 })
    expect(Object.keys(counts.closed)).not.toContain('a code of nobody')
  })

  it('bytes go to the class of the write, its limit included', () => {
    const counts = createShellCounts()
    for (const size of [1, 128, 129, 1_024, 65_536, 65_537]) countBytes(counts, size)
    expect([...counts.bytes]).toEqual([129, 1_153, 0, 65_536, 65_537])
  })
})

describe('a user who was shown as offline by mistake', () => {
  const change = (
    userId: string,
    online: boolean,
    rest: { at: number; reason?: 'grace_over' | 'left' },
  ): Effect => ({
    type: 'presence',
    userId: userId as UserId,
    before: { online: !online, count: online ? 0 : 1 },
    after: { online, count: online ? 1 : 0 },
    reason: rest.reason ?? (online ? 'connected' : 'grace_over'),
    at: rest.at,
  })

  it('is one whose grace was over and who is back within a minute; not one who left', () => {
    const counts = createShellCounts()
    const note = createTransitionCounter(counts)
    note(change('ann', false, { at: 0 }))
    note(change('ann', true, { at: FALSE_OFFLINE_MS }))
    note(change('bob', false, { at: 0 }))
    note(change('bob', true, { at: FALSE_OFFLINE_MS + 1 }))
    note(change('cy', false, { at: 0, reason: 'left' }))
    note(change('cy', true, { at: 1 }))
    expect(counts.falseOffline).toBe(1)
    expect(counts.transitions).toMatchObject({ grace_over: 2, left: 1, connected: 3 })
  })

  it(`is remembered among the last ${FALSE_OFFLINE_MAX}, no more`, () => {
    const counts = createShellCounts()
    const note = createTransitionCounter(counts)
    for (let n = 0; n <= FALSE_OFFLINE_MAX; n++) note(change(`user-${n}`, false, { at: 0 }))
    note(change('user-0', true, { at: 1 }))
    expect(counts.falseOffline).toBe(0)
    note(change('user-1', true, { at: 1 }))
    expect(counts.falseOffline).toBe(1)
  })
})

function sources(counts: ReturnType<typeof createShellCounts>): Parameters<typeof readMetrics>[0] {
  const engine = createEngine(resolveSettings({}))
  return { ...NOTHING_MEASURED, counts, core: engine.counts(), census: engine.census(), now: 0 }
}
