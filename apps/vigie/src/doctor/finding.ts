/** What `vigie doctor` has to say of one thing that is wrong. */

/** What is looked at. */
export type Subject = 'configuration' | 'database' | 'outside'

export interface Finding {
  readonly subject: Subject
  /** Stays the same from version to version: scripts may act by it. docs/operations.md lists them. */
  readonly code: string
  /** What is wrong, with which thing: a sentence. */
  readonly what: string
  /** What follows from it: a sentence. */
  readonly follows: string
  /** What to do about it: a sentence. */
  readonly todo: string
}

/** A subject that could not be looked at to the end. */
export interface Unseen {
  readonly subject: Subject
  readonly why: string
  /** Whether it was asked for and failed. Otherwise there was nothing to look at. */
  readonly isFailure: boolean
}
