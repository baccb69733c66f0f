/**
 * A Socket.IO server with presence, in a process of its own: a loop that an attacker has frozen cannot say so itself.
 * `hostile-host.ts` starts it, and asks it over a second port that no attacker knows.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { attachPresence } from '@vigie/server'
import { memoryMemberships, type MemoryMemberships } from '@vigie/server/memory'
import type * as Uws from '@trufflesuite/uws-js-unofficial'

/** What the host's process is told at its start, as JSON in `HOSTILE_HOST`. */
export interface HostileHostOptions {
  readonly secret: string
  readonly groups: readonly (readonly [id: string, userIds: readonly string[]])[]
  readonly conversations: readonly (readonly [id: string, userIds: readonly string[]])[]
  readonly perMessageDeflate: boolean
  /** What Socket.IO listens on: Node's HTTP server with ws, or uWebSockets.js by `io.attachApp`. */
  readonly engine: 'ws' | 'uws'
}

/** One order to the host's process; the answer comes when it is carried out. */
export type HostileOrder =
  | { readonly do: 'measure' | 'glance' }
  | { readonly do: 'row'; readonly room: string; readonly userId: string; readonly isMember: boolean }
  /** The host sends the user so many bytes. */
  | { readonly do: 'shout'; readonly userId: string; readonly bytes: number }

/** What can be seen without a collection of garbage, which would keep the loop. */
export interface HostGlance {
  readonly residentBytes: number
  /** How many steps the windows of sessions are widened, because the loop has no time to spare. */
  readonly pressure: number
}

/** What the host's process holds, after a collection of all garbage. */
export interface HostMeasure {
  readonly sizes: Readonly<Record<string, number>>
  /** Objects of closed connections that something still refers to. */
  readonly kept: Readonly<Record<'streams' | 'connections' | 'sockets', number>>
  /** What is open, as Node.js, engine.io and Socket.IO say. */
  readonly open: Readonly<Record<'streams' | 'connections' | 'sockets', number>>
  readonly heapBytes: number
  readonly outsideHeapBytes: number
  readonly residentBytes: number
  /** The longest that the machine kept the processor from this process, in milliseconds: that is no fault of the server. */
  readonly starvedMs: number
  /** What only a fault of the server explains, one line each. */
  readonly faults: readonly string[]
}

/** How often it is looked at how long the loop stood, and how much of that the process computed. */
const LOOK_MS = 20
let starvedMs = 0
let lookedAt = performance.now()
let usedMs = processorMs()
setInterval(() => {
  const [now, used] = [performance.now(), processorMs()]
  starvedMs = Math.max(starvedMs, Math.round(now - lookedAt - LOOK_MS - (used - usedMs)))
  lookedAt = now
  usedMs = used
}, LOOK_MS)

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

const faults: string[] = []
/** The process goes on, so that all that follows is seen; a start that fails is seen by its line. */
function note(what: string, error: unknown): void {
  faults.push(`${what}: ${textOf(error)}`)
  console.error(what, error)
}
process.on('unhandledRejection', (error) => note('An unhandled rejection', error))
process.on('uncaughtException', (error) => note('An uncaught exception', error))

const options = JSON.parse(process.env.HOSTILE_HOST ?? '{}') as HostileHostOptions
const http = createServer(
  // A connection that does nothing is closed by Node.js. Its own times are a minute and more.
  { headersTimeout: 2_000, requestTimeout: 3_000, connectionsCheckingInterval: 250 },
  (_request, response) => response.end('here'),
)
const io = new Server({
  pingInterval: 1_000,
  pingTimeout: 5_000,
  connectTimeout: 2_000,
  upgradeTimeout: 1_000,
  ...(options.perMessageDeflate && { perMessageDeflate: {} }),
})
if (options.engine === 'ws') io.attach(http)
const listenOnEngine = options.engine === 'uws' ? await onUws() : () => listen(http)
const rows = memoryMemberships(options)
const presence = attachPresence(io, {
  auth: { secret: options.secret },
  memberships: rows,
  graceMs: 500,
  reattachGraceMs: 1_000,
  // Longer than the machine of a test may stand still: a client that is only slow is not to be cut.
  stalledClientMs: 5_000,
  // People who went offline are not remembered: what is left in the end is left by mistake.
  offlineMemoryMs: 0,
  log: {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (message, fields) => faults.push(`The log: ${message} ${textOf(fields)}`),
  },
})

