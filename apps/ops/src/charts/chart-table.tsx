import { rowsOf, type Point } from '../monitor/history.js'
import { useLanguage } from '../texts/use-language.js'
import { indicesOf, type Chart } from './charts.js'

/** Ten minutes are twenty rows, which one can still listen to. */
const STEP_MS = 30_000

/** What a chart shows, in words and numbers. */
export function ChartTable({ chart, points }: { readonly chart: Chart; readonly points: readonly Point[] }) {
  const { texts, measure, moment } = useLanguage()
  const rows = rowsOf(points, indicesOf(chart), STEP_MS)
  return (
    // A region that scrolls must be reachable by keyboard.
    <div className="table-place" tabIndex={0} role="group" aria-label={texts.tableOf(texts.charts[chart.id])}>
      <table data-testid="chart-table">
        <caption className="soft">{texts.tableCaption}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.tableTime}</th>
            {chart.series.map(({ id }) => (
              <th key={id} scope="col">
                {texts.series[id]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ at, values }) => (
            <tr key={at}>
              <th scope="row">{moment(at, at)}</th>
              {values.map((value, place) => (
                <td key={place}>{value === null ? texts.noValue : measure(value, chart.unit)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
