/**
 * The first step: whatever comes from a client is checked here, and nowhere else, before the engine sees it.
 * In:   Socket.IO's middleware, connections, events, disconnects
 * Out:  inputs for the engine
 * Next: core/sessions.ts, core/typing.ts
 */
import {
  CLIENT_EVENTS,
  parseAuth,
  parseClientEvent,
  PresenceError,
  type Acknowledgement,
  type ClientEventName,
  type ErrorCode,
  type ParsedAuth,
  type SessionId,
  type UserId,
} from '@vigie/protocol'
import type { Namespace, Socket } from 'socket.io'
import type { Input, KnownRooms, Log, Settings } from '../core/index.js'
import type { Authenticate, Verified } from './authenticate.js'
import type { Directory } from './directory.js'
import type { Outbound } from './outbound.js'
import { createBucket } from './rate-limit.js'
import type { RoomKeeper } from './rooms.js'
import type { Runtime } from './runtime.js'

interface InboundOptions {
  readonly namespace: Namespace
  readonly settings: Settings
  readonly authenticate: Authenticate
  readonly directory: Directory
  readonly runtime: Runtime
  readonly outbound: Outbound
  readonly rooms: RoomKeeper
  readonly log: Log
  /** Shadow mode: nobody is refused, closed or answered. */
  readonly isShadow: boolean
  /** Resolves when rows can be read and their changes are followed. */
  readonly ready: Promise<void>
}

export interface Inbound {
  /** Ends of tokens are compared with the wall clock again. */
  checkTokens(): void
  /** From now on connections pass unseen: a middleware cannot be removed. */
  close(): void
}

/** Who a message comes from. */
interface Sender {
  readonly socket: Socket
  readonly sessionId: SessionId
  readonly userId: UserId
}

/** A connection that was let in but is not a session yet. */
interface Admission {
  readonly verified: Verified
  readonly auth: ParsedAuth
  release(): void
}

