import { expect, it } from 'vitest'
import { startWire, token } from '../support/wire.js'

const rows = { conversations: [['c', ['ann', 'bob']]] } as const

it('explains a real connection: when it came, was last heard, and was lost, by the wall clock', async () => {
  await using wire = await startWire({ rows, presence: { graceMs: 60_000, reattachGraceMs: 60_000 } })
  const before = Date.now()
  const endsAt = Math.floor(before / 1_000) + 600
  const bob = await wire.connect('bob')
  const ann = await wire.connect('ann', {
    auth: { token: token('ann', { exp: endsAt }), deviceId: 'phone', label: 'Pixel' },
  })
  await ann.ask('typing:start', { convId: 'c' })
  const { sessions, transitions, rooms, presence } = wire.presence.explain('ann')
  const session = sessions[0]
  expect(presence).toEqual({ online: true, count: 1 })
  expect(rooms).toEqual([{ kind: 'conversation', id: 'c', mode: 'names' }])
  expect(session).toMatchObject({
    sessionId: ann.socket.id,
    deviceId: 'phone',
    label: 'Pixel',
    typingIn: 'c',
  })
  const within = (at = 0) => at >= before - 5 && at <= Date.now() + 5
  expect([session?.since, session?.lastHeardAt, transitions[0]?.at].map(within)).toEqual([true, true, true])
  expect(Math.abs((session?.tokenEndsAt ?? 0) - endsAt * 1_000)).toBeLessThan(1_000)
  expect(wire.presence.explain('ann', 'bob').viewer).toMatchObject({ sees: true, liveSessions: 1 })
  await ann.drop()
  const lost = wire.presence.explain('ann', 'bob')
  expect(lost.sessions).toMatchObject([{ state: 'lost', deviceId: 'phone' }])
  expect(within(lost.sessions[0]?.lostAt)).toBe(true)
  expect(lost.transitions.map(({ reason }) => reason)).toEqual(['lost', 'connected'])
  expect(lost.viewer?.told).toEqual({ online: true, count: 1 })
  // All of it can be written as JSON.
  expect(JSON.parse(JSON.stringify(lost))).toEqual(lost)
  expect(bob.socket.connected).toBe(true)
})

it.each([
  ['emits', true],
  ['is in shadow mode', false],
])('a packet of the client is a sign of life while presence %s', async (_name, emit) => {
  await using wire = await startWire({ rows, presence: { emit } })
  const ann = emit ? await wire.connect('ann') : wire.client('ann')
  const heardAt = () => wire.presence.explain('ann').sessions[0]?.lastHeardAt ?? 0
  await wire.until('the session', () => heardAt() > 0)
  const first = heardAt()
  // The clock itself has to move on: a session that came and spoke within one millisecond shows nothing.
  await wire.until('the next millisecond', () => {
    ann.socket.emit('unknown')
    return heardAt() > first
  })
})

it('takes ids in any spelling that the store takes', async () => {
  await using wire = await startWire({
    rows,
    wrap: (memory) => ({ ...memory, spelling: (_kind, id) => id.toLowerCase() }),
  })
  await wire.connect('ann')
  await wire.connect('bob')
  expect(wire.presence.explain('ANN', 'BOB')).toMatchObject({
    userId: 'ann',
    presence: { count: 1 },
    viewer: { userId: 'bob', sees: true },
  })
})
