/** `npm run bench -- <scenario> … [--users N] …`: see docs/performance.md. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { isPinned, stepAside } from './arena.js'
import { openDatabase } from './database.js'
import { machine } from './machine.js'
import { writeReport } from './performance-page.js'
import { PAGE_RATE } from './page.js'
import { printRuns } from './report.js'
import { runScenarios, SCENARIOS, type RunOptions, type ScenarioName } from './scenarios.js'
import { SUBJECTS, type SubjectName } from './subjects/subject.js'

const USAGE = `npm run bench -- <${[...SCENARIOS, 'all'].join('|')}> … [--users N] [--rounds N] [--rate N]
  [--measure SECONDS] [--subjects ${SUBJECTS.join(',')}] [--profile] [--json FILE] [--write]
--rate is of churn, typing and page, a second; scale has a rate of its own, and page its own people.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    users: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    rate: { type: 'string' },
    // A ping interval of Socket.IO: each connection is pinged once, whenever it was made.
    measure: { type: 'string', default: '25' },
    subjects: { type: 'string' },
    profile: { type: 'boolean', default: false },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

const print = (line: string) => process.stdout.write(`${line}\n`)

function wanted(): readonly ScenarioName[] {
  if (positionals.length === 0) throw new Error(`Which scenario?\n${USAGE}`)
  if (positionals.includes('all')) return SCENARIOS
  return positionals.map((name) => {
    const found = SCENARIOS.find((each) => each === name)
    if (!found) throw new Error(`There is no scenario ${JSON.stringify(name)}.\n${USAGE}`)
    return found
  })
}

function whole(name: string, text: string, min: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min)
    throw new Error(`--${name} is ${text}; it must be at least ${min}.`)
  return value
}

async function main(): Promise<void> {
  const scenarios = wanted()
  const users = whole('users', values.users, 100)
  const subjects = values.subjects?.split(',').map((name): SubjectName => {
    const found = SUBJECTS.find((each) => each === name)
    if (!found) throw new Error(`There is no subject ${name}.\n${USAGE}`)
    return found
  })
  stepAside()
  if (!isPinned) print('Processes cannot be kept to processors here: figures of the two sides mix.')
  await using database = await openDatabase()
  const options: RunOptions = {
    database,
    users,
    rounds: whole('rounds', values.rounds, 1),
    // People who are away, and the lost whose grace runs, must stay a small part of a small crowd.
    rate: values.rate === undefined ? Math.min(100, users / 20) : whole('rate', values.rate, 1),
    pageRate: values.rate === undefined ? PAGE_RATE : whole('rate', values.rate, 1),
    measureMs: whole('measure', values.measure, 1) * 1_000,
    subjects,
    isProfiled: values.profile,
    print,
  }
  const results = await runScenarios(scenarios, options, async (known) => {
    if (values.json === undefined) return
    await writeFile(values.json, `${JSON.stringify({ machine: machine(), results: known }, null, 1)}\n`)
  })
  for (const result of results) printRuns(result, print)
  if (values.write) await writeReport(results, machine())
}

// The processes that were started end with this one, but only if it ends by itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
