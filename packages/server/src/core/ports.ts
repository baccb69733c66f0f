/**
 * What the engine's shell needs from the world, in prose. Adapters (`memory`, `postgres`) implement these
 * and say only "See {@link Memberships}"; `testing/contracts` holds them to it.
 */
import type { ConversationId, GroupId, UserId } from '@vigie/protocol'
import { createHistogram, type Histogram } from './histogram.js'

/** The groups and conversations that one user's rows name, each once, in any order. */
export interface UserMemberships {
  readonly groups: readonly GroupId[]
  readonly conversations: readonly ConversationId[]
}

/** The rows of one group or conversation. */
export interface RoomRows {
  /** How many users they name, each once. */
  readonly members: number
  /** The users, in any order; absent when there are more than was asked for. */
  readonly roster?: readonly UserId[] | undefined
}

/** The rows of groups and conversations. One without rows is absent, or has 0 members. */
export interface RoomsRead {
  readonly groups: ReadonlyMap<GroupId, RoomRows>
  readonly conversations: ReadonlyMap<ConversationId, RoomRows>
}

/** What must be read again. `'all'`: everything, because what changed is not known any more. */
export type Stale =
  | 'all'
  | {
      readonly users: readonly UserId[]
      readonly groups: readonly GroupId[]
      readonly conversations: readonly ConversationId[]
    }

/**
 * Who is in which group and conversation. The rows are the only truth; this port reads them and says when
 * they changed.
 *
 * **Reading.** A read returns a state that was committed at some moment between its call and its answer. It
 * rejects with `PresenceError('unavailable')` when nobody answers, within `readTimeoutMs` where the adapter
 * has a connection; the caller decides when to ask again. Ids that the store cannot hold (a word where it
 * has integers) have no memberships; they are no error and do not harm the rest of a batch. The caller
 * batches: at most {@link READ_USERS_MAX} users or {@link READ_ROOMS_MAX} rooms a call, and one call at a time.
 * Further reads wait for its end, so a store that may never answer needs a time limit of its own.
 *
 * **Changes.** After `open` resolved, every committed change is followed by a call of `onStale` that names at
 * least the users and rooms whose rows it touched, within a second while the store answers. The call may name
 * more, may repeat itself, and carries no content: it means "read again". A read that *starts* after the call
 * sees the change. A change that the store cannot tell (rows that change with time alone) is found by the slow re-read
 * (`rereadMs`), whatever the adapter. While the store is away nothing is called; when it is back all that was missed follows, or
 * `'all'`. The listener never throws.
 *
 * **Ending.** `close` ends what `open` started, waits for it, may be called twice, and leaves a pool that was
 * handed in open.
 */
export interface Memberships {
  /**
   * Starts the change feed.
   * @throws Error with one sentence for the operator when the store cannot serve at all (no tables, wrong version).
   */
  open(onStale: (stale: Stale) => void): Promise<void>
  /** One entry for each asked user who has rows; others may be absent. */
  readUsers(ids: readonly UserId[]): Promise<ReadonlyMap<UserId, UserMemberships>>
  /** Members of each room, named up to `rosterMax` of them. */
  readRooms(
    groups: readonly GroupId[],
    conversations: readonly ConversationId[],
    rosterMax: number,
  ): Promise<RoomsRead>
  /**
   * The one spelling that the store gives an id back in, for an id as a client or the host wrote it: UUIDs in small
   * letters where the column is one. Without it ids are taken as they come. Asked after `open` has resolved; to ask
   * again with the answer changes nothing.
   */
  spelling?(kind: IdKind, id: string): string
  /** What its change feed has done, for metrics. Absent where there is no feed. */
  feed?(): FeedCounts | undefined
  close(): Promise<void>
}

/** What a change feed has done since it was opened. The numbers grow. */
export interface FeedCounts {
  polls: number
  failedPolls: number
  /** Ids that it told to be read again. */
  changes: number
  /** How often it told that everything is to be read again, because what changed was not known any more. */
  overruns: number
  /** Since when, on the clock of `performance.now()`, everything that was committed has been told. */
  completeAt: number
  /** Seconds from the writing of a row to the poll that told it, by the clock of the store: the oldest of each poll. */
  readonly lagSeconds: Histogram
}

/** What the recorder of the audit trail has done since it was opened, and what waits. */
export interface TrailCounts {
  /** Rows that were written. Grows. */
  readonly written: number
  /** Facts that are missing in the trail, which says so. Grows. */
  readonly dropped: number
  /** Facts that are to be written. */
  readonly waiting: number
  /** Attempts to write that failed. Grows. */
  readonly failures: number
  /** How long the oldest fact has waited. Milliseconds. */
  readonly lagMs: number
}

/** Limits of the buckets of {@link FeedCounts.lagSeconds}. A change is promised within a second. */
export const FEED_LAG_LIMITS_S: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]

export function createFeedCounts(now: number): FeedCounts {
  return {
    polls: 0,
    failedPolls: 0,
    changes: 0,
    overruns: 0,
    completeAt: now,
    lagSeconds: createHistogram(FEED_LAG_LIMITS_S),
  }
}

/** Whose id it is. */
export type IdKind = 'user' | 'group' | 'conversation'

/** The id as the store spells it; see {@link Memberships.spelling}. */
export type Spell = <Id extends string>(kind: IdKind, id: Id) => Id

/** Limits of the buckets of how long one read takes. */
export const READ_LIMITS_S: readonly number[] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** Most users that one call of `readUsers` may carry. */
export const READ_USERS_MAX = 1_000
/** Most groups and conversations, together, that one call of `readRooms` may carry. */
export const READ_ROOMS_MAX = 5_000

/** Where sentences for operators go. `fields` are plain data; an `error` field holds what was thrown. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** Says nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
