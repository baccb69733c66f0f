import { createSign, generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { resolveSettings, type Settings } from '../../src/core/index.js'
import { createAuthenticate } from '../../src/socketio/authenticate.js'
import type { JwtOptions } from '../../src/socketio/index.js'
import { bearing, startIssuer } from '../support/issuer.js'
import { SECRET, startWire, token } from '../support/wire.js'

/** A second of the wall clock, at which all claims below are. */
const NOW_S = 1_700_000_000

function check(jwt: JwtOptions, settings: Partial<Settings> = {}) {
  const authenticate = createAuthenticate({ jwt }, resolveSettings(settings))
  return async (given: unknown, authorization?: string): Promise<string> => {
    try {
      return (await authenticate(bearing(given, authorization))).userId
    } catch (error) {
      return (error as { code: string }).code
    }
  }
}

describe('the clock tolerance', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Checks tokens with these claims by a secret, and by published keys: two libraries. */
  async function byBothLibraries(settings: Partial<Settings>, claims: readonly object[]) {
    await using issuer = await startIssuer()
    issuer.publish('1')
    vi.useFakeTimers({ toFake: ['Date'], now: NOW_S * 1_000 })
    const bySecret = check({ secret: SECRET }, settings)
    const byKeys = check({ jwksUrl: issuer.url }, settings)
    const outcomes: (readonly [string, string])[] = []
    for (const each of claims) {
      outcomes.push([
        await bySecret(token('ann', each as Record<string, unknown>)),
        await byKeys(issuer.token('1', 'ann', each)),
      ])
    }
    return outcomes
  }
  const both = (outcome: string) => [outcome, outcome]

  it('lets in a token whose issuer’s clock is a little ahead, and none whose clock is far ahead', async () => {
    const claims = [{ nbf: NOW_S + 2 }, { nbf: NOW_S + 5 }, { nbf: NOW_S + 6 }]
    expect(await byBothLibraries({}, claims)).toEqual([both('ann'), both('ann'), both('token_invalid')])
  })

  it('lets in a token that has just ended, and none that ended longer ago', async () => {
    const claims = [{ exp: NOW_S }, { exp: NOW_S - 4 }, { exp: NOW_S - 5 }, { exp: NOW_S - 60 }]
    expect(await byBothLibraries({}, claims)).toEqual([
      both('ann'),
      both('ann'),
      both('token_expired'),
      both('token_expired'),
    ])
  })

  it('is tokenClockToleranceMs: none with 0, a minute with 60,000', async () => {
    const claims = [{ nbf: NOW_S + 1 }, { nbf: NOW_S }, { exp: NOW_S }, { exp: NOW_S + 1 }]
    expect(await byBothLibraries({ tokenClockToleranceMs: 0 }, claims)).toEqual([
      both('token_invalid'),
      both('ann'),
      both('token_expired'),
      both('ann'),
    ])
    expect(await byBothLibraries({ tokenClockToleranceMs: 60_000 }, [{ nbf: NOW_S + 60 }])).toEqual([
      both('ann'),
    ])
  })

  it('has no say in `iat`, which tells when a token was made and refuses nobody', async () => {
    expect(await byBothLibraries({}, [{ iat: NOW_S + 2 }, { iat: NOW_S + 3_600 }])).toEqual([
      both('ann'),
      both('ann'),
    ])
  })

  it('holds for a token that is kept as good, too', async () => {
    await using issuer = await startIssuer()
    issuer.publish('1')
    vi.useFakeTimers({ toFake: ['Date'], now: NOW_S * 1_000 })
    const byKeys = check({ jwksUrl: issuer.url })
    const ann = issuer.token('1', 'ann', { exp: NOW_S + 10 })
    const at = async (second: number) => {
      vi.setSystemTime((NOW_S + second) * 1_000)
      return byKeys(ann)
    }
    expect([await at(0), await at(1), await at(14), await at(15)]).toEqual([
      ...['ann', 'ann', 'ann', 'token_expired'],
    ])
  })

  it('holds for the end that a host’s own check tells', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 })
    let expiresAt = 995_001
    const authenticate = createAuthenticate(
      { authenticate: () => ({ userId: 'ann', expiresAt }) },
      resolveSettings(),
    )
    expect(await authenticate(bearing('any'))).toEqual({ userId: 'ann', expiresAt: 1_000_001 })
    expiresAt = 995_000
    await expect(authenticate(bearing('any'))).rejects.toMatchObject({ code: 'token_expired' })
  })

  it('is over before a session is ended, wherever the wall clock was set to', async () => {
    await using wire = await startWire({ presence: { tokenCheckMs: 100, tokenClockToleranceMs: 60_000 } })
    const startedAt = Date.now()
    const endingIn = (seconds: number) => ({
      auth: { token: token('ann', { exp: startedAt / 1_000 + seconds }) },
    })
    // Its token has ended already, and it is let in.
    const first = await wire.connect('ann', endingIn(-1))
    const second = await wire.connect('ann', endingIn(600))
    const third = await wire.connect('ann', endingIn(1_200))
    // The end of the first and its tolerance are over, the second's token has ended, the third's has not.
    vi.useFakeTimers({ toFake: ['Date'], now: startedAt + 630_000 })
    await first.until(({ ends }) => ends.length > 0)
    expect([second.ends, third.ends]).toEqual([[], []])
    vi.setSystemTime(startedAt + 660_001)
    await second.until(({ ends }) => ends.length > 0)
    expect(third.ends).toEqual([])
  })
})

