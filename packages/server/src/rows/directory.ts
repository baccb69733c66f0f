/**
 * Between the rows and the engine: the memberships of everybody who is needed, read in turns, read again when
 * they change, dropped when nobody needs them.
 *
 * In a turn first users are read, then the rooms that their rows name and that are not known yet, and no turn
 * begins before the one before it has read. So a storm makes few, full reads: a connection that comes during a turn waits for
 * its end, and then shares the next. Those who were read go on a few at a time, while the next turn reads. A read that
 * fails, because the store did not answer in time say, fails for those who were part of it, and only for them.
 */
import { setImmediate as breathe } from 'node:timers/promises'
import { PresenceError, type UserId } from '@vigie/protocol'
import type {
  KnownRoom,
  KnownRooms,
  Log,
  Memberships,
  Place,
  RoomName,
  RosterOrSize,
  Settings,
  Stale,
  UserMemberships,
} from '../core/index.js'
import { createFreshQueue } from './fresh.js'
import { createHoldings, type RoomEntry, type RoomQueue, type UserEntry, type UserQueue } from './holdings.js'
import { createRecovery, pauseAfter, roomsPerRead, usersPerRead } from './pace.js'
import { createReread } from './reread.js'
import { createTurns } from './turns.js'
import { hasSameMembers, roomsThatDiffer, usersThatDiffer } from './differences.js'

export interface Directory {
  /**
   * Reads what the user's rows say, and keeps it up to date until `unpin`, called as often as this. The id as it is kept
   * here: to hold on to another string of the same letters costs memory.
   */
  pin(userId: UserId): UserId
  unpin(userId: UserId): void
  /**
   * As `rooms`, once what is under way has been read.
   * @throws PresenceError `unavailable`
   */
  load(userId: UserId): Promise<KnownRooms>
  /** The rooms that a pinned user's rows name; the same list until the rows have been read again. */
  rooms(userId: UserId): KnownRooms | undefined
  /**
   * The rows of a room: as they are held, or read once.
   * @throws PresenceError `unavailable`
   */
  readRoom(room: RoomName): Promise<RosterOrSize>
  /** Read again. */
  invalidate(stale: Stale): void
  /**
   * The host says that these rows have changed. Of a user whose rows are not held it is read, once, which rooms they are
   * in now: some of those may be held, and their rosters lack the user.
   */
  changed(stale: Exclude<Stale, 'all'>): void
  /** All rooms whose rows are held. Those that come while it is read are part of it. */
  heldRooms(): Iterator<KnownRoom>
  /** How many users and rooms it holds the rows of. */
  sizes(): Readonly<Record<'heldUsers' | 'heldRooms', number>>
  close(): void
}

interface DirectoryOptions {
  readonly memberships: Memberships
  readonly settings: Settings
  readonly log: Log
  /** A pinned user's rows were read again. */
  readonly onUser: (userId: UserId, memberships: KnownRooms) => void
  /** The rows of a room were read again, and differ. */
  readonly onRoom: (room: KnownRooms) => void
  /** The slow re-read found rows that had changed, and nobody had said so by then. They are read, and told, like others. */
  readonly onUnheard?: (place: Place) => void
}

const NONE: UserMemberships = { groups: [], conversations: [] }

/**
 * No more than `admittingMax` connections come here at a time. Once this share of them waits, a longer pause would
 * bring few others, and hold up those who are not admitted yet.
 */
const FULL_SHARE = 0.6

/** So many of those who wait go on at once: each is a connection to be let in, and others want the loop, too. */
const SETTLED_AT_ONCE = 50

