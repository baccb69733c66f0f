/** What a client of protocol 1 that does as `docs/protocol.md` says knows: the events, folded. */
import type { PresenceEvent } from '../core/index.js'

export interface Picture {
  /** By user: how many devices; absent is offline. */
  readonly users: Map<string, number>
  /** By conversation, by user: how many devices; absent is offline. */
  readonly conversations: Map<string, Map<string, number>>
  readonly typing: Map<string, Set<string>>
  /** By `group <id>` or `conversation <id>`. */
  readonly occupancy: Map<string, { readonly members: number; readonly online: number }>
  devices: number
}

export function emptyPicture(): Picture {
  return { users: new Map(), conversations: new Map(), typing: new Map(), occupancy: new Map(), devices: 0 }
}

/** Folds one event into the picture. Whether it said anything new. */
export function fold(picture: Picture, event: PresenceEvent): boolean {
  switch (event.name) {
    case 'presence:update':
      return setCount(picture.users, event.payload.userId, event.payload.count)
    case 'presence:conversation':
      return setCount(
        inner(picture.conversations, event.payload.conversationId, newCounts),
        event.payload.userId,
        event.payload.count,
      )
    case 'typing:start': {
      const typists = inner(picture.typing, event.payload.convId, newSet)
      const isNew = !typists.has(event.payload.userId)
      typists.add(event.payload.userId)
      return isNew
    }
    case 'typing:stop':
      return inner(picture.typing, event.payload.convId, newSet).delete(event.payload.userId)
    case 'presence:occupancy': {
      const { groupId, conversationId, members, online } = event.payload
      const key = groupId === undefined ? `conversation ${conversationId}` : `group ${groupId}`
      const known = picture.occupancy.get(key)
      if (members === 0) picture.occupancy.delete(key)
      else picture.occupancy.set(key, { members, online })
      return known?.members !== members || known.online !== online
    }
    case 'presence:devices':
      picture.devices = event.payload.count
      return true
    case 'presence:state':
    case 'presence:diff':
      throw new TypeError(`${event.name} is not of protocol 1`)
  }
}

const newCounts = () => new Map<string, number>()
const newSet = () => new Set<string>()

function inner<Value>(map: Map<string, Value>, key: string, create: () => Value): Value {
  const value = map.get(key) ?? create()
  map.set(key, value)
  return value
}

function setCount(counts: Map<string, number>, userId: string, count: number): boolean {
  const before = counts.get(userId) ?? 0
  if (count === 0) counts.delete(userId)
  else counts.set(userId, count)
  return before !== count
}
