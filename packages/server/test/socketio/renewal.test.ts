import { afterEach, describe, expect, it, vi } from 'vitest'
import { startIssuer } from '../support/issuer.js'
import { startWire, token } from '../support/wire.js'

describe('the end of a token', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is compared with the wall clock again and again: the clock may have been set', async () => {
    await using wire = await startWire({ presence: { tokenCheckMs: 100 } })
    const inAnHour = { exp: Date.now() / 1_000 + 3_600 }
    const ann = await wire.connect('ann', { auth: { token: token('ann', inAnHour) } })
    const bob = await wire.connect('bob')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_601_000 })
    await ann.until(({ ends }) => ends.length > 0)
    expect([ann.ends, bob.ends]).toEqual([['transport close'], []])
  })

  it('is that of the token which was sent last, even if its check was done first', async () => {
    const inMs = (ms: number) => ({ expiresAt: Date.now() + ms })
    let answer = () => {}
    const slow = new Promise<void>((resolve) => {
      answer = resolve
    })
    await using wire = await startWire({
      presence: {
        authenticate: async ({ handshake }) => {
          const { token: given } = handshake.auth as { token: string }
          if (given === 'first') await slow
          return { userId: 'ann', ...(given !== 'last' && inMs(given === 'first' ? 100 : 60_000)) }
        },
      },
    })
    const ann = await wire.connect('ann', { auth: { token: 'ann' } })
    const renewals = ['first', 'last'].map((given) => ann.ask('presence:token', { token: given }))
    // Answered after both have come.
    await ann.ask('presence:foreground')
    answer()
    expect(await Promise.all(renewals)).toEqual([{ ok: true }, { ok: true }])
    expect((ann.server().handshake.auth as { token: string }).token).toBe('last')
    // Somebody whose token ends as late as that of the first would have.
    const other = await wire.connect('ann', { auth: { token: 'other' } })
    expect(await other.ask('presence:token', { token: 'first' })).toEqual({ ok: true })
    await other.until(({ ends }) => ends.length > 0)
    expect(ann.socket.connected).toBe(true)
  })
})

describe('new tokens behind a check that does not answer', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Checks named `slow…` wait until they are let go. */
  async function start() {
    const checked: string[] = []
    const held: (() => void)[] = []
    const wire = await startWire({
      presence: {
        authenticate: async ({ handshake }) => {
          const { token: given } = handshake.auth as { token: string }
          checked.push(given)
          if (given.startsWith('slow')) await new Promise<void>((go) => held.push(go))
          if (given.endsWith('bad')) throw new Error('bad')
          return { userId: 'ann' }
        },
      },
    })
    const ann = await wire.connect('ann', { auth: { token: 'ann' } })
    checked.splice(0)
    return { wire, ann, checked, letGo: () => held.shift()?.() }
  }
  const superseded = { ok: false, error: { code: 'token_superseded' } }

  it('do not pile up: one is checked, the last one waits, and the others are answered at once', async () => {
    const { wire, ann, checked, letGo } = await start()
    await using _ = wire
    const first = ann.ask('presence:token', { token: 'slow' })
    const between = Array.from({ length: 500 }, (__, i) => ann.ask('presence:token', { token: `t${i}` }))
    const last = ann.ask('presence:token', { token: 'last' })
    // Answered while the first check is still under way.
    for (const answer of await Promise.all(between)) expect(answer).toMatchObject(superseded)
    expect(checked).toEqual(['slow'])
    letGo()
    expect([await first, await last]).toEqual([{ ok: true }, { ok: true }])
    expect(checked).toEqual(['slow', 'last'])
    expect((ann.server().handshake.auth as { token: string }).token).toBe('last')
  })

  it('go on with the one that waits when the one before it is refused, and are free again afterwards', async () => {
    const { wire, ann, checked, letGo } = await start()
    await using _ = wire
    const answers = ['slow bad', 'slow good'].map((token) => ann.ask('presence:token', { token }))
    await wire.until('the first check', () => checked.length === 1)
    letGo()
    expect(await answers[0]).toMatchObject({ error: { code: 'token_invalid' } })
    const waiting = ann.ask('presence:token', { token: 'third' })
    await ann.ask('presence:foreground')
    letGo()
    expect([await answers[1], await waiting]).toEqual([{ ok: true }, { ok: true }])
    expect(await ann.ask('presence:token', { token: 'fourth' })).toEqual({ ok: true })
    expect(checked).toEqual(['slow bad', 'slow good', 'third', 'fourth'])
  })

  it('are not checked any more once the session has ended', async () => {
    const { wire, ann, checked, letGo } = await start()
    await using _ = wire
    ann.socket.emit('presence:token', { token: 'slow' })
    ann.socket.emit('presence:token', { token: 'waits' })
    await ann.ask('presence:foreground')
    await ann.drop()
    letGo()
    const other = await wire.connect('ann', { auth: { token: 'other' } })
    expect(await other.ask('presence:token', { token: 'new' })).toEqual({ ok: true })
    expect(checked).toEqual(['slow', 'other', 'new'])
  })

  it('do not pile up behind an issuer of keys that hangs, nor do requests to it', async () => {
    await using issuer = await startIssuer()
    issuer.publish('1')
    const jwt = { jwksUrl: issuer.url }
    await using wire = await startWire({
      presence: { auth: jwt, authenticateMs: 1_000, eventsBurst: 1_000 },
    })
    const ann = await wire.connect('ann', { auth: { token: issuer.token('1', 'ann') } })
    // Keys are not fetched again sooner for a name that is not known.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6_000 })
    issuer.hang()
    const asked = Array.from({ length: 300 }, () =>
      ann.ask('presence:token', { token: issuer.token('2', 'ann') }),
    )
    const codes = (await Promise.all(asked)).map((answer) => (answer.ok ? 'ok' : answer.error.code))
    expect([codes[0], codes.at(-1), new Set(codes.slice(1, -1))]).toEqual([
      ...['unavailable', 'unavailable'],
      new Set(['token_superseded']),
    ])
    expect(issuer.requests()).toBe(2)
    expect(ann.socket.connected).toBe(true)
    expect(wire.presence.get('ann').online).toBe(true)
  })

  it('and those of one session do not wait for those of another', async () => {
    const { wire, ann, letGo } = await start()
    await using _ = wire
    const other = await wire.connect('ann', { auth: { token: 'other' } })
    const first = ann.ask('presence:token', { token: 'slow' })
    expect(await other.ask('presence:token', { token: 'new' })).toEqual({ ok: true })
    letGo()
    expect(await first).toEqual({ ok: true })
  })
})
