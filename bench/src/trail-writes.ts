/**
 * What writing the audit trail costs: the same recorded history of inputs with and without it, in interleaved pairs.
 *
 *   node --expose-gc bench/dist/trail-writes.js [--users N] [--pairs N]
 *
 * The trail is written to a PostgreSQL of the benchmark's own. Counted is the processor time of the server's process, until
 * the last row was acknowledged; PostgreSQL's own is not in it.
 */
import { parseArgs } from 'node:util'
import { postgresTrail } from '@vigie/server/postgres'
import { openDatabase } from './database.js'
import { history } from './history.js'
import { collect, load, median, openLines, OURS, play, type Figures } from './play.js'

/** Plays of each kind before those that count. */
const WARM_UPS = 3

const { values } = parseArgs({
  options: { users: { type: 'string', default: '10000' }, pairs: { type: 'string', default: '10' } },
})

const inputs = history(Number(values.users))
const build = await load(OURS)
await using database = await openDatabase()
const { lines, close } = await openLines()

function run(isOn: boolean): Promise<Figures> {
  // The recorder ends its store.
  const trail = isOn ? postgresTrail({ sql: database.url, node: 'bench' }) : undefined
  return play({ build, inputs, lines, ...(trail && { trail }) })
}

async function measure(isOn: boolean): Promise<Figures> {
  collect()
  const figures = await run(isOn)
  const { writes, bytes, cpuMs, rows } = figures
  const name = isOn ? 'on ' : 'off'
  process.stdout.write(`${name}  ${writes} writes  ${bytes} bytes  ${cpuMs.toFixed(0)} ms  ${rows} rows\n`)
  return figures
}

for (let n = 0; n < WARM_UPS; n++) for (const isOn of [false, true]) await run(isOn)
const ratios: number[] = []
for (let pair = 0; pair < Number(values.pairs); pair++) {
  const isOffFirst = pair % 2 === 0
  const first = await measure(!isOffFirst)
  const second = await measure(isOffFirst)
  if (first.writes !== second.writes || first.bytes !== second.bytes)
    throw new Error('With the audit trail something else was written to clients.')
  ratios.push(isOffFirst ? second.cpuMs / first.cpuMs : first.cpuMs / second.cpuMs)
}
process.stdout.write(
  `Processor time, with the audit trail to without: median ${median(ratios).toFixed(3)} of ${ratios.map((ratio) => ratio.toFixed(3)).join(' ')}\n`,
)
close()
