import { describe, expect, it } from 'vitest'
import { startWire, type Wire, type WireClient, type WireOptions } from '../support/wire.js'

const rows = {
  conversations: [
    ['c', ['ann', 'bob']],
    ['d', ['ann', 'bob']],
  ],
} as const

interface Scene extends AsyncDisposable {
  readonly wire: Wire
  readonly ann: WireClient
  readonly bob: WireClient
}

/** Bob types in `c`, and Ann has heard it. */
async function typingScene(options: WireOptions = {}): Promise<Scene> {
  const wire = await startWire({ rows, ...options })
  const ann = await wire.connect('ann')
  const bob = await wire.connect('bob', { auth: { deviceId: 'phone' } })
  await bob.ask('typing:start', { convId: 'c' })
  await ann.until('bob types in c')
  ann.hear()
  return { wire, ann, bob, [Symbol.asyncDispose]: () => wire.close() }
}

const typing = (client: WireClient) => client.hear().filter((line) => /types|stops/.test(line))

describe('typing ends for the others', () => {
  it.each<[string, (scene: Scene) => unknown]>([
    ['when it is stopped', ({ bob }) => bob.ask('typing:stop', { convId: 'c' })],
    ['when the host stops it there', ({ wire }) => wire.presence.stopTyping('bob', 'c')],
    ['when the host stops it everywhere', ({ wire }) => wire.presence.stopTyping('bob')],
    ['with presence:leave', ({ bob }) => bob.ask('presence:leave')],
    ['with a disconnect', ({ bob }) => bob.socket.disconnect()],
    ['with a kick', ({ wire }) => wire.presence.kick('bob')],
    ['at once when the connection is lost', ({ bob }) => bob.drop()],
    [
      'when the client is about to be frozen',
      ({ bob }) => bob.ask('presence:background', { graceMs: 60_000 }),
    ],
    ['when it goes on in another conversation', ({ bob }) => bob.ask('typing:start', { convId: 'd' })],
    ['when the row is gone', ({ wire }) => wire.rows.removeFromConversation('c', 'bob')],
    ['when the conversation is gone', ({ wire }) => wire.rows.deleteConversation('c')],
  ])('%s', async (_name, end) => {
    await using scene = await typingScene({ presence: { graceMs: 60_000, reattachGraceMs: 60_000 } })
    await end(scene)
    await scene.ann.until('bob stops in c')
    await scene.ann.fence()
    expect(typing(scene.ann).filter((line) => line.endsWith(' in c'))).toEqual(['bob stops in c'])
  })

  it('by itself, when it is not repeated', async () => {
    await using scene = await typingScene({ presence: { typingRepeatMs: 40, typingLeaseMs: 120 } })
    await scene.ann.until('bob stops in c')
    expect(scene.bob.socket.connected).toBe(true)
  })

  it('with the last of the devices that type', async () => {
    await using scene = await typingScene()
    const laptop = await scene.wire.connect('bob', { auth: { deviceId: 'laptop' } })
    await laptop.ask('typing:start', { convId: 'c' })
    await scene.bob.ask('typing:stop', { convId: 'c' })
    await scene.ann.fence()
    expect(typing(scene.ann)).toEqual([])
    await laptop.ask('typing:stop', { convId: 'c' })
    await scene.ann.until('bob stops in c')
  })
})

