import { getConnInfo } from '@hono/node-server/conninfo'
import { Hono, type Context, type Handler } from 'hono'
import type { Api } from './api/api.js'
import { startingResponse } from './api/problems.js'
import type { Health } from './health.js'

/** What answers over HTTP, apart from Socket.IO. */
export interface HttpOptions {
  readonly health: Health
  readonly version: string
  /** What is below `/v1`, once the server serves. */
  readonly api?: Api | undefined
  /** Answers `/metrics`; nothing is there without it. */
  readonly metrics?: Handler | undefined
  /** Further routes, such as the demo's. Given here because a header must be set before a route answers. */
  readonly routes?: Hono | undefined
  /** The operators' page. */
  readonly ops?: Hono | undefined
  /** Whether a token is one that `vigie doctor` has signed with the secret of this server. */
  readonly isDoctor?: ((token: string) => boolean) | undefined
}

/** Permits exactly what our pages are made of: their own files, and the connection back to this server. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Health, headers that make a browser careful, and `routes`; while the server starts, nothing but health. */
export function createHttp({ health, version, api, metrics, routes, ops, isDoctor }: HttpOptions): Hono {
  const http = new Hono()
  http.use(async (context, next) => {
    await next()
    context.header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
    context.header('X-Content-Type-Options', 'nosniff')
    context.header('Referrer-Policy', 'no-referrer')
    if (!context.res.headers.has('Cache-Control')) context.header('Cache-Control', 'no-store')
  })
  addHealth(http, { health, version, isDoctor })
  if (api) http.route('/', api)
  if (ops !== undefined) http.route('/', ops)
  if (metrics !== undefined) http.get('/metrics', metrics)
  // What comes before the server is ready is to come again; an error that says so is better than a refused connection,
  // which looks like a server that is not there.
  if (health.state() === 'starting') {
    for (const path of ['/v1', '/v1/*']) http.all(path, startingResponse)
    http.all('*', (context) => {
      context.header('Retry-After', '1')
      return context.json({ error: { code: 'unavailable', message: 'Vigie is starting; try again.' } }, 503)
    })
  } else if (routes === undefined) {
    http.get('/', (context) =>
      context.text('Vigie runs here. Clients connect to this address with Socket.IO.\n'),
    )
  } else {
    http.route('/', routes)
  }
  http.notFound((context) =>
    context.json({ error: { code: 'not_found', message: 'There is nothing here.' } }, 404),
  )
  return http
}

/** Who asks what, and why the answers differ: docs/operations.md. */
function addHealth(http: Hono, { health, version, isDoctor }: HttpOptions): void {
  http.get('/livez', (context) => {
    const [, token] = /^Bearer (.+)$/u.exec(context.req.header('Authorization') ?? '') ?? []
    const isAskedByDoctor = token !== undefined && isDoctor?.(token) === true
    return context.json({ status: 'ok', version, ...(isAskedByDoctor && { seen: seenOf(context) }) })
  })
  http.get('/readyz', async (context) => {
    const { isReady, reasons, checks } = await health.readiness()
    const status = !isReady ? 'unavailable' : reasons.length === 0 ? 'ok' : 'degraded'
    return context.json({ status, reasons, checks, version }, isReady ? 200 : 503)
  })
  http.get('/healthz', async (context) => {
    const database = await health.database()
    return database === 'ok'
      ? context.json({ status: 'ok', version, database })
      : context.json({ status: 'unavailable', version, database }, 503)
  })
}

/** What the server sees of the client that asks. A proxy on the way should have added an address to `X-Forwarded-For`. */
export interface Seen {
  readonly port: number | undefined
  readonly forwardedFor: string | undefined
}

function seenOf(context: Context): Seen {
  return {
    port: getConnInfo(context).remote.port,
    forwardedFor: context.req.header('X-Forwarded-For'),
  }
}
