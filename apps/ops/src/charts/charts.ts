/** Which charts there are, and which numbers of the server each is made of. */
import type { Source } from '../monitor/measure.js'

/** What a chart's numbers are; `texts/language.ts` writes them. */
export type Unit = 'count' | 'per_second' | 'seconds' | 'bytes'

export type SeriesId =
  'connections' | 'users' | 'transitions' | 'frames' | 'p50' | 'p99' | 'lag' | 'resident' | 'heap' | 'rows'

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
  readonly unit: Unit
  readonly series: readonly Series[]
  /** What the last series must stay below: what Vigie promises, in the chart's unit. */
  readonly limit?: number
}

/** In these seconds a change is with whom it concerns. Of a first picture nothing is promised. */
const PROMISED = { group: 0.05, conversation: 0.1, typing: 0.2 } as const

const value = (family: string, fold: 'sum' | 'highest' = 'sum'): Source => ({ kind: 'value', family, fold })
const rate = (family: string): Source => ({ kind: 'rate', family })
const latency = (id: 'group' | 'conversation' | 'typing' | 'first_picture'): Chart => ({
  id,
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
    id: 'people',
    unit: 'count',
    series: [
      { id: 'users', source: value('presence_users_online') },
      { id: 'connections', source: value('presence_connections') },
    ],
  },
  {
    id: 'transitions',
    unit: 'per_second',
    series: [{ id: 'transitions', source: rate('presence_transitions_total') }],
  },
  { id: 'frames', unit: 'per_second', series: [{ id: 'frames', source: rate('presence_frames_total') }] },
  {
    id: 'lag',
    unit: 'seconds',
    series: [{ id: 'lag', source: value('presence_event_loop_lag_seconds', 'highest') }],
  },
  {
    id: 'memory',
    unit: 'bytes',
    series: [
      { id: 'heap', source: value('nodejs_heap_size_used_bytes') },
      { id: 'resident', source: value('process_resident_memory_bytes') },
    ],
  },
  {
    id: 'rows',
    unit: 'seconds',
    series: [{ id: 'rows', source: value('presence_membership_lag_seconds', 'highest') }],
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
