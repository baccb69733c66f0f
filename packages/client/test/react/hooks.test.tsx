// @vitest-environment happy-dom
/** What each hook says, and that it leaves nothing behind. The client is the one for tests, or the real one on a fake link: there is no server here. */
import { act, cleanup, render, renderHook } from '@testing-library/react'
import { StrictMode, useEffect, useState, type ReactNode } from 'react'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ConversationId } from '@vigie/protocol'
import { PresenceError, type PresenceClient } from '../../src/index.js'
import {
  PresenceProvider,
  useConversationPresence,
  useConversations,
  useDevices,
  useGroupPresence,
  useGroups,
  useOnlineMembers,
  usePresence,
  usePresenceClient,
  usePresenceConnection,
  usePresenceSelector,
  useTyping,
  useTypingInput,
} from '../../src/react/index.js'
import { createFakePresence } from '../../src/testing/index.js'
import { countedClient } from '../support/counted.js'
import { count, liveWorld, room, settle, START, state } from '../support/fakes.js'

afterEach(cleanup)

function hook<Value>(client: PresenceClient, use: () => Value) {
  return renderHook(use, {
    wrapper: ({ children }: { readonly children: ReactNode }) => (
      <PresenceProvider client={client}>{children}</PresenceProvider>
    ),
  })
}

const LOST = { name: 'backingOff', untilMs: START + 500, attempt: 1, reason: 'lost' } as const

describe('usePresence', () => {
  test('follows a user who comes and goes', () => {
    const presence = createFakePresence({ conversations: { plan: ['ann', 'ben'] } })
    const { result } = hook(presence, () => usePresence('ben'))
    expect(result.current).toEqual({ status: 'known', online: false, count: 0 })
    act(() => presence.setOnline('ben', 2))
    expect(result.current).toEqual({ status: 'known', online: true, count: 2 })
  })

  test('says that it does not know while the connection is away, and what was true last', () => {
    const presence = createFakePresence({ online: ['ben'], now: () => START })
    const { result } = hook(presence, () => usePresence('ben'))
    act(() => presence.setState(LOST))
    expect(result.current).toEqual({ status: 'unknown', since: START, last: { online: true, count: 1 } })
  })

  test('watches whom it shows, once for each place, and another when it shows another', () => {
    const presence = createFakePresence()
    const { result, rerender, unmount } = hook(presence, () => {
      const [userId, show] = useState('ann')
      usePresence(userId)
      usePresence('ben')
      usePresence('cyd', { watch: false })
      return show
    })
    expect(presence.watched()).toEqual(['ann', 'ben'])
    act(() => result.current('dan'))
    rerender()
    expect([...presence.watched()].sort()).toEqual(['ben', 'dan'])
    unmount()
    expect(presence.watched()).toEqual([])
  })

  test('of more people than can be watched, shows those who come later as unknown', () => {
    const presence = createFakePresence()
    const errors: unknown[] = []
    const Row = ({ userId }: { readonly userId: string }) => <i>{usePresence(userId).status}</i>
    const { container } = render(
      <PresenceProvider client={presence} onError={(error) => errors.push(error)}>
        {Array.from({ length: 202 }, (_, place) => (
          <Row key={place} userId={`u${place}`} />
        ))}
      </PresenceProvider>,
    )
    expect(presence.watched()).toHaveLength(200)
    expect(container.querySelectorAll('i')).toHaveLength(202)
    expect(errors).toEqual([])
  })

  test('has the real client ask the server for whom it shows, and no more for whom it has ceased to show', async () => {
    const { client, transport } = await liveWorld()
    const { result, unmount } = hook(client, () => usePresence('zoe'))
    await act(settle)
    const watches = () => transport.last.sent.filter(([name]) => name === 'presence:watch')
    expect(watches()).toEqual([['presence:watch', { add: ['zoe'] }]])
    expect(result.current.status).toBe('unknown')
    await act(async () => {
      transport.last.answer()
      transport.last.diff({ at: ['boot', 2], users: [count('zoe', 1)] })
      await settle()
    })
    expect(result.current).toEqual({ status: 'known', online: true, count: 1 })
    unmount()
    await settle()
    expect(watches().at(-1)).toEqual(['presence:watch', { remove: ['zoe'] }])
  })
})

