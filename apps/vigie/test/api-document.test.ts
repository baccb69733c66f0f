/** Every route against the document that describes it: right and wrong requests, made from the document's own schemas. */
import { silentLog } from '@vigie/server'
import { migrate, openTrail, postgresTrail, type TrailQuestions } from '@vigie/server/postgres'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyring } from '../src/api/keys.js'
import { createDocument, type OpenApiDocument, type Operation } from '../src/api/openapi.js'
import { createRoutes, type ApiAudit, type ApiPresence } from '../src/api/routes.js'
import { freshDatabase, type TestDatabase } from '../../../test/database.js'
import { trailStory } from '../../../packages/server/test/support/trail-story.js'
import { ACT_KEY, BOTH_KEY, READ_KEY, startApi as start, type ApiServer } from './api-server.js'
import { requestsFor, wrongRequestsFor, type MadeRequest } from './requests-from-document.js'

/** As many requests of each kind as each route is sent. */
const RUNS = 40

const document = createDocument(
  createRoutes({ presence: {} as ApiPresence, audit: {} as ApiAudit, monitor: () => undefined }),
  '1.2.3',
)
const operations = Object.entries(document.paths).flatMap(([path, byMethod]) =>
  Object.entries(byMethod).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    path,
    method: method.toUpperCase(),
    operation,
    scope: String((operation.security as readonly { key: readonly string[] }[])[0]?.key[0]),
  })),
)

const ajv = new Ajv2020({ strict: false })
ajv.addSchema(document, 'document')

let database: TestDatabase
let audit: TrailQuestions
/** For what the document does not show: that there is something in the answers. */
beforeAll(async () => {
  database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  const store = postgresTrail({ sql: database.sql, log: silentLog })
  const { rows } = trailStory({ seed: 1, from: Date.now() - 3 * 86_400_000, facts: 400 })
  await store.makeDays([...new Set(rows.map(({ day }) => day))])
  await store.write(rows)
  audit = openTrail({ sql: database.sql, log: silentLog })
})
afterAll(() => database[Symbol.asyncDispose]())

const startApi = (given: Parameters<typeof start>[0] = {}) => start({ audit, ...given })

/** The answer is one that the document has for the operation; its content. */
async function expectDocumented(operation: Operation, answer: Response): Promise<unknown> {
  const described = operation.responses[String(answer.status)]
  expect(described, `${answer.status} is not in the document`).toBeDefined()
  const text = await answer.text()
  const [type] = Object.keys(described?.content ?? {})
  if (type === undefined) {
    expect(text).toBe('')
    return undefined
  }
  expect(answer.headers.get('content-type')).toBe(type)
  const { $ref } = described!.content![type]!.schema as { $ref: string }
  const content: unknown = JSON.parse(text)
  const isValid = ajv.getSchema(`document${$ref}`)!
  expect([isValid(content), isValid.errors]).toEqual([true, null])
  return content
}

it('is valid OpenAPI 3.1, to a validator that is not ours, and is what the server gives out', async () => {
  await using server = await startApi()
  const answer = await server.ask('/v1/openapi.json', { key: null })
  const given = (await answer.json()) as OpenApiDocument
  expect(given).toEqual(JSON.parse(JSON.stringify(document)))
  const validator = new Validator()
  expect(await validator.validate(given as never)).toEqual({ valid: true })
  expect(validator.version).toBe('3.1')
  expect(await new Validator().validate({ ...given, paths: { wrong: 1 } })).toMatchObject({
    valid: false,
  })
})

