/** In random audit trails, verification finds rows that were deleted, edited, exchanged, added, cut off or emptied. */
import { keepTrail, migrate, postgresTrail, type TrailFault } from '@vigie/server/postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'
import { commitmentOf, hashOf } from '../../src/trail/chain.js'
import type { TrailRow } from '../../src/trail/facts.js'
import { rowOf } from '../../src/trail/rows.js'
import {
  headIn,
  verifyTrail,
  type ListedRow,
  type TrailHead,
  type TrailReader,
} from '../../src/trail/verify.js'
import { DAY_MS, trailStory, type Story } from '../support/trail-story.js'

const SEEDS = Array.from({ length: 4 }, (_, n) => n + 1)
const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
const from = today - 4 * DAY_MS

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
})
afterAll(() => database[Symbol.asyncDispose]())

type Session = ReturnType<TestDatabase['session']>

/** What is done here is undone after the test: all is done in one transaction of one connection. */
async function withStory(seed: number, work: (trail: Trail) => Promise<void>, facts = 60): Promise<void> {
  const session = database.session()
  const keeper = keepTrail({ sql: session })
  const story = trailStory({ seed, from, facts })
  await session.unsafe('BEGIN')
  try {
    const store = postgresTrail({ sql: session, node: 'north' })
    await store.makeDays([...new Set(story.rows.map(({ day }) => day))])
    await store.write(story.rows)
    const verify = async (heads: readonly TrailHead[] = []) => {
      const faults: TrailFault[] = []
      const verified = await keeper.verify({ heads, onFault: (fault) => faults.push(fault) })
      expect(verified.faults).toBe(faults.length)
      return { ...verified, faults, codes: [...new Set(faults.map(({ code }) => code))].sort() }
    }
    await work({ session, keeper, story, verify, tampered: (what) => tampered(session, what, verify) })
  } finally {
    await session.unsafe('ROLLBACK')
    await session.end()
  }
}

interface Trail {
  readonly session: Session
  readonly keeper: ReturnType<typeof keepTrail>
  readonly story: Story
  readonly verify: (heads?: readonly TrailHead[]) => Promise<Verified>
  /** What is found after these statements; they are undone. */
  readonly tampered: (statements: string) => Promise<Verified>
}
type Verified = Omit<Awaited<ReturnType<typeof verifyTrail>>, 'faults'> & {
  readonly faults: readonly TrailFault[]
  readonly codes: readonly string[]
}

/** As a superuser can: past the triggers. */
async function tampered(
  session: Session,
  statements: string,
  verify: () => Promise<Verified>,
): Promise<Verified> {
  await session.unsafe('SAVEPOINT untouched; SET LOCAL session_replication_role = replica')
  const { count } = await session.unsafe(statements)
  expect(count).not.toBe(0)
  const verified = await verify()
  await session.unsafe('ROLLBACK TO untouched')
  return verified
}

const at = ({ day, boot, position }: TrailHead) =>
  `day = '${day}' AND boot = '${boot}' AND position = ${position}`