export function createInbound(options: InboundOptions): Inbound {
  const { namespace, settings, authenticate, directory, runtime, outbound, rooms, log, isShadow, ready } =
    options
  const admissions = new WeakMap<Socket, Admission>()
  /** Engine connections with a socket of this namespace, let in or on the way. */
  const taken = new WeakMap<object, Socket>()
  /** Those of them that are still being checked. */
  const admitting = new WeakSet<Socket>()
  const tokenEnds = new Map<SessionId, number>()
  const renewals = new WeakMap<Socket, Promise<undefined>>()
  let pending = 0
  let isClosed = false

  namespace.use((socket, next) => {
    // In shadow mode nobody waits for us; whether it would have been let in is seen when it is connected.
    if (isClosed || isShadow) {
      next()
      return
    }
    admit(socket).then(
      () => {
        next()
      },
      (error: unknown) => {
        refuse(socket, asPresenceError(error), next)
      },
    )
  })
  namespace.on('connection', (socket) => {
    if (isClosed) return
    // `connectionStateRecovery` lets a socket past all middleware: it is checked now.
    if ((isShadow || socket.recovered) && !admissions.has(socket)) admitLate(socket)
    else open(socket)
  })

  function admitLate(socket: Socket): void {
    admit(socket).then(
      () => {
        if (socket.connected) open(socket)
      },
      (error: unknown) => {
        log.debug('A connection was refused after it was connected.', { error })
        if (!isShadow) socket.conn.close()
      },
    )
  }

  /** Keeps no state in the engine: a socket may be gone before it is connected, and then nobody says so. */
  async function admit(socket: Socket): Promise<void> {
    if (isTaken(socket)) throw new PresenceError('already_connected')
    if (pending >= settings.pendingMax) throw new PresenceError('overloaded')
    taken.set(socket.conn, socket)
    admitting.add(socket)
    pending++
    try {
      const auth = parseAuth(socket.handshake.auth)
      const verified = await withinDeadline(authenticate(socket))
      await ready.catch((error: unknown) => {
        throw new PresenceError('unavailable', undefined, { cause: error })
      })
      directory.pin(verified.userId)
      const release = releaseOnce(socket, verified)
      const memberships = await directory.load(verified.userId).catch((error: unknown) => {
        release()
        throw error
      })
      admissions.set(socket, { verified, auth, release })
      ;(socket.data as { userId?: string }).userId = verified.userId
      await rooms.keep(socket, verified.userId, memberships)
    } catch (error) {
      if (taken.get(socket.conn) === socket) taken.delete(socket.conn)
      throw error
    } finally {
      admitting.delete(socket)
      pending--
    }
  }

  /** A check of the host that never answers would hold its place for ever. */
  async function withinDeadline<Value>(work: Promise<Value>): Promise<Value> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new PresenceError('unavailable', 'The check of the token took longer than authenticateMs.'))
      }, settings.authenticateMs)
    })
    try {
      return await Promise.race([work, deadline])
    } finally {
      clearTimeout(timer)
    }
  }

  /** A second socket on the same connection would be a second session that no limit on sockets counts. */
  function isTaken(socket: Socket): boolean {
    const other = taken.get(socket.conn)
    return other !== undefined && other !== socket && (admitting.has(other) || other.connected)
  }

  function releaseOnce(socket: Socket, { userId }: Verified): () => void {
    let isReleased = false
    const release = () => {
      if (isReleased) return
      isReleased = true
      socket.conn.off('close', release)
      directory.unpin(userId)
    }
    socket.conn.once('close', release)
    // The connection ended while its rows were read: its `close` has been.
    if (socket.conn.readyState !== 'open') release()
    return release
  }

  /** A stock client tries again by itself only when its connection is closed under it. */
  function refuse(socket: Socket, error: PresenceError, next: (error: Error) => void): void {
    log.debug('A connection was refused.', { code: error.code, error: error.cause })
    if (error.data.retry !== 'never') socket.conn.close()
    next(error)
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
    const { verified, auth, release } = admission
    // A handler of the host that was registered first has ended it already, and its end will not be told again.
    if (!socket.connected) {
      release()
      return
    }
    const sessionId = socket.id as SessionId
    const memberships = directory.current(verified.userId)
    if (!memberships) {
      release()
      return
    }
    // Two may have passed while a later middleware of the host was busy.
    if (isTaken(socket)) {
      release()
      socket.disconnect()
      return
    }
    taken.set(socket.conn, socket)
    outbound.open(sessionId, socket)
    // Before the engine hears of it: it may refuse, and then the socket's end is what deletes this.
    if (verified.expiresAt !== undefined) tokenEnds.set(sessionId, verified.expiresAt)
    listen({ socket, sessionId, userId: verified.userId })
    runtime.accept({
      type: 'connect',
      sessionId,
      userId: verified.userId,
      rooms: memberships,
      protocol: auth.protocol === 2 ? 2 : 1,
      position: auth.since ?? undefined,
      deviceId: auth.deviceId ?? undefined,
      clientId: auth.clientId ?? undefined,
      label: auth.label ?? undefined,
      since: Date.now(),
      expiresAt: toEngineTime(verified.expiresAt),
    })
    // What followed may have ended it, and a join after the end would stay in the adapter for ever.
    if (isConnected(socket)) keepRooms(socket, verified, memberships)
    release()
  }

  /** Rows may have changed since the middleware joined the rooms. */
  function keepRooms(socket: Socket, { userId }: Verified, memberships: KnownRooms): void {
    rooms.keep(socket, userId, memberships).catch((error: unknown) => {
      log.error('Rooms could not be kept in step with the rows.', { userId, error })
    })
  }

  function listen(sender: Sender): void {
    const { socket, sessionId, userId } = sender
    for (const name of CLIENT_EVENTS) {
      const handled = createBucket(settings.eventsPerSecond, settings.eventsBurst)
      const refused = createBucket(settings.eventsPerSecond, settings.eventsBurst)
      socket.on(name, (...args: unknown[]) => {
        const asked = typeof args.at(-1) === 'function' ? (args.pop() as Acknowledgement) : undefined
        const acknowledge = isShadow || !hasRoom(socket) ? undefined : asked
        if (handled.take(runtime.now())) {
          void handle(sender, name, args).then((error) => {
            acknowledge?.(
              error ? { ok: false, error: { code: error.code, message: error.message } } : { ok: true },
            )
          })
        } else if (acknowledge && refused.take(runtime.now())) {
          const { code, message } = new PresenceError('rate_limited')
          acknowledge({ ok: false, error: { code, message } })
        }
      })
    }
    // Before the host's own: one that throws would keep the end from us.
    socket.prependListener('disconnect', (reason: string) => {
      outbound.close(sessionId)
      tokenEnds.delete(sessionId)
      if (taken.get(socket.conn) === socket) taken.delete(socket.conn)
      runtime.accept(endOf(sessionId, userId, reason))
    })
  }

  async function handle(
    sender: Sender,
    name: ClientEventName,
    args: readonly unknown[],
  ): Promise<PresenceError | undefined> {
    try {
      if (args.length > 1) throw new PresenceError('invalid_payload', `${name} has one payload.`)
      const code = await perform(sender, name, args[0])
      return code && new PresenceError(code)
    } catch (error) {
      return asPresenceError(error)
    }
  }

  function perform(
    sender: Sender,
    name: ClientEventName,
    payload: unknown,
  ): ErrorCode | undefined | Promise<undefined> {
    const { sessionId } = sender
    switch (name) {
      case 'typing:start':
      case 'typing:stop': {
        const { convId } = parseClientEvent(name, payload)
        return runtime.accept({
          type: 'typing',
          sessionId,
          conversationId: convId,
          typing: name === 'typing:start',
        })
      }
      case 'presence:background': {
        const { graceMs } = parseClientEvent(name, payload)
        return runtime.accept({ type: 'background', sessionId, graceMs })
      }
      case 'presence:foreground':
        parseClientEvent(name, payload)
        return runtime.accept({ type: 'foreground', sessionId })
      case 'presence:watch': {
        const { add = [], remove = [] } = parseClientEvent(name, payload)
        return runtime.accept({ type: 'watch', sessionId, add, remove })
      }
      case 'presence:leave': {
        const { scope } = parseClientEvent(name, payload)
        // After the acknowledgement, which the end of the connection would swallow.
        setImmediate(() => runtime.accept({ type: 'leave', sessionId, scope: scope ?? 'session' }))
        return undefined
      }
      case 'presence:token':
        return renewInTurn(sender, parseClientEvent(name, payload).token)
    }
  }

  /** One after the other: of two that cross, the one that was sent last counts. */
  function renewInTurn(sender: Sender, token: string): Promise<undefined> {
    const renewal = (renewals.get(sender.socket) ?? Promise.resolve(undefined)).then(() =>
      renew(sender, token),
    )
    renewals.set(
      sender.socket,
      renewal.catch(() => undefined),
    )
    return renewal
  }

  /** The token moves to where every check looks for it, and back should it be refused. */
  async function renew({ socket, sessionId, userId }: Sender, token: string): Promise<undefined> {
    const auth = socket.handshake.auth as { token?: unknown }
    const earlier = auth.token
    auth.token = token
    try {
      const renewed = await withinDeadline(authenticate(socket))
      if (renewed.userId !== userId) throw new PresenceError('token_other_user')
      if (renewed.expiresAt === undefined) tokenEnds.delete(sessionId)
      else if (socket.connected) tokenEnds.set(sessionId, renewed.expiresAt)
      runtime.accept({ type: 'expires', sessionId, at: toEngineTime(renewed.expiresAt) })
    } catch (error) {
      auth.token = earlier
      throw error
    }
  }

  function toEngineTime(wall: number | undefined): number | undefined {
    return wall === undefined ? undefined : runtime.now() + (wall - Date.now())
  }

  return {
    checkTokens() {
      for (const [sessionId, end] of tokenEnds) {
        runtime.accept({ type: 'expires', sessionId, at: toEngineTime(end) })
      }
    },
    close() {
      isClosed = true
      tokenEnds.clear()
    },
  }
}

/** Most packets that may wait on a connection before its messages are no longer answered. */
const ANSWER_BUFFER_MAX = 64

/** Somebody who asks and never reads would otherwise pile up answers. */
function hasRoom(socket: Socket): boolean {
  return (socket.conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length < ANSWER_BUFFER_MAX
}

/** Asked anew each time: what happens between two questions is not the compiler's to know. */
function isConnected(socket: Socket): boolean {
  return socket.connected
}

/** What the server sees of the end of a connection, and what it means. */
function endOf(sessionId: SessionId, userId: UserId, reason: string): Input {
  switch (reason) {
    case 'client namespace disconnect':
      return { type: 'disconnected', sessionId }
    case 'server namespace disconnect':
      return { type: 'kick', userId, sessionId }
    case 'server shutting down':
      return { type: 'lost', sessionId, isDrain: true }
    default:
      return { type: 'lost', sessionId }
  }
}
