/**
 * The first step: whatever comes from a client is checked here and in messages.ts, and nowhere else, before the
 * engine sees it.
 * In:   Socket.IO's middleware, connections, events, disconnects
 * Out:  inputs for the engine
 * Next: core/sessions.ts, core/typing.ts
 */
import type { IncomingMessage } from 'node:http'
import { parseAuth, PresenceError, type ParsedAuth, type SessionId } from '@vigie/protocol'
import type { Namespace, Socket } from 'socket.io'
import type { Log, Settings, Spell } from '../core/index.js'
import { createGate, type Turn } from './admission.js'
import type { Authenticate, Verified } from './authenticate.js'
import type { Directory } from '../rows/directory.js'
import { countClose, type ShellCounts } from '../host/shell-counts.js'
import { LAST_WORD_PAUSE_MS, type Ends } from './ends.js'
import { connectionOf, engineOf, type Connection, type Engine } from './internals.js'
import type { Latency } from './latency.js'
import { createMessages } from './messages.js'
import { createRefusals, type RefusalsOptions } from './refusals.js'
import type { Outbound } from './outbound.js'
import type { Runtime } from './runtime.js'
import { createWallClock } from './wall-clock.js'

interface InboundOptions {
  readonly namespace: Namespace
  readonly ends: Ends
  readonly settings: Settings
  readonly authenticate: Authenticate
  readonly spell: Spell
  readonly directory: Directory
  readonly runtime: Runtime
  readonly outbound: Outbound
  /** Called before somebody is checked. */
  readonly onArrival: (socket: Socket) => void
  readonly log: Log
  readonly counts: ShellCounts
  readonly latency: Latency
  /** Hears of refusals, as the log does. */
  readonly onRefusal: NonNullable<RefusalsOptions['onLine']>
  /** Shadow mode: nobody is refused, closed, held back or answered. */
  readonly isShadow: boolean
  /** Resolves when rows can be read and their changes are followed. */
  readonly ready: Promise<void>
}

export interface Inbound {
  /** The connection of a session, until it has ended. */
  socket(sessionId: SessionId): Socket | undefined
  /** Whether the connection of a session is still there. */
  isConnected(sessionId: SessionId): boolean
  /** Whether the socket was ever that of a session. */
  hasHeard(socket: Socket): boolean
  /** The session's connection has ended, and no event said so. */
  lose(sessionId: SessionId): void
  /** When the connection of a session last gave a sign of life, in milliseconds since 1970. */
  lastHeardAt(sessionId: SessionId): number | undefined
  /** How many connections are sessions. */
  readonly size: number
  /** The transport of each session, as engine.io names it. */
  transports(): Iterable<string>
  /** The sessions whose clients said that they answer `presence:digest`. */
  answering(): Iterable<SessionId>
  /** Whether everything that was taken from the engine for the session is written. */
  isCaughtUp(sessionId: SessionId): boolean
  /** Connections that wait to be checked, and for how long the oldest of those held back has. */
  admission(): { readonly waiting: number; readonly delayMs: number }
  /** Ends of tokens are compared with the wall clock again. */
  checkTokens(): void
  /** From now on connections pass unseen: a middleware cannot be removed. */
  close(): void
}

/** A connection that was let in but is not a session yet. */
interface Admission {
  readonly verified: Verified
  readonly auth: ParsedAuth
  /** Milliseconds, monotonic. */
  readonly arrivedAt: number
}

/** The engine is told how long people are held back in steps of this: graces need it no finer. */
const DELAY_STEP_MS = 500

