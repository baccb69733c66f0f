/** Where the trail is kept, as far as the recorder needs it. `postgresTrail` implements it. */
import type { TrailRow } from './facts.js'

/** The last row of a boot. */
export interface Head {
  readonly boot: string
  readonly day: string
  readonly position: number
  readonly at: number
  readonly hash: string
}

/** A boot that has not said that it ended. */
export interface Unfinished extends Head {
  /** How long ago its last row was written, by the clock of the store. Milliseconds. */
  readonly silentMs: number
}

export interface TrailStore {
  /** The name of the node: its boots follow one another. */
  readonly node: string
  /** @throws Error with one sentence for the operator when there is no trail. */
  check(): Promise<void>
  /** Makes the partitions of these days (YYYY-MM-DD) where they are missing. */
  makeDays(days: readonly string[]): Promise<void>
  /**
   * Adds rows; those that are there are left as they are. Returns how many were new. `taken`: somebody has written
   * another row in the place of one of them, and none of them was added.
   * @throws when nothing, or perhaps all, was written: the same rows are written again.
   */
  write(rows: readonly TrailRow[]): Promise<number | 'taken'>
  /** The last boot of this node that is there. */
  lastBoot(): Promise<Head | undefined>
  /** Boots of this node that did not end as they should. */
  unfinished(): Promise<readonly Unfinished[]>
  close(): Promise<void>
}
