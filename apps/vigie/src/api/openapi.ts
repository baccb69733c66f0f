/** The OpenAPI document, made from the routes and their schemas: what is refused and what is described cannot differ. */
import { toJsonSchema, toJsonSchemaDefs, type ConversionConfig } from '@valibot/to-json-schema'
import type * as v from 'valibot'
import { PROBLEMS, type ProblemCode } from './problems.js'
import type { Fields, Route } from './routes.js'
import { ANSWERS } from './schemas.js'

type Json = Readonly<Record<string, unknown>>

/** The parts of a document that the page reads; the rest is as OpenAPI 3.1 has it. */
export interface OpenApiDocument {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: Json & { readonly schemas: Readonly<Record<string, object>> }
}

export interface Operation extends Json {
  readonly operationId: string
  readonly summary: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: Json & { readonly content: Content }
  readonly responses: Readonly<
    Record<string, Json & { readonly description: string; readonly content?: Content }>
  >
}

export interface Parameter extends Json {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly schema: Json
}

type Content = Readonly<Record<string, { readonly schema: Json }>>

const CONVERSION: Omit<ConversionConfig, 'definitions'> = {
  target: 'draft-2020-12',
  // Only the query has texts that become something else: what they become is shown.
  typeMode: 'output',
  ignoreActions: ['check'],
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
}

export function createDocument(routes: readonly Route[], version: string): OpenApiDocument {
  const paths: Record<string, Record<string, Operation>> = {}
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route)
  return {
    openapi: '3.1.1',
    info: {
      title: 'Vigie',
      version,
      description:
        'Who is online, for other services. Each request has a key of the server in `Authorization: Bearer <key>`; ' +
        'a key has the scope `read`, `act`, or both. Answers are from this server’s memory, those of `/v1/audit` from the audit trail; `Vigie-Node` names the server. ' +
        'Each key has a rate limit, told in `RateLimit`; above it an answer is 429, with `Retry-After`; ' +
        'so is what an address sends with keys that are not known. ' +
        'Reads have an `ETag`: send it as `If-None-Match`, and an answer that is the same is 304. Errors are ' +
        '`application/problem+json`. An id that is part of a path is percent-encoded.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This server.' }],
    security: [{ key: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: toJsonSchemaDefs(ANSWERS, CONVERSION),
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'One of the server’s `apiKeys`.' },
      },
    },
  } as OpenApiDocument
}

function operationOf(route: Route): Operation {
  const { operationId, tag, summary, scope, body, cost } = route
  const parameters = [...parametersOf(route.params, 'path'), ...parametersOf(route.query, 'query')]
  return {
    operationId,
    tags: [tag],
    summary,
    description: `Needs the scope \`${scope}\`.${cost === 1 ? '' : ` Counts as ${cost} requests.`}`,
    security: [{ key: [scope] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: requiredOf(body).size > 0,
        content: { 'application/json': { schema: convert(body) } },
      },
    }),
    responses: responsesOf(route),
  }
}

function responsesOf(route: Route): Operation['responses'] {
  const { method, answer } = route
  const responses: Record<string, Operation['responses'][string]> = {}
  if (answer === undefined) responses['202'] = { description: 'It is being done.' }
  else {
    responses['200'] = {
      description: 'The answer.',
      ...(method === 'GET' && {
        headers: { ETag: { description: 'Names this very answer.', schema: { type: 'string' } } },
      }),
      content: { 'application/json': { schema: { $ref: `#/components/schemas/${answer}` } } },
    }
  }
  if (method === 'GET')
    responses['304'] = { description: 'The answer is the one that `If-None-Match` names.' }
  for (const code of problemsOf(route)) {
    const { status, title } = PROBLEMS[code]
    const known = responses[status]
    responses[status] = {
      description: known ? `${known.description} \`${code}\`: ${title}.` : `\`${code}\`: ${title}.`,
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    }
  }
  return responses
}

/** In which ways a request of this route can be refused. */
function problemsOf({ body, mayBeUnavailable, mayBeMissing }: Route): readonly ProblemCode[] {
  return [
    ...(['invalid_payload', 'key_missing', 'key_invalid', 'api_closed', 'scope_missing'] as const),
    ...(body ? (['body_too_large', 'unsupported_media_type'] as const) : []),
    ...(['rate_limited', 'wrong_keys', 'internal'] as const),
    ...(mayBeMissing ? (['not_found'] as const) : []),
    ...(mayBeUnavailable ? (['unavailable'] as const) : []),
  ]
}

function parametersOf(fields: Fields, place: 'path' | 'query'): readonly Parameter[] {
  const required = requiredOf(fields)
  const { properties = {} } = convert(fields) as { readonly properties?: Readonly<Record<string, Json>> }
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: place,
    required: required.has(name),
    schema,
  }))
}

function requiredOf(fields: Fields): ReadonlySet<string> {
  return new Set((convert(fields) as { readonly required?: readonly string[] }).required)
}

function convert(schema: v.GenericSchema): Json {
  const { $schema: _, $defs: __, ...converted } = toJsonSchema(schema, CONVERSION)
  return converted
}
