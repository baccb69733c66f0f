import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ConversationId, DeviceId, GroupId, SessionId, UserId } from '@vigie/protocol'
import { createEngine, resolveSettings, type Input, type KnownRooms } from '../../src/core/index.js'
import { play } from '../../src/testing/history.js'
import type { History } from '../../src/testing/steps.js'
import { allHistories, worldSettings } from '../support/histories.js'

const asked = { wallTime: (at: number) => 1_000_000 + at }
const ann = 'ann' as UserId
const bob = 'bob' as UserId

/** An engine with a clock; `rooms` are those that everybody is in. */
function start(
  settings = {},
  rooms: KnownRooms = [{ kind: 'group', id: 'g' as GroupId, value: [ann, bob] }],
) {
  const engine = createEngine(resolveSettings(settings))
  let now = 0
  return {
    engine,
    apply: (input: Input) => engine.apply(input, now),
    connect: (userId: UserId, sessionId: string, more: object = {}) =>
      engine.apply(
        { type: 'connect', sessionId: sessionId as SessionId, userId, rooms, since: 7, ...more },
        now,
      ),
    pass(ms: number) {
      now += ms
      engine.apply({ type: 'wake' }, now)
    },
    reasons: (userId: UserId) => engine.explain(userId, asked).transitions.map(({ reason }) => reason),
  }
}

describe('explain', () => {
  it('says what the model says, of each user to each viewer, at each step of random histories', () => {
    let explained = 0
    fc.assert(
      fc.property(allHistories, (history) => {
        explained += play(history, createEngine, worldSettings, { explains: 'all' }).explained
      }),
      { numRuns: Number(process.env.HISTORIES ?? 300) },
    )
    expect(explained).toBeGreaterThan(100_000)
  }, 600_000)

  /** Found by random histories, once in a thousand: what waits was not what would be told. */
  const FOUND: readonly (readonly [string, History])[] = [
    [
      'somebody comes, goes and is asked about before the viewer is written: the question is answered',
      [
        { do: 'join', user: 3, conversation: 0, read: 'both' },
        { do: 'join', user: 0, conversation: 0, read: 'both' },
        { do: 'connect', user: 0, sdk: true },
        { do: 'connect', user: 3, sdk: false },
        { do: 'disconnect', session: 1 },
        { do: 'watch', session: 0, user: 3 },
      ],
    ],
    [
      'somebody on the screen comes into a room whose names are too many from then on: the viewer hears of them',
      [
        ...[1, 3, 0, 2].map((user) => ({ do: 'join', user, conversation: 2, read: 'both' }) as const),
        { do: 'connect', user: 0, sdk: true },
        { do: 'connect', user: 5, sdk: false },
        { do: 'watch', session: 0, user: 5 },
        { do: 'wait', ms: 25 },
        { do: 'join', user: 5, conversation: 2, read: 'both' },
      ],
    ],
  ]
  it.each(FOUND)('%s', (_name, history) => {
    expect(play(history, createEngine, worldSettings, { explains: 'all' }).explained).toBeGreaterThan(0)
  })

  it('shows the session behind a presence, with its times on the wall clock', () => {
    const { engine, connect, apply, pass } = start({ graceMs: 5_000 })
    connect(ann, 's1', { deviceId: 'phone' as DeviceId, label: 'Pixel', protocol: 2, expiresAt: 60_000 })
    const lastHeardAt = (id: SessionId) => (id === 's1' ? 1_000_500 : undefined)
    expect(engine.explain(ann, { ...asked, lastHeardAt }).sessions).toEqual([
      {
        sessionId: 's1',
        deviceId: 'phone',
        label: 'Pixel',
        protocol: 2,
        state: 'live',
        since: 7,
        lastHeardAt: 1_000_500,
        tokenEndsAt: 1_060_000,
      },
    ])
    pass(1_000)
    apply({ type: 'lost', sessionId: 's1' as SessionId })
    const { sessions, presence, transitions } = engine.explain(ann, { ...asked, lastHeardAt })
    expect(sessions).toEqual([
      expect.objectContaining({ state: 'lost', lostAt: 1_001_000, graceEndsAt: 1_006_000 }),
    ])
    expect(sessions[0]).not.toHaveProperty('lastHeardAt')
    expect(presence).toEqual({ online: true, count: 1 })
    expect(transitions).toEqual([
      {
        at: 1_001_000,
        reason: 'lost',
        sessionId: 's1',
        deviceId: 'phone',
        after: { online: true, count: 1 },
      },
      {
        at: 1_000_000,
        reason: 'connected',
        sessionId: 's1',
        deviceId: 'phone',
        after: { online: true, count: 1 },
      },
    ])
  })

  it('remembers why somebody is offline after everything else of them is forgotten', () => {
    const { engine, connect, pass, apply, reasons } = start({ offlineMemoryMs: 0, graceMs: 100 }, [])
    connect(ann, 's1')
    apply({ type: 'lost', sessionId: 's1' as SessionId })
    pass(100)
    expect(engine.sizes().users).toBe(0)
    expect(reasons(ann)).toEqual(['grace_over', 'lost', 'connected'])
    expect(engine.explain(ann, asked).presence).toEqual({ online: false, count: 0 })
  })

  it('puts off the end of a mass loss’s grace where the engine does', () => {
    const { engine, connect, apply } = start({ massLossMinSessions: 2, massLossShare: 0.5, graceMs: 1_000 })
    connect(ann, 's1')
    connect(bob, 's2')
    apply({ type: 'lost', sessionId: 's1' as SessionId })
    apply({ type: 'lost', sessionId: 's2' as SessionId })
    for (const userId of [ann, bob])
      expect(engine.explain(userId, asked).sessions[0]?.graceEndsAt).toBe(1_015_000)
  })

  it('does not say of a stranger whether they are there', () => {
    const { engine, connect } = start({}, [])
    connect(ann, 's1')
    connect(bob, 's2')
    expect(engine.explain(ann, { ...asked, viewerId: bob }).viewer).toEqual({
      userId: bob,
      sees: false,
      through: [],
      isSelf: false,
      isWatching: false,
      hiddenBy: 'no_shared_room',
      told: { online: false, count: 0 },
      liveSessions: 1,
      pendingSessions: 0,
    })
  })

  it('changes nothing', () => {
    const rooms: KnownRooms = [{ kind: 'conversation', id: 'c' as ConversationId, value: [ann, bob] }]
    const { engine, connect, pass } = start({}, rooms)
    connect(bob, 's2')
    pass(1_000)
    connect(ann, 's1')
    const before = [engine.sizes(), engine.nextDeadline()]
    for (const viewerId of [ann, bob, undefined]) engine.explain(ann, { ...asked, viewerId })
    expect([engine.sizes(), engine.nextDeadline()]).toEqual(before)
  })
})

