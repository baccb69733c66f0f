import type { ConversationId, GroupId, UserId } from '@vigie/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resolveSettings, type RoomRows, type Settings, type UserMemberships } from '../../src/core/index.js'
import { createDirectory } from '../../src/rows/directory.js'
import { createRecovery } from '../../src/rows/pace.js'

const PERIOD_MS = 64_000
const USERS = 640

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const user = (n: number) => `u${n}` as UserId

interface Read {
  readonly kind: 'users' | 'rooms'
  readonly ids: readonly string[]
}

/** `USERS` people, each in two rooms of two, read from rows that the test may change; reads answer at once unless held. */
async function start(settings: Partial<Settings> = {}) {
  const rooms = new Map<string, string[]>()
  for (let n = 0; n < USERS; n++) rooms.set(`c${n}`, [user(n), user((n + 1) % USERS)])
  const reads: Read[] = []
  const told: string[] = []
  const log: string[] = []
  const unheard: string[] = []
  let gate: Promise<void> = Promise.resolve()
  let failure: Error | undefined

  async function read<Answer>(
    kind: Read['kind'],
    ids: readonly string[],
    answer: () => Answer,
  ): Promise<Answer> {
    reads.push({ kind, ids })
    await gate
    if (failure) throw failure
    return answer()
  }
  const rowsOf = (id: string): UserMemberships => ({
    groups: [],
    conversations: [...rooms].flatMap(([name, members]) =>
      members.includes(id) ? [name as ConversationId] : [],
    ),
  })
  const membersOf = (id: string): RoomRows => ({
    members: rooms.get(id)?.length ?? 0,
    roster: rooms.get(id) as UserId[] | undefined,
  })
  const directory = createDirectory({
    memberships: {
      open: () => Promise.resolve(),
      close: () => Promise.resolve(),
      readUsers: (ids) => read('users', ids, () => new Map(ids.map((id) => [id, rowsOf(id)]))),
      readRooms: (_groups, ids) =>
        read('rooms', ids, () => ({
          groups: new Map<GroupId, RoomRows>(),
          conversations: new Map(ids.map((id) => [id, membersOf(id)])),
        })),
    },
    settings: resolveSettings({ rereadMs: PERIOD_MS, readBatchMs: 1, ...settings }),
    log: {
      debug() {},
      info: (message) => log.push(message),
      warn: (message) => log.push(message),
      error: (message) => log.push(message),
    },
    onUser: (id, known) => told.push(`${id}: ${known.map((room) => room.id).join(' ')}`),
    onRoom: (known) => {
      for (const { id, value } of known) told.push(`${id}: ${Object.values(value ?? {}).join(' ')}`)
    },
    onUnheard: ({ kind, id }) => unheard.push(`${kind} ${id}`),
  })
  for (let n = 0; n < USERS; n++) directory.pin(user(n))
  await pass(2_000)
  reads.length = 0
  told.length = 0
  return {
    directory,
    rooms,
    reads,
    told,
    log,
    unheard,
    hold() {
      let release = () => {}
      gate = new Promise((resolve) => {
        release = resolve
      })
      return () => {
        release()
      }
    },
    fail(error: Error | undefined) {
      failure = error
    },
  }
}

