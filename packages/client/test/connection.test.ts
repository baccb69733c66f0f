import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BACKGROUND_GRACE_MAX_MS as GRACE_MAX, ERRORS, type ErrorCode } from '@vigie/protocol'
import { WATCH_MAX as SERVER_WATCH_MAX } from '../../protocol/src/validate.js'
import { BACKGROUND_GRACE_MAX_MS, createClient } from '../src/client.js'
import { PresenceError } from '../src/errors.js'
import { refreshDelayMs } from '../src/token.js'
import { WATCH_MAX } from '../src/watch.js'
import {
  at,
  count,
  fakeClock,
  fakeTransport,
  fakeWorld,
  liveWorld,
  settle,
  START,
  state,
  token,
} from './support/fakes.js'

/** The names of the states that a client goes through. */
function statesOf({ client }: ReturnType<typeof fakeWorld>): string[] {
  const names = [client.state().name as string]
  client.subscribe(
    (view) => view.state(),
    ({ name }) => names.push(name),
  )
  return names
}

describe('states', () => {
  test('a connection goes from idle over connecting and syncing to live', async () => {
    const world = fakeWorld()
    const states = statesOf(world)
    world.client.connect()
    await settle()
    world.transport.last.live()
    expect(states).toEqual(['idle', 'connecting', 'syncing', 'live'])
    expect(world.clock.waits()).toEqual([])
  })

  test('connect while it connects or is connected does nothing', async () => {
    const world = await liveWorld()
    world.client.connect()
    await settle()
    expect(world.transport.links).toHaveLength(1)
  })

  test('a lost connection comes back by itself, with its position, its client and its device', async () => {
    const world = await liveWorld(state({ at: at(7) }), {
      deviceId: 'phone',
      label: 'My phone',
      auth: { tenant: 'x' },
    })
    const states = statesOf(world)
    world.transport.last.lose()
    await world.clock.advance(1_000)
    world.transport.last.opened()
    world.transport.last.diff({ at: at(8) })
    expect(states).toEqual(['live', 'backingOff', 'connecting', 'syncing', 'live'])
    const [first, second] = world.transport.links
    expect(first!.auth).toMatchObject({
      protocol: 2,
      token: 'token',
      deviceId: 'phone',
      label: 'My phone',
      tenant: 'x',
    })
    expect(first!.auth).not.toHaveProperty('since')
    expect(second!.auth).toEqual({ ...first!.auth, since: at(7), sinceUser: 'me' })
    expect(world.client.diagnostics()).toMatchObject({
      reconnections: 1,
      position: at(8),
      states: 1,
      diffs: 1,
    })
  })

  test('what comes late for an earlier connection is not for this one', async () => {
    const world = await liveWorld()
    const [first] = world.transport.links
    first!.lose()
    await world.clock.advance(1_000)
    world.transport.last.live()
    first!.lose()
    first!.diff({ at: at(99) })
    first!.closed({ code: 'kicked' })
    expect(world.client.state().name).toBe('live')
    expect(world.client.diagnostics().position).toEqual(at(1))
  })

  test('an attempt that is not live in time is given up without a goodbye, and another one begins', async () => {
    const world = fakeWorld({ connectTimeoutMs: 4_000 })
    world.client.connect()
    await settle()
    world.transport.last.opened()
    await world.clock.advance(4_000)
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'timeout' })
    expect(world.transport.last.end).toBe('dropped')
    await world.clock.advance(1_000)
    expect(world.transport.links).toHaveLength(2)
  })

  test('a token that never comes is given up, too', async () => {
    const world = fakeWorld({ token: () => new Promise<string>(() => {}), connectTimeoutMs: 4_000 })
    world.client.connect()
    await world.clock.advance(4_000)
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'timeout' })
  })

  test('a frame that is not what the protocol says starts over and asks for a whole picture', async () => {
    const world = await liveWorld()
    world.transport.last.diff({ at: at(2), users: 5 } as never)
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'resync' })
    expect(world.transport.last.end).toBe('dropped')
    await world.clock.advance(1_000)
    expect(world.transport.last.auth).not.toHaveProperty('since')
    world.transport.last.live(state({ at: at(3) }))
    expect(world.client.state().name).toBe('live')
    expect(world.errors).toHaveLength(1)
  })

  test('a diff that cannot be folded in starts over and asks for a whole picture, and people stay shown', async () => {
    const conversations = [{ id: 'c' as never, mode: 'names' as const, members: 1, roster: [0] }]
    const world = await liveWorld(state({ users: [count('ann', 1)], conversations }))
    world.transport.last.diff({ at: at(2, 'another boot') })
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'resync' })
    expect(world.client.getOnlineUsersInConversation('c')).toEqual(['ann'])
    await world.clock.advance(1_000)
    expect(world.transport.last.auth).not.toHaveProperty('since')
  })
})

