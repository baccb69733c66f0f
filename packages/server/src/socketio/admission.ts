/**
 * The gate before the checks of a connection. A storm is let in as fast as the event loop keeps up: so many at a
 * time, and while the loop is late only one by one. The others wait in order of coming, and a connection that has waited too
 * long is sent away, to come back at a time of its own.
 *
 * It has no clock and no timer: time and lateness are asked for, and `look` is called at each beat of the loop.
 */
import type { Settings } from '../core/index.js'

/** One connection at the gate. */
export interface Turn {
  /** Whether it still waits, its checks may run, or it was sent away; `over`: through, or gone. */
  readonly state: 'waits' | 'admitted' | 'sentAway' | 'over'
  /**
   * Called once when it waits no longer and has not left by itself: it is admitted now, or sent away. The gate lets go of
   * it then, and of the connection that it knows.
   */
  decided: (() => void) | undefined
}

export interface Gate {
  /** A connection comes, and is admitted at once or waits. Undefined: as many as may wait do. */
  enter(): Turn | undefined
  /** Its checks are done, or it has gone: somebody else may come forward. */
  leave(turn: Turn): void
  /** To be called at each beat of the loop: nobody waits longer than they may, and at least one comes forward. */
  look(): void
  /**
   * How long the oldest of those who were not admitted at once has been at the gate, until it is through, in
   * milliseconds; undefined: nobody was held back.
   */
  delayMs(): number | undefined
  /** How many wait. */
  readonly waiting: number
  /** Admits everybody who waits: from now on nobody looks. */
  open(): void
}

interface GateOptions {
  readonly settings: Pick<Settings, 'admittingMax' | 'pendingMax' | 'admissionLagMs' | 'admissionWaitMs'>
  /** Milliseconds, monotonic; those in which the process stood still count: the people outside wait through them. */
  readonly now: () => number
  /** How late the event loop is, in milliseconds. */
  readonly lateMs: () => number
}

type Entry = { -readonly [Name in keyof Turn]: Turn[Name] } & { readonly cameAt: number }

/** Entries taken from the front of the queue are removed in pieces of at least this many: each removal copies the rest. */
const SWEEP_MIN = 1_024

export function createGate({ settings, now, lateMs }: GateOptions): Gate {
  /** In order of coming, from `front` on; those who have gone meanwhile are passed over. */
  let line: Entry[] = []
  let front = 0
  let waiting = 0
  let admitting = 0
  /** Admitted after a wait and not through yet, in order of coming. */
  const held = new Set<Entry>()

  function first(): Entry | undefined {
    while (line[front]?.state === 'over') front++
    if (front >= SWEEP_MIN && 2 * front >= line.length) {
      line = line.slice(front)
      front = 0
    }
    return line[front]
  }

  function decide(entry: Entry, state: 'admitted' | 'sentAway'): void {
    front++
    waiting--
    entry.state = state
    if (state === 'admitted') {
      admitting++
      held.add(entry)
    }
    const { decided } = entry
    entry.decided = undefined
    decided?.()
  }

  function hasRoom(): boolean {
    return admitting < settings.admittingMax && lateMs() <= settings.admissionLagMs
  }

  function admitWhileRoom(): void {
    for (let entry = first(); entry && hasRoom(); entry = first()) decide(entry, 'admitted')
  }

  return {
    enter() {
      if (waiting + admitting >= settings.pendingMax) return undefined
      const isAtOnce = waiting === 0 && hasRoom()
      const entry: Entry = { state: isAtOnce ? 'admitted' : 'waits', decided: undefined, cameAt: now() }
      if (isAtOnce) admitting++
      else {
        waiting++
        line.push(entry)
      }
      return entry
    },
    leave(turn) {
      const entry = turn as Entry
      if (entry.state === 'waits') waiting--
      else if (entry.state === 'admitted') {
        admitting--
        held.delete(entry)
      }
      entry.state = 'over'
      entry.decided = undefined
      admitWhileRoom()
    },
    look() {
      const latest = now() - settings.admissionWaitMs
      for (let entry = first(); entry && entry.cameAt <= latest; entry = first()) decide(entry, 'sentAway')
      // However late the loop is: a bound that it never comes under would otherwise keep everybody out.
      const next = first()
      if (next && admitting < settings.admittingMax) decide(next, 'admitted')
      admitWhileRoom()
    },
    delayMs() {
      const [oldest = first()] = held
      return oldest && now() - oldest.cameAt
    },
    get waiting() {
      return waiting
    },
    open() {
      for (let entry = first(); entry; entry = first()) decide(entry, 'admitted')
    },
  }
}
