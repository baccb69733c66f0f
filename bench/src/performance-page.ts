/** Puts figures and plots into docs/performance.md: whatever stands between two marks there comes from a run. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { barChart } from './bar-chart.js'
import { noteLines, ratioLines, resultLines } from './report.js'
import type { ScenarioName, ScenarioResult } from './scenarios.js'

const PAGE = new URL('../../docs/performance.md', import.meta.url)
const PLOTS = new URL('../../docs/performance/', import.meta.url)

interface Plot {
  readonly figure: string
  readonly title: string
  readonly unit: number
}
const PLOTTED: Partial<Record<ScenarioName, readonly Plot[]>> = {
  storm: [
    { figure: 'settledMs', title: 'Everybody connected and told: seconds', unit: 1_000 },
    { figure: 'cpuMs', title: 'Processor time of the server: seconds', unit: 1_000 },
  ],
  churn: [
    { figure: 'cpuMs', title: 'Processor time of the server for a transition: ms', unit: 1 },
    { figure: 'offlineP99', title: 'Offline news at the receiver, 99th percentile: ms', unit: 1 },
  ],
  limit: [{ figure: 'limitRate', title: 'Transitions a second with a p99 within 100 ms', unit: 1 }],
}

/**
 * Replaces the sections of these scenarios and leaves the others.
 * @throws Error when the page lacks the marks of one.
 */
export async function writeReport(results: readonly ScenarioResult[], machine: string): Promise<void> {
  let page = await readFile(PAGE, 'utf8')
  await mkdir(PLOTS, { recursive: true })
  for (const result of results) {
    const { scenario } = result
    const plots = PLOTTED[scenario]
    if (plots) await writeFile(new URL(`${scenario}.svg`, PLOTS), chartOf(result, plots))
    const ratios = ratioLines(result)
    page = replaced(page, scenario, [
      `${result.users} users, ${result.rate} changes a second, median of ${roundsOf(result)}. ${placeOf(result, machine)}`,
      '',
      ...noteLines(result).flatMap((line) => [line, '']),
      ...resultLines(result),
      ...(ratios.length > 0 ? ['', ...ratios] : []),
      ...(plots ? ['', `![${plots.map(({ title }) => title).join('. ')}](performance/${scenario}.svg)`] : []),
    ])
  }
  await writeFile(PAGE, page)
}

/** In `page` it is the browser that is measured, and that is kept apart. */
function placeOf({ scenario }: ScenarioResult, machine: string): string {
  return scenario === 'page'
    ? machine.replace(
        'the server has a processor of its own',
        'the browser has a processor of its own, the server and the load share the other one',
      )
    : machine
}

function roundsOf({ rows }: ScenarioResult): string {
  const rounds = Math.max(...rows.map((row) => row.rounds.length))
  return rounds === 1 ? 'one round' : `${rounds} rounds`
}

function replaced(page: string, name: string, lines: readonly string[]): string {
  const [start, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`]
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/performance.md lacks ${start} … ${end}.`)
  return `${page.slice(0, from + start.length)}\n\n${lines.join('\n')}\n\n${page.slice(to)}`
}

function chartOf({ rows }: ScenarioResult, plots: readonly Plot[]): string {
  return barChart(
    plots.map(({ figure, title, unit }) => ({
      title,
      bars: rows
        .filter(({ doubt, median }) => doubt === '' && (median[figure] ?? 0) > 0)
        .map(({ subject, median }) => ({ label: subject, value: (median[figure] ?? 0) / unit })),
    })),
  )
}