const streams = trackObjects()
const connections = trackObjects()
const sockets = trackObjects()
http.on('connection', streams.add)
io.on('connection', sockets.add)
// The namespace `/other` has no presence; nobody may harm the others by way of it.
io.of('/other').on('connection', sockets.add)

const control = createServer((request, response) => {
  answer(request).then(
    (value) => response.end(JSON.stringify(value)),
    (error: unknown) => {
      response.statusCode = 500
      response.end(textOf(error))
    },
  )
})
await presence.ready
const port = await listenOnEngine()
io.engine.on('connection', (connection: { readonly transport: { closeTimeout?: number } }) => {
  connections.add(connection)
  // engine.io waits so long for one more poll that it can answer with the end. Its own time is half a minute.
  connection.transport.closeTimeout = 1_000
})
console.log(`listening ${port} ${await listen(control)}`)

async function answer(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const order = JSON.parse(Buffer.concat(parts).toString()) as HostileOrder
  switch (order.do) {
    case 'measure':
      return measure()
    case 'glance': {
      const glance: HostGlance = {
        residentBytes: process.memoryUsage.rss(),
        pressure: presence.sizes().pressure ?? 0,
      }
      return glance
    }
    case 'row':
      setRow(rows, order)
      return {}
    case 'shout':
      io.to(`user:${order.userId}`).emit('host', 'x'.repeat(order.bytes))
      return {}
  }
}

function setRow(
  { addToConversation, removeFromConversation }: MemoryMemberships,
  { room, userId, isMember }: Extract<HostileOrder, { do: 'row' }>,
): void {
  if (isMember) addToConversation(room, userId)
  else removeFromConversation(room, userId)
}

async function measure(): Promise<HostMeasure> {
  // Weak references are let go between turns of the loop, and finalizers run after a collection.
  for (let round = 0; round < 2; round++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  const open = {
    streams: await connectionsOf(http),
    connections: io.engine.clientsCount,
    sockets: [...io._nsps.values()].reduce((sum, { sockets: { size } }) => sum + size, 0),
  }
  const left = { streams: streams.alive(), connections: connections.alive(), sockets: sockets.alive() }
  return {
    sizes: presence.sizes(),
    kept: {
      streams: left.streams - open.streams,
      connections: left.connections - open.connections,
      sockets: left.sockets - open.sockets,
    },
    open,
    heapBytes: heapUsed,
    outsideHeapBytes: external,
    residentBytes: rss,
    starvedMs,
    faults,
  }
}

/** Counts those objects, of all that came, that the garbage collector has not taken. */
function trackObjects() {
  let all: WeakRef<object>[] = []
  return {
    add: (object: object) => {
      all.push(new WeakRef(object))
    },
    alive() {
      all = all.filter((reference) => reference.deref() !== undefined)
      return all.length
    },
  }
}

/** Attaches Socket.IO; gives what begins to listen. */
async function onUws(): Promise<() => Promise<number>> {
  // It is CommonJS, whose names `import` does not find.
  const uws = createRequire(`${process.cwd()}/`)('@trufflesuite/uws-js-unofficial') as typeof Uws
  const app = uws.App()
  app.get('/here', (response) => {
    response.end('here')
  })
  io.attachApp(app)
  return () =>
    new Promise((resolve, reject) => {
      app.listen('127.0.0.1', 0, (socket) => {
        if (socket === false) reject(new Error('uWebSockets.js cannot listen.'))
        else resolve(uws.us_socket_local_port(socket))
      })
    })
}

function connectionsOf(server: HttpServer): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
}

async function listen(server: HttpServer): Promise<number> {
  // A thousand connections that come at once are not to be refused by the kernel.
  server.listen({ port: 0, host: '127.0.0.1', backlog: 2_048 })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function textOf(value: unknown): string {
  if (value instanceof Error) return value.stack ?? value.message
  return JSON.stringify(value, (_key, part: unknown) => (part instanceof Error ? part.stack : part))
}
