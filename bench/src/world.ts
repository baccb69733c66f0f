/**
 * The people of the benchmark, and what they share: a function of its size and nothing else, so that the rows in
 * the database and what the load generator believes are the same without being told.
 *
 * Users live in communities of 100. Each is in two groups (the community, and a team of 20) and in sixteen
 * conversations of 2 to 50 people, all within the community: 99 people care about a user, by 246 memberships.
 */
import type postgres from 'postgres'

/** Which world; the whole description. */
export interface WorldSpec {
  readonly users: number
  /** One more group and one more conversation that hold everybody. */
  readonly allhands?: boolean
  /** Instead of the ordinary memberships: this many conversations, each shared by the same 20 people. */
  readonly shared?: number
}

/** People of one community: all who may know of each other. */
export const COMMUNITY = 100
const TEAM = 20

/** The sizes of a user's conversations. */
const CONVERSATIONS = [2, 2, 2, 2, 2, 2, 2, 2, 5, 5, 5, 5, 10, 10, 20, 50]
/** Prime to 100, so that each conversation mixes the community's people anew. */
const STRIDES = [1, 3, 7, 9, 11, 13, 17, 19, 21, 23, 27, 29, 31, 33, 37, 39]

/** A user's rows. */
export interface Memberships {
  readonly groups: readonly string[]
  readonly conversations: readonly string[]
}

export function userName(user: number): string {
  return `u${user}`
}

export function membershipsOf(user: number, spec: WorldSpec): Memberships {
  const community = Math.floor(user / COMMUNITY)
  const place = user % COMMUNITY
  if (spec.shared !== undefined) {
    const circle = Math.floor(user / TEAM)
    return { groups: [], conversations: Array.from({ length: spec.shared }, (_, k) => `c${circle}-${k}`) }
  }
  const groups = [`g${community}`, `g${community}-${Math.floor(place / TEAM)}`]
  const conversations = CONVERSATIONS.map((size, k) => {
    const mixed = (place * (STRIDES[k] ?? 1) + k) % COMMUNITY
    return `c${community}-${k}-${Math.floor(mixed / size)}`
  })
  if (spec.allhands === true) {
    groups.push('g-all')
    conversations.push('c-all')
  }
  return { groups, conversations }
}

/** How many people of the community, the user included, share something with a user (the all-hands aside). */
export function audienceSize(spec: WorldSpec): number {
  return spec.shared === undefined ? COMMUNITY : TEAM
}

/** The first of those people who may know of `user`. They follow each other. */
export function audienceStart(user: number, spec: WorldSpec): number {
  return user - (user % audienceSize(spec))
}

/** Replaces all rows by this world's. */
export async function writeWorld(sql: postgres.Sql, spec: WorldSpec): Promise<void> {
  await sql`TRUNCATE group_users, conversation_users`
  for (let from = 0; from < spec.users; from += 1_000) {
    const rooms: Record<keyof Memberships, [room: string[], user: string[]]> = {
      groups: [[], []],
      conversations: [[], []],
    }
    for (let user = from; user < Math.min(spec.users, from + 1_000); user++) {
      const memberships = membershipsOf(user, spec)
      for (const kind of ['groups', 'conversations'] as const) {
        for (const room of memberships[kind]) {
          rooms[kind][0].push(room)
          rooms[kind][1].push(userName(user))
        }
      }
    }
    await sql`INSERT INTO group_users (group_id, user_id)
      SELECT * FROM unnest(${rooms.groups[0]}::text[], ${rooms.groups[1]}::text[])`
    await sql`INSERT INTO conversation_users (conversation_id, user_id)
      SELECT * FROM unnest(${rooms.conversations[0]}::text[], ${rooms.conversations[1]}::text[])`
  }
  await sql`ANALYZE group_users, conversation_users`
}
