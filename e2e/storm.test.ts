/** Everybody at the door at once. What is asserted is counts, which a slow machine has no other than a fast one. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { attachPresence } from '@vigie/server'
import { migrate, postgresMemberships } from '@vigie/server/postgres'
import postgres from 'postgres'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { SECRET } from '../bench/src/token.js'
import { COMMUNITY, membershipsOf, userName, writeWorld, type WorldSpec } from '../bench/src/world.js'
import { freshDatabase } from '../test/database.js'
import { createStorm, type Guest, type Onset } from './support/storm.js'

const WORLD: WorldSpec = { users: 1_000 }
/** Limits for what never comes, not measures. */
const SETTLE_LIMIT_MS = 50_000
const TEST_LIMIT_MS = 60_000
/** As `vigie serve` has it: who is refused by the machine is not what this is about. */
const BACKLOG = 4_096
const DATABASE_CONNECTIONS = 10

/** What a storm may come to, however slow the machine is. */
interface Bounds {
  readonly windowMs: number
  /** Reads are shared: one for each user, and one for each of their rooms, would be thousands. */
  readonly queriesMax: number
}
const BOUNDS: Readonly<Record<Onset, Bounds>> = {
  // The default window.
  volley: { windowMs: 20, queriesMax: 60 },
  // Where a thousand clients share the loop with the server, a turn is longer than the default window; a longer one
  // shows whether windows are kept. Who comes late reads late: on a slow machine fewer share a read.
  rush: { windowMs: 200, queriesMax: WORLD.users / 2 },
}
/**
 * A broadcast per room and change needs this many times the frames, at least. A server that tells each piece of news
 * once for all the rooms that are shared, but in a frame of its own, comes to 2.4. This one comes to 9 where the machine
 * is quick and idle, and windows are short, and to 58 where seven programs share two processors.
 */
const BROADCAST_RATIO_MIN = 5

const roomsByUser = Array.from({ length: WORLD.users }, (_, user) => membershipsOf(user, WORLD))
const members = membersByRoom()

test.for([
  ['in one volley', 'volley'],
  ['as fast as they get through', 'rush'],
] as const)(
  'a thousand people who connect at once, %s, are all let in and told everything at a bounded cost',
  { timeout: TEST_LIMIT_MS },
  async ([, onset]) => {
    await using database = await freshDatabase()
    await migrate(database.url, { createTables: true })
    const { windowMs, queriesMax } = BOUNDS[onset]
    await using server = await startServer(database.url, windowMs)
    using storm = createStorm(server.port, WORLD.users, onset)
    storm.breakOut()
    await storm.settled(SETTLE_LIMIT_MS)

    // Nobody is refused for good or lost, and nothing is on its way any more.
    expect(storm.faults).toEqual([])
    expect(storm.dropped).toBe(0)
    expect(server.presence.sizes()).toMatchObject({
      sessions: WORLD.users,
      connections: WORLD.users,
      owed: 0,
    })

    expect(storm.guests.flatMap(faultsOf).slice(0, 10)).toEqual([])
    expect(storm.leaks).toEqual([])
    expect(storm.mentions).toBeGreaterThan(WORLD.users * COMMUNITY)

    expect(storm.guests.flatMap((guest) => excessOf(guest, windowMs)).slice(0, 10)).toEqual([])
    expect(storm.frames).toBeGreaterThanOrEqual(WORLD.users)
    expect(storm.frames * BROADCAST_RATIO_MIN).toBeLessThan(broadcastFrames())
    expect(server.queries()).toBeGreaterThan(0)
    expect(server.queries()).toBeLessThan(queriesMax)
  },
)

/**
 * Presence with nearly all options at their defaults, and the world's rows. Queries of the change feed are left out: they
 * are asked whether or not anybody comes.
 */
async function startServer(url: string, windowMs: number) {
  const sql = postgres(url, { max: DATABASE_CONNECTIONS, onnotice: () => {} })
  await writeWorld(sql, WORLD)
  const http = createServer()
  const io = new Server(http)
  let queries = 0
  const presence = attachPresence(io, {
    auth: { secret: SECRET },
    windowMs,
    memberships: postgresMemberships({
      sql: {
        unsafe(text, values) {
          if (!text.includes('vigie.changes')) queries++
          return sql.unsafe(text, values)
        },
      },
    }),
  })
  await presence.ready
  const queriesOfStart = queries
  await new Promise<void>((resolve) => http.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, resolve))
  return {
    presence,
    port: (http.address() as AddressInfo).port,
    queries: () => queries - queriesOfStart,
    async [Symbol.asyncDispose]() {
      await presence.close()
      await io.close()
      await sql.end()
    },
  }
}

function membersByRoom(): ReadonlyMap<string, readonly string[]> {
  const byRoom = new Map<string, string[]>()
  for (const [user, { groups, conversations }] of roomsByUser.entries()) {
    for (const room of [...groups, ...conversations]) {
      byRoom.set(room, [...(byRoom.get(room) ?? []), userName(user)])
    }
  }
  return byRoom
}

/** What the picture of a guest says otherwise than it is, now that everybody is online on one device. */
function faultsOf({ user, name, picture }: Guest): string[] {
  const first = user - (user % COMMUNITY)
  const right: Record<string, string> = {
    users: textOf(Array.from({ length: COMMUNITY }, (_, place) => `${userName(first + place)} 1`)),
    devices: '1',
  }
  const seen: Record<string, string> = {
    users: textOf(Array.from(picture.users, ([id, count]) => `${id} ${count}`)),
    devices: String(picture.devices.count),
  }
  for (const kind of ['groups', 'conversations'] as const) {
    for (const room of roomsByUser[user]?.[kind] ?? [])
      right[`${kind} ${room}`] = textOf(members.get(room) ?? [])
    for (const [room, { roster }] of picture[kind]) seen[`${kind} ${room}`] = textOf([...roster])
  }
  return [...new Set([...Object.keys(right), ...Object.keys(seen)])]
    .filter((what) => right[what] !== seen[what])
    .map((what) => `${name}, ${what}: ${seen[what] ?? 'nothing'}, not ${right[what] ?? 'nothing'}`)
}

const textOf = (items: readonly string[]) => [...items].sort().join()

/**
 * One snapshot, then at most one frame per window. The first frame was written after the CONNECT packet was sent, the
 * last before it was read, and between two lies at least a window: so this holds however slow everything is. And there is
 * only one piece of news of each of the others, whatever is shared with them.
 */
function excessOf({ name, frames, heardForMs }: Guest, windowMs: number): string[] {
  const framesMax = Math.min(COMMUNITY, 1 + Math.floor(heardForMs / windowMs))
  return frames > framesMax ? [`${name}: ${frames} frames, not ${framesMax}`] : []
}

/** Frames that a broadcast per room and change would be: each who comes is told to those of each room who are there. */
function broadcastFrames(): number {
  let frames = 0
  for (const { length } of members.values()) frames += (length * (length - 1)) / 2
  return frames
}
