import { describe, expect, test, vi } from 'vitest'
import type { ConversationId, GroupId } from '@vigie/protocol'
import { createStore, type Selector } from '../src/store.js'
import { apply, EMPTY_SYNC } from '../src/sync.js'
import type { PresenceView } from '../src/view.js'
import { at, change, count, liveWorld, room, settle, START, state, type FakeWorld } from './support/fakes.js'

const PICTURE = state({
  users: [count('ann', 1), count('bob', 2), count('cyd', 0), count('dan', 1)],
  groups: [room<GroupId>('team', { roster: [0, 1, 2, 3] })],
  conversations: [
    room<ConversationId>('one', { roster: [0, 1] }),
    room<ConversationId>('two', { roster: [0, 2, 3], typing: ['dan'] }),
  ],
})

/** How often the selector ran and the listener was called since the last look. */
function counted<Value>({ client }: FakeWorld, selector: Selector<Value>) {
  let evaluated = 0
  let called = 0
  const selection = client.select((view) => {
    evaluated += 1
    return selector(view)
  })
  const stop = selection.subscribe(() => (called += 1))
  evaluated = 0
  return {
    selection,
    stop,
    look() {
      const seen = { evaluated, called }
      evaluated = called = 0
      return seen
    },
  }
}

describe('what can be asked', () => {
  test('who is online in a conversation and in a group', async () => {
    const { client } = await liveWorld(PICTURE)
    expect(client.isUserOnlineInConversation('one', 'bob')).toBe(true)
    expect(client.isUserOnlineInConversation('one', 'dan')).toBe(false)
    expect(client.isUserOnlineInConversation('nowhere', 'bob')).toBe(false)
    expect(client.getOnlineUsersInConversation('two')).toEqual(['ann', 'dan'])
    expect(client.isUserOnlineInGroup('team', 'cyd')).toBe(false)
    expect(client.getOnlineUsersInGroup('team')).toEqual(['ann', 'bob', 'dan'])
    expect(client.conversations()).toEqual(['one', 'two'])
    expect(client.groups()).toEqual(['team'])
  })

  test('how many are online, in rooms of either mode', async () => {
    const { client, transport } = await liveWorld(PICTURE)
    const large = change<ConversationId>('large', { mode: 'count', members: 900, online: 77 })
    transport.last.diff({ at: at(2), conversations: [large] })
    expect(client.conversationOccupancy('large')).toEqual({ mode: 'count', members: 900, online: 77 })
    expect(client.conversationOccupancy('two')).toEqual({ mode: 'names', members: 3, online: 2 })
    expect(client.groupOccupancy('none')).toBeUndefined()
  })

  test("who types, and which devices are one's own", async () => {
    const { client, transport } = await liveWorld(PICTURE)
    expect(client.typing('two')).toEqual(['dan'])
    expect(client.devices().count).toBe(1)
    transport.last.diff({ at: at(2), devices: { count: 2, devices: [] } })
    expect(client.devices().count).toBe(2)
  })

  test("ids that are names of an object's own fields are ids like others", async () => {
    const ids = ['__proto__', 'constructor', 'hasOwnProperty']
    const { client } = await liveWorld(
      state({
        users: ids.map((id) => count(id, 1)),
        conversations: ids.map((id) => room<ConversationId>(id, { roster: [0, 1, 2] })),
      }),
    )
    for (const id of ids) expect(client.getOnlineUsersInConversation(id)).toEqual(ids)
    expect(client.presence('toString')).toMatchObject({ status: 'unknown' })
  })

  test('the same question without a change between is answered with the same object', async () => {
    const { client, transport } = await liveWorld(PICTURE)
    const ask = () => [
      client.getOnlineUsersInConversation('two'),
      client.presence('bob'),
      client.typing('two'),
    ]
    const [online, presence, typing] = ask()
    transport.last.diff({ at: at(2), users: [count('cyd', 1)], conversations: [] })
    transport.last.diff({ at: at(3), users: [count('cyd', 0)], conversations: [] })
    const again = ask()
    expect(again[0]).toBe(online)
    expect(again[1]).toBe(presence)
    expect(again[2]).toBe(typing)
  })
})