describe('typing', () => {
  it('has exactly the fields of the protocol', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    await bob.ask('typing:start', { convId: 'c' })
    await bob.ask('typing:stop', { convId: 'c' })
    await ann.until('bob stops in c')
    expect(ann.told.filter(([name]) => name.startsWith('typing'))).toEqual([
      ['typing:start', { convId: 'c', userId: 'bob' }],
      ['typing:stop', { convId: 'c', userId: 'bob' }],
    ])
  })

  it('by keyboard repeat, 200 starts in a row, is one frame for each recipient, and the typist stays', async () => {
    await using wire = await startWire({ rows, presence: { eventsPerSecond: 10, eventsBurst: 30 } })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    for (let i = 0; i < 200; i++) bob.socket.emit('typing:start', { convId: 'c' })
    await ann.until('bob types in c')
    // Another name has its own limit; its answer says that the 200 have been read.
    await bob.ask('presence:background', { graceMs: 0 })
    await ann.until('bob stops in c')
    expect(typing(ann)).toEqual(['bob types in c', 'bob stops in c'])
    expect(bob.socket.connected).toBe(true)
  })

  it('over the limit is answered rate_limited as often as the burst, then not at all', async () => {
    await using wire = await startWire({ rows, presence: { eventsPerSecond: 1, eventsBurst: 5 } })
    const bob = await wire.connect('bob')
    const answers: unknown[] = []
    const startedAt = performance.now()
    for (let i = 0; i < 50; i++) {
      bob.socket.emit('typing:start', { convId: 'c' }, (answer: unknown) => answers.push(answer))
    }
    await bob.ask('typing:stop', { convId: 'c' })
    // As many as the burst, and one of each kind for each second that has passed meanwhile.
    const more = Math.ceil((performance.now() - startedAt) / 1_000)
    const taken = answers.filter((answer) => JSON.stringify(answer) === '{"ok":true}')
    const refused = { ok: false, error: { code: 'rate_limited', message: expect.any(String) as string } }
    const others = answers.filter((answer) => !taken.includes(answer))
    expect(others).toEqual(others.map(() => refused))
    for (const { length } of [taken, others]) {
      expect(length).toBeGreaterThanOrEqual(5)
      expect(length).toBeLessThanOrEqual(5 + more)
    }
    expect(bob.socket.connected).toBe(true)
  })

  it('where one is not a member is answered as where there is nothing, and nobody is told', async () => {
    await using wire = await startWire({ rows: { conversations: [['private', ['ann']]] } })
    const ann = await wire.connect('ann')
    const eve = await wire.connect('eve')
    for (const name of ['typing:start', 'typing:stop']) {
      const existing = await eve.ask(name, { convId: 'private' })
      expect(existing).toMatchObject({ ok: false, error: { code: 'not_member' } })
      expect(await eve.ask(name, { convId: 'nowhere' })).toEqual(existing)
      expect(await eve.ask(name, { convId: '__proto__' })).toEqual(existing)
    }
    await ann.fence()
    expect(typing(ann)).toEqual([])
  })

  it('without an acknowledgement is as good', async () => {
    await using wire = await startWire({ rows })
    const ann = await wire.connect('ann')
    const bob = await wire.connect('bob')
    bob.socket.emit('typing:start', { convId: 'c' })
    await ann.until('bob types in c')
    bob.socket.emit('typing:stop', { convId: 'c' })
    await ann.until('bob stops in c')
  })

  it('that is stopped where one does not type is answered ok, and changes nothing', async () => {
    await using scene = await typingScene()
    expect(await scene.bob.ask('typing:stop', { convId: 'd' })).toEqual({ ok: true })
    await scene.ann.fence()
    expect(typing(scene.ann)).toEqual([])
  })

  it.each<[string, readonly unknown[]]>([
    ['no payload', []],
    ['null', [null]],
    ['a string', ['c']],
    ['an array', [['c']]],
    ['no field', [{}]],
    ['another type', [{ convId: 7 }]],
    ['an object for an id', [{ convId: { toString: 'c' } }]],
    ['an empty id', [{ convId: '' }]],
    ['an id that is too long', [{ convId: 'x'.repeat(129) }]],
    ['a control character', [{ convId: 'a\u0000b' }]],
    ['an unknown field', [{ convId: 'c', conversationId: 'c' }]],
    ['binary', [{ convId: Buffer.from('c') }]],
    ['two payloads', [{ convId: 'c' }, { convId: 'c' }]],
    ['a huge string', [{ convId: 'x'.repeat(500_000) }]],
  ])('with %s is refused as invalid_payload', async (_name, args) => {
    await using scene = await typingScene()
    const answer = await scene.bob.ask('typing:start', ...args)
    expect(answer).toMatchObject({ ok: false, error: { code: 'invalid_payload' } })
    expect(JSON.stringify(answer).length).toBeLessThan(250)
    await scene.ann.fence()
    expect(typing(scene.ann)).toEqual([])
    expect(scene.bob.socket.connected).toBe(true)
  })
})
