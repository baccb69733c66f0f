/** A server that is asked by more than it lets in: clients come back by themselves, each at a time of its own. */
import { test } from 'vitest'
import { startWire, token } from '../../server/test/support/wire.js'
import { isLive, openSdk } from './support/sdk.js'

test('a client that waited too long at the door comes back by itself, later and later, until it is let in', async () => {
  let isBlocked = true
  let unblock = () => {}
  const eves = new Promise<void>((resolve) => {
    unblock = resolve
  })
  await using wire = await startWire({
    rows: { conversations: [['c', ['ann', 'eve']]] },
    presence: {
      admittingMax: 1,
      admissionWaitMs: 50,
      authenticateMs: 60_000,
      authenticate: async () => {
        if (!isBlocked) return { userId: 'ann' }
        isBlocked = false
        await eves
        return { userId: 'eve' }
      },
    },
  })
  wire.client('eve')
  await wire.until('the door is blocked', () => !isBlocked)
  using ann = openSdk(wire.url, { token: token('ann') })
  await ann.until('sent away twice', (view) => {
    const state = view.state()
    return state.name === 'backingOff' && state.attempt >= 2
  })
  unblock()
  await ann.until('live', isLive)
})
