import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/database.js'
import { watchArrivals } from '../support/arrivals.js'
import { createCrowd, type Crowd, type CrowdListener, type Seat } from '../support/crowd.js'
import { EffectWatch, PROMISE_MS, type EffectReport } from '../support/effects.js'
import { isGroup, Rows, type Change, type Row } from '../support/rows.js'
import { readSeed } from '../support/seed.js'
import { freshSecret, serve } from '../support/serve.js'
import { createRandom, type Random } from '../support/random.js'

const USERS = 1_000
const CONNECTIONS = 1_000
/** The last hundred connections are second ones: half of them on the same device, half on another. */
const FIRST_CONNECTIONS = 900
const COMMUNITY = 25
const CONVERSATIONS_PER_COMMUNITY = 12
/** Everybody's, in count mode: its members hear numbers, and no names. */
const ALL_HANDS = 'c-all'
const ALL_HANDS_MEMBERS = 400

const CHANGES = 1_000
const CHANGE_EACH_MS = 35
const CHURN_EACH_MS = 45
const GRACE_MS = 1_000
/** Well beyond the grace: what others see of somebody is settled by then. */
const QUIET_MS = 2_500
/** In count mode a number is told when it has moved by this share. */
const OCCUPANCY_SHARE = 0.01

/** When the checker itself stood still for longer, it cannot tell who was late, and measures again. */
const LAG_MAX_MS = 150
const MEASUREMENTS_MAX = 3

const names = (room: string) => room !== ALL_HANDS

interface Outcome {
  readonly effects: EffectReport
  /** What was told to somebody who had no right to it any more, in words. */
  readonly leaks: readonly string[]
  /** Pictures that were not the truth at the end, in words. */
  readonly wrong: readonly string[]
  readonly events: number
  readonly lagMs: number
  readonly exit: unknown
}

test(
  'among 1,000 users who come, go and type, 1,000 changes of rows are live within a second, nobody hears of what is not theirs, and in the end every picture is the truth',
  { timeout: 400_000 },
  async () => {
    const seed = readSeed('this churn')
    const outcomes = [await run(seed)]
    while (outcomes.length < MEASUREMENTS_MAX && isBlurred(outcomes.at(-1)!)) {
      console.info('The checker stood still for too long to say who was late: it measures again.')
      outcomes.push(await run(seed))
    }
    // Every run counts but for who was late: a leak is one, whatever the checker did meanwhile.
    expect(some(outcomes.flatMap(({ leaks }) => leaks))).toEqual([])
    expect(some(outcomes.flatMap(({ wrong }) => wrong))).toEqual([])
    expect(outcomes.map(({ exit }) => exit)).toEqual(outcomes.map(() => 0))
    const { effects } = outcomes.at(-1)!
    expect(some(effects.late)).toEqual([])
    expect(effects.latenciesMs.length).toBeGreaterThan(CHANGES / 4)
  },
)

/** Enough to see what is wrong; one cause has a thousand faces. */
function some(sentences: readonly string[]): readonly string[] {
  return sentences.slice(0, 3)
}

/** Somebody was late, perhaps only in the eyes of a checker that stood still. */
function isBlurred({ effects, leaks, wrong, lagMs }: Outcome): boolean {
  return lagMs > LAG_MAX_MS && effects.late.length > 0 && leaks.length + wrong.length === 0
}

