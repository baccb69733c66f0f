/**
 * Between the rows and the engine: the memberships of everybody who is needed, read in batches, read again when
 * they change, dropped when nobody needs them.
 */
import DataLoader from 'dataloader'
import type { ConversationId, GroupId, UserId } from '@vigie/protocol'
import {
  READ_BATCH_MAX,
  type KnownRooms,
  type Log,
  type Memberships,
  type RoomFacts,
  type RoomRows,
  type RoomsRead,
  type Settings,
  type Stale,
  type UserMemberships,
} from '../core/index.js'
import { createFresh, type Fresh } from './fresh.js'

export interface Directory {
  /** Reads what the user's rows say, and keeps it up to date until `unpin`, called as often as this. */
  pin(userId: UserId): void
  unpin(userId: UserId): void
  /**
   * What a pinned user's rows say, once what is under way has been read.
   * @throws PresenceError `unavailable`
   */
  load(userId: UserId): Promise<KnownRooms>
  /** What is known of a pinned user. */
  current(userId: UserId): KnownRooms | undefined
  /** Read again. */
  invalidate(stale: Stale): void
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
}

interface Pinned<Value> {
  pins: number
  readonly fresh: Fresh<Value>
}

const NONE: UserMemberships = { groups: [], conversations: [] }

export function createDirectory({ memberships, settings, log, onUser, onRoom }: DirectoryOptions): Directory {
  const users = new Map<UserId, Pinned<UserMemberships>>()
  const groups = new Map<GroupId, Pinned<RoomFacts>>()
  const conversations = new Map<ConversationId, Pinned<RoomFacts>>()

  const batching = {
    cache: false,
    maxBatchSize: READ_BATCH_MAX,
    batchScheduleFn: (dispatch: () => void) => setTimeout(dispatch, settings.readBatchMs),
  }
  const userLoader = new DataLoader<UserId, UserMemberships>(async (ids) => {
    const found = await memberships.readUsers(ids)
    onRead()
    return ids.map((id) => bounded(id, found.get(id) ?? NONE))
  }, batching)
  const roomLoader = new DataLoader<RoomKey, RoomFacts>(async (keys) => {
    const found = await readRooms(memberships, keys, settings.namesMax)
    return keys.map(({ kind, id }) =>
      factsOf(kind === 'group' ? found.groups.get(id) : found.conversations.get(id)),
    )
  }, batching)

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

  /** Said once for as long as the store is away: everybody's rows are read, and would say the same. */
  let isAway = false
  const onError = (error: unknown) => {
    if (isAway) return
    isAway = true
    log.warn('Memberships cannot be read now; those known stand, and new connections try again.', { error })
  }
  const onRead = () => {
    if (!isAway) return
    isAway = false
    log.info('Memberships can be read again.')
  }

  /** Holds the rooms of `rows`, and waits for those that are not known yet. */
  async function holdRooms(rows: UserMemberships): Promise<void> {
    const rooms = [
      ...rows.groups.map((id) => hold(groups, id, () => createRoom({ kind: 'group', id }))),
      ...rows.conversations.map((id) =>
        hold(conversations, id, () => createRoom({ kind: 'conversation', id })),
      ),
    ]
    const results = await Promise.allSettled(
      rooms.filter((room) => room.value === undefined).map((room) => room.load()),
    )
    const failed = results.find((result) => result.status === 'rejected')
    if (!failed) return
    releaseRooms(rows)
    throw failed.reason
  }

  function releaseRooms(rows: UserMemberships): void {
    for (const id of rows.groups) release(groups, id)
    for (const id of rows.conversations) release(conversations, id)
  }

  function createRoom(key: RoomKey): Fresh<RoomFacts> {
    return createFresh({
      read: () => roomLoader.load(key),
      onValue(facts, before) {
        if (before !== undefined) onRoom(roomOf(key, facts))
      },
      onError,
      retryMs: settings.readRetryMs,
    })
  }

  function createUser(userId: UserId): Fresh<UserMemberships> {
    let held = NONE
    let isClosed = false
    const fresh = createFresh<UserMemberships>({
      async read() {
        const rows = await userLoader.load(userId)
        await holdRooms(rows)
        // Nobody needs the user any more: what this read holds would be held for ever.
        if (isClosed) releaseRooms(rows)
        else {
          releaseRooms(held)
          held = rows
        }
        return rows
      },
      onValue: (rows) => {
        onUser(userId, known(rows))
      },
      onError,
      retryMs: settings.readRetryMs,
    })
    return {
      ...fresh,
      get value() {
        return fresh.value
      },
      close() {
        isClosed = true
        fresh.close()
        releaseRooms(held)
        held = NONE
      },
    }
  }

  function known(rows: UserMemberships): KnownRooms {
    return {
      groups: new Map(rows.groups.map((id) => [id, groups.get(id)?.fresh.value ?? NO_ROWS])),
      conversations: new Map(
        rows.conversations.map((id) => [id, conversations.get(id)?.fresh.value ?? NO_ROWS]),
      ),
    }
  }

  return {
    pin(userId) {
      hold(users, userId, () => createUser(userId)).start()
    },
    async load(userId) {
      const entry = users.get(userId)
      return entry ? known(await entry.fresh.load()) : known(NONE)
    },
    unpin(userId) {
      release(users, userId)
    },
    current(userId) {
      const rows = users.get(userId)?.fresh.value
      return rows && known(rows)
    },
    invalidate(stale) {
      if (stale === 'all') {
        for (const pinned of [users, groups, conversations])
          for (const { fresh } of pinned.values()) fresh.invalidate()
        return
      }
      for (const id of stale.users) users.get(id)?.fresh.invalidate()
      for (const id of stale.groups) groups.get(id)?.fresh.invalidate()
      for (const id of stale.conversations) conversations.get(id)?.fresh.invalidate()
    },
    close() {
      for (const { fresh } of users.values()) fresh.close()
      for (const pinned of [groups, conversations]) for (const { fresh } of pinned.values()) fresh.close()
      users.clear()
      groups.clear()
      conversations.clear()
    },
  }
}

type RoomKey =
  | { readonly kind: 'group'; readonly id: GroupId }
  | { readonly kind: 'conversation'; readonly id: ConversationId }

const NO_ROWS: RoomFacts = { members: 0 }

function factsOf(rows: RoomRows | undefined): RoomFacts {
  return rows ? { members: rows.members, roster: rows.roster } : NO_ROWS
}

function readRooms(
  memberships: Memberships,
  keys: readonly RoomKey[],
  rosterMax: number,
): Promise<RoomsRead> {
  const groups: GroupId[] = []
  const conversations: ConversationId[] = []
  for (const { kind, id } of keys) {
    if (kind === 'group') groups.push(id)
    else conversations.push(id)
  }
  return memberships.readRooms(groups, conversations, rosterMax)
}

function roomOf(key: RoomKey, facts: RoomFacts): KnownRooms {
  return {
    groups: new Map(key.kind === 'group' ? [[key.id, facts]] : []),
    conversations: new Map(key.kind === 'conversation' ? [[key.id, facts]] : []),
  }
}

function hold<Id, Value>(pinned: Map<Id, Pinned<Value>>, id: Id, create: () => Fresh<Value>): Fresh<Value> {
  const entry = pinned.get(id) ?? { pins: 0, fresh: create() }
  pinned.set(id, entry)
  entry.pins++
  return entry.fresh
}

function release<Id, Value>(pinned: Map<Id, Pinned<Value>>, id: Id): void {
  const entry = pinned.get(id)
  if (!entry || --entry.pins > 0) return
  pinned.delete(id)
  entry.fresh.close()
}
