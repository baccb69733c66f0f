import { expect, it } from 'vitest'
import { createRefusals } from '../../src/socketio/refusals.js'
import { startWire, token } from '../support/wire.js'

/** Refusals with a clock, and what the log says. */
function start() {
  const world = { now: 0 }
  const lines: string[] = []
  const info = (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
    lines.push(`${message} ${JSON.stringify(fields)}`)
  const log = { debug: info, info, warn: info, error: info }
  return { world, lines, refusals: createRefusals({ log, now: () => world.now }) }
}

const refused = (n: number) => ({ code: 'token_expired', sessionId: `s${n}` }) as const

it('says the first of a kind at once, and of the others in that second only how many there were', () => {
  const { world, lines, refusals } = start()
  for (let n = 1; n <= 500; n++) refusals.note('Refused.', refused(n))
  expect(lines).toEqual(['Refused. {"code":"token_expired","sessionId":"s1"}'])
  world.now = 999
  refusals.look()
  refusals.note('Refused.', refused(501))
  expect(lines).toHaveLength(1)
  world.now = 1_000
  refusals.note('Refused.', refused(502))
  expect(lines.slice(1)).toEqual(['Refused. {"code":"token_expired","sessionId":"s502","leftOut":500}'])
})

it('says how many were left out also when no further one comes, once', () => {
  const { world, lines, refusals } = start()
  for (let n = 1; n <= 3; n++) refusals.note('Refused.', refused(n))
  world.now = 1_000
  refusals.look()
  refusals.look()
  world.now = 5_000
  refusals.look()
  expect(lines.slice(1)).toEqual(['Refused. {"code":"token_expired","leftOut":2}'])
})

it('has a line of its own for each sentence, code and message', () => {
  const { lines, refusals } = start()
  for (let round = 0; round < 2; round++) {
    refusals.note('Refused.', refused(1))
    refusals.note('Refused.', { code: 'token_invalid', sessionId: 's2' })
    refusals.note('A message was refused.', { ...refused(3), name: 'typing:start', userId: 'ada' })
    refusals.note('A message was refused.', { ...refused(4), name: 'typing:stop', userId: 'ada' })
  }
  expect(lines).toHaveLength(4)
})

it('counts every one of many clients and messages that are refused on a real server', async () => {
  await using wire = await startWire({ rows: { conversations: [['c', ['ann']]] } })
  const clients = Array.from({ length: 30 }, () =>
    wire.client('eve', { auth: { token: token('eve', {}, 'another') } }),
  )
  await Promise.all(clients.map((client) => client.until(({ refusals }) => refusals.length > 0)))
  const ann = await wire.connect('ann')
  for (let n = 0; n < 10; n++) await ann.ask('typing:start', { convId: 'elsewhere' })
  const told = (sentence: string) =>
    wire.log
      .filter(({ message }) => message === sentence)
      .reduce((sum, { fields }) => sum + (fields.sessionId ? 1 : 0) + Number(fields.leftOut ?? 0), 0)
  await wire.until(
    'all were told',
    () => told('A connection was refused.') === 30 && told('A message was refused.') === 10,
  )
  expect(wire.log.filter(({ message }) => message === 'A connection was refused.').length).toBeLessThan(30)
})