async function run(seed: number): Promise<Outcome> {
  const random = createRandom(seed)
  const secret = freshSecret()
  await using database = await freshDatabase()
  await using server = await serve({
    env: {
      DATABASE_URL: database.url,
      VIGIE_JWT_SECRET: secret,
      VIGIE_GRACE_MS: String(GRACE_MS),
      VIGIE_REATTACH_GRACE_MS: String(2 * GRACE_MS),
      VIGIE_CLIENT_RECONNECT_MS: '100',
      VIGIE_LOG_LEVEL: 'warn',
    },
  })
  const rows = new Rows()
  await commit(database.sql, rows, community(random))

  const leaks: string[] = []
  let events = 0
  const shown = new ShownBefore()
  using arrivals = watchArrivals()
  const listener: CrowdListener = {
    moved: (seat, at) => watch.moved(seat, at),
    heard(seat, name, payload, at) {
      events += 1
      // It may have waited while this process stood still: what was right when it came is no leak.
      const cameAt = arrivals.earliest()
      const leak = leakIn(
        { rows, seat, shown: shown.of(seat) },
        { name, payload: payload as Payload, cameAt },
      )
      if (leak !== undefined) leaks.push(leak)
      watch.look(seat, at)
    },
  }
  using crowd = createCrowd(server.url, secret, people(), listener)
  const isQuiet = (userId: string, now: number) => {
    const seats = crowd.seatsOf(userId)
    return (
      seats.some(({ client }) => client?.socket.connected) &&
      seats.every(({ changedAt }) => now - changedAt > QUIET_MS)
    )
  }
  const watch = new EffectWatch(rows, crowd, isQuiet)
  await crowd.gather()
  await sleep(QUIET_MS)

  const lag = monitorEventLoopDelay({ resolution: 10 })
  lag.enable()
  const churning = setInterval(() => churn(crowd, rows, random), CHURN_EACH_MS)
  try {
    await changeRows(database.sql, rows, watch, random)
  } finally {
    clearInterval(churning)
  }
  await crowd.settled()
  await sleep(PROMISE_MS + QUIET_MS)
  lag.disable()
  const effects = watch.report(performance.now())

  const typing = await someType(crowd, rows, random)
  // Longer than the widest window of a server that is short of processor time, shorter than a lease.
  await sleep(2 * PROMISE_MS)
  const wrong = wrongPictures(crowd, rows, typing)
  crowd[Symbol.dispose]()
  const outcome = {
    ...{ effects, leaks, wrong, events, lagMs: lag.max / 1e6 },
    exit: await server.process.kill('SIGTERM'),
  }
  report(outcome)
  return outcome
}

function report({ effects, leaks, wrong, events, lagMs }: Outcome): void {
  const { latenciesMs, views, overtaken, late } = effects
  const at = (share: number) =>
    Math.round(latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? -1)
  console.info(
    `COMMIT to effect, over ${latenciesMs.length} visible changes (${views} views, ${overtaken} overtaken): ` +
      `median ${at(0.5)} ms, p99 ${at(0.99)} ms, largest ${at(1)} ms; ${late.length} late. ` +
      `${events} events, ${leaks.length} leaked; ${wrong.length} wrong pictures; ` +
      `the checker's own lag at most ${Math.round(lagMs)} ms.`,
  )
}

// Who there is.

function people(): Pick<Seat, 'userId' | 'deviceId'>[] {
  return Array.from({ length: CONNECTIONS }, (_, index) => {
    const isSecond = index >= FIRST_CONNECTIONS
    const user = isSecond ? index - FIRST_CONNECTIONS : index
    // Every third person has stock clients that name no device.
    if (user % 3 === 0) return { userId: `u${user}`, deviceId: undefined }
    return { userId: `u${user}`, deviceId: isSecond && user % 2 === 0 ? 'other' : 'first' }
  })
}

/** Communities of 25 with a group and conversations of 2 to 12, and one room for nearly half of everybody. */
function community(random: Random): Change {
  const added: Row[] = []
  for (let from = 0; from < USERS; from += COMMUNITY) {
    const number = from / COMMUNITY
    const users = Array.from({ length: COMMUNITY }, (_, index) => `u${from + index}`)
    for (const userId of users) added.push({ room: `g${number}`, userId })
    // Neighbours know each other, or a change would never be seen in one community only.
    for (let guest = 0; guest < 3; guest++)
      added.push({ room: `g${number}`, userId: `u${(from + COMMUNITY + guest) % USERS}` })
    for (let index = 0; index < CONVERSATIONS_PER_COMMUNITY; index++) {
      const members = new Set(Array.from({ length: 2 + random.below(11) }, () => random.of(users)))
      for (const userId of members) added.push({ room: `c${number}-${index}`, userId })
    }
  }
  for (let user = 0; user < ALL_HANDS_MEMBERS; user++) added.push({ room: ALL_HANDS, userId: `u${user * 2}` })
  return { added, removed: [] }
}

// What happens.

async function changeRows(sql: postgres.Sql, rows: Rows, watch: EffectWatch, random: Random): Promise<void> {
  const start = performance.now()
  for (let index = 0; index < CHANGES; index++) {
    const change = someChange(rows, random)
    watch.begin(change, names, performance.now())
    await write(sql, change)
    rows.commit(change, performance.now())
    await sleep(Math.max(0, start + (index + 1) * CHANGE_EACH_MS - performance.now()))
  }
}

