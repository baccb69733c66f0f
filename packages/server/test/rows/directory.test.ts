import type { ConversationId, GroupId, UserId } from '@vigie/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { READ_ROOMS_MAX, READ_USERS_MAX } from '../../src/core/ports.js'
import {
  resolveSettings,
  type KnownRooms,
  type RosterOrSize,
  type RoomRows,
  type Settings,
  type UserMemberships,
} from '../../src/core/index.js'
import { createDirectory } from '../../src/rows/directory.js'

const membersIn = (facts: RosterOrSize | undefined) => (typeof facts === 'object' ? facts.length : facts)

const WAIT_MS = 25
const RETRY_MS = 1_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const user = (n: number) => `u${n}` as UserId
const users = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => user(from + i))
const room = (name: string) => name as ConversationId

/** Lets everything that is ready run. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

interface Read {
  readonly kind: 'users' | 'rooms'
  readonly ids: readonly string[]
  end(error?: Error): Promise<unknown>
}

/** A directory whose reads end when the test says so, with the rows as they are then. */
function start(rows: Record<string, string[]> = {}, settings: Partial<Settings> = {}) {
  const conversations = new Map(Object.entries(rows))
  const reads: Read[] = []
  const told: string[] = []
  const log: string[] = []
  let underWay = 0

  function read<Answer>(kind: Read['kind'], ids: readonly string[], answer: () => Answer): Promise<Answer> {
    expect(++underWay).toBe(1)
    return new Promise((resolve, reject) => {
      reads.push({
        kind,
        ids,
        end(error) {
          underWay--
          if (error) reject(error)
          else resolve(answer())
          return settle()
        },
      })
    })
  }

  const rowsOf = (id: UserId): UserMemberships => ({
    groups: [],
    conversations: [...conversations]
      // As often as it names them, which an adapter should not.
      .flatMap(([name, members]) => members.filter((member) => member === id).map(() => room(name))),
  })
  const membersOf = (id: string): RoomRows => {
    const members = conversations.get(id) ?? []
    return { members: members.length, roster: members as UserId[] }
  }
  let onUser = (id: UserId, known: KnownRooms) => {
    told.push(`${id}: ${known.map(({ id: name, value }) => `${name} ${membersIn(value)}`).join(', ')}`)
  }
  const write = (level: string) => (message: string) => log.push(`${level}: ${message}`)
  const directory = createDirectory({
    memberships: {
      open: () => Promise.resolve(),
      close: () => Promise.resolve(),
      readUsers: (ids) => read('users', ids, () => new Map(ids.map((id) => [id, rowsOf(id)]))),
      readRooms: (groups, ids) =>
        read('rooms', [...groups, ...ids], () => ({
          groups: new Map<GroupId, RoomRows>(),
          conversations: new Map(ids.map((id) => [id, membersOf(id)])),
        })),
    },
    settings: resolveSettings({ readBatchMs: WAIT_MS, readRetryMs: RETRY_MS, ...settings }),
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    onUser: (id, known) => {
      onUser(id, known)
    },
    onRoom: (known) => {
      for (const { id: name, value } of known) told.push(`room ${name}: ${membersIn(value)}`)
    },
  })

  return {
    directory,
    conversations,
    reads,
    told,
    log,
    onUser(listener: typeof onUser) {
      onUser = listener
    },
    stale(ids: readonly UserId[], names: readonly string[] = []) {
      directory.invalidate({ users: ids, groups: [], conversations: names.map(room) })
    },
    /** Pins and loads; what became of it is in `outcome`. */
    enter(id: UserId) {
      const visit = { outcome: 'waits' }
      directory.pin(id)
      directory.load(id).then(
        (rooms) => (visit.outcome = rooms.map((each) => each.id).join(' ')),
        (error: unknown) => (visit.outcome = (error as Error).message),
      )
      return visit
    },
    /** The read that is under way, once the pause before it is over. */
    async next(kind: Read['kind']): Promise<Read> {
      if (underWay === 0) await vi.advanceTimersByTimeAsync(10 * WAIT_MS)
      await settle()
      const last = reads.at(-1)
      if (!last || underWay === 0) throw new Error('nothing is read')
      expect(last.kind).toBe(kind)
      return last
    },
    /** Nothing is read, however long one waits. */
    async quiet() {
      const count = reads.length
      await vi.advanceTimersByTimeAsync(10 * RETRY_MS)
      await settle()
      expect(reads.slice(count)).toEqual([])
    },
  }
}

