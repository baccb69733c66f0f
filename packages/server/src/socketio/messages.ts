/**
 * What a session sends, once it is open. All sessions share one handler per message: a session itself costs one
 * small record here, and one more for each message that it has sent.
 */
import {
  CLIENT_EVENTS,
  parseClientEvent,
  PresenceError,
  type Acknowledgement,
  type ClientEventName,
  type ErrorCode,
  type SessionId,
  type UserId,
} from '@vigie/protocol'
import type { Socket } from 'socket.io'
import type { Input, Log, Settings, Spell } from '../core/index.js'
import { countDisconnect, type ShellCounts } from '../host/shell-counts.js'
import type { Authenticate } from './authenticate.js'
import { connectionOf } from './internals.js'
import type { Outlet } from './outbound.js'
import { fullBucket, take, type Bucket } from './rate-limit.js'
import type { Refusals } from './refusals.js'
import type { Runtime } from './runtime.js'
import type { WallClock } from './wall-clock.js'

/** Undefined: done. */
type Outcome = ErrorCode | undefined

/** The check of a session's new token. */
interface Renewal {
  /** The token that came last meanwhile: it is checked next. */
  next: { readonly token: string; readonly answer: (outcome: Outcome | Promise<Outcome>) => void } | undefined
}

/** Who a message comes from. */
export interface Sender {
  readonly socket: Socket
  readonly userId: UserId
  /** Its way out. */
  readonly outlet: Outlet
  /** Its client said that it answers `presence:digest`. */
  readonly answersDigests: boolean
  /** When the token ends, in milliseconds since 1970; undefined: never. */
  expiresAt: number | undefined
  /** One for each message that has come: few, so they are looked for one by one. */
  allowances: readonly Allowance[]
}

/** How much of one message has come lately. */
interface Allowance {
  readonly name: ClientEventName
  readonly handled: Bucket
  /** Refusals that were answered: made when the first is. */
  refused: Bucket | undefined
}

interface MessagesOptions {
  readonly settings: Settings
  readonly authenticate: Authenticate
  readonly spell: Spell
  readonly runtime: Runtime
  readonly wallClock: WallClock
  readonly log: Log
  readonly counts: ShellCounts
  readonly refusals: Refusals
  /** Shadow mode: nobody is answered. */
  readonly isShadow: boolean
  /** The connection of a session has ended, or Socket.IO is about to close all; the engine hears of it afterwards. */
  readonly onEnd: (sender: Sender, isDrain: boolean) => void
}

export interface Messages {
  /** From now on the sender is heard, and its end is told to the engine. */
  listen(sender: Omit<Sender, 'allowances'>): void
  /** The connection of a session, until it has ended. */
  socket(sessionId: SessionId): Socket | undefined
  /** Whether the socket was ever a sender. */
  hasHeard(socket: Socket): boolean
  /** The session's connection has ended, and no event said so. */
  lose(sessionId: SessionId): void
  readonly size: number
  /** The transport of each session, as engine.io names it. */
  transports(): Iterable<string>
  /** The sessions whose clients said that they answer `presence:digest`. */
  answering(): Iterable<SessionId>
  /** Whether everything that was taken from the engine for the session is written. */
  isCaughtUp(sessionId: SessionId): boolean
  /** Ends of tokens are compared with the wall clock again. */
  checkTokens(): void
}

