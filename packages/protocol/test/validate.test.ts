import { describe, expect, it } from 'vitest'
import {
  authSchema,
  DIGEST_ROOMS_MAX,
  BACKGROUND_GRACE_MAX_MS,
  CLIENT_EVENTS,
  ERRORS,
  LABEL_MAX_LENGTH,
  parseAuth,
  parseClientEvent,
  parseDigestAnswer,
  PresenceError,
  PROTOCOLS,
  type ClientEventName,
} from '../src/index.js'

/** By event: payloads that are right, and ones with a single thing wrong. */
const payloads: Readonly<
  Record<ClientEventName, { valid: readonly unknown[]; invalid: readonly unknown[] }>
> = {
  'typing:start': {
    valid: [{ convId: 'c' }, { convId: '__proto__' }],
    invalid: [
      {},
      { convId: '' },
      { convId: 1 },
      { convId: null },
      { convId: 'a\u0000' },
      { convId: '\ud800' },
    ],
  },
  'typing:stop': {
    valid: [{ convId: 'c' }],
    invalid: [{}, { convId: '' }, { convId: ['c'] }, { convId: 'x'.repeat(129) }, { convID: 'c' }],
  },
  'presence:background': {
    valid: [{ graceMs: 0 }, { graceMs: BACKGROUND_GRACE_MAX_MS }],
    invalid: [
      {},
      { graceMs: -1 },
      { graceMs: BACKGROUND_GRACE_MAX_MS + 1 },
      { graceMs: 0.5 },
      { graceMs: '1' },
      { graceMs: NaN },
    ],
  },
  'presence:foreground': { valid: [undefined, {}], invalid: [{ graceMs: 1 }, 'now', 1] },
  'presence:watch': {
    valid: [
      {},
      { add: ['u1'] },
      { remove: ['u1', 'u2'] },
      { add: Array.from({ length: 200 }, (_, n) => `u${n}`) },
    ],
    invalid: [
      { add: 'u1' },
      { add: [1] },
      { add: [''] },
      { add: Array.from({ length: 201 }, (_, n) => `u${n}`) },
    ],
  },
  'presence:leave': {
    valid: [undefined, {}, { scope: 'session' }, { scope: 'device' }],
    invalid: [{ scope: 'all' }, { scope: null }, { scope: undefined }, { scope: 'toString' }],
  },
  'presence:token': {
    // The greatest length is the server's to know.
    valid: [{ token: 't' }, { token: 'x'.repeat(100_000) }],
    invalid: [{}, { token: '' }, { token: 7 }],
  },
}

/** Fields that a schema made of plain objects might believe to know. */
const STRANGE_FIELDS = ['extra', 'toString', 'constructor', 'hasOwnProperty', '__proto__']

const describeValue = (value: unknown): string =>
  value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 60)

const withField = (payload: unknown, name: string): unknown =>
  JSON.parse(
    `{${JSON.stringify(payload).slice(1, -1)}${JSON.stringify(payload) === '{}' ? '' : ','}${JSON.stringify(name)}:{}}`,
  )

function codeOf(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof PresenceError) return error.code
    throw error
  }
  return undefined
}

describe.each(CLIENT_EVENTS)('%s', (name) => {
  const { valid, invalid } = payloads[name]

  it.each(valid.map((payload) => [describeValue(payload), payload]))('takes %s', (_text, payload) => {
    expect(parseClientEvent(name, payload)).toEqual(payload ?? {})
  })

  it.each(invalid.map((payload) => [describeValue(payload), payload]))('refuses %s', (_text, payload) => {
    expect(codeOf(() => parseClientEvent(name, payload))).toBe('invalid_payload')
  })

  it.each([
    ['null', null],
    ['a boolean', true],
    ['a number', 7],
    ['a string', 'c'],
    ['an array of one', [{ convId: 'c' }]],
    ['binary', Uint8Array.of(1)],
  ])('refuses %s instead of an object', (_text, payload) => {
    expect(codeOf(() => parseClientEvent(name, payload))).toBe('invalid_payload')
  })

  it.each(STRANGE_FIELDS)('refuses a further field named %s', (field) => {
    const payload = withField(valid.at(-1), field)
    expect(Object.keys(payload as object)).toContain(field)
    expect(codeOf(() => parseClientEvent(name, payload))).toBe('invalid_payload')
  })

  it('hands on its own fields only, in a new object', () => {
    const payload = valid.at(-1) as object
    const parsed = parseClientEvent(name, payload)
    expect(Object.keys(parsed)).toEqual(Object.keys(payload))
    expect(parsed).not.toBe(payload)
  })
})

describe('a refusal', () => {
  it('names the field, never the value', () => {
    expect(() => parseClientEvent('typing:start', { convId: { password: 'secret' } })).toThrow(
      'typing:start: convId is missing, unknown or of the wrong type.',
    )
    expect(() => parseClientEvent('presence:background', { graceMs: 60_001 })).toThrow(
      'presence:background: graceMs is out of range.',
    )
  })

  it('stays short when the name of the field is long', () => {
    const payload = { convId: 'c', ['x'.repeat(100_000)]: 1 }
    expect(() => parseClientEvent('typing:start', payload)).toThrow(/^.{1,200}$/)
  })

  it('of deep objects is quick, as nothing inside is looked at', () => {
    let deep: unknown = 'c'
    for (let i = 0; i < 100_000; i++) deep = { convId: deep }
    expect(codeOf(() => parseClientEvent('typing:start', deep))).toBe('invalid_payload')
  })
})

