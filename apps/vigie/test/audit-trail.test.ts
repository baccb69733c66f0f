/** `vigie audit verify|erase|export|keep`: the real command, on a real database, as real roles. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postgresTrail } from '@vigie/server/postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../test/database.js'
import { DAY_MS, trailStory } from '../../../packages/server/test/support/trail-story.js'
import { parseTime } from '../src/audit-trail/time.js'
import { FAULTS, faultInWords, verificationInWords } from '../src/audit-trail/verify-words.js'
import { BIN, startVigie, temporaryFolder } from './vigie-process.js'

const PASSWORD = 'of-a-role-of-this-test'
const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10)
const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
const from = today - 4 * DAY_MS
const story = trailStory({ seed: 3, from, facts: 600 })

let database: TestDatabase
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let roles: { readonly writer: string; readonly keeper: string }

const urlOf = (role: string) => {
  const url = new URL(database.url)
  url.username = role
  url.password = PASSWORD
  return url.href
}

beforeAll(async () => {
  database = await freshDatabase()
  folder = await temporaryFolder()
  const name = new URL(database.url).pathname.slice(1)
  roles = { writer: `${name}_writer`, keeper: `${name}_keeper` }
  for (const role of Object.values(roles)) {
    await database.sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`)
  }
})
afterAll(async () => {
  await database.sql.unsafe(
    Object.values(roles)
      .map((role) => `DROP OWNED BY ${role}; DROP ROLE ${role}`)
      .join(';'),
  )
  await database[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

async function run(words: string, env: Readonly<Record<string, string>>) {
  await using command = startVigie(
    ['audit', ...words.split(' ').filter((word) => word !== '')],
    folder.path,
    env,
  )
  const { code, stdout, stderr } = await command.ended
  return { code, stdout, stderr }
}
const audit = (words: string) => run(words, { VIGIE_TRAIL_KEEPER_URL: urlOf(roles.keeper) })
const asServer = (words: string) => run(words, { DATABASE_URL: urlOf(roles.writer) })
const lines = (text: string) => text.split('\n').filter((line) => line !== '')

/** In this order: what is erased and dropped is gone for those that follow. */
describe('vigie audit', { timeout: 60_000 }, () => {
  it('needs the audit trail, which `vigie migrate` creates with the rights of its roles', async () => {
    expect(await run('verify', { DATABASE_URL: database.url })).toEqual({
      code: 2,
      stdout: '',
      stderr: 'vigie: schema "vigie" does not exist. Run `vigie migrate`, which creates the audit trail.\n',
    })
    const env = {
      DATABASE_URL: database.url,
      VIGIE_TRAIL_WRITER_ROLE: roles.writer,
      VIGIE_TRAIL_KEEPER_ROLE: roles.keeper,
    }
    await using command = startVigie(['migrate'], folder.path, env)
    expect(await command.ended).toMatchObject({ code: 0, stderr: '' })
    expect(await audit('verify')).toEqual({
      code: 0,
      stdout: 'The audit trail is as it was written: 0 rows of 0 days and 0 starts of servers.\n',
      stderr: '',
    })
    const store = postgresTrail({ sql: urlOf(roles.writer), node: 'north' })
    await store.makeDays([...new Set(story.rows.map(({ day }) => day)), dayOf(today)])
    expect(await store.write(story.rows)).toBe(story.rows.length)
    await store.close()
  })

  it('verify says that it is whole, prints heads, and compares them later', async () => {
    const starts = new Set(story.rows.map(({ boot }) => boot)).size
    const whole = `The audit trail is as it was written: ${story.rows.length} rows of 5 days and ${starts} starts of servers.\n`
    expect(await asServer('verify')).toEqual({ code: 0, stdout: whole, stderr: '' })
    const heads = await audit('verify --print-heads')
    expect([heads.code, heads.stderr, lines(heads.stdout).length]).toEqual([0, whole, starts])
    const file = join(folder.path, 'heads.ndjson')
    await writeFile(file, heads.stdout)
    expect(await audit(`verify --heads ${file}`)).toEqual({ code: 0, stdout: whole, stderr: '' })
    // As if the end of a start had been cut off before they were compared.
    const head = JSON.parse(lines(heads.stdout)[0]!) as { position: number; day: string; boot: string }
    await writeFile(file, JSON.stringify({ ...head, position: head.position + 1 }))
    const cut = await audit(`verify --json --heads ${file}`)
    expect([cut.code, cut.stderr]).toEqual([1, ''])
    expect(JSON.parse(cut.stdout)).toMatchObject({
      rows: story.rows.length,
      days: 5,
      faults: 1,
      found: [{ code: 'row_missing', day: head.day, boot: head.boot, position: head.position + 1 }],
    })
    await writeFile(file, '\nno head\n')
    expect(await audit(`verify --heads ${file}`)).toMatchObject({
      code: 2,
      stderr: `vigie: Line 2 of ${file} is none that --print-heads has printed.\n`,
    })
    expect(await audit('verify --heads nowhere')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--heads is nowhere, which cannot be read'),
    })
  })

  it('verify finds an edit, and ends with 1', async () => {
    const row = story.rows.find(({ position }) => position === 2)!
    const session = database.session()
    const edit = async (reason: string | null) => {
      await session.unsafe('SET session_replication_role = replica')
      const { count } = await session`
        UPDATE vigie.trail SET reason = ${reason} WHERE boot = ${row.boot} AND position = ${row.position} AND day = ${row.day}`
      expect(count).toBe(1)
    }
    await edit('a better one')
    const { code, stdout, stderr } = await asServer('verify')
    await edit(row.reason)
    expect([code, stderr]).toEqual([1, ''])
    expect(stdout).toContain(`row_changed: ${row.day}, start ${row.boot}, row 2: edited,`)
    expect(stdout).toMatch(/The audit trail is not as it was written: \d faults? in \d+ rows of 5 days/u)
    expect(await asServer('verify')).toMatchObject({ code: 0 })
  })

  it('export prints a user, or a period, as NDJSON', async () => {
    const [user = ''] = story.users
    const env = { DATABASE_URL: urlOf(roles.writer) }
    await using command = startVigie(['audit', 'export', '--user', user], folder.path, env)
    const { code, stdout } = await command.ended
    const rows = lines(stdout).map((line) => JSON.parse(line) as { userId: string | null; at: string })
    const own = rows.filter(({ userId }) => userId === user)
    expect([code, own.length]).toEqual([0, story.rows.filter(({ userId }) => userId === user).length])
    expect(own.length).toBeGreaterThan(0)
    const day = dayOf(from + DAY_MS)
    const period = await asServer(`export --from ${day} --to ${dayOf(from + 2 * DAY_MS)}`)
    expect([period.code, lines(period.stdout).length]).toEqual([
      0,
      story.rows.filter((row) => row.day === day).length,
    ])
    for (const words of ['', '--user ana --to 2026-01-01', '--from 2026-01-01']) {
      expect(await asServer(`export ${words}`)).toMatchObject({
        code: 1,
        stderr: 'vigie: vigie audit export needs --user, or --from and --to.\n',
      })
    }
    expect(await asServer('export --from 2026-01-02 --to 2026-01-02')).toMatchObject({
      code: 1,
      stderr: 'vigie: --from must be before --to.\n',
    })
  })

  it('export ends without a complaint when nobody reads on', async () => {
    const words = [BIN, 'audit', 'export', '--from', dayOf(from), '--to', dayOf(today)]
    const env = { PATH: process.env.PATH ?? '', DATABASE_URL: urlOf(roles.writer) }
    const child = spawn(process.execPath, words, { cwd: folder.path, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
    // More than the pipe holds that is between the two.
    const size = story.rows.reduce((sum, row) => sum + JSON.stringify(row).length, 0)
    expect(size).toBeGreaterThan(500_000)
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [code] = (await once(child, 'close')) as [number | null]
    expect([code, stderr]).toEqual([0, ''])
  })

  it('is written by a server that comes as the writer’s role, which migrates nothing and may change nothing', async () => {
    await database.sql.unsafe(`
      GRANT SELECT ON group_users, conversation_users, vigie.migrations TO ${roles.writer};
      GRANT SELECT, UPDATE, DELETE ON vigie.changes TO ${roles.writer}`)
    const before = story.rows.length
    await using server = startVigie(['serve'], folder.path, {
      DATABASE_URL: urlOf(roles.writer),
      VIGIE_TRAIL_WRITER_ROLE: roles.writer,
      VIGIE_TRAIL_KEEPER_ROLE: roles.keeper,
      VIGIE_JWT_SECRET: 'a-secret-that-is-long-enough-to-sign',
      PORT: '0',
    })
    await server.url
    server.kill('SIGTERM')
    expect(await server.ended).toMatchObject({ code: 0 })
    const kinds = await database.sql<{ kind: string }[]>`
      SELECT kind FROM vigie.trail WHERE day >= ${dayOf(today)}::text::date ORDER BY at, position`
    expect([kinds.at(0)?.kind, kinds.at(-1)?.kind]).toEqual(['start', 'stop'])
    const { code, stdout } = await asServer('verify')
    expect([code, stdout]).toEqual([0, expect.stringContaining(` ${before + kinds.length} rows of `)])
  })

  it('erase and keep are refused to the server’s role, in a sentence that says whose they are', async () => {
    for (const words of ['erase ana', 'keep --days 1']) {
      expect(await asServer(words)).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(
          /^vigie: permission denied for function \w+\. Set VIGIE_TRAIL_KEEPER_URL to the address of the same database with the role that keeps the audit trail\.\n$/u,
        ),
      })
    }
    expect(await run('keep --days 1', { VIGIE_TRAIL_KEEPER_URL: urlOf(roles.writer) })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Name the role of VIGIE_TRAIL_KEEPER_URL in VIGIE_TRAIL_KEEPER_ROLE'),
    })
  })

  it('erase empties what tells of a user; the trail still verifies', async () => {
    const [user = ''] = story.users
    const env = { VIGIE_TRAIL_KEEPER_URL: urlOf(roles.keeper) }
    await using command = startVigie(['audit', 'erase', user], folder.path, env)
    const { code, stdout, stderr } = await command.ended
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(
      new RegExp(
        `^${user} is erased from \\d+ rows of 4 days of the audit trail, by the erasure [\\da-f-]{36}\\.\\n$`,
        'u',
      ),
    )
    await using again = startVigie(['audit', 'erase', '--json', user], folder.path, env)
    expect(JSON.parse((await again.ended).stdout)).toEqual({ erasure: null, rows: 0, days: [] })
    const verified = await audit('verify')
    expect([verified.code, verified.stdout]).toEqual([
      0,
      expect.stringMatching(
        /^The audit trail is as it was written: .* \d+ rows are empty after erasures\.\n$/u,
      ),
    ])
  })

  it('keep drops what is older, and says so', async () => {
    const oldest = [dayOf(from), dayOf(from + DAY_MS)]
    expect(await audit('keep --days 2')).toEqual({
      code: 0,
      stdout: `The audit trail is kept for 2 days. Dropped 2 days: ${oldest.join(', ')}.\n`,
      stderr: '',
    })
    expect(JSON.parse((await audit('keep --days 2 --json')).stdout)).toEqual({ days: 2, dropped: [] })
    expect(await audit('keep --days all')).toMatchObject({
      code: 0,
      stdout: 'The audit trail is kept for ever. No day was older.\n',
    })
    expect(await audit('verify')).toMatchObject({ code: 0 })
    for (const words of ['keep', 'keep --days 0', 'keep --days 1.5', 'keep --days 100001', 'keep --days=']) {
      expect(await audit(words)).toMatchObject({
        code: 1,
        stderr: 'vigie: vigie audit keep needs --days, a whole number from 1 to 100000, or all.\n',
      })
    }
  })

  it('says in one sentence what it was not told, and what it does not know', async () => {
    expect(await run('keep --days 2', {})).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('No database is named'),
    })
    expect(await audit('erase')).toMatchObject({
      code: 1,
      stderr: 'vigie: vigie audit erase needs a user id, such as vigie audit erase alice.\n',
    })
    expect(await audit('forget')).toMatchObject({
      code: 1,
      stderr:
        'vigie: vigie audit has no command "forget"; it has online, user, peak, why, verify, erase, export, keep.\n',
    })
    expect((await audit('')).stdout).toContain('vigie audit')
    expect((await audit('keep --help')).stdout).toContain('--days')
    const nowhere = await run('keep --days 2', { VIGIE_TRAIL_KEEPER_URL: 'postgres://u@127.0.0.1:1/none' })
    expect([nowhere.code, nowhere.stderr]).toEqual([
      1,
      'vigie: The database at postgres://u@127.0.0.1:1/none cannot be reached: nothing listens there; is it running, and is VIGIE_TRAIL_KEEPER_URL right?\n',
    ])
    await writeFile(join(folder.path, 'keeper-url'), `${urlOf(roles.keeper)}\n`)
    expect(await run('verify', { VIGIE_TRAIL_KEEPER_URL_FILE: 'keeper-url' })).toMatchObject({ code: 0 })
    await writeFile(join(folder.path, 'keeper-url'), 'http://elsewhere\n')
    expect(await run('verify', { VIGIE_TRAIL_KEEPER_URL_FILE: 'keeper-url' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'VIGIE_TRAIL_KEEPER_URL_FILE is keeper-url, which holds a value that is not shown',
      ),
    })
  })
})

