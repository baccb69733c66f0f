/** Presence on a real Socket.IO server over real sockets, and stock clients that write down what they hear. */
import { createHmac } from 'node:crypto'
import type { Server as HttpServer } from 'node:http'
import type { Server, Socket as ServerSocket } from 'socket.io'
import { io as connectSocket, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import type { Answer } from '@vigie/protocol'
import { memoryMemberships, type MemoryMemberships, type MemoryRows } from '../../src/memory/index.js'
import {
  attachPresence,
  type Log,
  type Memberships,
  type PresenceOptions,
  type PresenceServer,
} from '../../src/socketio/index.js'
import { prepareServer } from './listen.js'

export const SECRET = 'a secret of the tests'

/** A limit for what never comes, not a measure. */
const UNTIL_TIMEOUT_MS = 4_000

export interface WireOptions {
  /** Rows to begin with, by room; they are `wire.rows` afterwards. */
  readonly rows?: MemoryRows
  /** Options of `attachPresence`, over ones that keep tests short. */
  readonly presence?: Partial<PresenceOptions>
  /** Options of the Socket.IO server. */
  readonly server?: Readonly<Record<string, unknown>>
  /** A pattern: each client says which of those it stands for. */
  readonly namespace?: string | RegExp
  readonly port?: number
  /** Something between the rows and the server: outages, slowness. */
  readonly wrap?: (rows: MemoryMemberships) => Memberships
  /** What a host does with its server before presence is attached. */
  readonly before?: (io: Server) => void
}

export interface LogLine {
  readonly level: keyof Log
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface Wire extends AsyncDisposable {
  readonly io: Server
  readonly http: HttpServer
  readonly port: number
  readonly url: string
  readonly rows: MemoryMemberships
  readonly presence: PresenceServer
  readonly log: readonly LogLine[]
  /** A client that connects on its own time. */
  client(userId: string, options?: ClientOptions): WireClient
  /** A client that has had its first picture, or the refusal as an error. */
  connect(userId: string, options?: ClientOptions): Promise<WireClient>
  /** Resolves once `isMet` holds; asked again after each transition, connection, loss and change of rows. */
  until(what: string, isMet: () => boolean): Promise<void>
  close(): Promise<void>
}

export type ClientOptions = Partial<Omit<ManagerOptions & SocketOptions, 'auth'>> & {
  /** Beside the token, or instead of it. */
  readonly auth?: Readonly<Record<string, unknown>>
  readonly namespace?: string
}

export type Told = readonly [name: string, ...args: unknown[]]

export interface WireClient {
  readonly userId: string
  readonly socket: Socket
  /** Every event since it was made, the fence's excepted. */
  readonly told: readonly Told[]
  /** `data` of each `connect_error`; undefined for one without. */
  readonly refusals: readonly ({ code: string; retry: string } | undefined)[]
  /** The reason of each disconnect. */
  readonly ends: readonly string[]
  readonly connections: number
  /** Lines, a short one per event, since they were last heard; `presence:devices` left out. */
  hear(): string[]
  /** Resolves once a line is among those that `hear` would give, or the predicate holds. */
  until(what: string | ((client: WireClient) => boolean)): Promise<void>
  /** Resolves once everything that the server owed the client before the call has come. */
  fence(): Promise<void>
  /** Sends an event, and resolves with its acknowledgement. */
  ask(name: string, ...args: unknown[]): Promise<Answer>
  /** The connection ends without a word; resolves once the server has noticed. */
  drop(): Promise<void>
  /** The server's end of the connection. */
  server(): ServerSocket
}

/** Signed as the tests' servers expect it. By hand: no library signs a token whose end is not on a second. */
export function token(
  userId: unknown,
  claims: Readonly<Record<string, unknown>> = {},
  secret = SECRET,
): string {
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: userId, ...claims })}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

