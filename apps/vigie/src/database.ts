import { resolve } from 'node:path'
import postgres from 'postgres'
import type { Log, PresenceOptions } from '@vigie/server'
import {
  logLeftOut,
  MEMBERSHIP_CONNECTIONS_MAX,
  migrate,
  openTrail,
  postgresMemberships,
  postgresTrail,
  readDatabaseUrl,
  startWebhooks,
  TRAIL_CONNECTIONS_MAX,
  WEBHOOK_CONNECTIONS_MAX,
  type DatabaseUrl,
  type MembershipTables,
  type TrailQuestions,
  type Webhooks,
} from '@vigie/server/postgres'
import { hasDefaultTables, shownOptions, withoutPassword, type Config } from './config.js'
import { startEmbeddedPostgres } from './embedded-postgres.js'
import { errorCode, errorMessage, OperatorError } from './operator-error.js'
import { VERSION } from './version.js'
import { webhookEndpointOf } from './webhooks.js'

/** The database that this server reads memberships from, whoever runs it. */
export interface Database {
  /** For what is done at start: a query waits as long as its connection does. */
  readonly sql: postgres.Sql
  /** Holds the password: not for logs. */
  readonly url: string
  /** Where it is, for people: no password. */
  readonly place: string
  /** Whether a query is answered now. Many may ask at once: they share one query. */
  isReachable(): Promise<boolean>
  /** Ends the connections, and the database itself if it is ours. May be called twice. */
  close(): Promise<void>
}

/** By which `pg_stat_activity` shows whose connections they are; the library's have the same. */
export const APPLICATION_NAME = 'vigie'
const CONNECT_TIMEOUT_S = 5
const CHECK_TIMEOUT_MS = 2_000
const CONNECTIONS_MAX = 10
/** The most that one server opens: these, the one that asks whether the database answers, the memberships', the trail's, those of questions to it, the webhooks'. */
export const SERVER_CONNECTIONS_MAX =
  CONNECTIONS_MAX + 1 + MEMBERSHIP_CONNECTIONS_MAX + 2 * TRAIL_CONNECTIONS_MAX + WEBHOOK_CONNECTIONS_MAX
/** The driver's own pause grows to 20 s, and a database that is back should be seen to be. */
const RECONNECT_S = 0.2

/**
 * Connects to `DATABASE_URL`, or starts the embedded PostgreSQL.
 * @throws OperatorError one sentence when nobody answers.
 */
export async function openDatabase(config: Config, log: Log): Promise<Database> {
  const { databaseUrl } = config
  const address = databaseUrl === undefined ? undefined : readAddress(databaseUrl, log)
  const embedded =
    databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir, log }) : undefined
  const url = databaseUrl ?? embedded?.url ?? ''
  const connect = (max: number) =>
    postgres(address?.url ?? url, {
      connect_timeout: CONNECT_TIMEOUT_S,
      ...address?.options,
      max,
      // Poolers in transaction mode know no prepared statements, and nothing here is asked often enough to need them.
      prepare: false,
      connection: { application_name: APPLICATION_NAME, ...address?.options.connection },
      backoff: () => RECONNECT_S,
      onnotice: (notice) => {
        log.debug('PostgreSQL says', { notice: notice['message'] })
      },
    })
  const sql = connect(CONNECTIONS_MAX)
  const check = createCheck(() => connect(1), log)
  const database: Database = {
    sql,
    url,
    place: databasePlace(config),
    isReachable: check.isReachable,
    async close() {
      await Promise.all([sql.end({ timeout: CONNECT_TIMEOUT_S }), check.close()])
      await embedded?.close()
    },
  }
  try {
    await sql`select 1`
  } catch (error) {
    await database.close()
    throw new OperatorError(whyUnreachable(error, database.place), { cause: error })
  }
  return database
}

/** Where the database is, or will be, for people: no password, and no folder that depends on where one stands. */
export function databasePlace({ databaseUrl, dataDir }: Config): string {
  return databaseUrl === undefined
    ? `${resolve(dataDir)} (embedded PostgreSQL)`
    : withoutPassword(databaseUrl)
}

/** @throws OperatorError when a parameter of the address cannot be honoured. */
export function readAddress(url: string, log: Log): DatabaseUrl {
  try {
    const address = readDatabaseUrl(url)
    logLeftOut(address, log)
    return address
  } catch (error) {
    throw new OperatorError(errorMessage(error).replace('The database URL', 'DATABASE_URL'), { cause: error })
  }
}

/** Creates and updates what is ours in the database, and the two default tables where they are missing. */
export async function migrateDatabase(sql: postgres.Sql, config: Config): Promise<void> {
  try {
    await migrate(sql, migrationOptions(config))
  } catch (error) {
    throw new OperatorError(`The schema could not be brought up to date: ${errorMessage(error)}.`, {
      cause: error,
    })
  }
}