export function createDirectory(options: DirectoryOptions): Directory {
  const { memberships, settings, log, onUser, onRoom, onUnheard } = options
  const fullTurn = Math.ceil(FULL_SHARE * settings.admittingMax)
  const turns = createTurns({
    hasWork: () => userQueue.size + roomQueue.size + userQueue.refreshes + roomQueue.refreshes > 0,
    isFull: () =>
      !recovery.isOn &&
      ((unsettled.size > 0 && roomQueue.size > 0) ||
        userQueue.size >= Math.min(userPace.most, fullTurn) ||
        roomQueue.size >= roomPace.most),
    take: takeTurn,
    waitMs: settings.readBatchMs,
  })
  const queueOptions = { onAsked: turns.wake, retryMs: settings.readRetryMs }
  const userQueue: UserQueue = createFreshQueue(queueOptions)
  const roomQueue: RoomQueue = createFreshQueue(queueOptions)
  const reread = createReread<UserEntry | RoomEntry>({
    periodMs: settings.rereadMs,
    forEachEntry: forEachHeld,
    refresh(entry) {
      if ('kind' in entry) roomQueue.refresh(entry)
      else userQueue.refresh(entry)
    },
  })
  const holdings = createHoldings({ userQueue, roomQueue, slotOfNew: reread.slotOfNew })
  const { users, groups, conversations } = holdings
  /** Users whose rows were read, with the rooms that are held for them, until all of these are known. */
  const unsettled = new Map<UserEntry, readonly RoomEntry[]>()
  const userPace = usersPerRead()
  const roomPace = roomsPerRead()
  const recovery = createRecovery(settings.readRetryMs)

  /** What went wrong in this turn. */
  let failure: { readonly error: unknown } | undefined
  /** Those of earlier turns go on. */
  let settling = Promise.resolve()
  /** Said once for as long as the store is away: everybody's rows are read, and would say the same. */
  let isAway = false
  let isClosed = false

  /** There are tens of thousands, once a second: an iterator over them would allocate a result for each. */
  function forEachHeld(visit: (entry: UserEntry | RoomEntry) => void): void {
    for (const entries of [users, groups, conversations]) entries.forEach(visit)
  }

  async function takeTurn(): Promise<number> {
    failure = undefined
    const startedAt = performance.now()
    const wanted = userQueue.take(userPace.most)
    await readUsers(wanted)
    await readRooms(roomQueue.take(roomPace.most))
    settleNext(failure)
    report()
    return pauseAfterTurn(wanted.length, performance.now() - startedAt)
  }

  function pauseAfterTurn(userCount: number, tookMs: number): number {
    return recovery.pauseAfter({
      pauseMs: pauseAfter(userCount, settings.readBatchMs),
      tookMs,
      hasFailed: failure !== undefined,
      left: userQueue.size + roomQueue.size,
    })
  }

  function report(): void {
    if (isClosed || isAway === (failure !== undefined)) return
    isAway = !isAway
    if (!isAway) log.info('Memberships can be read again.')
    else {
      log.warn('Memberships cannot be read now; those known stand, and new connections try again.', {
        error: failure?.error,
      })
    }
  }

  async function readUsers(wanted: readonly UserEntry[]): Promise<void> {
    if (wanted.length === 0) return
    try {
      const found = await memberships.readUsers(wanted.map(({ id }) => id))
      if (isClosed) return
      let count = 0
      for (const user of wanted) {
        if (user.state === 'dropped' || userQueue.repeats(user)) continue
        const rows = bounded(user.id, found.get(user.id) ?? NONE)
        if (isAsKnown(user, rows)) continue
        const rooms = holdings.holdRooms(rows)
        count += rooms.length
        unsettled.set(user, rooms)
      }
      userPace.fit(wanted.length, count)
    } catch (error) {
      userPace.shrink()
      userQueue.fail(wanted, error)
      failure = { error }
    }
  }

  /**
   * Nearly always the slow re-read finds what was known, and then nobody hears of it. A user whose rows differ was added
   * to rooms, or removed: what is known of those rooms is as old, and they say who is in them, so they are read again.
   */
  function isAsKnown(user: UserEntry, rows: UserMemberships): boolean {
    const { state, value } = user
    if (!value) return false
    const differ = roomsThatDiffer(value, rows)
    for (const { kind, id } of differ)
      roomQueue.invalidate((kind === 'group' ? groups : conversations).get(id))
    if (state !== 'refreshing') return false
    if (differ.length > 0) {
      log.debug('The slow re-read found rows of a user that had changed unheard.', { userId: user.id })
      onUnheard?.({ kind: 'user', id: user.id })
      return false
    }
    userQueue.settle(user, value)
    return true
  }

  async function readRooms(wanted: readonly RoomEntry[]): Promise<void> {
    if (wanted.length === 0) return
    try {
      const inGroups = wanted.filter((room) => room.kind === 'group').map(({ id }) => id)
      const inConversations = wanted.filter((room) => room.kind === 'conversation').map(({ id }) => id)
      const found = await memberships.readRooms(inGroups, inConversations, settings.namesMax)
      if (isClosed) return
      let count = 0
      for (const room of wanted) {
        if (room.state === 'dropped' || roomQueue.repeats(room)) continue
        const rows = room.kind === 'group' ? found.groups.get(room.id) : found.conversations.get(room.id)
        count += rows?.members ?? 0
        settleRoom(room, holdings.factsOf(rows))
      }
      roomPace.fit(wanted.length, count)
    } catch (error) {
      roomPace.shrink()
      roomQueue.fail(wanted, error)
      failure = { error }
    }
  }

  /** After those of the turn before, and not waited for: the next turn may read meanwhile. */
  function settleNext(why: typeof failure): void {
    settling = settling.then(() => settleUsers(why?.error))
  }

  /** Those whose rooms are known by now go on; those whose rooms cannot be read fail; the others wait. */
  async function settleUsers(error: unknown): Promise<void> {
    const failed: UserEntry[] = []
    let settled = 0
    for (const [user, rooms] of unsettled) {
      const isOver = user.state === 'dropped' || user.state === 'failed'
      const unknown = rooms.filter((room) => room.value === undefined)
      const isFailed = unknown.some((room) => room.state === 'failed')
      if (unknown.length > 0 && !isFailed) continue
      unsettled.delete(user)
      if (isFailed && !isOver) failed.push(user)
      if (isFailed || isOver || userQueue.repeats(user)) holdings.releaseRooms(rooms)
      else settleUser(user, rooms)
      if (++settled % SETTLED_AT_ONCE > 0) continue
      await breathe()
      if (isClosed) return
    }
    userQueue.fail(failed, error)
  }

  function settleUser(user: UserEntry, rooms: readonly RoomEntry[]): void {
    const before = user.value
    userQueue.settle(user, rooms)
    if (before) holdings.releaseRooms(before)
    try {
      onUser(user.id, rooms)
    } catch (error) {
      userQueue.fail([user], error)
      failure = { error }
    }
  }

  function settleRoom(room: RoomEntry, facts: RosterOrSize): void {
    const before = room.value
    const isRefresh = room.state === 'refreshing'
    const isSame = isRefresh && before !== undefined && hasSameMembers(before, facts)
    roomQueue.settle(room, isSame ? before : facts)
    if (before === undefined || isSame) return
    if (isRefresh) {
      log.debug('The slow re-read found rows of a room that had changed unheard.', {
        kind: room.kind,
        id: room.id,
      })
      onUnheard?.({ kind: room.kind, id: room.id } as Place)
      for (const id of usersThatDiffer(before, facts)) userQueue.invalidate(users.get(id))
    }
    try {
      onRoom([room])
    } catch (error) {
      roomQueue.fail([room], error)
      failure = { error }
    }
  }

  function bounded(userId: UserId, rows: UserMemberships): UserMemberships {
    const { membershipsPerUserMax } = settings
    if (rows.groups.length + rows.conversations.length <= membershipsPerUserMax) return rows
    log.warn('A user has more memberships than membershipsPerUserMax; the rest is left out.', {
      userId,
      groups: rows.groups.length,
      conversations: rows.conversations.length,
    })
    const kept = rows.groups.slice(0, membershipsPerUserMax)
    return { groups: kept, conversations: rows.conversations.slice(0, membershipsPerUserMax - kept.length) }
  }

  function invalidate(stale: Exclude<Stale, 'all'>): void {
    for (const id of stale.users) userQueue.invalidate(users.get(id))
    for (const id of stale.groups) roomQueue.invalidate(groups.get(id))
    for (const id of stale.conversations) roomQueue.invalidate(conversations.get(id))
  }

  async function lookUp(userId: UserId): Promise<void> {
    const id = holdings.holdUser(userId)
    const user = users.get(id)
    try {
      if (user) await userQueue.load(user)
      for (const room of user?.value ?? []) roomQueue.invalidate(room)
    } catch (error) {
      log.warn('The rows of a user that the host named could not be read; the slow re-read will find them.', {
        userId,
        error,
      })
    } finally {
      holdings.releaseUser(id)
    }
  }

  return {
    pin: holdings.holdUser,
    unpin: holdings.releaseUser,
    async load(userId) {
      const user = users.get(userId)
      if (user) await userQueue.load(user)
      return user?.value ?? []
    },
    rooms: (userId) => users.get(userId)?.value,
    async readRoom({ kind, id }) {
      if (isClosed) throw new PresenceError('unavailable')
      const rooms = holdings.holdRooms({
        groups: kind === 'group' ? [id] : [],
        conversations: kind === 'conversation' ? [id] : [],
      })
      try {
        const [room] = rooms
        if (room) await roomQueue.load(room)
        return room?.value ?? 0
      } catch (error) {
        throw error instanceof PresenceError
          ? error
          : new PresenceError('unavailable', undefined, { cause: error })
      } finally {
        holdings.releaseRooms(rooms)
      }
    },
    invalidate(stale) {
      if (stale === 'all') {
        for (const user of users.values()) userQueue.invalidateLater(user)
        for (const rooms of [groups, conversations])
          for (const room of rooms.values()) roomQueue.invalidateLater(room)
        return
      }
      invalidate(stale)
    },
    changed(stale) {
      invalidate(stale)
      for (const userId of stale.users) if (!users.has(userId)) void lookUp(userId)
    },
    *heldRooms() {
      yield* groups.values()
      yield* conversations.values()
    },
    sizes: () => ({ heldUsers: users.size, heldRooms: groups.size + conversations.size }),
    close() {
      isClosed = true
      reread.close()
      turns.close()
      userQueue.close()
      roomQueue.close()
      unsettled.clear()
      holdings.clear()
    },
  }
}
