/** Tables of a scenario's result: figures, then ratios. */
import type { ProfileEntry } from './profile.js'
import type { Row, ScenarioName, ScenarioResult } from './scenarios.js'
import type { SubjectName } from './subjects/subject.js'

interface Column {
  readonly title: string
  readonly figure: string
  readonly digits: number
  /** What a figure is divided by to be in the unit of the title. */
  readonly unit?: number
}

const column = (title: string, figure: string, digits = 0, unit = 1): Column => ({
  title,
  figure,
  digits,
  unit,
})

const KB = 1_000
const MB = 1_000_000
const SECOND = 1_000

const NEWS = [
  column('online p50 ms', 'onlineP50', 1),
  column('p99', 'onlineP99', 1),
  column('max', 'onlineMax', 0),
  column('offline p50 ms', 'offlineP50', 1),
  column('p99', 'offlineP99', 1),
  column('max', 'offlineMax', 0),
]
const COST = [
  column('frames', 'frames', 1),
  column('bytes', 'bytes', 0),
  column('writes', 'writes', 1),
  column('cpu ms', 'cpuMs', 2),
  column('queries', 'queries', 2),
]
const LAST = [
  column('wrong views', 'wrongViews'),
  column('waited %', 'waitedShare', 0, 0.01),
  column('generator lag ms', 'generatorLagMs', 1),
]
const MEMORY = [column('heap kB', 'heapBytes', 1, KB), column('rss kB', 'rssBytes', 1, KB)]

const COLUMNS: Readonly<Record<ScenarioName, readonly Column[]>> = {
  storm: [
    column('connected s', 'connectedMs', 1, SECOND),
    column('settled s', 'settledMs', 1, SECOND),
    column('cpu s', 'cpuMs', 1, SECOND),
    column('frames', 'frames'),
    column('MB', 'bytes', 1, MB),
    column('writes', 'writes'),
    column('queries', 'queries'),
    column('of the feed', 'feedPolls'),
    column('refused', 'refused'),
    column('dropped', 'dropped'),
    ...MEMORY,
    ...LAST,
  ],
  memory: [...MEMORY, ...LAST],
  churn: [
    ...COST,
    ...NEWS,
    column('echo p99', 'echoP99', 1),
    column('reached/s', 'achievedRate', 0),
    column('dropped', 'dropped'),
    ...LAST,
  ],
  limit: [
    column('transitions/s', 'limitRate'),
    column('p99 there', 'limitP99', 1),
    column('cpu share', 'limitCpuShare', 2),
    column('waited %', 'waitedShare', 0, 0.01),
    column('generator lag ms', 'generatorLagMs', 1),
  ],
  typing: [
    ...COST,
    column('typing p50 ms', 'typingP50', 1),
    column('p99', 'typingP99', 1),
    column('max', 'typingMax', 0),
    column('echo p99', 'echoP99', 1),
    ...LAST,
  ],
  scale: [
    ...COST,
    column('idle cpu %', 'idleShare', 1, 0.01),
    column('above idle ms', 'aboveIdleMs', 2),
    ...NEWS,
    ...LAST,
  ],
  allhands: [
    column('storm settled s', 'storm.settledMs', 1, SECOND),
    column('storm cpu s', 'storm.cpuMs', 1, SECOND),
    column('storm frames', 'storm.frames'),
    ...COST,
    ...NEWS,
    ...LAST,
  ],
  page: [
    column('made/s', 'reachedRate'),
    column('frames/s', 'framesRate'),
    column('changes/s', 'changesRate'),
    column('tasks over 50 ms', 'longTasks'),
    column('longest ms', 'longestTaskMs'),
    column('script %', 'scriptShare', 0, 0.01),
    column('layout %', 'layoutShare', 0, 0.01),
    column('ran %', 'ranShare', 0, 0.01),
    column('waited %', 'waitedShare', 0, 0.01),
    column('renders/s', 'rendersRate'),
    column('drawn/s', 'drawnRate'),
    column('longest gap ms', 'longestFrameMs'),
    column('server cpu %', 'serverShare', 0, 0.01),
    column('wrong rows', 'wrongViews'),
  ],
}

