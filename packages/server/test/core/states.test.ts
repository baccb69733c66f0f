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
