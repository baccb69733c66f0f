import type postgres from 'postgres'
import type { Server } from 'socket.io'

/** What is compared. `floor` has no presence at all. */
export const SUBJECTS = ['floor', 'seed', 'seed-picture', 'vigie-1', 'vigie-2'] as const
export type SubjectName = (typeof SUBJECTS)[number]

/** A way to do presence, attached to a Socket.IO server. */
export interface Subject {
  readonly ready: Promise<void>
  /** Queries so far; `feed`: those that a change feed asks whether or not anybody is there. */
  queries(): { readonly reads: number; readonly feed: number }
}

export type Attach = (io: Server, sql: postgres.Sql) => Subject