/** Prints what was measured, and what it is to the floor and to the seed's approach. */
export function printRuns(result: ScenarioResult, print: (line: string) => void): void {
  print('')
  print(`${result.scenario}: ${result.users} users, median of the rounds`)
  for (const line of noteLines(result)) print(line)
  for (const line of resultLines(result)) print(line)
  const ratios = ratioLines(result)
  if (ratios.length > 0) print('')
  for (const line of ratios) print(line)
  for (const row of result.rows) {
    if (!row.profile) continue
    printProfile(`${nameOf(row)}: processor time, itself`, row.profile.own, print)
    printProfile(`${nameOf(row)}: processor time, with what it calls`, row.profile.whole, print)
    printProfile(`${nameOf(row)}: memory asked for, itself`, row.profile.allocated, print)
  }
  print('')
}

function printProfile(title: string, entries: readonly ProfileEntry[], print: (line: string) => void): void {
  print('')
  print(title)
  for (const { place, share } of entries) print(`${(share * 100).toFixed(1).padStart(5)} %  ${place}`)
}

/** What one has to know to read the table. */
export function noteLines({ scenario, rate }: ScenarioResult): string[] {
  return scenario === 'scale'
    ? [
        `Every world churns at the same ${rate} a second. At the rate of the other scenarios a good part of the ` +
          'smallest world would be away, and what is compared would not be its size alone.',
      ]
    : []
}

/** A table in Markdown. */
export function resultLines({ scenario, rows }: ScenarioResult): string[] {
  const columns = COLUMNS[scenario]
  return table(
    ['', ...columns.map(({ title }) => title)],
    rows.map((row) => [
      `${nameOf(row)}${row.doubt === '' ? '' : ` (${row.doubt})`}`,
      ...columns.map(({ figure, digits, unit = 1 }) => {
        const value = row.median[figure]
        return value === undefined ? '' : (value / unit).toFixed(digits)
      }),
    ]),
  )
}

/** Who is compared with whom: a picture costs, so who gives one is compared with who gives one. */
const AGAINST: readonly (readonly [SubjectName, SubjectName])[] = [
  ['vigie-1', 'seed-picture'],
  ['vigie-1', 'seed'],
  ['vigie-2', 'seed'],
  ['vigie-1', 'floor'],
  ['vigie-2', 'floor'],
  ['vigie-2-uws', 'vigie-2'],
]

/** The same columns, divided. */
export function ratioLines({ scenario, rows }: ScenarioResult): string[] {
  // Two sizes of one page are not each other's measure.
  if (scenario === 'page') return []
  const columns = COLUMNS[scenario].filter(({ figure }) => !LAST.some((last) => last.figure === figure))
  const pairs = [
    ...rows.flatMap((row) =>
      AGAINST.filter(([subject]) => subject === row.subject).flatMap(([, against]) => {
        const other = rows.find(({ subject, variant }) => subject === against && variant === row.variant)
        return other ? [{ row, other, label: `${nameOf(row)} / ${against}` }] : []
      }),
    ),
    ...variantPairs(rows),
  ].filter(({ row, other }) => row.rounds.length > 0 && other.rounds.length > 0)
  if (pairs.length === 0) return []
  return table(
    ['ratio', ...columns.map(({ title }) => title)],
    pairs.map(({ row, other, label }) => [
      label,
      ...columns.map(({ figure }) => {
        const [a, b] = [row.median[figure], other.median[figure]]
        return a === undefined || b === undefined || b <= 0 ? '' : (a / b).toFixed(2)
      }),
    ]),
  )
}

/** Worlds come in pairs, small and large. */
function variantPairs(rows: readonly Row[]) {
  const variants = [...new Set(rows.map(({ variant }) => variant))]
  return rows.flatMap((row) => {
    const index = variants.indexOf(row.variant)
    if (index % 2 === 0) return []
    const other = rows.find(
      ({ subject, variant }) => subject === row.subject && variant === variants[index - 1],
    )
    return other ? [{ row, other, label: `${nameOf(row)} / ${other.variant}` }] : []
  })
}

const nameOf = ({ subject, variant }: Row) => (variant === '' ? subject : `${subject}, ${variant}`)

function table(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, index) =>
    Math.max(3, title.length, ...body.map((cells) => cells[index]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, index) => (index === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(head), rule, ...body.map(line)]
}