const quoted = (value: string | number | null) =>
  value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`
/** Those that are followed by others of their boot. */
const followed = ({ rows }: Story) =>
  rows.filter((row) => rows.some(({ boot, position }) => boot === row.boot && position > row.position))
const isPlaced = (fault: TrailFault, row: TrailHead) =>
  fault.boot === row.boot && fault.position <= row.position + 1 && fault.lastPosition >= row.position

describe.each(SEEDS)('a trail by chance (seed %i)', (seed) => {
  it('is right as it was written, after erasures, and after retention', async () => {
    await withStory(seed, async ({ keeper, story, verify }) => {
      const whole = await verify()
      expect(whole).toMatchObject({ faults: [], rows: story.rows.length, erased: 0, days: 4 })
      const boots = new Set(story.rows.map(({ boot }) => boot))
      expect(new Set(whole.heads.map(({ boot }) => boot))).toEqual(boots)
      const { rows } = await keeper.erase(story.users[0]!)
      expect(rows).toBeGreaterThan(0)
      expect(await verify(whole.heads)).toMatchObject({ faults: [], rows: story.rows.length, erased: rows })
      for (const days of [3, 2, 1]) {
        expect(await keeper.keep(days)).toHaveLength(1)
        expect(await verify(whole.heads)).toMatchObject({ faults: [], days })
      }
    })
  })

  it('has each row missing that is deleted', async () => {
    await withStory(seed, async ({ story, tampered }) => {
      for (let n = 0; n < 6; n++) {
        const row = story.pick(followed(story))
        const { faults, codes } = await tampered(`DELETE FROM vigie.trail WHERE ${at(row)}`)
        // The first row of all tells by what follows it that it was there.
        const code = row.position === 1 && codes.includes('row_changed') ? 'row_changed' : 'row_missing'
        expect(faults.filter((fault) => fault.code === code && isPlaced(fault, row))).not.toEqual([])
      }
    })
  })

  it('has each row changed that is edited, whatever is edited in it', async () => {
    await withStory(seed, async ({ story, tampered }) => {
      const edits = [
        `at = at + interval '1 millisecond'`,
        `at = at + interval '1 microsecond'`,
        `kind = kind || 'x'`,
        `state = coalesce(state, '') || 'x'`,
        `reason = NULLIF(coalesce(reason, 'x'), reason)`,
        `user_id = coalesce(user_id, '') || 'x'`,
        `session_id = coalesce(session_id, '') || 'x'`,
        `device = coalesce(device, '') || 'x'`,
        `groups = array_append(groups, 'x')`,
        `conversations = array_append(conversations, 'x')`,
        `detail = coalesce(detail, '') || ' '`,
        `salt = '\\x00112233445566778899aabbccddeeff'`,
        `commitment = sha256(commitment)`,
        `hash = sha256(hash)`,
      ]
      for (const edit of edits) {
        const row = story.pick(story.rows)
        const { faults } = await tampered(`UPDATE vigie.trail SET ${edit} WHERE ${at(row)}`)
        expect(faults.filter(({ code }) => code === 'row_changed')).not.toEqual([])
        expect(faults.every((fault) => isPlaced(fault, row))).toBe(true)
      }
    })
  })

  it('has a row changed whose editor has computed its hash anew', async () => {
    await withStory(seed, async ({ story, tampered }) => {
      for (let n = 0; n < 6; n++) {
        const row = story.pick(followed(story))
        const edited = { ...row, device: 'another', reason: 'another' }
        const commitment = commitmentOf(edited, row.salt!)
        const before = story.rows.find(
          ({ day, boot, position }) => day === row.day && boot === row.boot && position === row.position - 1,
        )
        const hash = before ? hashOf({ ...edited, commitment }, before.hash) : undefined
        if (hash === undefined) continue
        const { faults } = await tampered(
          `UPDATE vigie.trail SET device = 'another', reason = 'another', commitment = '\\x${commitment}', hash = '\\x${hash}' WHERE ${at(row)}`,
        )
        expect(faults.map(({ code }) => code)).toContain('row_changed')
        expect(faults.every((fault) => isPlaced(fault, row))).toBe(true)
      }
    })
  })

  it('has two rows changed that are exchanged', async () => {
    await withStory(seed, async ({ story, tampered }) => {
      for (let n = 0; n < 6; n++) {
        const one = story.pick(story.rows)
        const other = story.pick(story.rows.filter(({ day }) => day === one.day))
        if (one === other) continue
        const columns = ['at', 'kind', 'state', 'reason', 'user_id', 'session_id', 'device', 'groups']
        columns.push('conversations', 'detail', 'salt', 'commitment', 'hash')
        const { faults } = await tampered(
          `UPDATE vigie.trail AS t SET (${columns.join(', ')}) = (SELECT ${columns.join(', ')} FROM vigie.trail AS o
             WHERE o.day = t.day AND (o.boot, o.position) <> (t.boot, t.position) AND ((${at(one)}) OR (${at(other)})))
           WHERE (${at(one)}) OR (${at(other)})`,
        )
        for (const row of [one, other]) {
          expect(faults.filter((fault) => fault.code === 'row_changed' && isPlaced(fault, row))).not.toEqual(
            [],
          )
        }
      }
    })
  })

  it('has a row too many that is added: after the end of its boot, at the end of a day, with a hash of another', async () => {
    await withStory(seed, async ({ story, tampered }) => {
      const insert = (row: TrailRow) =>
        `INSERT INTO vigie.trail SELECT '${row.day}', '${row.boot}', ${row.position}, to_timestamp(${row.at} / 1000.0), '${row.kind}', ${quoted(row.state)},
           ${quoted(row.reason)}, ${quoted(row.userId)}, NULL, NULL, NULL, NULL, NULL, '\\x${row.salt!}', '\\x${row.commitment}', '\\x${row.hash}'`
      const fact = { kind: 'act', reason: 'forged', userId: story.users[0], detail: {} } as never
      const lastOfDay = (row: TrailRow) =>
        !story.rows.some(
          ({ day, boot, position }) => day === row.day && boot === row.boot && position > row.position,
        )
      const rightAfter = (row: TrailRow, previous: string) => ({
        ...rowOf({ fact, position: row.position + 1, at: row.at }, row.boot, previous),
        detail: null,
      })
      const committed = (row: TrailRow, previous: string) => {
        const commitment = commitmentOf(row, row.salt!)
        return { ...row, commitment, hash: hashOf({ ...row, commitment }, previous) }
      }
      for (const row of story.rows.filter(lastOfDay)) {
        const forged = committed(rightAfter(row, row.hash), row.hash)
        const { codes } = await tampered(insert(forged))
        const isOver = row.kind === 'stop' || row.kind === 'death'
        if (isOver || followed(story).includes(row)) expect(codes).toEqual(['row_added'])
        const wrong = committed(rightAfter(row, row.commitment), row.commitment)
        expect((await tampered(insert(wrong))).codes).toContain('row_changed')
      }
    })
  })

  it('has rows missing whose end was cut off: of a day, of a boot that a later start names', async () => {
    await withStory(seed, async ({ story, tampered }) => {
      const row = story.pick(
        story.rows.filter(({ boot, day }) =>
          story.rows.some((other) => other.boot === boot && other.day > day),
        ),
      )
      const ofDay = await tampered(
        `DELETE FROM vigie.trail WHERE day = '${row.day}' AND boot = '${row.boot}'`,
      )
      expect(ofDay.codes).toContain('row_missing')
      for (const head of story.named.values()) {
        const cut = await tampered(
          `DELETE FROM vigie.trail WHERE boot = '${head.boot}' AND position >= ${head.position}`,
        )
        expect(cut.faults).toContainEqual(expect.objectContaining({ code: 'row_missing', boot: head.boot }))
        const whole = await tampered(`DELETE FROM vigie.trail WHERE boot = '${head.boot}'`)
        expect(whole.codes).toEqual(['row_missing'])
      }
    })
  })

  it('has what was cut off of a boot that nobody names missing, by its head of an earlier verification', async () => {
    await withStory(seed, async ({ session, verify }) => {
      const { heads } = await verify()
      await session.unsafe('SET LOCAL session_replication_role = replica')
      for (const head of heads) await session.unsafe(`DELETE FROM vigie.trail WHERE ${at(head)}`)
      const { faults } = await verify(heads)
      for (const { boot, position } of heads) {
        expect(faults).toContainEqual(expect.objectContaining({ code: 'row_missing', boot, position }))
      }
    })
  })

  it('has rows missing of a day that was dropped and is not listed', async () => {
    await withStory(seed, async ({ keeper, story, verify, session }) => {
      const [first = '', second = ''] = [...new Set(story.rows.map(({ day }) => day))].sort()
      await session.unsafe(`SAVEPOINT whole; DROP TABLE vigie.trail_${second.replaceAll('-', '')}`)
      expect((await verify()).codes).toContain('row_missing')
      await session.unsafe('ROLLBACK TO whole')
      expect(await keeper.dropBefore(second)).toEqual([first])
      expect((await verify()).faults).toEqual([])
      await session.unsafe('DELETE FROM vigie.trail_drops')
      expect((await verify()).codes).toEqual(['row_missing'])
    })
  })

  it('has rows that were emptied by no erasure, and rows that an erasure has emptied and that are back', async () => {
    await withStory(seed, async ({ keeper, story, session, tampered, verify }) => {
      const empty =
        'user_id = NULL, session_id = NULL, device = NULL, groups = NULL, conversations = NULL, detail = NULL, salt = NULL'
      const row = story.pick(story.rows)
      const emptied = await tampered(`UPDATE vigie.trail SET ${empty} WHERE ${at(row)}`)
      expect(emptied.faults).toEqual([
        expect.objectContaining({ code: 'erasure_unlisted', boot: row.boot, position: row.position }),
      ])
      await session.unsafe('CREATE TEMP TABLE backup ON COMMIT DROP AS SELECT * FROM vigie.trail')
      const { days, rows } = await keeper.erase(story.users[1]!)
      const unlisted = await tampered(`DELETE FROM vigie.trail_erasures WHERE day = '${days[0]!.day}'`)
      expect(unlisted.codes).toEqual(['erasure_unlisted'])
      expect(unlisted.faults).toHaveLength(days[0]!.rows)
      const half = await tampered(`UPDATE vigie.trail SET user_id = 'somebody' WHERE salt IS NULL`)
      expect(half.codes).toEqual(['erasure_undone'])
      const restored = await tampered(
        `UPDATE vigie.trail AS t SET (user_id, session_id, device, groups, conversations, detail, salt) =
           (SELECT b.user_id, b.session_id, b.device, b.groups, b.conversations, b.detail, b.salt FROM backup AS b
            WHERE b.day = t.day AND b.boot = t.boot AND b.position = t.position)`,
      )
      expect(restored.faults).toHaveLength(rows)
      expect(restored.codes).toEqual(['erasure_undone'])
      expect((await verify()).faults).toEqual([])
    })
  })
})

it('finds the same in a trail of several pages', async () => {
  await withStory(
    99,
    async ({ story, verify, tampered }) => {
      expect(story.rows.length).toBeGreaterThan(5_000)
      expect(await verify()).toMatchObject({ faults: [], rows: story.rows.length })
      const row = story.pick(followed(story))
      const { faults } = await tampered(`DELETE FROM vigie.trail WHERE ${at(row)}`)
      expect(faults).toHaveLength(1)
    },
    3_000,
  )
})

describe('a trail that is written while it is read', () => {
  function readerOver(rows: ListedRow[], onPage: (day: string) => void): TrailReader {
    const days = [...new Set(rows.map(({ day }) => day))].sort()
    return {
      days: async () => days,
      async page(day, after) {
        onPage(day)
        const isAfter = (row: TrailRow) =>
          !after || row.boot > after.boot || (row.boot === after.boot && row.position > after.position)
        return rows
          .filter((row) => row.day === day && isAfter(row))
          .sort((a, b) => (a.boot < b.boot ? -1 : a.boot > b.boot ? 1 : a.position - b.position))
          .slice(0, 7)
      },
      hashAt: async (place) =>
        rows.find(
          (row) => row.boot === place.boot && row.day === place.day && row.position === place.position,
        )?.hash,
      isDropped: async () => false,
    }
  }

  it.each(SEEDS)(
    'is no fault: rows that come at the end of a day after it was read (seed %i)',
    async (seed) => {
      const all = trailStory({ seed, from }).rows.map((row): ListedRow => ({ ...row, isListed: false }))
      const days = [...new Set(all.map(({ day }) => day))].sort()
      // Of each boot that goes on the last rows of the second day come only once the third is read.
      const goesOn = ({ boot }: TrailRow) => all.some((row) => row.boot === boot && row.day === days[2])
      const follow = (row: TrailRow) =>
        all.filter(
          ({ boot, day, position }) => boot === row.boot && day === row.day && position > row.position,
        )
      const late = all.filter((row) => row.day === days[1] && goesOn(row) && follow(row).length < 3)
      const rows = all.filter((row) => !late.includes(row))
      const faults: TrailFault[] = []
      let isThere = false
      const reader = readerOver(rows, (day) => {
        if (day !== days[2] || isThere) return
        isThere = true
        rows.push(...late)
      })
      await verifyTrail(reader, { onFault: (fault) => faults.push(fault) })
      expect(late).not.toEqual([])
      expect(faults).toEqual([])
      expect(isThere).toBe(true)
    },
  )
})

describe('a head', () => {
  const head = {
    day: '2026-02-28',
    boot: '00000000-0000-4000-8000-000000000000',
    position: 7,
    hash: 'a'.repeat(64),
  }

  it('is one with its day, boot, position and hash', () => {
    expect(headIn({ ...head, more: 1 })).toEqual(head)
  })

  it.each([
    [null],
    ['text'],
    [{ ...head, day: '2026-02-31' }],
    [{ ...head, day: 'today' }],
    [{ ...head, boot: "' OR true" }],
    [{ ...head, position: 1.5 }],
    [{ ...head, hash: 'abc' }],
  ])('is not %j', (value) => {
    expect(headIn(value)).toBeUndefined()
  })
})
