/** What is counted while real clients do known things. */
import { describe, expect, it } from 'vitest'
import { METRICS } from '../../src/socketio/index.js'
import { nonZero, valueOf } from '../support/metrics.js'
import { startWire, token, type Wire, type WireClient } from '../support/wire.js'

const rows = {
  groups: [['crew', ['ann', 'bob', 'cy']]],
  conversations: [
    ['plan', ['ann', 'bob']],
    ['hall', ['ann', 'bob', 'cy', 'dee', 'eve']],
  ],
} as const

describe('a scripted history over real sockets', () => {
  it('has the numbers that it should have, from the first connection to the last', async () => {
    await using wire = await startWire({
      rows,
      presence: { namesMax: 4, graceMs: 60_000, reattachGraceMs: 60_000 },
    })
    const { presence } = wire
    expect(nonZero(presence, 'presence_transitions_total')).toEqual({})

    await wire.connect('ann')
    const bob = await wire.connect('bob', {
      transports: ['polling'],
      auth: { deviceId: 'phone', clientId: 'tab' },
    })
    expect(nonZero(presence, 'presence_connections')).toEqual({ websocket: 1, polling: 1 })
    expect(nonZero(presence, 'presence_sessions')).toEqual({ live: 2 })
    expect(valueOf(presence, 'presence_users_online')).toBe(2)
    expect(nonZero(presence, 'presence_rooms')).toEqual({
      'group names': 1,
      'conversation names': 1,
      'conversation count': 1,
    })
    expect(nonZero(presence, 'presence_held_rows')).toEqual({ users: 2, rooms: 3 })
    expect(nonZero(presence, 'presence_resync_total')).toEqual({ new: 2 })
    expect(nonZero(presence, 'presence_transitions_total')).toEqual({ 'presence connected': 2 })

    await bob.ask('typing:start', { convId: 'plan' })
    await bob.ask('typing:start', { convId: 'plan' })
    await bob.ask('typing:start', { convId: 'elsewhere' })
    expect(valueOf(presence, 'presence_typing_active')).toBe(1)
    expect(nonZero(presence, 'presence_messages_total')).toEqual({
      'typing:start ok': 2,
      'typing:start refused': 1,
    })
    expect(valueOf(presence, 'presence_suppressed_total', { why: 'repeated' })).toBe(1)
    await bob.drop()
    expect(nonZero(presence, 'presence_sessions')).toEqual({ live: 1, lost: 1 })
    expect(nonZero(presence, 'presence_disconnects_total')).toEqual({ transport_close: 1 })
    const back = await wire.connect('bob', { auth: { deviceId: 'phone', clientId: 'tab' } })
    expect(nonZero(presence, 'presence_reattach_total')).toEqual({ returned: 1 })
    expect(valueOf(presence, 'presence_suppressed_total', { why: 'grace' })).toBe(1)

    presence.kick('bob')
    await back.until((client) => client.ends.length > 0)
    expect(nonZero(presence, 'presence_transitions_total')).toEqual({
      'presence connected': 2,
      'presence kicked': 1,
      'typing start': 1,
      'typing stop': 1,
    })
    expect(nonZero(presence, 'presence_auth_closed_total')).toEqual({ kicked: 1 })

    const refused = wire.client('x', { auth: { token: token('x', {}, 'another secret') } })
    await refused.until((client) => client.refusals.length > 0)
    expect(nonZero(presence, 'presence_auth_closed_total')).toEqual({ kicked: 1, token_invalid: 1 })
    expect(valueOf(presence, 'presence_users_online')).toBe(1)
  })

  it('counts each event that clients hear, and exactly the bytes that they are', async () => {
    await using wire = await startWire({ rows })
    const bytes = { heard: 0 }
    const clients = ['ann', 'bob'].map((userId) => {
      const client = wire.client(userId)
      client.socket.io.engine.on('packet', ({ type, data }) => {
        if (type === 'message' && String(data).startsWith('2['))
          bytes.heard += sizeOfFrame(`4${String(data)}`)
      })
      return client
    })
    const [ann, bob] = clients as [WireClient, WireClient]
    await ann.until('bob 1')
    await bob.until('ann 1')
    await bob.ask('typing:start', { convId: 'plan' })
    await ann.until('bob types in plan')
    await bob.ask('typing:stop', { convId: 'plan' })
    await ann.until('bob stops in plan')

    const frames = nonZero(wire.presence, 'presence_frames_total')
    const heard = new Map<string, number>()
    for (const { told } of clients) for (const [name] of told) heard.set(name, (heard.get(name) ?? 0) + 1)
    expect(frames).toEqual(Object.fromEntries(heard))
    const written = Object.values(nonZero(wire.presence, 'presence_bytes_out_total'))
    expect(written.reduce((sum, each) => sum + each, 0)).toBe(bytes.heard)
  })

  it('counts as false each user whose grace was over and who then came back', async () => {
    await using wire = await startWire({ rows, presence: { graceMs: 20, reattachGraceMs: 20 } })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await bob.drop()
    await ann.until('bob 0')
    expect(valueOf(wire.presence, 'presence_false_offline_total')).toBe(0)
    await wire.connect('bob')
    expect(valueOf(wire.presence, 'presence_false_offline_total')).toBe(1)
    expect(nonZero(wire.presence, 'presence_reattach_total')).toEqual({ expired: 1 })
  })

  it('counts messages over the limit, and a picture that was continued and one that could not be', async () => {
    await using wire = await startWire({ rows, presence: { eventsPerSecond: 1, eventsBurst: 2 } })
    const ann = await connectSecond(wire)
    const state = ann.told.find(([name]) => name === 'presence:state')?.[1] as { at: [string, number] }
    // Two are handled, two are refused with an answer.
    for (let n = 0; n < 4; n++) await ann.ask('typing:start', { convId: 'plan' })
    expect(valueOf(wire.presence, 'presence_suppressed_total', { why: 'over_limit' })).toBe(2)
    await connectSecond(wire, { since: state.at, sinceUser: 'ann' })
    await connectSecond(wire, { since: ['another run', 1], sinceUser: 'ann' })
    expect(nonZero(wire.presence, 'presence_resync_total')).toEqual({ new: 1, continued: 1, outdated: 1 })
  })

  it('measures how long it took at each level', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await ann.until('bob 1')
    await bob.ask('typing:start', { convId: 'plan' })
    await ann.until('bob types in plan')
    await ann.fence()
    for (const level of ['group', 'conversation', 'typing', 'first_picture'])
      expect([level, valueOf(wire.presence, 'presence_publish_seconds', { level }) > 0]).toEqual([
        level,
        true,
      ])
  })

  it('has every metric of the table, those of the change feed without a value where there is none', async () => {
    await using wire = await startWire({ rows })
    const families = wire.presence.metrics()
    expect(families.map(({ name }) => name)).toEqual(METRICS.map(({ name }) => name))
    const silent = families.filter(({ samples }) => samples.length === 0).map(({ name }) => name)
    expect(silent.sort()).toEqual([
      'presence_feed_age_seconds',
      'presence_feed_changes_total',
      'presence_feed_overruns_total',
      'presence_feed_polls_total',
      'presence_membership_lag_seconds',
      'presence_trail_dropped_total',
      'presence_trail_lag_seconds',
      'presence_trail_rows_total',
      'presence_trail_waiting',
      'presence_trail_write_failures_total',
      'presence_webhook_attempts_total',
      'presence_webhook_dead_letters',
      'presence_webhook_lag_seconds',
      'presence_webhook_sending',
      'presence_webhook_waiting',
    ])
    for (const { name, series } of METRICS.filter((each) => !silent.includes(each.name)))
      expect(families.find((family) => family.name === name)?.samples.map(({ labels }) => labels)).toEqual(
        series,
      )
  })

  it('measures nothing and refuses nobody in shadow mode, and still counts transitions', async () => {
    await using wire = await startWire({ rows, presence: { emit: false } })
    const ann = wire.client('ann')
    const bob = wire.client('bob')
    await wire.until(
      'both are sessions',
      () => wire.presence.get('ann').online && wire.presence.get('bob').online,
    )
    expect(nonZero(wire.presence, 'presence_transitions_total')).toEqual({ 'presence connected': 2 })
    expect(nonZero(wire.presence, 'presence_publish_seconds')).toEqual({})
    expect(nonZero(wire.presence, 'presence_frames_total')).toEqual({})
    expect(ann.refusals.length + bob.refusals.length).toBe(0)
  })
})

/** A client of protocol 2 that has had its first picture. */
async function connectSecond(wire: Wire, auth: Readonly<Record<string, unknown>> = {}): Promise<WireClient> {
  const client = wire.client('ann', { auth: { protocol: 2, ...auth } })
  await client.until(({ told }) =>
    told.some(([name]) => name === 'presence:state' || name === 'presence:diff'),
  )
  return client
}

/** RFC 6455: a frame of the server has 2 bytes before its text, or 4. */
function sizeOfFrame(text: string): number {
  const length = Buffer.byteLength(text)
  return length + (length < 126 ? 2 : 4)
}
