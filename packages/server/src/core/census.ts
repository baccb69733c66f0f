/**
 * What there is now, counted when somebody asks: for metrics. It looks at each person, session and room once, a few
 * milliseconds for tens of thousands.
 */
import type { Room, Session, World } from './model.js'

export interface Census {
  /** Users who are online, here or on another node. */
  readonly online: number
  readonly live: number
  /** Sessions whose connection is gone and whose grace is not over. */
  readonly lost: number
  readonly groups: RoomCensus
  readonly conversations: RoomCensus
  /** People who are shown as typing, once for each conversation. */
  readonly typing: number
  /** Entries that wait to be written to sessions. */
  readonly pending: number
}

/** Rooms by mode. */
export interface RoomCensus {
  readonly names: number
  readonly count: number
}

export function takeCensus({ people, sessions, groups, conversations }: World): Census {
  let online = 0
  people.forEach(({ presence }) => {
    if (presence.online) online++
  })
  let live = 0
  sessions.forEach(({ state }) => {
    if (state === 'live') live++
  })
  let typing = 0
  conversations.forEach((room) => {
    typing += room.typing?.size ?? 0
  })
  return {
    online,
    live,
    lost: sessions.size - live,
    groups: byMode(groups),
    conversations: byMode(conversations),
    typing,
    pending: pendingEntries(sessions),
  }
}

function byMode(rooms: ReadonlyMap<unknown, Room>): RoomCensus {
  let count = 0
  rooms.forEach(({ counted }) => {
    if (counted) count++
  })
  return { names: rooms.size - count, count }
}

/** How many entries wait to be written to sessions. */
export function pendingEntries(sessions: ReadonlyMap<unknown, Session>): number {
  let entries = 0
  for (const { firstPending, pending } of sessions.values()) {
    if (firstPending) entries++
    if (!pending) continue
    entries += pending.presence?.length ?? 0
    const { rosters, occupancy, groups, conversations } = pending
    for (const each of [rosters, occupancy, groups, conversations]) entries += each?.size ?? 0
    for (const typists of pending.typing?.values() ?? []) entries += typists.size
  }
  return entries
}
