/**
 * A server that is newer than this client says more than the client understands: further items of a tuple, further keys.
 * What is not understood is not shown, wakes nobody, is not sent back, and hides nothing that is understood.
 */
import { expect, test } from 'vitest'
import type { ConversationId, GroupId, PresenceDiff, PresenceState } from '@vigie/protocol'
import { at, change, count, fakeWorld, room, settle, state, type FakeWorld } from './support/fakes.js'

type Frame = { readonly state: PresenceState } | { readonly diff: PresenceDiff }

/** What may be asked of a client, all of it. */
function everything({ client }: FakeWorld) {
  return {
    users: ['ann', 'bob', 'cyd', 'dan', 'zoe'].map((id) => client.presence(id)),
    rooms: ['one', 'two', 'large', 'new'].map((id) => [
      client.getOnlineUsersInConversation(id),
      client.conversationOccupancy(id),
      client.typing(id),
      client.getOnlineUsersInGroup(id),
      client.groupOccupancy(id),
      client.isUserOnlineInConversation(id, 'bob'),
      client.isUserOnlineInGroup(id, 'bob'),
    ]),
    conversations: client.conversations(),
    groups: client.groups(),
    devices: client.devices(),
    state: client.state(),
  }
}

/** Each object has a further key, and each tuple and position further items. Keys of what the client owns are left alone. */
function withMore(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    const items: unknown[] = value.map((item: unknown) => withMore(item))
    const isTuple = typeof value[1] === 'number' && typeof value[0] === 'string'
    return isTuple ? [...items, 'busy', { until: 5 }] : items
  }
  if (typeof value !== 'object' || value === null || key === 'auth') return value
  const more = Object.entries(value).map(([name, field]) => [name, withMore(field, name)] as const)
  return { ...Object.fromEntries(more), status: 'busy', extra: { of: ['a', 'newer', 'server'] } }
}

const HISTORY: readonly Frame[] = [
  {
    state: state({
      users: [count('ann', 1), count('bob', 2), count('cyd', 0)],
      groups: [room<GroupId>('one', { roster: [0, 1, 2] })],
      conversations: [
        room<ConversationId>('one', { roster: [0, 1] }),
        room<ConversationId>('two', { roster: [0, 2], typing: ['cyd'] }),
      ],
    }),
  },
  { diff: { at: at(2), users: [count('cyd', 1), count('bob', 0)] } },
  {
    diff: {
      at: at(3),
      users: [count('dan', 1)],
      conversations: [
        change<ConversationId>('one', { members: 3, add: ['dan'], typing: ['dan'] }),
        change<ConversationId>('large', { mode: 'count', members: 900, online: 77 }),
        change<ConversationId>('two', { gone: true }),
      ],
      groups: [change<GroupId>('new', { mode: 'names', members: 2, roster: ['ann', 'dan'] })],
    },
  },
  {
    diff: {
      at: at(4),
      devices: { count: 1, devices: [{ deviceId: 'd9' as never, since: 4, label: 'Phone' }] },
    },
  },
]

async function told(frames: readonly Frame[]) {
  const heard: unknown[] = []
  const note =
    (name: string) =>
    (...args: unknown[]) =>
      heard.push([name, ...args])
  const world = fakeWorld({
    onPresenceUpdate: note('update'),
    onPresenceConversation: note('conversation'),
    onTypingStart: note('start'),
    onTypingStop: note('stop'),
  })
  world.client.subscribe(
    () => everything(world),
    () => heard.push('everything'),
  )
  world.client.connect()
  await settle()
  world.transport.last.opened()
  for (const frame of frames) {
    if ('state' in frame) world.transport.last.state(frame.state)
    else world.transport.last.diff(frame.diff)
    heard.push(everything(world))
  }
  return { world, heard }
}

test('further items and keys in any frame change no answer and no call', async () => {
  const plain = await told(HISTORY)
  const more = await told(HISTORY.map((frame) => withMore(frame) as Frame))
  expect(more.heard).toEqual(plain.heard)
  expect(more.heard).not.toEqual([])
  expect(more.world.errors).toEqual([])
  expect(JSON.stringify(everything(more.world))).not.toContain('busy')
})

test('a frame that says nothing but what is not understood wakes nobody', async () => {
  const { world, heard } = await told(HISTORY)
  let calls = 0
  const answers = everything(world)
  world.client.subscribe(
    (view) => [view.presence('ann'), view.groupOccupancy('one'), view.devices(), view.typing('one')],
    () => (calls += 1),
  )
  heard.length = 0
  const extra = { at: at(5), reactions: [['ann', 3]], users: [['ann', 1, 'busy']] } as unknown as PresenceDiff
  world.transport.last.diff(extra)
  const room1 = { id: 'one', topic: 'lunch' }
  world.transport.last.diff({ at: at(6), conversations: [room1], groups: [room1] } as unknown as PresenceDiff)
  expect([calls, heard]).toEqual([0, []])
  expect(everything(world)).toEqual(answers)
})

test('of a position with further items, the two that are understood are given back', async () => {
  const { world } = await told(HISTORY.map((frame) => withMore(frame) as Frame))
  world.transport.last.lose()
  await world.clock.advance(60_000)
  expect(world.transport.links.length).toBeGreaterThan(1)
  expect(world.transport.last.auth.since).toEqual(at(4))
})