describe('auth', () => {
  it.each([
    {},
    { token: 't', theme: { of: 'the host' } },
    { protocol: PROTOCOLS[0], deviceId: 'd', clientId: 'c', label: 'My phone' },
    { label: '' },
    { deviceId: 'x'.repeat(LABEL_MAX_LENGTH) },
  ])('takes %j', (auth) => {
    expect(codeOf(() => parseAuth(auth))).toBeUndefined()
  })

  it.each([
    null,
    'token',
    { deviceId: '' },
    { deviceId: 1 },
    { deviceId: 'x'.repeat(LABEL_MAX_LENGTH + 1) },
    { clientId: {} },
    { clientId: 'a\nb' },
    { label: 'x'.repeat(LABEL_MAX_LENGTH + 1) },
    { label: 7 },
    ...['', '2.0', ' 2', '02', '0x2', '-1', 'two', '1'.repeat(10), true, [2]].map((protocol) => ({
      protocol,
    })),
  ])('refuses %j as auth_invalid', (auth) => {
    expect(codeOf(() => parseAuth(auth))).toBe('auth_invalid')
  })

  it.each(PROTOCOLS)('takes protocol %d as a string, too: some clients can send only strings', (protocol) => {
    expect(parseAuth({ protocol: String(protocol) })).toEqual({ protocol })
  })

  it.each([
    ['epoch', 7],
    ['x'.repeat(LABEL_MAX_LENGTH), Number.MAX_SAFE_INTEGER],
    ['\u0001'.repeat(LABEL_MAX_LENGTH), -1],
  ])('takes the position %j, and the same as JSON in a string', (...since) => {
    expect(parseAuth({ since })).toEqual({ since })
    expect(parseAuth({ since: JSON.stringify(since) })).toEqual({ since })
  })

  it.each([
    ['epoch'],
    ['epoch', '7'],
    [7, 'epoch'],
    ['epoch', 7, 8],
    ['x'.repeat(LABEL_MAX_LENGTH + 1), 7],
    { epoch: 7 },
    'epoch',
    null,
  ])('refuses %j as JSON in a string where a position belongs', (since) => {
    expect(codeOf(() => parseAuth({ since: JSON.stringify(since) }))).toBe('auth_invalid')
  })

  it.each([
    '',
    'epoch',
    '["epoch",7',
    '"'.repeat(100_000),
    '['.repeat(100_000),
    ' '.repeat(100_000) + '["epoch",7]',
  ])('refuses a position that is no JSON, or far too long', (since) => {
    expect(codeOf(() => parseAuth({ since }))).toBe('auth_invalid')
  })

  it('takes audit as a text, too, and nothing else in its place', () => {
    for (const audit of [true, false]) {
      expect(parseAuth({ audit })).toEqual({ audit })
      expect(parseAuth({ audit: String(audit) })).toEqual({ audit })
    }
    for (const audit of [1, 'yes', '', {}, []])
      expect(codeOf(() => parseAuth({ audit }))).toBe('auth_invalid')
  })

  it('names in its refusal each field that it checks', () => {
    for (const field of Object.keys(authSchema.entries)) {
      expect(ERRORS.auth_invalid.meaning).toContain(`\`auth.${field}\``)
    }
  })

  it.each([0, 3, -1, 1.5, '3', '0'])(
    'refuses protocol %j, and says which are spoken',
    (protocol: unknown) => {
      expect(() => parseAuth({ protocol })).toThrow(
        expect.objectContaining({
          code: 'protocol_unsupported',
          data: expect.objectContaining({ supported: PROTOCOLS }),
        }),
      )
    },
  )

  it('hands on its own fields only', () => {
    expect(parseAuth({ deviceId: 'd', token: 't', theme: 'dark' })).toEqual({ deviceId: 'd' })
  })
})

describe('a digest', () => {
  const digest = { at: ['epoch', 7], rooms: [0, 2 ** 32 - 1], others: 1, devices: 2 }

  it('is taken as the protocol has it, further fields left out', () => {
    expect(parseDigestAnswer(digest)).toEqual(digest)
    expect(parseDigestAnswer({ ...digest, mood: 'good' })).toEqual(digest)
    expect(parseDigestAnswer({ ...digest, at: null, rooms: [] })).toEqual({ ...digest, at: null, rooms: [] })
    const most = Array<number>(DIGEST_ROOMS_MAX).fill(1)
    expect(parseDigestAnswer({ ...digest, rooms: most })?.rooms).toHaveLength(DIGEST_ROOMS_MAX)
  })

  it.each([
    undefined,
    null,
    [],
    'digest',
    { ...digest, at: undefined },
    { ...digest, at: ['epoch'] },
    { ...digest, rooms: undefined },
    { ...digest, rooms: { length: 1, 0: 1 } },
    { ...digest, rooms: ['1'] },
    { ...digest, rooms: [1.5] },
    { ...digest, rooms: [-1] },
    { ...digest, rooms: [2 ** 32] },
    { ...digest, rooms: [NaN] },
    { ...digest, rooms: Array(DIGEST_ROOMS_MAX + 1).fill(1) },
    { ...digest, others: '1' },
    { ...digest, devices: null },
  ])('is not %j', (answer) => {
    expect(parseDigestAnswer(answer)).toBeUndefined()
  })
})
