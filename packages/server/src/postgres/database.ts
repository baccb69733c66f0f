import { PresenceError } from '@vigie/protocol'
import type { Log } from '../core/ports.js'

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

/** Connections that a client made here may open. */
const CONNECTIONS_MAX = 4
/** Pause between attempts to connect: the driver's own grows to 20 s, and presence should be back sooner. */
const RECONNECT_MS = 200
/** How long `close` waits for a connection to say goodbye. */
const GOODBYE_MS = 1_000

/** Makes nothing but the promise of a connection: the first query connects. */
export function connect(sql: SqlSource, options: DatabaseOptions): Database {
  const driver = typeof sql === 'string' ? ownDriver(sql, options) : handedIn(sql)
  return {
    async query(text, values) {
      try {
        return await within(options.timeoutMs, driver.run(text, values), driver.reset)
      } catch (error) {
        throw isAway(error) ? new PresenceError('unavailable', undefined, { cause: error }) : error
      }
    },
    close: driver.close,
  }
}

interface Driver {
  run(text: string, values?: string[]): Promise<readonly Row[]>
  /** Gives up connections that do not answer. */
  reset(): void
  close(): Promise<void>
}

function handedIn(sql: PostgresJs | PgPool): Driver {
  return {
    run: async (text, values) =>
      ('unsafe' in sql ? await sql.unsafe(text, values) : (await sql.query(text, values)).rows) as Row[],
    reset() {},
    close: () => Promise.resolve(),
  }
}

function ownDriver(url: string, { timeoutMs, log }: DatabaseOptions): Driver {
  type Client = PostgresJs & { end(options: { timeout: number }): Promise<void> }
  let client: Promise<Client> | undefined
  let isClosed = false

  async function open(): Promise<Client> {
    const { default: postgres } = await import('postgres').catch((error: unknown) => {
      throw new Unusable('A database URL was given, but the package `postgres` is not installed', {
        cause: error,
      })
    })
    return postgres(url, {
      max: CONNECTIONS_MAX,
      connect_timeout: (timeoutMs || 30_000) / 1_000,
      backoff: () => RECONNECT_MS / 1_000,
      // Neither is needed for text, and poolers in transaction mode know no prepared statements.
      fetch_types: false,
      prepare: false,
      onnotice: (notice) => {
        log.debug('PostgreSQL says something.', { notice: notice['message'] })
      },
      connection: { application_name: 'vigie' },
    })
  }

  async function end(ended: Promise<Client>, timeout: number): Promise<void> {
    try {
      await (await ended).end({ timeout })
    } catch (error) {
      log.debug('A database connection did not end well.', { error })
    }
  }

  return {
    async run(text, values) {
      if (isClosed) throw new PresenceError('unavailable', 'The memberships are closed.')
      return (await (await (client ??= open())).unsafe(text, values)) as readonly Row[]
    },
    reset() {
      // A connection that went silent may be dead without anyone having said so, and the driver would wait for
      // the keep-alive of the operating system, for minutes. The next query makes new ones.
      if (client) void end(client, 0)
      client = undefined
    },
    async close() {
      isClosed = true
      if (client) await end(client, GOODBYE_MS / 1_000)
      client = undefined
    },
  }
}

class TimedOut extends Error {}
/** Waiting would not help. */
class Unusable extends Error {}

async function within<T>(timeoutMs: number, answer: Promise<T>, giveUp: () => void): Promise<T> {
  if (timeoutMs === 0) return answer
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TimedOut(`no answer within ${timeoutMs} ms`))
      giveUp()
    }, timeoutMs)
  })
  try {
    return await Promise.race([answer, silence])
  } finally {
    clearTimeout(timer)
  }
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
