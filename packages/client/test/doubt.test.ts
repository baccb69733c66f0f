/** A line that died without a word looks like a quiet one: what makes it doubtful, and what is shown until it is known. */
import { describe, expect, test } from 'vitest'
import type { ConversationId } from '@vigie/protocol'
import { DOUBT_MS, PROBE_MS } from '../src/connection.js'
import { TYPING_LEASE_MS } from '../src/typing.js'
import { at, change, count, fakeWorld, liveWorld, room, settle, state } from './support/fakes.js'

const PROBE = ['presence:watch', {}]

describe('a doubtful line', () => {
  test('is asked when the app or the network is back, and given up within 2 s without an answer', async () => {
    const world = await liveWorld()
    await world.clock.advance(60_000)
    world.client.foreground()
    expect(world.transport.last.sent).toEqual([PROBE])
    await world.clock.advance(PROBE_MS)
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'timeout' })
    expect(world.transport.last.end).toBe('dropped')
    await world.clock.advance(1_000)
    expect(world.transport.links).toHaveLength(2)
  })

  test('that answers stays, and no timer is left', async () => {
    const world = await liveWorld()
    await world.clock.advance(60_000)
    world.client.foreground()
    world.transport.last.answer()
    await world.clock.advance(60_000)
    expect(world.client.state().name).toBe('live')
    expect(world.clock.waits()).toEqual([])
  })

  test('is asked once, however often somebody wants to know', async () => {
    const world = await liveWorld()
    await world.clock.advance(60_000)
    for (let n = 0; n < 10; n++) world.client.foreground()
    expect(world.transport.last.sent).toEqual([PROBE])
  })

  test('on which frames go on coming is a slow one, and stays', async () => {
    const world = await liveWorld()
    await world.clock.advance(60_000)
    world.client.foreground()
    for (let n = 2; n < 30; n++) {
      await world.clock.advance(500)
      world.transport.last.diff({ at: at(n) })
    }
    expect(world.client.state().name).toBe('live')
    await world.clock.advance(2 * PROBE_MS)
    expect(world.transport.links[0]!.end).toBe('dropped')
  })

  test('is found by a message that has no answer', async () => {
    const world = await liveWorld()
    world.client.startTyping('c')
    await world.clock.advance(DOUBT_MS)
    expect(world.transport.last.sent.at(-1)).toEqual(PROBE)
    await world.clock.advance(PROBE_MS)
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'timeout' })
  })

  test('that is not open yet starts over when the network is back', async () => {
    const world = fakeWorld()
    world.client.connect()
    await world.clock.advance(PROBE_MS)
    world.client.foreground()
    await settle()
    expect(world.transport.links.map(({ end }) => end)).toEqual(['dropped', undefined])
  })
})

describe('somebody who is shown as typing', () => {
  const typing = () =>
    state({
      users: [count('ann', 1)],
      conversations: [room<ConversationId>('c', { roster: [0], typing: ['ann'] })],
    })

  test('is not shown any longer than a lease and a margin when the server has stopped running', async () => {
    const world = await liveWorld(typing())
    await world.clock.advance(TYPING_LEASE_MS)
    expect(world.client.typing('c')).toEqual(['ann'])
    expect(world.transport.last.sent).toEqual([PROBE])
    await world.clock.advance(PROBE_MS)
    expect(world.client.typing('c')).toEqual([])
  })

  test('is shown for as long as they type, while the server answers', async () => {
    const world = await liveWorld(typing())
    for (let n = 0; n < 5; n++) {
      await world.clock.advance(TYPING_LEASE_MS)
      world.transport.last.answer()
    }
    expect(world.client.typing('c')).toEqual(['ann'])
    expect(world.transport.last.sent).toHaveLength(5)
  })

  test('leaves no timer behind', async () => {
    const world = await liveWorld(typing())
    world.transport.last.diff({ at: at(2), conversations: [change<ConversationId>('c', { typing: [] })] })
    expect(world.clock.waits()).toEqual([])
  })
})
