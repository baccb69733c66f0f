import { migrate, postgresTrail } from '@vigie/server/postgres'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { SETTINGS, silentLog } from '../../src/core/index.js'
import { rowOf } from '../../src/trail/rows.js'
import { dayOf } from '../../src/trail/days.js'
import { freshDatabase, type TestDatabase } from '../../../../test/database.js'
import { startWire, type WireOptions } from '../support/wire.js'

const ROWS = {
  groups: [['crew', ['ann', 'ben']]],
  conversations: [['plan', ['ann', 'ben']]],
} as const satisfies WireOptions['rows']

type Read = Readonly<Record<string, string | null>>

/** What the trail says of one node, a short line for each row. */
async function linesOf(sql: postgres.Sql, node: string): Promise<string[]> {
  const rows = (await sql`
    SELECT * FROM vigie.trail WHERE boot IN
      (SELECT boot FROM vigie.trail WHERE kind = 'start' AND detail::json ->> 'node' = ${node})
    ORDER BY at, boot, position`) as unknown as Read[]
  return rows
    .filter(({ kind }) => kind !== 'alive')
    .map(({ kind, user_id: user, state, reason, groups, conversations }) =>
      [kind, user, state, reason, groups, conversations].filter((part) => part !== null).join(' '),
    )
}