/** Every question that can be asked of a room, of either kind. */
const ROOM_QUESTIONS = {
  group: {
    isOnline: (view: PresenceView, id: string, userId: string) => view.isUserOnlineInGroup(id, userId),
    online: (view: PresenceView, id: string) => view.getOnlineUsersInGroup(id),
    occupancy: (view: PresenceView, id: string) => view.groupOccupancy(id),
    all: (view: PresenceView) => view.groups(),
  },
  conversation: {
    isOnline: (view: PresenceView, id: string, userId: string) => view.isUserOnlineInConversation(id, userId),
    online: (view: PresenceView, id: string) => view.getOnlineUsersInConversation(id),
    occupancy: (view: PresenceView, id: string) => view.conversationOccupancy(id),
    all: (view: PresenceView) => view.conversations(),
  },
}

test.for(['group', 'conversation'] as const)('what can be asked of a %s, and is told of it', async (kind) => {
  const ask = ROOM_QUESTIONS[kind]
  const users = [count('ann', 1), count('bob', 0)]
  const { client, transport } = await liveWorld(
    state({ users, [`${kind}s`]: [room('r', { roster: [0, 1] })] }),
  )
  expect(ask.all(client)).toEqual(['r'])
  expect([ask.isOnline(client, 'r', 'ann'), ask.isOnline(client, 'r', 'bob')]).toEqual([true, false])
  expect(ask.online(client, 'r')).toEqual(['ann'])
  expect(ask.occupancy(client, 'r')).toEqual({ mode: 'names', members: 2, online: 1 })
  expect([ask.isOnline(client, 'x', 'ann'), ask.online(client, 'x'), ask.occupancy(client, 'x')]).toEqual([
    false,
    [],
    undefined,
  ])
  const heard: unknown[] = []
  client.subscribe(
    (view) => [ask.isOnline(view, 'r', 'bob'), ask.online(view, 'r'), ask.occupancy(view, 'r')?.online],
    (value) => heard.push(value),
  )
  client.subscribe(
    (view) => ask.all(view),
    (value) => heard.push(value),
  )
  transport.last.diff({ at: at(2), users: [count('bob', 1)] })
  transport.last.diff({ at: at(3), [`${kind}s`]: [change('r', { gone: true })] })
  expect(heard).toEqual([[true, ['ann', 'bob'], 2], [false, [], undefined], []])
})

describe('the same object', () => {
  const PEOPLE = 1_500
  const users = Array.from({ length: PEOPLE }, (_, place) => count(`u${place}`, place % 3))
  const roster = [0, 1, 2, 3, 4]
  const rooms = <Id extends string>() =>
    Array.from({ length: PEOPLE }, (_, place) => room<Id>(`r${place}`, { roster, typing: ['u1'] }))

  test('is the answer to the same question, however many others were asked and whatever else has changed', async () => {
    const { client, transport } = await liveWorld(
      state({ users, groups: rooms<GroupId>(), conversations: rooms<ConversationId>() }),
    )
    const askAll = () => [
      ...users.map(([id]) => client.presence(id)),
      ...users.flatMap((_, place) => [
        client.getOnlineUsersInGroup(`r${place}`),
        client.groupOccupancy(`r${place}`),
        client.getOnlineUsersInConversation(`r${place}`),
        client.conversationOccupancy(`r${place}`),
        client.typing(`r${place}`),
      ]),
      ...users.flatMap(([id]) => [client.presence(`no ${id}`), client.typing(`no ${id}`)]),
      client.conversations(),
      client.groups(),
      client.devices(),
      client.state(),
    ]
    const before = askAll()
    transport.last.diff({ at: at(2), users: [count('u4', 7)] })
    const after = askAll()
    expect(after).toHaveLength(before.length)
    const other = before.flatMap((answer, place) => (answer === after[place] ? [] : [place]))
    expect(other).toEqual([4])
  })

  test('is kept for no more people and rooms than are known, and for nobody who is not', () => {
    const store = createStore((error) => {
      throw error
    })
    let sync = EMPTY_SYNC
    const set = vi.spyOn(Map.prototype, 'set')
    const sizes = () => new Set(set.mock.contexts.map((map) => (map as Map<unknown, unknown>).size))
    try {
      for (let boot = 0; boot < 20; boot++) {
        const ids = Array.from({ length: 50 }, (_, place) => `${boot} ${place}`)
        const payload = state({
          users: ids.map((id) => count(id, 1)),
          groups: ids.map((id) => room<GroupId>(id, { roster: [...ids.keys()] })),
          conversations: ids.map((id) => room<ConversationId>(id, { roster })),
        })
        const step = apply(sync, { name: 'presence:state', payload })
        sync = step.sync
        store.update({ state: { name: 'live' }, picture: sync.picture, changes: step.changes }, 0)
        set.mockClear()
        for (const id of ids.flatMap((known) => [known, `no ${known}`, `nor ${known}`])) {
          store.presence(id)
          store.typing(id)
          for (const ask of Object.values(ROOM_QUESTIONS)) {
            ask.online(store, id)
            ask.occupancy(store, id)
          }
        }
        expect(Math.max(...sizes())).toBe(50)
      }
    } finally {
      set.mockRestore()
    }
  })

  test('cannot be written where it is shared by all rooms', async () => {
    const { client } = await liveWorld(PICTURE)
    expect(() => (client.typing('nowhere') as string[]).push('mallory')).toThrow(TypeError)
    expect(client.getOnlineUsersInGroup('nowhere')).toEqual([])
  })
})