/** A token that says that it needs no signature. */
export function unsignedToken(userId: string): string {
  return `${part({ alg: 'none', typ: 'JWT' })}.${part({ sub: userId })}.`
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/**
 * @example
 * await using wire = await startWire({ rows: { groups: [['crew', ['ann', 'bob']]] } })
 * const ann = await wire.connect('ann')
 */
export async function startWire(options: WireOptions = {}): Promise<Wire> {
  const server = await prepareServer({ pingInterval: 60_000, ...options.server })
  const { io, http } = server
  options.before?.(io)
  const rows = memoryMemberships(options.rows)
  const log: LogLine[] = []
  const watch = createWatch()
  const write =
    (level: keyof Log) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      log.push({ level, message, fields })
      watch.look()
    }
  const parser = options.server?.parser
  const nameSpace = io.of(options.namespace ?? '/')
  const identified = options.presence?.authenticate ? {} : { auth: { secret: SECRET } }
  const presence = attachPresence(options.namespace === undefined ? io : nameSpace, {
    memberships: observed(options.wrap?.(rows) ?? rows, watch.look),
    ...identified,
    graceMs: 200,
    reattachGraceMs: 200,
    windowMs: 0,
    readBatchMs: 0,
    readRetryMs: 20,
    // Tests count reads; the slow re-read has tests of its own.
    rereadMs: 0,
    // The auditor looks on in every test, and must find nothing: see `close`.
    auditMs: 100,
    occupancyWindowMs: 50,
    tokenClockToleranceMs: 0,
    eventsPerSecond: 10_000,
    eventsBurst: 10_000,
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    ...options.presence,
  })
  for (const event of ['online', 'offline', 'typing'] as const) presence.on(event, watch.look)
  nameSpace.on('connection', (socket) => {
    watch.look()
    socket.on('disconnect', watch.look)
  })
  io.engine.on('connection', (connection: { on(event: string, listener: () => void): void }) => {
    connection.on('packet', () => setImmediate(watch.look))
    connection.on('close', () => setImmediate(watch.look))
    watch.look()
  })
  const port = await server.listen(options.port ?? 0)
  const url = `http://127.0.0.1:${port}`
  const clients: WireClient[] = []
  let closing: Promise<void> | undefined
  let fence: Promise<(client: WireClient) => Promise<void>> | undefined

  function client(userId: string, clientOptions: ClientOptions = {}): WireClient {
    const made = createClient({
      userId,
      options: { ...(parser !== undefined && { parser }), ...clientOptions },
      url:
        url + (clientOptions.namespace ?? (typeof options.namespace === 'string' ? options.namespace : '')),
      serverSocket: (id) => nameSpace.sockets.get(id ?? ''),
      fence: async (self) => (await (fence ??= createFence(wire)))(self),
      lost: (id) => wire.until(`loss of ${userId}`, () => !nameSpace.sockets.has(id)),
    })
    clients.push(made)
    return made
  }

  const wire: Wire = {
    io,
    http,
    port,
    url,
    rows,
    presence,
    log,
    client,
    async connect(userId, clientOptions) {
      const made = client(userId, clientOptions)
      await made.until(
        ({ told, refusals }) => told.some(([name]) => name === 'presence:devices') || refusals.length > 0,
      )
      if (made.refusals.length > 0) throw new Error(`refused: ${JSON.stringify(made.refusals)}`)
      return made
    },
    until: watch.until,
    close: () =>
      (closing ??= (async () => {
        for (const { socket } of clients) {
          socket.io.reconnection(false)
          socket.disconnect()
          socket.io.engine.close()
        }
        const { ghostsRepaired } = presence.sizes()
        await presence.close()
        await server.close()
        // A test that plants ghosts says how often they are looked for.
        if (options.presence?.auditMs === undefined && ghostsRepaired !== 0)
          throw new Error(
            `The auditor found ghosts: ${JSON.stringify(log.filter(({ level }) => level === 'warn'))}`,
          )
      })()),
    [Symbol.asyncDispose]: () => wire.close(),
  }
  return wire
}

/** Things to wait for: they are looked at again whenever something has happened. */
function createWatch() {
  const waiting = new Set<() => void>()
  const look = () => {
    for (const each of [...waiting]) each()
  }
  return {
    look,
    until: (what: string, isMet: () => boolean, story: () => string = () => ''): Promise<void> =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!isMet()) return
          end()
          resolve()
        }
        const timer = setTimeout(() => {
          end()
          reject(new Error(`it never came: ${what}\n${story()}`))
        }, UNTIL_TIMEOUT_MS)
        const end = () => {
          clearTimeout(timer)
          waiting.delete(check)
        }
        waiting.add(check)
        check()
      }),
  }
}

function observed(memberships: Memberships, look: () => void): Memberships {
  const seen = async <Value>(read: Promise<Value>) => {
    setImmediate(look)
    try {
      return await read
    } finally {
      // After whoever asked for the rows has had them.
      setImmediate(look)
    }
  }
  return {
    open: (onStale) => memberships.open(onStale),
    readUsers: (ids) => seen(memberships.readUsers(ids)),
    readRooms: (groups, conversations, most) => seen(memberships.readRooms(groups, conversations, most)),
    ...(memberships.spelling && { spelling: memberships.spelling.bind(memberships) }),
    close: () => memberships.close(),
  }
}

