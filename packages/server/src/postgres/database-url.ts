/**
 * A `DATABASE_URL` as hosters and other tools write it, turned into what the driver `postgres` takes. The driver sends
 * every parameter that it does not know to the server, which then refuses the connection.
 */
import type { Log } from '../core/ports.js'
import { quoteName } from './tables.js'

/** What {@link readDatabaseUrl} makes of a URL: arguments of `postgres(url, options)`. */
export interface DatabaseUrl {
  /** Without the parameters that are options of the driver or another tool's. */
  readonly url: string
  /** To be spread into the driver's options. */
  readonly options: DriverOptions
  /** Parameters that were left out because another tool reads them. */
  readonly leftOut: readonly string[]
}

interface DriverOptions {
  host?: string
  port?: number
  username?: string
  password?: string
  database?: string
  /** In seconds. */
  connect_timeout?: number
  /** In seconds; 0: none. */
  keep_alive?: number
  prepare?: false
  /** Run-time parameters of the server, set at the start of each connection. */
  connection: Record<string, string>
}

/** Parameters of libpq that change nothing here, and those of Prisma, JDBC, Rails, Doctrine, node-postgres and Supabase. */
const OF_OTHERS: ReadonlySet<string> = new Set([
  ...['keepalives_interval', 'keepalives_count', 'tcp_user_timeout', 'krbsrvname', 'gsslib', 'gssdelegation'],
  ...[
    'fallback_application_name',
    'requirepeer',
    'sslcompression',
    'sslsni',
    'passfile',
    'load_balance_hosts',
  ],
  ...['connection_limit', 'pool_timeout', 'socket_timeout', 'statement_cache_size', 'single_use_connections'],
  ...[
    'prepareThreshold',
    'ApplicationName',
    'loginTimeout',
    'socketTimeout',
    'tcpKeepAlive',
    'reWriteBatchedInserts',
  ],
  ...[
    'pool',
    'pool_size',
    'max_connections',
    'reaping_frequency',
    'prepared_statements',
    'adapter',
    'encoding',
  ],
  ...['serverVersion', 'charset', 'uselibpqcompat', 'supa', 'workaround', 'pgbouncer', 'sslidentity'],
])

/** The driver takes `allow` for `require` and `verify-ca` for `verify-full`: each is at least as strict as it says. */
const SSL_MODES: ReadonlySet<string> = new Set([
  ...['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'],
])

/**
 * Reads a URL. `schema=` becomes the search path, parameters of libpq become options of the driver, those of other tools
 * are left out, and run-time parameters of the server stay.
 *
 * @throws Error with one sentence that names a parameter which cannot be honoured.
 * @example
 * const { url, options } = readDatabaseUrl('postgres://h/d?schema=chat&pgbouncer=true')
 * const sql = postgres(url, { ...options })
 */
export function readDatabaseUrl(text: string): DatabaseUrl {
  const start = text.indexOf('?')
  if (start < 0) return { url: text, options: { connection: {} }, leftOut: [] }
  const kept = new URLSearchParams()
  const options: DriverOptions = { connection: {} }
  const leftOut: string[] = []
  for (const [name, value] of new URLSearchParams(text.slice(start + 1))) {
    if (OF_OTHERS.has(name)) leftOut.push(name)
    else if (!readParameter(name, value, options)) kept.append(name, value)
    // A pooler in transaction mode does not keep prepared statements.
    if (name === 'pgbouncer' && value === 'true') options.prepare = false
  }
  const query = kept.size === 0 ? '' : `?${kept.toString()}`
  return { url: text.slice(0, start) + query, options, leftOut }
}

/** At the lowest level of the log, for an operator who looks for a reason; the values may be secrets. */
export function logLeftOut({ leftOut }: DatabaseUrl, log: Log): void {
  if (leftOut.length === 0) return
  log.debug('Parameters of the database URL are for other tools, and were left out.', { parameters: leftOut })
}

/** Whether it is done with: an option of the driver, or of no meaning here. */
function readParameter(name: string, value: string, options: DriverOptions): boolean {
  switch (name) {
    case 'schema':
    case 'currentSchema':
      options.connection['search_path'] = value
        .split(',')
        .map((part) => quoteName(part.trim()))
        .join(', ')
      return true
    case 'host':
    case 'hostaddr':
      options.host = value
      return true
    case 'port':
      options.port = wholeNumber(name, value)
      return true
    case 'user':
      options.username = value
      return true
    case 'password':
      options.password = value
      return true
    case 'dbname':
      options.database = value
      return true
    case 'connect_timeout':
      // libpq: 0 waits for ever, and so do we not.
      options.connect_timeout = wholeNumber(name, value) || 30
      return true
    case 'keepalives':
      if (value === '0') options.keep_alive = 0
      return true
    case 'keepalives_idle':
      options.keep_alive ??= wholeNumber(name, value)
      return true
    case 'channel_binding':
    case 'gssencmode':
      if (value !== 'require') return true
      throw refusal(name, value, 'the driver cannot do it; write `prefer`, or leave it out')
    case 'require_auth':
      throw refusal(name, value, 'the driver cannot do it; leave it out')
    case 'sslmode':
      if (SSL_MODES.has(value)) return false
      throw refusal(name, value, `the driver knows ${[...SSL_MODES].join(', ')}`)
    case 'sslrootcert':
      if (value === 'system') return false
      throw refusal(name, value, 'set NODE_EXTRA_CA_CERTS to that file, and `sslmode=verify-full`')
    case 'sslaccept':
      if (value === 'strict') return true
      throw refusal(name, value, 'write `sslmode=require` instead')
    case 'sslcert':
    case 'sslkey':
    case 'sslpassword':
    case 'sslcrl':
    case 'sslcrldir':
      throw refusal(name, undefined, 'client certificates are not supported; use a password')
    case 'service':
    case 'servicefile':
      throw refusal(name, value, 'service files are not read; write host, port and database')
    case 'client_encoding':
      if (/^(?:auto|utf-?8)$/i.test(value)) return true
      throw refusal(name, value, 'text is exchanged as UTF-8; leave it out')
    default:
      return false
  }
}

function wholeNumber(name: string, value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value)
  throw refusal(name, value, 'it must be a whole number')
}

function refusal(name: string, value: string | undefined, why: string): Error {
  const shown = value === undefined ? name : `${name}=${value}`
  return new Error(`The database URL has \`${shown}\`, which cannot be honoured: ${why}.`)
}
