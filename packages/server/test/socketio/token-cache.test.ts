import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resolveSettings } from '../../src/core/index.js'
import { createAuthenticate } from '../../src/socketio/authenticate.js'
import { withTokenCache } from '../../src/socketio/token-cache.js'
import { bearing, startIssuer } from '../support/issuer.js'

const limits = resolveSettings({ tokenCacheMax: 100, tokenClockToleranceMs: 0 })

describe('tokens that were found good', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Tokens are `user` or `user until <end>`; `bad` is none. */
  function cacheOf(max: number, toleranceMs = 0) {
    const world: { keys: string | undefined } = { keys: 'old' }
    const asked: string[] = []
    const check = withTokenCache({
      max,
      toleranceMs,
      keysInForce: () => world.keys,
      check(token) {
        asked.push(token)
        const [userId = '', end] = token.split(' until ')
        if (userId === 'bad') return Promise.reject(new Error('bad'))
        return Promise.resolve({ userId, expiresAt: end === undefined ? undefined : Number(end) })
      },
    })
    return {
      world,
      async check(...tokens: string[]) {
        const users: string[] = []
        for (const token of tokens) users.push((await check(token)).userId)
        return users
      },
      refused: (token: string) => expect(check(token)).rejects.toThrow('bad'),
      asked: () => asked.splice(0),
    }
  }

  it('are checked once', async () => {
    const cache = cacheOf(10)
    expect(await cache.check('ann', 'ann', 'bob', 'ann')).toEqual(['ann', 'ann', 'bob', 'ann'])
    expect(cache.asked()).toEqual(['ann', 'bob'])
  })

  it('are checked again after their end', async () => {
    const cache = cacheOf(10)
    await cache.check('ann until 1005000')
    vi.setSystemTime(1_004_999)
    await cache.check('ann until 1005000')
    expect(cache.asked()).toHaveLength(1)
    vi.setSystemTime(1_005_000)
    await cache.check('ann until 1005000')
    expect(cache.asked()).toHaveLength(1)
  })

  it('count until the clock tolerance after their end is over, too', async () => {
    const cache = cacheOf(10, 5_000)
    await cache.check('ann until 1005000')
    vi.setSystemTime(1_009_999)
    await cache.check('ann until 1005000')
    expect(cache.asked()).toHaveLength(1)
    vi.setSystemTime(1_010_000)
    await cache.check('ann until 1005000')
    expect(cache.asked()).toHaveLength(1)
  })

  it('are checked again when other keys are in force, or it is not certain which', async () => {
    const cache = cacheOf(10)
    await cache.check('ann', 'ann')
    cache.world.keys = 'new'
    await cache.check('ann', 'ann')
    expect(cache.asked()).toEqual(['ann', 'ann'])
    cache.world.keys = undefined
    await cache.check('ann', 'ann')
    expect(cache.asked()).toEqual(['ann', 'ann'])
  })

  it('by keys that were exchanged during the check are not taken for tokens of the new ones', async () => {
    let keys = 'old'
    let asked = 0
    const check = withTokenCache({
      max: 10,
      toleranceMs: 0,
      keysInForce: () => keys,
      check() {
        asked++
        keys = 'new'
        return Promise.resolve({ userId: 'ann' })
      },
    })
    await check('ann')
    await check('ann')
    expect(asked).toBe(2)
  })

  it('do not include those that were refused', async () => {
    const cache = cacheOf(10)
    await cache.refused('bad')
    await cache.refused('bad')
    expect(cache.asked()).toEqual(['bad', 'bad'])
  })

  it('are at most tokenCacheMax, the oldest go first', async () => {
    const cache = cacheOf(2)
    await cache.check('ann', 'bob', 'cid')
    cache.asked()
    await cache.check('cid', 'bob', 'ann')
    expect(cache.asked()).toEqual(['ann'])
  })

  it('are none with tokenCacheMax 0', async () => {
    const cache = cacheOf(0)
    await cache.check('ann', 'ann')
    expect(cache.asked()).toEqual(['ann', 'ann'])
  })
})

