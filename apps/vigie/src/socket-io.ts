import type { IncomingHttpHeaders } from 'node:http'
import type { Log } from '@vigie/server'
import { Server } from 'socket.io'
import type { Config } from './config.js'

type SocketIoConfig = Pick<
  Config,
  'corsOrigins' | 'maxMessageBytes' | 'pingIntervalMs' | 'pingTimeoutMs' | 'socketIoPath'
>

/**
 * The Socket.IO server of `vigie serve`, not yet on an HTTP server: `io.attach(server)` lets clients in. Whose pages may
 * connect holds for each transport alike.
 */
export function createIo(config: SocketIoConfig, log: Log): Server {
  const { corsOrigins = [] } = config
  const mayConnect = createOriginCheck(corsOrigins, log)
  return new Server({
    path: config.socketIoPath,
    pingInterval: config.pingIntervalMs,
    pingTimeout: config.pingTimeoutMs,
    maxHttpBufferSize: config.maxMessageBytes,
    // CORS is about answers that a page may read. A WebSocket has none, so browsers leave the decision to the server.
    allowRequest: ({ headers }, decide) => {
      const isAllowed = mayConnect(headers)
      decide(isAllowed ? null : 'Pages of this origin may not connect (corsOrigins).', isAllowed)
    },
    ...(corsOrigins.length > 0 && {
      // Browsers send cookies and the like only to a server that names the origin; with `*` they refuse to.
      cors: corsOrigins.includes('*') ? { origin: '*' } : { origin: [...corsOrigins], credentials: true },
    }),
  })
}

/** Most origins of which the log says that they were refused: anybody can make up more. */
export const REFUSED_ORIGINS_MAX = 20

/**
 * Tells from the headers of a request whether it may connect:
 *
 * - without `Origin`: yes. Only browsers must send it, so native apps and servers usually do not.
 * - of the origin that the server itself is reached under: yes. A proxy in front may keep that in `X-Forwarded-Host`,
 *   which no page can set on a WebSocket or without a preflight.
 * - of any other: if the list has it, or `*`.
 *
 * It keeps out pages that act in the name of the person who looks at them. It is no check of who connects: tokens are that.
 */
export function createOriginCheck(
  origins: readonly string[],
  log: Log,
): (headers: IncomingHttpHeaders) => boolean {
  const isAll = origins.includes('*')
  const named = new Set(origins)
  const refused = new Set<string>()
  return (headers) => {
    const { origin } = headers
    if (isAll || origin === undefined || named.has(origin) || isOwn(origin, headers)) return true
    if (!refused.has(origin) && refused.size < REFUSED_ORIGINS_MAX) {
      refused.add(origin)
      log.warn(
        'A page of another origin was refused. If it is yours, add its origin to VIGIE_CORS_ORIGINS; if it is this ' +
          "server's own page behind a proxy, let the proxy pass Host on, or set X-Forwarded-Host.",
        { origin, host: headers.host },
      )
    }
    return false
  }
}

function isOwn(origin: string, headers: IncomingHttpHeaders): boolean {
  if (!URL.canParse(origin)) return false
  const page = withoutDefaultPort(new URL(origin).host)
  const forwarded = [headers['x-forwarded-host'] ?? []].flat().flatMap((hosts) => hosts.split(','))
  return (
    page !== '' && [headers.host ?? '', ...forwarded].some((host) => withoutDefaultPort(host.trim()) === page)
  )
}

/** A proxy that ends TLS speaks plain HTTP behind it, so the schemes may differ, and with them the default ports. */
function withoutDefaultPort(host: string): string {
  return host.toLowerCase().replace(/:(80|443)$/u, '')
}