describe('without an id', () => {
  const NOTHING = { status: 'unknown', mode: undefined, members: undefined, online: undefined, userIds: [] }

  test.for([undefined, null])('(%s) nothing is known, nobody is watched and nobody is told', (none) => {
    const presence = createFakePresence({ online: ['ann'], conversations: { plan: ['ann'] } })
    const counted = countedClient(presence)
    const { result } = hook(counted.client, () => {
      const [id, show] = useState<string | null | undefined>(none)
      const field = useTypingInput(id)
      const shown = [usePresence(id), useConversationPresence(id), useGroupPresence(id), useTyping(id)]
      return { field, shown, show }
    })
    const unknown = [{ status: 'unknown', since: undefined, last: undefined }, NOTHING, NOTHING, []]
    expect(result.current.shown).toEqual(unknown)
    act(() => presence.setState(LOST))
    act(() => presence.setState({ name: 'live' }))
    expect(result.current.shown).toEqual(unknown)
    expect(counted.watches()).toBe(0)
    const field = document.createElement('input')
    result.current.field(field)
    field.value = 'h'
    field.dispatchEvent(new Event('input'))
    expect(presence.ownTyping()).toBeUndefined()

    act(() => result.current.show('ann'))
    expect(result.current.shown[0]).toMatchObject({ status: 'known', online: true })
    expect(presence.watched()).toEqual(['ann'])
    act(() => result.current.show(none))
    expect(result.current.shown).toEqual(unknown)
    expect(counted.watches()).toBe(0)
  })

  test('there is no selection that another user, nobody, could be found in', () => {
    const presence = createFakePresence({ online: ['', 'null', 'undefined'] })
    const { result } = hook(presence, () => [usePresence(undefined), usePresence(null)])
    expect(result.current.map(({ status }) => status)).toEqual(['unknown', 'unknown'])
  })
})

test('an id that no user can have is unknown, throws nothing, and is told once, in however many rows and renders', async () => {
  const { client, transport, errors } = await liveWorld()
  const bad = ['', 'x'.repeat(129), 'a\u0000b', '\ud800']
  const Row = ({ userId }: { readonly userId: string }) => <i>{usePresence(userId).status}</i>
  const page = (rows: number) => (
    <StrictMode>
      <PresenceProvider client={client}>
        {Array.from({ length: rows }, (_, row) => bad.map((id) => <Row key={`${row} ${id}`} userId={id} />))}
        <Row userId="ann" />
      </PresenceProvider>
    </StrictMode>
  )
  const { container, rerender } = render(page(5))
  await act(settle)
  rerender(page(20))
  await act(settle)
  expect(new Set([...container.querySelectorAll('i')].map((row) => row.textContent))).toEqual(
    new Set(['unknown']),
  )
  expect(errors.map((error) => error instanceof PresenceError && error.code)).toEqual(
    bad.map(() => 'invalid_payload'),
  )
  const watches = transport.last.sent.filter(([name]) => name === 'presence:watch')
  expect(watches).toEqual([['presence:watch', { add: ['ann'] }]])
})

