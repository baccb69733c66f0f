import { PresenceError } from '@vigie/protocol'
import { migrate, openTrail, postgresTrail, type OpenTrailOptions } from '@vigie/server/postgres'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { silentLog } from '../../src/core/index.js'
import { dayOf } from '../../src/trail/days.js'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'
import { startWire, type WireOptions } from '../support/wire.js'

const ROWS = {
  groups: [['crew', ['ann', 'ben']]],
  conversations: [['plan', ['ann', 'ben']]],
} as const satisfies WireOptions['rows']
const DAY_MS = 86_400_000

/** A time before which, and after which, is another one: what happens in one millisecond cannot be told apart. */
async function aMoment(): Promise<number> {
  const time = Date.now() + 2
  await vi.waitUntil(() => Date.now() > time + 2, { interval: 1 })
  return time
}

describe('questions to an audit trail', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await freshDatabase()
    await migrate(database.url, { createTables: true })
  })
  afterAll(() => database[Symbol.asyncDispose]())

  it('are answered of what a real server has recorded, through its restart', async () => {
    const begin = Date.now()
    const times: number[] = []
    const server = () =>
      startWire({
        rows: ROWS,
        presence: { trail: postgresTrail({ sql: database.url, node: 'north', log: silentLog }) },
      })
    {
      await using wire = await server()
      await wire.connect('ann', { auth: { deviceId: 'phone' } })
      const ben = await wire.connect('ben')
      times.push(await aMoment())
      ben.socket.emit('presence:leave')
      await ben.until(({ ends }) => ends.length > 0)
      times.push(await aMoment())
    }
    const stopped = Date.now()
    {
      await using wire = await server()
      await wire.connect('ben')
      times.push(await aMoment())
    }
    const trail = openTrail({ sql: database.url, log: silentLog })
    try {
      const whoAt = async (at = 0) => {
        const { users, holes } = await trail.online({ conversation: 'plan', at })
        expect(holes).toEqual([])
        return users.map(({ userId }) => userId)
      }
      expect(await whoAt(times[0])).toEqual(['ann', 'ben'])
      expect(await whoAt(times[1])).toEqual(['ann'])
      expect(await whoAt(times[2])).toEqual(['ben'])
      const { intervals } = await trail.user({ userId: 'ann', from: begin - 1, to: stopped + 1 })
      expect(intervals).toMatchObject([{ began: 'connected', ended: 'stop' }])
      const ben = await trail.why({ userId: 'ben', at: times[2] ?? 0 })
      expect(ben).toMatchObject({ online: true, count: 1, because: { reason: 'connected' } })
      const reasonsOf = (wanted: string) =>
        ben.facts.filter(({ kind }) => kind === wanted).map(({ reason }) => reason)
      expect(reasonsOf('session')).toEqual(['connected', 'left', 'connected'])
      expect(reasonsOf('rooms')).toEqual(['seen', 'seen'])
      if (dayOf(begin) === dayOf(Date.now())) {
        expect(await trail.peak({ day: dayOf(begin) })).toMatchObject({
          users: { count: 2 },
          devices: { count: 2 },
        })
      }
    } finally {
      await trail.close()
    }
  })

  it('are refused in a sentence when they are none', async () => {
    const trail = openTrail({ sql: database.url, log: silentLog })
    const now = Date.now()
    const neither = { at: now } as { conversation: string; at: number }
    try {
      await expect(trail.online(neither)).rejects.toThrow('Either `conversation` or `group` must be given.')
      await expect(trail.online({ conversation: '', at: now })).rejects.toThrow(
        '`conversation` must have 1 to 128',
      )
      await expect(trail.online({ group: '\n', at: now })).rejects.toThrow('`group` must have 1 to 128')
      await expect(trail.online({ group: 'crew', at: 1.5 })).rejects.toThrow(
        '`at` must be a time in whole milliseconds',
      )
      await expect(trail.online({ group: 'crew', at: now + DAY_MS })).rejects.toThrow('`at` is to come')
      await expect(trail.user({ userId: '', from: 1, to: 2 })).rejects.toThrow('`userId` must have 1 to 128')
      await expect(trail.user({ userId: 'ann', from: 2, to: 2 })).rejects.toThrow(
        '`from` must be before `to`.',
      )
      await expect(trail.user({ userId: 'ann', from: 0, to: 31 * DAY_MS + 1 })).rejects.toThrow(
        '31 days at most',
      )
      await expect(trail.user({ userId: 'ann', from: 0, to: NaN })).rejects.toThrow('`to` must be a time')
      await expect(trail.why({ userId: 'ann', at: -1 })).rejects.toThrow('`at` must be a time')
      for (const day of ['2026-02-31', '2026-2-3', 'today', '1969-12-31']) {
        await expect(trail.peak({ day })).rejects.toThrow('`day` must be a day as YYYY-MM-DD.')
      }
      await expect(trail.peak({ day: dayOf(now + 2 * DAY_MS) })).rejects.toThrow('`day` is to come')
    } finally {
      await trail.close()
    }
  })

  it.each([
    [undefined, 'openTrail needs options'],
    [{ sql: '' }, 'openTrail({ sql })'],
    [{ sql: 'postgres://localhost/x', readTimeoutMs: 0 }, '`readTimeoutMs` must be a whole number from 1 to'],
    [
      { sql: 'postgres://localhost/x', readTimeoutMs: 1.5 },
      '`readTimeoutMs` must be a whole number from 1 to',
    ],
    [{ sql: 'postgres://localhost/x', log: 1 }, 'log'],
    [{ sql: 'postgres://localhost/x', node: 'north' }, 'node'],
  ])('options %j are refused', (options, sentence) => {
    expect(() => openTrail(options as unknown as OpenTrailOptions)).toThrow(sentence)
  })

  it('a database without a trail, and one that is away, say so', async () => {
    await using empty = await freshDatabase()
    const none = openTrail({ sql: empty.url, log: silentLog })
    const away = openTrail({ sql: 'postgres://nobody@127.0.0.1:1/none', log: silentLog })
    try {
      await expect(none.online({ group: 'crew', at: 1 })).rejects.toThrow('run `vigie migrate`')
      await expect(away.online({ group: 'crew', at: 1 })).rejects.toThrow(PresenceError)
    } finally {
      await none.close()
      await away.close()
    }
  })

  it('a question that takes longer than `readTimeoutMs` has failed', async () => {
    const holding = database.session()
    await holding.begin(async (sql) => {
      await sql`LOCK TABLE vigie.trail_erasures IN ACCESS EXCLUSIVE MODE`
      const trail = openTrail({ sql: database.url, readTimeoutMs: 200, log: silentLog })
      await expect(trail.online({ group: 'crew', at: 1 })).rejects.toMatchObject({ code: 'unavailable' })
      await trail.close()
    })
  })
})
