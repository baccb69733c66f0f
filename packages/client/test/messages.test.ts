import { describe, expect, test } from 'vitest'
import type { ConversationId } from '@vigie/protocol'
import { PresenceError } from '../src/errors.js'
import type { TypingInput } from '../src/typing.js'
import { WATCH_MAX } from '../src/watch.js'
import { at, count, fakeWorld, liveWorld, room, settle, state } from './support/fakes.js'

const names = (prefix: string, length: number) => Array.from({ length }, (_, n) => `${prefix}${n}`)

describe('typing', () => {
  test('is sent at once, repeated each 3 s while keys are pressed, and stopped once', async () => {
    const world = await liveWorld()
    for (let key = 0; key < 100; key++) {
      world.client.startTyping('c')
      world.transport.last.answer()
      await world.clock.advance(100)
    }
    world.client.stopTyping('c')
    world.client.stopTyping('c')
    expect(world.transport.last.sent.map(([name]) => name)).toEqual([
      ...names('', 4).map(() => 'typing:start'),
      'typing:stop',
    ])
  })

  test('begins anew in another conversation, and only there it can be stopped', async () => {
    const world = await liveWorld()
    world.client.startTyping('one')
    world.client.startTyping('two')
    world.client.stopTyping('one')
    world.client.stopTyping('two')
    expect(world.transport.last.sent).toEqual([
      ['typing:start', { convId: 'one' }],
      ['typing:start', { convId: 'two' }],
      ['typing:stop', { convId: 'two' }],
    ])
  })

  test('without a connection is not kept for later', async () => {
    const world = await liveWorld()
    world.client.startTyping('c')
    world.transport.last.lose()
    world.client.startTyping('c')
    await world.clock.advance(1_000)
    world.transport.last.live()
    expect(world.transport.last.sent).toEqual([])
    world.client.stopTyping('c')
    expect(world.transport.last.sent).toEqual([])
    world.client.startTyping('c')
    expect(world.transport.last.sent).toHaveLength(1)
  })

  test('that is refused is reported and harms nothing', async () => {
    const world = await liveWorld()
    world.client.startTyping('c')
    world.transport.last.answer({ ok: false, error: { code: 'not_member', message: 'No.' } })
    await settle()
    expect(world.errors).toEqual([new PresenceError('not_member', 'No.')])
    expect(world.client.state().name).toBe('live')
  })
})

describe('a text field', () => {
  function field() {
    const listeners = new Map<string, Set<(event: object) => void>>()
    const input: TypingInput & { value: string } = {
      value: '',
      addEventListener: (type, listener) =>
        void listeners.set(type, (listeners.get(type) ?? new Set()).add(listener)),
      removeEventListener: (type, listener) => void listeners.get(type)?.delete(listener),
    }
    return {
      input,
      fire: (type: string, event: object = {}) => listeners.get(type)?.forEach((listener) => listener(event)),
    }
  }

  test('starts with input, and stops when emptied, left, or sent with Enter', async () => {
    const world = await liveWorld()
    const { input, ...bound } = field()
    world.client.bindTyping(input, 'c')
    const write = (value: string) => {
      input.value = value
      bound.fire('input')
    }
    write('h')
    write('')
    write('h')
    bound.fire('blur')
    write('h')
    bound.fire('keydown', { key: 'Enter', shiftKey: true })
    bound.fire('keydown', { key: 'Enter', isComposing: true })
    bound.fire('keydown', { key: 'Enter' })
    expect(world.transport.last.sent.map(([name]) => name)).toEqual([
      'typing:start',
      'typing:stop',
      'typing:start',
      'typing:stop',
      'typing:start',
      'typing:stop',
    ])
  })

  test('that is unbound stops, and is listened to no more', async () => {
    const world = await liveWorld()
    const { input, ...bound } = field()
    const unbind = world.client.bindTyping(input, 'c')
    input.value = 'h'
    bound.fire('input')
    unbind()
    bound.fire('input')
    expect(world.transport.last.sent.map(([name]) => name)).toEqual(['typing:start', 'typing:stop'])
  })
})

