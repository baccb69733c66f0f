/**
 * How long the audit trail takes to say who was online: `node bench/dist/trail.js [--rows N] [--days N] [--questions N]`.
 * It fails when a question looks into partitions of other days than its own.
 */
import { parseArgs } from 'node:util'
import { openTrail, postgresTrail } from '@vigie/server/postgres'
import postgres from 'postgres'
import type { Fact } from '../../packages/server/dist/trail/facts.js'
import { dayOf } from '../../packages/server/dist/trail/days.js'
import { openDatabase } from './database.js'
import { createRandom } from './random.js'
import { createTrailWriter } from './trail-writer.js'

const DAY_MS = 86_400_000
const WARM_UP = 100
const USERS = 10_000
/** With as many users each; everybody is in ten. */
const CONVERSATIONS = 2_000
const MEMBERS = 50

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    days: { type: 'string', default: '7' },
    questions: { type: 'string', default: '2000' },
  },
})
const rows = whole('rows', values.rows)
const days = whole('days', values.days)
const questions = whole('questions', values.questions)
if (days > 8) throw new Error('--days is 8 at most: partitions are made within eight days of today.')

const print = (line: string) => process.stdout.write(`${line}\n`)
const random = createRandom()
const below = (limit: number) => Math.floor(random() * limit)

await using world = await openDatabase()
const sql = postgres(world.url, { max: 4, onnotice: () => {}, prepare: false, fetch_types: false })
const begin = Math.floor(Date.now() / DAY_MS) * DAY_MS - days * DAY_MS
const end = begin + days * DAY_MS - 1

try {
  const startedAt = performance.now()
  const written = await write()
  await sql`VACUUM ANALYZE vigie.trail`
  print(
    `${written} rows of ${days} days, written in ${Math.round((performance.now() - startedAt) / 1_000)} s.`,
  )
  await ask()
  await explain()
} finally {
  await sql.end()
}

/** People come and go on one server that runs all the time; about half of them are online. */
async function write(): Promise<number> {
  const store = postgresTrail({ sql: world.url, node: 'bench' })
  await store.makeDays(Array.from({ length: days }, (_, day) => dayOf(begin + day * DAY_MS)))
  const { add, flush, ...written } = createTrailWriter(store)
  const online = new Map<number, number>()
  let sessions = 0

  const session = (user: number, id: number, state: 'live' | 'ended', reason: string) =>
    ({
      kind: 'session',
      state,
      reason,
      userId: `user-${user}`,
      sessionId: `session-${id}`,
      device: `device-${user}`,
      detail: { since: begin },
    }) as unknown as Fact
  const rooms = (user: number, reason: string) =>
    ({
      kind: 'rooms',
      reason,
      userId: `user-${user}`,
      groups: [`group-${user % 100}`],
      conversations: Array.from(
        { length: (CONVERSATIONS * MEMBERS) / USERS },
        (_, index) => `conversation-${(user * 7 + index * 199) % CONVERSATIONS}`,
      ),
    }) as unknown as Fact

  await add({ kind: 'start', detail: { node: 'bench' } }, begin)
  // Three rows for each who comes and goes.
  const events = Math.floor((rows * 2) / 3)
  for (let event = 0; event < events; event++) {
    const at = begin + Math.floor((event / events) * days * DAY_MS)
    if (dayOf(at) !== written.day()) {
      const from = written.position() + 1
      for (const [user, id] of online) await add(session(user, id, 'live', 'checkpoint'), at)
      for (const user of online.keys()) await add(rooms(user, 'checkpoint'), at)
      await add({ kind: 'checkpoint', detail: { from } }, at)
    }
    const user = below(USERS)
    const id = online.get(user)
    if (id === undefined) {
      online.set(user, ++sessions)
      await add(session(user, sessions, 'live', 'connected'), at)
      await add(rooms(user, 'seen'), at)
    } else {
      online.delete(user)
      await add(session(user, id, 'ended', 'left'), at)
    }
  }
  await add({ kind: 'stop' }, end)
  await flush()
  await store.close()
  return written.position()
}

function someQuestion() {
  return {
    conversation: `conversation-${below(CONVERSATIONS)}`,
    at: begin + below(days * DAY_MS - 1),
  }
}

async function ask(): Promise<void> {
  const trail = openTrail({ sql: world.url })
  const took: number[] = []
  let found = 0
  for (let count = -WARM_UP; count < questions; count++) {
    const question = someQuestion()
    const from = performance.now()
    const { users, holes } = await trail.online(question)
    if (count < 0) continue
    took.push(performance.now() - from)
    found += users.length
    if (holes.length > 0) throw new Error(`The answer has a hole: ${JSON.stringify(holes)}.`)
  }
  await trail.close()
  if (found === 0) throw new Error('Nobody was found online: nothing was measured.')
  took.sort((one, other) => one - other)
  const at = (part: number) =>
    (took[Math.min(took.length - 1, Math.floor(part * took.length))] ?? 0).toFixed(1)
  print(
    `online: ${questions} questions, ${(found / questions).toFixed(1)} users each; ms: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}.`,
  )
}

/** The statement that reads people, as it was sent, explained with the values that it was sent with. */
async function explain(): Promise<void> {
  const sent: { text: string; values: string[] }[] = []
  const trail = openTrail({
    sql: {
      unsafe(text: string, given: string[] = []) {
        sent.push({ text, values: given })
        return sql.unsafe(text, given)
      },
    },
  })
  const question = { ...someQuestion(), at: begin + Math.floor((days / 2) * DAY_MS) }
  await trail.online(question)
  for (const { text, values: given } of sent) {
    const plan = await sql.unsafe(`EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) ${text}`, given)
    const lines = plan.map((row) => String((row as Record<string, unknown>)['QUERY PLAN']))
    print(`\n${lines.join('\n')}`)
    if (!text.includes('candidate')) continue
    const looked = new Set(lines.join('\n').match(/trail_\d{8}/gu))
    const own = `trail_${dayOf(question.at).replaceAll('-', '')}`
    if (looked.size !== 1 || !looked.has(own)) {
      throw new Error(`The question of ${own} looked into ${[...looked].join(', ')}.`)
    }
  }
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is ${text}; it must be at least 1.`)
  return value
}
