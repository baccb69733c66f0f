/** Webhooks on real PostgreSQL, from rows of a real trail, to a real receiver. */
import { randomBytes, randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { migrate, postgresTrail, startWebhooks, type PostgresWebhookOptions } from '@vigie/server/postgres'
import { silentLog } from '../../src/core/ports.js'
import { connect } from '../../src/postgres/database.js'
import { postgresWebhookStore } from '../../src/postgres/webhooks.js'
import type { TrailRow } from '../../src/trail/facts.js'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'
import { roomsFact, sessionFact, testBoot } from '../support/trail-rows.js'
import { startReceiver } from '../support/webhook-receiver.js'
import { startWire } from '../support/wire.js'

const SECRET = `whsec_${randomBytes(32).toString('base64')}`

async function trailDatabase() {
  const database = await freshDatabase()
  await migrate(database.sql, { createTables: true })
  return database
}

function start({ sql }: TestDatabase, url: string, rest: Partial<PostgresWebhookOptions> = {}) {
  return startWebhooks({
    sql,
    endpoints: [{ name: 'crm', url, secret: SECRET }],
    allowPrivate: true,
    log: silentLog,
    ...rest,
  })
}

async function write({ url }: TestDatabase, ...rows: readonly TrailRow[]) {
  const trail = postgresTrail({ sql: url, node: 'test', log: silentLog })
  await trail.makeDays([...new Set(rows.map(({ day }) => day))])
  expect(await trail.write(rows)).toBe(rows.length)
  await trail.close()
}

/** Until the endpoint has been loaded: from then on it hears of what happens. */
async function begun(sql: postgres.Sql) {
  for (;;) {
    const [row] = await sql`SELECT FROM vigie.webhook_endpoints`
    if (row) return
  }
}

describe('startWebhooks', () => {
  it('tells what happens to real clients, signed, in order; a wire, a trail, a receiver', async () => {
    await using database = await trailDatabase()
    await using receiver = await startReceiver(SECRET)
    const webhooks = start(database, receiver.url)
    await webhooks.ready
    await begun(database.sql)
    await using wire = await startWire({
      rows: { conversations: [['plan', ['ann', 'ben']]] },
      presence: { trail: postgresTrail({ sql: database.url, node: 'test' }), trailFlushMs: 10 },
    })
    const ann = await wire.connect('ann')
    const ben = await wire.connect('ben')
    await receiver.until('both are online', () => receiver.received.length === 3)
    ann.socket.disconnect()
    await receiver.until('Ann is offline', () => receiver.received.length === 4)
    ben.socket.disconnect()
    await receiver.until('nobody is there', () => receiver.received.length === 6)
    await webhooks.close()
    const told = receiver.received.map(({ type, subject }) => `${type} ${subject}`)
    expect(told.filter((each) => each.endsWith('ann'))).toEqual(['user.online ann', 'user.offline ann'])
    expect(told.filter((each) => each.endsWith('ben'))).toEqual(['user.online ben', 'user.offline ben'])
    expect(told.filter((each) => each.endsWith('plan'))).toEqual([
      'conversation.occupied plan',
      'conversation.empty plan',
    ])
    expect(receiver.forged).toEqual([])
    expect(await database.sql`SELECT FROM vigie.webhook_deliveries`).toHaveLength(0)
  })

  it('goes on where the server before it was, and knows from the last checkpoint who is online', async () => {
    await using database = await trailDatabase()
    await using receiver = await startReceiver(SECRET)
    const boot = testBoot(1)
    const now = Date.now()
    await write(
      database,
      boot.row({ kind: 'start', detail: { node: 'test' } }, now),
      boot.online('old', 'o', now),
      ...boot.checkpoint([roomsFact('ann', ['plan']), sessionFact('live', 'checkpoint', 'ann', 'a')], now),
      boot.online('ben', 'b', now),
    )
    const first = start(database, receiver.url)
    await first.ready
    await begun(database.sql)
    await first.close()
    await write(
      database,
      boot.online('ann', 'a2', now),
      boot.ended('ann', 'a', now),
      boot.ended('ben', 'b', now),
    )
    await write(database, boot.ended('ann', 'a2', now))
    const second = start(database, receiver.url)
    await receiver.until('all is told', () => receiver.received.length === 3)
    await second.close()
    expect(receiver.received.map(({ type, subject }) => `${type} ${subject}`).sort()).toEqual([
      'conversation.empty plan',
      'user.offline ann',
      'user.offline ben',
    ])
    expect(receiver.received.map(({ sequence }) => sequence).sort()).toEqual([1, 2, 3])
  })

  it('a dead letter is shown and sent again, with its id', async () => {
    await using database = await trailDatabase()
    let isAway = true
    await using receiver = await startReceiver(SECRET, (_, response) =>
      response.writeHead(isAway ? 500 : 204).end(),
    )
    const webhooks = start(database, receiver.url, { retryMs: [0] })
    await begun(database.sql)
    const boot = testBoot(1)
    await write(database, boot.row({ kind: 'start' }, Date.now()), boot.online('ann', 'a', Date.now()))
    await receiver.until('it was tried twice', () => receiver.received.length === 2)
    const [id] = receiver.received.map((each) => each.id)
    let letters = await webhooks.deadLetters()
    while (letters.length === 0) letters = await webhooks.deadLetters()
    expect(letters).toEqual([
      expect.objectContaining({ id, endpoint: 'crm', attempts: 2, failure: 'the receiver answered 500' }),
    ])
    expect(JSON.parse(letters[0]!.body)).toMatchObject({
      type: 'user.online',
      data: { userId: 'ann', sequence: 1 },
    })
    isAway = false
    expect(await webhooks.resend('msg_none')).toBe(false)
    expect(await webhooks.resend(id!)).toBe(true)
    await receiver.until('it was sent again', () => receiver.received.length === 3)
    expect(receiver.received[2]!.id).toBe(id)
    await webhooks.close()
    expect(await webhooks.resend(id!).catch(() => 'closed')).toBe(false)
  })

  it('without an audit trail there are no webhooks, and the sentence says so', async () => {
    await using database = await freshDatabase()
    const webhooks = start(database, 'http://127.0.0.1:1/')
    await expect(webhooks.ready).rejects.toThrow('there is no table for it (vigie.trail)')
    expect(webhooks.counts()).toMatchObject({ isSending: false, waiting: 0 })
    await webhooks.close()
    expect(() => startWebhooks({ endpoints: [] } as unknown as PostgresWebhookOptions)).toThrow(
      'kept in PostgreSQL',
    )
  })
})

describe('the store', () => {
  const open = (database: TestDatabase) =>
    postgresWebhookStore(connect(database.sql, { timeoutMs: 5_000, log: silentLog }))
  const delivery = (sequence: number, userId = 'ann') => ({
    endpoint: 'crm',
    sequence,
    id: `msg_${sequence}`,
    userId,
    conversationId: null,
    at: 1_700_000_000_123,
    body: '{}',
    attempts: 0,
    nextAt: 0,
  })
  const place = { boot: testBoot(1).id, day: '2026-11-29', position: 7, isEnded: false }

  it('one holder at a time, until it gives the lease back or lets it run out', async () => {
    await using database = await trailDatabase()
    const store = open(database)
    const [one, two] = [randomUUID(), randomUUID()]
    expect(await store.lease(one, 60_000)).toBe(true)
    expect(await store.lease(one, 60_000)).toBe(true)
    expect(await store.lease(two, 60_000)).toBe(false)
    await store.release(two)
    expect(await store.lease(two, 60_000)).toBe(false)
    await store.release(one)
    expect(await store.lease(two, 0)).toBe(true)
    expect(await store.lease(one, 60_000)).toBe(true)
  })

  it('only the holder moves on, all or nothing; twice is as once', async () => {
    await using database = await trailDatabase()
    const store = open(database)
    const [one, two] = [randomUUID(), randomUUID()]
    const advance = {
      endpoint: 'crm',
      positions: [place],
      deliveries: [delivery(1), delivery(2)],
      sequence: 2,
    }
    await store.lease(one, 60_000)
    expect(await store.advance(advance, two)).toBe(false)
    expect(await store.load('crm')).toBeUndefined()
    expect(await store.advance(advance, one)).toBe(true)
    expect(await store.advance(advance, one)).toBe(true)
    expect(await store.load('crm')).toEqual({
      sequence: 2,
      positions: [place],
      waiting: [delivery(1), delivery(2)],
    })
    await store.delivered(delivery(1))
    await store.failed(
      { ...delivery(2), attempts: 1, nextAt: 1_700_000_000_999 },
      { failure: '500', isDead: false },
    )
    // An older answer changes nothing.
    await store.failed({ ...delivery(2), attempts: 1, nextAt: 0 }, { failure: 'late', isDead: true })
    const after = await store.load('crm')
    expect(after?.waiting).toEqual([{ ...delivery(2), attempts: 1, nextAt: 1_700_000_000_999 }])
  })

  it('dead letters come in pages, the newest first, and go after their days', async () => {
    await using database = await trailDatabase()
    const store = open(database)
    const holder = randomUUID()
    await store.lease(holder, 60_000)
    const deliveries = [1, 2, 3, 4, 5].map((n) => delivery(n))
    await store.advance({ endpoint: 'crm', positions: [], deliveries, sequence: 5 }, holder)
    for (const each of deliveries)
      await store.failed({ ...each, attempts: 1 }, { failure: '500', isDead: true })
    const ids = async (before?: string) => (await store.deadLetters({ limit: 2, before })).map(({ id }) => id)
    expect([await ids(), await ids('msg_4'), await ids('msg_2'), await ids('msg_1')]).toEqual([
      ['msg_5', 'msg_4'],
      ['msg_3', 'msg_2'],
      ['msg_1'],
      [],
    ])
    expect(await store.resend('msg_3')).toBe(true)
    expect(await store.takeResent(['other'])).toEqual([])
    expect((await store.takeResent(['crm'])).map(({ id, attempts }) => [id, attempts])).toEqual([
      ['msg_3', 0],
    ])
    expect(await store.tidy(60_000)).toEqual({ deadLetters: 4 })
    await database.sql`UPDATE vigie.webhook_deliveries SET dead_at = now() - interval '2 days' WHERE sequence < 3`
    expect(await store.tidy(86_400_000)).toEqual({ deadLetters: 2 })
  })

  it('finds boots from day to day, facts after a place, and the last whole checkpoint', async () => {
    await using database = await trailDatabase()
    const store = open(database)
    const [one, two] = [testBoot(1), testBoot(2)]
    const today = Date.parse(new Date().toISOString().slice(0, 10))
    const yesterday = today - 3_600_000
    const day = (at: number) => new Date(at).toISOString().slice(0, 10)
    const rows = [
      one.row({ kind: 'start' }, yesterday),
      one.online('ann', 'a', yesterday),
      ...one.checkpoint([sessionFact('live', 'checkpoint', 'ann', 'a')], today),
      one.rooms('ann', ['plan', 'ha"ll'], today + 1),
    ]
    await write(database, ...rows, two.row({ kind: 'start' }, today))
    expect((await store.boots(day(yesterday))).toSorted((a, b) => (a.boot < b.boot ? -1 : 1))).toEqual([
      { boot: one.id, day: day(yesterday) },
      { boot: two.id, day: day(today) },
    ])
    expect(await store.boots(day(today + 86_400_000))).toEqual([])
    const from = (position: number) => ({ boot: one.id, day: day(yesterday), position })
    const read = await store.read(from(1), { limit: 3, settledMs: 0, until: 4 })
    expect(read.map(({ position }) => position)).toEqual([2, 3, 4])
    const [rooms] = await store.read(from(4), { limit: 3, settledMs: 0 })
    expect(rooms).toMatchObject({
      userId: 'ann',
      conversations: ['plan', 'ha"ll'],
      kind: 'rooms',
      at: today + 1,
    })
    const future = two.row({ kind: 'alive' }, Date.now() + 60_000)
    await write(database, future)
    expect(
      await store.read({ boot: two.id, day: day(today), position: 1 }, { limit: 9, settledMs: 0 }),
    ).toEqual([])
    expect(await store.last(one.id, day(yesterday))).toMatchObject({ position: 5 })
    // Amid the checkpoint it is not whole: what was so is read from the day before.
    const before = (position: number) => store.checkpointBefore({ boot: one.id, day: day(today), position })
    expect(await before(3)).toEqual({ boot: one.id, day: day(yesterday), position: 0 })
    expect(await before(5)).toEqual({ boot: one.id, day: day(today), position: 2 })
  })

  it('more than nine facts, and deliveries, are in the order of their numbers', async () => {
    await using database = await trailDatabase()
    const store = open(database)
    const boot = testBoot(1)
    const now = Date.now()
    const numbers = Array.from({ length: 12 }, (_, n) => n + 1)
    await write(database, ...numbers.map(() => boot.row({ kind: 'alive' }, now)))
    const day = new Date(now).toISOString().slice(0, 10)
    const read = await store.read({ boot: boot.id, day, position: 0 }, { limit: 11, settledMs: 0 })
    expect(read.map(({ position }) => position)).toEqual(numbers.slice(0, 11))
    expect((await store.last(boot.id, day))?.position).toBe(12)
    const holder = randomUUID()
    await store.lease(holder, 60_000)
    const deliveries = numbers.map((n) => delivery(n))
    await store.advance({ endpoint: 'crm', positions: [], deliveries, sequence: 12 }, holder)
    expect((await store.load('crm'))?.waiting.map(({ sequence }) => sequence)).toEqual(numbers)
  })

  it('an erasure takes what is on its way about that person, and nothing of others', async () => {
    await using database = await trailDatabase()
    const store = open(database)
    const holder = randomUUID()
    await store.lease(holder, 60_000)
    const deliveries = [delivery(1, 'ann'), delivery(2, 'ben')]
    await store.advance({ endpoint: 'crm', positions: [], deliveries, sequence: 2 }, holder)
    await database.sql`SELECT vigie.erase_from_trail('ann')`
    expect((await store.load('crm'))?.waiting.map(({ userId }) => userId)).toEqual(['ben'])
  })

  it('the role that writes the trail may send webhooks', async () => {
    await using database = await trailDatabase()
    const role = `writer_${randomBytes(6).toString('hex')}`
    const password = randomBytes(12).toString('hex')
    await database.sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`)
    try {
      for (let times = 0; times < 2; times++)
        await migrate(database.sql, { createTables: true, trail: { writer: role } })
      const url = new URL(database.url)
      url.username = role
      url.password = password
      const line = connect(url.href, { timeoutMs: 5_000, log: silentLog })
      const store = postgresWebhookStore(line)
      const holder = randomUUID()
      await store.check()
      expect(await store.lease(holder, 60_000)).toBe(true)
      const advance = { endpoint: 'crm', positions: [place], deliveries: [delivery(1)], sequence: 1 }
      expect(await store.advance(advance, holder)).toBe(true)
      await store.failed({ ...delivery(1), attempts: 1 }, { failure: '500', isDead: true })
      await store.resend('msg_1')
      expect(await store.takeResent(['crm'])).toHaveLength(1)
      await store.delivered(delivery(1))
      expect(await store.read(place, { limit: 1, settledMs: 0 })).toEqual([])
      expect(await store.tidy(1)).toEqual({ deadLetters: 0 })
      await store.release(holder)
      await store.close()
    } finally {
      await database.sql.unsafe(`DROP OWNED BY ${role}`)
      await database.sql.unsafe(`DROP ROLE ${role}`)
    }
  })

  it('an ended boot is forgotten once it is not looked for any more', async () => {
    await using database = await trailDatabase()
    const store = open(database)
    const holder = randomUUID()
    await store.lease(holder, 60_000)
    const ended = (n: number, day: string) => ({ boot: testBoot(n).id, day, position: 9, isEnded: true })
    const positions = [
      ended(1, '2026-11-26'),
      ended(2, '2026-11-28'),
      { ...ended(3, '2026-11-20'), isEnded: false },
    ]
    await store.advance(
      {
        endpoint: 'crm',
        positions: [...positions, { ...place, boot: testBoot(4).id }],
        deliveries: [],
        sequence: 0,
      },
      holder,
    )
    await store.tidy(1)
    const left = (await store.load('crm'))!.positions.map(({ boot }) => Number(boot.slice(-1)))
    expect(left.sort()).toEqual([2, 3, 4])
  })
})
