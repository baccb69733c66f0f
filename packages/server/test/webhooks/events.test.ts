import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TrailRow } from '../../src/trail/facts.js'
import { createDeriver, type Deriver } from '../../src/webhooks/events.js'
import { roomsFact, sessionFact, testBoot } from '../support/trail-rows.js'
import { NOON } from '../support/webhook-store.js'

const told = (deriver: Deriver, ...rows: readonly TrailRow[]) =>
  rows.flatMap((row) => deriver.apply(row)).map(({ type, subject }) => `${type} ${subject}`)

describe('who is online', () => {
  it('a user comes online with the first session and goes offline with the last; a lost session still counts', () => {
    const [deriver, boot] = [createDeriver(), testBoot(1)]
    expect(told(deriver, boot.online('ann', 'desk', NOON))).toEqual(['user.online ann'])
    expect(told(deriver, boot.online('ann', 'phone', NOON), boot.lost('ann', 'desk', NOON))).toEqual([])
    expect(told(deriver, boot.ended('ann', 'phone', NOON))).toEqual([])
    expect(told(deriver, boot.ended('ann', 'desk', NOON))).toEqual(['user.offline ann'])
    expect(told(deriver, boot.ended('ann', 'desk', NOON))).toEqual([])
  })

  it('of two boots one is enough; a death ends the sessions of its own boot only', () => {
    const [deriver, one, two] = [createDeriver(), testBoot(1), testBoot(2)]
    expect(told(deriver, one.online('ann', 'a', NOON), one.online('ben', 'b', NOON))).toEqual([
      'user.online ann',
      'user.online ben',
    ])
    expect(told(deriver, two.online('ann', 'c', NOON))).toEqual([])
    expect(told(deriver, one.row({ kind: 'death' }, NOON))).toEqual(['user.offline ben'])
    expect(told(deriver, two.row({ kind: 'stop' }, NOON))).toEqual(['user.offline ann'])
  })

  it('after a hole the checkpoint puts right what was missed, in both directions', () => {
    const [deriver, boot] = [createDeriver(), testBoot(1)]
    told(deriver, boot.rooms('ann', ['plan'], NOON), boot.online('ann', 'a', NOON))
    told(deriver, boot.online('ben', 'b', NOON), boot.row({ kind: 'hole' }, NOON))
    expect(
      told(
        deriver,
        ...boot.checkpoint(
          [
            sessionFact('live', 'checkpoint', 'ben', 'b'),
            roomsFact('cid', ['plan']),
            sessionFact('live', 'checkpoint', 'cid', 'c'),
          ],
          NOON,
        ),
      ),
    ).toEqual(['user.online cid', 'user.offline ann'])
  })

  it('a row that an erasure has emptied tells nothing, and breaks nothing', () => {
    const [deriver, boot] = [createDeriver(), testBoot(1)]
    const erased = {
      userId: null,
      sessionId: null,
      device: null,
      conversations: null,
      detail: null,
      salt: null,
    }
    expect(told(deriver, { ...boot.online('ann', 'a', NOON), ...erased })).toEqual([])
    expect(told(deriver, { ...boot.rooms('ann', ['plan'], NOON), ...erased })).toEqual([])
    expect(told(deriver, ...boot.checkpoint([], NOON))).toEqual([])
  })
})