describe('an audit trail in PostgreSQL', () => {
  let database: TestDatabase
  let sql: postgres.Sql
  let url: string
  beforeAll(async () => {
    database = await freshDatabase()
    ;({ sql, url } = database)
    await migrate(url, { createTables: true })
  })
  afterAll(() => database[Symbol.asyncDispose]())

  const open = (node: string) => postgresTrail({ sql: url, node, log: silentLog })

  it('has who came, was lost, returned, left and was kicked, why, and in which rooms they were', async () => {
    {
      await using wire = await startWire({
        rows: ROWS,
        presence: { trail: open('story'), graceMs: 60_000, reattachGraceMs: 60_000 },
      })
      const ann = await wire.connect('ann', { auth: { deviceId: 'phone', clientId: 'a' } })
      await ann.drop()
      ann.socket.connect()
      await ann.until(({ connections }) => connections === 2)
      const ben = await wire.connect('ben')
      await ben.ask('typing:start', { convId: 'plan' })
      ben.socket.emit('presence:leave')
      await ben.until(({ ends }) => ends.length > 0)
      wire.presence.note({ reason: 'muted', userId: 'ann', detail: { by: 'moderator 7' } })
      wire.presence.kick('ann')
      await ann.until(({ ends }) => ends.length > 1)
      const stranger = wire.client('eve', { auth: { token: 'none' } })
      await stranger.until(({ refusals }) => refusals.length > 0)
    }
    const lines = await linesOf(sql, 'story')
    const order = [
      'start',
      'session ann live connected',
      'session ann lost lost',
      'session ann live returned',
      'session ann ended returned',
      'session ben live connected',
      'session ben ended left',
      'act ann muted',
      'session ann ended kicked',
      'refused token_invalid',
      'stop',
    ]
    expect(lines.filter((line) => !line.startsWith('rooms'))).toEqual(order)
    expect(lines).toContain('rooms ann seen {crew} {plan}')
  })

  it('has changes of memberships, and typing if it is asked for', async () => {
    {
      await using wire = await startWire({ rows: ROWS, presence: { trail: open('rows'), trailTyping: true } })
      const ann = await wire.connect('ann')
      const ben = await wire.connect('ben')
      await ann.ask('typing:start', { convId: 'plan' })
      await ben.until(({ told }) => told.some(([name]) => name === 'typing:start'))
      wire.rows.removeFromConversation('plan', 'ann')
      await ben.until(({ told }) => told.some(([name]) => name === 'typing:stop'))
    }
    const lines = await linesOf(sql, 'rows')
    expect(lines).toContain('typing ann live {plan}')
    expect(lines).toContain('typing ann ended {plan}')
    expect(lines).toContain('rooms ann changed {crew} {}')
  })

  it('says at each start which options are in force, and what the host wants to have said', async () => {
    const wire = await startWire({
      rows: ROWS,
      presence: { trail: open('force'), graceMs: 123, trailConfiguration: { version: '7' } },
    })
    await wire[Symbol.asyncDispose]()
    const [row] = await sql<[{ detail: string }]>`
      SELECT detail FROM vigie.trail WHERE kind = 'start' AND detail::json ->> 'node' = 'force'`
    expect(JSON.parse(row.detail)).toMatchObject({
      node: 'force',
      settings: { graceMs: 123, transitionsMax: SETTINGS.transitionsMax.default },
      rooms: { user: 'user:', group: 'group:', conversation: 'conv:' },
      emit: true,
      trailTyping: false,
      host: { version: '7' },
    })
  })

  it('adds rows once, all or none, and says so when another has written in their place', async () => {
    const store = open('store')
    const at = Date.now()
    const boot = '00000000-0000-4000-8000-000000000001'
    const first = rowOf(
      { fact: { kind: 'start', detail: { node: 'store' } }, position: 1, at },
      boot,
      undefined,
    )
    const second = rowOf({ fact: { kind: 'alive' }, position: 2, at }, boot, first.hash)
    const other = rowOf({ fact: { kind: 'death' }, position: 2, at }, boot, first.hash)
    const third = rowOf({ fact: { kind: 'alive' }, position: 3, at }, boot, second.hash)
    try {
      await store.makeDays([dayOf(at)])
      expect(await store.write([first])).toBe(1)
      expect(await store.write([first, second])).toBe(1)
      expect(await store.write([first, second])).toBe(0)
      expect(await store.write([other])).toBe('taken')
      expect(await store.write([other, third])).toBe('taken')
      const rows = await sql`SELECT position::int FROM vigie.trail WHERE boot = ${boot} ORDER BY position`
      expect(rows.map(({ position }) => position as number)).toEqual([1, 2])
      expect(await store.lastBoot()).toMatchObject({ boot, position: 2, hash: second.hash, at })
      expect((await store.unfinished()).map(({ position }) => position)).toEqual([2])
    } finally {
      await store.close()
    }
  })

  it('finds the last row of a boot by its number', async () => {
    const store = open('numbers')
    const at = Date.now()
    const boot = '00000000-0000-4000-8000-000000000002'
    const rows = [
      rowOf({ fact: { kind: 'start', detail: { node: 'numbers' } }, position: 1, at }, boot, undefined),
    ]
    for (let position = 2; position <= 1_100; position++)
      rows.push(rowOf({ fact: { kind: 'alive' }, position, at }, boot, rows.at(-1)?.hash))
    try {
      await store.makeDays([dayOf(at)])
      expect(await store.write(rows)).toBe(1_100)
      const last = { boot, position: 1_100, hash: rows.at(-1)?.hash }
      expect(await store.lastBoot()).toMatchObject(last)
      expect(await store.unfinished()).toMatchObject([last])
    } finally {
      await store.close()
    }
  })

  it('refuses changes, deletions and truncation, also to the owner of the table', async () => {
    for (const change of [
      `UPDATE vigie.trail SET user_id = 'zoe'`,
      'DELETE FROM vigie.trail',
      'TRUNCATE vigie.trail',
      `TRUNCATE vigie.trail_${dayOf(Date.now()).replaceAll('-', '')}`,
    ]) {
      await expect(sql.unsafe(change), change).rejects.toThrow(
        'rows of vigie.trail are neither updated nor deleted',
      )
    }
  })

  it('makes no partition that is far from today', async () => {
    const store = open('far')
    try {
      await expect(store.makeDays(['2001-01-01'])).rejects.toThrow('within eight days')
    } finally {
      await store.close()
    }
  })

  it('is refused with a sentence where its table is missing', async () => {
    const store = postgresTrail({ sql: inject('postgresUrl'), log: silentLog })
    await expect(store.check()).rejects.toThrow('(vigie.trail): run `vigie migrate`')
    await store.close()
  })
})

describe('options of postgresTrail', () => {
  it.each([
    [undefined, 'postgresTrail needs options'],
    [{}, 'sql'],
    [{ sql: 'postgres://localhost/x', nodes: 'a' }, 'nodes'],
    [{ sql: 'postgres://localhost/x', node: '' }, 'node must be a name of 1 to 128 characters'],
    [{ sql: 'postgres://localhost/x', node: 'n'.repeat(129) }, 'node must be a name'],
    [{ sql: 'postgres://localhost/x', node: 7 }, 'node must be a name'],
    [{ sql: 'postgres://localhost/x', writeTimeoutMs: 0 }, 'writeTimeoutMs is 0'],
    [{ sql: 'postgres://localhost/x', writeTimeoutMs: 1.5 }, 'writeTimeoutMs is 1.5'],
    [{ sql: 'postgres://localhost/x', log: {} }, 'log'],
  ])('refuses %j', (options, sentence) => {
    expect(() => postgresTrail(options as never)).toThrow(sentence)
  })
})
