/** The client against the server as a host attaches it: real sockets, rows in memory. */
import { describe, expect, test } from 'vitest'
import { startWire, token, type Wire } from '../../server/test/support/wire.js'
import type { PresenceClientOptions } from '../src/index.js'
import { defaultPlatform } from '../src/platform.js'
import { token as unsigned } from './support/fakes.js'
import { isLive, openSdk, type Sdk } from './support/sdk.js'

const rows = {
  groups: [['g', ['ann', 'bob', 'cid']]],
  conversations: [
    ['c', ['ann', 'bob']],
    ['d', ['ann', 'bob', 'cid']],
  ],
} as const

function sdk(wire: Wire, userId: string, options: Partial<PresenceClientOptions> = {}): Sdk {
  return openSdk(wire.url, { token: token(userId), ...options })
}

/** Live, and the server has noticed the loss of its connection since. It does not come back by itself. */
async function liveThenLost(wire: Wire, mine: Sdk): Promise<void> {
  await mine.until('live', isLive)
  mine.cut()
  await mine.until('lost', (view) => view.state().name === 'backingOff')
  const isGone = () =>
    [...wire.io.sockets.sockets.values()].every((socket) => socket.id !== mine.client.socket.id)
  await wire.until('the loss', isGone)
}

describe('a client on a real server', () => {
  test('has a whole picture of its groups, conversations and devices once it is live', async () => {
    await using wire = await startWire({ rows })
    await wire.connect('bob')
    using ann = sdk(wire, 'ann', { deviceId: 'phone', label: 'Phone' })
    await ann.until('live', isLive)
    const { client } = ann
    expect([...client.groups()]).toEqual(['g'])
    expect([...client.conversations()].sort()).toEqual(['c', 'd'])
    expect([...client.getOnlineUsersInConversation('c')].sort()).toEqual(['ann', 'bob'])
    expect([...client.getOnlineUsersInGroup('g')].sort()).toEqual(['ann', 'bob'])
    expect(client.conversationOccupancy('d')).toEqual({ mode: 'names', members: 3, online: 2 })
    expect(client.presence('cid')).toEqual({ status: 'known', online: false, count: 0 })
    expect(client.presence('stranger').status).toBe('unknown')
    expect(client.devices()).toMatchObject({ count: 1, devices: [{ deviceId: 'phone', label: 'Phone' }] })
    expect(ann.frames.map(([name]) => name)).toEqual(['presence:state'])
  })

  test('shows who comes and who goes', async () => {
    await using wire = await startWire({ rows })
    using ann = sdk(wire, 'ann')
    await ann.until('live', isLive)
    const bob = await wire.connect('bob')
    await ann.until('bob is online', (view) => view.isUserOnlineInConversation('c', 'bob'))
    bob.socket.disconnect()
    await ann.until('bob is offline', (view) => !view.isUserOnlineInConversation('c', 'bob'))
    expect(ann.client.presence('bob')).toEqual({ status: 'known', online: false, count: 0 })
  })

  test('shows who types, and says it to clients of both protocols', async () => {
    await using wire = await startWire({ rows })
    using ann = sdk(wire, 'ann')
    using bob = sdk(wire, 'bob')
    const cid = await wire.connect('cid')
    await ann.until('live', isLive)
    await bob.until('live', isLive)
    bob.client.startTyping('d')
    await ann.until('bob types', (view) => view.typing('d').includes('bob'))
    await cid.until('bob types in d')
    bob.client.stopTyping('d')
    await ann.until('bob stops', (view) => view.typing('d').length === 0)
    await cid.until('bob stops in d')
    expect(bob.client.typing('d')).toEqual([])
    expect([...ann.errors, ...bob.errors]).toEqual([])
  })

  test('follows rows that come and go, those of others and its own', async () => {
    await using wire = await startWire({ rows })
    await wire.connect('cid')
    using ann = sdk(wire, 'ann')
    await ann.until('live', isLive)
    wire.rows.addToConversation('c', 'cid')
    await ann.until('cid is in c', (view) => view.isUserOnlineInConversation('c', 'cid'))
    wire.rows.removeFromConversation('c', 'cid')
    await ann.until('cid is not', (view) => !view.isUserOnlineInConversation('c', 'cid'))
    wire.rows.addToConversation('new', 'ann')
    await ann.until('a new conversation', (view) => view.conversations().includes('new'))
    wire.rows.removeFromGroup('g', 'ann')
    wire.rows.removeFromConversation('d', 'ann')
    await ann.until('both are gone', (view) => view.groups().length + view.conversations().length === 2)
    expect(ann.client.presence('cid').status).toBe('unknown')
  })

  test('asks about people of a room that is too large for names, for as long as they are on screen', async () => {
    await using wire = await startWire({
      rows: { groups: [['all', ['ann', 'bob', 'cid', 'dan']]] },
      presence: { namesMax: 2, occupancyWindowMs: 20 },
    })
    using ann = sdk(wire, 'ann')
    await wire.connect('bob')
    await ann.until('live', isLive)
    await ann.until('two are online', (view) => view.groupOccupancy('all')?.online === 2)
    expect(ann.client.presence('bob').status).toBe('unknown')
    const stop = ann.client.watch(['bob'])
    await ann.until('bob is online', (view) => view.presence('bob').status === 'known')
    expect(ann.client.presence('bob')).toEqual({ status: 'known', online: true, count: 1 })
    stop()
    await ann.until('bob is not known', (view) => view.presence('bob').status === 'unknown')
  })

  test.each([
    ['who went offline', true],
    ['who was never there', false],
  ])('does not know somebody of a large room %s until the server has answered', async (_, wasThere) => {
    await using wire = await startWire({
      rows: { groups: [['all', ['ann', 'bob', 'cid', 'dan']]] },
      presence: { namesMax: 2, occupancyWindowMs: 20 },
    })
    if (wasThere) {
      const bob = await wire.connect('bob')
      bob.socket.disconnect()
      await wire.until('bob is offline', () => !wire.presence.get('bob').online)
    }
    using ann = sdk(wire, 'ann')
    await ann.until('live', isLive)
    const shown = [ann.client.presence('bob')]
    ann.client.subscribe(
      (view) => view.presence('bob'),
      (presence) => shown.push(presence),
    )
    const stop = ann.client.watch(['bob'])
    await ann.until('the answer', (view) => view.presence('bob').status === 'known')
    stop()
    await ann.until('nothing is known again', (view) => view.presence('bob').status === 'unknown')
    const unknown = { status: 'unknown', since: undefined, last: undefined }
    expect(shown).toEqual([unknown, { status: 'known', online: false, count: 0 }, unknown])
  })
})

