import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Recorded } from '../../src/core/index.js'
import { chainStart, commitmentOf, hashOf } from '../../src/trail/chain.js'
import type { TrailRow } from '../../src/trail/facts.js'
import { ALIVE_MS, BATCH_ROWS, createRecorder, SILENT_MS, type Recorder } from '../../src/trail/recorder.js'
import { rowOf } from '../../src/trail/rows.js'
import { dayOf } from '../../src/trail/days.js'
import type { Head, TrailStore } from '../../src/trail/store.js'

const NOON = Date.UTC(2026, 10, 3, 12)
const DAY_MS = 86_400_000
const FLUSH_MS = 250

/** A store in memory, which may be away. */
function memoryStore() {
  const rows = new Map<string, TrailRow>()
  const days = new Set<string>()
  const keyOf = ({ day, boot, position }: Pick<TrailRow, 'day' | 'boot' | 'position'>) =>
    `${day} ${boot} ${position}`
  const all = () => [...rows.values()]
  /** What `write` does: as it should, nothing, all of it without an answer, or neither ever. */
  const mood: { is: 'well' | 'away' | 'deaf' | 'silent' } = { is: 'well' }
  const headOf = (boot: string): Head => {
    const last = all()
      .filter((row) => row.boot === boot)
      .sort((a, b) => a.position - b.position)
      .at(-1)!
    return last
  }
  const boots = () => all().filter(({ kind }) => kind === 'start')
  const store: TrailStore = {
    node: 'a',
    check: async () => {},
    async makeDays(wanted) {
      if (mood.is === 'away') throw new Error('away')
      for (const day of wanted) days.add(day)
    },
    async write(batch) {
      if (mood.is === 'away') throw new Error('away')
      if (mood.is === 'silent') return new Promise(() => {})
      if (batch.some((row) => (rows.get(keyOf(row))?.hash ?? row.hash) !== row.hash)) return 'taken'
      let added = 0
      for (const row of batch) {
        if (!days.has(row.day)) throw new Error(`no partition for ${row.day}`)
        if (rows.has(keyOf(row))) continue
        rows.set(keyOf(row), row)
        added++
      }
      if (mood.is === 'deaf') throw new Error('the answer was lost')
      return added
    },
    lastBoot: async () => {
      const last = boots().at(-1)
      return last && headOf(last.boot)
    },
    unfinished: async () =>
      boots()
        .filter(
          ({ boot }) =>
            !all().some((row) => row.boot === boot && (row.kind === 'stop' || row.kind === 'death')),
        )
        .map(({ boot }) => ({ ...headOf(boot), silentMs: Date.now() - headOf(boot).at })),
    close: async () => {},
  }
  return { store, mood, rows: all, put: (row: TrailRow) => rows.set(keyOf(row), row), days }
}

function live(userId: string, reason: 'connected' | 'lost' = 'connected'): Recorded {
  return {
    type: 'session',
    state: reason === 'lost' ? 'lost' : 'live',
    reason,
    userId,
    sessionId: `${userId}-1`,
    device: 'd1',
    since: 1,
    at: 0,
  } as unknown as Recorded
}

function start(memory = memoryStore(), options: Partial<Parameters<typeof createRecorder>[0]> = {}) {
  const lines: string[] = []
  const note = (message: string) => lines.push(message)
  const recorder = createRecorder({
    store: memory.store,
    everything: () => [],
    toWall: () => Date.now(),
    bufferMax: 1_000,
    flushMs: FLUSH_MS,
    typing: false,
    start: { settings: {} },
    log: { debug: note, info: note, warn: note, error: note },
    ...options,
  })
  return { recorder, memory, lines }
}

/** A boot and day is one chain. */
function expectWhole(rows: readonly TrailRow[]): void {
  for (const day of new Set(rows.map(({ boot, day }) => `${boot} ${day}`))) {
    const chain = rows
      .filter((row) => `${row.boot} ${row.day}` === day)
      .sort((a, b) => a.position - b.position)
    let previous = chainStart(chain[0]!)
    for (const [place, row] of chain.entries()) {
      expect(row.position).toBe(chain[0]!.position + place)
      expect(row.commitment).toBe(commitmentOf(row, row.salt!))
      expect(row.hash).toBe(hashOf(row, previous))
      previous = row.hash
    }
  }
}

const kindsOf = (rows: readonly TrailRow[]) =>
  rows.map(({ kind, userId }) => (userId === null ? kind : `${kind} ${userId}`))
const detailOf = (row: TrailRow | undefined) => JSON.parse(row?.detail ?? '{}') as Record<string, unknown>

