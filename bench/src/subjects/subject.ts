import type postgres from 'postgres'
import type { Server } from 'socket.io'

/** What is compared. `floor` has no presence at all; `vigie-2-uws` is `vigie-2` on uWebSockets.js instead of ws. */
export const SUBJECTS = ['floor', 'seed', 'seed-picture', 'vigie-1', 'vigie-2', 'vigie-2-uws'] as const
export type SubjectName = (typeof SUBJECTS)[number]

/** A way to do presence, attached to a Socket.IO server. */
export interface Subject {
  readonly ready: Promise<void>
  /** Queries so far; `feed`: those that a change feed asks, once in so often, whether or not anybody is there. */
  queries(): { readonly reads: number; readonly feed: number }
}

export type Attach = (io: Server, sql: postgres.Sql) => Subject
