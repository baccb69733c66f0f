import { describe, expect, it } from 'vitest'
import { LATENCY_WINDOW_MS, measure, quantileIn, type Source } from '../src/monitor/measure.js'
import { look } from './looks.js'

const CONNECTIONS: Source = { kind: 'value', family: 'presence_connections', fold: 'sum' }
const FRAMES: Source = { kind: 'rate', family: 'presence_frames_total' }
const group = (quantile: number): Source => ({
  kind: 'quantile',
  family: 'presence_publish_seconds',
  labels: { level: 'group' },
  quantile,
})

describe('a number of a chart', () => {
  it('is the value of now, and none where the server does not report it', () => {
    expect(measure(CONNECTIONS, [look(0, { connections: 7 })])).toBe(7)
    expect(measure({ ...CONNECTIONS, family: 'presence_unheard_of' }, [look(0, {})])).toBeNull()
    expect(measure(CONNECTIONS, [])).toBeNull()
  })

  it('is a rate by the server’s clock, of all samples together, whatever the line took', () => {
    const before = look(0, { frames: 100 })
    const after = { ...look(5_000, { frames: 160 }), serverAt: 2_000 }
    expect(measure(FRAMES, [before, after])).toBe(30)
    // One sample of it alone.
    expect(measure({ ...FRAMES, labels: { kind: 'diff' } }, [before, after])).toBe(15)
  })

  it('is no rate of the first look, of a counter that went back, or over a clock that did not go on', () => {
    expect(measure(FRAMES, [look(0, { frames: 100 })])).toBeNull()
    expect(measure(FRAMES, [look(0, { frames: 100 }), look(1_000, { frames: 3 })])).toBeNull()
    expect(
      measure(FRAMES, [look(0, { frames: 100 }), { ...look(1_000, { frames: 200 }), serverAt: 0 }]),
    ).toBe(null)
  })

  it('is a quantile of what was observed since, not of what was before', () => {
    const slow = [0.2, 0.2, 0.2, 0.2]
    const before = look(0, { group: slow })
    const after = look(1_000, { group: [...slow, 0.005, 0.005] })
    // Two in the first bucket, which reaches to 10 ms: half of them count as below 5 ms.
    expect(measure(group(0.5), [before, after])).toBeCloseTo(0.005)
    expect(measure(group(0.99), [before, after])).toBeCloseTo(0.0099)
  })

  it('is a quantile of the last minute only', () => {
    const run = [0, 1, 2, 62].map((second) =>
      look(second * 1_000, { group: second === 0 ? [] : second < 62 ? [0.09] : [0.09, 0.005] }),
    )
    expect(run.at(-1)!.serverAt - run[2]!.serverAt).toBe(LATENCY_WINDOW_MS)
    expect(measure(group(0.99), run)).toBeCloseTo(0.0099)
  })

  it('is no quantile where nothing was observed, or counts went back', () => {
    expect(measure(group(0.5), [look(0, { group: [0.02] }), look(1_000, { group: [0.02] })])).toBeNull()
    expect(measure(group(0.5), [look(0, { group: [0.02] }), look(1_000, { group: [] })])).toBeNull()
    expect(measure(group(0.5), [look(0, { group: [0.02] })])).toBeNull()
  })

  it('is the last limit where what was observed is above all', () => {
    expect(measure(group(0.5), [look(0, {}), look(1_000, { group: [3, 3] })])).toBe(0.1)
  })
})

describe('a quantile within buckets', () => {
  it('is as Prometheus has it: evenly within a bucket, and the last limit for what is above it', () => {
    const buckets = [
      [0.05, 50],
      [0.1, 90],
      [Infinity, 100],
    ] as const
    expect(quantileIn(buckets, 0.25)).toBeCloseTo(0.025)
    expect(quantileIn(buckets, 0.5)).toBeCloseTo(0.05)
    expect(quantileIn(buckets, 0.7)).toBeCloseTo(0.075)
    expect(quantileIn(buckets, 0.99)).toBe(0.1)
    expect(quantileIn([[Infinity, 0]], 0.5)).toBeNull()
    expect(quantileIn([], 0.5)).toBeNull()
  })
})
