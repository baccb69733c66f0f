/** Who may do what to the audit trail, by real roles; retention, erasure and export. */
import { keepTrail, migrate, migrationSql, postgresTrail, type TrailFault } from '@vigie/server/postgres'
import { describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'
import { commitmentOf, hashOf } from '../../src/trail/chain.js'
import type { TrailRow } from '../../src/trail/facts.js'
import { dayOf } from '../../src/trail/days.js'
import { DAY_MS, trailStory, type Story } from '../support/trail-story.js'
import { startWire } from '../support/wire.js'

const from = (Math.floor(Date.now() / DAY_MS) - 4) * DAY_MS
const today = dayOf(Date.now())

interface Kept extends AsyncDisposable {
  readonly database: TestDatabase
  readonly story: Story
  readonly roles: Readonly<Record<'writer' | 'keeper', string>>
  /** A connection of a role. */
  as(role: 'writer' | 'keeper'): Promise<ReturnType<TestDatabase['session']>>
}

const quoted = (role: string) => `"${role.replaceAll('"', '""')}"`

/** A trail of four days with a writer and a keeper, neither of which is its owner. */
async function keptTrail({ before = '', seed = 7 } = {}): Promise<Kept> {
  const database = await freshDatabase()
  const name = new URL(database.url).pathname.slice(1)
  const roles = { writer: `${name}_"W'riter`, keeper: `${name}_keeper` }
  const all = Object.values(roles).map(quoted).join(', ')
  for (const role of Object.values(roles)) await database.sql.unsafe(`CREATE ROLE ${quoted(role)}`)
  await database.sql.unsafe(before.replaceAll('$writer', quoted(roles.writer)))
  await migrate(database.sql, { createTables: true, trail: roles })
  const story = trailStory({ seed, from })
  const as: Kept['as'] = async (role) => {
    const session = database.session()
    await session.unsafe(`SET ROLE ${quoted(roles[role])}`)
    return session
  }
  const store = postgresTrail({ sql: await as('writer'), node: 'north' })
  await store.makeDays([...new Set(story.rows.map(({ day }) => day)), today])
  expect(await store.write(story.rows)).toBe(story.rows.length)
  return {
    database,
    story,
    roles,
    as,
    async [Symbol.asyncDispose]() {
      await database.sql.unsafe(`DROP OWNED BY ${all}; DROP ROLE ${all}`)
      await database[Symbol.asyncDispose]()
    },
  }
}

/** One with rows. */
const PARTITION = `vigie.trail_${dayOf(from + DAY_MS).replaceAll('-', '')}`
const CHANGES = [
  `UPDATE vigie.trail SET reason = 'another'`,
  'DELETE FROM vigie.trail',
  'TRUNCATE vigie.trail',
  `UPDATE ${PARTITION} SET reason = 'another'`,
  `DELETE FROM ${PARTITION}`,
  `TRUNCATE ${PARTITION}`,
]
const OWNER_ONLY = [
  'DROP TABLE vigie.trail',
  `DROP TABLE ${PARTITION}`,
  `ALTER TABLE vigie.trail DETACH PARTITION ${PARTITION}`,
  'ALTER TABLE vigie.trail DISABLE TRIGGER ALL',
  'ALTER TABLE vigie.trail DISABLE TRIGGER trail_unchanged',
  `ALTER TABLE ${PARTITION} DISABLE TRIGGER trail_unchanged`,
  'DROP TRIGGER trail_unchanged ON vigie.trail',
  'ALTER TABLE vigie.trail OWNER TO CURRENT_USER',
  `SET session_replication_role = replica`,
  `CREATE OR REPLACE FUNCTION vigie.refuse_trail_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
  'DROP FUNCTION vigie.refuse_trail_change() CASCADE',
  `INSERT INTO vigie.trail_erasures VALUES (gen_random_uuid(), now(), '${today}', gen_random_uuid(), '{1}')`,
  `INSERT INTO vigie.trail_drops VALUES ('${today}')`,
  `UPDATE vigie.trail_keeping SET days = 1`,
  `INSERT INTO ${PARTITION} SELECT * FROM vigie.trail LIMIT 1`,
]
const KEEPER_ONLY = [
  'SELECT vigie.keep_trail(1)',
  `SELECT vigie.drop_trail_before('${today}')`,
  `SELECT vigie.erase_from_trail('somebody')`,
]

describe('the role of the server', () => {
  it.each([
    ['', 'as it is'],
    ['ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO $writer', 'with default privileges that give it all'],
  ])(
    'may neither change, delete, truncate nor drop, nor turn off what refuses it (%s %s)',
    async (before) => {
      await using trail = await keptTrail({ before })
      const writer = await trail.as('writer')
      const rows = async () => writer`SELECT * FROM vigie.trail ORDER BY day, boot, position`
      const whole = await rows()
      expect(whole.length).toBe(trail.story.rows.length)
      await writer.unsafe(`SET vigie.erasing = 'yes'`)
      for (const statement of [...CHANGES, ...OWNER_ONLY, ...KEEPER_ONLY]) {
        await expect(writer.unsafe(statement), statement).rejects.toMatchObject({ code: '42501' })
      }
      expect(await rows()).toEqual(whole)
    },
  )

  it('may make no day that is far away', async () => {
    await using trail = await keptTrail()
    const writer = await trail.as('writer')
    await expect(writer`SELECT vigie.make_trail_day('2020-02-02')`).rejects.toThrow('within eight days')
  })
})

describe('the role of the keeper', () => {
  it('may drop days and erase by its functions, and change nothing otherwise', async () => {
    await using trail = await keptTrail()
    const keeper = await trail.as('keeper')
    await keeper.unsafe(`SET vigie.erasing = 'yes'`)
    const insert = 'INSERT INTO vigie.trail SELECT * FROM vigie.trail LIMIT 1'
    for (const statement of [...CHANGES, ...OWNER_ONLY, insert]) {
      await expect(keeper.unsafe(statement), statement).rejects.toMatchObject({ code: '42501' })
    }
    for (const statement of KEEPER_ONLY) await keeper.unsafe(statement)
    expect(await keeper`SELECT count(*)::int AS rows FROM vigie.trail`).toEqual([{ rows: 0 }])
  })
})

describe('the owner', () => {
  it('is refused changes, too; where it says that it erases, it may only empty whole rows', async () => {
    await using trail = await keptTrail()
    const owner = trail.database.session()
    for (const statement of CHANGES) {
      await expect(owner.unsafe(statement), statement).rejects.toThrow('The audit trail is not changed')
    }
    await owner.unsafe(`SET vigie.erasing = 'yes'`)
    const empty =
      'user_id = NULL, session_id = NULL, device = NULL, groups = NULL, conversations = NULL, detail = NULL, salt = NULL'
    for (const change of [
      'user_id = NULL',
      `user_id = 'x'`,
      `${empty}, reason = 'x'`,
      `${empty}, hash = sha256(hash)`,
    ]) {
      await expect(owner.unsafe(`UPDATE vigie.trail SET ${change}`), change).rejects.toThrow('is not changed')
    }
    await owner.unsafe(`UPDATE vigie.trail SET ${empty}`)
    const keeper = keepTrail({ sql: owner })
    const codes = new Set<string>()
    await keeper.verify({ onFault: ({ code }) => codes.add(code) })
    expect([...codes]).toEqual(['erasure_unlisted'])
  })
})

describe('the options of migrate for roles', () => {
  it.each([
    [{ writer: 'one', keeper: 'one' }, 'name two roles'],
    [{ writer: '' }, '`trail.writer` of migrate must be the name of a role'],
    [{ keepr: 'x' }, 'keepr'],
    ['writer', '`trail` of migrate must be an object'],
  ])('refuse %j', (trail, sentence) => {
    expect(() => migrationSql({ trail: trail as never })).toThrow(sentence)
  })

  it('name a role that must be there', async () => {
    await using database = await freshDatabase()
    const migrated = migrate(database.sql, { createTables: true, trail: { writer: 'nobody at all' } })
    await expect(migrated).rejects.toThrow('role "nobody at all" does not exist.')
  })

  it('name no role that may act as the owner of the trail', async () => {
    await using database = await freshDatabase()
    const [owner] = await database.sql<{ name: string }[]>`SELECT current_user::text AS name`
    const migrated = migrate(database.sql, { createTables: true, trail: { writer: owner!.name } })
    await expect(migrated).rejects.toThrow(`The role "${owner!.name}" owns the audit trail`)
  })

  it('are carried out once: afterwards the writer itself may ask for them, and what was given since is taken away', async () => {
    await using trail = await keptTrail()
    const { sql } = trail.database
    await sql.unsafe(`GRANT SELECT ON vigie.migrations TO ${quoted(trail.roles.writer)}`)
    const options = { createTables: true, trail: trail.roles }
    const writer = await trail.as('writer')
    await migrate(writer, options)
    await sql.unsafe(`GRANT DELETE ON ${PARTITION} TO ${quoted(trail.roles.writer)}`)
    await expect(migrate(await trail.as('writer'), options)).rejects.toThrow('permission denied')
    await migrate(sql, options)
    await migrate(await trail.as('writer'), options)
    await expect(writer.unsafe(`DELETE FROM ${PARTITION}`)).rejects.toMatchObject({ code: '42501' })
  })
})

describe('retention', () => {
  const days = async ({ database }: Kept) =>
    (await database.sql<{ day: string }[]>`SELECT day::text FROM vigie.trail_days() ORDER BY 1`).map(
      ({ day }) => day,
    )

  it('keeps so many whole days, lists what it drops, and says when it last did', async () => {
    await using trail = await keptTrail()
    const keeper = keepTrail({ sql: await trail.as('keeper') })
    const all = await days(trail)
    expect(all).toHaveLength(5)
    expect(await keeper.keep(30)).toEqual([])
    expect(await keeper.keep(2)).toEqual(all.slice(0, 2))
    expect(await keeper.keep(2)).toEqual([])
    expect(await days(trail)).toEqual(all.slice(2))
    expect(await keeper.keep(null)).toEqual([])
    const said = await trail.database
      .sql`SELECT days, at > now() - interval '1 minute' AS is_fresh FROM vigie.trail_keeping`
    expect(said).toEqual([{ days: null, is_fresh: true }])
    expect(await trail.database.sql`SELECT day::text FROM vigie.trail_drops ORDER BY day`).toEqual(
      all.slice(0, 2).map((day) => ({ day })),
    )
  })

  it('drops no day that is not over, and refuses what is no day and no number of days', async () => {
    await using trail = await keptTrail()
    const keeper = keepTrail({ sql: await trail.as('keeper') })
    const tomorrow = dayOf(Date.now() + DAY_MS)
    await expect(keeper.dropBefore(tomorrow)).rejects.toThrow(`${tomorrow} is too late.`)
    await expect(keeper.dropBefore('2026-02-31')).rejects.toThrow('"2026-02-31" is no day')
    for (const wrong of [0, 1.5, -1, NaN, 100_001]) {
      await expect(keeper.keep(wrong)).rejects.toThrow('1 to 100000 whole days')
    }
    expect(await days(trail)).toHaveLength(5)
    expect(await keeper.dropBefore(today)).toHaveLength(4)
    expect(await days(trail)).toEqual([today])
  })

  it('forgets which rows of a dropped day an erasure has emptied', async () => {
    await using trail = await keptTrail()
    const keeper = keepTrail({ sql: await trail.as('keeper') })
    await keeper.erase(trail.story.users[0]!)
    await keeper.keep(1)
    const old = await trail.database
      .sql`SELECT count(*)::int AS n FROM vigie.trail_erasures WHERE day < ${today}::date - 1`
    expect(old).toEqual([{ n: 0 }])
  })
})

/** What a row of the story says of a user: it is theirs, of a session of theirs, or an act that names them. */
function ofUser(rows: readonly TrailRow[], user: string): TrailRow[] {
  const sessions = new Set(rows.filter(({ userId }) => userId === user).map(({ sessionId }) => sessionId))
  return rows.filter(
    ({ kind, userId, sessionId, detail }) =>
      userId === user ||
      (userId === null && sessionId !== null && sessions.has(sessionId)) ||
      (kind === 'act' && detail?.includes(`"${user}"`)),
  )
}
const keyOf = ({ boot, position }: Pick<TrailRow, 'boot' | 'position'>) => `${boot} ${position}`

describe('an erasure', () => {
  it.each([1, 2, 3])(
    'empties what tells of one person, and nothing else; the trail stays whole (seed %i)',
    async (seed) => {
      await using trail = await keptTrail({ seed })
      const keeper = keepTrail({ sql: await trail.as('keeper') })
      const [user = '', ...others] = trail.story.users
      const expected = ofUser(trail.story.rows, user)
      const before = await trail.database.sql`SELECT * FROM vigie.trail`
      const erased = await keeper.erase(user)
      expect(erased).toMatchObject({
        rows: expected.length,
        erasure: expect.stringMatching(/^[\da-f-]{36}$/u),
      })
      expect(erased.days.map(({ day }) => day)).toEqual([...new Set(expected.map(({ day }) => day))].sort())
      const text = await trail.database.sql<{ text: string }[]>`
      SELECT t::text AS text FROM vigie.trail AS t UNION ALL SELECT e::text FROM vigie.trail_erasures AS e`
      expect(text.filter((row) => row.text.includes(user))).toEqual([])
      const keys = new Set(expected.map(keyOf))
      const rest = (rows: readonly { [column: string]: unknown }[]) =>
        rows
          .filter((row) => !keys.has(keyOf(row as never)))
          .map((row) => JSON.stringify(row))
          .sort()
      const after = await trail.database.sql`SELECT * FROM vigie.trail`
      expect(rest(after)).toEqual(rest(before))
      const faults: TrailFault[] = []
      const verified = await keeper.verify({ onFault: (fault) => faults.push(fault) })
      expect([faults, verified.erased]).toEqual([[], expected.length])
      expect(await keeper.erase(user)).toEqual({ erasure: undefined, rows: 0, days: [] })
      for (const other of others) await keeper.erase(other)
      expect(await trail.database.sql`SELECT FROM vigie.trail WHERE user_id IS NOT NULL`).toHaveLength(0)
      await keeper.verify({ onFault: (fault) => faults.push(fault) })
      expect(faults).toEqual([])
    },
  )

  it('needs an id', async () => {
    await using trail = await keptTrail()
    const keeper = keepTrail({ sql: await trail.as('keeper') })
    await expect(keeper.erase('')).rejects.toThrow('An erasure needs the id of a user.')
  })
})

describe('an export', () => {
  async function exported(lines: AsyncGenerator<string>): Promise<(Omit<TrailRow, 'at'> & { at: string })[]> {
    const all = []
    for await (const line of lines) {
      expect(line).not.toContain('\n')
      all.push(JSON.parse(line))
    }
    return all
  }

  it.each([1, 2, 3])(
    'of a person has what an erasure would empty, in order, as it is stored (seed %i)',
    async (seed) => {
      await using trail = await keptTrail({ seed })
      const keeper = keepTrail({ sql: await trail.as('keeper') })
      const user = trail.story.users[2]!
      const rows = await exported(keeper.exportUser(user))
      const expected = ofUser(trail.story.rows, user)
      expect(rows.map(keyOf).sort()).toEqual(expected.map(keyOf).sort())
      expect(rows.map(({ at }) => at)).toEqual(rows.map(({ at }) => at).sort())
      const stored = new Map(trail.story.rows.map((row) => [keyOf(row), row]))
      for (const { at, ...row } of rows) {
        const { at: time, ...rest } = stored.get(keyOf(row))!
        expect([new Date(at).getTime(), row]).toEqual([time, rest])
        expect(commitmentOf(row, row.salt!)).toBe(row.commitment)
      }
      await keeper.erase(user)
      expect(await exported(keeper.exportUser(user))).toEqual([])
    },
  )

  it('of a period has all of it from its first millisecond on and before its last', async () => {
    await using trail = await keptTrail()
    const keeper = keepTrail({ sql: await trail.as('keeper') })
    const times = trail.story.rows.map(({ at }) => at).sort((a, b) => a - b)
    for (const [first, end] of [
      [0, Date.now()],
      [times[10]!, times[60]!],
      [times[10]! + 1, times[60]! + 1],
      [from + DAY_MS, from + 2 * DAY_MS],
      [5, 4],
    ] as const) {
      const rows = await exported(keeper.exportPeriod({ from: first, to: end }))
      const expected = trail.story.rows.filter(({ at }) => at >= first && at < end)
      expect(rows.map(keyOf).sort()).toEqual(expected.map(keyOf).sort())
    }
    const [row] = await exported(keeper.exportPeriod({ from: times[0]!, to: times[0]! + 1 }))
    expect(hashOf({ ...row!, at: Date.parse(row!.at) }, '')).toMatch(/^[\da-f]{64}$/u)
  })

  it('is read in pages: who stops reading gets no more', async () => {
    await using trail = await keptTrail()
    const session = await trail.as('keeper')
    const statements: string[] = []
    const counting = {
      unsafe(text: string, values?: string[]) {
        statements.push(text)
        return session.unsafe(text, values)
      },
    }
    const keeper = keepTrail({ sql: counting })
    for await (const line of keeper.exportPeriod({ from: 0, to: Date.now() })) {
      expect(line).toContain(trail.story.rows[0]!.day)
      break
    }
    // The days, and the first page of the first.
    expect(statements).toHaveLength(2)
  })
})

it('says in one sentence what it lacks, and which option is none', async () => {
  await using database = await freshDatabase()
  const keeper = keepTrail({ sql: database.sql })
  await expect(keeper.verify({ onFault: () => {} })).rejects.toThrow('schema "vigie" does not exist.')
  expect(() => keepTrail({} as never)).toThrow('The database of keepTrail({ sql }) is not set')
  expect(() => keepTrail({ sql: database.sql, pase: 1 } as never)).toThrow('pase')
  expect(() => keepTrail(undefined as never)).toThrow('keepTrail needs options')
})

it('takes care of what servers have written: two starts of a node as its writer, and a person who was there in both', async () => {
  await using trail = await keptTrail()
  const writer = await trail.as('writer')
  for (const reason of ['mute', 'praise']) {
    const store = postgresTrail({ sql: writer, node: 'real' })
    await using wire = await startWire({
      rows: { conversations: [['the garden', ['ana', 'bob']]] },
      presence: { trail: store },
    })
    await wire.connect('ana')
    await wire.connect('bob')
    wire.presence.note({ reason, userId: 'bob', detail: { by: 'moderator', told: ['ana'] } })
    await wire.close()
  }
  const keeper = keepTrail({ sql: await trail.as('keeper') })
  const faults: TrailFault[] = []
  const verify = () => keeper.verify({ onFault: (fault) => faults.push(fault) })
  const before = await verify()
  const lines: { kind: string; userId: string | null; reason: string | null }[] = []
  for await (const line of keeper.exportUser('ana')) lines.push(JSON.parse(line))
  const count = (kind: string) => lines.filter((line) => line.kind === kind).length
  // Bob was noted, and ana is in the detail.
  expect(lines.filter(({ kind }) => kind === 'act').map(({ reason, userId }) => [reason, userId])).toEqual([
    ['mute', 'bob'],
    ['praise', 'bob'],
  ])
  expect(count('session')).toBeGreaterThanOrEqual(2)
  expect(count('rooms')).toBeGreaterThanOrEqual(2)
  const { rows } = await keeper.erase('ana')
  expect(rows).toBe(lines.length)
  expect(await verify()).toMatchObject({ rows: before.rows, erased: rows, faults: 0 })
  expect(faults).toEqual([])
  const left = await writer<{ text: string }[]>`SELECT t::text AS text FROM vigie.trail AS t`
  expect(left.filter(({ text }) => /\bana\b/u.test(text))).toEqual([])
  expect(left.filter(({ text }) => /\bbob\b/u.test(text))).not.toEqual([])
})
