/**
 * What happened to people's sessions lately, and why: the last `transitionsMax` transitions of everybody, in a ring that
 * overwrites the oldest. Only explain.ts reads it.
 *
 * Hot path of a reconnect storm: a transition is a few stores into lists that are as long as they will be, and no object.
 * Ids are kept, never sessions: a session would keep its connection in memory.
 */
import type { SessionId, UserId } from '@vigie/protocol'
import type { Presence } from './inputs.js'

/** Why a user's sessions, or what others see of the user, became what they are. */
export type TransitionReason =
  /** A session began. */
  | 'connected'
  /** A session took over a lost one, within its grace. */
  | 'returned'
  /** A session took over one whose connection was still there: the same program connected again. */
  | 'replaced'
  /** A connection ended without a word; its session counts until its grace is over. */
  | 'lost'
  /** The grace of a lost session was over. */
  | 'grace_over'
  /** The client said that it goes, or disconnected by itself. */
  | 'left'
  /** The client logged its device out. */
  | 'logged_out'
  /** The host ended the session. */
  | 'kicked'
  /** The token of a session ended; the session counts until its grace is over. */
  | 'token_expired'
  /** The user had `sessionsPerUserMax` sessions: a connection was refused, or a lost session gave way to a new one. */
  | 'too_many_sessions'
  /** Another node said which devices the user has there, and others saw a difference. */
  | 'other_node'
  /** The re-attach grace of a node that died was over, and others saw a difference. */
  | 'node_lost'

/** Whose it is, with what others see now. */
interface Subject {
  readonly id: UserId
  readonly presence: Presence
}

/** The session that it is about. */
interface About {
  readonly id: SessionId
  readonly device: string
}

/** The world, as far as it matters here. */
interface Remembering {
  readonly transitions: Transitions
  readonly now: number
}

/** A transition as it is kept. */
export interface Transition {
  /** On the engine's clock. */
  readonly at: number
  readonly reason: TransitionReason
  /** Undefined for what other nodes did. */
  readonly session: About | undefined
  /** How many devices others saw from then on. */
  readonly count: number
}

/** The ring: one list for each field. */
export interface Transitions {
  readonly max: number
  /** The place of the next transition. */
  next: number
  /** How many of the last ones do not say yet what others see from then on. */
  unsettled: number
  readonly at: number[]
  readonly users: UserId[]
  readonly reasons: TransitionReason[]
  readonly sessions: (SessionId | undefined)[]
  readonly devices: (string | undefined)[]
  readonly counts: number[]
}

export function createTransitions(max: number): Transitions {
  return {
    max,
    next: 0,
    unsettled: 0,
    at: [],
    users: [],
    reasons: [],
    sessions: [],
    devices: [],
    counts: [],
  }
}

/** To be followed by {@link settleTransitions}, once it is known what others see from then on. */
export function noteTransition(
  { transitions: ring, now }: Remembering,
  { id, presence }: Subject,
  reason: TransitionReason,
  session?: About,
): void {
  if (ring.max === 0) return
  const place = ring.next
  ring.at[place] = now
  ring.users[place] = id
  ring.reasons[place] = reason
  ring.sessions[place] = session?.id
  ring.devices[place] = session?.device
  ring.counts[place] = presence.count
  ring.next = place + 1 === ring.max ? 0 : place + 1
  if (ring.unsettled < ring.max) ring.unsettled++
}

/** The person's presence was derived anew: it is what others see since the transitions that were just noted. */
export function settleTransitions({ transitions: ring }: Remembering, { id, presence }: Subject): void {
  for (let place = ring.next; ring.unsettled > 0; ring.unsettled--) {
    place = place === 0 ? ring.max - 1 : place - 1
    if (ring.users[place] === id) ring.counts[place] = presence.count
  }
}

/** Those of a user that are still in the ring, the newest first. Reads all of it: it is asked by operators. */
export function transitionsOf({ transitions: ring }: Remembering, userId: UserId): Transition[] {
  const found: Transition[] = []
  const { length } = ring.users
  for (let back = 1; back <= length; back++) {
    const place = (ring.next - back + length) % length
    if (ring.users[place] !== userId) continue
    const id = ring.sessions[place]
    const device = ring.devices[place]
    found.push({
      at: ring.at[place] ?? 0,
      reason: ring.reasons[place] ?? 'connected',
      session: id === undefined || device === undefined ? undefined : { id, device },
      count: ring.counts[place] ?? 0,
    })
  }
  return found
}
