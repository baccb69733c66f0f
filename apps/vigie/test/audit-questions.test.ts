/** `vigie audit online|user|peak|why` and `/v1/audit`: on a real database, of which the library says what is right. */
import { ApiError, createApiClient } from '@vigie/server/http'
import { migrate, openTrail, postgresTrail, type TrailQuestions } from '@vigie/server/postgres'
import {
  PresenceError,
  type ConversationId,
  type GroupId,
  type SessionId,
  type UserId,
} from '@vigie/protocol'
import { silentLog } from '@vigie/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fact, TrailRow } from '../../../packages/server/src/trail/facts.js'
import { rowOf } from '../../../packages/server/src/trail/rows.js'
import { dayOf } from '../../../packages/server/src/trail/days.js'
import { freshDatabase, type TestDatabase } from '../../../test/database.js'
import { READ_KEY, startApi } from './api-server.js'
import { startVigie, temporaryFolder } from './vigie-process.js'

const DAY_MS = 86_400_000
const BOOT = '11111111-2222-4333-8444-555555555555'
/** Two days ago at 14:00 UTC: the day is there, and over. */
const start = Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS + 14 * 3_600_000
const minute = (n: number) => start + n * 60_000
const iso = (time: number) => new Date(time).toISOString()

const session = (state: 'live' | 'ended', reason: 'connected' | 'left', userId: string): Fact => ({
  kind: 'session',
  state,
  reason,
  userId: userId as UserId,
  sessionId: `session of ${userId}` as SessionId,
  device: userId === 'ben' ? '~session of ben' : `=phone of ${userId}`,
  detail: { since: minute(1) },
})
const rooms = (userId: string): Fact => ({
  kind: 'rooms',
  reason: 'seen',
  userId: userId as UserId,
  groups: ['crew' as GroupId],
  conversations: ['plan' as ConversationId],
})

/** Ann and ben come; ben leaves after five minutes; some facts are lost; the server stops. */
const story: readonly [number, Fact][] = [
  [0, { kind: 'start', detail: { node: 'north' } }],
  [1, session('live', 'connected', 'ann')],
  [1, rooms('ann')],
  [1, session('live', 'connected', 'ben')],
  [1, rooms('ben')],
  [6, session('ended', 'left', 'ben')],
  [30, { kind: 'hole', detail: { count: 3, from: minute(20), until: minute(29) } }],
  [30, { ...session('live', 'connected', 'ann'), reason: 'checkpoint' } as Fact],
  [30, { ...rooms('ann'), reason: 'checkpoint' } as Fact],
  [30, { kind: 'checkpoint', detail: { from: 8 } }],
  [40, { kind: 'stop' }],
]

let database: TestDatabase
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let trail: TrailQuestions