describe('usePresenceSelector', () => {
  test('selects whatever can be asked, and renders for nothing else', () => {
    const presence = createFakePresence({ conversations: { plan: ['ann', 'ben'] } })
    let renders = 0
    const { result } = hook(presence, () => {
      renders += 1
      return usePresenceSelector((view) => view.getOnlineUsersInConversation('plan').length)
    })
    expect(result.current).toBe(0)
    act(() => presence.setOnline('zoe', true))
    expect(renders).toBe(1)
    act(() => presence.setOnline('ben', true))
    expect([result.current, renders]).toEqual([1, 2])
  })

  test('takes a selector that is written in place: it sees what the render sees, and the object stays while it says the same', () => {
    const presence = createFakePresence({ online: ['ann'], conversations: { plan: ['ann'], two: ['ben'] } })
    const { result, rerender } = renderHook(
      ({ id }: { readonly id: string }) => {
        const who = usePresenceSelector((view) => ({ who: view.getOnlineUsersInConversation(id) }))
        return who
      },
      {
        initialProps: { id: 'plan' },
        wrapper: ({ children }: { readonly children: ReactNode }) => (
          <PresenceProvider client={presence}>{children}</PresenceProvider>
        ),
      },
    )
    const first = result.current
    expect(first).toEqual({ who: ['ann'] })
    rerender({ id: 'plan' })
    expect(result.current).toBe(first)
    rerender({ id: 'two' })
    expect(result.current).toEqual({ who: [] })
    act(() => presence.setOnline('ben', true))
    expect(result.current).toEqual({ who: ['ben'] })
  })

  test('takes a comparison of one’s own', () => {
    const presence = createFakePresence({ conversations: { plan: ['ann', 'ben', 'cyd'] } })
    const isEqual = (earlier: readonly string[], later: readonly string[]) =>
      earlier.length > 0 === later.length > 0
    let renders = 0
    const { result } = hook(presence, () => {
      renders += 1
      return usePresenceSelector((view) => view.getOnlineUsersInConversation('plan'), { isEqual })
    })
    act(() => presence.setOnline('ann', true))
    act(() => presence.setOnline('ben', true))
    expect([result.current, renders]).toEqual([['ann'], 2])
    act(() => presence.setConversation('plan', ['cyd']))
    expect([result.current, renders]).toEqual([[], 3])
  })

  test('leaves no listener behind when its selector is another one at each render', () => {
    const counted = countedClient(createFakePresence())
    const { rerender, unmount } = hook(counted.client, () => usePresenceSelector((view) => view.groups()))
    for (let turn = 0; turn < 5; turn++) rerender()
    expect(counted.listeners()).toBe(1)
    unmount()
    expect(counted.listeners()).toBe(0)
  })
})

test('lists which conversations and groups the user is in', () => {
  const presence = createFakePresence({ conversations: { plan: ['ann'] }, groups: { crew: ['ann'] } })
  const { result } = hook(presence, () => [useConversations(), useGroups()])
  const first = result.current
  expect(first).toEqual([['plan'], ['crew']])
  act(() => presence.setConversation('plan', ['ann', 'ben']))
  expect(result.current).toBe(first)
  act(() => presence.setConversation('two', ['ann']))
  act(() => presence.setGroup('crew', undefined))
  expect(result.current).toEqual([['plan', 'two'], []])
})

test('useOnlineMembers is another name of useConversationPresence', () => {
  expect(useOnlineMembers).toBe(useConversationPresence)
})