describe('while disconnected', () => {
  test('presence is unknown, since when, and what it was', async () => {
    const { client, transport, clock } = await liveWorld(PICTURE)
    expect(client.presence('bob')).toEqual({ status: 'known', online: true, count: 2 })
    await clock.advance(5_000)
    transport.last.lose()
    await clock.advance(100)
    const unknown = { status: 'unknown', since: START + 5_000, last: { online: true, count: 2 } }
    expect(client.presence('bob')).toEqual(unknown)
    await clock.advance(1_000)
    expect(transport.links).toHaveLength(2)
    transport.last.opened()
    expect(client.presence('bob')).toEqual(unknown)
    transport.last.diff({ at: at(2) })
    expect(client.presence('bob')).toEqual({ status: 'known', online: true, count: 2 })
  })

  test('somebody of whom nothing was ever told is unknown since no time', async () => {
    const { client } = await liveWorld(PICTURE)
    expect(client.presence('zoe')).toEqual({ status: 'unknown', since: undefined, last: undefined })
  })

  test('nobody is shown as typing, and who still types when it is back is shown again', async () => {
    const { client, transport, clock } = await liveWorld(PICTURE)
    transport.last.lose()
    expect(client.typing('two')).toEqual([])
    expect(client.getOnlineUsersInConversation('two')).toEqual(['ann', 'dan'])
    await clock.advance(1_000)
    transport.last.opened()
    transport.last.diff({ at: at(2) })
    expect(client.typing('two')).toEqual(['dan'])
  })
})

