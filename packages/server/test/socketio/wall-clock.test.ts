import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createWallClock } from '../../src/socketio/wall-clock.js'

const HOUR_MS = 3_600_000

describe('the wall clock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000 * HOUR_MS })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function start() {
    let engineMs = 500
    const clock = createWallClock({ now: () => engineMs })
    return {
      ...clock,
      /** Both clocks go on, the wall's by so much more. */
      pass(ms: number, apartMs = 0) {
        engineMs += ms
        vi.setSystemTime(Date.now() + ms + apartMs)
      },
    }
  }

  it('says when on the engine’s clock a time will be; never is never', () => {
    const { toEngineTime, pass } = start()
    expect(toEngineTime(Date.now() + HOUR_MS)).toBe(500 + HOUR_MS)
    pass(1_000)
    expect(toEngineTime(Date.now() + HOUR_MS)).toBe(1_500 + HOUR_MS)
    expect(toEngineTime(undefined)).toBeUndefined()
  })

  it('has not moved as long as both go on alike, or nearly so', () => {
    const { hasMoved, pass } = start()
    for (let second = 0; second < 100; second++) pass(1_000)
    expect(hasMoved()).toBe(false)
    pass(30_000, 249)
    expect(hasMoved()).toBe(false)
  })

  it.each([
    ['was set forward', 250],
    ['was set back', -HOUR_MS],
  ])('has moved, once, when it %s', (_name, apartMs) => {
    const { hasMoved, pass } = start()
    pass(30_000, apartMs)
    expect([hasMoved(), hasMoved()]).toEqual([true, false])
  })

  it('has moved when it crept, a little at a time', () => {
    const { hasMoved, pass } = start()
    const moved = Array.from({ length: 6 }, () => {
      pass(30_000, 100)
      return hasMoved()
    })
    expect(moved).toEqual([false, false, true, false, false, true])
  })

  it('has moved when a time was translated while it was wrong, though it is right again', () => {
    const { hasMoved, toEngineTime, pass } = start()
    pass(1_000, HOUR_MS)
    toEngineTime(Date.now() + HOUR_MS)
    pass(1_000, -HOUR_MS)
    expect([hasMoved(), hasMoved()]).toEqual([true, false])
  })
})
