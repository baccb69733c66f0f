import type { Position } from './sync.js'

/**
 * Protocol 2: the server asks a client for a digest of its picture, to find clients that show something wrong. How each
 * number is made is described in docs/protocol.md, with an example to test against.
 */

/** Most rooms of one answer, and so of a session that is asked. An answer with more is not read. */
export const DIGEST_ROOMS_MAX = 2_000

export interface DigestQuestion {
  /** Another one each time: it goes into each hash, so that an earlier answer is no answer. */
  readonly nonce: string
}

/** Hashes are whole numbers from 0 to 4,294,967,295. */
export interface DigestAnswer {
  /** The last `at` that was folded in; null: none was. */
  readonly at: Position | null
  /** One hash for each group and each conversation, in any order. */
  readonly rooms: readonly number[]
  /** Of the people who are known and in no roster: those who are watched. */
  readonly others: number
  /** Of the user's own devices. */
  readonly devices: number
}