describe('back-off', () => {
  test('each delay is a random part of a limit that doubles up to its most', () => {
    return fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
          minLength: 8,
          maxLength: 8,
        }),
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 5_000, max: 60_000 }),
        async (chances, reconnectBaseMs, reconnectMaxMs) => {
          const world = fakeWorld({ reconnectBaseMs, reconnectMaxMs })
          world.client.connect()
          await settle()
          for (const [failures, chance] of chances.entries()) {
            world.clock.chances = [chance]
            world.transport.last.lose()
            const limit = Math.min(reconnectMaxMs, reconnectBaseMs * 2 ** failures)
            const delay = Math.floor(limit * chance)
            expect(delay).toBeLessThan(limit)
            expect(world.clock.waits()).toEqual([delay])
            const untilMs = world.clock.now() + delay
            expect(world.client.state()).toEqual({
              name: 'backingOff',
              untilMs,
              attempt: failures + 1,
              reason: 'lost',
            })
            await world.clock.advance(delay)
          }
          expect(world.transport.links).toHaveLength(chances.length + 1)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('starts again with short delays once a connection has held, and not before', async () => {
    const world = fakeWorld()
    world.clock.chances = [0.999]
    world.client.connect()
    await settle()
    const attemptsAfter = async (liveMs: number) => {
      world.transport.last.live()
      await world.clock.advance(liveMs)
      world.transport.last.lose()
      const shown = world.client.state()
      await world.clock.advance(world.clock.waits()[0]!)
      return shown.name === 'backingOff' ? shown.attempt : undefined
    }
    expect(await attemptsAfter(0)).toBe(1)
    expect(await attemptsAfter(100)).toBe(2)
    expect(await attemptsAfter(100)).toBe(3)
    expect(await attemptsAfter(5_000)).toBe(1)
  })

  test('foreground ends the wait', async () => {
    const world = await liveWorld()
    world.transport.last.lose()
    world.client.foreground()
    await settle()
    expect(world.transport.links).toHaveLength(2)
    await world.clock.advance(29_000)
    expect(world.transport.links).toHaveLength(2)
  })
})