describe('the recorder of the audit trail', () => {
  const recorders: Recorder[] = []
  const begin: typeof start = (...args) => {
    const started = start(...args)
    recorders.push(started.recorder)
    return started
  }

  beforeEach(() => {
    vi.useFakeTimers({ now: NOON })
  })
  afterEach(async () => {
    const ends = recorders.splice(0).map(({ close }) => close())
    await vi.advanceTimersByTimeAsync(10_000)
    await Promise.all(ends)
    vi.useRealTimers()
  })

  it('writes facts in their order, as one chain, and says that it ended', async () => {
    const { recorder, memory } = begin()
    recorder.recorded(live('ann'))
    recorder.record({ kind: 'act', reason: 'kickUser', detail: { by: 'k' } })
    recorder.recorded(live('ann', 'lost'))
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    expect(recorder.counts()).toEqual({ written: 4, dropped: 0, waiting: 0, failures: 0, lagMs: 0 })
    const ended = recorder.close()
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    await ended
    expect(kindsOf(memory.rows())).toEqual(['start', 'session ann', 'act', 'session ann', 'stop'])
    expect(memory.rows().map(({ position }) => position)).toEqual([1, 2, 3, 4, 5])
    expectWhole(memory.rows())
    expect(detailOf(memory.rows()[0])).toEqual({ settings: {}, node: 'a' })
  })

  it('says who types only if it is asked to', async () => {
    for (const typing of [false, true]) {
      const { recorder, memory } = begin(memoryStore(), { typing })
      recorder.record({
        kind: 'typing',
        state: 'live',
        userId: 'ann' as never,
        conversations: ['c' as never],
      })
      await vi.advanceTimersByTimeAsync(FLUSH_MS)
      expect(memory.rows().some(({ kind }) => kind === 'typing')).toBe(typing)
    }
  })

  it.each(['away', 'deaf'] as const)('writes each fact once when the store was %s', async (how) => {
    const { recorder, memory, lines } = begin()
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    memory.mood.is = how
    for (let n = 0; n < BATCH_ROWS + 7; n++) recorder.recorded(live(`u${n}`))
    await vi.advanceTimersByTimeAsync(20_000)
    expect(recorder.counts()).toMatchObject({ dropped: 0, failures: expect.any(Number) })
    expect(recorder.counts().failures).toBeGreaterThan(2)
    expect(recorder.counts().lagMs).toBeGreaterThan(15_000)
    memory.mood.is = 'well'
    await vi.advanceTimersByTimeAsync(10_000)
    const sessions = memory.rows().filter(({ kind }) => kind === 'session')
    expect(sessions.map(({ userId }) => userId)).toEqual(
      Array.from({ length: BATCH_ROWS + 7 }, (_, n) => `u${n}`),
    )
    expectWhole(memory.rows())
    expect(lines.filter((line) => line.startsWith('The audit trail could not be written.'))).toHaveLength(1)
    expect(lines.filter((line) => line.startsWith('The audit trail is written again.'))).toHaveLength(1)
  })

  it('counts what it could not keep, says from when to when, and repeats all that is so', async () => {
    const { recorder, memory, lines } = begin(memoryStore(), {
      bufferMax: 10,
      everything: () => [live('zoe')],
    })
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    memory.mood.is = 'away'
    await vi.advanceTimersByTimeAsync(1_000)
    for (let n = 0; n < 25; n++) {
      recorder.recorded(live(`u${n}`))
      await vi.advanceTimersByTimeAsync(10)
    }
    expect(recorder.counts()).toMatchObject({ dropped: 15, waiting: 10 })
    memory.mood.is = 'well'
    await vi.advanceTimersByTimeAsync(10_000)
    const rows = memory.rows()
    const place = rows.findIndex(({ kind }) => kind === 'hole')
    expect(kindsOf(rows.slice(place, place + 3))).toEqual(['hole', 'session zoe', 'checkpoint'])
    const from = NOON + FLUSH_MS + 1_000 + 100
    expect(detailOf(rows[place])).toEqual({ count: 15, from, until: from + 140 })
    expect(detailOf(rows[place + 2])).toEqual({ from: rows[place + 1]!.position })
    expect(kindsOf(rows.slice(1, place))).toEqual(Array.from({ length: 10 }, (_, n) => `session u${n}`))
    expectWhole(rows)
    expect(lines.filter((line) => line.includes('no more facts are kept'))).toHaveLength(1)
  })

  it('has room for what it repeats, however much that is: a checkpoint makes no hole', async () => {
    const everybody = Array.from({ length: 50 }, (_, n) => live(`u${n}`))
    const { recorder, memory } = begin(memoryStore(), { bufferMax: 10, everything: () => everybody })
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    vi.setSystemTime(NOON + DAY_MS)
    for (let n = 0; n < 12; n++) recorder.recorded(live(`u${n}`, 'lost'))
    // Ten as always: those of the checkpoint do not count.
    expect(recorder.counts()).toMatchObject({ dropped: 2, waiting: 61 })
    await vi.advanceTimersByTimeAsync(20_000)
    expect(memory.rows().filter(({ state }) => state === 'lost')).toHaveLength(10)
    // Of the two that were not kept; it is followed by a checkpoint, and that by nothing.
    expect(memory.rows().filter(({ kind }) => kind === 'hole')).toHaveLength(1)
    expect(recorder.counts()).toMatchObject({ dropped: 2, waiting: 0 })
    expectWhole(memory.rows())
  })

  it('begins each day with all that is so, and names the end of the day before', async () => {
    const MINUTE_MS = 60_000
    vi.setSystemTime(NOON + DAY_MS / 2 - MINUTE_MS)
    const { memory } = begin(memoryStore(), { everything: () => [live('zoe')] })
    await vi.advanceTimersByTimeAsync(MINUTE_MS + FLUSH_MS)
    const today = memory.rows().filter(({ day }) => day === dayOf(NOON))
    const tomorrow = memory.rows().filter(({ day }) => day === dayOf(NOON + DAY_MS))
    expect(kindsOf(tomorrow.slice(0, 3))).toEqual(['session zoe', 'checkpoint', 'alive'])
    const { boot, day, position, hash } = today.at(-1)!
    expect(detailOf(tomorrow[1])).toEqual({
      from: tomorrow[0]!.position,
      previous: { boot, day, position, hash },
    })
    expect(tomorrow[0]!.position).toBe(position + 1)
    expectWhole(memory.rows())
  })

  it('writes at least every ten seconds', async () => {
    const { memory } = begin()
    await vi.advanceTimersByTimeAsync(60_000)
    const times = memory.rows().map(({ at }) => at)
    const gaps = times.slice(1).map((at, place) => at - times[place]!)
    expect(gaps.length).toBeGreaterThanOrEqual(5)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(ALIVE_MS + FLUSH_MS)
  })

  it('never goes back in time when the clock is set back', async () => {
    const { recorder, memory } = begin()
    recorder.recorded(live('ann'))
    vi.setSystemTime(NOON - 3_600_000)
    recorder.recorded(live('ben'))
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    const times = memory.rows().map(({ at }) => at)
    expect(times).toEqual([NOON, NOON, NOON])
  })

  it('names the end of the boot before, and writes the death of one that was killed', async () => {
    const memory = memoryStore()
    const killed = start(memory)
    killed.recorder.recorded(live('ann'))
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    const [first, last] = memory.rows()
    // Nothing of it is called any more: it was killed.
    vi.clearAllTimers()
    vi.setSystemTime(NOON + 5_000)
    const { lines } = begin(memory)
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    const start2 = memory.rows().find(({ kind, boot }) => kind === 'start' && boot !== first!.boot)
    expect(detailOf(start2).previous).toEqual({
      boot: first!.boot,
      day: last!.day,
      position: 2,
      hash: last!.hash,
    })
    // It could be another process of the same name that is well: not before it has been silent for long.
    expect(memory.rows().some(({ kind }) => kind === 'death')).toBe(false)
    await vi.advanceTimersByTimeAsync(2 * SILENT_MS)
    const deaths = memory.rows().filter(({ kind }) => kind === 'death')
    expect(deaths.map(({ boot, position }) => ({ boot, position }))).toEqual([
      { boot: first!.boot, position: 3 },
    ])
    expect(detailOf(deaths[0])).toEqual({ lastAt: last!.at })
    expectWhole(memory.rows())
    expect(lines.filter((line) => line.startsWith('A former boot of this node ended'))).toHaveLength(1)
  })

  it('goes on as a new boot when another has written its end, and says what is missing', async () => {
    const { recorder, memory, lines } = begin(memoryStore(), { everything: () => [live('zoe')] })
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    const [first] = memory.rows()
    memory.put(
      rowOf(
        { fact: { kind: 'death', detail: { lastAt: first!.at } }, position: 2, at: Date.now() },
        first!.boot,
        first!.hash,
      ),
    )
    recorder.recorded(live('ann'))
    recorder.recorded(live('ben'))
    await vi.advanceTimersByTimeAsync(2 * FLUSH_MS)
    const own = memory.rows().filter(({ boot }) => boot !== first!.boot)
    expect(kindsOf(own)).toEqual(['start', 'hole', 'session zoe', 'checkpoint'])
    expect(detailOf(own[1])).toMatchObject({ count: 2 })
    expect(recorder.counts()).toMatchObject({ dropped: 2, waiting: 0 })
    // Of the old boot no second row with that position, and none after the death.
    expect(
      kindsOf(memory.rows().filter(({ boot, position }) => boot === first!.boot && position > 1)),
    ).toEqual(['death'])
    expectWhole(memory.rows())
    expect(lines.filter((line) => line.startsWith('Another process has written the end'))).toHaveLength(1)
  })

  it('does not keep the process for a store that never answers', async () => {
    const { recorder, memory, lines } = begin()
    await vi.advanceTimersByTimeAsync(FLUSH_MS)
    memory.mood.is = 'silent'
    recorder.recorded(live('ann'))
    let isEnded = false
    void recorder.close().then(() => {
      isEnded = true
    })
    await vi.advanceTimersByTimeAsync(4_900)
    expect(isEnded).toBe(false)
    await vi.advanceTimersByTimeAsync(200)
    expect(isEnded).toBe(true)
    expect(lines.filter((line) => line.includes('before the end'))).toHaveLength(1)
  })
})
