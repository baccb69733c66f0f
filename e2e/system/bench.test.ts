import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { membershipsOf } from '../../bench/src/world.js'
import { startProcess } from '../support/process.js'

const MAIN = fileURLToPath(new URL('../../bench/dist/main.js', import.meta.url))
const USERS = 200
/** One of a community, besides the user. */
const OTHERS = 99
const SUBJECTS = ['floor', 'seed', 'seed-picture', 'vigie-1', 'vigie-2']

interface Row {
  readonly subject: string
  readonly rounds: readonly Readonly<Record<string, number>>[]
  readonly median: Readonly<Record<string, number>>
}
interface Report {
  readonly results: readonly { readonly scenario: string; readonly rows: readonly Row[] }[]
}

/** A small benchmark says nothing about speed: what is asserted here is that it counts right. */
describe('the benchmark', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vigie-bench-test-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  async function bench(scenario: string, subjects = SUBJECTS): Promise<ReadonlyMap<string, Row>> {
    const rows = await run(scenario, '--subjects', subjects.join(','))
    expect(rows.map(({ subject }) => subject)).toEqual(subjects)
    // A run in which not everybody ended connected leaves no round.
    expect(rows.filter(({ rounds }) => rounds.length === 1)).toHaveLength(subjects.length)
    return new Map(rows.map((row) => [row.subject, row]))
  }

  async function run(scenario: string, ...more: readonly string[]): Promise<readonly Row[]> {
    const json = join(folder, `${scenario}.json`)
    const size = ['--users', String(USERS), '--rounds', '1', '--measure', '3']
    await using started = startProcess([MAIN, scenario, ...size, '--json', json, ...more])
    const code = await started.ended
    expect(code, started.lines.join('\n')).toBe(0)
    const report = JSON.parse(await readFile(json, 'utf8')) as Report
    expect(report.results.map((result) => result.scenario)).toEqual([scenario])
    return report.results[0]?.rows ?? []
  }

  it('shows a page what comes and goes, and the page is right in the end', async () => {
    const rows = await run('page', '--rate', '100')
    expect(rows).toHaveLength(2)
    for (const { median } of rows) {
      expect(median.changesRate).toBeGreaterThan(0)
      expect(median.rendersRate).toBeGreaterThan(0)
      expect(median.wrongViews).toBe(0)
    }
  })

  const figure = (rows: ReadonlyMap<string, Row>, subject: string, name: string) =>
    rows.get(subject)?.median[name] ?? NaN

  it('connects everybody in a storm and counts what they are told', async () => {
    const rows = await bench('storm')
    expect(figure(rows, 'floor', 'frames')).toBe(0)
    // Nobody is told of anybody: each view of somebody else is wrong, and is found to be.
    expect(figure(rows, 'floor', 'wrongViews')).toBe(USERS * OTHERS)
    // Two queries a connection, as the seed states it, whoever is told of it.
    expect(figure(rows, 'seed', 'queries')).toBe(2 * USERS)
    expect(figure(rows, 'vigie-1', 'queries')).toBeLessThan(USERS / 2)
    expect(figure(rows, 'vigie-2', 'queries')).toBeLessThan(USERS / 2)
    // One frame a room and pair, whoever of the two comes first, and one to the comer.
    expect(figure(rows, 'seed', 'frames')).toBe(broadcastFrames())
    // One state each, and some diffs: nothing near a frame for each pair.
    expect(figure(rows, 'vigie-2', 'frames')).toBeGreaterThanOrEqual(USERS)
    // With so few it is over before windows have widened: twenty times fewer are promised of 10,000 users.
    expect(figure(rows, 'vigie-2', 'frames') * 10).toBeLessThan(figure(rows, 'seed', 'frames'))
    expect(figure(rows, 'vigie-1', 'wrongViews')).toBe(0)
    expect(figure(rows, 'vigie-2', 'wrongViews')).toBe(0)
    for (const subject of SUBJECTS) expect(figure(rows, subject, 'leaks')).toBe(0)
  })

  it('lets people go and come back, and everybody is right in the end', async () => {
    // The others count by the same code, and are in the storm; each takes half a minute here.
    const subjects = ['seed', 'vigie-1', 'vigie-2']
    const rows = await bench('churn', subjects)
    for (const subject of subjects) {
      expect(figure(rows, subject, 'changes')).toBeGreaterThan(0)
      expect(figure(rows, subject, 'dropped')).toBe(0)
    }
    // At most a frame for each other, besides what one is told when one is back.
    expect(figure(rows, 'vigie-2', 'frames')).toBeLessThanOrEqual(OTHERS + 1)
    // Each change with all that it costs, and nothing else: two queries each time, as the seed states it.
    expect(figure(rows, 'seed', 'queries')).toBe(2)
    expect(figure(rows, 'vigie-2', 'offlineSamples')).toBeGreaterThan(0)
    expect(figure(rows, 'vigie-1', 'wrongViews')).toBe(0)
    expect(figure(rows, 'vigie-2', 'wrongViews')).toBe(0)
  }, 240_000)

  it('plays the same history through two builds, with and without monitoring, and both write the same', async () => {
    const script = fileURLToPath(new URL('../../bench/dist/monitoring.js', import.meta.url))
    const build = fileURLToPath(new URL('../../packages/server/dist', import.meta.url))
    await using started = startProcess([
      '--expose-gc',
      script,
      '--against',
      build,
      '--users',
      String(USERS),
      '--pairs',
      '1',
    ])
    expect(await started.ended, started.lines.join('\n')).toBe(0)
    const runs = started.lines.map(
      (line) => /(\d+) writes {2}(\d+) bytes .* (\d+) measured$/u.exec(line) ?? [],
    )
    const [off, on] = runs.map(([, writes, bytes, measured]) => [
      Number(writes),
      Number(bytes),
      Number(measured),
    ])
    expect(on?.slice(0, 2)).toEqual(off?.slice(0, 2))
    expect(on?.[2]).toBeGreaterThan(0)
  })
})

/** Frames of a storm where each who comes is told to everybody who is in the room by then, the comer included. */
function broadcastFrames(): number {
  const sizes = new Map<string, number>()
  for (let user = 0; user < USERS; user++) {
    const { groups, conversations } = membershipsOf(user, { users: USERS })
    for (const room of [...groups, ...conversations]) sizes.set(room, (sizes.get(room) ?? 0) + 1)
  }
  return [...sizes.values()].reduce((sum, size) => sum + (size * (size + 1)) / 2, 0)
}
