import { keepTrail, type TrailKeeper } from '@vigie/server/postgres'
import { requireDatabase, type Config } from '../config.js'
import { openDatabase } from '../database.js'
import type { ServerLog } from '../log.js'
import { errorCode, errorMessage, OperatorError } from '../operator-error.js'
import { variableOf } from '../options.js'
import { withKeeperUrl } from '../secrets.js'

/** SQLSTATE of a right that is lacking, and of a schema, table or function that is not there. */
const NO_RIGHT = '42501'
const NOT_THERE = new Set(['3F000', '42P01', '42883'])

/**
 * Does something with the audit trail, as the keeper if the configuration has an address of it, otherwise as the server.
 * @throws OperatorError with one sentence.
 */
export async function withKeeper<Result>(
  given: Config,
  log: ServerLog,
  work: (keeper: TrailKeeper) => Promise<Result>,
): Promise<Result> {
  const hasOwn = given.trailKeeperUrl !== undefined || given.trailKeeperUrlFile !== undefined
  if (!hasOwn) requireDatabase(given)
  const config = await withKeeperUrl(given)
  try {
    const database = await openDatabase(config, log)
    const keeper = keepTrail({ sql: database.url, log })
    try {
      return await work(keeper)
    } finally {
      await keeper.close()
      await database.close()
    }
  } catch (error) {
    throw forOperator(error, hasOwn)
  }
}

function forOperator(error: unknown, hasOwn: boolean): unknown {
  if (error instanceof OperatorError) {
    const named = hasOwn ? variableOf('trailKeeperUrl') : variableOf('databaseUrl')
    return new OperatorError(error.message.replaceAll('DATABASE_URL', named), { cause: error })
  }
  // The library says in one sentence what PostgreSQL has answered, which is the cause.
  const code = error instanceof Error ? errorCode(error.cause) : ''
  if (code === '') return error
  return new OperatorError(`${errorMessage(error)}${nextOf(code, hasOwn)}`, { cause: error })
}

function nextOf(code: string, hasOwn: boolean): string {
  if (NOT_THERE.has(code)) return ' Run `vigie migrate`, which creates the audit trail.'
  if (code !== NO_RIGHT) return ''
  return hasOwn
    ? ' Name the role of VIGIE_TRAIL_KEEPER_URL in VIGIE_TRAIL_KEEPER_ROLE, and let the owner run `vigie migrate`.'
    : ' Set VIGIE_TRAIL_KEEPER_URL to the address of the same database with the role that keeps the audit trail.'
}
