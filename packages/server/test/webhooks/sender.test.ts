import { describe, expect, it, onTestFinished } from 'vitest'
import type { Log } from '../../src/core/index.js'
import type { TrailRow } from '../../src/trail/facts.js'
import type { Attempt, Failure } from '../../src/webhooks/post.js'
import {
  AWAY_AFTER,
  createSender,
  LEASE_SPARE_MS,
  POLL_MS,
  READ_ROWS,
  SETTLE_MS,
  STOP_SETTLE_MS,
  TIDY_MS,
  type SenderSettings,
} from '../../src/webhooks/sender.js'
import { keyOf } from '../../src/webhooks/signing.js'
import { testBoot } from '../support/trail-rows.js'
import {
  memoryWebhookStore,
  NOON,
  testClock,
  type MemoryWebhookStore,
  type TestClock,
} from '../support/webhook-store.js'

const SETTINGS: SenderSettings = {
  timeoutMs: 10_000,
  concurrency: 4,
  retryMs: [1_000, 60_000],
  windowMax: 100,
  deadLetterDays: 30,
}

interface Told {
  readonly what: string
  readonly id: string
  readonly at: number
  /** Ends the attempt: undefined is a 2xx. */
  answer(failure?: string): void
}

interface Setup {
  readonly settings?: Partial<SenderSettings>
  readonly endpoints?: readonly string[]
  /** What each attempt gets at once; undefined: the test answers. */
  readonly receive?: (what: string, attempt: Attempt) => { readonly failure: Failure } | undefined
  readonly clock?: TestClock
  readonly store?: MemoryWebhookStore
}

function setUp({
  settings,
  endpoints = ['crm'],
  receive = () => ({ failure: undefined }),
  ...given
}: Setup = {}) {
  const clock = given.clock ?? testClock()
  const store = given.store ?? memoryWebhookStore(clock)
  const told: Told[] = []
  const lines: string[] = []
  const line = (message: string) => void lines.push(message)
  const log: Log = { debug() {}, info: line, warn: line, error: line }
  const sender = createSender({
    store,
    clock,
    log,
    settings: { ...SETTINGS, ...settings },
    endpoints: endpoints.map((name) => ({
      name,
      url: new URL(`https://${name}.example.org/`),
      keys: [keyOf(`whsec_${Buffer.alloc(32, 7).toString('base64')}`)!],
    })),
    post: (attempt) =>
      new Promise((answer) => {
        const { type, data } = JSON.parse(attempt.body) as {
          type: string
          data: { readonly userId?: string; readonly conversationId?: string }
        }
        const what = `${type} ${data.userId ?? data.conversationId}`
        told.push({ what, id: attempt.headers['webhook-id']!, at: clock.now(), answer })
        attempt.signal.addEventListener('abort', () => {
          answer('aborted')
        })
        const now = receive(what, attempt)
        if (now) answer(now.failure)
      }),
  })
  let isOpen = true
  const close = async () => {
    isOpen = false
    await Promise.all([sender.close(), clock.move(20_000)])
  }
  onTestFinished(async () => {
    if (isOpen) await close()
  })
  return {
    clock,
    store,
    sender,
    told,
    lines,
    close,
    whats: () => told.map(({ what }) => what),
    write: (...rows: readonly TrailRow[]) => store.trail.push(...rows),
  }
}

/** A boot that has begun, and an endpoint that has been sent to. */
async function begun(options: Setup = {}) {
  const test = setUp(options)
  const boot = testBoot(1)
  test.write(boot.row({ kind: 'start' }, NOON))
  await test.clock.move(POLL_MS)
  return { ...test, boot }
}

