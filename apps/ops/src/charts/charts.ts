/** Which charts there are, and which numbers of the server each is made of. */
import type { Source } from '../monitor/measure.js'

/** What a chart's numbers are; `texts/language.ts` writes them. */
export type Unit = 'count' | 'per_second' | 'seconds' | 'bytes'

export type SeriesId =
  | 'connections'
  | 'users'
  | 'presence'
  | 'typing'
  | 'frames'
  | 'p50'
  | 'p99'
  | 'lag'
  | 'resident'
  | 'heap'
  | 'change'
  | 'feed'

export type ChartId =
  | 'people'
  | 'transitions'
  | 'frames'
  | 'group'
  | 'conversation'
  | 'typing'
  | 'first_picture'
  | 'lag'
  | 'memory'
  | 'rows'

export interface Series {
  readonly id: SeriesId
  readonly source: Source
}

export interface Chart {
  readonly id: ChartId
  readonly section: 'delays' | 'load'
  readonly unit: Unit
  readonly series: readonly Series[]
  /** What the last series must stay below: what Vigie promises, in the chart's unit. */
  readonly limit?: number
}

/** In these seconds a change is with whom it concerns. Of a first picture nothing is promised. */
const PROMISED = { group: 0.05, conversation: 0.1, typing: 0.2 } as const

/** Presence follows the rows within this. */
const ROWS_LIMIT_S = 1

const value = (family: string, fold: 'sum' | 'highest' = 'sum'): Source => ({ kind: 'value', family, fold })
const rate = (family: string, labels: Readonly<Record<string, string>> = {}): Source => ({
  kind: 'rate',
  family,
  labels,
})
const latency = (id: 'group' | 'conversation' | 'typing' | 'first_picture'): Chart => ({
  id,
  section: 'delays',
  unit: 'seconds',
  series: [
    { id: 'p50', source: quantileOf(id, 0.5) },
    { id: 'p99', source: quantileOf(id, 0.99) },
  ],
  ...(id !== 'first_picture' && { limit: PROMISED[id] }),
})

function quantileOf(level: string, quantile: number): Source {
  return { kind: 'quantile', family: 'presence_publish_seconds', labels: { level }, quantile }
}

/** In the order in which they are shown: first what is promised. */
export const CHARTS: readonly Chart[] = [
  latency('group'),
  latency('conversation'),
  latency('typing'),
  latency('first_picture'),
  {
    id: 'rows',
    section: 'delays',
    unit: 'seconds',
    series: [
      {
        id: 'change',
        source: { kind: 'quantile', family: 'presence_membership_lag_seconds', quantile: 0.99 },
      },
      { id: 'feed', source: value('presence_feed_age_seconds', 'highest') },
    ],
    limit: ROWS_LIMIT_S,
  },
  {
    id: 'people',
    section: 'load',
    unit: 'count',
    series: [
      { id: 'users', source: value('presence_users_online') },
      { id: 'connections', source: value('presence_connections') },
    ],
  },
  {
    id: 'transitions',
    section: 'load',
    unit: 'per_second',
    series: [
      { id: 'presence', source: rate('presence_transitions_total', { level: 'presence' }) },
      { id: 'typing', source: rate('presence_transitions_total', { level: 'typing' }) },
    ],
  },
  {
    id: 'frames',
    section: 'load',
    unit: 'per_second',
    series: [{ id: 'frames', source: rate('presence_frames_total') }],
  },
  {
    id: 'lag',
    section: 'load',
    unit: 'seconds',
    series: [{ id: 'lag', source: value('presence_event_loop_lag_seconds', 'highest') }],
  },
  {
    id: 'memory',
    section: 'load',
    unit: 'bytes',
    series: [
      { id: 'heap', source: value('nodejs_heap_size_used_bytes') },
      { id: 'resident', source: value('process_resident_memory_bytes') },
    ],
  },
]

/** Every number of every chart; a point of the history has one value for each. */
export const SOURCES: readonly Source[] = CHARTS.flatMap(({ series }) => series.map(({ source }) => source))

/** Where the numbers of a chart stand in a point. */
export function indicesOf(chart: Chart): readonly number[] {
  return chart.series.map(({ source }) => SOURCES.indexOf(source))
}

/** The charts of which something is promised, and whether it is kept now. */
export function promises(values: readonly (number | null)[]): { chart: Chart; isKept: boolean }[] {
  return CHARTS.flatMap((chart) => {
    const now = values[indicesOf(chart).at(-1) ?? -1] ?? null
    return chart.limit === undefined || now === null ? [] : [{ chart, isKept: now <= chart.limit }]
  })
}