describe('watching', () => {
  test('a list that is drawn row by row is one message', async () => {
    const world = await liveWorld()
    for (const name of names('u', 50)) world.client.watch([name])
    await settle()
    expect(world.transport.last.sent).toEqual([['presence:watch', { add: names('u', 50) }]])
  })

  test('is counted: who is shown in two places is watched until both are gone', async () => {
    const world = await liveWorld()
    const first = world.client.watch(['ann'])
    const second = world.client.watch(['ann', 'bob'])
    await settle()
    world.transport.last.answer()
    await settle()
    first()
    first()
    await settle()
    expect(world.transport.last.sent).toHaveLength(1)
    second()
    await settle()
    expect(world.transport.last.sent.slice(1)).toEqual([['presence:watch', { remove: ['ann', 'bob'] }]])
  })

  test('there and back in one turn is no message', async () => {
    const world = await liveWorld()
    world.client.watch(['ann'])()
    await settle()
    expect(world.transport.last.sent).toEqual([])
  })

  test('one message is under way at a time; what changed meanwhile is the next one', async () => {
    const world = await liveWorld()
    const stop = world.client.watch(['ann'])
    await settle()
    stop()
    world.client.watch(['bob'])
    await settle()
    world.client.watch(['cyd'])
    await settle()
    expect(world.transport.last.sent).toHaveLength(1)
    world.transport.last.answer()
    await settle()
    expect(world.transport.last.sent.slice(1)).toEqual([
      ['presence:watch', { add: ['bob', 'cyd'], remove: ['ann'] }],
    ])
  })

  test('is told again to each new connection', async () => {
    const world = fakeWorld()
    world.client.watch(['ann'])
    world.client.connect()
    await settle()
    world.transport.last.live()
    await settle()
    world.transport.last.lose()
    await world.clock.advance(1_000)
    world.transport.last.live()
    await settle()
    for (const link of world.transport.links)
      expect(link.sent).toEqual([['presence:watch', { add: ['ann'] }]])
  })

  test('that is refused for now is told again a second later', async () => {
    const world = await liveWorld()
    world.client.watch(['ann'])
    await settle()
    world.transport.last.answer({ ok: false, error: { code: 'rate_limited', message: 'Slowly.' } })
    await settle()
    world.client.watch(['bob'])
    await world.clock.advance(999)
    expect(world.transport.last.sent).toHaveLength(1)
    await world.clock.advance(1)
    expect(world.transport.last.sent.slice(1)).toEqual([['presence:watch', { add: ['ann', 'bob'] }]])
    expect(world.errors).toHaveLength(1)
  })

  test('keeps what is known of people who leave the screen and come back before the server is told', async () => {
    const world = await liveWorld()
    const stop = world.client.watch(['zoe'])
    await settle()
    world.transport.last.answer()
    world.transport.last.diff({ at: at(2), users: [count('zoe', 1)] })
    await settle()
    stop()
    world.client.watch(['zoe'])
    await settle()
    expect(world.transport.last.sent).toHaveLength(1)
    expect(world.client.presence('zoe')).toEqual({ status: 'known', online: true, count: 1 })
  })

  test('forgets people who came back after the server was told that they left', async () => {
    const world = await liveWorld()
    const stop = world.client.watch(['zoe'])
    await settle()
    world.transport.last.answer()
    world.transport.last.diff({ at: at(2), users: [count('zoe', 1)] })
    await settle()
    stop()
    await settle()
    world.client.watch(['zoe'])
    world.transport.last.answer()
    await settle()
    expect(world.transport.last.sent.slice(1)).toEqual([
      ['presence:watch', { remove: ['zoe'] }],
      ['presence:watch', { add: ['zoe'] }],
    ])
    // Had zoe gone offline in between, the server would say nothing.
    expect(world.client.presence('zoe')).toMatchObject({ status: 'unknown' })
  })

  test('of more people than may be is told in a sentence, and those who are too many are watched once others go', async () => {
    const world = await liveWorld()
    const stops = names('u', WATCH_MAX).map((id) => world.client.watch([id]))
    world.client.watch(['u0', 'one more'])
    expect(world.errors).toEqual([
      expect.objectContaining({
        code: 'too_many_watched',
        message: expect.stringContaining('201 people'),
      }),
    ])
    await settle()
    expect(world.transport.last.sent).toEqual([['presence:watch', { add: names('u', WATCH_MAX) }]])
    world.transport.last.answer()
    await settle()
    stops[7]!()
    await settle()
    expect(world.transport.last.sent.slice(1)).toEqual([
      ['presence:watch', { add: ['one more'], remove: ['u7'] }],
    ])
  })

  test.each(['', 'x'.repeat(129), 'a\nb', '\ud800', undefined as unknown as string])(
    'of what is no id (%j) is told at once, and keeps nobody else from being watched',
    async (bad) => {
      const world = await liveWorld()
      world.client.watch(['s1', bad])
      world.client.watch(['s2'])
      expect(world.errors).toEqual([expect.objectContaining({ code: 'invalid_payload' })])
      await settle()
      expect(world.transport.last.sent).toEqual([['presence:watch', { add: ['s1', 's2'] }]])
    },
  )

  test('of 200 people with the longest ids is told in messages that every server takes', async () => {
    const world = await liveWorld()
    const ids = names('ж', WATCH_MAX).map((id) => id.padEnd(128, 'ж'))
    world.client.watch(ids)
    for (let n = 0; n < 20; n++) {
      await settle()
      world.transport.last.answer()
    }
    const sent = world.transport.last.sent.map(([, payload]) => payload as { add: string[] })
    expect(sent.flatMap(({ add }) => add)).toEqual(ids)
    for (const payload of sent) expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThan(9_000)
  })

  test('keeps the last that was known of people over a return, until the server has told of them', async () => {
    const world = await liveWorld()
    world.client.watch(['zoe', 'max'])
    await settle()
    world.transport.last.diff({ at: at(2), users: [count('zoe', 1), count('max', 0)] })
    world.transport.last.answer()
    const seen: string[] = []
    world.client.subscribe(
      (view) => {
        const zoe = view.presence('zoe')
        return zoe.status === 'known' ? `known ${zoe.count}` : `last ${zoe.last?.count}`
      },
      (line) => seen.push(line),
    )
    world.transport.last.lose()
    await world.clock.advance(1_000)
    world.transport.last.live(state({ at: at(3) }))
    expect(world.client.presence('max')).toMatchObject({ status: 'unknown', last: { online: false } })
    await settle()
    world.transport.last.diff({ at: at(4), users: [count('zoe', 2), count('max', 0)] })
    expect(seen).toEqual(['last 1', 'known 2'])
    expect(world.client.presence('max')).toMatchObject({ status: 'known', online: false })
  })

  test('forgets who went off the screen while there was no connection', async () => {
    const world = await liveWorld()
    const stop = world.client.watch(['zoe'])
    await settle()
    world.transport.last.diff({ at: at(2), users: [count('zoe', 1)] })
    world.transport.last.answer()
    world.transport.last.lose()
    stop()
    await world.clock.advance(1_000)
    world.transport.last.live(state({ at: at(3) }))
    await settle()
    expect(world.client.presence('zoe')).toMatchObject({ status: 'unknown', last: undefined })
  })

  test('shows people of rooms that have no names, and forgets them with the last place that shows them', async () => {
    const world = await liveWorld(
      state({ users: [count('ann', 1)], conversations: [room<ConversationId>('c', { roster: [0] })] }),
    )
    const stop = world.client.watch(['zoe', 'ann'])
    await settle()
    world.transport.last.diff({ at: at(2), users: [count('zoe', 1)] })
    world.transport.last.answer()
    expect(world.client.presence('zoe')).toEqual({ status: 'known', online: true, count: 1 })
    stop()
    await settle()
    world.transport.last.answer()
    await settle()
    expect(world.client.presence('zoe')).toMatchObject({ status: 'unknown' })
    expect(world.client.presence('ann')).toMatchObject({ status: 'known' })
  })
})
