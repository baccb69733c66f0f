import { afterEach, describe, expect, it, vi } from 'vitest'
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
