/** Which subjects meet which phases in which worlds, in turns, and the median of what comes out. */
import { openArena, type Arena } from './arena.js'
import type { WorldDatabase } from './database.js'
import { measurePage, PAGE_VIEWS, type PageView } from './page.js'
import { PAGE_USERS } from './page-world.js'
import { churn, LAG_MAX_MS, limit, storm, typing, Void, WAITED_MAX, type Figures } from './phases.js'
import type { Profile } from './profile.js'
import { SUBJECTS, type SubjectName } from './subjects/subject.js'
import type { WorldSpec } from './world.js'

export const SCENARIOS = ['storm', 'memory', 'churn', 'typing', 'limit', 'scale', 'allhands', 'page'] as const
export type ScenarioName = (typeof SCENARIOS)[number]
/** Those that are done to a crowd; in `page` the crowd is done to a page. */
type CrowdScenario = Exclude<ScenarioName, 'page'>

/** In the order in which they are done to one crowd. Every crowd begins by a storm. */
const PHASES = ['storm', 'typing', 'scale', 'churn', 'limit'] as const
type Phase = (typeof PHASES)[number]

export interface RunOptions {
  readonly database: WorldDatabase
  readonly users: number
  readonly rounds: number
  /** Of churn and typing, a second; `scale` has its own. */
  readonly rate: number
  /** Of `page`, a second. */
  readonly pageRate: number
  readonly measureMs: number
  /** Instead of those of the scenario. */
  readonly subjects: readonly SubjectName[] | undefined
  readonly isProfiled: boolean
  readonly print: (line: string) => void
}

/** One subject in one world, as one scenario sees it. */
export interface Row {
  readonly subject: SubjectName
  /** What is particular about the world; empty for the ordinary one. */
  readonly variant: string
  readonly world: WorldSpec
  /** Figures of each round that counts. */
  readonly rounds: readonly Figures[]
  /** The median of each figure. */
  readonly median: Figures
  /** Why there are no figures, or why they are not to be believed; empty: they are. */
  readonly doubt: string
  readonly profile: Profile | undefined
}

export interface ScenarioResult {
  readonly scenario: ScenarioName
  readonly users: number
  readonly rate: number
  readonly rows: readonly Row[]
}

/** One subject in one world: what several scenarios want of it is measured on the same crowd. */
interface Cell {
  readonly subject: SubjectName
  readonly world: WorldSpec
  readonly phases: Set<Phase>
  readonly figures: Record<Phase, Figures[]>
  readonly profiles: Partial<Record<Phase, Profile | undefined>>
  readonly doubts: string[]
}

/** As `SETTINGS.graceMs`, with a little for the way. */
const GRACE_MS = 5_500
const AWAY_MS = 1_500
/** Until as many come back as go. */
const CHURN_WARM_MS = AWAY_MS + GRACE_MS + 1_500
const TYPING_WARM_MS = 2_000
const LOSS_SHARE = 0.5
/**
 * All worlds of `scale` churn at this rate, or they could not be compared; and it is a low one for the sake of the
 * small world. Who is lost stays away for 7 s: at 100 a second a fifth of 1,000 users would be away at any time, and
 * what is measured would be a smaller world in which everybody is always coming back.
 */
const SCALE_RATE = 20
/** For the same reason, of a world that is smaller still: a fiftieth of its users a second. */
const SCALE_USERS_PER_RATE = 50
/**
 * At least as long as Socket.IO's ping interval, so that each connection is pinged once: at so low a rate the pings of
 * 10,000, which follow each other as they connected, are a good part of the work, or none, as they happen to fall. That
 * they are no cost of a transition is seen by watching for as long while nothing changes.
 */
const SCALE_MEASURE_MS = 25_000

/**
 * Runs the scenarios. `onRound` hears what is known after each round.
 * In turns: what the machine does meanwhile befalls all alike.
 */
