/** Presence written by hand, as many chats have it: a counter for each user, two queries and a broadcast per room. */
import type { Sql } from 'postgres'
import type { Server, Socket } from 'socket.io'

export interface OwnPresence {
  /** Connections of each user; nobody is in it with none. */
  readonly counts: ReadonlyMap<string, number>
}

export function attachOwnPresence(io: Server, sql: Sql): OwnPresence {
  const counts = new Map<string, number>()

  io.on('connection', (socket) => {
    const { userId } = socket.data as { userId: string }
    void onConnect(socket, userId)
    socket.on('disconnect', () => void onDisconnect(userId))
    for (const name of ['typing:start', 'typing:stop']) {
      socket.on(name, ({ convId }: { convId: string }) => {
        if (socket.rooms.has(`conv:${convId}`)) socket.to(`conv:${convId}`).emit(name, { convId, userId })
      })
    }
  })

  async function onConnect(socket: Socket, userId: string): Promise<void> {
    counts.set(userId, (counts.get(userId) ?? 0) + 1)
    const [groups, conversations] = await Promise.all([groupsOf(userId), conversationsOf(userId)])
    await socket.join([`user:${userId}`])
    await socket.join(groups.map((id) => `group:${id}`))
    await socket.join(conversations.map((id) => `conv:${id}`))
    broadcast(userId, groups, conversations)
  }

  async function onDisconnect(userId: string): Promise<void> {
    const count = (counts.get(userId) ?? 1) - 1
    if (count > 0) counts.set(userId, count)
    else counts.delete(userId)
    const [groups, conversations] = await Promise.all([groupsOf(userId), conversationsOf(userId)])
    broadcast(userId, groups, conversations)
  }

  function broadcast(userId: string, groups: readonly string[], conversations: readonly string[]): void {
    const count = counts.get(userId) ?? 0
    const presence = { userId, online: count > 0, count }
    for (const id of groups) io.to(`group:${id}`).emit('presence:update', presence)
    for (const id of conversations) {
      io.to(`conv:${id}`).emit('presence:conversation', { ...presence, conversationId: id })
    }
  }

  async function groupsOf(userId: string): Promise<string[]> {
    const rows = await sql<{ id: string }[]>`select group_id as id from group_users where user_id = ${userId}`
    return rows.map(({ id }) => id)
  }

  async function conversationsOf(userId: string): Promise<string[]> {
    const rows = await sql<{ id: string }[]>`
      select conversation_id as id from conversation_users where user_id = ${userId}`
    return rows.map(({ id }) => id)
  }

  return { counts }
}