describe('reads', () => {
  it('are counted by what they ask for, with those that failed apart, and what waits', async () => {
    const { directory, enter, next } = start({ c: ['u1'] })
    enter(user(1))
    expect(directory.reads().waiting).toEqual({ asked: 1, reread: 0 })
    await (await next('users')).end()
    await (await next('rooms')).end()
    enter(user(2))
    await (await next('users')).end(new Error('away'))
    const { seconds, failed, isAway, waiting } = directory.reads()
    expect([seconds.users.count, seconds.rooms.count, failed, isAway]).toEqual([
      1,
      1,
      { users: 1, rooms: 0 },
      true,
    ])
    // It is asked for again later.
    expect(waiting.asked).toBe(0)
    await vi.advanceTimersByTimeAsync(2 * RETRY_MS)
    await (await next('users')).end()
    expect([directory.reads().isAway, directory.reads().seconds.users.count]).toEqual([false, 2])
  })

  it('are one of the user and one of the rooms for a connection that comes alone', async () => {
    const { enter, next, reads, told, quiet } = start({ a: ['u1', 'u2'], b: ['u1'] })
    const visit = enter(user(1))
    await vi.advanceTimersByTimeAsync(WAIT_MS - 1)
    expect(reads).toEqual([])
    const first = await next('users')
    await first.end()
    const second = await next('rooms')
    expect([first.ids, second.ids]).toEqual([['u1'], ['a', 'b']])
    await second.end()
    expect(visit.outcome).toBe('a b')
    expect(told).toEqual(['u1: a 2, b 1'])
    await quiet()
  })

  it('are shared by all who come while one is under way', async () => {
    const { enter, next, reads } = start({ a: users(0, 50) })
    enter(user(0))
    const first = await next('users')
    const visits = users(1, 50).map(enter)
    await first.end()
    await (await next('rooms')).end()
    const shared = await next('users')
    expect(shared.ids).toEqual(users(1, 50))
    await shared.end()
    // The room is known already.
    expect(new Set(visits.map(({ outcome }) => outcome))).toEqual(new Set(['a']))
    expect(reads).toHaveLength(3)
  })

  it('ask for a room once, however many need it', async () => {
    const { enter, next } = start({ a: users(0, 10), b: users(0, 10) })
    users(0, 10).forEach(enter)
    await (await next('users')).end()
    expect((await next('rooms')).ids).toEqual(['a', 'b'])
  })

  it('count a room once, also if an adapter names it twice', async () => {
    const { directory, enter, next } = start({ a: ['u1', 'u1'] })
    const visit = enter(user(1))
    await (await next('users')).end()
    await (await next('rooms')).end()
    expect(visit.outcome).toBe('a')
    expect(directory.rooms(user(1))?.map(({ id }) => id)).toEqual(['a'])
  })

  it('name at most READ_USERS_MAX users, and what is left over follows at once', async () => {
    const { enter, next, quiet } = start()
    enter(user(0))
    await (await next('users')).end()
    users(1, READ_USERS_MAX + 101).forEach(enter)
    const full = await next('users')
    expect(full.ids).toHaveLength(READ_USERS_MAX)
    await full.end()
    for (let turn = 0; turn < READ_USERS_MAX / 50; turn++) await settle()
    const rest = await next('users')
    expect(rest.ids).toHaveLength(100)
    await rest.end()
    await quiet()
  })

  it('name at most READ_ROOMS_MAX rooms, and who is in more of them waits for all', async () => {
    const names = Array.from({ length: READ_ROOMS_MAX + 600 }, (_, i) => `c${i}`)
    const { enter, next, reads } = start(Object.fromEntries(names.map((name) => [name, ['u1']])))
    const visit = enter(user(1))
    await (await next('users')).end()
    for (let turn = 0; turn < 3; turn++) {
      await reads.at(-1)?.end()
      // Who waits already is not made to wait for others.
      await vi.advanceTimersByTimeAsync(1)
    }
    // The first is small: nothing is known of the size of rooms.
    expect(reads.slice(1).map(({ ids }) => ids.length)).toEqual([500, READ_ROOMS_MAX, 100])
    expect(visit.outcome.split(' ')).toHaveLength(names.length)
  })

  it('name fewer rooms when these are large, or when a read has failed', async () => {
    const crowd = users(0, 250).map(String)
    const names = Array.from({ length: 1_000 }, (_, i) => `c${i}`)
    const { enter, next } = start(Object.fromEntries(names.map((name) => [name, crowd])))
    enter(user(1))
    await (await next('users')).end()
    await (await next('rooms')).end()
    const fitting = await next('rooms')
    expect(fitting.ids).toHaveLength(200)
    await fitting.end(new Error('away'))
    users(2, 62).forEach(enter)
    // The user with a thousand rooms was large, too.
    const few = await next('users')
    expect(few.ids).toHaveLength(50)
    await few.end()
    expect((await next('rooms')).ids).toHaveLength(100)
  })

  it('follow each other at once while more has changed than one may name', async () => {
    const crowd = users(0, 250).map(String)
    const names = Array.from({ length: 500 }, (_, i) => `c${i}`)
    const { enter, next, reads, stale } = start(Object.fromEntries(names.map((name) => [name, crowd])))
    enter(user(1))
    await (await next('users')).end()
    await (await next('rooms')).end()
    stale([], names)
    await (await next('rooms')).end()
    await vi.advanceTimersByTimeAsync(1)
    await reads.at(-1)?.end()
    expect(reads.slice(2).map(({ ids }) => ids.length)).toEqual([200, 200])
  })

  it('let the loop do other things between those who go on', async () => {
    const { enter, next, told } = start()
    users(0, 120).forEach(enter)
    const read = await next('users')
    const ended = read.end()
    const seen: number[] = []
    while (told.length < 120) {
      await settle()
      seen.push(told.length)
    }
    await ended
    expect(seen.every((count, turn) => count - (seen[turn - 1] ?? 0) <= 50)).toBe(true)
  })
})

