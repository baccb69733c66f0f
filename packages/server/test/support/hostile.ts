import fc from 'fast-check'
import * as v from 'valibot'
import { clientSchemas, type ClientEventName } from '@vigie/protocol'
import { token, unsignedToken } from './wire.js'

/** A message that a client might send, and whether its payload is one that the protocol knows. */
export interface Message {
  readonly name: ClientEventName
  readonly args: readonly unknown[]
  readonly isValid: boolean
}

type Schema = v.GenericSchema & {
  readonly type: string
  readonly entries?: Readonly<Record<string, Schema>>
  readonly wrapped?: Schema
}

const ids = ['e', 'c', 'nowhere', '__proto__', 'constructor', 'x'.repeat(128), '😀']
const strings = [
  ...ids,
  'session',
  'device',
  '',
  'x'.repeat(129),
  'x'.repeat(100_000),
  '\u0000',
  '\ud800',
  unsignedToken('ann'),
]
const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom<unknown>(
    ...strings,
    null,
    true,
    -1,
    0.5,
    0,
    60_000,
    60_001,
    1e308,
    [],
    {},
    [[]],
    token('eve'),
  ),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.integer({ min: -10, max: 70_000 }),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(null).map(() => deep(50)),
)
const likely: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(...ids, 'session', 'device', token('eve'), token('ann')),
  fc.integer({ min: 0, max: 60_000 }),
  fc.string({ minLength: 1, maxLength: 20 }),
)

function deep(levels: number): unknown {
  let value: unknown = 'c'
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { convId: value }
  return value
}

/** As it arrives: JSON keeps no `undefined` and no NaN; binary passes as it is. */
function isValidPayload(name: ClientEventName, payload: unknown): boolean {
  return v.is(clientSchemas[name], payload)
}

function valid(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.wrapped) return fc.oneof(fc.constant(undefined), valid(schema.wrapped))
  // Nothing likely is a list: a filter would look for one for ever.
  if (schema.type === 'array') return fc.array(fc.constantFrom(...ids), { maxLength: 5 })
  if (!schema.entries) return likely.filter((value) => v.is(schema, value))
  const fields = Object.fromEntries(
    Object.entries(schema.entries).map(([name, field]) => [name, valid(field)]),
  )
  return fc.record(fields).map(withoutUndefined)
}

function withoutUndefined(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))
}

/** One thing wrong, or at least changed: a field replaced, left out or added, the whole replaced. */
function mutated(payload: unknown): fc.Arbitrary<unknown> {
  const fields = typeof payload === 'object' && payload !== null ? Object.entries(payload) : []
  const changes: fc.Arbitrary<unknown>[] = [
    anything,
    // Without binary, which makes the client copy the payload, and lose this field.
    likely.map((value) => ownFields([...fields, ['__proto__', value]])),
    fc
      .tuple(fc.oneof(fc.constantFrom('toString', 'constructor', 'userId'), fc.string()), anything)
      .filter(([name]) => name !== '__proto__')
      .map(([name, value]) => ownFields([...fields, [name, value]])),
  ]
  for (const [name] of fields) {
    const others = fields.filter(([other]) => other !== name)
    changes.push(
      anything.map((value) => ownFields([...others, [name, value]])),
      fc.constant(ownFields(others)),
    )
  }
  return fc.oneof(...changes)
}

/** `__proto__` becomes a field like any other, as it does in JSON. */
function ownFields(fields: readonly (readonly [string, unknown])[]): object {
  const object = {}
  for (const [name, value] of fields) {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  }
  return object
}

/** Messages of these names made from the schemas; half are valid, the others have one thing changed. */
export function messages(names: readonly ClientEventName[]): fc.Arbitrary<Message> {
  return fc.constantFrom(...names).chain((name) => {
    const payload = valid(clientSchemas[name])
    return fc.oneof(
      payload.map((value) => messageOf(name, value)),
      payload.chain(mutated).map((value) => messageOf(name, value)),
    )
  })
}

function messageOf(name: ClientEventName, payload: unknown): Message {
  return { name, args: payload === undefined ? [] : [payload], isValid: isValidPayload(name, payload) }
}

/** What a client may put into `auth`, token included. */
export const auths: fc.Arbitrary<Record<string, unknown>> = fc.record(
  {
    token: fc.oneof(anything, fc.constant(token('eve'))),
    protocol: fc.oneof(anything, fc.constant(1)),
    deviceId: fc.oneof(anything, likely),
    clientId: fc.oneof(anything, likely),
    label: fc.oneof(anything, likely),
    extra: anything,
  },
  { requiredKeys: [] },
)

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`

/** Frames that no client of Socket.IO sends. */
export const frames: fc.Arbitrary<string | Buffer> = fc.oneof(
  fc.constantFrom<string | Buffer>(
    '',
    '0',
    '1',
    '2',
    '2probe',
    '3',
    '4',
    '5',
    '6',
    '9',
    '40',
    '40null',
    '40[]',
    '40"x"',
    '40{"token":{}}',
    '40{"token":"x.y.z"}',
    '40/unknown,{}',
    '40/unknown',
    '41',
    '41/unknown,',
    '42',
    '42[',
    '42[]',
    '42{}',
    '42[1]',
    '42[null]',
    '42[{}]',
    '42["disconnect"]',
    '42["connect_error"]',
    '42["newListener",1]',
    '42["error",{}]',
    '42["typing:start"]',
    '42["typing:start",{"convId":"c"',
    '42["typing:start",{"__proto__":{"convId":"c"}}]',
    '42["typing:start",{"convId":"c"},{"convId":"c"},3]',
    '42["__proto__",{}]',
    '42["toString",{}]',
    '4299999999999999999999["typing:start",{"convId":"c"}]',
    '42-1["typing:start",{"convId":"c"}]',
    '43',
    '430[]',
    '431["x"]',
    '44{}',
    '45',
    '451-["typing:start",{"_placeholder":true,"num":0}]',
    '451-["typing:start",{"_placeholder":true,"num":9}]',
    '451-["typing:start",{"_placeholder":true,"num":"__proto__"}]',
    '450-["typing:start",{}]',
    '459999999999-["typing:start",{}]',
    '461-0[{"_placeholder":true,"num":0}]',
    `42["typing:start",{"convId":${nested(10_000)}}]`,
    `42["typing:start",${nested(10_000)}]`,
    `42${nested(10_000)}`,
    `40${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
    `42["typing:start",{"convId":"${'x'.repeat(900_000)}"}]`,
    `42["typing:start",{"${'x'.repeat(900_000)}":"c"}]`,
    `42["${'x'.repeat(900_000)}",{}]`,
    `42["typing:start",${JSON.stringify(Array(100_000).fill(0))}]`,
    `4${'x'.repeat(1_100_000)}`,
    Buffer.alloc(0),
    Buffer.alloc(100_000),
  ),
  fc.string({ unit: 'binary', maxLength: 100 }).map((text) => `42${text}`),
  fc.string({ unit: 'binary', maxLength: 100 }).map((text) => `4${text}`),
  fc.string({ maxLength: 100 }),
  fc.json().map((text) => `42["typing:start",${text}]`),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
)
