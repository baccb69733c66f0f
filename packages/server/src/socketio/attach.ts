/**
 * The door: `attachPresence(io, options)` wires the data path
 *
 *   socket event → inbound → engine (sessions → presence → announce → pending) → outbound → socket
 */
import { randomUUID } from 'node:crypto'
import {
  PresenceError,
  type ConversationId,
  type DigestQuestion,
  type GroupId,
  type ErrorCode,
  type SessionId,
  type UserId,
} from '@vigie/protocol'
import type { Namespace, Server, Socket } from 'socket.io'
import { createEngine, hasMethods, type CloseReason, type Effect, type Stale } from '../core/index.js'
import { markAttached, refuseAttached } from './attached.js'
import { createAuditor } from './auditor.js'
import { createAuthenticate } from './authenticate.js'
import { createClientAuditor } from './client-audit.js'
import { createDirectory } from '../rows/directory.js'
import { createEnds } from './ends.js'
import { readMetrics } from '../host/metrics.js'
import { countClose, createShellCounts } from '../host/shell-counts.js'
import { createTransitionCounter } from '../host/transition-counter.js'
import { createInbound } from './inbound.js'
import { resolveOptions, type Options, type PresenceOptions } from './options.js'
import { createLatency } from './latency.js'
import { connectionCountOf, namespacesOf, optionsOf } from './internals.js'
import { createOutbound } from './outbound.js'
import { provideRooms } from './rooms.js'
import { createRuntime } from './runtime.js'
import type { MetricFamily } from '../host/metric-families.js'
import { createServerApi, type PresenceServer } from '../host/server-api.js'
import type { RefusalsOptions } from './refusals.js'
import { spelledUsers, spellingOf } from './spelling.js'
import { createRecorder, type Recorder } from '../trail/recorder.js'
import type { TrailStore } from '../trail/store.js'

export type { PresenceHealth, PresenceListeners, PresenceServer } from '../host/server-api.js'

/** How long a connection may take to end once it is being ended. Milliseconds. */
const ENDED_WITHIN_MS = 5_000

/** Refusals that are bounds which somebody has reached. */
const LIMITS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'rate_limited',
  'too_many_sessions',
  'too_many_watched',
  'overloaded',
])

/** Any namespace or server, whatever event types the host gave it. */
interface Attachable {
  readonly sockets: unknown
  use(middleware: never): unknown
}

