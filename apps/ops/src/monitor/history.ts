/** The last ten minutes, as points of charts. Pure: a history is a value, and each look makes the next. */
import { LATENCY_WINDOW_MS, measure, type Look, type Source } from './measure.js'

/** How far the charts reach back. */
export const HISTORY_MS = 600_000
/**
 * Without an answer for this long the charts show a gap, and rates start anew: of the time in between only a mean could
 * be told, and a chart would draw it as if it had been seen.
 */
export const GAP_MS = 3_500

export interface Point {
  readonly at: number
  /** One for each source, in their order; null where there is nothing to draw. */
  readonly values: readonly (number | null)[]
}

export interface History {
  readonly points: readonly Point[]
  /** The last looks at one process without a gap, as far back as latencies need them. */
  readonly run: readonly Look[]
}

export const EMPTY_HISTORY: History = { points: [], run: [] }

/** With what the server has just said. */
export function withLook(history: History, look: Look, sources: readonly Source[]): History {
  const last = history.run.at(-1)
  const isUnbroken = last?.process === look.process && look.at - last.at <= GAP_MS && look.at > last.at
  const run = isUnbroken
    ? [...history.run.filter(({ serverAt }) => look.serverAt - serverAt <= LATENCY_WINDOW_MS), look]
    : [look]
  const point = { at: look.at, values: sources.map((source) => measure(source, run)) }
  const before = isUnbroken ? history.points : withGap(history, sources).points
  return { points: recent([...before, point], look.at), run }
}

/** With nothing known from the last point on: the server did not answer. */
export function withGap(history: History, sources: readonly Source[]): History {
  const last = history.points.at(-1)
  if (last === undefined || isGap(last)) return { points: history.points, run: [] }
  const gap = { at: last.at + 1, values: sources.map(() => null) }
  return { points: [...history.points, gap], run: [] }
}

/** Whether nothing was known at that moment. */
export function isGap({ values }: Point): boolean {
  return values.every((value) => value === null)
}

function recent(points: readonly Point[], now: number): readonly Point[] {
  // A clock that was set back must not leave points ahead of now: uPlot wants ascending times.
  return points.filter(({ at }) => at <= now && now - at <= HISTORY_MS)
}

/** One row of the table behind a chart. */
export interface Row {
  /** The end of its time. */
  readonly at: number
  /** The highest of each source within it; null where nothing was known. */
  readonly values: readonly (number | null)[]
}

/** One row for each `stepMs` that is over, newest first; a step in which nothing was known has a row as well. */
export function rowsOf(points: readonly Point[], indices: readonly number[], stepMs: number): Row[] {
  const first = points[0]
  const last = points.at(-1)
  if (first === undefined || last === undefined) return []
  const stepOf = (at: number) => Math.floor(at / stepMs)
  const steps = new Map<number, Point[]>()
  for (const point of points) {
    const step = stepOf(point.at)
    steps.set(step, [...(steps.get(step) ?? []), point])
  }
  const rows: Row[] = []
  for (let step = stepOf(last.at); step >= stepOf(first.at); step--) {
    const within = steps.get(step) ?? []
    const values = indices.map((index) => highest(within.map(({ values: all }) => all[index] ?? null)))
    rows.push({ at: Math.min((step + 1) * stepMs, last.at), values })
  }
  return rows
}

/** Null where none is a number. */
export function highest(values: readonly (number | null)[]): number | null {
  const numbers = values.filter((value) => value !== null)
  return numbers.length === 0 ? null : Math.max(...numbers)
}
