/**
 * The door: `attachPresence(io, options)` wires the data path
 *
 *   socket event → inbound → engine (sessions → presence → audience → outbox) → outbound → socket
 */
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import {
  PresenceError,
  type ConversationId,
  type DeviceId,
  type GroupId,
  type SessionId,
  type UserId,
} from '@vigie/protocol'
import type { Namespace, Server } from 'socket.io'
import { createEngine, type CloseReason, type Effect, type Presence } from '../core/index.js'
import { createAuthenticate } from './authenticate.js'
import { createDirectory } from './directory.js'
import { createInbound } from './inbound.js'
import { resolveOptions, type PresenceOptions } from './options.js'
import { createOutbound } from './outbound.js'
import { createRoomKeeper } from './rooms.js'
import { createRuntime } from './runtime.js'

/** What the host hears of presence; see {@link PresenceServer.on}. */
export interface PresenceListeners {
  /** A user has come online: the first of their devices. */
  readonly online: (event: { readonly userId: string; readonly count: number }) => void
  /** A user has gone offline: the last of their devices, after its grace. */
  readonly offline: (event: { readonly userId: string }) => void
  readonly typing: (event: {
    readonly userId: string
    readonly conversationId: string
    readonly typing: boolean
  }) => void
}

/** Presence on one Socket.IO namespace. */
export interface PresenceServer {
  /** Resolves when connections are let in; rejects with one sentence when the rows cannot be followed. */
  readonly ready: Promise<void>
  /** What others see of a user; of somebody unknown: offline. */
  get(userId: string): Presence
  getMany(userIds: readonly string[]): Map<string, Presence>
  /** Who of a conversation is online. */
  online(conversationId: string): string[]
  /** Hears of transitions until the function that it returns is called. A listener that throws is logged. */
  on<Name extends keyof PresenceListeners>(event: Name, listener: PresenceListeners[Name]): () => void
  /** Ends a user's typing, in one conversation or everywhere: call it when their message is sent. */
  stopTyping(userId: string, conversationId?: string): void
  /** Ends all sessions of a user, or those of one device, for good: seen at once. */
  kick(userId: string, options?: { readonly deviceId?: string }): void
  /** Rows of these changed: read them again. For hosts that do without the change feed. */
  membershipsChanged(changed: {
    readonly users?: readonly string[]
    readonly groups?: readonly string[]
    readonly conversations?: readonly string[]
  }): void
  /** Sizes of everything that is kept in memory. */
  sizes(): Readonly<Record<string, number>>
  /** Lets go of the server and the rows; connections stay open and hear no more. May be called twice. */
  close(): Promise<void>
}

/** Any namespace or server, whatever event types the host gave it. */
interface Attachable {
  readonly sockets: unknown
  use(middleware: never): unknown
}

/**
 * Adds presence to a Socket.IO server, or to one of its namespaces. Attach it before listening.
 *
 * @throws RangeError or TypeError when an option, or a combination, cannot work.
 * @example
 * const presence = attachPresence(io, {
 *   auth: { secret: process.env.JWT_SECRET },
 *   memberships: postgresMemberships({ sql: process.env.DATABASE_URL }),
 * })
 * await presence.ready
 */
