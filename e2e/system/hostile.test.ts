/**
 * Attackers do whatever can be done to a connection, by hand over TCP, while ordinary clients go on beside them. The
 * server and the watcher are processes of their own: a loop that is frozen cannot measure itself.
 *
 * HOSTILE_ACTIONS and HOSTILE_SEEDS say how many, HOSTILE_ENGINE on what (ws, uws); TEST_SEED makes the choices of an
 * earlier run again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createAttack, planHostile, type HostileAction } from '../support/hostile-actions.js'
import {
  startHostileHost,
  startWatcher,
  type HostGlance,
  type HostileHost,
  type HostMeasure,
  type Watcher,
  type WatchReport,
} from '../support/hostile-host.js'
import { openLine, POLLING, request, upgrade, WEBSOCKET } from '../support/hostile-line.js'
import {
  connectOrdinaryPeople,
  ECHO,
  ordinaryAction,
  WATCHERS,
  world,
  type OrdinaryPeople,
} from '../support/hostile-people.js'
import { createRandom } from '../support/random.js'
import { readSeed } from '../support/seed.js'
import { freshSecret, signToken } from '../support/serve.js'

const SEEDS = numberOf('HOSTILE_SEEDS', 20)
const ACTIONS = numberOf('HOSTILE_ACTIONS', 500)
/** One ordinary action for so many hostile ones. */
const ORDINARY_EACH = 3
/** How often the host's memory and pressure are looked at, in actions. */
const GLANCE_EACH = 25
/** Actions that are under way at a time, at most. */
const UNDER_WAY_MAX = 12

/** At least this share of the actions begins with a session of its own. */
const SESSIONS_MIN_SHARE = 0.1

/** The promise: the process answers HTTP within a second at every step. */
const HTTP_MAX_MS = 1_000
/**
 * The same where the host has compression on, and shouts megabytes to clients that do not read: an answer took 1,450 ms
 * once in forty such runs, and why is not known yet. A process that is frozen is still found.
 */
const HTTP_MAX_DEFLATING_MS = 3_000
/** What an ordinary client does is told to another. Under pressure windows widen to five seconds, and come back. */
const ECHO_MAX_MS = 6_000
const ECHO_MEDIAN_MAX_MS = 250
/** Graces, leases and Node.js' own times are over long before; a limit for what never comes. */
const SETTLED_MAX_MS = 20_000
/** What V8 compiles and caches meanwhile; a connection that is kept is counted one by one. */
const HEAP_GROWTH_MAX_BYTES = 8_000_000

for (const [index, seed] of seeds().entries()) {
  test(
    `hostile run ${index + 1} of ${SEEDS}: the process answers, others hear each other, nothing is lost or left, and pictures are true`,
    { timeout: 120_000 },
    async () => {
      const outcome = await run(seed)
      report(seed, outcome)
      const { violations, story } = outcome
      if (violations.length > 0) console.error(storyOf(seed, story))
      expect(violations).toEqual([])
    },
  )
}

function seeds(): readonly number[] {
  const first = readSeed('the hostile runs')
  return Array.from({ length: SEEDS }, (_, index) => (first + index) % 2 ** 31)
}

