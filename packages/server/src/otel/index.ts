/**
 * The metrics of presence for OpenTelemetry: the table of docs/metrics.md as observable instruments. They are read when
 * your SDK exports; nothing is measured twice.
 */
import { metrics, type BatchObservableResult, type Meter, type Observable } from '@opentelemetry/api'
import type { MetricSample } from '../host/metric-families.js'
import { METRICS, type MetricDescription } from '../host/metrics.js'
import type { PresenceServer } from '../host/server-api.js'

/** What is observed: `attachPresence` gives it. */
type Observed = Pick<PresenceServer, 'metrics'>

const SUFFIXES = ['bucket', 'sum', 'count'] as const

/**
 * Registers all metrics of presence. Counters and gauges keep their names. OpenTelemetry has no histogram that is
 * observed, so each one becomes three counters, as Prometheus spells them: `…_bucket` with the upper limit as the
 * attribute `le`, `…_sum` and `…_count`.
 *
 * @param meter Where they are registered. @default metrics.getMeter('@vigie/server') of the global provider
 * @returns A function that ends it; call it when presence is closed.
 * @example
 * import { observePresence } from '@vigie/server/otel'
 *
 * const stop = observePresence(presence)
 */
export function observePresence(
  presence: Observed,
  meter: Meter = metrics.getMeter('@vigie/server'),
): () => void {
  const instruments = new Map<string, Observable>()
  for (const metric of METRICS)
    for (const [name, made] of instrumentsOf(meter, metric)) instruments.set(name, made)

  function observe(result: BatchObservableResult): void {
    for (const { name, samples } of presence.metrics())
      for (const sample of samples)
        for (const [observed, value, attributes] of valuesOf(name, sample)) {
          const instrument = instruments.get(observed)
          if (instrument) result.observe(instrument, value, attributes)
        }
  }

  const all = [...instruments.values()]
  meter.addBatchObservableCallback(observe, all)
  return () => {
    meter.removeBatchObservableCallback(observe, all)
  }
}

const UNITS = { seconds: 's', bytes: 'By', count: '' } as const

function instrumentsOf(meter: Meter, { name, kind, help, unit }: MetricDescription): [string, Observable][] {
  const options = { description: help, unit: UNITS[unit] }
  switch (kind) {
    case 'gauge':
      return [[name, meter.createObservableGauge(name, options)]]
    case 'counter':
      return [[name, meter.createObservableCounter(name, options)]]
    case 'histogram':
      return SUFFIXES.map((suffix) => {
        const own = suffix === 'sum' ? options : { description: help }
        return [`${name}_${suffix}`, meter.createObservableCounter(`${name}_${suffix}`, own)]
      })
  }
}

type Value = readonly [name: string, value: number, attributes: Record<string, string>]

function valuesOf(name: string, sample: MetricSample): readonly Value[] {
  const labels = { ...sample.labels }
  if ('value' in sample) return [[name, sample.value, labels]]
  return [
    ...sample.buckets.map(([le, count]): Value => [
      `${name}_bucket`,
      count,
      { ...labels, le: le === Infinity ? '+Inf' : String(le) },
    ]),
    [`${name}_sum`, sample.sum, labels],
    [`${name}_count`, sample.count, labels],
  ]
}
