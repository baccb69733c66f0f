// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createAccount } from '../src/session/account.js'
import { RefusedError } from '../src/session/api.js'
import type { Session } from '../src/session/session.js'

/** Attempts to open a session, answered by the test. */
function fakeOpening() {
  const attempts: {
    userId: string
    resolve: (session: Session) => void
    reject: (error: unknown) => void
  }[] = []
  const open = (userId: string) =>
    new Promise<Session>((resolve, reject) => attempts.push({ userId, resolve, reject }))
  const session = { end: vi.fn() } as unknown as Session
  return { attempts, open, session }
}

async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0)
}

describe('an account, after a reload', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is opening from its first moment on: nobody is asked who they are', () => {
    const { open } = fakeOpening()
    const account = createAccount({ open, remembered: () => 'ana' })
    account.restore()
    expect(account.state()).toEqual({ name: 'opening', userId: 'ana', hasFailed: false })
  })

  it('asks a server that does not answer again, later each time, and at once when told to', async () => {
    const { open, attempts, session } = fakeOpening()
    const account = createAccount({ open, remembered: () => 'ana' })
    account.restore()
    attempts[0]?.reject(new Error('no answer'))
    await settle()
    expect(account.state()).toMatchObject({ name: 'opening', hasFailed: true })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(attempts).toHaveLength(2)
    attempts[1]?.reject(new Error('no answer'))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(attempts).toHaveLength(2)
    account.tryNow()
    expect(attempts).toHaveLength(3)
    attempts[2]?.resolve(session)
    await settle()
    expect(account.state()).toEqual({ name: 'in', session })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('forgets somebody whom the server does not know', async () => {
    const { open, attempts } = fakeOpening()
    const forget = vi.fn()
    const account = createAccount({ open, remembered: () => 'nobody', forget })
    account.restore()
    attempts[0]?.reject(new RefusedError('demo/login', 404))
    await settle()
    expect(account.state()).toEqual({ name: 'out' })
    expect(forget).toHaveBeenCalledOnce()
  })

  it('ends a session that opens after somebody went: the next person sees nothing of it', async () => {
    const { open, attempts, session } = fakeOpening()
    const account = createAccount({ open, remembered: () => 'ana', forget: vi.fn() })
    account.restore()
    account.signOut()
    account.signIn('ben')
    attempts[0]?.resolve(session)
    await settle()
    expect(session.end).toHaveBeenCalledOnce()
    expect(account.state()).toMatchObject({ name: 'opening', userId: 'ben' })
  })
})

describe('an account that one chooses', () => {
  it('goes back to the choice, and says why, when the server does not answer', async () => {
    const { open, attempts } = fakeOpening()
    const account = createAccount({ open, remembered: () => undefined })
    account.restore()
    expect(account.state()).toEqual({ name: 'out' })
    account.signIn('ana')
    attempts[0]?.reject(new Error('no answer'))
    await vi.waitFor(() => expect(account.state()).toEqual({ name: 'failed', userId: 'ana' }))
  })
})
