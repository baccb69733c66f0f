import {
  InMemoryMetricExporter,
  AggregationTemporality,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { expect, it } from 'vitest'
import { METRICS } from '../../src/host/metrics.js'
import { observePresence } from '../../src/otel/index.js'
import { createTestPresence } from '../../src/testing/index.js'

function meterOfTest() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const provider = new MeterProvider({ readers: [reader] })
  return {
    meter: provider.getMeter('test'),
    async read() {
      exporter.reset()
      await reader.forceFlush()
      return exporter
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    },
    [Symbol.asyncDispose]: () => provider.shutdown(),
  }
}

it('registers the whole table with a real SDK, histograms as three counters each', async () => {
  await using otel = meterOfTest()
  const presence = createTestPresence({ groups: { crew: ['ann', 'bob'] }, online: ['ann'] })
  observePresence(presence, otel.meter)
  const found = await otel.read()
  const byName = new Map(found.map((metric) => [metric.descriptor.name, metric]))
  const silent = new Set(
    presence.metrics().flatMap(({ name, samples }) => (samples.length === 0 ? [name] : [])),
  )
  for (const { name, kind, help } of METRICS.filter((metric) => !silent.has(metric.name))) {
    const names =
      kind === 'histogram' ? ['bucket', 'sum', 'count'].map((suffix) => `${name}_${suffix}`) : [name]
    expect(names.map((each) => [each, byName.get(each)?.descriptor.description])).toEqual(
      names.map((each) => [each, help]),
    )
  }
  expect(byName.get('presence_users_online')?.dataPoints.map(({ value }) => value)).toEqual([1])
  expect(byName.get('presence_publish_seconds_sum')?.descriptor.unit).toBe('s')
  const rooms = byName.get('presence_rooms')?.dataPoints ?? []
  expect(
    rooms.find(({ attributes }) => attributes.kind === 'group' && attributes.mode === 'names')?.value,
  ).toBe(1)
})

it('reads again at each export, until it is ended', async () => {
  await using otel = meterOfTest()
  const presence = createTestPresence({ groups: { crew: ['ann', 'bob'] } })
  const stop = observePresence(presence, otel.meter)
  const online = async () =>
    (await otel.read()).find(({ descriptor }) => descriptor.name === 'presence_users_online')?.dataPoints[0]
      ?.value
  expect(await online()).toBe(0)
  presence.connect('ann')
  expect(await online()).toBe(1)
  stop()
  presence.connect('bob')
  expect(await online()).not.toBe(2)
})