describe('a token in the Authorization header', () => {
  const bySecret = check({ secret: SECRET })
  const ann = token('ann')

  it.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])('is found after the scheme %s', async (scheme) => {
    expect(await bySecret(undefined, `${scheme} ${ann}`)).toBe('ann')
  })

  it.each([2, 3, 10])('is found after %d spaces', async (spaces) => {
    expect(await bySecret(undefined, `Bearer${' '.repeat(spaces)}${ann}`)).toBe('ann')
  })

  it.each([['Bearer'], ['Bearer '], ['bearer   ']])('is missing in "%s"', async (header) => {
    expect(await bySecret(undefined, header)).toBe('token_missing')
  })

  it.each([`Basic ${ann}`, `Bearer${ann}`, ann, 'Negotiate', ''])(
    'is missing under another scheme, and the refusal says so: %s',
    async (header) => {
      const authenticate = createAuthenticate({ jwt: { secret: SECRET } }, resolveSettings())
      await expect(authenticate(bearing(undefined, header))).rejects.toMatchObject({
        code: 'token_missing',
        message: expect.stringContaining('another scheme than Bearer'),
      })
    },
  )

  it.each([`Bearer ${ann} ${ann}`, `Bearer "${ann}"`, `Bearer\t${ann} x`])(
    'is invalid with more than one word after the scheme: %s',
    async (header) => {
      expect(await bySecret(undefined, header)).toMatch(/^token_(invalid|missing)$/)
    },
  )

  it('counts only where auth.token is absent, null or empty', async () => {
    const bob = `Bearer ${token('bob')}`
    for (const given of [undefined, null, '']) expect(await bySecret(given, bob)).toBe('bob')
    expect(await bySecret(ann, bob)).toBe('ann')
    expect(await bySecret('none', bob)).toBe('token_invalid')
    expect(await bySecret(7, bob)).toBe('token_invalid')
  })

  it('comes over a real connection as a client writes it', async () => {
    await using wire = await startWire()
    for (const Authorization of [`bearer ${ann}`, `Bearer  ${ann}`]) {
      await wire.connect('ann', { auth: { token: undefined }, extraHeaders: { Authorization } })
    }
    expect(wire.presence.get('ann').count).toBe(2)
  })
})

describe('two secrets while one is exchanged', () => {
  const signed = (secret: string, claims = {}) => token('ann', claims, secret)

  it('are both good, in any order, and no third is', async () => {
    for (const secret of [
      ['old', 'new'],
      ['new', 'old'],
    ]) {
      const byEither = check({ secret })
      expect([await byEither(signed('old')), await byEither(signed('new'))]).toEqual(['ann', 'ann'])
      expect(await byEither(signed('other'))).toBe('token_invalid')
    }
  })

  it('refuse an ended token of the second as ended, not as wrongly signed', async () => {
    const byEither = check({ secret: ['new', 'old'] })
    const ended = { exp: Date.now() / 1_000 - 60 }
    expect([await byEither(signed('old', ended)), await byEither(signed('new', ended))]).toEqual([
      'token_expired',
      'token_expired',
    ])
  })

  it('may be public keys, of different kinds, too', async () => {
    const pairs = [
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('rsa', { modulusLength: 2_048 }),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ]
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const tokens = pairs.map(({ privateKey: key }) => {
      const isEc = key.asymmetricKeyType === 'ec'
      const text = `${part({ alg: isEc ? 'ES256' : 'RS256' })}.${part({ sub: 'ann' })}`
      const signature = createSign('sha256').update(text)
      return `${text}.${signature.sign(isEc ? { key, dsaEncoding: 'ieee-p1363' } : key).toString('base64url')}`
    })
    const secret = pairs
      .slice(0, 2)
      .map(({ publicKey }) => String(publicKey.export({ format: 'pem', type: 'spki' })))
    const byEither = check({ secret, algorithms: ['ES256', 'RS256'] })
    const outcomes: string[] = []
    for (const each of tokens) outcomes.push(await byEither(each))
    expect(outcomes).toEqual(['ann', 'ann', 'token_invalid'])
  })
})
