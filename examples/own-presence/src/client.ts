/** A client's maps, as they were, with two lines more. */
import { io } from 'socket.io-client'

interface Presence {
  readonly userId: string
  readonly online: boolean
  readonly count: number
}
interface Typing {
  readonly convId: string
  readonly userId: string
}

export interface ClientOptions {
  readonly url: string
  readonly token: string
  readonly deviceId: string
}

export function connectChat({ url, token, deviceId }: ClientOptions) {
  const users = new Map<string, number>()
  const conversations = new Map<string, Map<string, number>>()
  const typing = new Map<string, Set<string>>()

  // New: a device that has two tabs, or comes back, is one.
  const socket = io(url, { auth: { token, deviceId }, forceNew: true })
  // New: the picture that follows is complete.
  socket.on('connect', () => [users, conversations, typing].forEach((map) => map.clear()))

  socket.on('presence:update', ({ userId, count }: Presence) => users.set(userId, count))
  socket.on('presence:conversation', (presence: Presence & { conversationId: string }) => {
    const { conversationId, userId, count } = presence
    const members = conversations.get(conversationId) ?? new Map<string, number>()
    conversations.set(conversationId, members.set(userId, count))
  })
  socket.on('typing:start', ({ convId, userId }: Typing) => {
    typing.set(convId, (typing.get(convId) ?? new Set()).add(userId))
  })
  socket.on('typing:stop', ({ convId, userId }: Typing) => typing.get(convId)?.delete(userId))

  return { socket, users, conversations, typing }
}
