/**
 * The HTTP API under `/v1`: for each request its key, its turn (rate limit), its fields, then the route's answer, from
 * this server's memory. Who may call it is decided in admission.ts, what there is in routes.ts, how it is refused in problems.ts.
 */
import { PresenceError } from '@vigie/protocol'
import type { Log, MetricFamily } from '@vigie/server'
import { Hono, type Context } from 'hono'
import { etag } from 'hono/etag'
import * as v from 'valibot'
import { createAdmission, type AdmissionOptions, type Admitted } from './admission.js'
import { docsPage, DOCS_STYLE } from './docs-page.js'
import type { KnownKey } from './keys.js'
import { createMonitor } from './monitor.js'
import { createDocument } from './openapi.js'
import { createPacedLog, type PacedLog } from './paced-log.js'
import { ApiProblem, problemResponse } from './problems.js'
import {
  createRoutes,
  type Act,
  type ApiAudit,
  type ApiPresence,
  type ApiWebhooks,
  type Fields,
  type Route,
} from './routes.js'

export interface ApiOptions extends Omit<AdmissionOptions, 'lines' | 'now'> {
  readonly presence: ApiPresence
  readonly audit: ApiAudit
  /** Absent: this server sends none. */
  readonly webhooks?: ApiWebhooks
  readonly metrics: () => readonly MetricFamily[]
  readonly version: string
  /** Milliseconds, monotonic. @default performance.now */
  readonly now?: () => number
}

/** Most bytes of a body: a thousand of the longest ids, each unit as three bytes. */
export const BODY_MAX_BYTES = 524_288

const JSON_TYPE = /^application\/json *(;|$)/iu

export type Api = Hono<Admitted>

export function createApi(options: ApiOptions): Api {
  const { presence, audit, webhooks, version, log, now = () => performance.now() } = options
  const routes = createRoutes({
    presence,
    audit,
    ...(webhooks && { webhooks }),
    monitor: createMonitor(options),
  })
  const lines = createPacedLog(now)
  const admit = createAdmission({ ...options, now, lines })
  const answer = createAnswer({ presence, log, lines })
  const api = new Hono<Admitted>()

  api.onError((error, context) => {
    const problem = problemOf(error)
    if (problem.code === 'internal') {
      log.error('The HTTP API failed to answer a request. Its sender is told `internal`.', {
        method: context.req.method,
        error,
      })
    }
    return problemResponse(problem)
  })

  addDocuments(api, routes, version)
  for (const route of routes) {
    api.on(
      route.method,
      route.path.replaceAll(/\{(\w+)\}/gu, ':$1'),
      admit(route),
      ...(route.method === 'GET' ? [etag()] : []),
      async (context) => answer(route, context),
    )
  }
  addRest(api, routes)
  return api
}