describe('what is told', () => {
  it('a new endpoint hears of what happens from now on, and knows what was so before', async () => {
    const boot = testBoot(1)
    const test = setUp()
    test.write(
      boot.row({ kind: 'start' }, NOON),
      boot.rooms('ann', ['plan'], NOON),
      boot.online('ann', 'a', NOON),
    )
    await test.clock.move(POLL_MS)
    expect(test.whats()).toEqual([])
    test.write(boot.online('ann', 'a2', NOON), boot.ended('ann', 'a', NOON), boot.ended('ann', 'a2', NOON))
    await test.clock.move(POLL_MS)
    expect(test.whats()).toEqual(['user.offline ann', 'conversation.empty plan'])
    expect(test.store.kept.size).toBe(0)
    expect(test.sender.counts()).toMatchObject({
      delivered: 2,
      failed: 0,
      dead: 0,
      waiting: 0,
      isSending: true,
    })
  })

  it('facts of several boots are put in the order of time: somebody who moves from one to another does not blink', async () => {
    const { clock, write, whats, boot } = await begun()
    write(boot.online('ann', 'a', NOON + 100))
    await clock.move(POLL_MS)
    const other = testBoot(2)
    const now = clock.wall()
    // The end is written before the beginning on the other boot, which was earlier.
    write(boot.ended('ann', 'a', now - 1), other.row({ kind: 'start' }, now - 9))
    await clock.move(POLL_MS)
    write(other.online('ann', 'b', now - 5))
    await clock.move(SETTLE_MS + POLL_MS)
    expect(whats()).toEqual(['user.online ann'])
  })

  it('a restart tells only of those who do not come back', async () => {
    const { clock, write, whats, boot } = await begun()
    write(boot.online('ann', 'a', NOON), boot.online('ben', 'b', NOON))
    await clock.move(POLL_MS)
    write(boot.row({ kind: 'stop' }, clock.wall()))
    await clock.move(5_000)
    const next = testBoot(2)
    write(next.row({ kind: 'start' }, clock.wall()), next.online('ann', 'a', clock.wall()))
    await clock.move(STOP_SETTLE_MS - 5_000 - POLL_MS)
    expect(whats()).toEqual(['user.online ann', 'user.online ben'])
    await clock.move(2 * POLL_MS)
    expect(whats().slice(2)).toEqual(['user.offline ben'])
  })

  it('more facts than are read at once come in order, too', async () => {
    const { clock, write, whats, boot } = await begun({
      settings: { windowMax: 100_000, concurrency: 100_000 },
    })
    const users = Array.from({ length: READ_ROWS * 2 + 1 }, (_, n) => `user-${n}`)
    write(...users.map((user) => boot.online(user, user, NOON)))
    await clock.move(POLL_MS)
    expect(whats()).toEqual(users.map((user) => `user.online ${user}`))
  })

  it('facts that retention has dropped meanwhile are said to be missing', async () => {
    const { clock, write, lines, boot } = await begun()
    boot.online('ann', 'a', NOON)
    write(boot.online('ben', 'b', NOON))
    await clock.move(POLL_MS)
    expect(lines.filter((line) => line.includes('retention is shorter'))).toHaveLength(1)
  })

  it('each endpoint has its own place: one that takes nothing holds up no other', async () => {
    const { clock, write, whats, boot } = await begun({
      endpoints: ['crm', 'bot'],
      receive: (_, { url }) => ({ failure: url.host.startsWith('crm') ? 'away' : undefined }),
      settings: { windowMax: 10 },
    })
    for (let n = 0; n < 30; n++) write(boot.online(`u${n}`, 's', NOON))
    await clock.move(20 * POLL_MS)
    expect(whats().filter((what) => what.startsWith('user.online')).length).toBeGreaterThanOrEqual(40)
  })
})

describe('order and bounds', () => {
  it('a later event of the same user waits for the earlier one; others do not', async () => {
    const { clock, write, told, whats, boot } = await begun({ receive: () => undefined })
    write(boot.online('ann', 'a', NOON), boot.ended('ann', 'a', NOON), boot.online('ben', 'b', NOON))
    await clock.move(POLL_MS)
    expect(whats()).toEqual(['user.online ann', 'user.online ben'])
    told[0]!.answer('500')
    await clock.move(999)
    expect(whats()).toHaveLength(2)
    await clock.move(1)
    expect(whats().slice(2)).toEqual(['user.online ann'])
    expect(told[2]!.id).toBe(told[0]!.id)
    told[2]!.answer()
    await clock.move(0)
    expect(whats().slice(3)).toEqual(['user.offline ann'])
  })

  it('no more attempts at a time than `concurrency`', async () => {
    const { clock, write, told, boot } = await begun({
      receive: () => undefined,
      settings: { concurrency: 3 },
    })
    for (let n = 0; n < 10; n++) write(boot.online(`u${n}`, 's', NOON))
    await clock.move(POLL_MS)
    expect(told).toHaveLength(3)
    told[1]!.answer()
    await clock.move(0)
    expect(told).toHaveLength(4)
  })

  it('no more is read than `windowMax`: the trail is the queue', async () => {
    const { clock, write, told, store, sender, boot } = await begun({
      receive: () => undefined,
      settings: { windowMax: 10 },
    })
    for (let n = 0; n < 50; n++) write(boot.online(`u${n}`, 's', NOON))
    await clock.move(10 * POLL_MS)
    expect([store.kept.size, sender.counts().waiting]).toEqual([10, 10])
    told[0]!.answer()
    await clock.move(POLL_MS)
    expect(store.kept.size).toBe(10)
  })
})