describe('the pause between turns', () => {
  it('lets those who come within it share the next read', async () => {
    const { enter, next, reads } = start()
    users(0, 50).forEach(enter)
    await (await next('users')).end()
    await settle()
    enter(user(50))
    await vi.advanceTimersByTimeAsync(2 * WAIT_MS)
    enter(user(51))
    expect(reads).toHaveLength(1)
    expect((await next('users')).ids).toEqual(users(50, 52))
  })

  it('is over once most of those wait who can', async () => {
    const { enter, next, reads } = start({}, { admittingMax: 100 })
    users(0, 40).forEach(enter)
    await (await next('users')).end()
    users(40, 99).forEach(enter)
    await vi.advanceTimersByTimeAsync(WAIT_MS)
    expect(reads).toHaveLength(1)
    enter(user(99))
    await vi.advanceTimersByTimeAsync(1)
    expect(reads[1]?.ids).toEqual(users(40, 100))
    users(100, 160).forEach(enter)
    await reads[1]?.end()
    await settle()
    await vi.advanceTimersByTimeAsync(1)
    expect(reads[2]?.ids).toEqual(users(100, 160))
  })
})

describe('a change that is announced', () => {
  it('while the user is read makes that read not count', async () => {
    const { enter, next, stale, conversations, told } = start({ a: ['u1'] })
    const visit = enter(user(1))
    const first = await next('users')
    stale([user(1)])
    await first.end()
    conversations.set('b', ['u1'])
    const second = await next('users')
    expect([visit.outcome, told]).toEqual(['waits', []])
    await second.end()
    await (await next('rooms')).end()
    expect(visit.outcome).toBe('a b')
  })

  it('while the rooms of a user are read makes both be read again', async () => {
    const { enter, next, stale, conversations, told, quiet } = start({ a: ['u1'] })
    const visit = enter(user(1))
    await (await next('users')).end()
    const first = await next('rooms')
    conversations.set('a', [])
    conversations.set('b', ['u1'])
    stale([user(1)], ['a', 'b'])
    await first.end()
    await (await next('rooms')).end()
    expect([visit.outcome, told]).toEqual(['waits', []])
    await (await next('users')).end()
    await (await next('rooms')).end()
    expect(visit.outcome).toBe('b')
    expect(told).toEqual(['u1: b 1'])
    // Nobody is in the other any more.
    stale([], ['a'])
    await quiet()
  })

  it('is told once it was read, of a user and of a room', async () => {
    const { enter, next, stale, conversations, told } = start({ a: ['u1'] })
    enter(user(1))
    await (await next('users')).end()
    await (await next('rooms')).end()
    conversations.set('a', ['u1', 'u2'])
    stale([], ['a', 'unknown'])
    await (await next('rooms')).end()
    conversations.set('b', ['u1'])
    stale([user(1), user(2)], [])
    const again = await next('users')
    expect(again.ids).toEqual(['u1'])
    await again.end()
    await (await next('rooms')).end()
    expect(told).toEqual(['u1: a 1', 'room a: 2', 'u1: a 2, b 1'])
  })

  it('of everything has everything read again', async () => {
    const { directory, enter, next } = start({ a: ['u1', 'u2'] })
    enter(user(1))
    enter(user(2))
    await (await next('users')).end()
    await (await next('rooms')).end()
    directory.invalidate('all')
    const again = await next('users')
    expect(again.ids).toEqual(['u1', 'u2'])
    await again.end()
    expect((await next('rooms')).ids).toEqual(['a'])
  })
})