describe('which conversations have somebody online', () => {
  it('with the first of its members who is online, until the last', () => {
    const [deriver, boot] = [createDeriver(), testBoot(1)]
    expect(told(deriver, boot.rooms('ann', ['plan', 'hall'], NOON))).toEqual([])
    expect(told(deriver, boot.online('ann', 'a', NOON))).toEqual([
      'user.online ann',
      'conversation.occupied plan',
      'conversation.occupied hall',
    ])
    expect(told(deriver, boot.rooms('ben', ['plan'], NOON), boot.online('ben', 'b', NOON))).toEqual([
      'user.online ben',
    ])
    expect(told(deriver, boot.ended('ann', 'a', NOON))).toEqual([
      'user.offline ann',
      'conversation.empty hall',
    ])
    expect(told(deriver, boot.rooms('ben', ['lunch'], NOON))).toEqual([
      'conversation.occupied lunch',
      'conversation.empty plan',
    ])
  })

  it('a change of rooms that keeps a conversation does not make it blink', () => {
    const [deriver, boot] = [createDeriver(), testBoot(1)]
    told(deriver, boot.rooms('ann', ['plan'], NOON), boot.online('ann', 'a', NOON))
    expect(told(deriver, boot.rooms('ann', ['plan', 'plan'], NOON))).toEqual([])
  })

  it('rooms that were named before the user went hold when the user comes back', () => {
    const [deriver, boot] = [createDeriver(), testBoot(1)]
    told(
      deriver,
      boot.rooms('ann', ['plan'], NOON),
      boot.online('ann', 'a', NOON),
      boot.ended('ann', 'a', NOON),
    )
    expect(told(deriver, boot.online('ann', 'a2', NOON))).toEqual([
      'user.online ann',
      'conversation.occupied plan',
    ])
  })
})

const USERS = ['ann', 'ben', 'cid']
const ROOMS = ['plan', 'hall', 'lunch']

interface Model {
  /** By boot and session: the user. */
  readonly sessions: Map<string, string>
  /** By boot and user. */
  readonly rooms: Map<string, readonly string[]>
}

function stateOf({ sessions, rooms }: Model) {
  const online = new Set(sessions.values())
  const occupied = new Set(
    [...sessions].flatMap(([key, user]) => rooms.get(`${key.split(' ')[0]!} ${user}`) ?? []),
  )
  return { online: [...online].sort(), occupied: [...occupied].sort() }
}

describe('random histories', () => {
  it('events alternate for each subject, and add up to what a model of all sessions says', () => {
    const step = fc.record({
      boot: fc.nat(1),
      what: fc.constantFrom('online', 'ended', 'rooms', 'checkpoint', 'restart'),
      user: fc.constantFrom(...USERS),
      session: fc.nat(1),
      rooms: fc.subarray(ROOMS),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const deriver = createDeriver()
        const model: Model = { sessions: new Map(), rooms: new Map() }
        let count = 2
        const boots = [testBoot(1), testBoot(2)]
        const state = { user: new Set<string>(), conversation: new Set<string>() }
        const take = (rows: readonly TrailRow[]) => {
          for (const { type, subject } of rows.flatMap((row) => deriver.apply(row))) {
            const [kind, what] = type.split('.') as ['user' | 'conversation', string]
            const isThere = what === 'online' || what === 'occupied'
            expect(state[kind].has(subject)).toBe(!isThere)
            if (isThere) state[kind].add(subject)
            else state[kind].delete(subject)
          }
        }
        for (const { boot: place, what, user, session, rooms } of steps) {
          const boot = boots[place]!
          const sessionId = `${user}-${session}`
          const key = `${boot.id} ${sessionId}`
          const ofBoot = [...model.sessions].filter(([each]) => each.startsWith(boot.id))
          if (what === 'online') {
            model.sessions.set(key, user)
            take([boot.online(user, sessionId, NOON)])
          } else if (what === 'ended') {
            model.sessions.delete(key)
            take([boot.ended(user, sessionId, NOON)])
          } else if (what === 'rooms') {
            model.rooms.set(`${boot.id} ${user}`, rooms)
            take([boot.rooms(user, rooms, NOON)])
          } else if (what === 'checkpoint') {
            take(
              boot.checkpoint(
                [
                  ...USERS.map((each) => roomsFact(each, model.rooms.get(`${boot.id} ${each}`) ?? [])),
                  ...ofBoot.map(([each, of]) => sessionFact('live', 'checkpoint', of, each.split(' ')[1]!)),
                ],
                NOON,
              ),
            )
          } else {
            for (const [each] of ofBoot) model.sessions.delete(each)
            take([boot.row({ kind: 'death' }, NOON)])
            boots[place] = testBoot(++count)
          }
          expect({ online: [...state.user].sort(), occupied: [...state.conversation].sort() }).toEqual(
            stateOf(model),
          )
        }
      }),
    )
  })
})
