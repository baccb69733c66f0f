import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { SessionId, UserId } from '@vigie/protocol'
import { describe, expect, it } from 'vitest'
import {
  createEngine,
  resolveSettings,
  type Effect,
  type Input,
  type KnownRooms,
} from '../../src/core/index.js'
import { createShellCounts, LEVELS, type Level } from '../../src/host/shell-counts.js'
import {
  ARRIVAL_MAX_MS,
  createLatency,
  SAMPLE_GAP_MS,
  SAMPLE_MAX_MS,
  type Followed,
} from '../../src/socketio/latency.js'

interface Outlet {
  followed: number
  state: Followed['state']
}

/** The real engine, a clock that the test moves, and ways out that write when the test says so. */
function scene() {
  const engine = createEngine(resolveSettings({ graceMs: 5_000, windowMs: 20, idleWindowMs: 0 }))
  const counts = createShellCounts()
  let time = 1_000
  const latency = createLatency({
    clock: () => time,
    now: () => time,
    viewers: engine.pendingViewers,
    members: engine.pendingMembers,
    counts,
  })
  const outlets = new Map<string, Outlet>()
  const due = new Map<string, Extract<Effect, { type: 'due' }>['sessions'][number]>()
  const rooms: KnownRooms = [
    { kind: 'group', id: 'crew', value: ['ann', 'bob', 'cy'] },
    { kind: 'conversation', id: 'plan', value: ['ann', 'bob', 'cy', 'dee'] },
    // Those whom one meets in two rooms are recipients once.
    { kind: 'conversation', id: 'lunch', value: ['dee', 'ann', 'cy'] },
  ] as unknown as KnownRooms

  function apply(input: Input): void {
    for (const effect of engine.apply(input, time)) {
      latency.changed(effect)
      if (effect.type === 'due') for (const session of effect.sessions) due.set(session.id, session)
    }
  }

  function write(id: string): void {
    const session = due.get(id)
    const outlet = outlets.get(id)
    if (!session || !outlet) return
    due.delete(id)
    const isTold = engine.take(session, time).length > 0
    if (outlet.followed !== 0) latency.written(outlet, isTold)
  }

  const scene = {
    counts,
    latency,
    apply,
    write,
    outlet: (id: string) => outlets.get(id)!,
    pass(ms: number) {
      time += ms
    },
    /** The process finds out later by so much: its deadlines are late. */
    wakeLate(ms: number) {
      time += ms
      apply({ type: 'wake' })
    },
    connect(id: string, arrivedAt = time) {
      const outlet: Outlet = { followed: 0, state: 'open' }
      outlets.set(id, outlet)
      latency.connects(outlet, id as UserId, arrivedAt, outlet)
      apply({
        type: 'connect',
        sessionId: id as SessionId,
        userId: id as UserId,
        rooms: rooms.filter(({ value }) => (value as readonly string[]).includes(id)),
        protocol: 2,
        since: 0,
        outlet,
      })
      latency.connected()
    },
    /** Everybody is written; afterwards a change of any level may be followed again. */
    settle() {
      for (const id of [...due.keys()]) write(id)
      time += SAMPLE_GAP_MS
      apply({ type: 'wake' })
      for (const id of [...due.keys()]) write(id)
      latency.look()
    },
    seen(level: Level): number[] {
      const { count, sum } = counts.publishSeconds[level]
      return [count, Math.round(sum * 1_000)]
    },
  }
  return scene
}

function withThree() {
  const three = scene()
  for (const id of ['ann', 'bob', 'cy', 'dee']) {
    three.connect(id)
    three.settle()
  }
  const before = Object.fromEntries(LEVELS.map((level) => [level, three.seen(level)])) as Record<
    Level,
    number[]
  >
  /** How many were observed since, and how long they took together. */
  const since = (level: Level) => three.seen(level).map((value, place) => value - (before[level][place] ?? 0))
  return { ...three, since }
}

describe('a change is measured until the last of its recipients is written', () => {
  it('by level: those who share a group, those who share a conversation', () => {
    const s = withThree()
    s.apply({ type: 'kick', userId: 'ann' as UserId })
    s.pass(3)
    s.write('bob')
    s.pass(4)
    s.write('cy')
    expect([s.since('group'), s.since('conversation')]).toEqual([
      [1, 7],
      [0, 0],
    ])
    s.pass(30)
    s.write('dee')
    expect([s.since('group'), s.since('conversation')]).toEqual([
      [1, 7],
      [1, 37],
    ])
  })

  it('of typing, without the typist', () => {
    const s = withThree()
    s.apply({ type: 'typing', sessionId: 'ann' as SessionId, conversationId: 'plan' as never, typing: true })
    s.pass(11)
    for (const id of ['bob', 'cy', 'dee']) s.write(id)
    expect(s.since('typing')).toEqual([1, 11])
    expect(s.outlet('ann').followed).toBe(0)
  })

  it('of a grace that is over from its end on, however late the process is', () => {
    const s = withThree()
    s.apply({ type: 'lost', sessionId: 'ann' as SessionId })
    s.settle()
    expect(s.since('group')).toEqual([0, 0])
    // The grace of 5,000 ms has begun SAMPLE_GAP_MS ago.
    s.wakeLate(5_000 - SAMPLE_GAP_MS + 40)
    s.pass(2)
    for (const id of ['bob', 'cy', 'dee']) s.write(id)
    expect(s.since('group')).toEqual([1, 42])
  })

  it('of somebody who comes from the arrival of the connection on, and so their own first picture', () => {
    const s = withThree()
    s.apply({ type: 'kick', userId: 'ann' as UserId })
    s.settle()
    const [groups = 0] = s.since('group')
    const key = {}
    const arrivedAt = s.latency.arrived(key)
    s.pass(25)
    const outlet: Outlet = { followed: 0, state: 'open' }
    s.latency.connects(key, 'ann' as UserId, arrivedAt, outlet)
    expect(outlet.followed).not.toBe(0)
    s.pass(5)
    s.latency.written(outlet, true)
    expect(s.since('first_picture')).toEqual([1, 30])
    s.latency.connected()
    s.connect('ann', arrivedAt)
    for (const id of ['bob', 'cy', 'dee']) s.write(id)
    expect(s.since('group')[0]).toBe(groups + 1)
    expect(s.since('group')[1]).toBeGreaterThanOrEqual(30)
  })
})

