import { Hono } from 'hono'

/** What answers over HTTP, apart from Socket.IO. */
export interface HttpOptions {
  /** Whether the database answers now. */
  readonly isReachable: () => Promise<boolean>
  readonly version: string
  /** Further routes, such as the demo's. Given here because a header must be set before a route answers. */
  readonly routes?: Hono | undefined
}

/** Permits exactly what the pages of the demo are made of: their own files, and the connection back to this server. */
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

/** `/healthz`, headers that make a browser careful, and `routes`. */
export function createHttp({ isReachable, version, routes }: HttpOptions): Hono {
  const http = new Hono()
  http.use(async (context, next) => {
    await next()
    context.header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
    context.header('X-Content-Type-Options', 'nosniff')
    context.header('Referrer-Policy', 'no-referrer')
    if (!context.res.headers.has('Cache-Control')) context.header('Cache-Control', 'no-store')
  })
  // A server whose database is away keeps its sessions, so it lives; it only cannot let anybody new in.
  http.get('/healthz', async (context) => {
    const isUp = await isReachable()
    return isUp
      ? context.json({ status: 'ok', version, database: 'ok' })
      : context.json({ status: 'unavailable', version, database: 'unreachable' }, 503)
  })
  if (routes === undefined) {
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
