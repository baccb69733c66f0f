import { useCallback, useId, useState } from 'react'
import { highest, type Point } from '../monitor/history.js'
import { useLanguage } from '../texts/use-language.js'
import { ChartTable } from './chart-table.js'
import { indicesOf, type Chart } from './charts.js'
import { Plot } from './plot.js'

/** One chart: its numbers now, or under the pointer; its lines, or the table behind them. */
export function ChartCard({ chart, points }: { readonly chart: Chart; readonly points: readonly Point[] }) {
  const { texts, measure, moment } = useLanguage()
  const titleId = useId()
  const [isTable, setIsTable] = useState(false)
  const [pointed, setPointed] = useState<number>()
  const onPoint = useCallback((index: number | undefined) => setPointed(index), [])
  const { id, unit, series, limit } = chart
  const title = texts.charts[id]
  const indices = indicesOf(chart)
  const last = points.at(-1)
  const shown = (pointed === undefined ? undefined : points[pointed]) ?? last
  const written = (value: number | null | undefined) =>
    typeof value === 'number' ? measure(value, unit) : texts.noValue
  const promised = last?.values[indices.at(-1) ?? -1] ?? null
  const isOver = limit !== undefined && promised !== null && promised > limit
  const label = [
    title,
    ...series.map(({ id: name }, place) => {
      const index = indices[place] ?? -1
      const most = highest(points.map(({ values }) => values[index] ?? null))
      return `${texts.series[name]}: ${texts.now(written(last?.values[index]))}, ${texts.highest(written(most))}`
    }),
  ].join('. ')
  return (
    <section
      className="chart"
      aria-labelledby={titleId}
      data-testid="chart"
      data-chart={id}
      data-over={isOver}
    >
      <header>
        <h3 id={titleId}>{title}</h3>
        <button
          type="button"
          className="link"
          data-testid="table-button"
          aria-label={isTable ? texts.chartOf(title) : texts.tableOf(title)}
          onClick={() => setIsTable(!isTable)}
        >
          {isTable ? texts.showChart : texts.showTable}
        </button>
      </header>
      <p className="soft chart-help">{texts.chartHelp[id]}</p>
      <ul className="legend">
        {series.map(({ id: name }, place) => (
          <li key={name} data-line={place + 1}>
            <span className="swatch" aria-hidden="true" />
            <span className="soft">{texts.series[name]}</span>{' '}
            <strong>{written(shown?.values[indices[place] ?? -1])}</strong>
          </li>
        ))}
        {limit !== undefined && (
          <li data-line="limit">
            <span className="swatch" aria-hidden="true" />
            <span className="soft">{texts.limit(measure(limit, unit))}</span>
          </li>
        )}
        {isOver && <li className="over">{texts.over}</li>}
        {pointed !== undefined && shown !== undefined && (
          <li className="soft">{moment(shown.at, shown.at)}</li>
        )}
      </ul>
      {isTable ? (
        <ChartTable chart={chart} points={points} />
      ) : (
        <Plot chart={chart} points={points} label={label} onPoint={onPoint} />
      )}
    </section>
  )
}
