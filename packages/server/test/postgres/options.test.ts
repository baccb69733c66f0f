import type { UserId } from '@vigie/protocol'
import {
  migrate,
  migrationSql,
  postgresMemberships,
  type PostgresMembershipsOptions,
} from '@vigie/server/postgres'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { freshDatabase } from '../../../../test/database.js'
import { silentLog } from '../../src/core/ports.js'

/** Nothing listens there; what is refused is refused before anybody is asked. */
const SQL = 'postgres://nobody:hunter2@127.0.0.1:1/none'

/** `undefined`: it was accepted. */
function refusal(options: unknown): string | undefined {
  try {
    void postgresMemberships(options as PostgresMembershipsOptions).close()
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
    return (error as Error).message
  }
  return undefined
}

describe('postgresMemberships refuses in a sentence', () => {
  it.each<[string, unknown, string]>([
    [
      'no options',
      undefined,
      'postgresMemberships needs options: `postgresMemberships({ sql: databaseUrl })`.',
    ],
    ['a URL in their place', SQL, 'postgresMemberships needs options'],
    [
      'a variable that is not set',
      { sql: undefined },
      'The database of postgresMemberships({ sql }) is not set:',
    ],
    ['an empty URL', { sql: '' }, 'The database of postgresMemberships({ sql }) is not set:'],
    [
      'a database that is none',
      { sql: {} },
      'The database of postgresMemberships({ sql }) is none: give its URL',
    ],
    ['a misspelt option', { sql: SQL, feedPolMs: 5 }, 'the nearest is `feedPollMs`.'],
    [
      'a misspelt table',
      { sql: SQL, groups: { tabel: 'teams' } },
      '`tabel` is no option of `groups` of postgresMemberships; the nearest is `table`.',
    ],
    [
      'the other kind’s column',
      { sql: SQL, conversations: { groupColumn: 'id' } },
      '`groupColumn` is no option of `conversations` of postgresMemberships',
    ],
    [
      'a table in place of its options',
      { sql: SQL, groups: 'teams' },
      '`groups` of postgresMemberships must be false, or an',
    ],
    [
      'a name that is no text',
      { sql: SQL, groups: { table: 5 } },
      '`groups.table` of postgresMemberships must be a text.',
    ],
    [
      'columns that are no list',
      { sql: SQL, groups: { watchColumns: 'left_at' } },
      '`groups.watchColumns` of postgresMemberships must be a list of names of columns.',
    ],
    ['a log without functions', { sql: SQL, log: 'debug' }, '`log` is no log: it needs the functions debug,'],
    ['a flag that is a text', { sql: SQL, changeFeed: 'false' }, '`changeFeed` must be true or false.'],
    [
      'a time that is a text',
      { sql: SQL, feedPollMs: '200' },
      '`feedPollMs` of postgresMemberships is "200"; it must be a whole number of milliseconds from 1 to 2147483647.',
    ],
    ['no time at all', { sql: SQL, readTimeoutMs: 0 }, '`readTimeoutMs` of postgresMemberships is 0;'],
    [
      'a time that timers overflow at',
      { sql: SQL, feedRetentionMs: 2 ** 31 },
      '`feedRetentionMs` of postgresMemberships is',
    ],
  ])('%s', (_title, options, sentence) => {
    expect(refusal(options)).toContain(sentence)
    expect(refusal(options)).not.toContain('hunter2')
  })

  it('and takes what it may be: each kind of database, false for a kind of rooms, options that are undefined', () => {
    const client = Object.assign(() => {}, { unsafe: async () => [] })
    for (const options of [
      { sql: SQL },
      { sql: client },
      { sql: { query: async () => ({ rows: [] }) } },
      { sql: SQL, groups: false, feedCheckMs: 0, changeFeed: false, log: silentLog },
      { sql: SQL, groups: undefined, conversations: { table: 'a', watchColumns: ['b'], query: undefined } },
    ]) {
      expect(refusal(options)).toBeUndefined()
    }
  })
})

describe('migrate refuses in a sentence', () => {
  it.each<[string, unknown, unknown, string]>([
    ['a variable that is not set', undefined, {}, 'The database of migrate(sql) is not set:'],
    ['a misspelt option', SQL, { createTabels: true }, 'the nearest is `createTables`.'],
    ['a misspelt table', SQL, { groups: { tabel: 'a' } }, '`tabel` is no option of `groups` of migrate'],
    ['a flag that is a text', SQL, { createTables: 'true' }, '`createTables` must be true or false.'],
  ])('%s', async (_title, sql, options, sentence) => {
    await expect(migrate(sql as string, options as object)).rejects.toThrow(sentence)
    if (sql !== undefined) expect(() => migrationSql(options as object)).toThrow(sentence)
  })
})

describe('a host that gives postgresMemberships no log', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  /** A column of this type is compared slowly, of which the log warns. */
  const TABLE = 'CREATE TABLE group_users (group_id text, user_id numeric)'

  async function linesOf(options: Partial<PostgresMembershipsOptions>): Promise<unknown[][]> {
    await using database = await freshDatabase()
    await database.sql.unsafe(TABLE)
    const lines: unknown[][] = []
    for (const name of ['debug', 'info', 'log', 'warn', 'error'] as const) {
      vi.spyOn(console, name).mockImplementation((...words: unknown[]) => void lines.push([name, ...words]))
    }
    const memberships = postgresMemberships({
      sql: database.url,
      conversations: false,
      changeFeed: false,
      ...options,
    })
    await memberships.open(() => {})
    await memberships.readUsers(['7' as UserId])
    await memberships.close()
    vi.restoreAllMocks()
    return lines
  }

  it('hears of warnings on the console', async () => {
    expect(await linesOf({})).toEqual([
      [
        'warn',
        expect.stringMatching(/^\[vigie\] A membership column has a type without a plain comparison/u),
        expect.objectContaining({ table: 'group_users', column: 'user_id' }),
      ],
    ])
  })

  it('but not one that gave a log, or silentLog', async () => {
    const warn = vi.fn()
    expect(await linesOf({ log: { ...silentLog, warn } })).toEqual([])
    expect(warn).toHaveBeenCalledTimes(1)
    expect(await linesOf({ log: silentLog })).toEqual([])
  })
})