export function createMessages(options: MessagesOptions): Messages {
  const { settings, authenticate, spell, runtime, wallClock, log, counts, refusals, isShadow, onEnd } =
    options
  const rate = { perSecond: settings.eventsPerSecond, burst: settings.eventsBurst }
  const senders = new Map<SessionId, Sender>()
  /** Of sessions whose new token is being checked; see {@link renewInTurn}. */
  const renewals = new Map<Sender, Renewal>()
  /** Socket.IO calls a listener with its socket as `this`. */
  const handlers = CLIENT_EVENTS.map((name) => {
    const handler = function (this: Socket, ...args: unknown[]): void {
      const sender = senders.get(this.id as SessionId)
      if (sender) receive(sender, name, args)
    }
    return [name, handler] as const
  })

  function onDisconnect(this: Socket, reason: string): void {
    const sender = senders.get(this.id as SessionId)
    // Brought back by `connectionStateRecovery`, a session has the name of an earlier one.
    if (sender?.socket !== this) return
    end(sender, reason)
  }

  function end(sender: Sender, reason: string): void {
    senders.delete(sessionOf(sender))
    countDisconnect(counts, reason)
    answerWaiting(sender, 'session_ended')
    onEnd(sender, reason === DRAIN)
    runtime.accept(endOf(sender, reason))
  }

  function receive(sender: Sender, name: ClientEventName, args: unknown[]): void {
    const asked = typeof args.at(-1) === 'function' ? (args.pop() as Acknowledgement) : undefined
    const acknowledge = isShadow || !hasRoom(sender.socket) ? undefined : asked
    const allowance = allowanceOf(sender, name)
    if (take(allowance.handled, rate, performance.now())) {
      void handle(sender, name, args).then((error) => {
        counts.messages[name][error ? 'refused' : 'ok']++
        // In shadow mode nobody else hears of what would be refused.
        if (error) noteRefusal(sender, name, error)
        acknowledge?.(
          error ? { ok: false, error: { code: error.code, message: error.message } } : { ok: true },
        )
      })
      return
    }
    counts.messages[name].over_limit++
    if (acknowledge && take((allowance.refused ??= fullBucket(rate)), rate, performance.now())) {
      const { code, message } = new PresenceError('rate_limited')
      acknowledge({ ok: false, error: { code, message } })
    }
  }

  function noteRefusal(sender: Sender, name: ClientEventName, { code, cause }: PresenceError): void {
    const { userId } = sender
    refusals.note('A message was refused.', {
      code,
      sessionId: sessionOf(sender),
      name,
      userId,
      error: cause,
    })
  }

  function allowanceOf(sender: Sender, name: ClientEventName): Allowance {
    const known = sender.allowances.find((allowance) => allowance.name === name)
    if (known) return known
    const allowance: Allowance = { name, handled: fullBucket(rate), refused: undefined }
    // Not pushed: that would make room for a dozen more.
    sender.allowances = [...sender.allowances, allowance]
    return allowance
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
      if (error instanceof PresenceError) return error
      log.error('A message could not be handled.', {
        name,
        sessionId: sessionOf(sender),
        userId: sender.userId,
        error,
      })
      return new PresenceError('internal', undefined, { cause: error })
    }
  }

  function perform(sender: Sender, name: ClientEventName, payload: unknown): Outcome | Promise<Outcome> {
    const sessionId = sessionOf(sender)
    switch (name) {
      case 'typing:start':
      case 'typing:stop': {
        const { convId } = parseClientEvent(name, payload)
        return runtime.accept({
          type: 'typing',
          sessionId,
          conversationId: spell('conversation', convId),
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
        const spelled = (ids: readonly UserId[]) => ids.map((id) => spell('user', id))
        return runtime.accept({ type: 'watch', sessionId, add: spelled(add), remove: spelled(remove) })
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

  /**
   * One check runs and one waits, for the token that was sent last. A check may be slow (an issuer that does not answer):
   * each token that came in between is answered at once, so that nothing piles up behind it.
   */
  function renewInTurn(sender: Sender, token: string): Outcome | Promise<Outcome> {
    if (token.length > settings.tokenMaxLength) return 'token_too_long'
    const running = renewals.get(sender)
    if (!running) return renewNow(sender, token)
    answerWaiting(sender, 'token_superseded')
    return new Promise((answer) => {
      running.next = { token, answer }
    })
  }

  function answerWaiting(sender: Sender, outcome: ErrorCode): void {
    const renewal = renewals.get(sender)
    if (!renewal) return
    renewal.next?.answer(outcome)
    renewal.next = undefined
  }

  async function renewNow(sender: Sender, token: string): Promise<Outcome> {
    const renewal: Renewal = { next: undefined }
    renewals.set(sender, renewal)
    try {
      return await renew(sender, token)
    } finally {
      renewals.delete(sender)
      const { next } = renewal
      next?.answer(renewNow(sender, next.token))
    }
  }

  /** The token moves to where every check looks for it, and back should it be refused. */
  async function renew(sender: Sender, token: string): Promise<Outcome> {
    const { socket, userId } = sender
    const auth = socket.handshake.auth as { token?: unknown }
    const earlier = auth.token
    auth.token = token
    try {
      const renewed = await authenticate(socket)
      if (renewed.userId !== userId) throw new PresenceError('token_other_user')
      // With `allowRecovery` its name may belong to another session by now, whose token's end is another.
      if (senders.get(sessionOf(sender)) !== sender) return 'session_ended'
      sender.expiresAt = renewed.expiresAt
      tellTokenEnd(sender)
      return undefined
    } catch (error) {
      auth.token = earlier
      throw error
    }
  }

  function tellTokenEnd(sender: Sender): void {
    const at = wallClock.toEngineTime(sender.expiresAt)
    runtime.accept({ type: 'expires', sessionId: sessionOf(sender), at })
  }

  return {
    listen({ socket, userId, outlet, answersDigests, expiresAt }) {
      const sender = { socket, userId, outlet, answersDigests, expiresAt, allowances: NO_ALLOWANCES }
      senders.set(sessionOf(sender), sender)
      for (const [name, handler] of handlers) socket.on(name, handler)
      // Before the host's own: one that throws would keep the end from us.
      socket.prependListener('disconnect', onDisconnect)
    },
    socket: (sessionId) => senders.get(sessionId)?.socket,
    hasHeard: (socket) => handlers.some(([name, handler]) => socket.listeners(name).includes(handler)),
    lose(sessionId) {
      const sender = senders.get(sessionId)
      if (sender) end(sender, 'transport close')
      else runtime.accept({ type: 'lost', sessionId })
    },
    get size() {
      return senders.size
    },
    *transports() {
      for (const { socket } of senders.values()) yield connectionOf(socket).transport.name
    },
    *answering() {
      for (const [sessionId, { answersDigests }] of senders) if (answersDigests) yield sessionId
    },
    isCaughtUp: (sessionId) => senders.get(sessionId)?.outlet.state === 'open',
    checkTokens() {
      if (!wallClock.hasMoved()) return
      for (const sender of senders.values()) if (sender.expiresAt !== undefined) tellTokenEnd(sender)
    },
  }
}

const NO_ALLOWANCES: readonly Allowance[] = []

function sessionOf({ socket }: Pick<Sender, 'socket'>): SessionId {
  return socket.id as SessionId
}

/** Most packets that may wait on a connection before its messages are no longer answered. */
const ANSWER_BUFFER_MAX = 64

/** Somebody who asks and never reads would otherwise pile up answers. */
function hasRoom(socket: Socket): boolean {
  return connectionOf(socket).writeBuffer.length < ANSWER_BUFFER_MAX
}

/** The reason that Socket.IO names when the host closes the whole server. */
const DRAIN = 'server shutting down'

/** What the server sees of the end of a connection, and what it means. */
function endOf(sender: Sender, reason: string): Input {
  const { userId } = sender
  const sessionId = sessionOf(sender)
  switch (reason) {
    case 'client namespace disconnect':
      return { type: 'disconnected', sessionId }
    case 'server namespace disconnect':
      return { type: 'kick', userId, sessionId }
    case DRAIN:
      return { type: 'lost', sessionId, isDrain: true }
    default:
      return { type: 'lost', sessionId }
  }
}
