import type { Look } from '../src/monitor/measure.js'
import type { Monitor, MonitoredMetric, MonitoredSample } from '@vigie/server/http'

export const BOOT = 1_800_000_000_000
/** JSON has no Infinity. */
export const LIMITS = [0.01, 0.05, 0.1, null]

/** What a server has counted: numbers by name, and observations in seconds by level. */
export interface Counted {
  readonly connections?: number
  readonly frames?: number
  readonly group?: readonly number[]
}

export function families({ connections = 0, frames = 0, group = [] }: Counted): readonly MonitoredMetric[] {
  return [
    family('presence_connections', 'gauge', [{ labels: { transport: 'websocket' }, value: connections }]),
    family('presence_frames_total', 'counter', [
      { labels: { kind: 'state' }, value: frames / 2 },
      { labels: { kind: 'diff' }, value: frames / 2 },
    ]),
    family('presence_publish_seconds', 'histogram', [
      histogram({ level: 'group' }, group),
      histogram({ level: 'typing' }, []),
    ]),
  ]
}

export function look(at: number, counted: Counted, process = 'a'): Look {
  return {
    at,
    serverAt: at,
    process,
    families: new Map(families(counted).map((each) => [each.name, each])),
  }
}

export function answer(now: number, counted: Counted): Monitor {
  return { node: 'a', version: '1.0.0', startedAt: BOOT, now, metrics: families(counted) }
}

function family(
  name: string,
  kind: MonitoredMetric['kind'],
  samples: readonly MonitoredSample[],
): MonitoredMetric {
  return { name, kind, help: '', samples }
}

function histogram(labels: Readonly<Record<string, string>>, observed: readonly number[]): MonitoredSample {
  return {
    labels,
    buckets: LIMITS.map((le) => [le, observed.filter((value) => le === null || value <= le).length] as const),
    sum: observed.reduce((total, value) => total + value, 0),
    count: observed.length,
  }
}
