import { PresenceError } from '@vigie/protocol'
import type { Log } from '../core/ports.js'
import { sendCancelRequest, type BackendKey } from './cancel-request.js'
import { logLeftOut, readDatabaseUrl, type DatabaseUrl } from './database-url.js'

/** A row whose columns were all asked for as text, so that it is the same from every driver. */
export type Row = Readonly<Record<string, string | null>>

/** What a `pg` pool (or client) is, as far as it is used here. */
export interface PgPool {
  query(text: string, values?: string[]): Promise<{ rows: unknown[] }>
}

/** What a client of the package `postgres` is, as far as it is used here. */
export interface PostgresJs {
  unsafe(text: string, values?: string[]): PromiseLike<readonly unknown[]>
}

/**
 * A `DATABASE_URL`, a client of the package `postgres`, or a pool of the package `pg`. With a URL the package
 * `postgres` must be installed.
 */
export type SqlSource = string | PostgresJs | PgPool

/** The one way to PostgreSQL, whatever the driver. */
export interface Database {
  /**
   * Runs one statement, or without `values` several.
   * @throws PresenceError `unavailable` when the server cannot be reached, refuses to serve, or does not answer
   * within `timeoutMs`; else what the driver threw.
   */
  query(text: string, values?: string[]): Promise<readonly Row[]>
  /** Ends the client if it was made here. */
  close(): Promise<void>
}

interface DatabaseOptions {
  /** 0: wait for ever. */
  readonly timeoutMs: number
  readonly log: Log
}

/** Connections that are opened here for a URL. More queries than this wait for their turn. */
export const CONNECTIONS_MAX = 4
/** Pause between attempts to connect: the driver's own grows to 20 s, and presence should be back sooner. */
const RECONNECT_MS = 200
/** How long `close` waits for a connection to say goodbye. */
const GOODBYE_MS = 1_000
const DEFAULT_PORT = 5_432

/** Makes nothing but the promise of a connection: the first query connects. */
export function connect(sql: SqlSource, options: DatabaseOptions): Database {
  const driver = typeof sql === 'string' ? ownDriver(sql, options) : handedIn(sql)
  return {
    async query(text, values) {
      try {
        return await driver.run(text, values, options.timeoutMs)
      } catch (error) {
        throw isAway(error) ? new PresenceError('unavailable', undefined, { cause: error }) : error
      }
    },
    close: driver.close,
  }
}

interface Driver {
  run(text: string, values: string[] | undefined, timeoutMs: number): Promise<readonly Row[]>
  close(): Promise<void>
}

function handedIn(sql: PostgresJs | PgPool): Driver {
  return {
    // A query that is too late keeps its connection until it ends: the pool is the host's.
    async run(text, values, timeoutMs) {
      const answer: PromiseLike<unknown> =
        'unsafe' in sql ? sql.unsafe(text, values) : sql.query(text, values)
      return rowsOf(await within(timeoutMs, answer))
    },
    close: () => Promise.resolve(),
  }
}

function rowsOf(answer: unknown): readonly Row[] {
  return (Array.isArray(answer) ? answer : (answer as { rows: unknown }).rows) as readonly Row[]
}

/** A client of the driver, as far as it is used here. */
interface Client {
  unsafe(text: string, values?: string[]): PromiseLike<Answer>
  end(options: { timeout: number }): Promise<void>
  readonly options: {
    readonly host: readonly string[]
    readonly port: readonly number[]
    readonly path?: string | false | undefined
  }
}

interface Answer extends ReadonlyArray<unknown> {
  /** Of the connection that it came on. */
  readonly state?: Partial<BackendKey>
}

/** A client of the driver with one connection, that runs one query at a time. */
interface Connection {
  readonly client: Promise<Client>
  /** Needed to have a query given up. */
  key: BackendKey | undefined
}

interface Waiting {
  resolve(connection: Connection): void
  reject(error: Error): void
}

/**
 * A pool of our own, so that a query without an answer ends only itself: the driver's pool would put further queries
 * behind it on the same connection, and can end no single one.
 */
