/**
 * What the engine's shell needs from the world, in prose. Adapters (`memory`, `postgres`) implement these
 * and say only "See {@link Memberships}"; `testing/contracts` holds them to it.
 */
import type { ConversationId, GroupId, UserId } from '@vigie/protocol'

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
  /**
   * How long ago the store last said what has changed, or that nothing has, in milliseconds; undefined before it first
   * did. Without it, or where the host turned the feed off, nobody can say that the feed is late.
   */
  feedAgeMs?(): number | undefined
  close(): Promise<void>
}

/** Whose id it is. */
export type IdKind = 'user' | 'group' | 'conversation'

/** The id as the store spells it; see {@link Memberships.spelling}. */
export type Spell = <Id extends string>(kind: IdKind, id: Id) => Id

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
