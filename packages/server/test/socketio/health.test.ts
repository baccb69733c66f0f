/** What `presence.health()` tells a monitor, each thing made to happen. */
import { expect, it } from 'vitest'
import { createFeedCounts } from '../../src/core/index.js'
import { memoryMemberships } from '../../src/memory/index.js'
import { withOutages, type MembershipsWithOutages } from '../../src/testing/outages.js'
import { startWire } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob']]] } as const

it('says nothing is wrong of a server that has just let somebody in', async () => {
  await using wire = await startWire({ rows })
  await wire.connect('ann')
  expect(wire.presence.health()).toEqual({
    feedAgeMs: undefined,
    areReadsFailing: false,
    rereadOverdueMs: 0,
    admissionWaiting: 0,
    admissionWaitMs: 0,
    loopLagMs: expect.any(Number) as number,
    pressure: 0,
  })
})

it('says that reads fail while the store is away, and no longer once one has succeeded', async () => {
  let outages: MembershipsWithOutages | undefined
  await using wire = await startWire({ rows, wrap: (inner) => (outages = withOutages(inner)) })
  await wire.connect('ann')
  outages?.goAway()
  wire.client('bob', { reconnection: true })
  await wire.until('the read has failed', () => wire.presence.health().areReadsFailing)
  outages?.comeBack()
  await wire.until('reads succeed', () => !wire.presence.health().areReadsFailing)
})

it('says how many wait to be let in, and that the first of them has waited', async () => {
  let unblock = () => {}
  const blocked = new Promise<void>((resolve) => {
    unblock = resolve
  })
  await using wire = await startWire({
    rows,
    presence: {
      admittingMax: 1,
      authenticate: async ({ handshake }) => {
        await blocked
        return { userId: (handshake.auth as { token: string }).token }
      },
    },
  })
  for (const token of ['ann', 'bob', 'cid']) wire.client(token, { auth: { token } })
  await wire.until('two wait', () => wire.presence.health().admissionWaiting === 2)
  // Whoever comes makes the wire ask again; all three may have come at once, before any time has passed.
  const more: string[] = []
  while (wire.presence.health().admissionWaitMs === 0) {
    const next = `more-${more.push('')}`
    wire.client(next, { auth: { token: next } })
    await wire.until('one more waits', () => wire.presence.health().admissionWaiting === 2 + more.length)
  }
  unblock()
  await wire.until('nobody waits', () => wire.presence.sizes().connections === 3 + more.length)
  expect(wire.presence.health()).toMatchObject({ admissionWaiting: 0, admissionWaitMs: 0 })
})

it('tells how late the loop is while it stands still', async () => {
  await using wire = await startWire({ rows })
  const until = performance.now() + 300
  while (performance.now() < until);
  expect(wire.presence.health().loopLagMs).toBeGreaterThanOrEqual(200)
})

it('asks the memberships how old their feed is, where they have one', async () => {
  await using wire = await startWire({
    rows,
    wrap: () => ({ ...memoryMemberships(), feed: () => createFeedCounts(performance.now() - 5_000) }),
  })
  expect(wire.presence.health().feedAgeMs).toBeGreaterThanOrEqual(5_000)
})
