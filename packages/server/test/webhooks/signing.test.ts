import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { expect, it } from 'vitest'
import { keyOf, messageId, signedHeaders } from '../../src/webhooks/signing.js'

const SECRET = `whsec_${randomBytes(32).toString('base64')}`
const OTHER = `whsec_${randomBytes(24).toString('base64')}`
const now = () => Math.floor(Date.now() / 1_000)

it('the specification’s own library verifies what is signed, and refuses another body, id or secret', () => {
  const body = JSON.stringify({ type: 'user.online', data: { userId: 'jösé 🦊' } })
  const headers = signedHeaders({ id: 'msg_1', timestamp: now(), body }, [keyOf(SECRET)!])
  expect(new Webhook(SECRET).verify(body, headers)).toEqual(JSON.parse(body))
  expect(() => new Webhook(SECRET).verify(`${body} `, headers)).toThrow('No matching signature')
  expect(() => new Webhook(SECRET).verify(body, { ...headers, 'webhook-id': 'msg_2' })).toThrow('No matching')
  expect(() => new Webhook(OTHER).verify(body, headers)).toThrow('No matching signature')
})

it('while a secret is exchanged both verify', () => {
  const headers = signedHeaders({ id: 'msg_1', timestamp: now(), body: '{}' }, [
    keyOf(OTHER)!,
    keyOf(SECRET)!,
  ])
  for (const secret of [SECRET, OTHER]) expect(new Webhook(secret).verify('{}', headers)).toEqual({})
})

it.each([
  ['no prefix', randomBytes(32).toString('base64')],
  ['too short', `whsec_${randomBytes(23).toString('base64')}`],
  ['too long', `whsec_${randomBytes(65).toString('base64')}`],
  ['no base64', `whsec_${'!'.repeat(40)}`],
  ['empty', 'whsec_'],
])('no secret: %s', (_, secret) => {
  expect(keyOf(secret)).toBeUndefined()
})

it('an id is of the event: the same when it is derived again, another for each endpoint, fact, type and subject', () => {
  const event = {
    type: 'user.online',
    subject: 'ann',
    reason: 'connected',
    at: 1,
    boot: 'b',
    position: 7,
  } as const
  const ids = [
    messageId('crm', event),
    messageId('crm', { ...event, at: 2 }),
    messageId('bot', event),
    messageId('crm', { ...event, position: 8 }),
    messageId('crm', { ...event, type: 'user.offline' }),
    messageId('crm', { ...event, subject: 'ben' }),
  ]
  expect(ids[0]).toMatch(/^msg_[\w-]{27}$/u)
  expect(ids[1]).toBe(ids[0])
  expect(new Set(ids).size).toBe(5)
})