/** The document, the same as a page, and the page's style: open to all, because each Vigie of a version has the same. */
function addDocuments(api: Api, routes: readonly Route[], version: string): void {
  const document = createDocument(routes, version)
  const files: Readonly<Record<string, (context: Context) => Response | Promise<Response>>> = {
    'openapi.json': (context) => context.json(document),
    docs: (context) => context.html(docsPage(document)),
    'docs.css': (context) => context.body(DOCS_STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' }),
  }
  for (const [name, answerFile] of Object.entries(files)) {
    api.get(`/v1/${name}`, etag(), async (context) => {
      context.header('Cache-Control', 'no-cache')
      return answerFile(context)
    })
  }
}

/** What no route has answered: another method of its path, or a path of none. */
function addRest(api: Api, routes: readonly Route[]): void {
  const known = [
    ...routes.map(({ method, path }) => ({
      method,
      path: new RegExp(`^${path.replaceAll(/\{\w+\}/gu, '[^/]+')}$`, 'u'),
    })),
    { method: 'GET', path: /^\/v1\/(openapi\.json|docs|docs\.css)$/u },
  ]
  const rest = ({ req }: Context) => {
    const { pathname } = new URL(req.url)
    const methods = known.flatMap(({ method, path }) =>
      path.test(pathname) ? (method === 'GET' ? ['GET', 'HEAD'] : [method]) : [],
    )
    if (methods.length === 0) throw new ApiProblem('not_found')
    const allow = { Allow: [...new Set([...methods, 'OPTIONS'])].join(', ') }
    if (req.method === 'OPTIONS') return new Response(null, { status: 204, headers: allow })
    throw new ApiProblem('method_not_allowed', undefined, allow)
  }
  api.all('/v1', rest)
  api.all('/v1/*', rest)
}

type ActingRoute = Route & { readonly act: Act<never> }

function isActing(route: Route): route is ActingRoute {
  return route.act !== undefined
}

interface AnswerParts {
  readonly presence: Pick<ApiPresence, 'note'>
  readonly log: Log
  readonly lines: PacedLog
}

/** Answers a request that was let in. */
function createAnswer({ presence, log, lines }: AnswerParts) {
  /** Each is in the audit trail; the log has fewer of those that services do all day. */
  function noteAct(
    { operationId, act: { sentence, fields, isRoutine } }: ActingRoute,
    key: KnownKey,
    request: never,
  ): void {
    const { userId, ...detail } = fields(request)
    presence.note({
      reason: operationId,
      ...(typeof userId === 'string' && { userId }),
      detail: { by: key.fingerprint, ...detail },
    })
    const write = (leftOut = {}) => {
      log.info(sentence, { keyFingerprint: key.fingerprint, ...fields(request), ...leftOut })
    }
    if (isRoutine) lines.note(`${key.id} ${sentence}`, write)
    else write()
  }

  return async (route: Route, { req, json, body, var: { key } }: Context<Admitted>): Promise<Response> => {
    const request = {
      params: parse('path', route.params, paramsOf(req)),
      query: parse('query', route.query, queryOf(req)),
      body: route.body && parse('body', route.body, await bodyOf(req)),
    } as never
    const result = await route.handle(request)
    if (isActing(route)) noteAct(route, key, request)
    if (route.answer === undefined) return body(null, 202, { 'Cache-Control': 'no-store' })
    // May be kept by the one who asked, who has to ask whether it still stands.
    return json(result as object, 200, {
      'Cache-Control': route.method === 'GET' ? 'private, no-cache' : 'no-store',
    })
  }
}

/** @throws ApiProblem */
function parse(place: 'path' | 'query' | 'body', fields: Fields, given: unknown): unknown {
  const result = v.safeParse(fields, given, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  const path = issue.path?.map(({ key }) => String(key).slice(0, 64)).join('.') ?? ''
  const name = path === '' ? `The ${place}` : `\`${path}\` of the ${place}`
  const what = issue.kind === 'validation' ? 'is out of range' : 'is missing, unknown or of the wrong type'
  throw new ApiProblem('invalid_payload', `${name} ${what}.`)
}

type Request = Context['req']

function paramsOf(req: Request): unknown {
  try {
    decodeURIComponent(new URL(req.url).pathname)
  } catch {
    throw new ApiProblem('invalid_payload', 'The path has a % that begins no UTF-8 character.')
  }
  return req.param()
}

function queryOf(req: Request): unknown {
  const found: [string, string][] = []
  for (const [name, values] of Object.entries(req.queries())) {
    if (values.length > 1) throw new ApiProblem('invalid_payload', 'The query says something twice.')
    found.push([name, values[0] ?? ''])
  }
  return Object.fromEntries(found)
}

/** Without a body: as if it were `{}`. */
async function bodyOf(req: Request): Promise<unknown> {
  const text = await textOf(req)
  if (text === '') return {}
  if (!JSON_TYPE.test(req.header('content-type') ?? '')) throw new ApiProblem('unsupported_media_type')
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new ApiProblem('invalid_payload', 'The body is no JSON.')
  }
  // To valibot a list is an object, too: an empty one would pass where no field is required.
  if (Array.isArray(content))
    throw new ApiProblem('invalid_payload', 'The body is a list; it must be an object.')
  return content
}

/**
 * Reads the whole body, of which no more is kept than may be sent. What is above that is read, too, within reason: a
 * connection that is closed while its client still writes may take the answer along, and the client would not know why.
 */
async function textOf({ raw: { body } }: Request): Promise<string> {
  const kept: Uint8Array[] = []
  let bytes = 0
  const tooLarge = (headers = {}) =>
    new ApiProblem('body_too_large', `The body has more than ${BODY_MAX_BYTES} bytes.`, headers)
  try {
    for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += part.length
      if (bytes <= BODY_MAX_BYTES) kept.push(part)
      else if (bytes > BODY_MAX_BYTES * 2) throw tooLarge({ Connection: 'close' })
    }
  } catch (error) {
    if (error instanceof ApiProblem) throw error
    // The connection went. Nothing for the log: anybody can do that as often as they like.
    throw new ApiProblem('invalid_payload', 'The body ended too early.')
  }
  if (bytes > BODY_MAX_BYTES) throw tooLarge()
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(kept))
  } catch {
    throw new ApiProblem('invalid_payload', 'The body is no UTF-8.')
  }
}

function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  if (error instanceof PresenceError && error.code === 'unavailable') {
    return new ApiProblem('unavailable', undefined, { 'Retry-After': '1' })
  }
  return new ApiProblem('internal')
}