describe('a client that was cut off', () => {
  test('is told only what changed meanwhile', async () => {
    await using wire = await startWire({ rows, presence: { graceMs: 60_000, reattachGraceMs: 60_000 } })
    await wire.connect('bob')
    using ann = sdk(wire, 'ann', { deviceId: 'phone', reconnectBaseMs: 30_000 })
    await liveThenLost(wire, ann)
    expect(ann.client.presence('bob')).toMatchObject({ status: 'unknown', last: { online: true, count: 1 } })
    await wire.connect('cid')
    const heard = ann.frames.length
    ann.client.foreground()
    await ann.until('live', isLive)
    expect(ann.frames.slice(heard)).toMatchObject([['presence:diff', { users: [['cid', 1]] }]])
    expect(ann.frames[heard]?.[1]).not.toHaveProperty('conversations')
    expect([...ann.client.getOnlineUsersInConversation('d')].sort()).toEqual(['ann', 'bob', 'cid'])
    expect(ann.client.diagnostics()).toMatchObject({ states: 1, diffs: 1, reconnections: 1, errors: 0 })
  })

  test('did not blink for others', async () => {
    await using wire = await startWire({ rows, presence: { graceMs: 60_000, reattachGraceMs: 60_000 } })
    using ann = sdk(wire, 'ann')
    await ann.until('live', isLive)
    const bob = await wire.connect('bob')
    bob.hear()
    ann.cut()
    await ann.until('live again', (view) => isLive(view) && ann.client.diagnostics().reconnections === 1)
    await bob.fence()
    expect(bob.hear().filter((line) => line.startsWith('ann'))).toEqual([])
  })

  test('by a drain comes back to the next server by itself, and is told everything anew', async () => {
    const first = await startWire({ rows })
    using ann = sdk(first, 'ann')
    const bob = await first.connect('bob')
    await ann.until('bob', (view) => view.isUserOnlineInConversation('c', 'bob'))
    const epoch = ann.client.diagnostics().position?.[0]
    await first.io.close()
    await ann.until('lost', (view) => !isLive(view))
    await using next = await startWire({ rows, port: first.port })
    await ann.until('live', isLive)
    expect(ann.client.getOnlineUsersInConversation('c')).toEqual(['ann'])
    expect(ann.client.diagnostics()).toMatchObject({ states: 2, reconnections: 1 })
    expect(ann.client.diagnostics().position?.[0]).not.toBe(epoch)
    expect(next.presence.get('ann')).toEqual({ online: true, count: 1 })
    bob.socket.disconnect()
    await first.close()
  })

  test('in the background stays online for the grace that it asked for; back in the foreground it does not', async () => {
    await using wire = await startWire({ rows, presence: { graceMs: 0, reattachGraceMs: 0 } })
    using ann = sdk(wire, 'ann', { reconnectBaseMs: 30_000 })
    using bob = sdk(wire, 'bob', { reconnectBaseMs: 30_000 })
    await ann.until('live', isLive)
    await bob.until('live', isLive)
    ann.client.background()
    bob.client.background()
    bob.client.foreground()
    await liveThenLost(wire, ann)
    await liveThenLost(wire, bob)
    await wire.until('bob is offline', () => !wire.presence.get('bob').online)
    expect(wire.presence.get('ann')).toEqual({ online: true, count: 1 })
  })
})