export function attachPresence(io: Attachable, input: PresenceOptions): PresenceServer {
  const namespace = asNamespace(io)
  const { server } = namespace
  const options = resolveOptions(input, server)
  const { settings, memberships, log } = options
  const engine = createEngine(settings, randomUUID())
  const emitter = new EventEmitter()
  const roomKeeper = createRoomKeeper(options.emit ? options.rooms : undefined)
  const outbound = createOutbound({
    server,
    take: (sessionId) => engine.take(sessionId, runtime.now()),
    emit: options.emit,
  })
  const runtime = createRuntime(engine, perform)
  const directory = createDirectory({
    memberships,
    settings,
    log,
    onUser: (userId, rooms) => runtime.accept({ type: 'memberships', userId, rooms }),
    onRoom: (rooms) => runtime.accept({ type: 'rooms', rooms }),
  })
  const ready = memberships.open((stale) => {
    directory.invalidate(stale)
  })
  // Whoever awaits `ready` hears of it; whoever does not must not lose the process to it.
  ready.catch((error: unknown) => {
    log.error('Memberships cannot be followed; nobody is let in.', { error })
  })
  const inbound = createInbound({
    namespace,
    settings,
    authenticate: createAuthenticate(options.identify, settings),
    directory,
    runtime,
    outbound,
    rooms: roomKeeper,
    log,
    isShadow: !options.emit,
    ready,
  })
  const tokenTimer = setInterval(() => {
    inbound.checkTokens()
  }, settings.tokenCheckMs)
  tokenTimer.unref()
  logDeadLinkTime()

  /**
   * A disconnect runs the host's own handlers. One that throws must not take along what follows: a session that
   * is due and is passed over would wait for ever.
   */
  function perform(effect: Effect): void {
    try {
      carryOut(effect)
    } catch (error) {
      log.error('Something that presence asked for failed.', { effect: effect.type, error })
    }
  }

  function carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'due':
        outbound.offer(effect.sessionId)
        return
      case 'close':
        closeSocket(effect.sessionId, effect.why)
        return
      case 'presence':
        if (effect.before.online === effect.after.online) return
        if (effect.after.online) notify('online', { userId: effect.userId, count: effect.after.count })
        else notify('offline', { userId: effect.userId })
        return
      case 'typing':
        notify('typing', {
          userId: effect.userId,
          conversationId: effect.conversationId,
          typing: effect.typing,
        })
        return
      case 'rooms':
        keepRooms(effect.userId, effect.sessionIds)
        return
      case 'want':
        directory.pin(effect.userId)
        return
      case 'forget':
        directory.unpin(effect.userId)
        return
      case 'refused':
    }
  }

  /** How a connection is ended decides whether a stock client comes back. */
  function closeSocket(sessionId: SessionId, why: CloseReason): void {
    const socket = outbound.socket(sessionId)
    // In shadow mode the connection is not ours to end; but a kick is the host's own word.
    if (!socket || (!options.emit && why !== 'kicked')) return
    switch (why) {
      case 'token_expired':
        socket.conn.close()
        return
      case 'replaced':
      case 'left':
        socket.disconnect(true)
        return
      case 'kicked':
      case 'logged_out':
      case 'too_many_sessions':
        if (options.emit) socket.emit('presence:closed', new PresenceError(why).data)
        socket.disconnect(true)
    }
  }

  function keepRooms(userId: UserId, sessionIds: readonly SessionId[]): void {
    const memberships = directory.rooms(userId)
    if (!memberships) return
    for (const sessionId of sessionIds) {
      const socket = outbound.socket(sessionId)
      if (!socket) continue
      roomKeeper.keep(socket, userId, memberships).catch((error: unknown) => {
        log.error('Rooms could not be kept in step with the rows.', { userId, error })
      })
    }
  }

  function notify<Name extends keyof PresenceListeners>(
    name: Name,
    event: Parameters<PresenceListeners[Name]>[0],
  ): void {
    for (const listener of emitter.listeners(name) as ((event: unknown) => unknown)[]) {
      // An `async` listener fails by its promise, which would end the process if nobody looked.
      void (async () => listener(event))().catch((error: unknown) => {
        log.error('A listener of the host failed.', { event: name, error })
      })
    }
  }

  function logDeadLinkTime(): void {
    const { pingInterval = 25_000, pingTimeout = 20_000 } = server._opts
    const seenMs = pingInterval + pingTimeout
    log.info(
      `A connection that dies without a word is noticed after at most ${seenMs} ms (pingInterval + pingTimeout), ` +
        `and its user is offline after at most ${seenMs + settings.graceMs} ms.`,
    )
  }

  let closing: Promise<void> | undefined
  async function closeAll(): Promise<void> {
    clearInterval(tokenTimer)
    inbound.close()
    runtime.close()
    outbound.clear()
    directory.close()
    emitter.removeAllListeners()
    await memberships.close()
  }

  return {
    ready,
    get: (userId) => engine.get(userId as UserId),
    getMany: (userIds) => new Map(userIds.map((userId) => [userId, engine.get(userId as UserId)])),
    online: (conversationId) => [...engine.online(conversationId as ConversationId)],
    on(event, listener) {
      emitter.on(event, listener)
      return () => emitter.off(event, listener)
    },
    stopTyping(userId, conversationId) {
      runtime.accept({
        type: 'stopTyping',
        userId: userId as UserId,
        conversationId: conversationId as ConversationId | undefined,
      })
    },
    kick(userId, { deviceId } = {}) {
      runtime.accept({ type: 'kick', userId: userId as UserId, deviceId: deviceId as DeviceId | undefined })
    },
    membershipsChanged({ users = [], groups = [], conversations = [] }) {
      // Who was in a room that changed: rows of theirs have, too.
      const members = [
        ...groups.flatMap((id) => engine.members({ kind: 'group', id: id as GroupId })),
        ...conversations.flatMap((id) => engine.members({ kind: 'conversation', id: id as ConversationId })),
      ]
      directory.invalidate({
        users: [...new Set([...(users as UserId[]), ...members])],
        groups: groups as GroupId[],
        conversations: conversations as ConversationId[],
      })
    },
    sizes: () => ({ ...engine.sizes(), connections: outbound.size }),
    close: () => (closing ??= closeAll()),
  }
}

function asNamespace(io: Attachable): Namespace {
  // Not `engine`: a server that is attached to HTTP later has none yet.
  return 'of' in io ? (io as unknown as Server).of('/') : (io as unknown as Namespace)
}
