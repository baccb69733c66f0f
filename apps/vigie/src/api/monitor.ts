/** What `GET /v1/monitor` answers. */
import type { MetricFamily } from '@vigie/server'
import type { Monitor, MonitoredMetric } from '@vigie/server/http'

export interface MonitorParts {
  /** How this server is called among others. */
  readonly node: string
  readonly version: string
  readonly metrics: () => readonly MetricFamily[]
}

/** From now on. */
export function createMonitor({ node, version, metrics }: MonitorParts): () => Monitor {
  const startedAt = Date.now()
  return () => ({ node, version, startedAt, now: Date.now(), metrics: metrics().map(asJson) })
}

function asJson({ samples, ...family }: MetricFamily): MonitoredMetric {
  return {
    ...family,
    samples: samples.map((sample) =>
      'buckets' in sample
        ? {
            ...sample,
            buckets: sample.buckets.map(([le, count]) => [Number.isFinite(le) ? le : null, count] as const),
          }
        : sample,
    ),
  }
}
