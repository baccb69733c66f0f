/**
 * What the lengths of windows do to latency and frames, in the engine's own time:
 *
 *   node bench/dist/windows.js [--users N]
 *
 * No processor is measured here, so that the same figures come on any machine: when a session is written is decided by
 * windows alone. What a loaded machine adds is what `npm run bench -- churn` measures.
 */
import { parseArgs } from 'node:util'
import { createEngine, resolveSettings, type Input } from '../../packages/server/dist/core/index.js'
import { createRandom } from './random.js'
import { COMMUNITY, membershipsOf, userName } from './world.js'

const { values } = parseArgs({ options: { users: { type: 'string', default: '10000' } } })
const users = Number(values.users)

const VARIANTS = [
  { windowMs: 20, idleWindowMs: 20 },
  { windowMs: 20, idleWindowMs: 5 },
  { windowMs: 20, idleWindowMs: 0 },
  { windowMs: 5, idleWindowMs: 5 },
] as const

interface Variant {
  readonly windowMs: number
  readonly idleWindowMs: number
}

/** A world in which everybody is online, and an hour has passed. */
function openWorld(variant: Variant) {
  const engine = createEngine(resolveSettings(variant))
  const rosters = new Map<string, { kind: string; id: string; value: string[] }>()
  const rooms = Array.from({ length: users }, (_, user) => {
    const { groups, conversations } = membershipsOf(user, { users })
    const keys = [
      ...groups.map((id) => ['group', id] as const),
      ...conversations.map((id) => ['conversation', id] as const),
    ]
    return keys.map(([kind, id]) => {
      const key = `${kind} ${id}`
      const room = rosters.get(key) ?? { kind, id, value: [] }
      rosters.set(key, room)
      room.value.push(userName(user))
      return room
    })
  })
  const sessions: string[] = []
  let made = 0
  let now = 1_000
  let frames = 0
  let changedAt = new Map<string, number>()
  const online: number[] = []
  const offline: number[] = []

  function apply(input: Input): void {
    for (const effect of engine.apply(input, now)) {
      if (effect.type !== 'due') continue
      for (const session of effect.sessions) {
        for (const event of engine.take(session, now)) {
          frames++
          if (event.name !== 'presence:diff') continue
          for (const [userId, count] of event.payload.users ?? []) {
            const at = changedAt.get(userId)
            if (at !== undefined) (count > 0 ? online : offline).push(now - at)
          }
        }
      }
    }
  }

  function waitUntil(at: number): void {
    for (let next = engine.nextDeadline(); next !== undefined && next <= at; next = engine.nextDeadline()) {
      now = Math.max(now, next)
      apply({ type: 'wake' })
    }
    now = at
  }

  function connect(user: number): void {
    changedAt.set(userName(user), now)
    sessions[user] = `s${made++}`
    apply({
      type: 'connect',
      sessionId: sessions[user],
      userId: userName(user),
      rooms: rooms[user],
      protocol: 2,
      deviceId: 'd',
      since: 0,
    } as unknown as Input)
  }

  const world = {
    get now() {
      return now
    },
    waitUntil,
    connect,
    disconnect(user: number) {
      changedAt.set(userName(user), now)
      apply({ type: 'disconnected', sessionId: sessions[user] } as unknown as Input)
    },
    type(user: number, conversation: string, typing: boolean) {
      apply({
        type: 'typing',
        sessionId: sessions[user],
        conversationId: conversation,
        typing,
      } as unknown as Input)
    },
    /** Figures since the last call. */
    figures() {
      const result = { frames, online: online.splice(0), offline: offline.splice(0) }
      frames = 0
      changedAt = new Map()
      return result
    },
  }
  for (let user = 0; user < users; user++) connect(user)
  waitUntil(3_600_000)
  world.figures()
  return world
}

function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Half of the changes are people who go, half those who come back. */
function churn(variant: Variant, perSecond: number): string {
  const world = openWorld(variant)
  const random = createRandom()
  const away: { readonly user: number; readonly backAt: number }[] = []
  const changes = 10 * perSecond
  for (let change = 0; change < changes; change += 2) {
    const at = world.now + Math.round((2_000 * (0.5 + random())) / perSecond)
    while (away[0] && away[0].backAt <= at) {
      const { user, backAt } = away.shift() as (typeof away)[number]
      world.waitUntil(Math.max(world.now, backAt))
      world.connect(user)
    }
    world.waitUntil(at)
    const user = Math.floor(random() * users)
    if (away.some((each) => each.user === user)) continue
    world.disconnect(user)
    away.push({ user, backAt: at + 400 })
  }
  world.waitUntil(world.now + 1_000)
  const { frames, online, offline } = world.figures()
  const of = (each: readonly number[]) => `p50 ${quantile(each, 0.5)} p99 ${quantile(each, 0.99)} ms`
  return `${perSecond}/s: offline ${of(offline)}, online ${of(online)}, ${(frames / changes).toFixed(1)} frames a change`
}

/** Fifty people of one community go within so many milliseconds. */
function burst(variant: Variant, spreadMs: number): string {
  const world = openWorld(variant)
  const start = world.now
  for (let user = 0; user < 50; user++) {
    world.waitUntil(start + Math.floor((user * spreadMs) / 50))
    world.disconnect(user)
  }
  world.waitUntil(world.now + 1_000)
  return `fifty go within ${spreadMs} ms: ${(world.figures().frames / (COMMUNITY - 50)).toFixed(1)} frames a viewer`
}

/** Ten people of a conversation of fifty type and stop, each every 100 ms. */
function typing(variant: Variant): string {
  const world = openWorld(variant)
  const conversation = membershipsOf(0, { users }).conversations.at(-1) ?? ''
  const members = Array.from({ length: COMMUNITY }, (_, user) => user).filter((user) =>
    membershipsOf(user, { users }).conversations.includes(conversation),
  )
  for (let time = 0; time < 100; time++) {
    members.slice(0, 10).forEach((user, place) => {
      world.waitUntil(3_600_000 + time * 100 + place * 10)
      world.type(user, conversation, time % 2 === 0)
    })
  }
  world.waitUntil(world.now + 1_000)
  const { frames } = world.figures()
  return `ten type in a conversation of ${members.length}: ${(frames / members.length / 10).toFixed(1)} frames a member and second`
}

for (const variant of VARIANTS) {
  process.stdout.write(`windowMs ${variant.windowMs}, idleWindowMs ${variant.idleWindowMs}\n`)
  const lines = [
    churn(variant, 100),
    churn(variant, 300),
    burst(variant, 0),
    burst(variant, 20),
    typing(variant),
  ]
  for (const line of lines) process.stdout.write(`  ${line}\n`)
}