describe('useConversationPresence and useGroupPresence', () => {
  test('say who is online, of how many', () => {
    const presence = createFakePresence({
      online: ['ann'],
      conversations: { plan: ['ann', 'ben', 'cyd'] },
      groups: { crew: ['ann', 'ben'] },
    })
    const { result } = hook(presence, () => [useOnlineMembers('plan'), useGroupPresence('crew')])
    expect(result.current).toEqual([
      { status: 'known', mode: 'names', members: 3, online: 1, userIds: ['ann'] },
      { status: 'known', mode: 'names', members: 2, online: 1, userIds: ['ann'] },
    ])
    act(() => presence.setOnline('cyd', true))
    expect(result.current[0]).toMatchObject({ online: 2, userIds: ['ann', 'cyd'] })
    expect(result.current[1]).toMatchObject({ online: 1 })
  })

  test('have numbers and no names in a room that is too large for names', () => {
    const presence = createFakePresence({ conversations: { all: { members: 900, online: 77 } } })
    const { result } = hook(presence, () => useOnlineMembers('all'))
    expect(result.current).toEqual({ status: 'known', mode: 'count', members: 900, online: 77, userIds: [] })
  })

  test('have no numbers where the user is not a member, or not any more', () => {
    const presence = createFakePresence({ conversations: { plan: ['ann'] } })
    const { result } = hook(presence, () => [useOnlineMembers('plan'), useOnlineMembers('elsewhere')])
    const nothing = { status: 'unknown', mode: undefined, members: undefined, online: undefined, userIds: [] }
    expect(result.current[1]).toEqual(nothing)
    act(() => presence.setConversation('plan', undefined))
    expect(result.current[0]).toEqual(nothing)
  })

  test('keep what was true last while the connection is away, and say so', () => {
    const presence = createFakePresence({ online: ['ann'], conversations: { plan: ['ann', 'ben'] } })
    const { result } = hook(presence, () => useOnlineMembers('plan'))
    act(() => presence.setState(LOST))
    expect(result.current).toEqual({
      status: 'unknown',
      mode: 'names',
      members: 2,
      online: 1,
      userIds: ['ann'],
    })
    act(() => presence.setState({ name: 'live' }))
    expect(result.current.status).toBe('known')
  })

  test('return the same object until it says something else, and the same list of ids', () => {
    const presence = createFakePresence({
      online: ['ann'],
      conversations: { plan: ['ann', 'ben'], two: ['cyd'] },
    })
    const { result, rerender } = hook(presence, () => useOnlineMembers('plan'))
    const first = result.current
    rerender()
    act(() => presence.setOnline('cyd', true))
    expect(result.current).toBe(first)
    act(() => presence.setConversation('plan', ['ann', 'ben', 'dan']))
    expect(result.current).not.toBe(first)
    expect(result.current.members).toBe(3)
    expect(result.current.userIds).toBe(first.userIds)
    const second = result.current
    rerender()
    act(() => presence.setOnline('cyd', false))
    expect(result.current).toBe(second)
  })
})

describe('useTyping', () => {
  test('says who of the others types, and nobody while the connection is away', () => {
    const presence = createFakePresence({
      conversations: { plan: ['ann', 'ben'] },
      typing: { plan: ['ben'] },
    })
    const { result } = hook(presence, () => useTyping('plan'))
    expect(result.current).toEqual(['ben'])
    act(() => presence.setState(LOST))
    expect(result.current).toEqual([])
    act(() => presence.setState({ name: 'live' }))
    expect(result.current).toEqual(['ben'])
    act(() => presence.setTyping('plan', []))
    expect(result.current).toEqual([])
  })
})

describe('useTypingInput', () => {
  function Field({ conversationId }: { readonly conversationId: string }) {
    return <textarea ref={useTypingInput(conversationId)} />
  }
  function field(client: PresenceClient, conversationId = 'plan') {
    const page = (id: string) => (
      <StrictMode>
        <PresenceProvider client={client}>
          <Field conversationId={id} />
        </PresenceProvider>
      </StrictMode>
    )
    const { container, rerender, unmount } = render(page(conversationId))
    const element = container.querySelector('textarea')!
    return {
      type(text: string) {
        element.value = text
        element.dispatchEvent(new Event('input', { bubbles: true }))
      },
      show: (id: string) => rerender(page(id)),
      unmount,
    }
  }

  test('tells the others from the first key until the field is empty', () => {
    const presence = createFakePresence({ conversations: { plan: ['ann', 'ben'] } })
    const { type } = field(presence)
    type('h')
    expect(presence.ownTyping()).toBe('plan')
    type('')
    expect(presence.ownTyping()).toBeUndefined()
  })

  test('ends with another conversation in the same field, and with the field', () => {
    const presence = createFakePresence()
    const { type, show, unmount } = field(presence)
    type('h')
    show('lunch')
    expect(presence.ownTyping()).toBeUndefined()
    type('hi')
    expect(presence.ownTyping()).toBe('lunch')
    unmount()
    expect(presence.ownTyping()).toBeUndefined()
    type('hi!')
    expect(presence.ownTyping()).toBeUndefined()
  })

  test('has the real client say one start for many keys, also under Strict Mode', async () => {
    const { client, transport } = await liveWorld(
      state({ conversations: [room<ConversationId>('plan', { roster: [] })] }),
    )
    const { type } = field(client)
    for (const text of ['h', 'he', 'hey']) type(text)
    expect(transport.last.sent).toEqual([['typing:start', { convId: 'plan' }]])
  })
})

