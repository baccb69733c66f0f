/** What the HTTP API of `vigie serve` answers: each as the JSON has it. Times are milliseconds since 1970. */
import type { MetricFamily } from '../host/metric-families.js'
import type { Presence, RoomPresence } from '../core/index.js'
import type { ClientAudit } from '../host/server-api.js'

export type { Explanation } from '../core/index.js'
export type { ClientAudit, RoomPresence }
export type { AuditOnline, AuditPeak, AuditUser, AuditWhy, Hole as AuditHole } from '../trail/answers.js'
export type { DeadLetter } from '../webhooks/store.js'

/** A user, by the id that was asked for. Of somebody unknown: offline. */
export interface UserPresence extends Presence {
  readonly userId: string
}

/** A conversation that is held, in the list of the busiest. */
export interface BusyConversation {
  readonly id: string
  readonly mode: RoomPresence['mode']
  readonly members: number
  readonly online: number
  /** How many type. */
  readonly typing: number
}

/** How one server is. */
export interface Monitor {
  readonly node: string
  readonly version: string
  readonly startedAt: number
  readonly now: number
  readonly metrics: readonly MonitoredMetric[]
}

/** A {@link MetricFamily}. JSON has no Infinity: the last limit of a histogram, which is none, is null. */
export interface MonitoredMetric extends Omit<MetricFamily, 'samples'> {
  readonly samples: readonly MonitoredSample[]
}

export type MonitoredSample =
  | { readonly labels: Readonly<Record<string, string>>; readonly value: number }
  | {
      readonly labels: Readonly<Record<string, string>>
      readonly buckets: readonly (readonly [le: number | null, count: number])[]
      readonly sum: number
      readonly count: number
    }

/** Every error of the API: `application/problem+json`, RFC 9457. */
export interface Problem {
  /** Where the code is explained, from this server's own address. */
  readonly type: string
  readonly title: string
  readonly status: number
  /** What a program goes by. */
  readonly code: string
  readonly detail: string
}
