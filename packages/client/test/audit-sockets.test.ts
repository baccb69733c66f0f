/** `presence.auditClients()` over real sockets: the client as its users have it, a foreign one, and hostile ones. */
import { describe, expect, test } from 'vitest'
import { DIGEST_ROOMS_MAX, type DigestAnswer } from '@vigie/protocol'
import type { ClientAudit } from '../../server/src/socketio/index.js'
import { startWire, token, type Wire, type WireClient } from '../../server/test/support/wire.js'
import { createAuditedClient } from '../src/audit.js'
import type { PresenceClientOptions } from '../src/index.js'
import { isLive, openSdk, type Sdk } from './support/sdk.js'

const rows = {
  groups: [
    ['crew', ['ann', 'bob', 'cid']],
    ['everyone', ['ann', 'bob', 'cid', 'dan', 'eve']],
  ],
  conversations: [['plan', ['ann', 'bob']]],
} as const
const NOTHING: ClientAudit = {
  answering: 0,
  asked: 0,
  equal: 0,
  different: [],
  unanswered: 0,
  malformed: 0,
  skipped: 0,
}

async function auditedSdk(wire: Wire, userId: string, options: Partial<PresenceClientOptions> = {}) {
  const sdk = openSdk(wire.url, { token: token(userId), ...options }, createAuditedClient)
  await sdk.until('live', isLive)
  return sdk
}

/** A client that folds frames in only while it listens; the question comes through. */
function listensTo({ client: { socket } }: Sdk, mayHear: () => boolean): void {
  for (const listener of socket.listeners('presence:diff')) {
    socket.off('presence:diff', listener)
    socket.on('presence:diff', (payload: unknown) => {
      if (mayHear()) (listener as (payload: unknown) => void)(payload)
    })
  }
}

/** A client of protocol 2 that is not ours, and answers what it likes. */
async function foreign(wire: Wire, userId: string, answer?: unknown): Promise<WireClient> {
  const client = wire.client(userId, { auth: { protocol: 2, audit: true } })
  client.socket.on('presence:digest', (_question: unknown, acknowledge: (...answer: unknown[]) => void) => {
    if (answer !== undefined) acknowledge(answer)
  })
  await client.until(({ told }) => told.some(([name]) => name === 'presence:state'))
  return client
}

function resultsOf(wire: Wire): Record<string, number> {
  const family = wire.presence.metrics().find(({ name }) => name === 'presence_client_audits_total')
  return Object.fromEntries(
    (family?.samples ?? []).map((sample) => [sample.labels.result, 'value' in sample ? sample.value : NaN]),
  )
}

