// @vitest-environment happy-dom
/** A second of a busy server: 1,000 changes among 500 people. A component renders when what it shows has changed, and only then. */
import { act, cleanup, render } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import type { ConversationId, GroupId } from '@vigie/protocol'
import {
  PresenceProvider,
  useDevices,
  useGroupPresence,
  useOnlineMembers,
  usePresence,
  usePresenceConnection,
  useTyping,
} from '../../src/react/index.js'
import { at, change, count, liveWorld, room, state } from '../support/fakes.js'

afterEach(cleanup)

const USERS = 500
const CHANGES = 1_000
const userId = (place: number) => `u${place}`
const places = (from: number, to: number) => Array.from({ length: to - from }, (_, place) => from + place)

/** Two groups hold everybody; the first ten people share a conversation, the last ten another. */
const WORLD = state({
  users: places(0, USERS).map((place) => count(userId(place), 0)),
  groups: [
    room<GroupId>('east', { roster: places(0, 250) }),
    room<GroupId>('west', { roster: places(250, 500) }),
  ],
  conversations: [
    room<ConversationId>('small', { roster: places(0, 10) }),
    room<ConversationId>('other', { roster: places(490, 500) }),
  ],
})

const SHOWN = {
  presence: () => usePresence('u4', { watch: false }),
  small: () => useOnlineMembers('small'),
  east: () => useGroupPresence('east'),
  typing: () => useTyping('small'),
  devices: () => useDevices(),
  connection: () => usePresenceConnection(),
}
type Name = keyof typeof SHOWN
const NAMES = Object.keys(SHOWN) as Name[]

test('a component renders once for each change of what it shows, and for no other', async () => {
  const { client, transport } = await liveWorld(WORLD)
  const renders = new Map<Name, number>()
  const Shown = ({ name }: { readonly name: Name }) => {
    SHOWN[name]()
    renders.set(name, (renders.get(name) ?? 0) + 1)
    return null
  }
  render(
    <PresenceProvider client={client}>
      {NAMES.map((name) => (
        <Shown key={name} name={name} />
      ))}
    </PresenceProvider>,
  )
  renders.clear()

  const expected = new Map<Name, number>()
  const expectRender = (name: Name) => expected.set(name, (expected.get(name) ?? 0) + 1)
  const online = new Set<number>()
  for (let turn = 0; turn < CHANGES; turn++) {
    // Every tenth is typing, half of that where it is shown; a prime step meets everybody in no order.
    if (turn % 10 === 9) {
      const isShown = turn % 20 === 9
      const typing = turn % 40 < 20 ? ['u5'] : []
      const conversations = [change<ConversationId>(isShown ? 'small' : 'other', { typing })]
      act(() => transport.last.diff({ at: at(turn + 2), conversations }))
      if (isShown) expectRender('typing')
      continue
    }
    const place = (turn * 37) % USERS
    const isOnline = !online.delete(place)
    if (isOnline) online.add(place)
    act(() => transport.last.diff({ at: at(turn + 2), users: [count(userId(place), Number(isOnline))] }))
    if (place === 4) expectRender('presence')
    if (place < 10) expectRender('small')
    if (place < 250) expectRender('east')
  }

  expect(Object.fromEntries(renders)).toEqual(Object.fromEntries(expected))
  expect(expected.get('presence')).toBeGreaterThan(0)
  expect(expected.get('typing')).toBeGreaterThan(0)
  expect(expected.has('devices') || expected.has('connection')).toBe(false)
  expect(client.groupOccupancy('east')?.online).toBe([...online].filter((place) => place < 250).length)
})