/** What `vigie migrate` does, as options of the library. Tables with names of the host's own are never created. */
export function migrationOptions(config: Config) {
  const { trailWriterRole, trailKeeperRole } = config
  return {
    ...membershipTables(config),
    createTables: hasDefaultTables(config),
    trail: {
      ...(trailWriterRole !== undefined && { writer: trailWriterRole }),
      ...(trailKeeperRole !== undefined && { keeper: trailKeeperRole }),
    },
  }
}

/**
 * The library's memberships on this database. Not on our own client: the library's gives up connections that went
 * silent, and a client that is handed in it may not touch.
 */
export function openMemberships({ url }: Database, config: Config, log: Log) {
  return postgresMemberships({ sql: url, ...membershipTables(config), feedCheckMs: config.feedCheckMs, log })
}

/** Options of presence for the audit trail on this database: none where it is off. */
export function trailOptions(
  { url }: Database,
  config: Config,
  log: Log,
): Pick<PresenceOptions, 'trail' | 'trailTyping' | 'trailConfiguration'> {
  const { trail, trailTyping, nodeName } = config
  if (!trail) return {}
  return {
    trail: postgresTrail({ sql: url, log, ...(nodeName !== undefined && { node: nodeName }) }),
    trailTyping,
    trailConfiguration: { version: VERSION, options: shownOptions(config) },
  }
}

/**
 * Sends the webhooks of these entries; none: there are none.
 * @throws OperatorError when the library refuses one, or when there is no trail to send from.
 */
export async function openWebhooks(
  { url }: Database,
  {
    config,
    entries,
    log,
  }: { readonly config: Config; readonly entries: readonly string[]; readonly log: Log },
): Promise<Webhooks | undefined> {
  if (entries.length === 0) return undefined
  try {
    const webhooks = startWebhooks({
      sql: url,
      endpoints: entries.map(webhookEndpointOf),
      allowPrivate: config.webhooksAllowPrivate,
      timeoutMs: config.webhookTimeoutMs,
      concurrency: config.webhookConcurrency,
      retryMs: config.webhookRetryMs,
      windowMax: config.webhookWindowMax,
      deadLetterDays: config.webhookDeadLetterDays,
      log,
    })
    await webhooks.ready
    return webhooks
  } catch (error) {
    throw new OperatorError(errorMessage(error), { cause: error })
  }
}

/** Questions to the audit trail in this database. Connects when the first is asked. */
export function openAudit({ url }: Database, log: Log): TrailQuestions {
  return openTrail({ sql: url, log })
}

/** The tables that the options name. */
export function membershipTables(config: Config): MembershipTables {
  return {
    groups: config.groups && {
      table: config.groupsTable,
      groupColumn: config.groupsGroupColumn,
      userColumn: config.groupsUserColumn,
    },
    conversations: config.conversations && {
      table: config.conversationsTable,
      conversationColumn: config.conversationsConversationColumn,
      userColumn: config.conversationsUserColumn,
    },
  }
}

/**
 * Asks one question at a time, however many want to know. A connection that did not answer may be dead without
 * anybody having said so, for many minutes: the next question takes a new one.
 */
function createCheck(connect: () => postgres.Sql, log: Log) {
  let client = connect()
  let question: Promise<boolean> | undefined

  async function ask(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`))
      }, CHECK_TIMEOUT_MS)
    })
    try {
      await Promise.race([client`select 1`, late])
      return true
    } catch (error) {
      log.warn('The database cannot be reached.', { error })
      giveUp(client)
      client = connect()
      return false
    } finally {
      clearTimeout(timer)
    }
  }

  function giveUp(silent: postgres.Sql): void {
    silent.end({ timeout: 0 }).catch((error: unknown) => {
      log.debug('A database connection did not end well.', { error })
    })
  }

  return {
    isReachable: () =>
      (question ??= ask().finally(() => {
        question = undefined
      })),
    close: () => client.end({ timeout: CONNECT_TIMEOUT_S }),
  }
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ENOTFOUND', 'there is no such host'],
  ['EAI_AGAIN', 'the name of the host cannot be looked up'],
  ['EHOSTUNREACH', 'there is no way to that host'],
  ['CONNECT_TIMEOUT', 'nobody answered in time'],
  ['ETIMEDOUT', 'nobody answered in time'],
  ['ENOENT', 'there is no such socket'],
])

/** What PostgreSQL, and PgBouncer, say of a parameter that is none. */
const UNKNOWN_PARAMETER =
  /(?:unrecognized configuration parameter "|unsupported startup parameter: )([\w.]+)/u

function whyUnreachable(error: unknown, place: string): string {
  const reason = REASONS.get(errorCode(error)) ?? errorMessage(error)
  const parameter = UNKNOWN_PARAMETER.exec(errorMessage(error))?.[1]
  if (parameter !== undefined) {
    return `The database at ${place} does not know the parameter \`${parameter}\` of DATABASE_URL; take it out there.`
  }
  return `The database at ${place} cannot be reached: ${reason}; is it running, and is DATABASE_URL right?`
}
