/** Metrics as a test reads them. */
import type { MetricFamily } from '../../src/socketio/index.js'

interface Measured {
  metrics(): readonly MetricFamily[]
}

/**
 * The value of one series; of a histogram how many values it has.
 * @throws Error when there is no such series: a misspelt one would be 0 for ever.
 * @example valueOf(presence, 'presence_rooms', { kind: 'group', mode: 'names' })
 */
export function valueOf(
  presence: Measured,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = presence.metrics().find((each) => each.name === name)
  const sample = family?.samples.find(
    (each) =>
      Object.keys(each.labels).length === Object.keys(labels).length &&
      Object.entries(labels).every(([label, value]) => each.labels[label] === value),
  )
  if (!sample) throw new Error(`There is no ${name} ${JSON.stringify(labels)}.`)
  return 'value' in sample ? sample.value : sample.count
}

/** All series of a metric that are not 0, by their labels' values. */
export function nonZero(presence: Measured, name: string): Record<string, number> {
  const family = presence.metrics().find((each) => each.name === name)
  if (!family) throw new Error(`There is no ${name}.`)
  return Object.fromEntries(
    family.samples
      .map(
        (sample) =>
          [Object.values(sample.labels).join(' '), 'value' in sample ? sample.value : sample.count] as const,
      )
      .filter(([, value]) => value !== 0),
  )
}