/**
 * Adds presence to a Socket.IO server, or to one of its namespaces. Attach it before listening.
 *
 * @throws RangeError or TypeError when an option, or a combination, cannot work, or presence is attached already.
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
  refuseAttached(namespace)
  const { settings, memberships, log } = options
  // May refuse a key: nothing has been started by then.
  const authenticate = createAuthenticate(options.identify, settings)
  const spell = spellingOf(memberships)
  const engine = createEngine(settings, randomUUID(), { isRecorded: options.trail !== undefined })
  const counts = createShellCounts()
  const countTransition = createTransitionCounter(counts)
  const latency = createLatency({
    clock: () => performance.now(),
    now: () => runtime.now(),
    viewers: engine.pendingViewers,
    members: engine.pendingMembers,
    counts,
  })
  const outbound = createOutbound({
    server,
    take: (session) => runtime.take(session),
    emit: options.emit,
    stalledClientMs: settings.stalledClientMs,
    now: () => performance.now(),
    counts,
    onFollowed: latency.written,
    onFailure({ id }, error) {
      log.error('A session could not be written to. Its connection is cut: its client starts anew.', {
        sessionId: id,
        error,
      })
    },
    onLacking(parts) {
      log.warn(
        'The installed engine.io lacks parts that presence writes by. It writes by public calls of Socket.IO instead: ' +
          'slow clients may make memory grow. Install a version of socket.io that this package names as its peer.',
        { parts },
      )
    },
  })
  // In shadow mode the host has rooms of its own.
  const rooms =
    options.emit && options.rooms
      ? provideRooms({
          prefixes: options.rooms,
          engine,
          spell,
          namespace,
          socket: (id) => inbound.socket(id),
          log,
        })
      : undefined
  // What can be refused was: from here on something is left behind.
  const attached = markAttached(namespace)
  const runtime = createRuntime(rooms?.watched(engine) ?? engine, perform, { log })
  const directory = createDirectory({
    memberships,
    settings,
    log,
    onUser: (userId, rooms) => runtime.accept({ type: 'memberships', userId, rooms }),
    onRoom: (rooms) => runtime.accept({ type: 'rooms', rooms }),
    onUnheard: (place) => auditor.found(place),
  })
  /** Sockets that presence is ending, and since when: they are sockets without sessions until their last word is out. */
  const ending = new WeakMap<Socket, number>()
  const auditor = createAuditor<Socket>(
    {
      audit: engine.audit,
      accept: runtime.accept,
      rows: directory,
      sockets: {
        *all() {
          for (const visited of namespacesOf(server))
            if (attached.isOn(visited)) yield* visited.sockets.values()
        },
        size: () => Math.max(inbound.size, connectionCountOf(server)),
        idOf: ({ id }) => id as SessionId,
        isExpected: (socket) =>
          // In shadow mode a connection that presence refuses goes on.
          options.emit && socket.connected && inbound.hasHeard(socket) && !isBeingEnded(socket),
        cut: (socket) => {
          ends.endForNow(socket)
        },
        isConnected: (sessionId) => inbound.isConnected(sessionId),
        lose: (sessionId) => {
          inbound.lose(sessionId)
        },
      },
      rooms: rooms && {
        isRight(sessionId) {
          const socket = inbound.socket(sessionId)
          return !socket || rooms.isRight(socket)
        },
        repair(sessionId) {
          const socket = inbound.socket(sessionId)
          if (socket) rooms.repair(socket)
        },
      },
    },
    { auditMs: settings.auditMs, now: () => runtime.now(), log },
  )
  const auditTimer = settings.auditMs > 0 ? setInterval(auditor.turn, auditor.turnMs).unref() : undefined
  const api = createServerApi({
    engine,
    accept: runtime.accept,
    invalidate(stale) {
      auditor.heard(stale)
      directory.changed(stale)
    },
    readRoom: directory.readRoom,
    spell,
    explaining: {
      wallTime,
      lastHeardAt: (sessionId) => inbound.lastHeardAt(sessionId),
    },
    onFailure(event, error) {
      log.error('A listener of the host failed.', { event, error })
    },
  })
  const recorder = options.trail && createTrail(options.trail)
  const ready = Promise.all([
    orSay(memberships.open(readAgain), 'Memberships cannot be followed; nobody is let in.'),
    orSay(options.trail?.check(), 'The audit trail cannot be kept; nobody is let in.'),
  ]).then(() => undefined)
  // A host that awaits `ready` gets the error; one that does not must not lose its process to it.
  ready.catch(() => {})
  const ends = createEnds((error) => {
    log.error('A handler of the host failed when it heard that a connection ended.', { error })
  })
  const inbound = createInbound({
    namespace,
    ends,
    settings,
    authenticate: spelledUsers(authenticate, { spell, ready }),
    spell,
    directory,
    runtime,
    outbound,
    onArrival: ({ nsp }) => rooms?.follow(nsp),
    onRefusal: recordRefusal,
    log,
    counts,
    latency,
    isShadow: !options.emit,
    ready,
  })
  const clientAuditor = createClientAuditor(
    {
      // In shadow mode clients are told nothing.
      answering: () => (options.emit ? inbound.answering() : []),
      isCaughtUp: inbound.isCaughtUp,
      isLive: engine.audit.isLive,
      digest: engine.digest,
      async ask(sessionId, question, withinMs) {
        const socket = inbound.socket(sessionId)
        return socket && askClient(socket, question, withinMs)
      },
    },
    { counts, log, now: () => performance.now() },
  )
  const tokenTimer = setInterval(() => {
    inbound.checkTokens()
  }, settings.tokenCheckMs)
  tokenTimer.unref()
  logDeadLinkTime()

  function isBeingEnded(socket: Socket): boolean {
    const since = ending.get(socket)
    return since !== undefined && runtime.now() - since < ENDED_WITHIN_MS
  }

  async function orSay(work: Promise<void> | undefined, sentence: string): Promise<void> {
    try {
      await work
    } catch (error) {
      log.error(sentence, { error })
      throw error
    }
  }

  function createTrail(store: TrailStore): Recorder {
    return createRecorder({
      store,
      everything: engine.recorded,
      toWall: wallTime,
      bufferMax: settings.trailBufferMax,
      flushMs: settings.trailFlushMs,
      typing: options.trailTyping,
      start: inForce(options),
      log,
    })
  }

  /** From the engine's clock to milliseconds since 1970. */
  function wallTime(at: number): number {
    return Math.round(Date.now() - runtime.now() + at)
  }

  function recordRefusal(
    { code, sessionId, userId, name }: Parameters<NonNullable<RefusalsOptions['onLine']>>[0],
    leftOut: number,
  ): void {
    recorder?.record({
      kind: LIMITS.has(code) ? 'limit' : 'refused',
      reason: code,
      ...(userId !== undefined && { userId: userId as UserId }),
      ...(sessionId !== undefined && { sessionId: sessionId as SessionId }),
      detail: { ...(name !== undefined && { name }), leftOut },
    })
  }

  function readAgain(stale: Stale): void {
    auditor.heard(stale)
    directory.invalidate(stale)
  }

  /**
   * A disconnect runs the host's own handlers. One that throws must not take along what follows: a session that
   * is due and is passed over would wait for ever.
   */
  function perform(effect: Effect): void {
    if (effect.type === 'due') {
      outbound.writeAll(effect.sessions)
      return
    }
    try {
      carryOut(effect)
    } catch (error) {
      log.error('Something that presence asked for failed.', { effect: effect.type, error })
    }
  }

  function carryOut(effect: Exclude<Effect, { type: 'due' }>): void {
    switch (effect.type) {
      case 'close':
        closeSocket(effect.sessionId, effect.why)
        return
      case 'presence':
      case 'typing':
        countTransition(effect)
        if (options.emit) latency.changed(effect)
        if (effect.type === 'typing') recordTyping(effect)
        api.tell(effect)
        return
      case 'session':
      case 'rooms':
        recorder?.recorded(effect)
        return
      case 'want':
        directory.pin(effect.userId)
        return
      case 'forget':
        directory.unpin(effect.userId)
        return
      case 'reread':
        readAgain(staleOf(effect))
        return
      // Rooms hear of it where adapters must: see rooms.ts.
      case 'unplaced':
      case 'refused':
    }
  }

  function recordTyping({ userId, conversationId, typing }: Extract<Effect, { type: 'typing' }>): void {
    recorder?.record({
      kind: 'typing',
      state: typing ? 'live' : 'ended',
      userId,
      conversations: [conversationId],
    })
  }

  /** How a connection is ended decides whether its client comes back. */
  function closeSocket(sessionId: SessionId, why: CloseReason): void {
    const socket = inbound.socket(sessionId)
    // In shadow mode the connection is not ours to end; but a kick is the host's own word.
    if (!socket || (!options.emit && why !== 'kicked')) return
    countClose(counts, why)
    ending.set(socket, runtime.now())
    switch (why) {
      case 'token_expired':
        ends.endForNow(socket)
        return
      case 'replaced':
      case 'left':
        ends.endForGood(socket)
        return
      case 'kicked':
      case 'logged_out':
      case 'too_many_sessions':
        if (options.emit) {
          counts.frames['presence:closed']++
          socket.emit('presence:closed', new PresenceError(why).data)
        }
        ends.endForGood(socket)
    }
  }

  function logDeadLinkTime(): void {
    const { pingInterval = 25_000, pingTimeout = 20_000 } = optionsOf(server)
    const seenMs = pingInterval + pingTimeout
    log.info(
      `A connection that dies without a word is noticed after at most ${seenMs} ms (pingInterval + pingTimeout), ` +
        `and its user is offline after at most ${seenMs + settings.graceMs} ms.`,
    )
  }

  function metrics(): readonly MetricFamily[] {
    const { heldUsers, heldRooms } = directory.sizes()
    return readMetrics({
      counts,
      core: engine.counts(),
      census: engine.census(),
      connections: {
        transports: closing ? [] : inbound.transports(),
        blocked: outbound.blocked,
        refusalsHeld: ends.held,
      },
      ghosts: auditor.ghosts(),
      ghostsRepaired: auditor.repaired,
      admission: inbound.admission(),
      loop: { lagMs: runtime.peakLateMs(), pressureStep: runtime.pressure() },
      rows: { held: { users: heldUsers, rooms: heldRooms }, ...directory.reads() },
      feed: memberships.feed?.(),
      trail: recorder?.counts(),
      now: performance.now(),
    })
  }

  let closing: Promise<void> | undefined
  async function closeAll(): Promise<void> {
    // First: it says that everybody is let go of, not that each has left.
    const recorded = recorder?.close()
    clearInterval(tokenTimer)
    clearInterval(auditTimer)
    clientAuditor.close()
    rooms?.close()
    inbound.close()
    runtime.close()
    outbound.close()
    directory.close()
    api.close()
    attached.end()
    await recorded
    await memberships.close()
  }

  return {
    ready,
    ...api.methods,
    note({ reason, userId, detail = {} }) {
      recorder?.record({
        kind: 'act',
        reason,
        ...(userId !== undefined && { userId: userId as UserId }),
        detail,
      })
    },
    async room(room) {
      // Before, the store does not know how it spells an id.
      await ready.catch((error: unknown) => {
        throw new PresenceError('unavailable', undefined, { cause: error })
      })
      return api.methods.room(room)
    },
    sizes: () => ({
      ...engine.sizes(),
      ...directory.sizes(),
      connections: closing ? 0 : inbound.size,
      pressure: runtime.pressure(),
      ghostsRepaired: auditor.repaired,
    }),
    metrics,
    ghosts: auditor.ghosts,
    auditClients: ({ sample } = {}) => clientAuditor.audit(sample),
    health() {
      const { isFailing, overdueMs } = directory.health()
      const { waiting, delayMs } = inbound.admission()
      const readAt = memberships.feed?.()?.completeAt
      return {
        feedAgeMs: readAt === undefined ? undefined : Math.round(performance.now() - readAt),
        areReadsFailing: isFailing,
        rereadOverdueMs: Math.round(overdueMs),
        admissionWaiting: waiting,
        admissionWaitMs: Math.round(delayMs),
        loopLagMs: Math.max(0, Math.round(runtime.lateMs())),
        pressure: runtime.pressure(),
      }
    },
    close: () => (closing ??= closeAll()),
  }
}

