/**
 * A recorded history of inputs for the engine: a storm, in which everybody comes in no order while windows are wide, and
 * then churn: people who go and come back. It is the same each time.
 */
import type { Input } from '../../packages/server/dist/core/index.js'
import { createRandom } from './random.js'
import { membershipsOf, userName } from './world.js'

export interface Timed {
  readonly at: number
  readonly input: Input
}

/** In a storm so many connections are let in a millisecond. */
const STORM_PER_MS = 2
const STORM_WINDOW_MS = 500
const CHURN_PER_S = 100
const CHURN_S = 30

/** The same objects for equal rooms, as the plugin hands them over. */
export function history(users: number): readonly Timed[] {
  const random = createRandom()
  const spec = { users }
  const rosters = new Map<string, string[]>()
  const roomsOf = Array.from({ length: users }, (_, user) => {
    const { groups, conversations } = membershipsOf(user, spec)
    const keys = [
      ...groups.map((id) => ({ kind: 'group' as const, id })),
      ...conversations.map((id) => ({ kind: 'conversation' as const, id })),
    ]
    for (const { kind, id } of keys) {
      const key = `${kind} ${id}`
      const roster = rosters.get(key) ?? []
      roster.push(userName(user))
      rosters.set(key, roster)
    }
    return keys
  })
  const known = new Map<string, object>()
  const roomOf = (kind: 'group' | 'conversation', id: string) => {
    const key = `${kind} ${id}`
    let room = known.get(key)
    if (!room) {
      const roster = rosters.get(key) ?? []
      room = { kind, id, value: roster.length > 250 ? roster.length : roster }
      known.set(key, room)
    }
    return room
  }
  const rooms = roomsOf.map((each) => each.map(({ kind, id }) => roomOf(kind, id)))
  const inputs: Timed[] = []
  let made = 0
  const sessionOf: string[] = []
  const connect = (at: number, user: number) => {
    const sessionId = `session-${made++}`
    sessionOf[user] = sessionId
    inputs.push({
      at,
      input: {
        type: 'connect',
        sessionId,
        userId: userName(user),
        rooms: rooms[user] ?? [],
        protocol: 2,
        deviceId: 'd',
        since: 0,
      } as unknown as Input,
    })
  }
  const order = Array.from({ length: users }, (_, user) => user)
  for (let place = order.length - 1; place > 0; place--) {
    const other = Math.floor(random() * (place + 1))
    ;[order[place], order[other]] = [order[other] ?? 0, order[place] ?? 0]
  }
  let at = 1_000
  inputs.push({ at, input: { type: 'window', ms: STORM_WINDOW_MS } })
  order.forEach((user, place) => {
    connect(at + Math.floor(place / STORM_PER_MS), user)
  })
  at += Math.ceil(users / STORM_PER_MS) + STORM_WINDOW_MS
  inputs.push({ at, input: { type: 'window', ms: 0 } })
  at += 5_000
  for (let n = 0; n < CHURN_PER_S * CHURN_S; n++) {
    const user = Math.floor(random() * users)
    const when = at + (n * 1_000) / CHURN_PER_S
    inputs.push({
      at: Math.floor(when),
      input: { type: 'disconnected', sessionId: sessionOf[user] } as unknown as Input,
    })
    connect(Math.floor(when) + 400, user)
  }
  return inputs.sort((a, b) => a.at - b.at)
}
