import type { PresenceConversation, PresenceOccupancy, PresenceUpdate, TypingNotice } from '@vigie/protocol'

/** What one knows of a user: exactly the last thing that was said. */
export interface Seen {
  readonly online: boolean
  readonly count: number
}

/**
 * The maps of a client that was written from `docs/protocol.md` and from nothing else: cleared on `connect`,
 * then each event puts what it says in the place that it names.
 */
export class Picture {
  readonly #users = new Map<string, Seen>()
  readonly #conversations = new Map<string, Map<string, Seen>>()
  readonly #typing = new Map<string, Set<string>>()
  readonly #occupancy = new Map<string, { members: number; online: number }>()

  clear(): void {
    this.#users.clear()
    this.#conversations.clear()
    this.#typing.clear()
    this.#occupancy.clear()
  }

  /** Takes in one event; a name that is not protocol 1's belongs to the host and is left alone. */
  apply(name: string, payload: unknown): void {
    switch (name) {
      case 'presence:update': {
        const { userId, online, count } = payload as PresenceUpdate
        this.#users.set(userId, { online, count })
        return
      }
      case 'presence:conversation': {
        const { conversationId, userId, online, count } = payload as PresenceConversation
        mapIn(this.#conversations, conversationId).set(userId, { online, count })
        return
      }
      case 'typing:start': {
        const { convId, userId } = payload as TypingNotice
        const typists = this.#typing.get(convId) ?? new Set()
        this.#typing.set(convId, typists.add(userId))
        return
      }
      case 'typing:stop': {
        const { convId, userId } = payload as TypingNotice
        this.#typing.get(convId)?.delete(userId)
        return
      }
      case 'presence:occupancy': {
        const { groupId, conversationId, members, online } = payload as PresenceOccupancy
        const room = groupId === undefined ? `conversation ${conversationId}` : `group ${groupId}`
        this.#occupancy.set(room, { members, online })
        return
      }
    }
  }

  /** A user of a shared group. */
  user(userId: string): Seen | undefined {
    return this.#users.get(userId)
  }

  /** A user of that conversation. */
  member(conversationId: string, userId: string): Seen | undefined {
    return this.#conversations.get(conversationId)?.get(userId)
  }

  typists(conversationId: string): readonly string[] {
    return [...(this.#typing.get(conversationId) ?? [])].sort()
  }

  occupancy(kind: 'group' | 'conversation', id: string): { members: number; online: number } | undefined {
    return this.#occupancy.get(`${kind} ${id}`)
  }

  /** Everything as plain data, sorted, for comparing two pictures. Who is offline is as good as unknown. */
  snapshot(): unknown {
    const online = (seen: ReadonlyMap<string, Seen>) =>
      [...seen].filter(([, { online: isOnline }]) => isOnline).sort(byKey)
    return {
      users: online(this.#users),
      conversations: [...this.#conversations]
        .map(([id, members]): [string, unknown[]] => [id, online(members)])
        .filter(([, members]) => members.length > 0)
        .sort(byKey),
      typing: [...this.#typing.keys()]
        .map((id): [string, readonly string[]] => [id, this.typists(id)])
        .filter(([, typists]) => typists.length > 0)
        .sort(byKey),
    }
  }
}

function mapIn<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  const found = maps.get(key) ?? new Map<L, V>()
  maps.set(key, found)
  return found
}

/** By UTF-16 units: the order must not depend on a locale. */
function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0
}