describe('what the server says is obeyed', () => {
  const refused = async (data: unknown, options: Parameters<typeof fakeWorld>[0] = {}) => {
    const world = fakeWorld(options)
    world.client.connect()
    await settle()
    world.transport.last.refuse(data)
    return world
  }

  test.each(Object.entries(ERRORS).filter(([, { retry }]) => retry === 'never'))(
    'a connection that is refused with %s stays away',
    async (code) => {
      const world = await refused({ code, message: 'no', retry: 'never' })
      expect(world.client.state()).toMatchObject({
        name: 'closed',
        reason: code,
        error: { code, message: 'no' },
      })
      await world.clock.advance(3_600_000)
      expect(world.transport.links).toHaveLength(1)
    },
  )

  test('one that is to try later does so', async () => {
    const world = await refused({ code: 'overloaded', message: 'later', retry: 'backoff' })
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'overloaded' })
    await world.clock.advance(1_000)
    expect(world.transport.links).toHaveLength(2)
  })

  test('one that is to come back now does so at once, but not twice', async () => {
    const world = await refused({ code: 'session_ended', message: 'again', retry: 'now' })
    expect(world.clock.waits()).toEqual([0])
    await world.clock.advance(0)
    world.transport.last.refuse({ code: 'session_ended', message: 'again', retry: 'now' })
    expect(world.clock.waits()).toEqual([1_000])
  })

  test('a code of a newer server is obeyed by what it says about trying again', async () => {
    const world = await refused({ code: 'of_the_future', message: 'no', retry: 'never' })
    expect(world.client.state()).toMatchObject({ name: 'closed', reason: 'of_the_future' })
  })

  test('a refusal that is none of ours is tried again', async () => {
    const world = await refused({ host: 'says no' })
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'lost' })
  })

  test('presence:closed ends it for good', async () => {
    const world = await liveWorld()
    world.transport.last.closed({ code: 'kicked', message: 'Goodbye.', retry: 'never' })
    world.transport.last.disconnect()
    expect(world.client.state()).toMatchObject({ name: 'closed', reason: 'kicked' })
    await world.clock.advance(3_600_000)
    expect(world.transport.links).toHaveLength(1)
  })

  test('a disconnect by the server without a word ends it for good', async () => {
    const world = await liveWorld()
    world.transport.last.disconnect()
    expect(world.client.state()).toEqual({ name: 'closed', reason: 'ended' })
  })

  test('after an end, only connect begins again', async () => {
    const world = await refused({ code: 'kicked', message: 'no', retry: 'never' })
    world.client.foreground()
    await world.clock.advance(60_000)
    expect(world.transport.links).toHaveLength(1)
    world.client.connect()
    await settle()
    world.transport.last.live()
    expect(world.client.state().name).toBe('live')
  })

  test('which codes may be tried again is the same here as in the table of the protocol', () => {
    for (const [code, { retry }] of Object.entries(ERRORS)) {
      expect([code, new PresenceError(code as ErrorCode).retry]).toEqual([code, retry])
    }
    expect(WATCH_MAX).toBe(SERVER_WATCH_MAX)
    expect(BACKGROUND_GRACE_MAX_MS).toBe(GRACE_MAX)
  })
})