describe('a listener', () => {
  test('is called when its own selection is another value, and for nothing else', async () => {
    const world = await liveWorld(PICTURE)
    const online = counted(world, (view) => view.getOnlineUsersInConversation('one'))
    const bob = counted(world, (view) => view.presence('bob'))
    world.transport.last.diff({ at: at(2), users: [count('dan', 0)] })
    expect(online.look()).toEqual({ evaluated: 0, called: 0 })
    expect(bob.look()).toEqual({ evaluated: 0, called: 0 })
    // Another device of somebody online: a presence is another, the list is not.
    world.transport.last.diff({ at: at(3), users: [count('bob', 3)] })
    expect(online.look()).toEqual({ evaluated: 1, called: 0 })
    expect(bob.look()).toEqual({ evaluated: 1, called: 1 })
    world.transport.last.diff({ at: at(4), users: [count('bob', 0)] })
    expect(online.look()).toEqual({ evaluated: 1, called: 1 })
    expect(bob.look()).toEqual({ evaluated: 1, called: 1 })
  })

  test('of one room is not even asked about changes in a hundred others', async () => {
    const rooms = Array.from({ length: 100 }, (_, n) => room<ConversationId>(`c${n}`, { roster: [n] }))
    const users = rooms.map((_, n) => count(`u${n}`, 0))
    const world = await liveWorld(state({ users, conversations: rooms }))
    const mine = counted(world, (view) => view.getOnlineUsersInConversation('c0'))
    const all = rooms.map((_, n) => counted(world, (view) => view.conversationOccupancy(`c${n}`)?.online))
    for (let n = 1; n < 100; n++) {
      world.transport.last.diff({
        at: at(n + 1),
        users: [count(`u${n}`, 1)],
        conversations: [change<ConversationId>(`c${n}`, { typing: [`u${n}`] })],
      })
    }
    expect(mine.look()).toEqual({ evaluated: 0, called: 0 })
    expect(all.map((one) => one.look())).toEqual(
      all.map((_, n) => (n === 0 ? { evaluated: 0, called: 0 } : { evaluated: 1, called: 1 })),
    )
  })

  test('of typing is not woken by presence, nor one of presence by typing', async () => {
    const world = await liveWorld(PICTURE)
    const typing = counted(world, (view) => view.typing('two'))
    const online = counted(world, (view) => view.getOnlineUsersInConversation('two'))
    world.transport.last.diff({ at: at(2), users: [count('cyd', 1)] })
    expect(typing.look()).toEqual({ evaluated: 0, called: 0 })
    expect(online.look()).toEqual({ evaluated: 1, called: 1 })
    world.transport.last.diff({ at: at(3), conversations: [change<ConversationId>('two', { typing: [] })] })
    expect(typing.look()).toEqual({ evaluated: 1, called: 1 })
    expect(online.look()).toEqual({ evaluated: 0, called: 0 })
  })

  test('is called once for a moment that changes much, cut into many frames', async () => {
    const world = await liveWorld(PICTURE)
    const all = counted(world, (view) => [
      view.getOnlineUsersInGroup('team'),
      view.getOnlineUsersInConversation('two'),
      view.presence('ann'),
    ])
    world.transport.last.diff({ users: [count('ann', 0)] })
    world.transport.last.diff({ users: [count('cyd', 1)] })
    world.transport.last.diff({ at: at(2), users: [count('dan', 0)] })
    expect(all.look()).toEqual({ evaluated: 1, called: 1 })
  })

  test('follows its selector to other things than it first read', async () => {
    const world = await liveWorld(PICTURE)
    const next = counted(world, (view) =>
      view.isUserOnlineInConversation('one', 'bob') ? 'bob' : view.typing('two').length,
    )
    world.transport.last.diff({ at: at(2), conversations: [change<ConversationId>('two', { typing: [] })] })
    expect(next.look()).toEqual({ evaluated: 0, called: 0 })
    world.transport.last.diff({ at: at(3), users: [count('bob', 0)] })
    world.transport.last.diff({
      at: at(4),
      conversations: [change<ConversationId>('two', { typing: ['dan'] })],
    })
    expect(next.look()).toEqual({ evaluated: 2, called: 2 })
  })

  test('is not asked any more about what its selector has ceased to read, nor about anything once it was taken back', async () => {
    const world = await liveWorld(PICTURE)
    const next = counted(world, (view) =>
      view.isUserOnlineInConversation('one', 'bob') ? view.typing('two').length : view.presence('ann'),
    )
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    expect(next.look()).toEqual({ evaluated: 1, called: 1 })
    world.transport.last.diff({ at: at(3), conversations: [change<ConversationId>('two', { typing: [] })] })
    expect(next.look()).toEqual({ evaluated: 0, called: 0 })
    next.stop()
    world.transport.last.diff({ at: at(4), users: [count('ann', 0), count('bob', 1)] })
    expect(next.look()).toEqual({ evaluated: 0, called: 0 })
  })

  test('that comes and goes leaves nothing in the store, whatever was asked', async () => {
    const { client } = await liveWorld(PICTURE)
    const set = vi.spyOn(Map.prototype, 'set')
    try {
      for (let n = 0; n < 100; n++) {
        client.subscribe(
          (view) => [
            view.presence(`u${n}`),
            view.typing(`c${n}`),
            view.groupOccupancy(`g${n}`),
            view.groups(),
          ],
          () => undefined,
        )()
      }
      const sizes = set.mock.contexts.map((map) => (map as Map<unknown, unknown>).size)
      // By kind, and one answer to each question that is asked of nothing known.
      expect(Math.max(...sizes)).toBeLessThan(10)
    } finally {
      set.mockRestore()
    }
  })

  test('that was taken back is not called, also by one that is called before it', async () => {
    const world = await liveWorld(PICTURE)
    const heard: string[] = []
    const selection = world.client.select((view) => view.presence('bob'))
    selection.subscribe(() => {
      heard.push('first')
      stop()
    })
    const stop = selection.subscribe(() => heard.push('second'))
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    expect(heard).toEqual(['first'])
  })

  test('that throws does not keep others from hearing', async () => {
    const world = await liveWorld(PICTURE)
    const heard: unknown[] = []
    world.client.subscribe(
      (view) => view.presence('bob'),
      () => {
        throw new Error('of the host')
      },
    )
    world.client.subscribe(
      (view) => view.isUserOnlineInConversation('one', 'bob'),
      (online) => heard.push(online),
    )
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    expect(heard).toEqual([false])
    expect(world.errors).toEqual([new Error('of the host')])
    expect(world.client.state().name).toBe('live')
  })

  test('that closes the client in the middle of an update is the last thing that happens', async () => {
    const world = await liveWorld(PICTURE)
    const states: string[] = []
    world.client.subscribe(
      (view) => view.state(),
      ({ name }) => states.push(name),
    )
    world.client.subscribe(
      (view) => view.presence('bob'),
      () => world.client.close(),
    )
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    await world.clock.advance(600_000)
    expect(states).toEqual(['closed'])
    expect(world.transport.links).toHaveLength(1)
  })
})