describe('it waits for nobody who cannot be told', () => {
  it('a client that did not read before is not a recipient', () => {
    const s = withThree()
    s.outlet('cy').state = 'waiting'
    s.apply({ type: 'kick', userId: 'ann' as UserId })
    s.pass(6)
    s.write('bob')
    expect(s.since('group')).toEqual([1, 6])
  })

  it('one that turns out not to read is taken off then', () => {
    const s = withThree()
    s.apply({ type: 'kick', userId: 'ann' as UserId })
    s.write('bob')
    s.pass(8)
    s.latency.written(s.outlet('cy'), false)
    expect(s.since('group')).toEqual([1, 8])
  })

  it('a session that ends meanwhile is taken off; if nobody was told nothing is counted', () => {
    const s = withThree()
    s.apply({ type: 'kick', userId: 'ann' as UserId })
    for (const id of ['bob', 'cy', 'dee']) s.latency.written(s.outlet(id), false)
    expect([s.since('group'), s.since('conversation')]).toEqual([
      [0, 0],
      [0, 0],
    ])
    expect(['bob', 'cy', 'dee'].map((id) => s.outlet(id).followed)).toEqual([0, 0, 0])
  })

  it('a change that changes back before it is told counts for nothing', () => {
    const s = withThree()
    s.apply({ type: 'kick', userId: 'ann' as UserId })
    s.connect('ann')
    s.pass(20)
    for (const id of ['bob', 'cy', 'dee']) s.write(id)
    expect(s.since('group')).toEqual([0, 0])
  })

  it('a recipient that is never written makes the change as late as that, once', () => {
    const s = withThree()
    s.apply({ type: 'kick', userId: 'ann' as UserId })
    s.write('bob')
    s.pass(SAMPLE_MAX_MS - 1)
    s.latency.look()
    expect(s.since('group')).toEqual([0, 0])
    s.pass(1)
    s.latency.look()
    expect(s.since('group')).toEqual([1, SAMPLE_MAX_MS])
    expect(s.outlet('cy').followed).toBe(0)
    s.write('cy')
    expect(s.since('group')).toEqual([1, SAMPLE_MAX_MS])
  })

  it('a connection that never becomes a session keeps its place for a minute, one that is refused does not', () => {
    const { latency, pass, seen } = scene()
    const outlet: Outlet = { followed: 0, state: 'open' }
    const [gone, refused, third] = [{}, {}, {}]
    latency.arrived(gone)
    latency.connects(refused, 'bob' as UserId, latency.arrived(refused), outlet)
    expect(outlet.followed).toBe(0)
    pass(ARRIVAL_MAX_MS + 1)
    latency.look()
    latency.arrived(refused)
    latency.refused(refused)
    latency.connects(third, 'bob' as UserId, latency.arrived(third), outlet)
    latency.written(outlet, true)
    expect(seen('first_picture')).toEqual([1, 0])
  })
})

it('keeps no connection that has gone before it became a session', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const latency = createLatency({
    clock: () => 0,
    now: () => 0,
    viewers: () => [],
    members: () => [],
    counts: createShellCounts(),
  })
  const gone = ((key: object) => {
    latency.arrived(key)
    return new WeakRef(key)
  })({})
  // A weak reference holds its object until the turn is over.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(gone.deref()).toBeUndefined()
})

it('follows one change of a level at a time, and at most one in SAMPLE_GAP_MS', () => {
  const s = withThree()
  const type = (typing: boolean) => {
    s.apply({ type: 'typing', sessionId: 'ann' as SessionId, conversationId: 'plan' as never, typing })
    for (const id of ['bob', 'cy', 'dee']) s.write(id)
  }
  type(true)
  for (let n = 0; n < 20; n++) {
    s.pass(SAMPLE_GAP_MS / 10)
    s.apply({ type: 'wake' })
    type(n % 2 === 1)
  }
  const [count = 0] = s.since('typing')
  expect(count).toBeGreaterThanOrEqual(2)
  expect(count).toBeLessThanOrEqual(3)
})