describe('with the keys that an issuer publishes', () => {
  const verify = vi.spyOn(globalThis.crypto.subtle, 'verify')
  beforeEach(() => {
    verify.mockClear()
    vi.useFakeTimers({ toFake: ['Date'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const pass = (ms: number) => vi.setSystemTime(Date.now() + ms)

  it('a token costs one signature, however often it comes', async () => {
    await using issuer = await startIssuer()
    const authenticate = createAuthenticate({ jwt: { jwksUrl: issuer.url } }, limits)
    const [first, ann] = [issuer.token('1', 'eve'), issuer.token('1', 'ann')]
    issuer.publish('1')
    // The first check of all brings the keys; only then is it known which they are.
    await authenticate(bearing(first))
    verify.mockClear()
    for (let time = 0; time < 5; time++) expect((await authenticate(bearing(ann))).userId).toBe('ann')
    expect(verify).toHaveBeenCalledTimes(1)
    expect(issuer.requests()).toBe(1)
  })

  it('a token with another payload and the same signature is another token', async () => {
    await using issuer = await startIssuer()
    const authenticate = createAuthenticate({ jwt: { jwksUrl: issuer.url } }, limits)
    const ann = issuer.token('1', 'ann')
    issuer.publish('1')
    for (let time = 0; time < 3; time++) await authenticate(bearing(ann))
    const [head, , signature] = ann.split('.')
    const payload = Buffer.from(JSON.stringify({ sub: 'bob' })).toString('base64url')
    await expect(authenticate(bearing(`${head}.${payload}.${signature}`))).rejects.toMatchObject({
      code: 'token_invalid',
    })
  })

  it('a token ends by the clock, kept or not', async () => {
    await using issuer = await startIssuer()
    const authenticate = createAuthenticate({ jwt: { jwksUrl: issuer.url } }, limits)
    const ann = issuer.token('1', 'ann', { exp: Math.floor(Date.now() / 1_000) + 10 })
    issuer.publish('1')
    for (let time = 0; time < 3; time++) await authenticate(bearing(ann))
    pass(10_001)
    await expect(authenticate(bearing(ann))).rejects.toMatchObject({ code: 'token_expired' })
  })

  it('the tokens of a key that was withdrawn are refused as soon as the keys were fetched anew', async () => {
    await using issuer = await startIssuer()
    const authenticate = createAuthenticate({ jwt: { jwksUrl: issuer.url } }, limits)
    const [ann, bob] = [issuer.token('1', 'ann'), issuer.token('2', 'bob')]
    issuer.publish('1')
    for (let time = 0; time < 3; time++) await authenticate(bearing(ann))
    issuer.publish('2')
    pass(6_000)
    expect((await authenticate(bearing(ann))).userId).toBe('ann')
    // A name that is not known yet is a reason to ask the issuer.
    expect((await authenticate(bearing(bob))).userId).toBe('bob')
    await expect(authenticate(bearing(ann))).rejects.toMatchObject({ code: 'token_invalid' })
  })

  it('and in any case ten minutes after they were fetched', async () => {
    await using issuer = await startIssuer()
    const authenticate = createAuthenticate({ jwt: { jwksUrl: issuer.url } }, limits)
    const ann = issuer.token('1', 'ann')
    issuer.publish('1')
    for (let time = 0; time < 3; time++) await authenticate(bearing(ann))
    issuer.publish('2')
    pass(599_000)
    expect((await authenticate(bearing(ann))).userId).toBe('ann')
    pass(1_001)
    await expect(authenticate(bearing(ann))).rejects.toMatchObject({ code: 'token_invalid' })
  })

  it('the tokens of a key that stays are not checked again only because the keys were fetched', async () => {
    await using issuer = await startIssuer()
    const authenticate = createAuthenticate({ jwt: { jwksUrl: issuer.url } }, limits)
    const [first, ann] = [issuer.token('1', 'eve'), issuer.token('1', 'ann')]
    issuer.publish('1')
    await authenticate(bearing(first))
    await authenticate(bearing(ann))
    pass(600_001)
    await authenticate(bearing(first))
    expect(issuer.requests()).toBe(2)
    verify.mockClear()
    await authenticate(bearing(ann))
    expect(verify).not.toHaveBeenCalled()
  })
})