describe('useDevices', () => {
  test("lists one's own devices", () => {
    const presence = createFakePresence({ devices: [{ deviceId: 'phone', since: START, label: 'Phone' }] })
    const { result } = hook(presence, useDevices)
    expect(result.current).toEqual({
      count: 1,
      devices: [{ deviceId: 'phone', since: START, label: 'Phone' }],
    })
    act(() => presence.setDevices([]))
    expect(result.current.count).toBe(0)
  })
})

describe('usePresenceConnection', () => {
  test('is a first attempt, then live, then reconnecting until it is live again', async () => {
    const { client, transport, clock } = await liveWorld()
    const { result } = hook(client, usePresenceConnection)
    expect(result.current).toMatchObject({ name: 'live', isLive: true, isReconnecting: false })
    act(() => transport.last.lose())
    expect(result.current).toEqual({
      name: 'backingOff',
      isLive: false,
      isReconnecting: true,
      reason: 'lost',
      untilMs: START + 500,
      error: undefined,
    })
    await act(() => clock.advance(500))
    expect(result.current).toMatchObject({ name: 'connecting', isReconnecting: true, untilMs: undefined })
    await act(async () => {
      transport.last.live()
      await settle()
    })
    expect(result.current).toMatchObject({ name: 'live', isReconnecting: false, reason: undefined })
  })

  test('says why it is over, with what the server said', () => {
    const presence = createFakePresence({ state: { name: 'connecting', attempt: 0 } })
    const { result } = hook(presence, usePresenceConnection)
    expect(result.current).toMatchObject({ name: 'connecting', isLive: false, isReconnecting: false })
    const error = new PresenceError('kicked', 'Signed out by an administrator.')
    act(() => presence.setState({ name: 'closed', reason: 'kicked', error }))
    expect(result.current).toMatchObject({ name: 'closed', isReconnecting: false, reason: 'kicked' })
    expect(result.current.error).toBe(error)
  })
})

test('a component that shows another user or room shows it in the same render', () => {
  const presence = createFakePresence({
    online: ['ann'],
    conversations: { plan: ['ann', 'ben'], two: ['ben'] },
    typing: { two: ['ben'] },
  })
  const seen: unknown[] = []
  const Shown = ({ userId, id }: { readonly userId: string; readonly id: string }) => {
    const user = usePresence(userId)
    seen.push([user.status === 'known' && user.online, useOnlineMembers(id).members, useTyping(id).length])
    return null
  }
  const page = (userId: string, id: string) => (
    <PresenceProvider client={presence}>
      <Shown userId={userId} id={id} />
    </PresenceProvider>
  )
  const { rerender } = render(page('ann', 'plan'))
  rerender(page('ben', 'two'))
  expect(seen).toEqual([
    [true, 2, 0],
    [false, 1, 1],
  ])
  act(() => presence.setOnline('ann', false))
  expect(seen).toHaveLength(2)
  act(() => presence.setOnline('ben', true))
  expect(seen).toHaveLength(3)
})