describe('a session that ends', () => {
  test('by a kick is over, and says why', async () => {
    await using wire = await startWire({ rows })
    using ann = sdk(wire, 'ann')
    await ann.until('live', isLive)
    wire.presence.kick('ann')
    await ann.until('closed', (view) => view.state().name === 'closed')
    expect(ann.client.state()).toMatchObject({ name: 'closed', reason: 'kicked' })
    expect(ann.client.presence('ann').status).toBe('unknown')
  })

  test('by leave or close is seen at once, without any grace', async () => {
    await using wire = await startWire({ rows, presence: { graceMs: 60_000, reattachGraceMs: 60_000 } })
    using bob = sdk(wire, 'bob')
    using ann = sdk(wire, 'ann')
    using cid = sdk(wire, 'cid')
    await bob.until('three', (view) => view.getOnlineUsersInGroup('g').length === 3)
    await ann.until('live', isLive)
    await ann.client.leave()
    expect(ann.client.state()).toEqual({ name: 'closed', reason: 'left' })
    await bob.until('ann went', (view) => view.getOnlineUsersInGroup('g').length === 2)
    await cid.until('live', isLive)
    cid.client.close()
    await bob.until('cid went', (view) => view.getOnlineUsersInGroup('g').length === 1)
  })

  test('by leave with scope device ends the other sessions of that device', async () => {
    await using wire = await startWire({ rows })
    using one = sdk(wire, 'ann', { deviceId: 'browser' })
    using two = sdk(wire, 'ann', { deviceId: 'browser' })
    using phone = sdk(wire, 'ann', { deviceId: 'phone' })
    await one.until('live', isLive)
    await two.until('live', isLive)
    await phone.until('two devices', (view) => view.devices().count === 2)
    await one.client.leave({ scope: 'device' })
    await two.until('closed', (view) => view.state().name === 'closed')
    expect(two.client.state()).toMatchObject({ reason: 'logged_out' })
    await phone.until('one device', (view) => view.devices().count === 1)
    expect(isLive(phone.client)).toBe(true)
  })
})

test('a token is renewed over the open connection, before it ends', async () => {
  const shown: unknown[] = []
  await using wire = await startWire({
    rows,
    presence: {
      authenticate: ({ handshake }) => {
        shown.push(handshake.auth.token)
        return { userId: 'ann', expiresAt: Date.now() + 3_600_000 }
      },
    },
  })
  const now = Math.floor(Date.now() / 1_000)
  const tokens = [1, 2].map((n) => unsigned({ sub: 'ann', iat: now, exp: now + 3_600, n }))
  const remaining = [...tokens]
  const long: { readonly delayMs: number; readonly run: () => void }[] = []
  using ann = sdk(wire, 'ann', {
    token: () => remaining.shift()!,
    platform: {
      ...defaultPlatform,
      setTimeout(run, delayMs) {
        if (delayMs > 600_000) return long.push({ delayMs, run })
        return defaultPlatform.setTimeout(run, delayMs)
      },
    },
  })
  await ann.until('live', isLive)
  expect(long).toHaveLength(1)
  expect(long[0]!.delayMs).toBeGreaterThan(3_600_000 * 0.74)
  expect(long[0]!.delayMs).toBeLessThan(3_600_000 * 0.91)
  const renewed = wire.until('the new token', () => shown.length === 2)
  long[0]!.run()
  await renewed
  expect(shown).toEqual(tokens)
  expect(ann.client.diagnostics()).toMatchObject({ reconnections: 0, errors: 0, state: { name: 'live' } })
})
