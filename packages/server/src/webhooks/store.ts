/** Where webhooks keep how far they have come, and where they read the trail. `startWebhooks` of `postgres` implements it. */
import type { ReadRow } from './events.js'

/** A row of the trail. */
export interface Place {
  readonly boot: string
  readonly day: string
  readonly position: number
}

/** How far an endpoint has come in one boot. */
export interface Position extends Place {
  readonly isEnded: boolean
}

/** An event on its way to an endpoint. */
export interface Delivery {
  readonly endpoint: string
  readonly sequence: number
  readonly id: string
  readonly userId: string | null
  readonly conversationId: string | null
  /** When it happened. Milliseconds since 1970. */
  readonly at: number
  readonly body: string
  readonly attempts: number
  /** When it is tried next. Milliseconds since 1970. */
  readonly nextAt: number
}

/** A webhook that could not be delivered. Times are milliseconds since 1970. */
export interface DeadLetter {
  /** Its `webhook-id`. */
  readonly id: string
  /** The name of the endpoint. */
  readonly endpoint: string
  /** When it happened. */
  readonly at: number
  /** When it was given up. */
  readonly deadAt: number
  readonly attempts: number
  /** Why the last attempt failed. */
  readonly failure: string
  /** The body of the request, as it was signed. */
  readonly body: string
}

export interface Advance {
  readonly endpoint: string
  readonly positions: readonly Position[]
  readonly deliveries: readonly Delivery[]
  readonly sequence: number
}

export interface WebhookStore {
  /** @throws Error with one sentence for the operator when there is no trail, or no table for webhooks. */
  check(): Promise<void>
  /** Takes or keeps the right to send for so long; false: another server has it. */
  lease(holder: string, forMs: number): Promise<boolean>
  release(holder: string): Promise<void>
  /** What is kept of an endpoint; undefined: it has never been sent to. */
  load(endpoint: string): Promise<
    | {
        readonly sequence: number
        readonly positions: readonly Position[]
        readonly waiting: readonly Delivery[]
      }
    | undefined
  >
  /** Boots that have facts on this day or later, with the first day on which they have. */
  boots(fromDay: string): Promise<readonly { readonly boot: string; readonly day: string }[]>
  /** The last row of a boot on this day or later. */
  last(boot: string, fromDay: string): Promise<ReadRow | undefined>
  /** After what to read, to know what was so at a position: before the first row of the last whole checkpoint. */
  checkpointBefore(place: Place): Promise<Place>
  /** Facts after a place, in order. Times are of the clock of the node; `settledMs`: only those that are so old. */
  read(after: Place, options: ReadOptions): Promise<readonly ReadRow[]>
  /** Adds deliveries and moves positions, or does nothing and says false: somebody else sends. */
  advance(advance: Advance, holder: string): Promise<boolean>
  delivered(delivery: Pick<Delivery, 'endpoint' | 'sequence'>): Promise<void>
  /** @param outcome.isDead It is not tried again. */
  failed(
    delivery: Pick<Delivery, 'endpoint' | 'sequence' | 'attempts' | 'nextAt'>,
    outcome: { readonly failure: string; readonly isDead: boolean },
  ): Promise<void>
  /** Dead letters that somebody wants to be sent again: from now on they wait. */
  takeResent(endpoints: readonly string[]): Promise<readonly Delivery[]>
  /** The newest first. `before`: the id of the last one of the page before. */
  deadLetters(page: {
    readonly limit: number
    readonly before?: string | undefined
  }): Promise<readonly DeadLetter[]>
  /** False: there is no such dead letter. */
  resend(id: string): Promise<boolean>
  /** Deletes dead letters that are older, and positions of boots that ended before the last day but one; counts the rest. */
  tidy(deadLettersMs: number): Promise<{ readonly deadLetters: number }>
  close(): Promise<void>
}

export interface ReadOptions {
  readonly limit: number
  readonly settledMs: number
  /** Not after this position. */
  readonly until?: number
}