describe('the words of a verification', () => {
  const place = { day: '2026-11-28', boot: 'b', position: 5 }

  it('name the rows that a fault is about', () => {
    expect(faultInWords({ ...place, code: 'row_missing', lastPosition: 9 })).toBe(
      'row_missing: 2026-11-28, start b, rows 5 to 9: deleted.',
    )
    expect(faultInWords({ ...place, code: 'erasure_unlisted', lastPosition: 5 })).toBe(
      'erasure_unlisted: 2026-11-28, start b, row 5: emptied, and no erasure lists it.',
    )
  })

  it('count in one and in many', () => {
    const one = { rows: 1, days: 1, erased: 1, faults: 1, heads: [{ ...place, hash: 'h' }] }
    expect(verificationInWords(one)).toBe(
      'The audit trail is not as it was written: 1 fault in 1 row of 1 day and 1 start of servers. 1 row is empty after erasures.',
    )
  })
})

it('explains each fault in docs/privacy.md, and no other', async () => {
  const page = await readFile(new URL('../../../docs/privacy.md', import.meta.url), 'utf8')
  const codes = [...page.matchAll(/^\| `(\w+)` +\| [^|]+\|$/gmu)].map(([, code]) => code)
  expect(codes.filter((code) => code !== undefined && /^(?:row|erasure)_/u.test(code))).toEqual(
    Object.keys(FAULTS),
  )
})

describe('a time that somebody has written', () => {
  it.each([
    ['2026-11-29', '2026-11-29T00:00:00.000Z'],
    ['2026-11-29T14:05Z', '2026-11-29T14:05:00.000Z'],
    ['2026-11-29T14:05:09.5+01:00', '2026-11-29T13:05:09.500Z'],
  ])('%s is %s', (text, time) => {
    expect(new Date(parseTime('--from', text)).toISOString()).toBe(time)
  })

  it.each([
    '2026-02-31',
    '2026-11-29T14:05',
    '14:05',
    'yesterday',
    '',
    '2026-13-01',
    '2026-11-29T25:00Z',
    '1764421200',
  ])('%j is none', (text) => {
    expect(() => parseTime('--from', text)).toThrow(
      `--from is ${JSON.stringify(text)}; it must be a time such as`,
    )
  })
})
