import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createEngine, NO_ROOMS, resolveSettings, type Effect } from '../../src/core/index.js'
import { createRuntime } from '../../src/socketio/runtime.js'

function start() {
  let time = 0
  const effects: Effect[] = []
  const engine = createEngine(resolveSettings({ graceMs: 1_000 }))
  const runtime = createRuntime(
    engine,
    (effect) => effects.push(effect),
    () => time,
    () => 0,
  )
  return {
    runtime,
    counts: () => effects.flatMap((effect) => (effect.type === 'presence' ? [effect.after.count] : [])),
    connect: (sessionId: string) =>
      runtime.accept({
        type: 'connect',
        sessionId: sessionId as never,
        userId: 'ann' as never,
        rooms: NO_ROOMS,
        since: 0,
      }),
    lose: (sessionId: string) => runtime.accept({ type: 'lost', sessionId: sessionId as never }),
    /** The loop runs: the clock and the timers move together. */
    run(ms: number) {
      for (let passed = 0; passed < ms; passed += 10) {
        time += 10
        vi.advanceTimersByTime(10)
      }
    },
    /** The process stands still: the clock goes on, and then every timer is late. */
    stall(ms: number) {
      time += ms
      vi.advanceTimersByTime(ms)
    },
  }
}

describe('a grace', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('ends by the timer of the runtime', () => {
    const loop = start()
    loop.connect('1')
    loop.lose('1')
    loop.run(990)
    expect(loop.counts()).toEqual([1])
    loop.run(20)
    expect(loop.counts()).toEqual([1, 0])
    loop.runtime.close()
  })

  it('does not run while the process stands still: who came back meanwhile did not blink', () => {
    const loop = start()
    loop.connect('1')
    loop.lose('1')
    loop.run(400)
    loop.stall(4_000)
    // The connection waited in a socket all the while; it is read after the timers.
    loop.connect('2')
    loop.run(10_000)
    expect(loop.counts()).toEqual([1])
    loop.runtime.close()
  })

  it('ends after a stall, too, when nobody comes', () => {
    const loop = start()
    loop.connect('1')
    loop.lose('1')
    loop.run(400)
    loop.stall(4_000)
    loop.run(1_000)
    expect(loop.counts()).toEqual([1, 0])
    loop.runtime.close()
  })
})

describe('the windows of the sessions', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function start() {
    let time = 0
    let busy = 0
    const windows: number[] = []
    const engine = createEngine(resolveSettings())
    const recording = {
      ...engine,
      apply(input: Parameters<typeof engine.apply>[0], now: number) {
        if (input.type === 'window') windows.push(input.ms)
        return engine.apply(input, now)
      },
    }
    const runtime = createRuntime(
      recording,
      () => {},
      () => time,
      () => busy,
    )
    return {
      windows,
      runtime,
      beat(late: number, times: number, busyShare = 0) {
        busy = busyShare
        for (let n = 0; n < times; n++) {
          time += 50 + late
          vi.advanceTimersByTime(50)
        }
      },
    }
  }

  it('widen step by step while the loop is late, and come back step by step', () => {
    const { windows, runtime, beat } = start()
    beat(0, 5)
    beat(30, 7)
    beat(0, 1)
    beat(30, 7)
    expect(windows).toEqual([])
    beat(30, 1)
    expect(windows).toEqual([50])
    // The first step takes longer than the others: a full collection of garbage is no pressure.
    beat(30, 3)
    beat(0, 1, 0.85)
    beat(30, 3)
    expect(windows).toEqual([50])
    beat(30, 5)
    expect(windows).toEqual([50, 250, 2_000])
    // And the last one longer still.
    beat(30, 19)
    beat(0, 1, 0.85)
    beat(30, 19)
    expect(windows).toEqual([50, 250, 2_000])
    beat(30, 40)
    expect(windows).toEqual([50, 250, 2_000, 5_000])
    beat(0, 1)
    expect(windows).toEqual([50, 250, 2_000, 5_000])
    beat(0, 20)
    expect(windows).toEqual([50, 250, 2_000, 5_000, 2_000, 250, 50, 0])
    runtime.close()
  })

  it('widen as well while the loop is never late, but has no time to spare', () => {
    const { windows, runtime, beat } = start()
    beat(0, 20, 0.9)
    beat(0, 7, 0.95)
    beat(0, 1, 0.85)
    expect(windows).toEqual([])
    beat(0, 12, 0.95)
    expect(windows).toEqual([50, 250])
    // Neither: it stays as it is.
    beat(0, 20, 0.85)
    expect(windows).toEqual([50, 250])
    beat(0, 1, 0.7)
    beat(0, 1, 0.85)
    beat(0, 1, 0.7)
    expect(windows).toEqual([50, 250])
    beat(0, 3, 0.7)
    expect(windows).toEqual([50, 250, 50, 0])
    runtime.close()
  })

  it('and the loop says itself how busy it is', async () => {
    vi.useRealTimers()
    const windows: number[] = []
    const engine = createEngine(resolveSettings())
    const widened = new Promise<void>((resolve) => {
      const runtime = createRuntime(
        {
          ...engine,
          apply(input, now) {
            if (input.type === 'window') {
              windows.push(input.ms)
              isBusy = false
              runtime.close()
              resolve()
            }
            return engine.apply(input, now)
          },
        },
        () => {},
      )
    })
    let isBusy = true
    const work = () => {
      const until = performance.now() + 4
      while (performance.now() < until);
      if (isBusy) setImmediate(work)
    }
    work()
    await widened
    expect(windows).toEqual([50])
  })
})

it('what a listener does in the middle of an effect happens after it', () => {
  const order: string[] = []
  const runtime = createRuntime(createEngine(resolveSettings()), (effect) => {
    if (effect.type !== 'presence') return
    order.push(`count ${effect.after.count}`)
    if (effect.after.online) runtime.accept({ type: 'kick', userId: effect.userId })
    order.push('done')
  })
  runtime.accept({
    type: 'connect',
    sessionId: '1' as never,
    userId: 'ann' as never,
    rooms: NO_ROOMS,
    since: 0,
  })
  expect(order).toEqual(['count 1', 'done', 'count 0', 'done'])
  runtime.close()
})