export async function runScenarios(
  scenarios: readonly ScenarioName[],
  options: RunOptions,
  onRound: (results: readonly ScenarioResult[]) => Promise<void>,
): Promise<readonly ScenarioResult[]> {
  const cells = new Map<string, Cell>()
  const pages = new Map<PageView, Figures[]>(PAGE_VIEWS.map((view) => [view, []]))
  for (const scenario of scenarios) {
    if (scenario === 'page') continue
    for (const { subject, world } of entriesOf(scenario, options)) {
      const cell = cells.get(keyOf(subject, world)) ?? emptyCell(subject, world)
      cells.set(keyOf(subject, world), cell)
      for (const phase of phasesOf(scenario)) cell.phases.add(phase)
    }
  }
  const results = () =>
    scenarios.map((scenario) =>
      scenario === 'page' ? pageResultOf(pages, options) : resultOf(scenario, cells, options),
    )
  for (let round = 1; round <= options.rounds; round++) {
    for (const cell of cells.values()) await runCell(cell, round, options)
    if (scenarios.includes('page')) await runPages(pages, round, options)
    await onRound(results())
  }
  return results()
}

async function runCell(cell: Cell, round: number, options: RunOptions): Promise<void> {
  const { subject, world, phases } = cell
  await options.database.become(world)
  const label = `round ${round}, ${subject}, ${JSON.stringify(world)}`
  let current: Phase = 'storm'
  try {
    await using arena = await openArena(subject, world, options.database.url)
    for (const phase of PHASES) {
      current = phase
      if (phase !== 'storm' && !phases.has(phase)) continue
      const isProfiled = options.isProfiled && phases.has(phase)
      if (isProfiled) await arena.server.ask('startProfile')
      const figures = await runPhase(phase, arena, options)
      if (isProfiled) cell.profiles[phase] = await arena.server.ask('stopProfile')
      cell.figures[phase].push(figures)
      options.print(`${label}, ${phase}: ${brief(figures)}`)
    }
  } catch (error) {
    if (!(error instanceof Void)) throw error
    cell.doubts.push(`round ${round}, ${current}: does not count, ${error.message}`)
    options.print(`${label}, ${current}: does not count, ${error.message}`)
  }
}

/** A page has a server and a world of its own, and one subject: what is measured is the page. */
async function runPages(
  pages: ReadonlyMap<PageView, Figures[]>,
  round: number,
  { pageRate, measureMs, print }: RunOptions,
): Promise<void> {
  for (const [view, rounds] of pages) {
    const figures = await measurePage(view, { rate: pageRate, measureMs })
    rounds.push(figures)
    print(`round ${round}, page, ${view}: ${brief(figures)}`)
  }
}

function pageResultOf(
  pages: ReadonlyMap<PageView, readonly Figures[]>,
  { pageRate }: RunOptions,
): ScenarioResult {
  const rows = Array.from(pages, ([variant, rounds]): Row => ({
    subject: 'vigie-2',
    variant,
    world: { users: PAGE_USERS },
    rounds,
    median: { ...medianOf(rounds), ...allTasksOf(rounds) },
    doubt: '',
    profile: undefined,
  }))
  return { scenario: 'page', users: PAGE_USERS, rate: pageRate, rows }
}

/** Of what should not happen at all, a median would hide two rounds in five. */
function allTasksOf(rounds: readonly Figures[]): Figures {
  return {
    longTasks: rounds.reduce((sum, { longTasks = 0 }) => sum + longTasks, 0),
    longestTaskMs: Math.max(0, ...rounds.map(({ longestTaskMs = 0 }) => longestTaskMs)),
  }
}

function runPhase(phase: Phase, arena: Arena, options: RunOptions): Promise<Figures> {
  const { rate, measureMs } = options
  switch (phase) {
    case 'storm':
      return storm(arena)
    case 'typing':
      return typing(arena, rate, { warmMs: TYPING_WARM_MS, measureMs })
    case 'churn':
    case 'scale':
      return churn(
        arena,
        {
          rate: phase === 'scale' ? scaleRateOf(options) : rate,
          lossShare: LOSS_SHARE,
          awayMs: AWAY_MS,
          graceMs: GRACE_MS,
        },
        {
          warmMs: CHURN_WARM_MS,
          measureMs: phase === 'scale' ? Math.max(measureMs, SCALE_MEASURE_MS) : measureMs,
        },
        phase === 'scale' ? SCALE_MEASURE_MS : 0,
      )
    case 'limit':
      return limit(arena)
  }
}

function phasesOf(scenario: CrowdScenario): readonly Phase[] {
  switch (scenario) {
    case 'storm':
    case 'memory':
      return ['storm']
    case 'allhands':
      return ['storm', 'churn']
    default:
      return [scenario]
  }
}

/** The smaller of the two sizes of world that `scale` compares. */
const fewOf = ({ users }: RunOptions) => Math.max(100, Math.floor(users / 10))