export function createInbound(options: InboundOptions): Inbound {
  const { namespace, ends, settings, authenticate, directory, runtime, outbound, onArrival, log, isShadow } =
    options
  const { ready, counts, latency, onRefusal } = options
  /** From the moment when their rows are held until they are sessions, or their connection has gone. */
  const admissions = new Map<Socket, Admission>()
  /** Engine connections with a socket of this namespace, let in or on the way. */
  const taken = new WeakMap<object, Socket>()
  /** Those of them that are still being checked, or wait for it. */
  const admitting = new WeakSet<Socket>()
  /**
   * Engines of whose handshakes the writes go out together, and the ends of whose connections are followed: one,
   * unless a host has several.
   */
  const engines = new Set<Engine>()
  const gate = createGate({ settings, now: () => performance.now(), lateMs: () => runtime.lateMs() })
  const wallClock = createWallClock(runtime)
  const refusals = createRefusals({ log, now: () => performance.now(), onLine: onRefusal })
  const messages = createMessages({
    settings,
    authenticate,
    spell: options.spell,
    runtime,
    wallClock,
    log,
    counts,
    refusals,
    isShadow,
    onEnd({ socket, outlet }, isDrain) {
      outbound.end(outlet)
      if (taken.get(socket.conn) === socket) taken.delete(socket.conn)
      // A host that has closed presence, or has a second one, ends connections as it likes.
      if (isDrain && !isClosed && !isShadow) ends.cutInDrain(socket)
    },
  })
  /** When the last packet of a session's connection came, a pong among others, by `performance.now()`. */
  const heardAt = new WeakMap<object, number>()
  let toldDelayMs = 0
  let isClosed = false

  namespace.use((socket, next) => {
    // In shadow mode nobody waits for us; whether it would have been let in is seen when it is connected.
    if (isClosed || isShadow) {
      next()
      return
    }
    onArrival(socket)
    followEngine(socket)
    admit(socket).then(
      () => {
        outbound.cork(socket.conn)
        next()
      },
      (error: unknown) => {
        refuse(socket, asPresenceError(error), next)
      },
    )
  })
  // Before the host's own handlers, which find its rooms and may end it.
  namespace.prependListener('connect', (socket: Socket) => {
    if (isClosed) return
    // `connectionStateRecovery` lets a socket past all middleware: it is checked now.
    if ((isShadow || socket.recovered) && !admissions.has(socket)) admitLate(socket)
    else open(socket)
  })
  runtime.onBeat(() => {
    gate.look()
    tellDelay()
    releaseTheGone()
    outbound.cutStalled()
    latency.look()
    refusals.look()
  })

  /** From the second connection on: it is the first that shows where they come from. */
  function followEngine(socket: Socket): void {
    const engine = engineOf(socket)
    if (!engine || engines.has(engine)) return
    engines.add(engine)
    engine.on('headers', holdUpgrade)
    engine.on('connection', followEnd)
    followEnd(connectionOf(socket))
  }

  /** Also of connections that never become sessions. */
  function followEnd(connection: Connection): void {
    connection.on('close', onEngineClose)
  }

  /** One function for all connections, so that it costs each a pointer: engine.io calls it with the connection as `this`. */
  function onEngineClose(this: Connection): void {
    outbound.closed(this)
  }

  /** One function for all connections. Whole milliseconds: V8 stores a small integer in place. */
  function onPacket(this: Connection): void {
    heardAt.set(this, Math.trunc(performance.now()))
  }

  /** Only the answer to an upgrade is followed by a packet. */
  function holdUpgrade(_headers: unknown, { headers, socket }: Partial<IncomingMessage>): void {
    if (headers?.upgrade !== undefined && socket) outbound.cork(socket)
  }

  function admitLate(socket: Socket): void {
    admit(socket).then(
      () => {
        if (socket.connected) open(socket)
      },
      (error: unknown) => {
        noteRefusal('A connection was refused after it was connected.', socket, asPresenceError(error))
        latency.refused(socket)
        if (isShadow) return
        countClose(counts, asPresenceError(error).code)
        ends.cutWhenWritten(socket)
      },
    )
  }

  /** Keeps no state in the engine: a socket may be gone before it is connected, and then nobody says so. */
  async function admit(socket: Socket): Promise<void> {
    if (isTaken(socket)) throw new PresenceError('already_connected')
    const arrivedAt = latency.arrived(socket)
    taken.set(socket.conn, socket)
    admitting.add(socket)
    try {
      if (isShadow) await check(socket, arrivedAt)
      else await checkInTurn(socket, arrivedAt)
    } catch (error) {
      if (taken.get(socket.conn) === socket) taken.delete(socket.conn)
      throw error
    } finally {
      admitting.delete(socket)
    }
  }

  async function checkInTurn(socket: Socket, arrivedAt: number): Promise<void> {
    const turn = gate.enter()
    if (!turn) throw new PresenceError('overloaded')
    try {
      if (turn.state === 'waits') await decision(turn, socket)
      if (isSentAway(turn))
        throw new PresenceError('overloaded', 'This connection waited too long to be let in.')
      // It has gone meanwhile, or presence has: Socket.IO sees to the former, and the latter passes unseen.
      if (socket.conn.readyState === 'open' && !isClosed) await check(socket, arrivedAt)
    } finally {
      gate.leave(turn)
    }
  }

  /** Whoever goes away while they wait leaves the line at once. */
  function decision(turn: Turn, { conn }: Socket): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        conn.off('close', settle)
        resolve()
      }
      turn.decided = settle
      conn.once('close', settle)
      // Others may be about to lose their grace: the engine cannot wait for the next beat to hear of the first.
      if (toldDelayMs === 0) tellDelay()
    })
  }

  /** In steps, rounded up: whoever waits at all is to be waited for. */
  function tellDelay(): void {
    const waitedMs = gate.delayMs()
    const delayMs = waitedMs === undefined ? 0 : (Math.floor(waitedMs / DELAY_STEP_MS) + 1) * DELAY_STEP_MS
    if (delayMs === toldDelayMs) return
    toldDelayMs = delayMs
    runtime.accept({ type: 'admission', delayMs })
  }

  async function check(socket: Socket, arrivedAt: number): Promise<void> {
    const auth = parseAuth(socket.handshake.auth)
    const verified = await authenticate(socket)
    await ready.catch((error: unknown) => {
      throw new PresenceError('unavailable', undefined, { cause: error })
    })
    if (isClosed) return
    const userId = directory.pin(verified.userId)
    admissions.set(socket, { verified: { ...verified, userId }, auth, arrivedAt })
    try {
      await directory.load(userId)
      ;(socket.data as { userId?: string }).userId = userId
    } catch (error) {
      release(socket)
      throw error
    }
    if (socket.conn.readyState !== 'open') release(socket)
  }

  /** A second socket on the same connection would be a second session that no limit on sockets counts. */
  function isTaken(socket: Socket): boolean {
    const other = taken.get(socket.conn)
    return other !== undefined && other !== socket && (admitting.has(other) || other.connected)
  }

  /** Its rows are needed no longer on account of its admission. */
  function release(socket: Socket): void {
    const admission = admissions.get(socket)
    if (!admission) return
    admissions.delete(socket)
    directory.unpin(admission.verified.userId)
  }

  /** Nobody says so when a connection ends before it is a session: a listener on each would cost more than to look. */
  function releaseTheGone(): void {
    for (const socket of admissions.keys()) if (socket.conn.readyState !== 'open') release(socket)
  }

  /**
   * A stock client tries again by itself only when its connection ends under it, and then hears no reason. Who speaks
   * protocol 2 comes back by the reason, and can show it: they are cut once it is out.
   */
  function refuse(socket: Socket, error: PresenceError, next: (error: Error) => void): void {
    noteRefusal('A connection was refused.', socket, error)
    countClose(counts, error.code)
    latency.refused(socket)
    const { protocol } = socket.handshake.auth as { readonly protocol?: unknown }
    // As `parseAuth` takes it; the refusal may be about another field.
    const hearsWhy = protocol === 2 || protocol === '2'
    if (error.data.retry === 'never') next(error)
    else if (hearsWhy) {
      next(error)
      // Socket.IO answers in the next tick.
      setImmediate(ends.cutWhenWritten, socket, LAST_WORD_PAUSE_MS)
    } else {
      // Without a back-off of its own, a client that is cut at once would be back at once, again and again.
      ends.hold(socket, () => {
        sendAway(socket, error, next)
      })
    }
  }

  function noteRefusal(sentence: string, socket: Socket, { code, cause }: PresenceError): void {
    refusals.note(sentence, { code, sessionId: socket.id, error: cause })
  }

  function sendAway({ conn }: Socket, error: PresenceError, next: (error: Error) => void): void {
    if (conn.readyState !== 'open') next(error)
    else {
      // While the connection is open, Socket.IO would tell the reason.
      conn.once('close', () => {
        next(error)
      })
      ends.cutWhenWritten({ conn })
    }
  }

  function asPresenceError(error: unknown): PresenceError {
    if (error instanceof PresenceError) return error
    log.error('A connection could not be checked.', { error })
    return new PresenceError('internal', undefined, { cause: error })
  }

  function open(socket: Socket): void {
    const admission = admissions.get(socket)
    // Let in before Vigie was attached, or past its middleware: it is not a session.
    if (!admission) return
    // A handler of the host that comes even before ours has ended it already, and its end will not be told again.
    if (socket.connected) become(socket, admission)
    release(socket)
  }

  function become(socket: Socket, { verified, auth, arrivedAt }: Admission): void {
    const sessionId = socket.id as SessionId
    const memberships = directory.rooms(verified.userId)
    if (!memberships) return
    // Two may have passed while a later middleware of the host was busy.
    if (isTaken(socket)) {
      socket.disconnect()
      return
    }
    taken.set(socket.conn, socket)
    const connection = connectionOf(socket)
    onPacket.call(connection)
    connection.on('packet', onPacket)
    const outlet = outbound.open(socket)
    // Before the engine hears of it: it may refuse, and then the socket's end is what ends this.
    const protocol = auth.protocol === 2 ? 2 : 1
    const answersDigests = protocol === 2 && auth.audit === true
    messages.listen({ socket, outlet, ...verified, answersDigests })
    latency.connects(socket, verified.userId, arrivedAt, outlet)
    runtime.accept({
      type: 'connect',
      sessionId,
      userId: verified.userId,
      rooms: memberships,
      protocol,
      // A position is of one person's picture. Another person on the same device has been told nothing yet.
      position: auth.sinceUser === verified.userId ? (auth.since ?? undefined) : undefined,
      deviceId: auth.deviceId ?? undefined,
      clientId: auth.clientId ?? undefined,
      label: auth.label ?? undefined,
      since: Date.now(),
      expiresAt: wallClock.toEngineTime(verified.expiresAt),
      outlet,
    })
    latency.connected()
  }

  return {
    socket: messages.socket,
    isConnected(sessionId) {
      const socket = messages.socket(sessionId)
      return (
        socket?.connected === true &&
        socket.nsp.sockets.get(sessionId) === socket &&
        socket.conn.readyState !== 'closed'
      )
    },
    hasHeard: messages.hasHeard,
    lose: messages.lose,
    lastHeardAt(sessionId) {
      const socket = messages.socket(sessionId)
      const at = socket && heardAt.get(socket.conn)
      return at === undefined ? undefined : Math.round(Date.now() - performance.now() + at)
    },
    get size() {
      return messages.size
    },
    transports: messages.transports,
    answering: messages.answering,
    isCaughtUp: messages.isCaughtUp,
    admission: () => ({ waiting: gate.waiting, delayMs: gate.delayMs() ?? 0 }),
    checkTokens() {
      messages.checkTokens()
    },
    close() {
      isClosed = true
      ends.close()
      admissions.clear()
      for (const engine of engines) {
        engine.off('headers', holdUpgrade)
        engine.off('connection', followEnd)
      }
      // The loop's beats end with the runtime: nobody would look at who waits.
      gate.open()
    },
  }
}

function isSentAway(turn: Turn): boolean {
  return turn.state === 'sentAway'
}
