/** What a host's own functions may do: throw, hang, and call back while they are called. */
import { describe, expect, test } from 'vitest'
import type { ConversationId } from '@vigie/protocol'
import type { DeviceStorage } from '../src/platform.js'
import { bindTyping } from '../src/typing.js'
import { change, count, at, fakeClock, fakeWorld, liveWorld, room, settle, state } from './support/fakes.js'

describe('onError that throws', () => {
  test.each(['of a token', 'of a message'])(
    'breaks nothing: a failure %s is mended all the same',
    async (what) => {
      const outside: unknown[] = []
      const clock = fakeClock()
      const guarded = {
        ...clock,
        now: () => clock.now(),
        random: () => clock.random(),
        setTimeout: (run: () => void, delayMs: number) =>
          clock.setTimeout(() => {
            try {
              run()
            } catch (error) {
              outside.push(error)
            }
          }, delayMs),
      }
      let isBroken = what === 'of a token'
      const world = fakeWorld({
        platform: guarded,
        token: () => {
          if (isBroken) throw new Error('no token')
          return 'token'
        },
        onError: () => {
          throw new Error('onError is broken')
        },
      })
      world.client.connect()
      await settle()
      isBroken = false
      await clock.advance(2_000)
      world.transport.last.live()
      if (what === 'of a message') {
        world.client.startTyping('c')
        world.transport.last.answer({ ok: false, error: { code: 'not_member', message: 'no' } })
      }
      await clock.advance(10)
      expect(world.client.state().name).toBe('live')
      expect(outside).toEqual([new Error('onError is broken')])
    },
  )
})

describe('a listener that ends the connection', () => {
  test('while it is told hears of a typing that began, and then that it has ended', async () => {
    const told: string[] = []
    const world = fakeWorld({
      onPresenceConversation: () => world.client.close(),
      onTypingStart: (_, userId) => told.push(`${userId} types`),
      onTypingStop: (_, userId) => told.push(`${userId} has stopped`),
    })
    world.client.connect()
    await settle()
    world.transport.last.live(
      state({
        users: [count('ann', 1)],
        conversations: [room<ConversationId>('c', { roster: [0], typing: ['ann'] })],
      }),
    )
    expect(told).toEqual(['ann types', 'ann has stopped'])
  })
})

describe('leave', () => {
  test('ends the connection that it was said to, and not the one after', async () => {
    const world = await liveWorld()
    const left = world.client.leave()
    world.client.close()
    world.client.connect()
    world.transport.last.answer()
    await left
    await settle()
    expect(world.transport.links).toHaveLength(2)
    world.transport.last.live()
    expect(world.client.state().name).toBe('live')
  })

  test('in the clean-up of an effect that runs twice, as under StrictMode, leaves a client that is live', async () => {
    const world = await liveWorld()
    void world.client.leave().catch(() => {})
    world.client.connect()
    await settle()
    // One link at a time: the goodbye is answered first.
    expect(world.transport.links).toHaveLength(1)
    world.transport.last.answer()
    await settle()
    world.transport.last.live()
    expect(world.client.state().name).toBe('live')
    expect(world.transport.links.map(({ end }) => end)).toEqual(['left', undefined])
  })

  test('is over when the line ends instead of an answer', async () => {
    const world = await liveWorld()
    const left = expect(world.client.leave()).rejects.toMatchObject({ code: 'unavailable' })
    world.transport.last.lose()
    await left
    expect(world.clock.waits()).toEqual([])
  })
})

describe('a storage', () => {
  const storageOf = (over: Partial<DeviceStorage> = {}): DeviceStorage & { kept: string | null } => {
    const storage: DeviceStorage & { kept: string | null } = {
      kept: null,
      getItem: () => Promise.resolve(storage.kept),
      setItem(_: string, value: string) {
        storage.kept = value
        return Promise.resolve()
      },
      ...over,
    }
    return storage
  }

  test('gives several clients that begin together one device', async () => {
    const storage = storageOf()
    const worlds = [1, 2, 3].map((n) => {
      const world = fakeWorld({ storage })
      world.clock.chances = [n / 10]
      world.client.connect()
      return world
    })
    await settle()
    const ids = new Set(worlds.map(({ transport }) => transport.last.auth.deviceId))
    expect(ids).toEqual(new Set([storage.kept]))
  })

  test('that never answers keeps nobody from connecting', async () => {
    const world = fakeWorld({ storage: storageOf({ getItem: () => new Promise<string>(() => {}) }) })
    world.client.connect()
    await world.clock.advance(2_000)
    expect(world.transport.last.auth).not.toHaveProperty('deviceId')
    expect(world.errors).toEqual([
      expect.objectContaining({ message: expect.stringContaining('did not answer') }),
    ])
  })

  test('that fails once is asked again at the next connection', async () => {
    let calls = 0
    const storage = storageOf({
      getItem() {
        calls += 1
        if (calls === 1) throw new Error('locked')
        return 'kept'
      },
    })
    const world = await liveWorld(undefined, { storage })
    expect(world.transport.last.auth).not.toHaveProperty('deviceId')
    world.transport.last.lose()
    await world.clock.advance(1_000)
    expect(world.transport.last.auth.deviceId).toBe('kept')
  })
})

describe('an attempt that fails', () => {
  test('says why, once for each cause, and again after it was live', async () => {
    const world = fakeWorld()
    world.client.connect()
    for (let n = 0; n < 3; n++) {
      await settle()
      world.transport.last.fail('xhr poll error')
      await world.clock.advance(10_000)
    }
    expect(world.errors).toEqual([
      expect.objectContaining({ code: 'unavailable', message: 'xhr poll error' }),
    ])
    world.transport.last.live()
    world.transport.last.lose()
    await world.clock.advance(10_000)
    world.transport.last.fail('xhr poll error')
    expect(world.errors).toHaveLength(2)
  })

  test('waits no longer than 5 s, however many were before', async () => {
    const world = fakeWorld()
    world.clock.chances = [0.999]
    world.client.connect()
    for (let n = 0; n < 10; n++) {
      await settle()
      world.transport.last.lose()
      expect(world.clock.waits()[0]).toBeLessThanOrEqual(5_000)
      await world.clock.advance(5_000)
    }
    expect(world.transport.links).toHaveLength(11)
  })
})

test("Safari's Enter that chooses a word of an input method does not end typing", async () => {
  const world = await liveWorld()
  const input = new EventTarget() as EventTarget & { value: string }
  input.value = 'に'
  bindTyping({ start: world.client.startTyping, stop: world.client.stopTyping }, input as never, 'c')
  input.dispatchEvent(new Event('input'))
  // `compositionend` has come before: `isComposing` is false, and only `keyCode` says whose key it is.
  input.dispatchEvent(Object.assign(new Event('keydown'), { key: 'Enter', keyCode: 229, isComposing: false }))
  expect(world.transport.last.sent.map(([name]) => name)).toEqual(['typing:start'])
  input.dispatchEvent(Object.assign(new Event('keydown'), { key: 'Enter', keyCode: 13, isComposing: false }))
  expect(world.transport.last.sent.map(([name]) => name)).toEqual(['typing:start', 'typing:stop'])
  world.transport.last.diff({ at: at(2), conversations: [change<ConversationId>('c', {})] })
})