const scaleRateOf = (options: RunOptions) =>
  Math.max(1, Math.min(SCALE_RATE, Math.floor(fewOf(options) / SCALE_USERS_PER_RATE)))

interface Entry {
  readonly subject: SubjectName
  readonly variant: string
  readonly world: WorldSpec
}

/** Variants come in pairs, to be compared: first the small world, then the large one. */
function entriesOf(scenario: CrowdScenario, options: RunOptions): readonly Entry[] {
  const { users, subjects } = options
  const cross = (names: readonly SubjectName[], variants: readonly (readonly [string, WorldSpec])[]) =>
    variants.flatMap(([variant, world]) =>
      names
        // Another engine below Socket.IO is measured when it is asked for.
        .filter((subject) => (subjects ? subjects.includes(subject) : subject !== 'vigie-2-uws'))
        .map((subject): Entry => ({ subject, variant, world })),
    )
  const few = fewOf(options)
  switch (scenario) {
    case 'memory':
    case 'storm':
    case 'churn':
      return cross(SUBJECTS, [['', { users }]])
    case 'typing':
    case 'limit':
      // The first picture makes no difference once everybody is there.
      return cross(['seed', 'vigie-1', 'vigie-2'], [['', { users }]])
    case 'scale':
      return cross(
        ['seed', 'vigie-1', 'vigie-2'],
        [
          ['1 shared conversation', { users, shared: 1 }],
          ['50 shared conversations', { users, shared: 50 }],
          [`${few} users`, { users: few }],
          [`${users} users`, { users }],
        ],
      )
    case 'allhands':
      // The seed's approach would send each connection's news to everybody: a hundred million frames.
      return cross(
        ['vigie-1', 'vigie-2'],
        [
          ['without', { users }],
          ['with', { users, allhands: true }],
        ],
      )
  }
}

function resultOf(
  scenario: CrowdScenario,
  cells: ReadonlyMap<string, Cell>,
  options: RunOptions,
): ScenarioResult {
  const rows = entriesOf(scenario, options).flatMap((entry): Row[] => {
    const cell = cells.get(keyOf(entry.subject, entry.world))
    return cell ? [rowOf(scenario, entry, cell)] : []
  })
  const rate = scenario === 'scale' ? scaleRateOf(options) : options.rate
  return { scenario, users: options.users, rate, rows }
}

function rowOf(scenario: CrowdScenario, entry: Entry, cell: Cell): Row {
  const phases = phasesOf(scenario)
  const last = phases.at(-1) ?? 'storm'
  const rounds = cell.figures[last].map((figures, round) =>
    phases.length === 1 ? figures : { ...figures, ...prefixed('storm', cell.figures.storm[round] ?? {}) },
  )
  const median = medianOf(rounds)
  return { ...entry, rounds, median, doubt: doubtOf(median, cell), profile: cell.profiles[last] }
}

function doubtOf(median: Figures, { doubts }: Cell): string {
  const largest = (name: string) => Math.max(median[name] ?? 0, median[`storm.${name}`] ?? 0)
  const lag = largest('generatorLagMs')
  if (lag > LAG_MAX_MS) return `not measured: the generator lagged ${lag.toFixed(0)} ms`
  const waited = largest('waitedShare')
  if (waited > WAITED_MAX)
    return `not measured: others had ${(waited * 100).toFixed(0)} % of the server's time`
  return doubts.join('; ')
}

function emptyCell(subject: SubjectName, world: WorldSpec): Cell {
  const figures = { storm: [], typing: [], scale: [], churn: [], limit: [] }
  return { subject, world, phases: new Set(), figures, profiles: {}, doubts: [] }
}

const keyOf = (subject: SubjectName, world: WorldSpec) => `${subject} ${JSON.stringify(world)}`

const prefixed = (prefix: string, figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}.${name}`, value]))

function medianOf(rounds: readonly Figures[]): Figures {
  const names = new Set(rounds.flatMap((figures) => Object.keys(figures)))
  return Object.fromEntries(
    Array.from(names, (name) => {
      const sorted = rounds.map((figures) => figures[name] ?? 0).sort((a, b) => a - b)
      return [name, sorted[Math.floor((sorted.length - 1) / 2)] ?? 0]
    }),
  )
}

function brief(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : Number(value.toPrecision(3))}`)
    .join(', ')
}
