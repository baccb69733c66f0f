/**
 * A browser begins with polling and changes to a WebSocket while the first things are said to it. Whatever
 * happens on the server in that time is a point at which something may fall due; none may be the one after
 * which a session is never asked again.
 */
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ConversationId, SessionId, UserId } from '@vigie/protocol'
import { Server, type Socket } from 'socket.io'
import { io as connectSocket } from 'socket.io-client'
import { describe, expect, it } from 'vitest'
import type { PresenceEvent } from '../../src/core/index.js'
import { createOutbound } from '../../src/socketio/outbound.js'
import { startWire } from '../support/wire.js'

/** More points than one connection has; what falls due makes further ones, but not without end. */
const POINTS_MAX = 120
/** So many turns of the loop without a point: the upgrade and what it caused are over. */
const QUIET_TURNS = 20
/** A limit for what never comes, not a measure. */
const UNTIL_TIMEOUT_MS = 10_000

/** Everything that engine.io says of a connection, and of both of its transports. */
const CONNECTION_EVENTS = ['packet', 'packetCreate', 'flush', 'drain', 'upgrading', 'upgrade']
const TRANSPORT_EVENTS = ['ready', 'drain', 'packet', 'headers', 'close']

type Defer = (work: () => void) => void
const atOnce: Defer = (work) => {
  work()
}
const afterTheTick: Defer = (work) => {
  process.nextTick(work)
}
const afterTheTurn: Defer = (work) => {
  setImmediate(work)
}
const DEFERS = [atOnce, afterTheTick, afterTheTurn]

interface Run {
  /** Whether something falls due at this point. */
  readonly due: (point: number) => boolean
  readonly defer?: Defer
  /** Packets of the host's own, at the same points. */
  readonly hostTalks?: boolean
}

interface Exchange extends AsyncDisposable {
  /** One client that upgrades; the names of the points that it passed, once it has heard the latest state. */
  run(run: Run): Promise<readonly string[]>
}