function someChange(rows: Rows, random: Random): Change {
  const userId = `u${random.below(USERS)}`
  const dice = random.below(100)
  if (dice < 2) {
    const removed = [...rows.roomsOf(userId)].map((room) => ({ room, userId }))
    if (removed.length > 0) return { added: [], removed }
  }
  const conversation = someConversation(random)
  if (dice < 4) {
    const removed = [...rows.members(conversation)].map((member) => ({ room: conversation, userId: member }))
    if (removed.length > 0) return { added: [], removed }
  }
  const room = dice < 30 ? `g${random.below(USERS / COMMUNITY)}` : conversation
  // Whoever is in it goes as often as somebody comes.
  const member = random.below(2) === 0 ? random.of([...rows.members(room), userId]) : userId
  const row = { room, userId: member }
  return rows.has(room, member) ? { added: [], removed: [row] } : { added: [row], removed: [] }
}

function someConversation(random: Random): string {
  return `c${random.below(USERS / COMMUNITY)}-${random.below(CONVERSATIONS_PER_COMMUNITY)}`
}

async function commit(sql: postgres.Sql, rows: Rows, change: Change): Promise<void> {
  rows.begin(change, performance.now())
  await write(sql, change)
  rows.commit(change, performance.now())
}

/** One COMMIT, however many rows. */
async function write(sql: postgres.Sql, { added, removed }: Change): Promise<void> {
  const insert = (table: string, room: string, of: readonly Row[]) =>
    of.length === 0
      ? ''
      : `INSERT INTO ${table} (${room}, user_id) VALUES ${of.map((row) => `('${row.room}', '${row.userId}')`).join(', ')};`
  const remove = (table: string, room: string, of: readonly Row[]) =>
    of.length === 0
      ? ''
      : `DELETE FROM ${table} WHERE (${room}, user_id) IN (${of.map((row) => `('${row.room}', '${row.userId}')`).join(', ')});`
  const [groups, conversations] = [({ room }: Row) => isGroup(room), ({ room }: Row) => !isGroup(room)]
  await sql.unsafe(
    insert('group_users', 'group_id', added.filter(groups)) +
      insert('conversation_users', 'conversation_id', added.filter(conversations)) +
      remove('group_users', 'group_id', removed.filter(groups)) +
      remove('conversation_users', 'conversation_id', removed.filter(conversations)),
  )
}

function churn(crowd: Crowd, rows: Rows, random: Random): void {
  const seat = random.of(crowd.seats)
  if (seat.client === undefined) {
    crowd.come(seat)
    return
  }
  // A connection that is on its way is let arrive: a line that never was cannot end.
  if (!seat.client.socket.connected) return
  const dice = random.below(10)
  if (dice === 0) crowd.leave(seat)
  else if (dice === 1) crowd.drop(seat)
  else if (dice === 2) crowd.reload(seat)
  else if (dice === 3) crowd.stumble(seat)
  const typist = random.of(crowd.seats)
  const room = someConversationOf(rows, typist, random)
  if (room !== undefined)
    typist.client?.socket.emit(random.below(3) === 0 ? 'typing:stop' : 'typing:start', { convId: room })
}

function someConversationOf(rows: Rows, { userId }: Seat, random: Random): string | undefined {
  const mine = [...rows.roomsOf(userId)].filter((room) => !isGroup(room) && names(room))
  return mine.length === 0 ? undefined : random.of(mine)
}

/** Everybody who still types stops; then some start, and it is known who. By conversation. */
async function someType(crowd: Crowd, rows: Rows, random: Random): Promise<Map<string, Set<string>>> {
  const present = crowd.seats.filter(({ client }) => client !== undefined)
  await Promise.all(
    present.flatMap(({ userId, client }) =>
      [...rows.roomsOf(userId)]
        .filter((room) => !isGroup(room) && names(room))
        .map(async (convId) => client?.ask('typing:stop', { convId })),
    ),
  )
  const typing = new Map<string, Set<string>>()
  const asked: Promise<unknown>[] = []
  for (const seat of present) {
    const room = random.below(10) === 0 ? someConversationOf(rows, seat, random) : undefined
    if (room === undefined || !seat.client) continue
    typing.set(room, (typing.get(room) ?? new Set()).add(seat.userId))
    asked.push(seat.client.ask('typing:start', { convId: room }))
  }
  const answers = await Promise.all(asked)
  expect(answers).toEqual(answers.map(() => ({ ok: true })))
  return typing
}

// What must be so.

/** Of whichever event: what is missing is not asked for. */
interface Payload {
  readonly userId: string
  readonly conversationId?: string
  readonly convId?: string
  readonly groupId?: string
  readonly online?: boolean | number
  readonly count?: number
  readonly members?: number
}

/**
 * What each connection was shown and not yet taken back, by kind, room and user. To be told that something is over tells
 * of it: only somebody who was shown it, or might be told of it now, is told so.
 */