/** Undefined: it has not answered by then, and an answer that comes later is not heard. */
function askClient(
  socket: Socket,
  question: DigestQuestion,
  withinMs: number,
): Promise<{ readonly answer: unknown } | undefined> {
  return new Promise((resolve) => {
    socket.timeout(withinMs).emit('presence:digest', question, (late: Error | null, answer: unknown) => {
      resolve(late ? undefined : { answer })
    })
  })
}

/** What the audit trail says at each start. The options that are left out are functions, or hold secrets. */
function inForce({ settings, rooms, emit, trailTyping, trailConfiguration }: Options) {
  return { settings, rooms: rooms ?? false, emit, trailTyping, host: trailConfiguration }
}

function staleOf({ userId, rooms }: Extract<Effect, { type: 'reread' }>): Stale {
  const groups: GroupId[] = []
  const conversations: ConversationId[] = []
  for (const room of rooms) {
    if (room.kind === 'group') groups.push(room.id)
    else conversations.push(room.id)
  }
  return { users: [userId], groups, conversations }
}

function asNamespace(io: unknown): Namespace {
  // Not `engine`: a server that is attached to HTTP later has none yet.
  if (hasMethods(io, ['of', 'use']) && '_opts' in io) return (io as Server).of('/')
  if (hasMethods(io, ['use', 'fetchSockets']) && 'adapter' in io && 'server' in io) return io as Namespace
  throw new TypeError(
    'attachPresence needs a Socket.IO server, or one of its namespaces: `attachPresence(new Server(http), options)`.',
  )
}
