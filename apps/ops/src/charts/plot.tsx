import { useEffect, useRef } from 'react'
import UPlot, { type AlignedData, type Options } from 'uplot'
import type { Point } from '../monitor/history.js'
import { useLanguage } from '../texts/use-language.js'
import { indicesOf, type Chart } from './charts.js'
import 'uplot/dist/uPlot.min.css'

const HEIGHT = 150
/** Room for "1 200 ms" beside the axis. */
const AXIS_WIDTH = 58
/** The least time that a chart spans, so that a page just opened does not show a dot in an empty field. */
const SPAN_MIN_MS = 60_000
const MINUTE_S = 60
/** So far above the highest value, or the limit, a chart reaches. */
const HEADROOM = 1.15
/** How the lines of a chart differ, also without colours. */
const LINES = [
  { color: '--line-1', dash: [] },
  { color: '--line-2', dash: [5, 3] },
] as const

interface PlotProps {
  readonly chart: Chart
  readonly points: readonly Point[]
  /** What a screen reader is told of it; the table says the rest. */
  readonly label: string
  /** The position of the point under the pointer, or undefined when the pointer has left. */
  readonly onPoint: (index: number | undefined) => void
}

/** The lines. Colours are read when they are drawn: a scheme may change while the page is open. */
export function Plot({ chart, points, label, onPoint }: PlotProps) {
  const { measure, clock } = useLanguage()
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot>(undefined)
  useEffect(() => {
    const element = place.current
    if (element === null) return undefined
    const made = new UPlot(
      optionsOf({ chart, measure, clock, onPoint, width: element.clientWidth }),
      [[], ...chart.series.map(() => [])],
      element,
    )
    plot.current = made
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }))
    resized.observe(element)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = () => made.redraw()
    scheme.addEventListener('change', redraw)
    return () => {
      scheme.removeEventListener('change', redraw)
      resized.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [chart, measure, clock, onPoint])
  useEffect(() => {
    plot.current?.setData(columnsOf(chart, points))
  }, [chart, points, measure, clock, onPoint])
  return <div ref={place} className="plot" role="img" aria-label={label} />
}

function columnsOf(chart: Chart, points: readonly Point[]): AlignedData {
  const columns = indicesOf(chart).map((index) => points.map(({ values }) => values[index] ?? null))
  return [points.map(({ at }) => at / 1_000), ...columns]
}

interface OptionsInput {
  readonly chart: Chart
  readonly measure: (value: number, unit: Chart['unit']) => string
  readonly clock: (at: number, hasSeconds: boolean) => string
  readonly onPoint: (index: number | undefined) => void
  readonly width: number
}

function optionsOf({ chart, measure, clock, onPoint, width }: OptionsInput): Options {
  const axis = {
    stroke: colorOf('--soft'),
    grid: { stroke: colorOf('--line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  }
  return {
    width,
    height: HEIGHT,
    padding: [8, 26, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, sync: { key: 'vigie' } },
    scales: {
      x: { time: true, range: (_plot, min, max) => [Math.min(min, max - SPAN_MIN_MS / 1_000), max] },
      y: { range: (_plot, _min, max) => [0, topOf(chart, max)] },
    },
    axes: [
      {
        ...axis,
        space: 70,
        values: (_plot, splits) => {
          const [first = 0, second = first] = splits
          return splits.map((at) => clock(at * 1_000, second - first < MINUTE_S))
        },
        size: 26,
      },
      {
        ...axis,
        space: 36,
        size: AXIS_WIDTH,
        values: (_plot, splits) => splits.map((at) => measure(at, chart.unit)),
      },
    ],
    series: [
      {},
      ...chart.series.map((_series, index) => {
        const line = LINES[index] ?? LINES[0]
        return {
          stroke: colorOf(line.color),
          dash: [...line.dash],
          width: 1.75,
          points: { show: true, size: 4, fill: colorOf(line.color), filter: lonely },
        }
      }),
    ],
    hooks: {
      setCursor: [
        ({ cursor: { idx, left } }) =>
          onPoint(left === undefined || left < 0 || idx === null ? undefined : idx),
      ],
      draw: [(plot) => drawLimit(plot, chart)],
    },
  }
}

/** Points that no line would show: those between two gaps. */
function lonely(plot: UPlot, index: number): number[] {
  const values = plot.data[index] ?? []
  const isThere = (at: number) => typeof values[at] === 'number'
  return [...values.keys()].filter((at) => isThere(at) && !isThere(at - 1) && !isThere(at + 1))
}

/** Two users are not at half the height of a chart that reaches 3.5. */
function topOf({ unit, limit = 0 }: Chart, max: number | null): number {
  const least = unit === 'seconds' ? 0.01 : unit === 'bytes' ? 1e6 : 4
  return Math.max(least, (max ?? 0) * HEADROOM, limit * HEADROOM)
}

function drawLimit(plot: UPlot, { limit }: Chart): void {
  if (limit === undefined) return
  const { ctx, bbox } = plot
  const y = Math.round(plot.valToPos(limit, 'y', true)) + 0.5
  ctx.save()
  ctx.strokeStyle = colorOf('--danger')(plot)
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio])
  ctx.beginPath()
  ctx.moveTo(bbox.left, y)
  ctx.lineTo(bbox.left + bbox.width, y)
  ctx.stroke()
  ctx.restore()
}

function colorOf(name: string): (plot: UPlot) => string {
  return (plot) => getComputedStyle(plot.root).getPropertyValue(name)
}