class ShownBefore {
  readonly #connections = new WeakMap<object, { readonly number: number; readonly shown: Set<string> }>()

  of({ client }: Seat): Set<string> {
    if (client === undefined) return new Set()
    const known = this.#connections.get(client)
    // A client clears its picture at each connection, and all that was shown with it.
    if (known?.number === client.connections) return known.shown
    const shown = new Set<string>()
    this.#connections.set(client, { number: client.connections, shown })
    return shown
  }
}

interface Viewer {
  readonly rows: Rows
  readonly seat: Seat
  readonly shown: Set<string>
}

/** Why an event should not have come: it is about what the rows have not allowed for longer than a second. */
function leakIn(
  { rows, seat: { userId: viewer }, shown }: Viewer,
  { name, payload, cameAt }: { name: string; payload: Payload; cameAt: number },
): string | undefined {
  const since = cameAt - PROMISE_MS
  const room = payload.convId ?? payload.conversationId ?? payload.groupId ?? ''
  const key = [name.replace('stop', 'start'), room, payload.userId].join(' ')
  const isOver =
    name === 'typing:stop' ||
    (name === 'presence:occupancy' ? payload.members === 0 : payload.online === false)
  if (isOver && payload.count !== undefined && payload.count !== 0) return said()
  if (isOver ? shown.delete(key) || isAllowed() : isAllowed()) {
    if (!isOver) shown.add(key)
    return undefined
  }
  return said()

  function isAllowed(): boolean {
    switch (name) {
      case 'presence:update':
        return payload.userId === viewer || rows.hadSharedGroup(viewer, payload.userId, since)
      case 'presence:conversation':
        // In count mode names are told of typists only.
        return names(room) && isInBoth()
      case 'typing:start':
      case 'typing:stop':
        return isInBoth()
      case 'presence:occupancy':
        return rows.had(room, viewer, since)
      default:
        return name === 'presence:devices'
    }
  }
  function isInBoth(): boolean {
    return rows.had(room, viewer, since) && rows.had(room, payload.userId, since)
  }
  function said(): string {
    return `${viewer} was told ${name} ${JSON.stringify(payload)}`
  }
}

/** Each client's picture against the one that follows from the rows and from who is connected. */
function wrongPictures(crowd: Crowd, rows: Rows, typing: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const devices = new Map<string, Set<unknown>>()
  for (const seat of crowd.seats) {
    if (!seat.client) continue
    devices.set(seat.userId, (devices.get(seat.userId) ?? new Set()).add(seat.deviceId ?? seat))
  }
  const seen = (users: Iterable<string>) =>
    [...new Set(users)]
      .filter((userId) => devices.has(userId))
      .map((userId): [string, unknown] => [userId, { online: true, count: devices.get(userId)?.size }])
      .sort(byName)
  const wrong: string[] = []
  for (const { userId, client } of crowd.seats) {
    if (!client) continue
    const rooms = [...rows.roomsOf(userId)].filter(names)
    const conversations = rooms.filter((room) => !isGroup(room))
    const truth = {
      // Oneself, whatever one shares with oneself.
      users: seen([userId, ...rooms.filter(isGroup).flatMap((room) => [...rows.members(room)])]),
      conversations: conversations.map((room) => [room, seen(rows.members(room))] as const).sort(byName),
      typing: conversations
        .map(
          (room) =>
            [room, [...(typing.get(room) ?? [])].filter((typist) => typist !== userId).sort()] as const,
        )
        .filter(([, typists]) => typists.length > 0)
        .sort(byName),
    }
    const picture = JSON.stringify(client.picture.snapshot())
    if (picture !== JSON.stringify(truth)) wrong.push(`${userId}: ${picture} is not ${JSON.stringify(truth)}`)
    if (!isNear(client.picture.occupancy('conversation', ALL_HANDS), userId)) {
      wrong.push(
        `${userId}: ${JSON.stringify(client.picture.occupancy('conversation', ALL_HANDS))} of all hands`,
      )
    }
  }
  return wrong

  function isNear(told: { members: number; online: number } | undefined, userId: string): boolean {
    if (!rows.has(ALL_HANDS, userId)) return true
    const members = rows.members(ALL_HANDS)
    const online = [...members].filter((member) => devices.has(member)).length
    const slack = Math.ceil(members.size * OCCUPANCY_SHARE)
    return (
      told !== undefined &&
      Math.abs(told.members - members.size) <= slack &&
      Math.abs(told.online - online) <= slack
    )
  }
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0
}
