/** How much one read of memberships asks for, and how soon the next follows: few, full reads in a storm. */
import { READ_ROOMS_MAX, READ_USERS_MAX } from '../core/index.js'

/** So many rows of the store one read may be about: neither the store nor the loop is held up by it. */
const ROWS_PER_READ = 50_000
/** Users or rooms of the first read, when nothing is known of their size. */
const FIRST_READ = 500
/** What a read may ask for whatever came back before. */
const SMALLEST_READ = 50

/** How many users, or rooms, the next read may ask for. */
export interface Pace {
  readonly most: number
  /** So many were asked for, and so many rows were found. */
  fit(asked: number, rows: number): void
  /** A read has failed, maybe because it was too large to be answered in time. */
  shrink(): void
}

export function usersPerRead(): Pace {
  return createPace(READ_USERS_MAX)
}

export function roomsPerRead(): Pace {
  return createPace(READ_ROOMS_MAX)
}

function createPace(limit: number): Pace {
  let most = FIRST_READ
  return {
    get most() {
      return most
    },
    fit(asked, rows) {
      const fitting = Math.floor((ROWS_PER_READ * asked) / Math.max(rows, 1))
      most = Math.min(Math.max(fitting, SMALLEST_READ), limit)
    },
    shrink() {
      most = Math.max(Math.floor(most / 2), SMALLEST_READ)
    },
  }
}

/** Above so many users in a turn, the pause after it grows with their number. */
const ORDINARY_TURN = 10
/** However many come: a change of rows is live within a second. */
const PAUSE_MAX_MS = 150

/**
 * Milliseconds between a turn with so many users and the next. A single connection waits `waitMs`; in a storm the
 * pause grows, so that the next turn is about many, and a seventh of a second is nothing to wait there.
 */
export function pauseAfter(users: number, waitMs: number): number {
  return Math.max(waitMs, Math.min((waitMs * users) / ORDINARY_TURN, PAUSE_MAX_MS))
}

/** The first pause after a read that has failed; it doubles with each that follows, up to `readRetryMs`. */
const FIRST_PAUSE_MS = 100

/** What a turn was like. */
interface Turn {
  /** The pause after it while all is well. */
  readonly pauseMs: number
  readonly tookMs: number
  readonly hasFailed: boolean
  /** How many still wait to be read. */
  readonly left: number
}

/** Spares a store that has failed: it may have failed because it is overloaded. */
export interface Recovery {
  /** From a failure until all that had to be read again was read. */
  readonly isOn: boolean
  /** How long to wait before the next turn, in milliseconds. */
  pauseAfter(turn: Turn): number
}

/**
 * While reads fail, they are tried less and less often. Afterwards everything has to be read again: the store has as long
 * a rest after each read as the read took, so that half of its time at most goes into catching up.
 */
export function createRecovery(pauseMaxMs: number): Recovery {
  let failures = 0
  let isOn = false
  return {
    get isOn() {
      return isOn
    },
    pauseAfter({ pauseMs, tookMs, hasFailed, left }) {
      if (hasFailed) {
        isOn = true
        return Math.max(pauseMs, Math.min(FIRST_PAUSE_MS * 2 ** failures++, pauseMaxMs))
      }
      failures = 0
      if (!isOn) return pauseMs
      isOn = left > 0
      return Math.max(pauseMs, tookMs)
    },
  }
}
