/** What a metric looks like to those who export it: Prometheus, OpenTelemetry, a page. */

export type MetricKind = 'counter' | 'gauge' | 'histogram'

export interface MetricFamily {
  /** Prometheus' spelling, the unit its ending: `presence_publish_seconds`. */
  readonly name: string
  readonly kind: MetricKind
  /** One sentence. */
  readonly help: string
  readonly samples: readonly MetricSample[]
}

export type MetricSample =
  | { readonly labels: Readonly<Record<string, string>>; readonly value: number }
  | {
      readonly labels: Readonly<Record<string, string>>
      /** How many were at most `le`, ascending; the last `le` is Infinity. */
      readonly buckets: readonly (readonly [le: number, count: number])[]
      readonly sum: number
      readonly count: number
    }