function numberOf(variable: string, otherwise: number): number {
  const told = process.env[variable]
  const value = told === undefined || told === '' ? otherwise : Number(told)
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${variable} is "${told ?? ''}": give a whole number from 1 on, or leave it out.`)
  }
  return value
}

/** A quarter each says nothing, half a request, opens a WebSocket, or opens a connection over polling. */
const IDLE = 1_000

test(
  `of ${IDLE} connections that do nothing, each is closed by the server, and none has cost anybody anything`,
  { timeout: 120_000 },
  async () => {
    const secret = freshSecret()
    await using host = await startHostileHost({ ...world, secret, perMessageDeflate: false, engine: 'ws' })
    using people = connectOrdinaryPeople(host, secret)
    await using watcher = await watch(host, secret)
    await settled(people, host, undefined)
    const before = await host.measure()

    const openings = ['', 'GET /socket.io/ HTTP/1.1\r\nHost: ', upgrade(WEBSOCKET), request(POLLING)]
    const lines = Array.from({ length: IDLE }, () => openLine(host.port))
    for (const [index, line] of lines.entries()) line.write(openings[index % openings.length]!)
    const ended = Promise.all(lines.map(({ ended: end }) => end)).then(() => 'ended' as const)
    const meanwhile: HostMeasure[] = []
    do meanwhile.push(await host.measure())
    while ((await Promise.race([ended, sleep(100)])) !== 'ended')
    const most = (of: (measure: HostMeasure) => number) => Math.max(...meanwhile.map(of))
    expect(most(({ open }) => open.streams)).toBeGreaterThan(IDLE / 2)
    expect(most(({ open }) => open.connections)).toBeGreaterThan(IDLE / 4)
    expect(most(({ sizes }) => sizes.sessions!)).toBe(before.sizes.sessions)

    const left = await settled(people, host, before)
    const slow = watcher.slow()
    const watched = await watcher.report()
    for (const { tcp } of lines) tcp.destroy()
    const after = await host.measure()
    expect([
      ...left,
      ...people.lost,
      ...watched.ends,
      ...after.faults,
      ...violationsOf(watched, after, { slow, httpMaxMs: HTTP_MAX_MS }),
    ]).toEqual([])
  },
)

function engineOf(): 'ws' | 'uws' {
  const { HOSTILE_ENGINE: told = 'ws' } = process.env
  if (told !== 'ws' && told !== 'uws')
    throw new Error(`HOSTILE_ENGINE is "${told}": say ws or uws, or leave it out.`)
  return told
}

/** An action, and when it was begun, since 1970. */
type Told = readonly [at: number, action: HostileAction]

interface Outcome {
  /** In words; none if all is well. */
  readonly violations: readonly string[]
  readonly story: readonly Told[]
  readonly watched: WatchReport
  readonly before: HostMeasure
  readonly after: HostMeasure
  /** In the middle of it. */
  readonly glances: readonly HostGlance[]
  readonly kinds: number
  /** WebSockets of attackers that were let in. */
  readonly sessions: number
  readonly tookMs: number
  readonly deflates: boolean
}

async function run(seed: number): Promise<Outcome> {
  const secret = freshSecret()
  // Of the seed, so that a run alone is the same.
  const deflates = seed % 4 === 3
  await using host = await startHostileHost({
    ...world,
    secret,
    perMessageDeflate: deflates,
    engine: engineOf(),
  })
  using people = connectOrdinaryPeople(host, secret)
  await using watcher = await watch(host, secret)
  await settled(people, host, undefined)
  const before = await host.measure()

  const start = performance.now()
  const attack = createAttack(host, secret)
  const story: Told[] = []
  const failures: string[] = []
  const glances: HostGlance[] = []
  const random = createRandom(seed + 1)
  const underWay = new Set<Promise<void>>()
  for (const [step, action] of planHostile(seed, ACTIONS).entries()) {
    story.push([Date.now(), action])
    const turn = attack
      .perform(action)
      .catch((error: unknown) => void failures.push(`"${action.kind}" could not be done: ${String(error)}`))
      .finally(() => underWay.delete(turn))
    underWay.add(turn)
    try {
      await host.here()
      if (step % ORDINARY_EACH === 0) await people.perform(ordinaryAction(random))
      if (step % GLANCE_EACH === 0) glances.push(await host.glance())
    } catch (error) {
      // Nothing else can be asked of it.
      throw new Error(`The process does not answer after action ${step}.\n${storyOf(seed, story)}`, {
        cause: error,
      })
    }
    if (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay)
  }
  await Promise.all(underWay)
  await attack.end()
  people.stopTyping()
  const tookMs = performance.now() - start
  const left = await settled(people, host, before)
  const slow = watcher.slow()
  const watched = await watcher.report()
  const after = await host.measure()
  const { sessions } = attack
  const violations = [
    ...failures,
    // Attackers that are kept out would find nothing.
    ...(sessions < ACTIONS * SESSIONS_MIN_SHARE
      ? [`Only ${sessions} sessions of attackers were let in.`]
      : []),
    ...left,
    ...people.lost,
    ...after.faults,
    ...watched.ends.map((reason) => `A client of the watcher lost its connection: ${reason}`),
    ...violationsOf(watched, after, { slow, httpMaxMs: deflates ? HTTP_MAX_DEFLATING_MS : HTTP_MAX_MS }),
    ...(after.heapBytes - before.heapBytes > HEAP_GROWTH_MAX_BYTES
      ? [`The heap has grown by ${megabytes(after.heapBytes - before.heapBytes)}.`]
      : []),
  ]
  const kinds = attack.done.size
  return { violations, story, watched, before, after, glances, kinds, sessions, tookMs, deflates }
}

function watch({ url }: HostileHost, secret: string): Promise<Watcher> {
  const [typist, reader] = WATCHERS.map((userId) => ({ userId, token: signToken(secret, userId) }))
  return startWatcher({ url, conversation: ECHO, typist: typist!, reader: reader! })
}

/** What the watcher saw is no better than its own loop was punctual, and than the machine let the host run. */
function violationsOf(
  { http, echo, ownLagMs }: WatchReport,
  { starvedMs }: HostMeasure,
  { slow, httpMaxMs }: { readonly slow: readonly string[]; readonly httpMaxMs: number },
): readonly string[] {
  const found: string[] = []
  const machineMs = ownLagMs + starvedMs
  const of = `of which the machine took at most ${machineMs}`
  if (http.mostMs - machineMs > httpMaxMs) found.push(`An answer to HTTP took ${http.mostMs} ms, ${of}.`)
  if (echo.mostMs - machineMs > ECHO_MAX_MS) found.push(`An echo took ${echo.mostMs} ms, ${of}.`)
  if (echo.medianMs > ECHO_MEDIAN_MAX_MS) found.push(`Half of the echoes took ${echo.medianMs} ms and more.`)
  return found.length > 0 ? [...found, ...slow] : found
}

/** Resolves once pictures are true and the host holds no more than before; or what is still not so, in words. */
async function settled(
  people: OrdinaryPeople,
  host: HostileHost,
  before: HostMeasure | undefined,
): Promise<readonly string[]> {
  const end = performance.now() + SETTLED_MAX_MS
  for (;;) {
    const left = [...people.wrong(), ...differences(before, await host.measure())]
    if (left.length === 0 || performance.now() > end) return left
    await sleep(100)
  }
}

function differences(before: HostMeasure | undefined, now: HostMeasure): readonly string[] {
  const kept = Object.entries(now.kept)
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${count} ${what} that were closed are kept.`)
  if (!before) return kept
  const sizes = Object.entries(before.sizes)
    // What is pending changes with each echo; pressure is of the machine.
    .filter(([name, size]) => !['owed', 'pressure'].includes(name) && now.sizes[name] !== size)
    .map(([name, size]) => `${name}: ${now.sizes[name]} instead of ${size}.`)
  const open = (['connections', 'sockets'] as const)
    .filter((what) => now.open[what] !== before.open[what])
    .map((what) => `${now.open[what]} ${what} are open instead of ${before.open[what]}.`)
  return [...kept, ...sizes, ...open]
}

