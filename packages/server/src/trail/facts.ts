/**
 * What the audit trail records: facts, in the order in which they happened on one boot. Online and offline are not among
 * them: they are derived when the trail is read. See docs/decisions/audit-trail.md.
 */
import type { ConversationId, GroupId, SessionId, UserId } from '@vigie/protocol'
import type { TransitionReason } from '../core/index.js'

/** Of a session: `live`, or `lost` and still counted until its grace is over, or `ended`. */
export type SessionState = 'live' | 'lost' | 'ended'

/** JSON that tells more of a fact. */
export type Detail = Readonly<Record<string, unknown>>

export type Fact =
  /** A session is in this state from now on. A user is online as long as one is `live` or `lost`. */
  | {
      readonly kind: 'session'
      readonly state: SessionState
      /** `checkpoint`: nothing happened; it is repeated. */
      readonly reason: TransitionReason | 'checkpoint'
      readonly userId: UserId
      readonly sessionId: SessionId
      /** The key of the device, by which devices of one user are counted once. */
      readonly device: string
      /** `since`: when the device came, milliseconds since 1970. */
      readonly detail?: Detail
    }
  /** A user's own rows name these rooms from now on, as far as this node has seen it. Written while the user has sessions. */
  | {
      readonly kind: 'rooms'
      readonly reason: 'seen' | 'changed' | 'checkpoint'
      readonly userId: UserId
      readonly groups: readonly GroupId[]
      readonly conversations: readonly ConversationId[]
    }
  /** Only if asked for. */
  | {
      readonly kind: 'typing'
      readonly state: 'live' | 'ended'
      readonly userId: UserId
      readonly conversations: readonly ConversationId[]
    }
  /** A connection was not let in, or a message not taken; `reason`: the code of the error. */
  | {
      readonly kind: 'refused' | 'limit'
      readonly reason: string
      readonly userId?: UserId
      readonly sessionId?: SessionId
      readonly detail?: Detail
    }
  /** Somebody asked for it: the host's own code, or a key of the HTTP API by its fingerprint (`detail.by`). */
  | { readonly kind: 'act'; readonly reason: string; readonly userId?: UserId; readonly detail: Detail }
  /**
   * Of the node itself.
   *
   *   start       the first fact of a boot; `detail`: node, options in force, `host` (what the host says of itself), and
   *               `previous` (the node's last boot)
   *   stop        it drains: it lets go of everybody, whose sessions end with it; it has ended as it should
   *   death       written for a boot that did not say `stop`, by its node's next start; all sessions ended with it.
   *               `detail.lastAt`: of its last fact; between the two nothing is known
   *   alive       nothing else was written for a while
   *   hole        so many facts were not kept; `detail`: `count`, `from` and `until` (milliseconds since 1970)
   *   checkpoint  everything that was so at this moment has just been repeated; `detail.from`: the position of the first of
   *               it. Each boot begins each day with one, and follows each hole by one
   */
  | {
      readonly kind: 'start' | 'stop' | 'death' | 'alive' | 'hole' | 'checkpoint'
      readonly detail?: Detail
    }

export type FactKind = Fact['kind']

/** A fact with its place in the trail. */
export interface Entry {
  readonly fact: Fact
  /** Counts from 1 within the boot. */
  readonly position: number
  /** Milliseconds since 1970; never before that of the position before it. */
  readonly at: number
}

/** A row of `vigie.trail`, as it is written and read; binary values are hexadecimal. */
export interface TrailRow {
  /** YYYY-MM-DD, of `at` in UTC. */
  readonly day: string
  readonly boot: string
  readonly position: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly kind: FactKind
  readonly state: string | null
  readonly reason: string | null
  readonly userId: string | null
  readonly sessionId: string | null
  readonly device: string | null
  readonly groups: readonly string[] | null
  readonly conversations: readonly string[] | null
  /** JSON, kept as text: its hash is of these bytes. */
  readonly detail: string | null
  /** 16 bytes; null: an erasure has emptied the row. */
  readonly salt: string | null
  readonly commitment: string
  readonly hash: string
}