interface ClientParts {
  readonly userId: string
  readonly options: ClientOptions
  readonly url: string
  readonly serverSocket: (id: string | undefined) => ServerSocket | undefined
  readonly fence: (client: WireClient) => Promise<void>
  readonly lost: (id: string) => Promise<void>
}

function createClient({ userId, options, url, serverSocket, fence, lost }: ClientParts): WireClient {
  const { auth, namespace: _namespace, ...rest } = options
  const socket = connectSocket(url, {
    forceNew: true,
    transports: ['websocket'],
    reconnection: false,
    reconnectionDelay: 20,
    reconnectionDelayMax: 50,
    ...rest,
    auth: { token: token(userId), ...auth },
  })
  const watch = createWatch()
  const told: Told[] = []
  const unheard: string[] = []
  const refusals: ({ code: string; retry: string } | undefined)[] = []
  const ends: string[] = []
  let connections = 0

  socket.on('connect', () => {
    connections++
    watch.look()
  })
  socket.on('disconnect', (reason) => {
    ends.push(reason)
    watch.look()
  })
  socket.on('connect_error', (error: Error & { data?: { code: string; retry: string } }) => {
    refusals.push(error.data)
    watch.look()
  })
  socket.onAny((name: string, ...args: unknown[]) => {
    if (!isOfFence(args[0])) {
      told.push([name, ...args])
      if (name !== 'presence:devices') unheard.push(lineOf(name, args[0]))
    }
    watch.look()
  })

  const client: WireClient = {
    userId,
    socket,
    told,
    refusals,
    ends,
    get connections() {
      return connections
    },
    hear: () => unheard.splice(0),
    until: (what) =>
      watch.until(
        typeof what === 'string' ? what : String(what),
        () => (typeof what === 'string' ? unheard.includes(what) : what(client)),
        () =>
          `${userId} heard ${JSON.stringify(told)}; refusals ${JSON.stringify(refusals)}; ends ${ends.join()}`,
      ),
    fence: () => fence(client),
    ask: async (name, ...args) =>
      (await socket.timeout(UNTIL_TIMEOUT_MS).emitWithAck(name, ...args)) as Answer,
    async drop() {
      const id = socket.id
      // The engine's own close: Socket.IO's `disconnect()` would send a packet that means "leave".
      socket.io.engine.close()
      if (id !== undefined) await lost(id)
    },
    server() {
      const found = serverSocket(socket.id)
      if (!found) throw new Error(`${userId} is not connected`)
      return found
    },
  }
  return client
}

const FENCE = '~fence'

/**
 * A user in a conversation of its own with whoever needs the fence: when its typing has come to a client, and
 * its end after that, everything that the session was owed earlier has come, too.
 */
async function createFence(wire: Wire): Promise<(client: WireClient) => Promise<void>> {
  wire.rows.addToConversation(FENCE, FENCE)
  const fence = await wire.connect(FENCE)
  return async (client) => {
    if (!wire.rows.membersOfConversation(FENCE).has(client.userId as never)) {
      wire.rows.addToConversation(FENCE, client.userId)
    }
    for (const name of ['typing:start', 'typing:stop']) {
      const came = new Promise<void>((resolve) => {
        const listener = (payload: { convId: string }) => {
          if (payload.convId !== FENCE) return
          client.socket.off(name, listener)
          resolve()
        }
        client.socket.on(name, listener)
      })
      await fence.ask(name, { convId: FENCE })
      await came
    }
  }
}

function isOfFence(payload: unknown): boolean {
  const { convId, conversationId } = (payload ?? {}) as { convId?: string; conversationId?: string }
  return convId === FENCE || conversationId === FENCE
}

/** `bob 1`, `bob 1 in c`, `bob types in c`, `bob stops in c`, `g: 3 of 9`. */
function lineOf(name: string, payload: unknown): string {
  const { userId, count, conversationId, convId, groupId, members, online, code } = (payload ?? {}) as Record<
    string,
    unknown
  >
  switch (name) {
    case 'presence:update':
      return `${String(userId)} ${String(count)}`
    case 'presence:conversation':
      return `${String(userId)} ${String(count)} in ${String(conversationId)}`
    case 'typing:start':
      return `${String(userId)} types in ${String(convId)}`
    case 'typing:stop':
      return `${String(userId)} stops in ${String(convId)}`
    case 'presence:occupancy':
      return `${String(groupId ?? conversationId)}: ${String(online)} of ${String(members)}`
    case 'presence:closed':
      return `closed: ${String(code)}`
    default:
      return `${name} ${JSON.stringify(payload)}`
  }
}