describe('failures', () => {
  it('waits grow as the schedule says, with jitter, and after the last attempt it is a dead letter that holds up nothing', async () => {
    const { clock, write, told, whats, store, sender, lines, boot } = await begun({
      receive: (what) => ({ failure: what === 'user.online ann' ? 'the receiver answered 500' : undefined }),
    })
    write(boot.online('ann', 'a', NOON), boot.ended('ann', 'a', NOON))
    clock.chance = 0
    await clock.move(POLL_MS)
    await clock.move(100_000)
    const [first, ...later] = told.filter(({ what }) => what === 'user.online ann').map(({ at }) => at)
    expect(later.map((at) => at - first!)).toEqual([750, 750 + 45_000])
    expect(new Set(told.slice(0, 3).map(({ id }) => id)).size).toBe(1)
    expect(whats().at(-1)).toBe('user.offline ann')
    const [dead] = [...store.kept.values()]
    expect(dead).toMatchObject({ id: told[0]!.id, attempts: 3, failure: 'the receiver answered 500' })
    expect(sender.counts()).toMatchObject({ delivered: 1, failed: 3, dead: 1, deadLetters: 1, waiting: 0 })
    expect(lines.some((line) => line.includes('dead letter'))).toBe(true)
  })

  it('the longest wait is five quarters of the schedule', async () => {
    const { clock, write, told, boot } = await begun({ receive: () => ({ failure: '500' }) })
    clock.chance = 0.999999
    write(boot.online('ann', 'a', NOON))
    await clock.move(POLL_MS + 1_249)
    expect(told).toHaveLength(1)
    await clock.move(1)
    expect(told).toHaveLength(2)
  })

  it('a dead letter that is sent again has its id, and all its attempts', async () => {
    let isAway = true
    const { clock, write, told, store, boot } = await begun({
      receive: () => ({ failure: isAway ? '500' : undefined }),
      settings: { retryMs: [] },
    })
    write(boot.online('ann', 'a', NOON))
    await clock.move(POLL_MS)
    const { id } = told[0]!
    expect(await store.resend(id)).toBe(true)
    await clock.move(POLL_MS)
    expect([...store.kept.values()][0]).toMatchObject({ attempts: 1, isResent: false })
    isAway = false
    await store.resend(id)
    await clock.move(POLL_MS)
    expect(told.map((each) => each.id)).toEqual([id, id, id])
    expect(store.kept.size).toBe(0)
  })

  it('an endpoint that was away is sent all that waits at once when it is back', async () => {
    let isAway = true
    const { clock, write, whats, lines, boot } = await begun({
      receive: () => ({ failure: isAway ? 'ECONNREFUSED' : undefined }),
      settings: { retryMs: [3_600_000, 3_600_000] },
    })
    for (let n = 0; n < AWAY_AFTER + 1; n++) write(boot.online(`u${n}`, 's', NOON))
    await clock.move(POLL_MS)
    isAway = false
    write(boot.online('new', 's', NOON))
    const before = whats().length
    await clock.move(POLL_MS)
    expect(whats().slice(before)).toHaveLength(AWAY_AFTER + 2)
    expect(lines.filter((line) => line.includes('does not take anything'))).toHaveLength(1)
    expect(lines.filter((line) => line.includes('answers again'))).toHaveLength(1)
  })

  it('dead letters are kept for `deadLetterDays`', async () => {
    const { clock, write, store, sender, boot } = await begun({
      receive: () => ({ failure: '500' }),
      settings: { retryMs: [], deadLetterDays: 1 },
    })
    write(boot.online('ann', 'a', NOON))
    await clock.move(POLL_MS)
    expect(store.kept.size).toBe(1)
    await clock.move(86_400_000 - POLL_MS)
    expect(sender.counts().deadLetters).toBe(1)
    await clock.move(TIDY_MS + POLL_MS)
    expect([store.kept.size, sender.counts().deadLetters]).toEqual([0, 0])
  }, 60_000)
})

