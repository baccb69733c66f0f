import postgres from 'postgres'
import type { Log } from '@vigie/server'
import { migrate, postgresMemberships } from '@vigie/server/postgres'
import { hasDefaultTables, withoutPassword, type Config } from './config.js'
import { startEmbeddedPostgres } from './embedded-postgres.js'
import { errorCode, errorMessage, OperatorError } from './operator-error.js'

/** The database that this server reads memberships from, whoever runs it. */
export interface Database {
  readonly sql: postgres.Sql
  /** Where it is, for people: no password. */
  readonly place: string
  /** Whether a query is answered now. Many may ask at once: they share one query. */
  isReachable(): Promise<boolean>
  /** Ends the connections, and the database itself if it is ours. May be called twice. */
  close(): Promise<void>
}

const CONNECT_TIMEOUT_S = 5
const CHECK_TIMEOUT_MS = 2_000
const CONNECTIONS_MAX = 10

/**
 * Connects to `DATABASE_URL`, or starts the embedded PostgreSQL.
 * @throws OperatorError one sentence when nobody answers.
 */
export async function openDatabase(config: Config, log: Log): Promise<Database> {
  const { databaseUrl } = config
  const embedded =
    databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir, log }) : undefined
  const url = databaseUrl ?? embedded?.url ?? ''
  const sql = postgres(url, {
    max: CONNECTIONS_MAX,
    connect_timeout: CONNECT_TIMEOUT_S,
    onnotice: (notice) => {
      log.debug('PostgreSQL says', { notice: notice['message'] })
    },
  })
  const database: Database = {
    sql,
    place:
      databaseUrl === undefined ? `${config.dataDir} (embedded PostgreSQL)` : withoutPassword(databaseUrl),
    isReachable: createCheck(sql, log),
    async close() {
      await sql.end({ timeout: CONNECT_TIMEOUT_S })
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
  return { ...tables(config), createTables: hasDefaultTables(config) }
}

/** The library's memberships on this database. */
export function openMemberships(sql: postgres.Sql, config: Config, log: Log) {
  return postgresMemberships({ sql, ...tables(config), log })
}

function tables(config: Config) {
  return {
    groups: {
      table: config.groupsTable,
      groupColumn: config.groupsGroupColumn,
      userColumn: config.groupsUserColumn,
    },
    conversations: {
      table: config.conversationsTable,
      conversationColumn: config.conversationsConversationColumn,
      userColumn: config.conversationsUserColumn,
    },
  }
}

/**
 * Asks one question at a time: a host that swallows packets answers nothing for minutes, and a question for each
 * check would take every connection of the pool.
 */
function createCheck(sql: postgres.Sql, log: Log): () => Promise<boolean> {
  let question: Promise<unknown> | undefined
  return async () => {
    question ??= sql`select 1`.execute().finally(() => {
      question = undefined
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`))
      }, CHECK_TIMEOUT_MS)
    })
    try {
      await Promise.race([question, late])
      return true
    } catch (error) {
      log.warn('The database cannot be reached.', { error })
      return false
    } finally {
      clearTimeout(timer)
    }
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

function whyUnreachable(error: unknown, place: string): string {
  const reason = REASONS.get(errorCode(error)) ?? errorMessage(error)
  return `The database at ${place} cannot be reached: ${reason}; is it running, and is DATABASE_URL right?`
}
