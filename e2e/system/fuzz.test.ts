import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CLIENT_EVENTS, ERRORS } from '@vigie/protocol'
import { auths, frames, messages, type Message } from '../../packages/server/test/support/hostile.js'
import { connectRaw } from '../../packages/server/test/support/raw.js'
import { startWire, token, type Wire, type WireClient } from '../../packages/server/test/support/wire.js'

/** Ann and Bob are honest. Eve shares nothing with them, Mal a group. */
const rows = {
  groups: [['g', ['ann', 'bob', 'mal']]],
  conversations: [
    ['c', ['ann', 'bob']],
    ['e', ['eve', 'mal']],
  ],
} as const
const DEFAULT_LIMITS = { eventsPerSecond: 10, eventsBurst: 30 }

const escaped: unknown[] = []
const onEscape = (error: unknown) => {
  escaped.push(error)
}
beforeEach(() => {
  escaped.length = 0
  process.on('unhandledRejection', onEscape)
  process.on('uncaughtException', onEscape)
})
afterEach(() => {
  process.off('unhandledRejection', onEscape)
  process.off('uncaughtException', onEscape)
})

interface Honest {
  /** One exchange between Ann and Bob: what Bob types, Ann hears. */
  exchange(): Promise<void>
  /** Fails if Ann or Bob heard anything but their exchanges. */
  check(): Promise<void>
}

async function honestPair(wire: Wire, others: readonly string[]): Promise<Honest> {
  const ann = await wire.connect('ann')
  const bob = await wire.connect('bob')
  await ann.until('bob 1 in c')
  await bob.fence()
  await ann.fence()
  const expected: string[] = []
  ann.hear()
  bob.hear()
  return {
    async exchange() {
      expect(await bob.ask('typing:start', { convId: 'c' })).toEqual({ ok: true })
      await ann.fence()
      expect(await bob.ask('typing:stop', { convId: 'c' })).toEqual({ ok: true })
      await ann.fence()
      expected.push('bob types in c', 'bob stops in c')
    },
    async check() {
      await ann.fence()
      await bob.fence()
      expect(ann.hear()).toEqual([...others, ...expected])
      expect(bob.hear()).toEqual(others)
      expect([ann.ends, bob.ends]).toEqual([[], []])
    },
  }
}

/** Nothing of those who were hostile is left but what a user may have. */
async function expectBounded(wire: Wire, sessions: number): Promise<void> {
  await wire.until('the graces are over', () => wire.presence.sizes().sessions === sessions)
  const { users, rooms, owed, connections } = wire.presence.sizes()
  expect(users).toBeLessThanOrEqual(5)
  expect(rooms).toBeLessThanOrEqual(4)
  expect([owed, connections]).toEqual([0, sessions])
  expect(wire.log.filter(({ level }) => level === 'error')).toEqual([])
  expect(escaped).toEqual([])
}

it('messages made from the schemas and changed by one thing are answered as the schemas say, and harm nobody', async () => {
  await using wire = await startWire({ rows })
  const honest = await honestPair(wire, ['mal 1'])
  const mal = await wire.connect('mal')
  let eve = await wire.connect('eve')
  let sent = 0
  let valid = 0

  async function send(client: WireClient, { name, args, isValid }: Message): Promise<void> {
    const answer = await client.ask(name, ...args)
    sent++
    if (isValid) valid++
    const code = answer.ok ? 'ok' : answer.error.code
    if (!isValid) expect(code).toBe('invalid_payload')
    else expect(['ok', 'not_member', 'token_invalid', 'token_other_user', 'token_too_long']).toContain(code)
    expect(JSON.stringify(answer).length).toBeLessThan(400)
    if (name === 'presence:leave' && answer.ok) {
      await client.until(({ ends }) => ends.length > 0)
      eve = await wire.connect('eve')
    }
  }

  const harmless = CLIENT_EVENTS.filter((name) => name !== 'presence:leave')
  await fc.assert(
    fc.asyncProperty(
      fc.array(messages(CLIENT_EVENTS), { maxLength: 20 }),
      fc.array(messages(harmless), { maxLength: 20 }),
      async (ofEve, ofMal) => {
        for (const message of ofEve) await send(eve, message)
        for (const message of ofMal) await send(mal, message)
        await honest.exchange()
      },
    ),
    { numRuns: 200 },
  )
  expect(valid).toBeGreaterThan(0.4 * sent)
  expect(valid).toBeLessThan(0.75 * sent)
  await honest.check()
  await expectBounded(wire, 5)
})

