/** The back end with its own presence: where a team starts, and where a rollback leads. */
import { Server } from 'socket.io'
import { attachMessages, checkToken, type ChatOptions } from './chat.js'
import { attachOwnPresence } from './presence.js'

export function startBefore({ http, sql, secret, push }: ChatOptions) {
  const io = new Server(http)
  io.use(checkToken(secret))
  const own = attachOwnPresence(io, sql)
  attachMessages(io, { sql, push, isOnline: (userId) => own.counts.has(userId) })
  return { close: () => io.close() }
}