function report(seed: number, outcome: Outcome): void {
  const { before, after, glances, kinds, sessions, tookMs, deflates, watched } = outcome
  const { http, echo, ownLagMs } = watched
  const most = (of: (glance: HostGlance) => number) => Math.round(Math.max(...glances.map(of)))
  console.info(
    `Seed ${seed}${deflates ? ' with compression' : ''}: ${ACTIONS} actions of ${kinds} kinds, ${sessions} sessions in ${Math.round(tookMs)} ms. ` +
      `HTTP median ${http.medianMs}, p99 ${http.p99Ms}, most ${http.mostMs} ms of ${http.count}; ` +
      `echo median ${echo.medianMs}, p99 ${echo.p99Ms}, most ${echo.mostMs} ms of ${echo.count} (watcher's own lag ${ownLagMs}, the host kept waiting by the machine ${after.starvedMs}). ` +
      `Heap ${megabytes(before.heapBytes)} before, ${megabytes(after.heapBytes)} after; ` +
      `resident ${megabytes(before.residentBytes)}, at most ${most(({ residentBytes }) => residentBytes / 1e6)} MB, ` +
      `then ${megabytes(after.residentBytes)}; pressure at most at step ${most(({ pressure }) => pressure)}.`,
  )
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function storyOf(seed: number, story: readonly Told[]): string {
  return [
    `The actions of seed ${seed} (TEST_SEED=${seed} HOSTILE_SEEDS=1 makes them again):`,
    ...story.map(
      ([at, { kind, place, seed: own }], step) => `${step} at ${at}, place ${place}: ${kind} (${own})`,
    ),
  ].join('\n')
}
