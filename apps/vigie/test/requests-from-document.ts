/** Requests made from what an OpenAPI document says of an operation: such as it asks for, and such as it does not. */
import * as fc from 'fast-check'
import { isId } from '@vigie/protocol'
import type { Operation, Parameter } from '../src/api/openapi.js'

export interface MadeRequest {
  /** With the query. */
  readonly path: string
  readonly body: string | undefined
}

/** The part of JSON Schema that the document's requests are made of. */
interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly items?: Schema
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

type Values = Readonly<Record<string, unknown>>

/** Requests that the operation has to answer. */
export function requestsFor(path: string, operation: Operation): fc.Arbitrary<MadeRequest> {
  const { parameters = [], requestBody } = operation
  const schema = bodySchema(operation)
  const body: fc.Arbitrary<unknown> = schema ? valuesOf(schema) : fc.constant(undefined)
  const mayBeEmpty = requestBody !== undefined && requestBody.required !== true
  return fc
    .record({ values: parametersOf(parameters), body, isLeftOut: fc.boolean() })
    .map(({ values, body, isLeftOut }) =>
      made(path, parameters, values, mayBeEmpty && isLeftOut ? undefined : body),
    )
}

/** Requests that are wrong in one place. */
export function wrongRequestsFor(path: string, operation: Operation): fc.Arbitrary<MadeRequest> {
  const { parameters = [] } = operation
  const schema = bodySchema(operation)
  const body: fc.Arbitrary<unknown> = schema ? valuesOf(schema) : fc.constant(undefined)
  const values = parametersOf(parameters)
  const right = fc.record({ values, body })
  const text = schema ? right.map((of) => ({ ...of, text: JSON.stringify(of.body) })) : right
  return fc.oneof(
    // An unknown field of the query, one that is said twice, and a path that is no UTF-8.
    right.map((of) => {
      const request = made(path, parameters, of.values, of.body)
      return { ...request, path: `${request.path}${request.path.includes('?') ? '&' : '?'}unknown=1` }
    }),
    ...parameters.map((parameter) =>
      fc
        .record({ of: right, wrong: wrongOf(parameter.schema as Schema, parameter.in) })
        .map(({ of, wrong }) => made(path, parameters, { ...of.values, [parameter.name]: wrong }, of.body)),
    ),
    ...(schema
      ? [
          fc
            .record({ of: right, wrong: wrongOf(schema, 'body') })
            .map(({ of, wrong }) => made(path, parameters, of.values, wrong)),
          text.map((of) => ({
            ...made(path, parameters, of.values, undefined),
            body: `${JSON.stringify(of.body)}}`,
          })),
        ]
      : []),
  )
}

function bodySchema({ requestBody }: Operation): Schema | undefined {
  return requestBody?.content['application/json']?.schema
}

const timesOf = (from: string, to: string) =>
  fc.date({ min: new Date(from), max: new Date(to), noInvalidDate: true }).map((date) => date.toISOString())
/** What the document says in words: one is before the other. */
const PERIOD = new Map<string, fc.Arbitrary<unknown>>([
  ['from', timesOf('2026-11-01', '2026-11-15')],
  ['to', timesOf('2026-11-16', '2026-11-29')],
])

function parametersOf(parameters: readonly Parameter[]): fc.Arbitrary<Values> {
  const fields = Object.fromEntries(
    parameters.map(({ name, in: place, schema }) => [
      name,
      // Every client takes these for places in the path.
      (PERIOD.get(name) ?? valuesOf(schema as Schema)).filter(
        (value) => place !== 'path' || (value !== '.' && value !== '..'),
      ),
    ]),
  )
  return fc.record(fields, {
    requiredKeys: parameters.filter(({ required }) => required).map(({ name }) => name),
  })
}

function made(path: string, parameters: readonly Parameter[], values: Values, body: unknown): MadeRequest {
  const inPath = path.replaceAll(/\{(\w+)\}/gu, (_whole, name: string) =>
    encodeURIComponent(String(values[name])),
  )
  const query = parameters
    .filter(({ name, in: place }) => place === 'query' && values[name] !== undefined)
    .map(({ name }) => `${name}=${encodeURIComponent(String(values[name]))}`)
    .join('&')
  return {
    path: query === '' ? inPath : `${inPath}?${query}`,
    body: body === undefined ? undefined : JSON.stringify(body),
  }
}

