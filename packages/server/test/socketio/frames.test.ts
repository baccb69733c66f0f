import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { PresenceEvent } from '../../src/core/index.js'
import { cut } from '../../src/socketio/frames.js'
import { emptySynced, foldDiff, foldState, type Synced } from '../../src/testing/synced.js'

const id = fc.string({ minLength: 1, maxLength: 40 })
const users = fc.uniqueArray(fc.tuple(id, fc.nat(3)), { selector: ([userId]) => userId, maxLength: 400 })
const rooms = (userCount: number) =>
  fc.uniqueArray(
    fc.record({
      id,
      roster: fc.uniqueArray(fc.nat(Math.max(0, userCount - 1)), { maxLength: userCount === 0 ? 0 : 250 }),
      typing: fc.array(id, { maxLength: 3 }),
    }),
    { selector: (room) => room.id, maxLength: 12 },
  )

const state = users.chain((list) =>
  fc.tuple(rooms(list.length), rooms(list.length)).map(
    ([groups, conversations]) =>
      ({
        name: 'presence:state',
        payload: {
          protocol: 2,
          at: ['epoch', 7],
          users: list,
          groups: groups.map((room) => ({ ...room, mode: 'names', members: room.roster.length })),
          conversations: conversations.map((room) => ({
            ...room,
            mode: 'names',
            members: room.roster.length,
          })),
          devices: { count: 1, devices: [] },
        },
      }) as unknown as PresenceEvent,
  ),
)

function folded(events: readonly PresenceEvent[]): Synced {
  const synced = emptySynced()
  for (const event of events) {
    if (event.name === 'presence:state') foldState(synced, event.payload)
    else if (event.name === 'presence:diff') foldDiff(synced, event.payload)
  }
  return synced
}

/** Without people who are in no room: nobody keeps them. */
function seen(synced: Synced) {
  const rosters = new Set([...synced.rooms.values()].flatMap((room) => [...room.roster]))
  return { ...synced, users: [...synced.users].filter(([userId]) => rosters.has(userId)).sort() }
}

it('a picture in pieces is the same picture, no piece is too large, and only the last has the position', () => {
  fc.assert(
    fc.property(state, fc.constantFrom(6_000, 16_000, 64_000), (event, maxBytes) => {
      const parts = cut(event, maxBytes)
      expect(seen(folded(parts))).toEqual(seen(folded([event])))
      for (const part of parts) expect(Buffer.byteLength(JSON.stringify(part))).toBeLessThanOrEqual(maxBytes)
      const positions = parts.map(({ payload }) => 'at' in payload)
      expect(positions.indexOf(true)).toBe(parts.length - 1)
    }),
    { numRuns: 200 },
  )
})

it('an event that fits is left as it is', () => {
  const event: PresenceEvent = {
    name: 'presence:diff',
    payload: { at: ['e', 1], users: [['ann' as never, 1]] },
  }
  expect(cut(event)).toEqual([event])
})