describe('an audit of clients', () => {
  test('finds that those show what they were told who do, whatever they watch and are told', async () => {
    await using wire = await startWire({ rows, presence: { namesMax: 4 } })
    using ann = await auditedSdk(wire, 'ann', { deviceId: 'phone', label: 'Ann’s\nphone' })
    using bob = await auditedSdk(wire, 'bob', { socketOptions: { transports: ['polling'] } })
    expect(await wire.presence.auditClients()).toEqual({ ...NOTHING, answering: 2, asked: 2, equal: 2 })
    ann.client.watch(['dan', 'a stranger'])
    await ann.until('dan is known', (view) => view.presence('dan').status === 'known')
    bob.client.startTyping('plan')
    await ann.until('bob types', (view) => view.typing('plan').includes('bob'))
    ann.cut()
    await ann.until('back', (view) => isLive(view) && ann.client.diagnostics().reconnections === 1)
    wire.rows.removeFromGroup('crew', 'bob')
    await ann.until('bob is out of the crew', (view) => view.groupOccupancy('crew')?.members === 2)
    expect(await wire.presence.auditClients()).toEqual({ ...NOTHING, answering: 2, asked: 2, equal: 2 })
    expect(resultsOf(wire)).toEqual({ equal: 4, different: 0, unanswered: 0, malformed: 0, skipped: 0 })
    expect(wire.log.filter(({ level }) => level === 'warn')).toEqual([])
  })

  test('asks nobody who did not say that they answer, and nobody who speaks protocol 1', async () => {
    await using wire = await startWire({ rows })
    using plain = openSdk(wire.url, { token: token('ann') })
    await plain.until('live', isLive)
    const stock = await wire.connect('bob', { auth: { audit: true } })
    const stranger = wire.client('cid', { auth: { protocol: 2, audit: false } })
    await stranger.until(({ told }) => told.length > 0)
    expect(await wire.presence.auditClients()).toEqual(NOTHING)
    await stock.fence()
    for (const { told } of [stock, stranger])
      expect(told.map(([name]) => name)).not.toContain('presence:digest')
    expect(plain.frames.map(([name]) => name)).not.toContain('presence:digest')
  })

  test('finds a client that has missed a frame, names where it is wrong, and says so once in the log', async () => {
    await using wire = await startWire({ rows, presence: { namesMax: 4 } })
    using ann = await auditedSdk(wire, 'ann')
    using bob = await auditedSdk(wire, 'bob')
    let mayHear = false
    listensTo(ann, () => mayHear)
    await wire.connect('cid')
    await bob.until('cid is online', (view) => view.groupOccupancy('everyone')?.online === 3)
    const behind = await wire.presence.auditClients()
    expect(behind).toMatchObject({ answering: 2, asked: 2, equal: 1 })
    expect(behind.different).toEqual([
      {
        sessionId: ann.client.socket.id,
        userId: 'ann',
        isBehind: true,
        rooms: [
          { kind: 'group', id: 'crew' },
          { kind: 'group', id: 'everyone' },
        ],
        moreRooms: 0,
        extraRooms: 0,
        hasOtherPeople: false,
        hasOtherDevices: false,
      },
    ])
    // With the next frame it has the right position, and still the wrong picture.
    mayHear = true
    bob.client.startTyping('plan')
    await ann.until('bob types', (view) => view.typing('plan').includes('bob'))
    const wrong = await wire.presence.auditClients()
    expect(wrong.different).toMatchObject([{ userId: 'ann', isBehind: false }])
    expect(wrong.different[0]?.rooms).toContainEqual({ kind: 'group', id: 'crew' })
    const lines = wire.log.filter(({ message }) => message.startsWith('A client shows something else'))
    expect(lines.map(({ level, fields }) => [level, fields.userId])).toEqual([
      ['warn', 'ann'],
      ['warn', 'ann'],
    ])
    expect(resultsOf(wire)).toMatchObject({ equal: 2, different: 2 })
    // A new connection puts it right: told everything, because its position is that of a later picture.
    ann.client.close()
    using again = await auditedSdk(wire, 'ann')
    await again.until('cid is online', (view) => view.isUserOnlineInGroup('crew', 'cid'))
    expect(await wire.presence.auditClients()).toMatchObject({ equal: 2, different: [] })
  })

  test('finds a client that keeps a conversation that its user has left', async () => {
    await using wire = await startWire({ rows })
    using ann = await auditedSdk(wire, 'ann')
    using bob = await auditedSdk(wire, 'bob')
    let heard = 0
    listensTo(ann, () => ++heard > 1)
    wire.rows.removeFromConversation('plan', 'ann')
    await bob.until('ann has left', (view) => view.conversationOccupancy('plan')?.members === 1)
    await wire.until('ann was told', () => heard > 0 || ann.frames.length > 1)
    expect((await wire.presence.auditClients()).different).toMatchObject([
      { userId: 'ann', rooms: [], extraRooms: 1, hasOtherPeople: false },
    ])
  })

  test.each([
    ['nothing', null],
    ['a text', 'x'],
    ['half of it', { at: null, rooms: [] }],
    ['a fraction', { at: null, rooms: [0.5], others: 1, devices: 1 }],
    ['a negative hash', { at: null, rooms: [-1], others: 1, devices: 1 }],
    ['a position of another kind', { at: { 0: 'x', 1: 1 }, rooms: [], others: 1, devices: 1 }],
    ['too many rooms', { at: null, rooms: Array(DIGEST_ROOMS_MAX + 1).fill(1), others: 1, devices: 1 }],
    ['very much', { at: null, rooms: Array(100_000).fill({ a: 1 }), others: 1, devices: 1 }],
    ['bytes', { at: null, rooms: Buffer.alloc(100_000), others: 1, devices: 1 }],
    ['__proto__', JSON.parse('{"__proto__":{"at":null,"rooms":[],"others":1,"devices":1}}')],
  ])('counts an answer that is %s, and does nothing else about it', async (_what, answer) => {
    await using wire = await startWire({ rows })
    const client = await foreign(wire, 'ann', answer)
    expect(await wire.presence.auditClients()).toEqual({ ...NOTHING, answering: 1, asked: 1, malformed: 1 })
    expect(resultsOf(wire)).toMatchObject({ malformed: 1, different: 0 })
    expect(client.socket.connected).toBe(true)
    expect(wire.log.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  })

  test('takes a well-formed lie for what it says, and answers of earlier questions for none', async () => {
    await using wire = await startWire({ rows })
    using ann = await auditedSdk(wire, 'ann')
    const answers: DigestAnswer[] = []
    const bob = wire.client('bob', { auth: { protocol: 2, audit: true } })
    await bob.until(({ told }) => told.length > 0)
    // Of the same question, asked a second time, there is another answer: bob gives the first each time.
    bob.socket.on('presence:digest', (_question: unknown, acknowledge: (answer: unknown) => void) => {
      answers.push({ at: null, rooms: [1, 2, 3], others: 4, devices: 5 })
      acknowledge(answers[0])
    })
    const audit = await wire.presence.auditClients()
    expect(answers).toHaveLength(2)
    expect(audit).toMatchObject({ asked: 2, equal: 1 })
    expect(audit.different).toMatchObject([
      {
        userId: 'bob',
        isBehind: true,
        rooms: [
          { kind: 'group', id: 'crew' },
          { kind: 'group', id: 'everyone' },
          { kind: 'conversation', id: 'plan' },
        ],
        extraRooms: 0,
        hasOtherPeople: true,
        hasOtherDevices: true,
      },
    ])
    expect(isLive(ann.client)).toBe(true)
  })

  test('does not wait longer than its limit for a client that never answers, nor for one that has gone', async () => {
    await using wire = await startWire({ rows })
    await foreign(wire, 'ann')
    const leaver = await foreign(wire, 'bob')
    leaver.socket.on('presence:digest', () => leaver.socket.disconnect())
    expect(await wire.presence.auditClients()).toEqual({
      ...NOTHING,
      answering: 2,
      asked: 1,
      unanswered: 1,
      skipped: 1,
    })
  })

  test('asks nobody in shadow mode, and none once presence is closed', async () => {
    await using wire = await startWire({ rows, presence: { emit: false } })
    const client = wire.client('ann', { auth: { protocol: 2, audit: true } })
    await wire.until('ann is online', () => wire.presence.get('ann').online)
    expect(await wire.presence.auditClients()).toEqual(NOTHING)
    expect(client.told).toEqual([])
    await using other = await startWire({ rows })
    await foreign(other, 'ann')
    const running = other.presence.auditClients()
    await other.presence.close()
    expect(await running).toMatchObject({ asked: 0, skipped: 1 })
  })
})
