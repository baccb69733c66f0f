import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createEngine, NO_ROOMS, resolveSettings, type Effect, type Log } from '../../src/core/index.js'
import { createRuntime } from '../../src/socketio/runtime.js'

function start() {
  let time = 0
  const effects: Effect[] = []
  const engine = createEngine(resolveSettings({ graceMs: 1_000 }))
  const runtime = createRuntime(engine, (effect) => effects.push(effect), {
    clock: () => time,
    busyShare: () => 0,
  })
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

interface LogLine {
  readonly level: keyof Log
  readonly fields: Readonly<Record<string, unknown>> | undefined
}

function burn(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('the windows of the sessions', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** A loop in which presence itself takes 20 ms of each 50, unless said otherwise. */
  function start() {
    let time = 0
    let busy = 0
    let own = 0
    const windows: number[] = []
    const lines: LogLine[] = []
    const write = (level: LogLine['level']) => (_: string, fields?: LogLine['fields']) =>
      lines.push({ level, fields })
    const engine = createEngine(resolveSettings())
    const recording = {
      ...engine,
      apply(input: Parameters<typeof engine.apply>[0], now: number) {
        if (input.type === 'window') windows.push(input.ms)
        if (input.type === 'wake') time += own
        return engine.apply(input, now)
      },
    }
    const runtime = createRuntime(recording, () => {}, {
      clock: () => time,
      busyShare: () => busy,
      log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    })
    return {
      windows,
      runtime,
      lines,
      beat(late: number, times: number, busyShare = 0, ownMs = 20) {
        busy = busyShare
        own = ownMs
        for (let n = 0; n < times; n++) {
          runtime.accept({ type: 'wake' })
          time += 50 + late - ownMs
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
    // Neither: for a while it stays as it is.
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

  const HOST_ONLY_MS = 1

  it('come back on a host that keeps the loop busy with work of its own, after one bad second', () => {
    const { windows, runtime, beat } = start()
    beat(0, 16, 0.85, HOST_ONLY_MS)
    beat(30, 16, 1)
    expect(windows).toEqual([50, 250, 2_000])
    // No time to spare for a minute, and presence is not why.
    beat(0, 39, 0.85, HOST_ONLY_MS)
    expect(windows).toEqual([50, 250, 2_000])
    beat(0, 1 + 2 * 40, 0.85, HOST_ONLY_MS)
    expect(windows).toEqual([50, 250, 2_000, 250, 50, 0])
    beat(0, 1_200, 0.85, HOST_ONLY_MS)
    expect(windows).toHaveLength(6)
    runtime.close()
  })

  it('come back, too, where the host is later and busier than any bound', () => {
    const { windows, runtime, beat } = start()
    beat(30, 40, 1)
    expect(windows).toEqual([50, 250, 2_000, 5_000])
    // It takes a second until what presence took is forgotten.
    beat(60, 4 * 40 + 40, 1, HOST_ONLY_MS)
    expect(windows).toEqual([50, 250, 2_000, 5_000, 2_000, 250, 50, 0])
    runtime.close()
  })

  it.each([
    ['busy', 0, 0.95],
    ['late', 500, 1],
  ])(
    'do not widen at all on a loop that is %s without presence taking a share of it',
    (_name, late, busy) => {
      const { windows, runtime, beat } = start()
      beat(late, 1_200, busy, HOST_ONLY_MS)
      expect(windows).toEqual([])
      expect(runtime.pressure()).toBe(0)
      runtime.close()
    },
  )

  it('stay wide as long as it is presence that needs the time, which comes in bursts in a storm', () => {
    const { windows, runtime, beat } = start()
    for (let burst = 0; burst < 12; burst++) {
      beat(0, 1, 1, 25)
      beat(0, 4, 1, 0)
    }
    for (let burst = 0; burst < 240; burst++) {
      beat(30, 1, 1, 25)
      beat(5, 3, 1, 0)
    }
    expect(windows).toEqual([50, 250, 2_000, 5_000])
    runtime.close()
  })

  it('are tried again more and more rarely where presence needs the time as soon as they are narrower', () => {
    const { windows, runtime, beat } = start()
    /** Beats until the next change, of a host that is busy whatever presence does. */
    const untilChange = (busy: number) => {
      const before = windows.length
      for (let beats = 1; ; beats++) {
        beat(0, 1, busy)
        if (windows.length > before) return beats
      }
    }
    beat(0, 8, 0.95)
    expect(windows).toEqual([50])
    const trials: number[] = []
    for (let trial = 0; trial < 7; trial++) {
      trials.push(untilChange(0.85))
      untilChange(0.95)
    }
    expect(trials).toEqual([40, 80, 160, 320, 640, 1_200, 1_200])
    // Once there was time to spare the next trial comes soon again.
    untilChange(0.5)
    untilChange(0.95)
    expect(untilChange(0.85)).toBe(40)
    runtime.close()
  })

  it('are told to the operator at each step, as a warning where people notice', () => {
    const { runtime, lines, beat } = start()
    expect(runtime.pressure()).toBe(0)
    beat(30, 16, 1)
    expect(runtime.pressure()).toBe(3)
    beat(0, 2, 0.5)
    expect(runtime.pressure()).toBe(2)
    expect(lines.map(({ level, fields }) => [level, fields?.step, fields?.windowMs])).toEqual([
      ['info', 1, 50],
      ['info', 2, 250],
      ['warn', 3, 2_000],
      ['info', 2, 250],
    ])
    expect(lines[2]?.fields).toMatchObject({ lateMs: 30, busyShare: '100 %', ownShare: '25 %' })
    runtime.close()
  })

  it('and the loop says itself how busy it is', async () => {
    vi.useRealTimers()
    const windows: number[] = []
    const engine = createEngine(resolveSettings())
    let isBusy = true
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
            if (input.type === 'wake') burn(4)
            return engine.apply(input, now)
          },
        },
        () => {},
      )
      const work = () => {
        runtime.accept({ type: 'wake' })
        if (isBusy) setImmediate(work)
      }
      work()
    })
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