describe('a selection', () => {
  test('gives the same object until the value is another one, with and without listeners', async () => {
    const world = await liveWorld(PICTURE)
    const selection = world.client.select((view) => ({ who: view.getOnlineUsersInConversation('one') }))
    const first = selection.get()
    expect(selection.get()).toBe(first)
    world.transport.last.diff({ at: at(2), users: [count('dan', 0)] })
    expect(selection.get()).toBe(first)
    const stop = selection.subscribe(() => {})
    expect(selection.get()).toBe(first)
    world.transport.last.diff({ at: at(3), users: [count('bob', 0)] })
    expect(selection.get()).toEqual({ who: ['ann'] })
    stop()
    world.transport.last.diff({ at: at(4), users: [count('bob', 1)] })
    expect(selection.get()).toEqual(first)
  })

  test('that changed between a read and its subscription gives the new value', async () => {
    const world = await liveWorld(PICTURE)
    const selection = world.client.select((view) => view.isUserOnlineInConversation('one', 'bob'))
    expect(selection.get()).toBe(true)
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    selection.subscribe(() => {})
    expect(selection.get()).toBe(false)
  })
})

describe('a selector that throws', () => {
  /** Throws until bob is offline. */
  const unlessAway = (view: PresenceView) => {
    if (view.isUserOnlineInConversation('one', 'bob')) throw new Error('of the selector')
    return view.getOnlineUsersInConversation('one')
  }

  test.for([false, true])(
    'at first is told to onError, and its listener later the first value (immediate: %s)',
    async (immediate) => {
      const world = await liveWorld(PICTURE)
      const heard: unknown[] = []
      world.client.subscribe(unlessAway, (value) => heard.push(value), { immediate })
      expect([heard, world.errors]).toEqual([[], [new Error('of the selector')]])
      world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
      expect(heard).toEqual([['ann']])
      world.transport.last.diff({ at: at(3), users: [count('ann', 0)] })
      expect(heard).toEqual([['ann'], []])
    },
  )

  test('at first has its value heard by a listener that comes when it is mended only if that is another one', async () => {
    const world = await liveWorld(PICTURE)
    const selection = world.client.select(unlessAway)
    const heard: string[] = []
    selection.subscribe(() => heard.push('first'))
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    selection.subscribe(() => heard.push('second'))
    expect(heard).toEqual(['first'])
    world.transport.last.diff({ at: at(3), users: [count('ann', 0)] })
    expect(heard).toEqual(['first', 'first', 'second'])
  })

  test('when a listener comes, though it could be read before, has its value told once it can be read again', async () => {
    const world = await liveWorld(PICTURE)
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    const selection = world.client.select(unlessAway)
    expect(selection.get()).toEqual(['ann'])
    world.transport.last.diff({ at: at(3), users: [count('bob', 1)] })
    const heard: unknown[] = []
    selection.subscribe((value) => heard.push(value))
    world.transport.last.diff({ at: at(4), users: [count('bob', 0)] })
    expect(heard).toEqual([['ann']])
  })

  test('in between tells nothing, is thrown by get instead of an old value, and is told again only if that is another one', async () => {
    const world = await liveWorld(PICTURE)
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    const selection = world.client.select(unlessAway)
    const heard: unknown[] = []
    selection.subscribe((value) => heard.push(value))
    world.transport.last.diff({ at: at(3), users: [count('bob', 1)] })
    expect(() => selection.get()).toThrow('of the selector')
    world.transport.last.diff({ at: at(4), users: [count('bob', 0)] })
    expect([heard, selection.get()]).toEqual([[], ['ann']])
    world.transport.last.diff({ at: at(5), users: [count('bob', 1)] })
    world.transport.last.diff({ at: at(6), users: [count('bob', 0), count('ann', 0)] })
    expect(heard).toEqual([[]])
  })
})

