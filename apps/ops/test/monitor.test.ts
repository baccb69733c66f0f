import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMonitor, POLL_MS, RETRY_MAX_MS, type Monitor } from '../src/monitor/monitor.js'
import type { Source } from '../src/monitor/measure.js'
import { ApiError, type Monitor as MonitorAnswer } from '@vigie/server/http'
import { problemKindOf } from '../src/server/api.js'
import { answer, BOOT } from './looks.js'

const SOURCES: readonly Source[] = [{ kind: 'value', family: 'presence_connections', fold: 'sum' }]

/** A server that answers what `says` gives, and a page that can be hidden. */
function harness() {
  let isHidden = false
  let onVisibility = () => {}
  const asked: number[] = []
  const server = {
    says: async (): Promise<MonitorAnswer> => answer(Date.now(), { connections: 1 }),
  }
  const monitor: Monitor = createMonitor({
    ask() {
      asked.push(Date.now() - BOOT)
      return server.says()
    },
    sources: SOURCES,
    now: Date.now,
    isHidden: () => isHidden,
    onVisibility(listener) {
      onVisibility = listener
      return () => (onVisibility = () => {})
    },
  })
  return {
    monitor,
    asked,
    server,
    hide(hidden: boolean) {
      isHidden = hidden
      onVisibility()
    },
  }
}

describe('the monitor', () => {
  let page: ReturnType<typeof harness>
  beforeEach(() => {
    vi.useFakeTimers({ now: BOOT })
    page = harness()
  })
  afterEach(() => {
    page.monitor.close()
    vi.useRealTimers()
  })

  it('asks each second, from the start', async () => {
    expect(page.monitor.state().name).toBe('opening')
    page.monitor.start()
    await vi.advanceTimersByTimeAsync(3 * POLL_MS)
    expect(page.asked).toEqual([0, 1_000, 2_000, 3_000])
    expect(page.monitor.state()).toMatchObject({ name: 'live', answeredAt: BOOT + 3_000 })
    expect(page.monitor.state().history.points.map(({ values }) => values)).toEqual([[1], [1], [1], [1]])
  })

  it('does not ask while the page is hidden, asks at once when it is seen, and shows the gap', async () => {
    page.monitor.start()
    await vi.advanceTimersByTimeAsync(1_500)
    page.hide(true)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(page.asked).toEqual([0, 1_000])
    page.hide(false)
    await vi.advanceTimersByTimeAsync(0)
    expect(page.asked).toEqual([0, 1_000, 61_500])
    expect(page.monitor.state().history.points.map(({ values }) => values)).toEqual([[1], [1], [null], [1]])
    await vi.advanceTimersByTimeAsync(POLL_MS)
    expect(page.asked.at(-1)).toBe(62_500)
  })

  it('says that the server is lost, keeps what was known, asks less and less often, and comes back', async () => {
    page.monitor.start()
    await vi.advanceTimersByTimeAsync(0)
    const { says } = page.server
    page.server.says = () => Promise.reject(new ApiError('', { status: 0, code: 'unreachable' }))
    await vi.advanceTimersByTimeAsync(20_000)
    expect(page.asked).toEqual([0, 1_000, 2_000, 4_000, 8_000, 13_000, 18_000])
    expect(RETRY_MAX_MS).toBe(5_000)
    const { name, problem, answer: last, history } = page.monitor.state()
    expect([name, problemKindOf(problem), last?.node]).toEqual(['lost', 'no_answer', 'a'])
    expect(history.points.map(({ values }) => values)).toEqual([[1], [null]])

    page.server.says = says
    page.monitor.tryNow()
    await vi.advanceTimersByTimeAsync(0)
    expect(page.monitor.state()).toMatchObject({ name: 'live', problem: undefined })
    await vi.advanceTimersByTimeAsync(POLL_MS)
    expect(page.asked.slice(-2)).toEqual([20_000, 21_000])
  })

  it('waits as long as the server asks it to', async () => {
    page.server.says = () =>
      Promise.reject(new ApiError('', { status: 429, code: 'rate_limited', retryAfterSeconds: 9 }))
    page.monitor.start()
    await vi.advanceTimersByTimeAsync(17_000)
    expect(page.asked).toEqual([0, 9_000])
  })

  it.for(['key_missing', 'key_invalid', 'scope_missing', 'api_closed'])(
    'does not ask again with a key that was refused (%s), until it is given another',
    async (code) => {
      const { says } = page.server
      page.server.says = () => Promise.reject(new ApiError('', { status: 401, code }))
      page.monitor.start()
      await vi.advanceTimersByTimeAsync(60_000)
      page.hide(true)
      page.hide(false)
      await vi.advanceTimersByTimeAsync(60_000)
      expect(page.asked).toEqual([0])
      expect(page.monitor.state()).toMatchObject({ name: 'refused', problem: { code } })
      page.server.says = says
      page.monitor.tryNow()
      await vi.advanceTimersByTimeAsync(0)
      expect(page.monitor.state().name).toBe('live')
    },
  )

  it('drops an answer to a question that it has asked again', async () => {
    let answerFirst = (_: MonitorAnswer) => {}
    page.server.says = () => new Promise((resolve) => (answerFirst = resolve))
    page.monitor.start()
    page.server.says = async () => answer(Date.now(), { connections: 2 })
    page.monitor.tryNow()
    await vi.advanceTimersByTimeAsync(0)
    answerFirst(answer(Date.now(), { connections: 1 }))
    await vi.advanceTimersByTimeAsync(0)
    expect(page.monitor.state().history.points.map(({ values }) => values)).toEqual([[2]])
  })

  it('asks nothing once it is closed', async () => {
    page.monitor.start()
    await vi.advanceTimersByTimeAsync(0)
    page.monitor.close()
    page.hide(true)
    page.hide(false)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(page.asked).toEqual([0])
  })
})
