/** What the questions about the past are answered. Times are milliseconds since 1970. */

/**
 * The trail does not know what happened on a node between `from` and `to`, and what is answered of that time may be wrong.
 *
 *   before_trail     nothing is kept of so long ago, or nothing was recorded then
 *   not_kept         the boot was running already when what is kept of it begins
 *   overflow         PostgreSQL was away for longer than facts could wait
 *   killed           the node was killed; what it had not written yet is lost
 *   silent           the boot has written nothing for a while, and nobody has said that it ended
 *   not_written_yet  facts of a running boot are written within seconds: ask again
 */
export interface Hole {
  /** Null: since ever. */
  readonly from: number | null
  /** Not included. Null: it is not over. */
  readonly to: number | null
  /** Null: it is of all boots. */
  readonly boot: string | null
  readonly why: HoleReason
}

export const HOLE_REASONS = [
  'before_trail',
  'not_kept',
  'overflow',
  'killed',
  'silent',
  'not_written_yet',
] as const
export type HoleReason = (typeof HOLE_REASONS)[number]

/** What every answer says of how far it can be relied on. */
export interface Reliability {
  /** Empty: the answer is exact. */
  readonly holes: readonly Hole[]
  /** How many erasures emptied rows of these days. Those people are missing in the answer. */
  readonly erasures: number
}

/** A device that a user was online with. */
export interface OnlineDevice {
  /** As the client gave it; `~` and the id of the session, where it gave none. */
  readonly deviceId: string
  /** `lost`: all its connections were gone, and the grace was running. */
  readonly state: 'live' | 'lost'
  /** When it came, if it is known. */
  readonly since: number | null
}

export interface OnlineUser {
  readonly userId: string
  /** How many devices. */
  readonly count: number
  readonly devices: readonly OnlineDevice[]
}

/** Who of a room was online at an instant, by presence and by membership of then. */
export interface AuditOnline extends Reliability {
  readonly kind: 'group' | 'conversation'
  readonly id: string
  readonly at: number
  /** In the order of their ids. */
  readonly users: readonly OnlineUser[]
}

/** A time that something lasted, and why it began and ended. */
export interface Interval {
  readonly from: number
  /** Not included. */
  readonly to: number
  /** The reason of the fact that began it; null: it lasted already at the beginning of the time that was asked for. */
  readonly began: string | null
  /** The reason of the fact that ended it; null: it lasted on. */
  readonly ended: string | null
}

export interface DeviceInterval extends Interval {
  readonly deviceId: string
}

/** When a user was online. */
export interface AuditUser extends Reliability {
  readonly userId: string
  readonly from: number
  readonly to: number
  /** In order; they neither touch nor overlap. */
  readonly intervals: readonly Interval[]
  /** The same for each device, in the order of `from`. */
  readonly devices: readonly DeviceInterval[]
}

/** The most at one time. */
export interface Peak {
  readonly count: number
  /** Since when it was so many, the first time; null: nobody was online. */
  readonly at: number | null
}

export interface AuditPeak extends Reliability {
  /** YYYY-MM-DD, in UTC. */
  readonly day: string
  readonly users: Peak
  readonly devices: Peak
}

/** A row of the trail, as far as it tells of a user. */
export interface AuditFact {
  readonly at: number
  readonly boot: string
  readonly kind: string
  readonly state: string | null
  readonly reason: string | null
  readonly sessionId: string | null
  readonly deviceId: string | null
  readonly groups: readonly string[] | null
  readonly conversations: readonly string[] | null
  readonly detail: Readonly<Record<string, unknown>> | null
}

/** Why a user was online or offline at an instant. */
export interface AuditWhy extends Reliability {
  readonly userId: string
  readonly at: number
  readonly online: boolean
  readonly count: number
  readonly devices: readonly OnlineDevice[]
  /**
   * What made the user online or offline. `unknown`: it happened in a hole. Null: it began before the day of `at`, or the
   * trail does not tell.
   */
  readonly because: { readonly at: number; readonly reason: string } | null
  /** The latest facts about the user until then, the last one last; checkpoints are left out. */
  readonly facts: readonly AuditFact[]
}