test('a value that is not so any more, because the selector throws meanwhile, is told to nobody', async () => {
  const world = await liveWorld(PICTURE)
  const selection = world.client.select((view) => {
    if (!view.isUserOnlineInConversation('two', 'dan')) throw new Error('of the selector')
    return view.getOnlineUsersInConversation('two')
  })
  const heard: unknown[] = []
  selection.subscribe((value) => {
    heard.push(['first', value])
    // Its own doing: dan goes while the second has not heard of cyd.
    if (value.length === 3) world.transport.last.diff({ at: at(3), users: [count('dan', 0)] })
  })
  selection.subscribe((value) => heard.push(['second', value]))
  world.transport.last.diff({ at: at(2), users: [count('cyd', 1)] })
  expect(heard).toEqual([['first', ['ann', 'cyd', 'dan']]])
  world.transport.last.diff({ at: at(4), users: [count('dan', 2)] })
  expect(heard.slice(1)).toEqual([['second', ['ann', 'cyd', 'dan']]])
})

describe('a listener that asks to be called at once', () => {
  test('hears the value of now, then each other one', async () => {
    const world = await liveWorld(PICTURE)
    const heard: unknown[] = []
    const stop = world.client.subscribe(
      (view) => view.isUserOnlineInConversation('one', 'bob'),
      (value) => heard.push(value),
      { immediate: true },
    )
    expect(heard).toEqual([true])
    world.transport.last.diff({ at: at(2), users: [count('bob', 1)] })
    world.transport.last.diff({ at: at(3), users: [count('bob', 0)] })
    expect(heard).toEqual([true, false])
    stop()
    world.transport.last.diff({ at: at(4), users: [count('bob', 1)] })
    expect(heard).toEqual([true, false])
  })

  test('hears it once when it comes in the middle of an update', async () => {
    const world = await liveWorld(PICTURE)
    const selection = world.client.select((view) => view.presence('bob'))
    const heard: unknown[] = []
    selection.subscribe(() => {
      selection.subscribe((value) => heard.push(value), { immediate: true })
    })
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    expect(heard).toEqual([{ status: 'known', online: false, count: 0 }])
  })

  test('and throws, is reported, stays, and can be taken back', async () => {
    const world = await liveWorld(PICTURE)
    const stop = world.client.subscribe(
      (view) => view.presence('bob'),
      ({ status }) => {
        throw new Error(status)
      },
      { immediate: true },
    )
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    expect(world.errors).toEqual([new Error('known'), new Error('known')])
    stop()
    world.transport.last.diff({ at: at(3), users: [count('bob', 1)] })
    expect(world.errors).toHaveLength(2)
  })
})

describe('a comparison of one’s own', () => {
  const byLength = (earlier: readonly string[], later: readonly string[]) => earlier.length === later.length
  const online = (view: PresenceView) => view.getOnlineUsersInConversation('two')

  test('decides what is another value, for a selection and for a subscription', async () => {
    const world = await liveWorld(PICTURE)
    const selection = world.client.select(online, byLength)
    const first = selection.get()
    const heard: unknown[] = []
    world.client.subscribe(online, (ids) => heard.push(ids), { isEqual: byLength })
    world.transport.last.diff({ at: at(2), users: [count('dan', 0), count('cyd', 1)] })
    expect(heard).toEqual([])
    expect(selection.get()).toBe(first)
    world.transport.last.diff({ at: at(3), users: [count('cyd', 0)] })
    expect(heard).toEqual([['ann']])
    expect(selection.get()).toEqual(['ann'])
  })

  test('that throws is told to onError and has found no equal, so that what is shown is true', async () => {
    const world = await liveWorld(PICTURE)
    const heard: unknown[] = []
    world.client.subscribe(online, (ids) => heard.push(ids), {
      isEqual() {
        throw new Error('of the comparison')
      },
    })
    world.transport.last.diff({ at: at(2), users: [count('cyd', 1)] })
    expect(heard).toEqual([['ann', 'cyd', 'dan']])
    expect(world.errors).toContainEqual(new Error('of the comparison'))
  })

  test('is not given by undefined, nor is immediate', async () => {
    const world = await liveWorld(PICTURE)
    const heard: unknown[] = []
    world.client.subscribe(online, (ids) => heard.push(ids), { isEqual: undefined, immediate: undefined })
    world.transport.last.diff({ at: at(2), users: [count('dan', 2)] })
    expect(heard).toEqual([])
    expect(world.client.select(online, undefined).get()).toEqual(['ann', 'dan'])
  })
})

