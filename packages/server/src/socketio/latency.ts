/**
 * How long it takes until people are told of a change, measured while the server runs: from its receipt to the last
 * write of a frame that tells it.
 *
 * Only a sample is followed: one change at a time for each level, and not more than one in {@link SAMPLE_GAP_MS}. Its
 * recipients are noted once, when it happens. Each is taken off when it is written; that asks no clock. The clock is
 * asked when the last is taken off. A change that is not followed costs two comparisons, and a write one.
 * See docs/decisions/live-latency.md.
 */
import type { ConversationId, UserId } from '@vigie/protocol'
import type { DueSession, Effect } from '../core/index.js'
import { LEVELS, type Level, type ShellCounts } from '../host/shell-counts.js'

/** After a change was followed, changes of the same level are left alone for this long. Milliseconds. */
export const SAMPLE_GAP_MS = 250
/** A change that some recipient was not told for this long is counted as late as that. Longer than the widest window. */
export const SAMPLE_MAX_MS = 10_000
/** A connection that has not become a session for this long is followed no longer. Longer than `admissionWaitMs`. */
export const ARRIVAL_MAX_MS = 60_000

/** A way out of a session, as far as it is followed. */
export interface Followed {
  /** One bit for each level of which it has still to be told; 0 nearly always. */
  followed: number
  readonly state: 'open' | 'waiting' | 'writing' | 'corked' | 'closed'
}

/** A change that is followed. */
interface Sample {
  readonly startedAt: number
  readonly outlets: readonly Followed[]
  remaining: number
  /** Whether somebody was told: otherwise it has changed back, or all recipients have gone. */
  isTold: boolean
}

export interface Latency {
  /** A connection has come and is about to be checked. Returns when, by the clock. */
  arrived(key: object): number
  /** It was refused, or has gone. */
  refused(key: object): void
  /** It becomes a session of the user: its first picture, and what others are told of it, are measured from its arrival. */
  connects(key: object, userId: UserId, arrivedAt: number, outlet: Followed): void
  /** The engine has heard of that session. */
  connected(): void
  /** A change, before anybody is told. */
  changed(effect: Effect): void
  /**
   * Call it if `outlet.followed` is not 0: what was pending was taken and written; or (`isTold` is false) there was
   * nothing to tell, the session has ended, or its connection cannot be written now. It is waited for no longer.
   */
  written(outlet: Followed, isTold: boolean): void
  /** To be called now and then. */
  look(): void
}

interface LatencyOptions {
  /** Milliseconds, monotonic, with those in which the process stood still. */
  readonly clock: () => number
  /** The engine's time. */
  readonly now: () => number
  readonly viewers: (userId: UserId, kind: 'group' | 'conversation') => readonly DueSession[]
  readonly members: (conversationId: ConversationId, typistId: UserId) => readonly DueSession[]
  readonly counts: Pick<ShellCounts, 'publishSeconds'>
}

const NONE = -Infinity

type Recipient = Pick<DueSession, 'outlet'>

export function createLatency({ clock, now, viewers, members, counts }: LatencyOptions): Latency {
  const samples: (Sample | undefined)[] = LEVELS.map(() => undefined)
  /** When the last change of each level was followed, by the engine's time. */
  const followedAt = LEVELS.map(() => NONE)
  /** The connection whose first picture is followed; weak, because nobody says so when one goes before it is a session. */
  let arriving: WeakRef<object> | undefined
  let arrivingSince = 0
  /** The user whose session the engine is about to hear of, and since when. */
  let connectingUser: UserId | undefined
  let connectingSince = 0

  function isFree(level: Level, at: number): boolean {
    const place = LEVELS.indexOf(level)
    return samples[place] === undefined && at - (followedAt[place] ?? NONE) >= SAMPLE_GAP_MS
  }

  function follow(level: Level, startedAt: number, recipients: readonly Recipient[]): void {
    const place = LEVELS.indexOf(level)
    const outlets: Followed[] = []
    for (const recipient of recipients) {
      const outlet = recipient.outlet as Followed
      // A connection that could not be written when it was last tried is not waited for.
      if (outlet.state !== 'open' && outlet.state !== 'corked') continue
      outlet.followed |= 1 << place
      outlets.push(outlet)
    }
    if (outlets.length === 0) return
    followedAt[place] = now()
    samples[place] = { startedAt, outlets, remaining: outlets.length, isTold: false }
  }

  function takeOff(outlet: Followed, isTold: boolean): void {
    const { followed } = outlet
    outlet.followed = 0
    for (let place = 0; place < samples.length; place++) {
      const sample = samples[place]
      if (!sample || (followed & (1 << place)) === 0) continue
      sample.isTold ||= isTold
      if (--sample.remaining === 0) finish(place, sample)
    }
  }

  function finish(place: number, { startedAt, isTold }: Sample): void {
    samples[place] = undefined
    const level = LEVELS[place]
    if (isTold && level) counts.publishSeconds[level].observe(Math.max(0, clock() - startedAt) / 1_000)
  }

  /** What has come to the engine late, the end of a grace say, counts from when it was due. */
  function receivedAt(userId: UserId, at: number): number {
    return userId === connectingUser ? connectingSince : clock() - (now() - at)
  }

  return {
    arrived(key) {
      const at = clock()
      if (arriving?.deref() === undefined && isFree('first_picture', now())) {
        arriving = new WeakRef(key)
        arrivingSince = at
      }
      return at
    },
    refused(key) {
      if (arriving?.deref() === key) arriving = undefined
    },
    connects(key, userId, arrivedAt, outlet) {
      connectingUser = userId
      connectingSince = arrivedAt
      if (arriving?.deref() !== key) return
      arriving = undefined
      follow('first_picture', arrivedAt, [{ outlet }])
    },
    connected() {
      connectingUser = undefined
    },
    changed(effect) {
      if (effect.type === 'presence') {
        const { userId, at } = effect
        for (const level of ['group', 'conversation'] as const)
          if (isFree(level, at)) follow(level, receivedAt(userId, at), viewers(userId, level))
      } else if (effect.type === 'typing' && isFree('typing', effect.at)) {
        const { userId, conversationId, at } = effect
        follow('typing', clock() - (now() - at), members(conversationId, userId))
      }
    },
    written: takeOff,
    look() {
      const time = clock()
      if (arriving !== undefined && time - arrivingSince > ARRIVAL_MAX_MS) arriving = undefined
      for (const [place, sample] of samples.entries()) {
        if (!sample || time - sample.startedAt < SAMPLE_MAX_MS) continue
        for (const outlet of sample.outlets) outlet.followed &= ~(1 << place)
        finish(place, { ...sample, isTold: true })
      }
    },
  }
}