describe('one server at a time', () => {
  it('another one takes over when the lease has run out, tells all that has not arrived, and keeps the order', async () => {
    const clock = testClock()
    const store = memoryWebhookStore(clock)
    const one = await begun({ clock, store, receive: () => undefined })
    one.write(one.boot.online('ann', 'a', NOON), one.boot.ended('ann', 'a', NOON))
    await clock.move(POLL_MS)
    const two = setUp({ clock, store })
    await clock.move(POLL_MS)
    expect([one.whats(), two.whats()]).toEqual([['user.online ann'], []])
    // The first is cut off from the database: its lease runs out, and it begins nothing more.
    const { holder } = store
    const lease = store.lease.bind(store)
    store.lease = async (asking, forMs) => {
      if (asking === holder) throw new Error('cut off')
      return lease(asking, forMs)
    }
    await clock.move(SETTINGS.timeoutMs + LEASE_SPARE_MS + 2 * POLL_MS)
    expect(two.whats()).toEqual(['user.online ann', 'user.offline ann'])
    expect(two.told[0]!.id).toBe(one.told[0]!.id)
    expect(one.whats()).toEqual(['user.online ann'])
    expect([one.sender.counts().isSending, two.sender.counts().isSending]).toEqual([false, true])
  })

  it('nothing begins that might not end before another server may send', async () => {
    const { clock, write, whats, store, boot } = await begun()
    store.faults.set('lease', new Error('away'))
    await clock.move(LEASE_SPARE_MS)
    write(boot.online('ann', 'a', NOON))
    await clock.move(10 * POLL_MS)
    expect(whats()).toEqual([])
    store.faults.clear()
    await clock.move(POLL_MS)
    expect(whats()).toEqual(['user.online ann'])
  })

  it('one that ends gives the lease back, and waits for what is under way', async () => {
    const { clock, write, told, store, sender, boot } = await begun({ receive: () => undefined })
    write(boot.online('ann', 'a', NOON), boot.online('ben', 'b', NOON))
    await clock.move(POLL_MS)
    const closing = sender.close()
    expect(sender.close()).toBe(closing)
    told[0]!.answer()
    await clock.move(10_000)
    await closing
    expect([...store.kept.values()].map(({ userId, attempts }) => [userId, attempts])).toEqual([['ben', 0]])
    expect(store.holder).toBeUndefined()
  })
})

describe('while the database is away', () => {
  it('what was delivered is marked as soon as it is back, and is not sent twice', async () => {
    const { clock, write, whats, store, lines, boot } = await begun()
    store.faults.set('delivered', new Error('away'))
    write(boot.online('ann', 'a', NOON))
    await clock.move(20 * POLL_MS)
    expect([whats().length, store.kept.size]).toEqual([1, 1])
    store.faults.clear()
    await clock.move(POLL_MS)
    expect([whats().length, store.kept.size]).toEqual([1, 0])
    expect(lines.filter((line) => line.includes('could not be written yet'))).toHaveLength(1)
  })

  it('a window whose writing failed is read again: nothing is lost, nothing is told of before it was written', async () => {
    const { clock, write, whats, store, lines, boot } = await begun()
    store.faults.set('advance', new Error('away'))
    write(boot.online('ann', 'a', NOON))
    await clock.move(10 * POLL_MS)
    expect(whats()).toEqual([])
    store.faults.clear()
    await clock.move(POLL_MS)
    expect(whats()).toEqual(['user.online ann'])
    expect(lines.filter((line) => line.includes('Nothing is lost'))).toHaveLength(1)
  })
})
