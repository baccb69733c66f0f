import { expect, it } from 'vitest'
import { silentLog } from '../../src/core/ports.js'
import {
  ENDPOINTS_MAX,
  resolveWebhookOptions,
  RETRIES_MAX,
  RETRY_MS_DEFAULT,
  RETRY_MS_MAX,
  SECRETS_MAX,
  WEBHOOK_SETTINGS,
} from '../../src/webhooks/options.js'

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const CRM = { name: 'crm', url: 'https://crm.example.org/', secret: SECRET }
const resolve = (options: Readonly<Record<string, unknown>>) =>
  resolveWebhookOptions({ sql: 'postgres://x', endpoints: [CRM], log: silentLog, ...options })
const endpoint = (fields: Readonly<Record<string, unknown>>) =>
  resolve({ endpoints: [{ ...CRM, ...fields }] })

it('has defaults', () => {
  const { endpoints, settings, allowPrivate } = resolve({})
  expect(endpoints).toEqual([{ name: 'crm', url: new URL(CRM.url), keys: [Buffer.alloc(32, 1)] }])
  expect(allowPrivate).toBe(false)
  expect(settings).toEqual({
    timeoutMs: 10_000,
    concurrency: 8,
    retryMs: RETRY_MS_DEFAULT,
    windowMax: 1_000,
    deadLetterDays: 30,
  })
})

it.each(Object.entries(WEBHOOK_SETTINGS))('%s has a least and a most', (name, { min, max }) => {
  for (const value of [min, max]) expect(resolve({ [name]: value }).settings).toMatchObject({ [name]: value })
  for (const value of [min - 1, max + 1, min + 0.5, '5', NaN])
    expect(() => resolve({ [name]: value })).toThrow(`${name} is`)
})

it('waits are a list with a most of each and of all', () => {
  expect(resolve({ retryMs: [] }).settings.retryMs).toEqual([])
  expect(
    resolve({ retryMs: Array.from({ length: RETRIES_MAX }, () => RETRY_MS_MAX) }).settings.retryMs,
  ).toHaveLength(20)
  for (const retryMs of [[-1], [1.5], ['1'], [RETRY_MS_MAX + 1], Array(RETRIES_MAX + 1).fill(1), 5])
    expect(() => resolve({ retryMs })).toThrow('retryMs must be a list')
})

it.each<[string, Readonly<Record<string, unknown>>, string]>([
  ['no name', { name: '' }, 'The name of a webhook endpoint'],
  ['a name with a space', { name: 'a b' }, 'The name of a webhook endpoint'],
  ['no url', { url: 'crm' }, 'The url of webhook endpoint crm must begin with https://.'],
  ['another protocol', { url: 'ftp://crm.example.org' }, 'must begin with https://.'],
  ['http', { url: 'http://crm.example.org' }, 'shows everybody on the way who is online'],
  ['a password', { url: 'https://a:b@crm.example.org' }, 'has a user or a password'],
  ['no secret', { secret: undefined }, 'The secret of webhook endpoint crm must be whsec_'],
  ['a short secret', { secret: 'whsec_abcd' }, 'The secret of webhook endpoint crm must be whsec_'],
  ['one wrong secret', { secret: [SECRET, 'x'] }, 'The secret of webhook endpoint crm must be whsec_'],
  ['no secrets', { secret: [] }, 'The secret of webhook endpoint crm must be whsec_'],
  ['too many', { secret: Array(SECRETS_MAX + 1).fill(SECRET) }, 'at most 5'],
  ['a field that is none', { secrets: SECRET }, 'secrets'],
])('an endpoint with %s is refused with one sentence', (_, fields, sentence) => {
  expect(() => endpoint(fields)).toThrow(sentence)
})

it('http is allowed with private addresses', () => {
  expect(
    resolve({ allowPrivate: true, endpoints: [{ ...CRM, url: 'http://10.0.0.7/' }] }).endpoints,
  ).toHaveLength(1)
  expect(() => resolve({ allowPrivate: 1 })).toThrow('allowPrivate must be true or false.')
})

it('endpoints are a list of different ones, with a most', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => ({ ...CRM, name: `e${n}` }))
  expect(resolve({ endpoints: many(ENDPOINTS_MAX) }).endpoints).toHaveLength(10)
  for (const endpoints of [[], many(ENDPOINTS_MAX + 1), undefined, {}])
    expect(() => resolve({ endpoints })).toThrow('endpoints must be a list of 1 to 10')
  expect(() => resolve({ endpoints: [CRM, CRM] })).toThrow('Two webhook endpoints are called crm')
  expect(() => resolve({ endpoints: [5] })).toThrow('must be `{ name, url, secret }`')
})

it('an option that does not exist is refused', () => {
  expect(() => resolve({ timeOutMs: 5 })).toThrow('timeOutMs')
})