describe('a read that fails', () => {
  it('fails for those who were part of it, and not for who came meanwhile', async () => {
    const { enter, next } = start({ a: ['u1', 'u2'] })
    const visit = enter(user(1))
    const first = await next('users')
    const later = enter(user(2))
    await first.end(new Error('away'))
    expect([visit.outcome, later.outcome]).toEqual(['away', 'waits'])
    const second = await next('users')
    expect(second.ids).toEqual(['u2'])
    await second.end()
    await (await next('rooms')).end()
    expect(later.outcome).toBe('a')
  })

  it('of rooms fails for who waits for them, and lets go of the rooms', async () => {
    const { directory, enter, next, stale, quiet } = start({ a: ['u1'], b: ['u1'] })
    const visit = enter(user(1))
    await (await next('users')).end()
    await (await next('rooms')).end(new Error('away'))
    expect(visit.outcome).toBe('away')
    directory.unpin(user(1))
    stale([user(1)], ['a', 'b'])
    await quiet()
  })

  it('is tried again after readRetryMs for who is still there, and leaves known what was known', async () => {
    const { directory, enter, next, reads, stale, told } = start({ a: ['u1', 'u2'] })
    enter(user(1))
    enter(user(2))
    await (await next('users')).end()
    await (await next('rooms')).end()
    stale([user(1), user(2)], ['a'])
    await (await next('users')).end(new Error('away'))
    await (await next('rooms')).end(new Error('away'))
    directory.unpin(user(2))
    const count = reads.length
    await vi.advanceTimersByTimeAsync(RETRY_MS - 1)
    expect(reads).toHaveLength(count)
    expect(directory.rooms(user(1))?.map(({ id }) => id)).toEqual(['a'])
    const again = await next('users')
    expect(again.ids).toEqual(['u1'])
    await again.end()
    await (await next('rooms')).end()
    expect(told.slice(2)).toEqual(['room a: 2', 'u1: a 2'])
  })

  it('is logged once for as long as the store is away, and so is its end', async () => {
    const { enter, next, log } = start({ a: ['u1'] })
    enter(user(1))
    await (await next('users')).end()
    await (await next('rooms')).end(new Error('away'))
    // The users can be read, and the rooms cannot: that is no end.
    await vi.advanceTimersByTimeAsync(RETRY_MS)
    await (await next('users')).end()
    await (await next('rooms')).end(new Error('away'))
    await vi.advanceTimersByTimeAsync(RETRY_MS)
    await (await next('users')).end(new Error('away'))
    expect(log).toEqual([expect.stringMatching(/^warn: Memberships cannot be read/)])
    await vi.advanceTimersByTimeAsync(RETRY_MS)
    await (await next('users')).end()
    await (await next('rooms')).end()
    expect(log.slice(1)).toEqual(['info: Memberships can be read again.'])
  })

  it('does not keep a listener that throws from what the others are told', async () => {
    const { enter, next, told, onUser } = start()
    onUser((id) => {
      if (id === user(1) && told.push('thrown') === 1) throw new Error('a fault')
      told.push(id)
    })
    const visits = users(1, 4).map(enter)
    await (await next('users')).end()
    expect(visits.map(({ outcome }) => outcome)).toEqual(['', '', ''])
    await vi.advanceTimersByTimeAsync(RETRY_MS)
    const again = await next('users')
    expect(again.ids).toEqual(['u1'])
    await again.end()
    expect(told).toEqual(['thrown', 'u2', 'u3', 'thrown', 'u1'])
  })
})

