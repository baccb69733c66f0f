import { afterEach, describe, expect, it, vi } from 'vitest'
import { createEngine, resolveSettings } from '../../src/core/index.js'
import { createRuntime, type Runtime } from '../../src/socketio/runtime.js'

let runtime: Runtime | undefined
afterEach(() => {
  runtime?.close()
})

it('the clock of the engine never goes back, wherever in a stall it is read', () => {
  let time = 1_000
  runtime = createRuntime(createEngine(resolveSettings()), () => {}, {
    clock: () => time,
    busyShare: () => 0,
  })
  const read: number[] = []
  // Late, but not late enough to count; then late enough: what was told already must stand.
  for (const step of [10, 40, 140, 20, 5_000, 1, 190, 30, 60_000, 199, 2]) {
    time += step
    read.push(runtime.now())
  }
  expect(read).toEqual([...read].sort((a, b) => a - b))
})

describe('how late the loop is', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  /** A runtime whose beats come every 50 ms, or later. */
  function start() {
    vi.useFakeTimers()
    let time = 1_000
    let beats = 0
    runtime = createRuntime(createEngine(resolveSettings()), () => {}, {
      clock: () => time,
      busyShare: () => 0,
    })
    runtime.onBeat(() => {
      beats++
    })
    return {
      runtime,
      beats: () => beats,
      /** The clock goes on, and no timer comes. */
      pass: (ms: number) => (time += ms),
      beat(lateMs: number) {
        time += 50 + lateMs
        vi.advanceTimersByTime(50)
      },
    }
  }

  it('is what the last beat was, and is told at each beat', () => {
    const loop = start()
    loop.beat(0)
    expect([loop.runtime.lateMs(), loop.beats()]).toEqual([0, 1])
    loop.beat(400)
    expect([loop.runtime.lateMs(), loop.beats()]).toEqual([400, 2])
    loop.beat(10)
    expect([loop.runtime.lateMs(), loop.beats()]).toEqual([10, 3])
  })

  it('is seen before the next beat comes', () => {
    const loop = start()
    loop.beat(0)
    loop.pass(50)
    expect(loop.runtime.lateMs()).toBe(0)
    loop.pass(700)
    expect(loop.runtime.lateMs()).toBe(700)
  })

  it('includes the time in which the process stood still, which the engine does not count', () => {
    const loop = start()
    loop.beat(0)
    const before = loop.runtime.now()
    loop.pass(1_050)
    // Each look at the clock of the engine takes the stall out of it.
    expect(loop.runtime.now() - before).toBeLessThan(250)
    expect(loop.runtime.lateMs()).toBe(1_000)
    loop.beat(0)
    expect(loop.runtime.lateMs()).toBe(1_050)
  })

  it('is remembered at its worst for 15 seconds at least, and for 30 at most', () => {
    const loop = start()
    const beats = (count: number) => {
      for (let n = 0; n < count; n++) loop.beat(0)
    }
    beats(290)
    loop.beat(400)
    expect(loop.runtime.peakLateMs()).toBe(400)
    // Beats of 50 ms: 15 seconds later.
    beats(300)
    expect([loop.runtime.peakLateMs(), loop.runtime.lateMs()]).toEqual([400, 0])
    beats(300)
    expect(loop.runtime.peakLateMs()).toBe(0)
    loop.pass(250)
    expect(loop.runtime.peakLateMs()).toBe(200)
  })

  it('is not told any more once the runtime is closed', () => {
    const loop = start()
    loop.runtime.close()
    loop.beat(0)
    expect(loop.beats()).toBe(0)
  })
})
