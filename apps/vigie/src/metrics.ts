/** `/metrics`, as Prometheus reads it: the metrics of presence, and those of the process that prom-client collects. */
import type { Context, Handler } from 'hono'
import { collectDefaultMetrics, Registry, type Metric } from 'prom-client'
import { METRICS, type MetricFamily, type MetricSample, type PresenceServer } from '@vigie/server'
import { isLocalRequest } from './local-request.js'

/** See the option `metricsAccess`. */
export type MetricsAccess = 'loopback' | 'key' | 'off'

interface MetricsOptions {
  readonly presence: Pick<PresenceServer, 'metrics'>
  readonly access: MetricsAccess
  /** Whether what stands behind `Bearer` may read metrics. */
  readonly isKey: (key: string) => boolean
}

/** Undefined: there is no `/metrics`. */
export function createMetricsRoute({ presence, access, isKey }: MetricsOptions): Handler | undefined {
  if (access === 'off') return undefined
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  let families: ReadonlyMap<string, MetricFamily> = new Map()
  for (const { name, kind, help } of METRICS) {
    // prom-client asks each metric for its values: these are of one moment, and were read before.
    const metric = {
      name,
      help,
      type: kind,
      aggregator: 'sum',
      get: async () => ({ name, help, type: kind, aggregator: 'sum', values: valuesOf(families.get(name)) }),
    }
    registry.registerMetric(metric as unknown as Metric)
  }
  return async (context) => {
    if (!mayRead(context, access, isKey)) {
      context.header('WWW-Authenticate', 'Bearer')
      return context.json({ error: { code: 'unauthorized', message: REFUSED[access] } }, 401)
    }
    families = new Map(presence.metrics().map((family) => [family.name, family]))
    return context.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType })
  }
}

const REFUSED = {
  loopback:
    'Metrics are for programs on this machine, or for those with a key of the HTTP API (metricsAccess is loopback).',
  key: 'Metrics need a key of the HTTP API as `Authorization: Bearer …` (metricsAccess is key).',
} as const

function mayRead(context: Context, access: 'loopback' | 'key', isKey: (key: string) => boolean): boolean {
  const [, key] = /^bearer +(\S+)$/iu.exec(context.req.header('Authorization') ?? '') ?? []
  if (key !== undefined && isKey(key)) return true
  return access === 'loopback' && isLocalRequest(context)
}

interface Value {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

function valuesOf(family: MetricFamily | undefined): readonly Value[] {
  return family?.samples.flatMap((sample) => valuesOfSample(family.name, sample)) ?? []
}

function valuesOfSample(name: string, sample: MetricSample): readonly Value[] {
  const { labels } = sample
  if ('value' in sample) return [{ labels, value: sample.value }]
  return [
    ...sample.buckets.map(([le, value]) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: le === Infinity ? '+Inf' : String(le) },
      value,
    })),
    { metricName: `${name}_sum`, labels, value: sample.sum },
    { metricName: `${name}_count`, labels, value: sample.count },
  ]
}
