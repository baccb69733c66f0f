/**
 * What monitoring costs: two builds of the server on the same recorded history of inputs, in interleaved pairs. The other
 * build is one without monitoring:
 *
 *   node --expose-gc bench/dist/monitoring.js --against <folder of another build's packages/server/dist> [--users N] [--pairs N]
 *
 * A build that has metrics counts as the plugin does, follows its sample of changes, and is scraped every 15 seconds of the
 * history; its auditor goes over everything once a minute of the history, as it does by default. Each build has its own
 * code, compiled in plays that are not counted, and starts on a heap without garbage.
 */
import { parseArgs } from 'node:util'
import { history } from './history.js'
import { collect, load, median, openLines, OURS, play, type Build, type Figures } from './play.js'

/** Plays of each kind before those that count. */
const WARM_UPS = 3

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    users: { type: 'string', default: '10000' },
    pairs: { type: 'string', default: '10' },
  },
})

const { against, users, pairs } = values
if (against === undefined) throw new Error('--against names the dist folder of a build without monitoring.')
const inputs = history(Number(users))
const off = await load(against)
const on = await load(OURS)
const { lines, close } = await openLines()
for (let n = 0; n < WARM_UPS; n++) for (const build of [off, on]) await play({ build, inputs, lines })

async function measure(build: Build): Promise<Figures> {
  collect()
  const figures = await play({ build, inputs, lines })
  const { writes, bytes, cpuMs, measured } = figures
  const name = build === on ? 'on ' : 'off'
  process.stdout.write(
    `${name}  ${writes} writes  ${bytes} bytes  ${cpuMs.toFixed(0)} ms  ${measured} measured\n`,
  )
  return figures
}

const ratios: number[] = []
for (let pair = 0; pair < Number(pairs); pair++) {
  const isOffFirst = pair % 2 === 0
  const first = await measure(isOffFirst ? off : on)
  const second = await measure(isOffFirst ? on : off)
  if (first.writes !== second.writes || first.bytes !== second.bytes)
    throw new Error('The two builds write something else.')
  ratios.push(isOffFirst ? second.cpuMs / first.cpuMs : first.cpuMs / second.cpuMs)
}
process.stdout.write(
  `Processor time, on to off: median ${median(ratios).toFixed(3)} of ${ratios.map((ratio) => ratio.toFixed(3)).join(' ')}\n`,
)
close()