describe('the ring of transitions', () => {
  it('keeps the last `transitionsMax` of all users together', () => {
    const { connect, reasons, apply } = start({ transitionsMax: 3 })
    connect(ann, 's1')
    connect(bob, 's2')
    apply({ type: 'kick', userId: bob })
    expect(reasons(ann)).toEqual(['connected'])
    connect(bob, 's3')
    expect(reasons(ann)).toEqual([])
    expect(reasons(bob)).toEqual(['connected', 'kicked', 'connected'])
    for (let n = 4; n < 14; n++) {
      apply({ type: 'kick', userId: bob })
      connect(bob, `s${n}`)
    }
    expect(reasons(bob)).toEqual(['connected', 'kicked', 'connected'])
  })

  it('says what others saw when one input ended more sessions than it keeps', () => {
    const { engine, connect, apply } = start({ transitionsMax: 2 })
    for (const id of ['s1', 's2', 's3']) connect(ann, id)
    apply({ type: 'kick', userId: ann })
    expect(engine.explain(ann, asked).transitions).toMatchObject([
      { reason: 'kicked', sessionId: 's3', after: { count: 0 } },
      { reason: 'kicked', sessionId: 's2', after: { count: 0 } },
    ])
  })

  it('is none with 0', () => {
    const { connect, reasons, apply } = start({ transitionsMax: 0 })
    connect(ann, 's1')
    apply({ type: 'kick', userId: ann })
    expect(reasons(ann)).toEqual([])
  })
})