describe('tokens', () => {
  const lifeS = 1_000
  const fresh = (n = 0, nowMs = START) => token({ n, iat: nowMs / 1000, exp: nowMs / 1000 + lifeS })

  const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  const lives = fc.integer({ min: 100, max: 10_000_000 })
  /** A token of which this part of its life is over by this machine's clock, and the delay until its renewal. */
  const delayAt = (life: number, used: number, chance: number) => {
    const iat = START / 1000 - Math.floor(life * used)
    return {
      iat,
      delay: refreshDelayMs(token({ iat, exp: iat + life }), {
        now: START,
        random: chance,
        isRenewed: false,
      })!,
    }
  }

  const delayOf = (text: string, isRenewed = false) =>
    refreshDelayMs(text, { now: START, random: 0, isRenewed })

  test('are renewed at a random 75 to 90 % of their life', () => {
    fc.assert(
      fc.property(chances, lives, fc.double({ min: 0, max: 0.65, noNaN: true }), (chance, life, used) => {
        const { iat, delay } = delayAt(life, used, chance)
        const part = (START + delay - iat * 1000) / (life * 1000)
        expect(part).toBeGreaterThanOrEqual(0.75 - 1e-9)
        expect(part).toBeLessThan(0.9 + 1e-9)
      }),
    )
  })

  test('of any age are renewed after 5 % of a life at the earliest: what looks old may be a clock that is ahead', () => {
    fc.assert(
      fc.property(
        chances,
        lives,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (chance, life, used) => {
          const { delay } = delayAt(life, used, chance)
          expect(delay).toBeGreaterThanOrEqual(0.05 * life * 1000 - 1e-3)
          expect(delay).toBeLessThan((0.9 + 1e-9) * life * 1000)
        },
      ),
    )
  })

  test.each([0.75, 0.8, 0.9, 0.99, 0.999])(
    'are asked for once too often, and then as seldom as ever, when the clock is ahead by %d of a life',
    async (ahead) => {
      let asked = 0
      const clock = fakeClock()
      const world = await liveWorld(undefined, {
        platform: clock,
        token: () => {
          asked += 1
          return fresh(asked, clock.now() - ahead * lifeS * 1000)
        },
      })
      expect(asked).toBe(1)
      for (let renewals = 1; renewals <= 20; renewals++) {
        const elapsedMs = clock.now() - START
        const [wait] = clock.waits()
        if (wait === undefined || elapsedMs + wait > lifeS * 1000) break
        await clock.advance(wait)
        expect(asked).toBe(1 + renewals)
        world.transport.last.answer()
        await settle()
      }
      expect(clock.now() + clock.waits()[0]! - START).toBeGreaterThan(lifeS * 1000)
      expect(asked).toBeLessThanOrEqual(3)
      expect(asked).toBeGreaterThan(1)
      expect(world.errors).toEqual([])
    },
  )

  test.each([1, 10, 100])(
    'of %d s are not asked for without a pause, whatever the clock says and however they are given',
    async (life) => {
      let asked = 0
      const clock = fakeClock()
      const world = await liveWorld(undefined, {
        platform: clock,
        token: () => {
          asked += 1
          const iat = Math.floor(clock.now() / 1000) - life
          return token({ n: asked, iat, exp: iat + life + 1 })
        },
      })
      const stepMs = Math.min(life * 100, 1_000)
      for (let passedMs = 0; passedMs < 2_000 * life; passedMs += stepMs) {
        await clock.advance(stepMs)
        world.transport.last.answer()
        await settle()
      }
      // Two lives have passed: once in three quarters of a life, and once too early at first.
      expect(asked).toBeLessThanOrEqual(5)
    },
  )

  test('that say nothing of their end, or nothing at all, have no known life', () => {
    expect(delayOf(token({ sub: 'ann' }))).toBeUndefined()
    expect(delayOf('opaque')).toBeUndefined()
    expect(delayOf('a.b.c')).toBeUndefined()
    expect(delayOf(token({ exp: 'soon' }))).toBeUndefined()
    expect(delayOf(token({ name: 'Zoë 🚢', exp: START / 1000 + 100 }))).toBe(75_000)
  })

  test('that are from the future for a wrong clock live from now on', () => {
    const iat = START / 1000 + 5_000
    expect(delayOf(token({ iat, exp: iat + 100 }))).toBe(75_000)
    const past = START / 1000 - 5_000
    expect(delayOf(token({ iat: past, exp: past + 100 }))).toBe(75_000)
  })

  test('are renewed over the open connection, again and again', async () => {
    const given: string[] = []
    const clock = fakeClock()
    const world = await liveWorld(undefined, {
      platform: clock,
      token: () => given[given.push(fresh(given.length, clock.now())) - 1]!,
    })
    for (const round of [1, 2]) {
      await clock.advance(825_000)
      expect(world.transport.last.sent).toHaveLength(round)
      expect(world.transport.last.sent.at(-1)).toEqual(['presence:token', { token: given[round] }])
      world.transport.last.answer()
      await settle()
    }
    expect(world.transport.links).toHaveLength(1)
    expect(world.errors).toEqual([])
  })

  test('that cannot be renewed are tried again, later and later, until the server ends the connection', async () => {
    let asked = 0
    const world = await liveWorld(undefined, {
      token: () => {
        asked += 1
        if (asked > 1 && asked < 5) throw new Error('the identity provider is away')
        return fresh(asked)
      },
    })
    await world.clock.advance(825_000)
    expect(asked).toBe(2)
    for (const [retries, delay] of [750, 1_500, 3_000].entries()) {
      expect(world.clock.waits()).toEqual([delay])
      await world.clock.advance(delay)
      expect(asked).toBe(3 + retries)
    }
    expect(world.errors).toHaveLength(3)
    expect(world.transport.last.sent.map(([name]) => name)).toEqual(['presence:token'])
    world.transport.last.lose()
    await world.clock.advance(1_000)
    expect(world.transport.links).toHaveLength(2)
  })

  test('are not renewed where only one was given', async () => {
    const world = await liveWorld(undefined, { token: fresh() })
    expect(world.clock.waits()).toEqual([])
  })

  test('that cannot be had are asked for again, later', async () => {
    let asked = 0
    const world = fakeWorld({
      token: () => {
        asked += 1
        return asked < 3 ? Promise.reject(new Error('away')) : Promise.resolve('token')
      },
    })
    world.client.connect()
    await settle()
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'token_unavailable' })
    await world.clock.advance(2_000)
    expect(world.transport.links).toHaveLength(1)
    expect(world.errors).toHaveLength(2)
  })

  test('that will never be had end it, when the application says so', async () => {
    const world = fakeWorld({
      token: () => {
        throw new PresenceError('token_missing', 'Signed out.')
      },
    })
    world.client.connect()
    await settle()
    expect(world.client.state()).toMatchObject({ name: 'closed', reason: 'token_missing' })
  })

  test('that have ended are not shown again: it waits for a newer one, however late that comes, and says so once', async () => {
    const tokens = ['old', 'new', 'new', 'new', 'new', 'newest']
    const world = fakeWorld({ token: () => tokens.shift()! })
    world.client.connect()
    await settle()
    const ended = { code: 'token_expired', message: 'ended', retry: 'never' }
    world.transport.last.refuse(ended)
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'token_expired' })
    await world.clock.advance(1_000)
    expect(world.transport.last.auth.token).toBe('new')
    world.transport.last.refuse(ended)
    await world.clock.advance(2_000)
    expect(world.client.state()).toMatchObject({ name: 'backingOff', reason: 'token_expired' })
    expect(world.transport.links).toHaveLength(2)
    await world.clock.advance(30_000)
    expect(world.transport.links).toHaveLength(3)
    expect(world.transport.last.auth.token).toBe('newest')
    expect(world.errors).toEqual([expect.objectContaining({ code: 'token_expired' })])
  })

  test('that have ended and are a text end it: there is no other', async () => {
    const world = fakeWorld({ token: 'the only one' })
    world.client.connect()
    await settle()
    world.transport.last.refuse({ code: 'token_expired', message: 'ended', retry: 'never' })
    expect(world.client.state()).toMatchObject({ name: 'closed', reason: 'token_expired' })
  })

  test('that come after the client was closed open nothing', async () => {
    let give: (value: string) => void = () => {}
    const world = fakeWorld({ token: () => new Promise<string>((resolve) => (give = resolve)) })
    world.client.connect()
    await settle()
    world.client.close()
    give('token')
    await world.clock.advance(3_600_000)
    expect(world.transport.links).toHaveLength(0)
    expect(world.client.state()).toEqual({ name: 'closed', reason: 'left' })
  })
})