beforeAll(async () => {
  database = await freshDatabase()
  folder = await temporaryFolder()
  await migrate(database.sql, { createTables: true })
  const rows: TrailRow[] = []
  for (const [at, fact] of story) {
    rows.push(rowOf({ fact, position: rows.length + 1, at: minute(at) }, BOOT, rows.at(-1)?.hash))
  }
  const store = postgresTrail({ sql: database.sql, log: silentLog })
  await store.makeDays([dayOf(start)])
  await store.write(rows)
  trail = openTrail({ sql: database.sql, log: silentLog })
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

async function audit(...words: readonly string[]) {
  await using command = startVigie(['audit', ...words], folder.path, { DATABASE_URL: database.url })
  const { code, stdout, stderr } = await command.ended
  return { code, stdout, stderr }
}

const shown = (n: number) => iso(minute(n)).replace('T', ' ')

describe('vigie audit', { timeout: 60_000 }, () => {
  it('says who of a conversation was online, and as JSON what the library answers', async () => {
    expect(await audit('online', '--conversation', 'plan', '--at', iso(minute(5)))).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        `2 users of conversation plan online at ${shown(5)}:`,
        `  ann: device "phone of ann" since ${shown(1)}`,
        `  ben: a device without an id since ${shown(1)}`,
        '',
      ]
        .join('\n')
        .replaceAll('"', ''),
    })
    const { stdout } = await audit('online', '--group', 'crew', '--at', iso(minute(25)), '--json')
    const answer = await trail.online({ group: 'crew', at: minute(25) })
    expect(JSON.parse(stdout)).toEqual(answer)
    expect(answer.holes).toEqual([{ from: minute(20), to: minute(30), boot: BOOT, why: 'overflow' }])
  })

  it('says when a user was online, and why it ended', async () => {
    const { stdout } = await audit('user', 'ben', '--from', iso(minute(0)), '--to', iso(minute(10)))
    expect(stdout).toContain(
      `  ${shown(1)} to ${shown(6)} (a session connected; a client disconnected or left)\n`,
    )
    const json = await audit('user', 'ben', '--from', iso(minute(0)), '--to', iso(minute(10)), '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({
      intervals: [{ from: minute(1), to: minute(6), began: 'connected', ended: 'left' }],
      holes: [],
    })
  })

  it('says how many were online at most, and that something is missing', async () => {
    expect((await audit('peak', '--day', dayOf(start))).stdout).toBe(
      [
        `Most users online at one time on ${dayOf(start)}: 2, since ${shown(1)}.`,
        `Most devices: 2, since ${shown(1)}.`,
        'The trail has holes, and this may be wrong there:',
        `  before ${shown(0)}: nothing is kept of so long ago, or nothing was recorded then`,
        `  from ${shown(20)} to ${shown(30)}, start ${BOOT}: PostgreSQL was away for longer than what happened could wait`,
        '',
      ].join('\n'),
    )
  })

  it('says why a user was offline', async () => {
    const { stdout } = await audit('why', 'ben', '--at', iso(minute(10)))
    expect(stdout).toContain(
      `ben was offline, at ${shown(10)}.\nSince ${shown(6)}: a client disconnected or left.\n`,
    )
    const json = await audit('why', 'ann', '--at', iso(minute(50)), '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({
      online: false,
      because: { at: minute(40), reason: 'stop' },
    })
  })

  it.each([
    [['online', '--at', '2026-11-01T14:05Z'], 'needs --conversation, or --group'],
    [['online', '--conversation', 'plan'], '--at is missing'],
    [['online', '--conversation', 'plan', '--at', 'yesterday'], '--at is "yesterday"; it must be a time'],
    [['online', '--conversation', 'plan', '--at', '2999-01-01T00:00Z'], '`at` is to come'],
    [['user', 'ann', '--from', '2026-11-02', '--to', '2026-11-01'], '`from` must be before `to`'],
    [['user', 'ann', '--from', '2026-01-02', '--to', '2026-11-01'], '31 days at most'],
    [['peak'], '--day is missing'],
    [['peak', '--day', '2026-02-31'], '`day` must be a day as YYYY-MM-DD'],
    [['why'], 'needs a user id'],
  ])('refuses %j in a sentence', async (words, sentence) => {
    const { code, stdout, stderr } = await audit(...words)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(sentence)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })
})

describe('/v1/audit', () => {
  it('answers what the library answers, by the typed client', async () => {
    await using server = await startApi({ audit: trail })
    const vigie = createApiClient({ url: server.url, key: READ_KEY })
    const at = minute(5)
    expect(await vigie.auditOnline({ conversation: 'plan', at })).toEqual(
      await trail.online({ conversation: 'plan', at }),
    )
    expect((await vigie.auditOnline({ group: 'crew', at })).users).toHaveLength(2)
    const period = { userId: 'ben', from: minute(0), to: minute(10) }
    expect(await vigie.auditUser(period)).toEqual(await trail.user(period))
    expect(await vigie.auditPeak({ day: dayOf(start) })).toMatchObject({ users: { count: 2, at: minute(1) } })
    expect(await vigie.auditWhy({ userId: 'ben', at: minute(10) })).toEqual(
      await trail.why({ userId: 'ben', at: minute(10) }),
    )
  })

  it('refuses what is to come, and periods that are too long', async () => {
    await using server = await startApi({ audit: trail })
    const vigie = createApiClient({ url: server.url, key: READ_KEY })
    const wrong = [
      vigie.auditOnline({ conversation: 'plan', at: Date.now() + DAY_MS }),
      vigie.auditUser({ userId: 'ann', from: start - 40 * DAY_MS, to: start }),
      vigie.auditUser({ userId: 'ann', from: start, to: start }),
      vigie.auditPeak({ day: '2026-02-31' }),
    ]
    for (const { status, reason } of (await Promise.allSettled(wrong)) as PromiseRejectedResult[]) {
      expect(status).toBe('rejected')
      expect(reason).toBeInstanceOf(ApiError)
      expect(reason).toMatchObject({ status: 400, code: 'invalid_payload' })
    }
    expect(server.errors).toEqual([])
  })

  it('says that the database is away', async () => {
    const away = () => Promise.reject(new PresenceError('unavailable'))
    await using server = await startApi({ audit: { online: away, user: away, peak: away, why: away } })
    const answer = await server.ask('/v1/audit/why?userId=ann&at=2026-11-01T00:00:00Z')
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  })
})
