import type postgres from 'postgres'
import { attachPresence } from '@vigie/server'
import { postgresMemberships } from '@vigie/server/postgres'
import type { Server } from 'socket.io'
import { SECRET } from '../token.js'
import type { Subject } from './subject.js'

/** The poll for changes, and the two queries of the look at the tables. */
const OF_THE_FEED = /vigie\.(?:changes|look)\b|^SET LOCAL row_security/u

/** Vigie as a team would attach it, every option at its default. Which protocol is spoken is the client's choice. */
export function attachVigie(io: Server, sql: postgres.Sql): Subject {
  const counted = { reads: 0, feed: 0 }
  const presence = attachPresence(io, {
    auth: { secret: SECRET },
    memberships: postgresMemberships({
      sql: {
        unsafe(text, values) {
          if (OF_THE_FEED.test(text)) counted.feed++
          else counted.reads++
          return sql.unsafe(text, values)
        },
      },
      log: toStandardError,
    }),
    log: toStandardError,
  })
  return { ready: presence.ready, queries: () => ({ ...counted }) }
}

const say = (message: string, fields?: object) =>
  process.stderr.write(`vigie: ${message} ${fields ? JSON.stringify(fields) : ''}\n`)
/** What would make a measurement worthless must be seen; the rest is chatter. */
const toStandardError = { debug() {}, info() {}, warn: say, error: say }
