/** The back end with Vigie. What was in presence.ts and in checkToken is gone. */
import { Server } from 'socket.io'
import { attachPresence } from '@vigie/server'
import { postgresMemberships } from '@vigie/server/postgres'
import { attachMessages, type ChatOptions } from './chat.js'

export async function startAfter({ http, sql, secret, push }: ChatOptions) {
  const io = new Server(http)

  const memberships = postgresMemberships({ sql })
  const presence = attachPresence(io, { memberships, auth: { secret } })
  await presence.ready
  const isOnline = (userId: string) => presence.get(userId).online
  attachMessages(io, { sql, push, isOnline, onSent: presence.stopTyping })

  return {
    presence,
    async close() {
      await presence.close()
      await io.close()
    },
  }
}