function ownDriver(text: string, { timeoutMs, log }: DatabaseOptions): Driver {
  const open = new Set<Connection>()
  const idle: Connection[] = []
  /** Queries that wait for a connection, in order. */
  const waiting: Waiting[] = []
  let read: DatabaseUrl | undefined
  let isClosed = false

  async function openClient(): Promise<Client> {
    const { default: postgres } = await import('postgres').catch((error: unknown) => {
      throw new Unusable('A database URL was given, but the package `postgres` is not installed', {
        cause: error,
      })
    })
    const { url, options } = address()
    return postgres(url, {
      connect_timeout: (timeoutMs || 30_000) / 1_000,
      ...options,
      max: 1,
      backoff: () => RECONNECT_MS / 1_000,
      // Neither is needed for text, and poolers in transaction mode know no prepared statements.
      fetch_types: false,
      prepare: false,
      onnotice: (notice) => {
        log.debug('PostgreSQL says something.', { notice: notice['message'] })
      },
      connection: { application_name: 'vigie', ...options.connection },
    })
  }

  function address(): DatabaseUrl {
    if (read) return read
    try {
      read = readDatabaseUrl(text)
    } catch (error) {
      throw new Unusable(error instanceof Error ? error.message : String(error), { cause: error })
    }
    logLeftOut(read, log)
    return read
  }

  function add(): Connection {
    const connection: Connection = { client: openClient(), key: undefined }
    open.add(connection)
    return connection
  }

  async function take(): Promise<Connection> {
    const free = idle.pop() ?? (open.size < CONNECTIONS_MAX ? add() : undefined)
    return free ?? new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }

  function release(connection: Connection): void {
    const next = waiting.shift()
    if (next) next.resolve(connection)
    else idle.push(connection)
  }

  /** Queries that wait get a new connection in its place. */
  function discard(connection: Connection): void {
    if (!open.delete(connection)) return
    void end(connection, 0)
    waiting.shift()?.resolve(add())
  }

  async function end({ client }: Connection, timeout: number): Promise<void> {
    try {
      await (await client).end({ timeout })
    } catch (error) {
      log.debug('A database connection did not end well.', { error })
    }
  }

  async function ask(connection: Connection, query: string, values?: string[]): Promise<readonly Row[]> {
    const client = await connection.client
    const answer = await client.unsafe(query, values)
    const { pid, secret } = answer.state ?? {}
    if (pid !== undefined && secret !== undefined) connection.key = { pid, secret }
    return rowsOf(answer)
  }

  /**
   * The server would go on working for nobody. And a connection that went silent may be dead without anybody having said
   * so: the driver would wait for the keep-alive of the operating system, for minutes.
   */
  async function abandon(connection: Connection): Promise<void> {
    discard(connection)
    const { key } = connection
    const { host, port, path } = (await connection.client).options
    const [only, ...others] = host
    // Of several servers nobody says which it is.
    if (!key || only === undefined || others.length > 0) return
    sendCancelRequest({
      target: path ? { path } : { host: only, port: port[0] ?? DEFAULT_PORT },
      key,
      onFailure(error) {
        log.debug('A late query could not be given up.', { error })
      },
    })
  }

  return {
    async run(query, values, limitMs) {
      if (isClosed) throw closed()
      let connection: Connection | undefined
      let isLate = false
      const work = async () => {
        connection = await take()
        try {
          // On a new connection first something quick: only an answer says what its key is.
          if (!connection.key) await ask(connection, 'SELECT')
          return isLate ? [] : await ask(connection, query, values)
        } catch (error) {
          if (error instanceof Unusable) discard(connection)
          throw error
        } finally {
          if (open.has(connection)) release(connection)
        }
      }
      return within(limitMs, work(), () => {
        isLate = true
        if (connection) {
          abandon(connection).catch((error: unknown) => {
            log.debug('A late query could not be given up.', { error })
          })
        }
      })
    },
    async close() {
      isClosed = true
      for (const { reject } of waiting.splice(0)) reject(closed())
      await Promise.all([...open].map((connection) => end(connection, GOODBYE_MS / 1_000)))
      open.clear()
      idle.length = 0
    },
  }
}

function closed(): PresenceError {
  return new PresenceError('unavailable', 'The memberships are closed.')
}

class TimedOut extends Error {}
/** Waiting would not help. */
class Unusable extends Error {}

async function within<T>(timeoutMs: number, answer: PromiseLike<T>, giveUp?: () => void): Promise<T> {
  if (timeoutMs === 0) return answer
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TimedOut(`no answer within ${timeoutMs} ms`))
      giveUp?.()
    }, timeoutMs)
  })
  try {
    return await Promise.race([answer, silence])
  } finally {
    clearTimeout(timer)
  }
}

/** SQL: a time, or a length of time, as a whole number of milliseconds. */
export function millis(expression: string): string {
  return `(extract(epoch FROM ${expression}) * 1000)::bigint`
}

/** SQLSTATE of an error that the server sent; undefined when it is the driver's or the network's. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Connection exceptions, insufficient resources, and a server that is starting or shutting down. */
const AWAY_STATES = /^(?:08|53|57P)/

function isAway(error: unknown): boolean {
  if (error instanceof PresenceError || error instanceof Unusable) return false
  const state = sqlState(error)
  return state === undefined || AWAY_STATES.test(state)
}

/** Whatever was thrown, as an error for the operator whose message is one sentence. */
export function operatorError(error: unknown): Error {
  const root = error instanceof PresenceError && error.cause instanceof Error ? error.cause : error
  const reason =
    root instanceof Error ? root.message || ('code' in root ? String(root.code) : root.name) : String(root)
  const prefix = error instanceof PresenceError ? 'PostgreSQL cannot be reached: ' : ''
  return new Error(`${prefix}${reason.replace(/\.$/, '')}.`, { cause: error })
}
