import type { GroupId, PresenceState, SessionId, UserId } from '@vigie/protocol'
import { expect, it } from 'vitest'
import { createEngine, resolveSettings, type DueSession, type KnownRooms } from '../../src/core/index.js'

const ids = (...names: string[]) => names as UserId[]

function connected(rosters: Readonly<Record<string, readonly UserId[]>>, namesMax = 250) {
  const engine = createEngine(resolveSettings({ namesMax }))
  const rooms: KnownRooms = Object.entries(rosters).map(([id, roster]) => ({
    kind: 'group',
    id: id as GroupId,
    value: roster.length <= namesMax ? roster : roster.length,
  }))
  const connect = (name: string) => {
    const sessionId = name as SessionId
    const userId = name as UserId
    const effects = engine.apply({ type: 'connect', sessionId, userId, rooms, protocol: 2, since: 0 }, 0)
    const due = effects.flatMap((effect) => (effect.type === 'due' ? effect.sessions : []))
    return due.find(({ id }) => id === sessionId) as DueSession
  }
  const stateOf = (session: DueSession) => engine.take(session, 0)[0]?.payload as PresenceState
  return { engine, connect, stateOf }
}

/** The rosters of a state, by name. */
const rostersOf = ({ users, groups }: PresenceState) =>
  Object.fromEntries(groups.map(({ id, roster }) => [id, roster?.map((place) => users[place]?.[0])]))

it('names everybody once, whichever roster is the longest, and whoever is in none of the others', () => {
  const rosters = {
    few: ids('ann', 'bob'),
    most: ids('fay', 'ann', 'bob', 'cid', 'dan', 'eve'),
    some: ids('eve', 'dan', 'cid', 'bob', 'ann'),
    apart: ids('ann', 'gus', 'hal', 'eve', 'bob'),
  }
  const { connect, stateOf } = connected(rosters)
  for (const name of ['ann', 'bob']) {
    const state = stateOf(connect(name))
    expect(state.users.map(([id]) => id).sort()).toEqual(
      ids('ann', 'bob', 'cid', 'dan', 'eve', 'fay', 'gus', 'hal'),
    )
    expect(rostersOf(state)).toEqual(rosters)
  }
})

it('answers in the state whoever watched before it was written', () => {
  const { engine, connect, stateOf } = connected({ all: ids('ann', 'bob', 'cid') }, 2)
  connect('bob')
  const ann = connect('ann')
  engine.apply({ type: 'watch', sessionId: ann.id, add: ids('bob', 'cid', 'nobody'), remove: [] }, 0)
  expect(stateOf(ann).users).toEqual([
    ['bob', 1],
    ['cid', 0],
    ['nobody', 0],
  ])
})

it('owes nobody anything for each of many who come to a room without names', () => {
  const names = Array.from({ length: 40 }, (_, place) => `user-${place}`)
  const { engine, connect, stateOf } = connected({ all: ids(...names) }, 2)
  for (const name of names) {
    stateOf(connect(name))
    expect(engine.sizes().owed).toBe(0)
  }
})

it('a client that comes back is told of somebody who went and was forgotten meanwhile, however short the memory is', () => {
  const engine = createEngine(resolveSettings({ offlineMemoryMs: 0, graceMs: 0, reattachGraceMs: 0 }))
  const rooms: KnownRooms = [{ kind: 'group', id: 'g' as GroupId, value: ids('ann', 'bob', 'cid') }]
  let now = 10
  const due = new Map<string, DueSession>()
  const connect = (name: string, sessionId: string, position?: readonly [string, number]) => {
    const effects = engine.apply(
      {
        type: 'connect',
        sessionId: sessionId as SessionId,
        userId: name as UserId,
        rooms,
        protocol: 2,
        position,
        since: 0,
      },
      now,
    )
    for (const effect of effects)
      if (effect.type === 'due') for (const session of effect.sessions) due.set(session.id, session)
    const session = due.get(sessionId)
    return session ? engine.take(session, now) : []
  }
  connect('cid', 'cid-1')
  connect('bob', 'bob-1')
  const state = connect('ann', 'ann-1')[0]?.payload as PresenceState
  // All of it within the second in which the position was reached.
  for (const sessionId of ['ann-1', 'bob-1']) {
    now += 10
    engine.apply({ type: 'disconnected', sessionId: sessionId as SessionId }, now)
  }
  expect(engine.sizes()).toMatchObject({ offline: 0, local: 1 })
  now += 10
  const [event] = connect('ann', 'ann-2', state.at)
  const counts = new Map((event?.payload as PresenceState).users)
  expect(counts.get('bob' as UserId)).toBe(0)
  // Nothing is said of somebody of whom the client knows the truth.
  expect(counts.get('cid' as UserId) ?? 1).toBe(1)
})

it.each([250, 2_000])(
  'a room of %i live people that crosses namesMax costs each of them two entries',
  (size) => {
    const names = Array.from({ length: size }, (_, place) => `user-${place}`)
    const { engine, connect, stateOf } = connected({ all: ids(...names) }, size)
    for (const name of names) stateOf(connect(name))
    engine.apply({ type: 'wake' }, 60_000)
    // Everybody has been told of everybody.
    const all = engine.apply({ type: 'rooms', rooms: [] }, 60_000)
    expect(all).toEqual([])
    const tell = (at: number) => {
      for (let next = engine.nextDeadline(); next !== undefined && next <= at; next = engine.nextDeadline())
        for (const effect of engine.apply({ type: 'wake' }, next))
          if (effect.type === 'due') for (const session of effect.sessions) engine.take(session, next)
    }
    tell(120_000)
    const before = engine.sizes().owed
    engine.apply(
      { type: 'rooms', rooms: [{ kind: 'group', id: 'all' as GroupId, value: size + 1 }] },
      200_000,
    )
    expect(engine.sizes().owed - before).toBeLessThanOrEqual(2 * size)
    engine.apply(
      {
        type: 'rooms',
        rooms: [{ kind: 'group', id: 'all' as GroupId, value: ids(...names.slice(0, size / 2)) }],
      },
      300_000,
    )
    expect(engine.sizes().owed - before).toBeLessThanOrEqual(2 * size)
  },
)
