/** The client for tests of components: what a test sets is what the real store shows. */
import { expect, test } from 'vitest'
import { createFakePresence } from '../src/testing/index.js'
import { START } from './support/fakes.js'

test('shows at once all that it was made with', () => {
  const presence = createFakePresence({
    online: ['ann', 'zoe'],
    conversations: { plan: ['ann', 'ben'], all: { members: 900, online: 77 } },
    groups: { crew: ['ann', 'ben', 'cyd'] },
    typing: { plan: ['ben'] },
    devices: [{ deviceId: 'phone', since: START }],
  })
  expect(presence.state()).toEqual({ name: 'live' })
  expect(presence.conversations()).toEqual(['plan', 'all'])
  expect(presence.groups()).toEqual(['crew'])
  expect(presence.getOnlineUsersInConversation('plan')).toEqual(['ann'])
  expect(presence.conversationOccupancy('all')).toEqual({ mode: 'count', members: 900, online: 77 })
  expect(presence.groupOccupancy('crew')).toEqual({ mode: 'names', members: 3, online: 1 })
  expect(presence.typing('plan')).toEqual(['ben'])
  expect(presence.devices()).toEqual({ count: 1, devices: [{ deviceId: 'phone', since: START }] })
  expect(presence.presence('cyd')).toEqual({ status: 'known', online: false, count: 0 })
  expect(presence.presence('zoe')).toEqual({ status: 'known', online: true, count: 1 })
  expect(presence.presence('nobody').status).toBe('unknown')
})

test('made with nothing, it is live and knows nobody', () => {
  const presence = createFakePresence()
  expect([presence.state().name, presence.conversations(), presence.devices().count]).toEqual(['live', [], 0])
})

test('tells a listener of what is set, when and only when it is another value', () => {
  const presence = createFakePresence({ conversations: { plan: ['ann', 'ben'] } })
  const heard: (readonly string[])[] = []
  const stop = presence.subscribe(
    (view) => view.getOnlineUsersInConversation('plan'),
    (userIds) => heard.push(userIds),
  )
  presence.setOnline('ben', 3)
  presence.setOnline('ben', 2)
  presence.setOnline('zoe', true)
  presence.setOnline('ben', false)
  stop()
  presence.setOnline('ben', true)
  expect(heard).toEqual([['ben'], []])
})

test('rooms come, change and go; who types there stays, who was only seen there does not', () => {
  const presence = createFakePresence({ conversations: { plan: ['ann', 'ben'] }, typing: { plan: ['ben'] } })
  presence.setConversation('plan', ['ann', 'ben', 'cyd'])
  expect(presence.typing('plan')).toEqual(['ben'])
  expect(presence.conversationOccupancy('plan')).toEqual({ mode: 'names', members: 3, online: 0 })
  presence.setConversation('plan', { members: 300, online: 4 })
  expect(presence.conversationOccupancy('plan')).toEqual({ mode: 'count', members: 300, online: 4 })
  expect(presence.presence('cyd').status).toBe('unknown')
  presence.setGroup('crew', ['cyd'])
  expect(presence.presence('cyd').status).toBe('known')
  presence.setGroup('crew', undefined)
  presence.setConversation('plan', undefined)
  expect([presence.groups(), presence.conversations(), presence.presence('cyd').status]).toEqual([
    [],
    [],
    'unknown',
  ])
})

test('while its state is not live, nobody is surely online and nobody types', () => {
  const presence = createFakePresence({
    online: ['ben'],
    conversations: { plan: ['ben'] },
    typing: { plan: ['ben'] },
    now: () => START,
  })
  presence.setState({ name: 'backingOff', untilMs: START + 1, attempt: 1, reason: 'lost' })
  expect(presence.presence('ben')).toEqual({
    status: 'unknown',
    since: START,
    last: { online: true, count: 1 },
  })
  expect(presence.typing('plan')).toEqual([])
  presence.setState({ name: 'live' })
  expect(presence.typing('plan')).toEqual(['ben'])
})

test('connects and closes as a client does', async () => {
  const presence = createFakePresence({ state: { name: 'idle' } })
  presence.connect()
  expect(presence.state().name).toBe('live')
  presence.close()
  expect(presence.state()).toEqual({ name: 'closed', reason: 'left' })
  presence.connect()
  await presence.leave()
  expect(presence.state().name).toBe('closed')
})

test('knows where its user types, as far as the others would', () => {
  const presence = createFakePresence()
  presence.startTyping('plan')
  presence.startTyping('two')
  presence.stopTyping('plan')
  expect(presence.ownTyping()).toBe('two')
  presence.setState({ name: 'closed', reason: 'ended' })
  expect(presence.ownTyping()).toBeUndefined()
  presence.startTyping('two')
  expect(presence.ownTyping()).toBeUndefined()
})

test('counts who is watched, and watches no more than a client does', () => {
  const presence = createFakePresence()
  const ends = [presence.watch(['ann', 'ben']), presence.watch(['ben'])]
  ends[0]?.()
  ends[0]?.()
  expect(presence.watched()).toEqual(['ben'])
  const many = Array.from({ length: 200 }, (_, place) => `u${place}`)
  presence.watch(many)
  expect(presence.watched()).toHaveLength(200)
  expect(presence.watched()).not.toContain('u199')
  ends[1]?.()
  expect(presence.watched()).toEqual(many)
})

test('a listener that throws fails the call that told it', () => {
  const presence = createFakePresence()
  presence.subscribe(
    (view) => view.presence('ann').status,
    () => {
      throw new Error('a component is broken')
    },
  )
  expect(() => presence.setOnline('ann', true)).toThrow('a component is broken')
})