describe('what nobody needs any more', () => {
  it('is not read, nor told, and who waited for it is refused', async () => {
    const { directory, enter, next, stale, told, quiet } = start({ a: ['u1'] })
    const visit = enter(user(1))
    const read = await next('users')
    directory.unpin(user(1))
    await read.end()
    expect(visit.outcome).not.toBe('waits')
    stale([user(1)], ['a'])
    await quiet()
    expect(told).toEqual([])
    expect(directory.rooms(user(1))).toBeUndefined()
  })

  it('is let go of also when the user went while the rooms were read', async () => {
    const { directory, enter, next, stale, quiet } = start({ a: ['u1', 'u2'], b: ['u1'] })
    enter(user(1))
    enter(user(2))
    await (await next('users')).end()
    const read = await next('rooms')
    directory.unpin(user(1))
    await read.end()
    stale([], ['b'])
    await quiet()
    stale([], ['a'])
    expect((await next('rooms')).ids).toEqual(['a'])
  })

  it('is let go of with the user, and a room with the last row that names it', async () => {
    const { directory, enter, next, stale, conversations, quiet } = start({ a: ['u1'], b: ['u1'] })
    enter(user(1))
    await (await next('users')).end()
    await (await next('rooms')).end()
    conversations.set('a', [])
    stale([user(1)])
    await (await next('users')).end()
    stale([], ['a'])
    await quiet()
    directory.unpin(user(1))
    stale([], ['b'])
    await quiet()
  })

  it('is kept while somebody else needs it', async () => {
    const { directory, enter, next, stale } = start({ a: ['u1'] })
    enter(user(1))
    enter(user(1))
    await (await next('users')).end()
    await (await next('rooms')).end()
    directory.unpin(user(1))
    stale([user(1)])
    expect((await next('users')).ids).toEqual(['u1'])
  })

  it('is everything after the end: nothing is read or told, and who waits is refused', async () => {
    const { directory, enter, next, told, quiet, log } = start({ a: ['u1', 'u2'] })
    const visit = enter(user(1))
    await (await next('users')).end()
    const read = await next('rooms')
    const other = enter(user(2))
    directory.close()
    directory.close()
    await read.end(new Error('away'))
    expect([visit.outcome, other.outcome]).not.toContain('waits')
    await quiet()
    expect([told, log]).toEqual([[], []])
  })
})