describe('an end by this side', () => {
  test('close leaves at once, once, from every state', async () => {
    for (const prepare of ['idle', 'connecting', 'syncing', 'live', 'backingOff'] as const) {
      const world = fakeWorld()
      if (prepare !== 'idle') world.client.connect()
      await settle()
      if (prepare === 'syncing') world.transport.last.opened()
      if (prepare === 'live') world.transport.last.live()
      if (prepare === 'backingOff') world.transport.last.lose()
      expect(world.client.state().name).toBe(prepare)
      const states = statesOf(world)
      world.client.close()
      world.client.close()
      await world.clock.advance(3_600_000)
      expect(states).toEqual([prepare, 'closed'])
      expect(world.transport.links.length).toBe(prepare === 'idle' ? 0 : 1)
      if (prepare === 'live' || prepare === 'syncing') expect(world.transport.last.end).toBe('left')
      expect(world.clock.waits()).toEqual([])
    }
  })

  test('leave says which scope, and is over with the answer', async () => {
    const world = await liveWorld()
    const left = world.client.leave({ scope: 'device' })
    expect(world.transport.last.sent).toEqual([['presence:leave', { scope: 'device' }]])
    world.transport.last.answer()
    await left
    expect(world.client.state()).toEqual({ name: 'closed', reason: 'left' })
  })

  test('leave that the server answers with the end of the connection has left, and is not ended', async () => {
    const world = await liveWorld()
    const left = world.client.leave()
    world.transport.last.answer()
    world.transport.last.disconnect()
    await left
    expect(world.client.state()).toEqual({ name: 'closed', reason: 'left' })
  })

  test('leave without a connection says that nobody was told, and closes all the same', async () => {
    const world = fakeWorld()
    world.client.connect()
    await expect(world.client.leave()).rejects.toMatchObject({ code: 'unavailable' })
    expect(world.client.state()).toEqual({ name: 'closed', reason: 'left' })
  })

  test('leave that is never answered is over in time', async () => {
    const world = await liveWorld(undefined, { answerTimeoutMs: 3_000 })
    const left = expect(world.client.leave()).rejects.toMatchObject({ code: 'unavailable' })
    await world.clock.advance(3_000)
    await left
    expect(world.client.state().name).toBe('closed')
  })
})