/** Values that the schema allows. */
function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case 'string': {
      if (schema.format === 'date-time') return timesOf('2020-01-01', '2026-11-29')
      if (schema.format === 'date')
        return timesOf('2020-01-01', '2026-11-28').map((time) => time.slice(0, 10))
      const { minLength = 0, maxLength = 100, pattern = '' } = schema
      const isAllowed = new RegExp(pattern)
      const texts = (unit: 'binary' | 'grapheme') =>
        fc.string({ unit, minLength, maxLength: Math.min(maxLength, 20) })
      return fc
        .oneof(
          texts('binary'),
          texts('grapheme'),
          fc.constantFrom(
            'ann',
            'plan',
            'crew',
            'query',
            '__proto__',
            '/',
            'a/b',
            '%',
            '%2F',
            '%zz',
            '?',
            '#',
            ' ',
            '..a',
            '&=',
          ),
          fc.constant('x'.repeat(maxLength)),
        )
        .filter((value) => isAllowed.test(value) && isId(value, maxLength))
    }
    case 'integer':
      return fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? 1_000 })
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), { maxLength: Math.min(schema.maxItems ?? 10, 10) })
    case 'object': {
      const fields = Object.entries(schema.properties ?? {}).map(([name, each]) => [name, valuesOf(each)])
      return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, {
        requiredKeys: [...(schema.required ?? [])],
      })
    }
    default:
      throw new Error(`The generator knows no schema such as ${JSON.stringify(schema)}.`)
  }
}

/** Values that the schema does not allow. In a path and a query everything is text; an empty path is another path. */
function wrongOf(schema: Schema, place: 'path' | 'query' | 'body'): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom('other', '')
  switch (schema.type) {
    case 'string': {
      if (schema.format === 'date-time' || schema.format === 'date') {
        const wrong = [
          '',
          'yesterday',
          '1764425100000',
          '2026-02-31',
          '2026-02-31T00:00:00Z',
          '2026-11-29T14:05:00',
        ]
        return fc.constantFrom(
          ...wrong,
          ...(schema.format === 'date' ? ['2026-11-29T14:05:00Z'] : ['2026-11-29']),
        )
      }
      const texts = [`${'x'.repeat(schema.maxLength ?? 0)}x`, 'a\u0000b', '\u007f', 'line\nline', '\u0085']
      if (place !== 'path') texts.push('')
      return fc.oneof(
        fc.constantFrom(...texts),
        ...(place === 'body' ? [fc.constantFrom<unknown>(5, null, true, ['a'], {}, '\ud800')] : []),
      )
    }
    case 'integer':
      return fc.constantFrom(
        '0',
        '-1',
        '1.5',
        'x',
        '',
        '1e2',
        ' 1',
        String((schema.maximum ?? 0) + 1),
        '0x10',
      )
    case 'array': {
      const { items = {}, maxItems = 0 } = schema
      return fc.oneof(
        fc.constantFrom<unknown>('a', 5, null, {}),
        valuesOf(items).map((item) => Array.from({ length: maxItems + 1 }, () => item)),
        fc.tuple(valuesOf(items), wrongOf(items, place)),
      )
    }
    case 'object': {
      const { properties = {}, required = [] } = schema
      const right = valuesOf(schema) as fc.Arbitrary<Values>
      return fc.oneof(
        fc.constantFrom<unknown>([], 'text', 5, null, true),
        fc
          .constantFrom('unknown', 'UserIds', 'constructor')
          .chain((name) => right.map((of) => ({ ...of, [name]: 1 }))),
        ...required.map((name) => right.map(({ [name]: _left, ...others }) => others)),
        ...Object.entries(properties).map(([name, each]) =>
          fc
            .record({ of: right, wrong: wrongOf(each, place) })
            .map(({ of, wrong }) => ({ ...of, [name]: wrong })),
        ),
      )
    }
    default:
      throw new Error(`The generator knows no schema such as ${JSON.stringify(schema)}.`)
  }
}