async function startExchange(serverOptions: Readonly<Record<string, unknown>> = {}): Promise<Exchange> {
  const http = createServer()
  const io = new Server(http, { pingInterval: 60_000, ...serverOptions })
  /** What the engine would owe: the latest state, offered only by a session that was owed nothing. */
  const owed = new Map<SessionId, number>()
  const outbound = createOutbound({
    stalledClientMs: 60_000,
    onLacking() {},
    now: () => performance.now(),
    server: io,
    emit: true,
    onFailure(_session, error) {
      throw error
    },
    take({ id }): readonly PresenceEvent[] {
      const state = owed.get(id)
      owed.delete(id)
      // Three packets over polling, the second of a size that is compressed: engine.io sends one, and keeps two.
      const texts = state === undefined ? [] : ['first', 'x'.repeat(1_500), String(state)]
      return texts.map((text) => ({
        name: 'typing:start',
        payload: { userId: text as UserId, convId: 'c' as ConversationId },
      }))
    },
  })
  const arrivals = new EventEmitter().setMaxListeners(0)
  io.on('connection', (socket) => arrivals.emit(String(socket.handshake.auth.run), socket))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  let runs = 0

  async function run({ due, defer = atOnce, hostTalks = false }: Run): Promise<readonly string[]> {
    const name = String(runs++)
    const client = connectSocket(`http://127.0.0.1:${port}`, {
      forceNew: true,
      reconnection: false,
      auth: { run: name },
    })
    const heard: number[] = []
    client.on('typing:start', ({ userId }: { userId: string }) => {
      if (/^\d+$/u.test(userId)) heard.push(Number(userId))
    })
    const [socket] = (await once(arrivals, name)) as [Socket]
    const sessionId = socket.id as SessionId
    const outlet = outbound.open(socket)
    const session = { id: sessionId, outlet }

    let latest = 0
    let quietTurns = 0
    const points: string[] = []
    const fallDue = () => {
      if (hostTalks) socket.emit('host', latest)
      latest++
      const isQueued = owed.has(sessionId)
      owed.set(sessionId, latest)
      if (!isQueued) outbound.writeAll([session])
    }
    const pass = (point: string) => {
      quietTurns = 0
      if (points.length === POINTS_MAX) return
      points.push(point)
      if (!due(points.length - 1)) return
      // Inside these two engine.io is about to write, and says to nobody that they may write, too.
      const isInWrite = point.endsWith('packetCreate') || point.endsWith('flush')
      ;(isInWrite && defer === atOnce ? afterTheTick : defer)(fallDue)
    }
    const watch = (emitter: EventEmitter, of: string, events: readonly string[]) => {
      for (const event of events) {
        // On both sides of the listeners of engine.io and of the code under test.
        emitter.prependListener(event, () => pass(`before ${of} ${event}`))
        emitter.on(event, () => pass(`${of} ${event}`))
      }
    }
    const connection = socket.conn as unknown as EventEmitter & { readonly transport: EventEmitter }
    watch(connection, 'connection', CONNECTION_EVENTS)
    watch(connection.transport, 'polling', TRANSPORT_EVENTS)
    connection.once('upgrading', (transport: EventEmitter) => watch(transport, 'websocket', TRANSPORT_EVENTS))
    pass('connected')

    const deadline = performance.now() + UNTIL_TIMEOUT_MS
    while (
      socket.conn.transport.name !== 'websocket' ||
      ++quietTurns < QUIET_TURNS ||
      (heard.at(-1) ?? 0) !== latest
    ) {
      if (performance.now() > deadline) {
        throw new Error(`owed ${latest}, heard ${heard.join()}; points: ${points.join(', ')}`)
      }
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
    expect(heard).toEqual(heard.toSorted((a, b) => a - b))
    client.disconnect()
    outbound.end(outlet)
    return points
  }

  return {
    run,
    [Symbol.asyncDispose]: async () => {
      await io.close()
    },
  }
}

describe('a client that upgrades from polling to a WebSocket', { timeout: 60_000 }, () => {
  it.each([
    ['', {}],
    [', polls compressed', { httpCompression: { threshold: 100 } }],
    [', messages compressed', { perMessageDeflate: { threshold: 100 } }],
  ])('hears what falls due once, at whichever point%s', async (_name, serverOptions) => {
    await using exchange = await startExchange(serverOptions)
    const quiet = await exchange.run({ due: () => false })
    expect(quiet).toContain('connection upgrade')
    const points = quiet.map((_, at) => at)
    for (const defer of DEFERS) {
      for (const hostTalks of [false, true]) {
        await Promise.all(
          points.map((at) => exchange.run({ due: (point) => point === at, defer, hostTalks })),
        )
      }
    }
  })

  it('hears the latest of what falls due at two points', async () => {
    await using exchange = await startExchange()
    const { length } = await exchange.run({ due: () => false })
    for (let first = 0; first < length; first++) {
      const later = Array.from({ length: length + 10 - first }, (_, at) => first + 1 + at)
      await Promise.all(
        later.map((second) =>
          exchange.run({
            due: (point) => point === first || point === second,
            defer: DEFERS[(first + second) % 3]!,
          }),
        ),
      )
    }
  })

  it('hears the latest of what falls due at every point', async () => {
    await using exchange = await startExchange()
    for (const defer of DEFERS) {
      for (const hostTalks of [false, true]) {
        await Promise.all(
          Array.from({ length: 10 }, (_, from) =>
            exchange.run({ due: (point) => point >= from, defer, hostTalks }),
          ),
        )
      }
    }
  })

  it('has the whole first picture and all that changes meanwhile, as sixty others come the same way', async () => {
    const others = Array.from({ length: 60 }, (_, index) => `u${index}`)
    const members = ['late', ...others]
    await using wire = await startWire({
      rows: { groups: [['g', members]], conversations: [['c', members]] },
      presence: { windowMs: 5 },
    })
    const clients = others.map((userId) => wire.client(userId, { transports: ['polling', 'websocket'] }))
    const online = ({ told }: { told: readonly (readonly unknown[])[] }) =>
      new Set(
        told.flatMap(([name, payload]) =>
          name === 'presence:conversation' ? [(payload as { userId: string }).userId] : [],
        ),
      )
    await Promise.all(clients.map((client) => client.until((each) => online(each).size === others.length)))
    await wire.connect('late')
    await Promise.all(clients.map((client) => client.until('late 1 in c')))
  })
})
