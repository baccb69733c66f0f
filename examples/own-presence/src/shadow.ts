/** Both: the own presence talks to the clients, Vigie listens and is compared with it. */
import { Server } from 'socket.io'
import { attachPresence } from '@vigie/server'
import { postgresMemberships } from '@vigie/server/postgres'
import { attachMessages, checkToken, type ChatOptions } from './chat.js'
import { checkTyping, comparePresence } from './compare.js'
import { attachOwnPresence } from './presence.js'

/** Longer than the grace (5 s): what differs for that long is no grace. */
const LOOK_EVERY_MS = 15_000

export async function startShadow({ http, sql, secret, push, report }: ChatOptions) {
  const io = new Server(http)
  io.use(checkToken(secret))
  const own = attachOwnPresence(io, sql)
  attachMessages(io, { sql, push, isOnline: (userId) => own.counts.has(userId) })

  const memberships = postgresMemberships({ sql })
  const presence = attachPresence(io, { memberships, auth: { secret }, emit: false })
  await presence.ready
  const comparison = comparePresence({ counts: own.counts, presence, report })
  checkTyping(io, report)
  const timer = setInterval(comparison.look, LOOK_EVERY_MS)

  return {
    own,
    presence,
    comparison,
    async close() {
      clearInterval(timer)
      await presence.close()
      await io.close()
    },
  }
}
