import type postgres from 'postgres'
import type { Server, Socket } from 'socket.io'
import { checkToken } from './floor.js'
import type { Subject } from './subject.js'

/**
 * The seed's approach, as plainly as it states it: a query for the user's groups and one for their conversations at
 * each connection and each end of one, and one broadcast per group and conversation. Where it says nothing (how a
 * socket gets into its rooms), the cheaper is done: the rows that were read for the broadcast are joined, too.
 *
 * @param hasPicture Whether a new connection is also told who is online, which the seed leaves out, and without
 * which its client shows everybody as offline who came earlier.
 */
export function attachSeed(io: Server, sql: postgres.Sql, hasPicture: boolean): Subject {
  const counts = new Map<string, number>()
  let reads = 0

  io.use(checkToken)
  io.on('connection', (socket: Socket) => {
    const { userId } = socket.data as { userId: string }
    const count = (counts.get(userId) ?? 0) + 1
    counts.set(userId, count)
    void onConnect(socket, userId, count)
    socket.on('disconnect', () => {
      const left = (counts.get(userId) ?? 1) - 1
      if (left > 0) counts.set(userId, left)
      else counts.delete(userId)
      void tellGroups(userId, left > 0, left)
      void tellConversations(userId, left > 0, left)
    })
    for (const name of ['typing:start', 'typing:stop']) {
      socket.on(name, ({ convId }: { convId: string }) => {
        socket.to(`conv:${convId}`).emit(name, { convId, userId })
      })
    }
  })

  async function onConnect(socket: Socket, userId: string, count: number): Promise<void> {
    void socket.join(`user:${userId}`)
    await Promise.all([
      tellGroups(userId, true, count, (ids) => {
        void socket.join(ids.map((id) => `group:${id}`))
        if (hasPicture) for (const id of ids) tellGroupPicture(socket, id)
      }),
      tellConversations(userId, true, count, (ids) => {
        void socket.join(ids.map((id) => `conv:${id}`))
        if (hasPicture) for (const id of ids) tellConversationPicture(socket, id)
      }),
    ])
  }

  async function tellGroups(userId: string, online: boolean, count: number, first?: (ids: string[]) => void) {
    reads++
    const rows = await sql<{ id: string }[]>`SELECT group_id AS id FROM group_users WHERE user_id = ${userId}`
    first?.(rows.map(({ id }) => id))
    for (const { id } of rows) io.to(`group:${id}`).emit('presence:update', { userId, online, count })
  }

  async function tellConversations(
    userId: string,
    online: boolean,
    count: number,
    first?: (ids: string[]) => void,
  ) {
    reads++
    const rows = await sql<{ id: string }[]>`
      SELECT conversation_id AS id FROM conversation_users WHERE user_id = ${userId}`
    first?.(rows.map(({ id }) => id))
    for (const { id } of rows) {
      io.to(`conv:${id}`).emit('presence:conversation', { userId, online, count, conversationId: id })
    }
  }

  /** Who is online in a room: the users of the sockets that are in it. */
  function* onlineIn(room: string): Iterable<string> {
    for (const id of io.sockets.adapter.rooms.get(room) ?? []) {
      const other = io.sockets.sockets.get(id)
      if (other) yield (other.data as { userId: string }).userId
    }
  }

  function tellGroupPicture(socket: Socket, group: string): void {
    for (const userId of onlineIn(`group:${group}`)) {
      socket.emit('presence:update', { userId, online: true, count: counts.get(userId) ?? 1 })
    }
  }

  function tellConversationPicture(socket: Socket, conversationId: string): void {
    for (const userId of onlineIn(`conv:${conversationId}`)) {
      socket.emit('presence:conversation', {
        userId,
        online: true,
        count: counts.get(userId) ?? 1,
        conversationId,
      })
    }
  }

  return { ready: Promise.resolve(), queries: () => ({ reads, feed: 0 }) }
}
