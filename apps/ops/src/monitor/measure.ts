/**
 * Numbers out of what the server counts: rates and quantiles are differences of two looks, because a counter starts with
 * its process and an operator asks about now. Pure: time comes with the looks.
 */
import type { MonitoredMetric, MonitoredSample } from '@vigie/server/http'

/** What the server said at one moment. */
export interface Look {
  /** When it came, by this device's clock: where it stands in a chart. */
  readonly at: number
  /** When it was true, by the server's clock: what rates divide by, so that a slow line does not bend them. */
  readonly serverAt: number
  /** Which process said it: its counters are its own. */
  readonly process: string
  readonly families: ReadonlyMap<string, MonitoredMetric>
}

/** How a number of a chart is made. `labels` chooses samples; several that fit are folded into one number. */
export type Source =
  | {
      readonly kind: 'value'
      readonly family: string
      readonly labels?: Readonly<Record<string, string>>
      readonly fold: 'sum' | 'highest'
    }
  | { readonly kind: 'rate'; readonly family: string; readonly labels?: Readonly<Record<string, string>> }
  | {
      readonly kind: 'quantile'
      readonly family: string
      readonly labels?: Readonly<Record<string, string>>
      readonly quantile: number
    }

/** Latencies are of this long: within a few seconds there may be ten events, and a p99 of ten says nothing. */
export const LATENCY_WINDOW_MS = 60_000

/**
 * The number now; null where there is none to tell.
 * @param run Looks at one process without a gap, oldest first, the last one being now.
 */
export function measure(source: Source, run: readonly Look[]): number | null {
  const current = run.at(-1)
  if (current === undefined) return null
  switch (source.kind) {
    case 'value':
      return valueOf(source, current)
    case 'rate': {
      const previous = run.at(-2)
      return previous === undefined ? null : rateOf(source, previous, current)
    }
    case 'quantile': {
      const start = run.find(({ serverAt }) => current.serverAt - serverAt <= LATENCY_WINDOW_MS)
      return start === undefined || start === current ? null : quantileOf(source, start, current)
    }
  }
}

function valueOf(source: Source & { kind: 'value' }, look: Look): number | null {
  const values = plainValues(source, look)
  if (values.length === 0) return null
  return source.fold === 'sum' ? sum(values) : Math.max(...values)
}

/** A second. Null over a counter that went back: the process was replaced, and what it counted in between is unknown. */
function rateOf(source: Source & { kind: 'rate' }, before: Look, after: Look): number | null {
  const seconds = (after.serverAt - before.serverAt) / 1_000
  const counted = plainValues(source, after)
  if (seconds <= 0 || counted.length === 0) return null
  const difference = sum(counted) - sum(plainValues(source, before))
  return difference < 0 ? null : difference / seconds
}

function quantileOf(source: Source & { kind: 'quantile' }, before: Look, after: Look): number | null {
  const buckets = differences(bucketsOf(source, before), bucketsOf(source, after))
  return buckets === undefined ? null : quantileIn(buckets, source.quantile)
}

/** Ascending limits, each with how many were at most that; the last limit is Infinity. */
type Buckets = readonly (readonly [limit: number, count: number])[]

/** What was counted between the two; undefined where a count went back. */
function differences(before: Buckets, after: Buckets): Buckets | undefined {
  const earlier = new Map(before)
  const between = after.map(([limit, count]) => [limit, count - (earlier.get(limit) ?? 0)] as const)
  return between.every(([, count]) => count >= 0) ? between : undefined
}

/**
 * As Prometheus' `histogram_quantile`: within a bucket the observations count as evenly spread, and what is above the
 * last finite limit counts as that limit. Null where nothing was observed.
 */
export function quantileIn(buckets: Buckets, quantile: number): number | null {
  const total = buckets.at(-1)?.[1] ?? 0
  if (total === 0) return null
  const rank = quantile * total
  let lowerLimit = 0
  let below = 0
  for (const [limit, count] of buckets) {
    if (count >= rank) {
      if (!Number.isFinite(limit)) return lowerLimit
      const inside = count - below
      return inside === 0 ? limit : lowerLimit + (limit - lowerLimit) * ((rank - below) / inside)
    }
    lowerLimit = limit
    below = count
  }
  return lowerLimit
}

/** Histograms that fit are added up, bucket by bucket. */
function bucketsOf(source: Source, look: Look): Buckets {
  const merged = new Map<number, number>()
  for (const sample of samplesOf(source, look)) {
    if (!('buckets' in sample)) continue
    for (const [limit, count] of sample.buckets) {
      // JSON has no Infinity.
      const key = limit ?? Infinity
      merged.set(key, (merged.get(key) ?? 0) + count)
    }
  }
  return [...merged].sort(([one], [other]) => one - other)
}

function plainValues(source: Source, look: Look): number[] {
  return samplesOf(source, look).flatMap((sample) => ('value' in sample ? [sample.value] : []))
}

function samplesOf({ family, labels = {} }: Source, look: Look): readonly MonitoredSample[] {
  const samples = look.families.get(family)?.samples ?? []
  const wanted = Object.entries(labels)
  return samples.filter((sample) => wanted.every(([name, value]) => sample.labels[name] === value))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
