/** The HTTP API on a real HTTP server, over real presence and its Socket.IO clients, with the rows in memory. */
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { PresenceError } from '@vigie/protocol'
import {
  attachPresence,
  silentLog,
  type Log,
  type Memberships,
  type PresenceOptions,
  type PresenceServer,
} from '@vigie/server'
import { memoryMemberships, type MemoryMemberships } from '@vigie/server/memory'
import { createApi, type ApiOptions } from '../src/api/api.js'
import type { ApiAudit } from '../src/api/routes.js'
import { createKeyring, parseApiKey } from '../src/api/keys.js'
import { createHealth } from '../src/health.js'
import { createHttp } from '../src/http.js'

export const READ_KEY = 'a-key-that-may-only-read'
export const ACT_KEY = 'a-key-that-may-only-act'
export const BOTH_KEY = 'a-key-that-may-do-both'
const SECRET = 'a secret of the tests'

/** The only one there is. One of every id can be sent again, except of `gone`. */
export const DEAD_LETTER = {
  id: 'msg_1',
  endpoint: 'crm',
  at: 1_790_000_000_000,
  deadAt: 1_790_000_001_000,
  attempts: 7,
  failure: 'the receiver answered 500',
  body: '{"type":"user.online"}',
}

export interface ApiServer extends AsyncDisposable {
  readonly url: string
  readonly presence: PresenceServer
  readonly rows: MemoryMemberships
  /** What was logged as an error. */
  readonly errors: readonly string[]
  /** A session of the user, once it has had its first picture. */
  connect(userId: string, auth?: Readonly<Record<string, unknown>>): Promise<Socket>
  /** A request with a key, the one for everything unless told; null: without. */
  ask(
    path: string,
    init?: Omit<RequestInit, 'headers'> & {
      readonly key?: string | null
      readonly headers?: Readonly<Record<string, string>>
      readonly duplex?: 'half'
    },
  ): Promise<Response>
}

type Given = Partial<Omit<ApiOptions, 'presence' | 'log'>> & {
  /** Instead of a log that nobody reads. */
  readonly log?: Partial<Log>
  /** Something between the rows and presence: an outage, say. */
  readonly wrap?: (rows: MemoryMemberships) => Memberships
  readonly namesMax?: number
  readonly trail?: PresenceOptions['trail']
}

const away = () => Promise.reject(new PresenceError('unavailable'))
/** Of tests that do not ask about the past. */
const NO_TRAIL: ApiAudit = { online: away, user: away, peak: away, why: away }

export async function startApi({
  wrap = (rows) => rows,
  namesMax = 3,
  trail,
  ...given
}: Given = {}): Promise<ApiServer> {
  const rows = memoryMemberships({
    groups: [['crew', ['ann', 'ben', 'cid']]],
    conversations: [
      ['plan', ['ann', 'ben']],
      ['hall', ['ann', 'ben', 'cid', 'dan', 'eve']],
      ['quiet', ['eve', 'fay']],
    ],
  })
  const errors: string[] = []
  const log: Log = { ...silentLog, error: (message) => errors.push(message), ...given.log }
  const sockets = new Server()
  const presence = attachPresence(sockets, {
    memberships: wrap(rows),
    auth: { secret: SECRET },
    leaveGraceMs: 0,
    namesMax,
    ...(trail && { trail }),
    log,
  })
  await presence.ready
  const health = createHealth()
  health.serve({
    isDatabaseReachable: async () => true,
    presence: presence.health,
    settings: { admissionLagMs: 100, rereadMs: 60_000 },
  })
  const api = createApi({
    presence,
    audit: NO_TRAIL,
    webhooks: {
      deadLetters: async ({ limit = 0 } = {}) => [DEAD_LETTER].slice(0, limit),
      resend: async (id) => id !== 'gone',
    },
    metrics: presence.metrics,
    keyring: createKeyring(
      [`read:${READ_KEY}`, `act:${ACT_KEY}`, BOTH_KEY].map((entry) => parseApiKey(entry)!),
    ),
    isOpenToRead: false,
    rate: { perSecond: 100_000, burst: 100_000 },
    node: 'node-a',
    version: '1.2.3',
    ...given,
    log,
  })
  const listener = getRequestListener(createHttp({ health, version: '1.2.3', api }).fetch)
  const http = createServer((request, response) => void listener(request, response))
  sockets.attach(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const clients: Socket[] = []
  return {
    url,
    presence,
    rows,
    errors,
    async connect(userId, auth = {}) {
      const socket = io(url, {
        auth: { token: tokenOf(userId), protocol: 2, ...auth },
        forceNew: true,
        transports: ['websocket'],
      })
      clients.push(socket)
      await new Promise((resolve, reject) => {
        socket.once('presence:state', resolve)
        socket.once('connect_error', reject)
      })
      return socket
    },
    ask(path, { key = BOTH_KEY, headers, ...init } = {}) {
      const authorization = key === null ? {} : { Authorization: `Bearer ${key}` }
      return fetch(`${url}${path}`, { ...init, headers: { ...authorization, ...headers } })
    },
    async [Symbol.asyncDispose]() {
      for (const socket of clients) socket.disconnect()
      await presence.close()
      http.closeAllConnections()
      await sockets.close()
    },
  }
}

function tokenOf(userId: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: userId })}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}