it('frames that no client sends end their own connection at most', async () => {
  await using wire = await startWire({ rows, presence: { graceMs: 0 } })
  const honest = await honestPair(wire, [])
  await fc.assert(
    fc.asyncProperty(
      fc.array(frames, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (sent, isLetIn) => {
        using raw = await connectRaw(wire.url)
        if (isLetIn) {
          raw.send(`40${JSON.stringify({ token: token('eve') })}`)
          await raw.until(({ frames: came }) => came.some((frame) => frame.startsWith('40')))
        }
        for (const frame of sent) raw.send(frame)
        // Whoever is still connected is still served.
        raw.send('427["typing:start",{"convId":"nowhere"}]')
        raw.send('40{}')
        await raw.until(
          ({ isClosed, frames: came }) => isClosed || came.some((frame) => /^4[34]/.test(frame)),
        )
        await honest.exchange()
      },
    ),
    { numRuns: 300 },
  )
  await honest.check()
  await expectBounded(wire, 3)
})

it('whatever is in `auth`, a connection is let in or refused with a code', async () => {
  await using wire = await startWire({ rows })
  const honest = await honestPair(wire, [])
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(auths, async (auth) => {
      const eve = wire.client('eve', { auth })
      await eve.until(({ connections, refusals, ends }) => connections + refusals.length + ends.length > 0)
      const code = eve.refusals[0]?.code
      if (code !== undefined) expect(Object.keys(ERRORS)).toContain(code)
      else expect(eve.connections).toBe(1)
      seen.add(code ?? 'let in')
      eve.socket.disconnect()
    }),
    { numRuns: 500 },
  )
  expect([...seen].sort()).toEqual(expect.arrayContaining(['auth_invalid', 'let in', 'token_invalid']))
  await honest.exchange()
  await honest.check()
  await expectBounded(wire, 3)
})

it('a flood of events is answered up to the limit, then met with silence, and its sender stays', async () => {
  await using wire = await startWire({ rows, presence: DEFAULT_LIMITS })
  const honest = await honestPair(wire, ['mal 1'])
  const mal = await wire.connect('mal')
  const answers: string[] = []
  const answered = (answer: unknown) => answers.push(JSON.stringify(answer))
  for (let i = 0; i < 5_000; i++) {
    mal.socket.emit('typing:start', { convId: i % 2 ? 'e' : 'c' }, answered)
    mal.socket.emit('nobody:listens', { i }, answered)
    mal.socket.emit('typing:start', { convId: 'x'.repeat(1_000) })
  }
  expect(await mal.ask('presence:background', { graceMs: 0 })).toEqual({ ok: true })
  await honest.exchange()
  // Half a burst (the other half asked for no answer), as many refusals as a burst, and what the limits let
  // through while 15,000 messages were read.
  expect(answers.length).toBeGreaterThanOrEqual(1.5 * DEFAULT_LIMITS.eventsBurst)
  expect(answers.length).toBeLessThan(500)
  expect(mal.socket.connected).toBe(true)
  await honest.check()
  await expectBounded(wire, 4)
})

it('connections that come and go by the hundred leave nothing behind', async () => {
  await using wire = await startWire({ rows, presence: { graceMs: 0 } })
  const honest = await honestPair(wire, [])
  for (let round = 0; round < 10; round++) {
    const raws = await Promise.all(Array.from({ length: 50 }, () => connectRaw(wire.url)))
    for (const [i, raw] of raws.entries()) {
      for (let j = 0; j < i % 5; j++)
        raw.send(`40${JSON.stringify({ token: token('eve'), clientId: `c${i}` })}`)
      if (i % 3 === 0) raw[Symbol.dispose]()
    }
    await honest.exchange()
    for (const raw of raws) raw[Symbol.dispose]()
  }
  await wire.until('all have gone', () => wire.io.engine.clientsCount === 3)
  await honest.check()
  await expectBounded(wire, 3)
  expect([...wire.io.of('/').adapter.rooms.keys()].filter((room) => room === 'user:eve')).toEqual([])
})
