/**
 * What the engine has done since it was made, as numbers that only grow: for metrics. A count on the hot path is one
 * increment. They are read together, by {@link Engine.counts}; nothing in the engine asks for them.
 */

export interface Counts {
  /** News of a person of whom news was pending already: both are told as one. */
  coalesced: number
  /** Sessions that were due and had nothing to be told: everything had changed back. */
  unchanged: number
  /** News that was left out because the session may not see its subject any more. */
  hidden: number
  /** Typing that was repeated: the lease is renewed, and nobody is told. */
  repeated: number
  /** Lost sessions that came back within their grace. */
  returned: number
  /** Lost sessions whose grace was over. */
  expired: number
  /** First pictures of clients that had none. */
  firstNew: number
  /** First pictures that held only what had changed since the client's own. */
  firstContinued: number
  /** Whole pictures for clients that had one which could not be continued. */
  firstOutdated: number
}

export function createCounts(): Counts {
  return {
    coalesced: 0,
    unchanged: 0,
    hidden: 0,
    repeated: 0,
    returned: 0,
    expired: 0,
    firstNew: 0,
    firstContinued: 0,
    firstOutdated: 0,
  }
}