describe('what the host throws', () => {
  test('also as a promise, is told to onError', async () => {
    const world = await liveWorld(PICTURE)
    const listener: () => unknown = () => Promise.reject(new Error('later'))
    world.client.subscribe((view) => view.presence('bob'), listener)
    world.transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    await settle()
    expect(world.errors).toEqual([new Error('later')])
  })

  test('also an onError that throws at all of it, keeps nobody from hearing', async () => {
    const heard: unknown[] = []
    const { client, transport, clock } = await liveWorld(PICTURE, {
      onError(error) {
        heard.push((error as Error).message)
        throw new Error('of onError')
      },
    })
    const fail = (name: string) => () => {
      throw new Error(name)
    }
    const bob = (view: PresenceView) => view.presence('bob')
    client.subscribe(bob, fail('listener'), { immediate: true })
    client.subscribe(bob, () => undefined, { isEqual: fail('comparison') })
    client.subscribe(fail('selector'), () => undefined)
    client.subscribe(bob, ({ status }) => heard.push(status))
    expect(heard).toEqual(['listener', 'selector'])
    heard.length = 0
    transport.last.diff({ at: at(2), users: [count('bob', 0)] })
    expect(heard.sort()).toEqual(['comparison', 'comparison', 'known', 'listener'])
    expect(client.state().name).toBe('live')
    // What onError throws is thrown outside, where it breaks nothing.
    await expect(clock.advance(0)).rejects.toThrow('of onError')
  })
})

describe('the callbacks of the seed', () => {
  function recorded() {
    const heard: string[] = []
    return {
      heard,
      take: () => heard.splice(0),
      options: {
        onPresenceUpdate: (...args: unknown[]) => heard.push(`update ${args.join(' ')}`),
        onPresenceConversation: (...args: unknown[]) => heard.push(`conversation ${args.join(' ')}`),
        onTypingStart: (...args: unknown[]) => heard.push(`start ${args.join(' ')}`),
        onTypingStop: (...args: unknown[]) => heard.push(`stop ${args.join(' ')}`),
      },
    }
  }

  test('tell the first picture: all who are online, and who types', async () => {
    const { options, heard } = recorded()
    await liveWorld(PICTURE, options)
    expect(heard).toEqual([
      'update ann true 1',
      'update bob true 2',
      'update dan true 1',
      'conversation ann true 1 one',
      'conversation bob true 2 one',
      'conversation ann true 1 two',
      'conversation dan true 1 two',
      'start two dan',
    ])
  })

  test('tell of each shared conversation, once of all groups, and of nothing that stayed as it was', async () => {
    const { options, take } = recorded()
    const { transport } = await liveWorld(PICTURE, options)
    take()
    transport.last.diff({ at: at(2), users: [count('ann', 0), count('bob', 2)] })
    expect(take()).toEqual([
      'update ann false 0',
      'conversation ann false 0 one',
      'conversation ann false 0 two',
    ])
  })

  test('retract who leaves a conversation, the end of their typing first', async () => {
    const { options, take } = recorded()
    const { transport } = await liveWorld(PICTURE, options)
    take()
    transport.last.diff({
      at: at(2),
      conversations: [change<ConversationId>('two', { members: 2, remove: ['dan'], typing: [] })],
    })
    expect(take()).toEqual(['stop two dan', 'conversation dan false 0 two'])
    transport.last.diff({ at: at(3), groups: [change<GroupId>('team', { gone: true })] })
    expect(take().sort()).toEqual(['update ann false 0', 'update bob false 0', 'update dan false 0'])
  })

  test('end all typing at a loss, say nothing of presence, and after it only what changed', async () => {
    const { options, take } = recorded()
    const { transport, clock } = await liveWorld(PICTURE, options)
    take()
    transport.last.lose()
    expect(take()).toEqual(['stop two dan'])
    await clock.advance(1_000)
    transport.last.opened()
    await settle()
    expect(take()).toEqual([])
    transport.last.state({ ...PICTURE, at: at(1, 'another boot') })
    expect(take()).toEqual(['start two dan'])
  })
})
