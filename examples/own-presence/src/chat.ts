/** The rest of the back end: who may connect, and messages. It is the same before and after. */
import type { Server as HttpServer } from 'node:http'
import { createVerifier } from 'fast-jwt'
import type { Sql } from 'postgres'
import type { Server, Socket } from 'socket.io'

export interface ChatOptions {
  readonly http: HttpServer
  readonly sql: Sql
  /** What tokens are signed with. */
  readonly secret: string
  /** Tells somebody who is offline of a message. */
  readonly push: (userId: string, text: string) => void
  /** Where sentences for operators go. */
  readonly report: (sentence: string) => void
}

export function checkToken(secret: string) {
  const verify = createVerifier({ key: secret, algorithms: ['HS256'] })
  return (socket: Socket, next: (error?: Error) => void): void => {
    try {
      const { sub } = verify((socket.handshake.auth as { token: string }).token) as { sub: string }
      socket.data = { userId: sub }
      next()
    } catch {
      next(new Error('Sign in first.'))
    }
  }
}

interface MessageOptions extends Pick<ChatOptions, 'sql' | 'push'> {
  readonly isOnline: (userId: string) => boolean
  /** The message is out. */
  readonly onSent?: (userId: string, conversationId: string) => void
}

export function attachMessages(io: Server, { sql, push, isOnline, onSent }: MessageOptions): void {
  io.on('connection', (socket) => {
    const { userId } = socket.data as { userId: string }
    socket.on('message:send', async ({ convId, text }: { convId: string; text: string }) => {
      if (!socket.rooms.has(`conv:${convId}`)) return
      const members = await sql<{ id: string }[]>`
        select user_id as id from conversation_users where conversation_id = ${convId}`
      io.to(`conv:${convId}`).emit('message:new', { convId, userId, text })
      onSent?.(userId, convId)
      for (const { id } of members) if (!isOnline(id)) push(id, text)
    })
  })
}