/** Time passes, with everything that it makes ready. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    await vi.advanceTimersByTimeAsync(Math.min(left, 100))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const idsOf = (reads: readonly Read[], kind: Read['kind']) =>
  reads.filter((each) => each.kind === kind).flatMap(({ ids }) => ids)

describe('the slow re-read', () => {
  it('reads everything that is held once in a period, in small reads: what has just been read in its second half', async () => {
    const { reads, told } = await start()
    await pass(PERIOD_MS / 2 - 4_000)
    expect(reads).toEqual([])
    await pass(PERIOD_MS / 4)
    expect(idsOf(reads, 'users').length).toBeGreaterThan(USERS / 4)
    expect(idsOf(reads, 'users').length).toBeLessThan(USERS)
    await pass(PERIOD_MS / 4 + 4_000)
    expect(new Set(idsOf(reads, 'users')).size).toBe(USERS)
    expect(idsOf(reads, 'users')).toHaveLength(USERS)
    expect(new Set(idsOf(reads, 'rooms')).size).toBe(USERS)
    expect(idsOf(reads, 'rooms')).toHaveLength(USERS)
    expect(Math.max(...reads.map(({ ids }) => ids.length))).toBe(USERS / 32)
    expect(told).toEqual([])
  })

  it('does not read when it is turned off', async () => {
    const { reads } = await start({ rereadMs: 0 })
    await pass(2 * PERIOD_MS)
    expect(reads).toEqual([])
  })

  it('finds a change that nobody told, by whichever of its ends comes first, and reads the other at once', async () => {
    const { rooms, told, reads, unheard } = await start()
    rooms.set('c5', [user(5), user(400)])
    const isFound = () =>
      told.some((line) => line.startsWith('u400:')) && told.some((line) => line.startsWith('u6:'))
    let passed = 0
    while (!isFound() && passed < PERIOD_MS) {
      await pass(1_000)
      passed += 1_000
    }
    await pass(1_000)
    expect([...new Set(told)].sort()).toEqual(['c5: u5 u400', 'u400: c5 c399 c400', 'u6: c6'])
    // Whichever came in one read, the first, was found; the rest was read because of it.
    expect(unheard).not.toEqual([])
    expect(unheard.filter((one) => !['conversation c5', 'user u6', 'user u400'].includes(one))).toEqual([])
    // Its own turn, and because of the other: nobody else is read more often.
    expect(reads.filter(({ ids }) => ids.length > USERS / 32 + 2)).toEqual([])
  })

  it('finds nothing new in another order of the same rows', async () => {
    const { rooms, told, unheard } = await start()
    for (const [name, members] of rooms) rooms.set(name, [...members].reverse())
    await pass(PERIOD_MS)
    expect([told, unheard]).toEqual([[], []])
  })

  it('lets whoever comes meanwhile in with what is known', async () => {
    const { directory, reads, hold } = await start()
    await pass(PERIOD_MS / 2)
    const release = hold()
    reads.length = 0
    await pass(1_000)
    const [first] = idsOf(reads, 'users')
    await expect(directory.load(first as UserId)).resolves.toHaveLength(2)
    release()
  })

  it('makes the read of somebody who waits hardly larger', async () => {
    const { directory, reads, hold, rooms } = await start({ rereadMs: 640 })
    const release = hold()
    // Much is due by the time that the read under way has ended.
    await pass(600)
    rooms.set('new', ['newcomer'])
    directory.pin('newcomer' as UserId)
    reads.length = 0
    release()
    await pass(100)
    const own = reads.find(({ ids }) => ids.includes('newcomer'))
    expect(own?.ids.length).toBeLessThanOrEqual(51)
  })

  it('keeps what is known when it fails, and reads it again once the store is back', async () => {
    const { directory, reads, fail, log, told } = await start()
    await pass(PERIOD_MS / 2)
    reads.length = 0
    fail(new Error('away'))
    await pass(PERIOD_MS / 4)
    expect(log).toEqual([expect.stringContaining('cannot be read now')])
    const due = new Set(idsOf(reads, 'users'))
    // At first more often than once a second, then once.
    expect(reads.length).toBeLessThan(2 * (PERIOD_MS / 4 / 1_000) + 10)
    expect(directory.rooms(user(0))).toHaveLength(2)
    fail(undefined)
    reads.length = 0
    await pass(5_000)
    expect([...due].filter((id) => !idsOf(reads, 'users').includes(id))).toEqual([])
    expect(log.slice(1)).toEqual(['Memberships can be read again.'])
    expect(told).toEqual([])
  })

  it('ends with the directory: no timer is left', async () => {
    const { directory, reads } = await start()
    directory.close()
    expect(vi.getTimerCount()).toBe(0)
    await pass(PERIOD_MS)
    expect(reads).toEqual([])
  })
})

describe('when everything is stale', () => {
  it('whoever comes is read first, and so is a change with a name', async () => {
    const { directory, reads, rooms, hold } = await start({ rereadMs: 0 })
    const release = hold()
    directory.invalidate({ users: [user(0)], groups: [], conversations: [] })
    await pass(100)
    directory.invalidate('all')
    rooms.set('new', ['newcomer'])
    directory.pin('newcomer' as UserId)
    directory.invalidate({ users: [user(639)], groups: [], conversations: [] })
    reads.length = 0
    release()
    await pass(1_000)
    expect(reads.find(({ kind }) => kind === 'users')?.ids.slice(0, 2)).toEqual(['newcomer', 'u639'])
    expect(new Set(idsOf(reads, 'users')).size).toBe(USERS + 1)
  })

  it('whoever waits for one of those that can wait is read first', async () => {
    const { directory, reads, hold } = await start({ rereadMs: 0 })
    const release = hold()
    directory.invalidate({ users: [user(0)], groups: [], conversations: [] })
    await pass(100)
    directory.invalidate('all')
    const loaded = directory.load(user(639))
    reads.length = 0
    release()
    await pass(1_000)
    await loaded
    expect(reads.find(({ kind }) => kind === 'users')?.ids[0]).toBe(user(639))
  })
})

describe('a store that has failed', () => {
  const turn = { pauseMs: 25, tookMs: 40, hasFailed: false, left: 100 }

  it('is asked less and less often while it fails, at most as seldom as readRetryMs', () => {
    const recovery = createRecovery(1_000)
    const pauses = [1, 2, 3, 4, 5, 6].map(() => recovery.pauseAfter({ ...turn, hasFailed: true }))
    expect(pauses).toEqual([100, 200, 400, 800, 1_000, 1_000])
    expect(recovery.isOn).toBe(true)
  })

  it('has as long a rest as each read took until all that was stale is read, and then none', () => {
    const recovery = createRecovery(1_000)
    expect(recovery.pauseAfter(turn)).toBe(25)
    recovery.pauseAfter({ ...turn, hasFailed: true })
    expect(recovery.pauseAfter({ ...turn, tookMs: 3_000 })).toBe(3_000)
    expect(recovery.pauseAfter({ ...turn, tookMs: 60 })).toBe(60)
    expect(recovery.isOn).toBe(true)
    expect(recovery.pauseAfter({ ...turn, left: 0 })).toBe(40)
    expect(recovery.isOn).toBe(false)
    expect(recovery.pauseAfter(turn)).toBe(25)
    expect(recovery.pauseAfter({ ...turn, hasFailed: true })).toBe(100)
  })
})