describe('the provider', () => {
  function Everything({ userId = 'ann', conversationId = 'plan' }) {
    const ann = usePresence(userId)
    const plan = useOnlineMembers(conversationId)
    const crew = useGroupPresence('crew')
    const typing = useTyping(conversationId)
    const { count } = useDevices()
    const { name } = usePresenceConnection()
    const field = useTypingInput(conversationId)
    return (
      <p>
        {[ann.status, plan.mode, crew.mode, typing.length, count, name].join()}
        <input ref={field} />
      </p>
    )
  }

  test('leaves no listener and no watch behind, also under Strict Mode', () => {
    const counted = countedClient(createFakePresence({ conversations: { plan: ['ann'], two: ['ann'] } }))
    const page = (userId: string, conversationId: string) => (
      <StrictMode>
        <PresenceProvider client={counted.client}>
          <Everything userId={userId} conversationId={conversationId} />
          <Everything />
        </PresenceProvider>
      </StrictMode>
    )
    const { rerender, unmount } = render(page('ann', 'plan'))
    expect([counted.listeners(), counted.watches()]).toEqual([12, 2])
    for (let turn = 0; turn < 10; turn++) rerender(page(`u${turn}`, turn % 2 ? 'plan' : 'two'))
    expect([counted.listeners(), counted.watches()]).toEqual([12, 2])
    unmount()
    expect([counted.listeners(), counted.watches()]).toEqual([0, 0])
  })

  test('neither connects nor closes the client, also under Strict Mode', () => {
    const presence = createFakePresence({ state: { name: 'idle' } })
    const page = (
      <StrictMode>
        <PresenceProvider client={presence}>
          <Everything />
        </PresenceProvider>
      </StrictMode>
    )
    render(page).unmount()
    expect(presence.state()).toEqual({ name: 'idle' })
    presence.connect()
    render(page).unmount()
    expect(presence.state()).toEqual({ name: 'live' })
  })

  test('given another client, all below ask that one, and nobody the first', () => {
    const first = countedClient(createFakePresence({ online: ['ann'], conversations: { plan: ['ann'] } }))
    const second = countedClient(createFakePresence({ state: { name: 'idle' } }))
    const page = ({ client }: { readonly client: PresenceClient }) => (
      <PresenceProvider client={client}>
        <Everything />
      </PresenceProvider>
    )
    const { container, rerender } = render(page(first))
    expect(container.textContent).toBe('known,names,,0,0,live')
    rerender(page(second))
    expect(container.textContent).toBe('unknown,,,0,0,idle')
    expect([first.listeners(), first.watches(), second.listeners(), second.watches()]).toEqual([0, 0, 6, 1])
  })

  test('does not wake those below when its host renders again with another onError', () => {
    const presence = createFakePresence()
    let renders = 0
    const Child = () => {
      usePresence('ann')
      renders += 1
      return null
    }
    const child = <Child />
    const page = (onError: () => void) => (
      <PresenceProvider client={presence} onError={onError}>
        {child}
      </PresenceProvider>
    )
    const { rerender } = render(page(() => undefined))
    const before = renders
    rerender(page(() => undefined))
    expect(renders).toBe(before)
  })

  test('is told what a client of the host throws when it is asked to watch; an onError that throws as well breaks nothing', () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const presence = createFakePresence({ conversations: { plan: ['ann'] } })
    const refusal = new PresenceError('too_many_watched')
    const client: PresenceClient = {
      ...presence,
      watch() {
        throw refusal
      },
    }
    const heard: unknown[] = []
    const onError = (error: unknown) => {
      heard.push(error)
      throw new Error('of the host')
    }
    const Shown = () => <i>{usePresence('ann').status}</i>
    const { container } = render(
      <PresenceProvider client={client} onError={onError}>
        <Shown />
      </PresenceProvider>,
    )
    expect(heard).toEqual([refusal])
    expect(container.textContent).toBe('known')
    // As a browser would have it: outside, where it breaks nothing, and not in silence.
    expect(() => vi.runAllTimers()).toThrow('of the host')
  })

  test('hands the client down for what is done and not shown', () => {
    const presence = createFakePresence()
    hook(presence, () => {
      const client = usePresenceClient()
      useEffect(() => client.startTyping('plan'), [client])
    })
    expect(presence.ownTyping()).toBe('plan')
  })

  test('is missed with a sentence', () => {
    expect(() => renderHook(() => usePresence('ann'))).toThrow('<PresenceProvider>')
  })
})