/** Without the question whether the line still lives. */
const saidOn = ({ transport }: ReturnType<typeof fakeWorld>) =>
  transport.last.sent.filter(([name]) => name !== 'presence:watch')

describe('in the background', () => {
  test('the server is told with which grace, and told again by a connection that was made there', async () => {
    const world = await liveWorld()
    world.client.background(45_000)
    expect(world.transport.last.sent).toEqual([['presence:background', { graceMs: 45_000 }]])
    world.transport.last.lose()
    await world.clock.advance(1_000)
    world.transport.last.live()
    expect(world.transport.last.sent).toEqual([['presence:background', { graceMs: 45_000 }]])
    world.client.foreground()
    world.transport.last.lose()
    await world.clock.advance(2_000)
    world.transport.last.live()
    expect(world.transport.last.sent).toEqual([])
  })

  test('the way back is told once, and only to whom the background was told', async () => {
    const world = await liveWorld()
    world.client.foreground()
    expect(saidOn(world)).toEqual([])
    world.client.background(45_000)
    world.client.foreground()
    world.client.foreground()
    expect(saidOn(world)).toEqual([
      ['presence:background', { graceMs: 45_000 }],
      ['presence:foreground', {}],
    ])
  })

  test('typing takes it back, too, so that foreground has nothing more to say', async () => {
    const world = await liveWorld()
    world.client.background(45_000)
    world.client.startTyping('c')
    world.client.foreground()
    expect(saidOn(world).map(([name]) => name)).toEqual(['presence:background', 'typing:start'])
  })

  test('a grace that is out of range is the nearest one that is not', async () => {
    const world = await liveWorld()
    world.client.background(1e9)
    world.client.background(-5)
    expect(world.transport.last.sent.map(([, payload]) => payload)).toEqual([
      { graceMs: 60_000 },
      { graceMs: 0 },
    ])
  })
})

describe('the device', () => {
  test('gets an id that is kept, and the program one that is not', async () => {
    const kept = new Map<string, string>()
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
    }
    const auths = []
    for (const seed of [0.1, 0.2]) {
      const clock = fakeClock()
      clock.chances = [seed]
      const transport = fakeTransport()
      createClient({ token: 'token', platform: clock, storage }, transport).connect()
      await settle()
      auths.push(transport.last.auth)
    }
    expect(auths[0]!.deviceId).toMatch(/^[a-z0-9]{24}$/u)
    expect(auths[1]!.deviceId).toBe(auths[0]!.deviceId)
    expect(auths[1]!.clientId).not.toBe(auths[0]!.clientId)
    expect([...kept.keys()]).toEqual(['vigie.deviceId'])
  })

  test('has no id where storage fails, and connects all the same', async () => {
    const world = fakeWorld({
      storage: {
        getItem: () => Promise.reject(new Error('full')),
        setItem: () => {},
      },
    })
    world.client.connect()
    await settle()
    expect(world.transport.last.auth).not.toHaveProperty('deviceId')
    expect(world.errors).toEqual([new Error('full')])
  })
})

test('diagnostics count what came and went, and measure an answer', async () => {
  const world = await liveWorld()
  await world.clock.advance(500)
  world.client.startTyping('c')
  await world.clock.advance(42)
  world.transport.last.answer()
  await settle()
  world.transport.last.diff({ at: at(2) })
  expect(world.client.diagnostics()).toEqual({
    state: { name: 'live' },
    states: 1,
    diffs: 1,
    sent: 1,
    errors: 0,
    lastError: undefined,
    lastActivityMs: START + 542,
    roundTripMs: 42,
    reconnections: 0,
    position: at(2),
  })
})