describe.each(operations)('$name', ({ path, method, operation, scope }) => {
  let server: ApiServer
  beforeAll(async () => {
    // What is generated has more wrong keys than a service should send.
    server = await startApi({ wrongKeyRate: { perSecond: 100_000, burst: 100_000 } })
    await server.connect('ann')
  })
  afterAll(async () => {
    expect(server.errors).toEqual([])
    await server[Symbol.asyncDispose]()
  })

  const send = (request: MadeRequest, key: string | null) =>
    server.ask(request.path, {
      key,
      method,
      ...(request.body !== undefined && {
        body: request.body,
        headers: { 'Content-Type': 'application/json' },
      }),
    })
  const rightKey = scope === 'read' ? READ_KEY : ACT_KEY
  const otherKey = scope === 'read' ? ACT_KEY : READ_KEY

  it('answers every right request as described, with the key of its scope and with one for both', async () => {
    await fc.assert(
      fc.asyncProperty(
        requestsFor(path, operation),
        fc.constantFrom(rightKey, BOTH_KEY),
        async (request, key) => {
          const answer = await send(request, key)
          expect(answer.status).toBe(method === 'GET' || operation.responses['200'] ? 200 : 202)
          expect(answer.headers.get('vigie-node')).toBe('node-a')
          await expectDocumented(operation, answer)
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('refuses every wrong request as described', async () => {
    await fc.assert(
      fc.asyncProperty(wrongRequestsFor(path, operation), async (request) => {
        const answer = await send(request, rightKey)
        expect([answer.status, request]).toEqual([400, request])
        expect(await expectDocumented(operation, answer)).toMatchObject({ code: 'invalid_payload' })
      }),
      { numRuns: RUNS },
    )
  })

  it('refuses too many unknown keys as described', async () => {
    await using strict = await startApi({ wrongKeyRate: { perSecond: 1, burst: 1 }, now: () => 0 })
    const ask = () => strict.ask(path.replaceAll(/[{}]/gu, ''), { method, key: 'unknown' })
    expect((await ask()).status).toBe(401)
    const answer = await ask()
    expect(await expectDocumented(operation, answer)).toMatchObject({ status: 429, code: 'wrong_keys' })
    expect(answer.headers.get('retry-after')).toBe('1')
  })

  it('refuses every request without a key, with an unknown one, and with one for something else', async () => {
    const refusals: readonly [string | null, number, string, RegExp][] = [
      [null, 401, 'key_missing', /^Bearer realm="vigie"$/],
      [`${rightKey}x`, 401, 'key_invalid', /error="invalid_token"/],
      [rightKey.slice(1), 401, 'key_invalid', /error="invalid_token"/],
      ['two words', 401, 'key_invalid', /error="invalid_token"/],
      [otherKey, 403, 'scope_missing', new RegExp(`error="insufficient_scope", scope="${scope}"`)],
    ]
    const anyRequest = fc.oneof(requestsFor(path, operation), wrongRequestsFor(path, operation))
    await fc.assert(
      fc.asyncProperty(
        anyRequest,
        fc.constantFrom(...refusals),
        async (request, [key, status, code, challenge]) => {
          const answer = await send(request, key)
          expect(answer.status).toBe(status)
          expect(answer.headers.get('www-authenticate')).toMatch(challenge)
          expect(answer.headers.get('cache-control')).toBe('no-store')
          expect(await expectDocumented(operation, answer)).toMatchObject({ status, code })
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('is closed on a server without a key', async () => {
    await using closed = await startApi({ keyring: createKeyring([]) })
    const [request] = fc.sample(requestsFor(path, operation), 1)
    for (const key of [null, BOTH_KEY]) {
      const answer = await closed.ask(request!.path, { key, method })
      expect(await expectDocumented(operation, answer)).toMatchObject({ status: 403, code: 'api_closed' })
    }
  })

  it('says which methods it has, and refuses others', async () => {
    const [request] = fc.sample(requestsFor(path, operation), 1)
    const options = await server.ask(request!.path, { method: 'OPTIONS', key: null })
    const allowed = options.headers.get('allow')?.split(', ') ?? []
    expect([options.status, allowed.includes(method), allowed.includes('OPTIONS')]).toEqual([204, true, true])
    expect(allowed.includes('HEAD')).toBe(allowed.includes('GET'))
    for (const other of ['PUT', 'DELETE', 'PATCH']) {
      const answer = await server.ask(request!.path, { method: other })
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, allowed.join(', ')])
      expect(await answer.json()).toMatchObject({ status: 405, code: 'method_not_allowed' })
    }
  })
})

describe.each(operations.filter(({ method }) => method === 'GET'))('$name', ({ path, operation }) => {
  it('answers HEAD with the head of its answer, and 304 to a client that has it', async () => {
    await using server = await startApi()
    const [request] = fc.sample(requestsFor(path, operation), 1)
    const whole = await server.ask(request!.path)
    const head = await server.ask(request!.path, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      200,
      'application/json',
      '',
    ])
    expect(whole.headers.get('cache-control')).toBe('private, no-cache')
    expect(whole.headers.get('vary')).toContain('Authorization')
    const etag = whole.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[0-9a-f]+"$/)
    // What tells the time is another answer each time.
    if (path === '/v1/monitor') return
    for (const given of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const same = await server.ask(request!.path, { headers: { 'If-None-Match': given } })
      expect([same.status, same.headers.get('etag'), await same.text()]).toEqual([304, etag, ''])
      expect(same.headers.get('cache-control')).toBe('private, no-cache')
    }
    const other = await server.ask(request!.path, { headers: { 'If-None-Match': '"other"' } })
    expect(other.status).toBe(200)
  })
})
