/**
 * Step 1 of 3 · one connection after the other, as states.
 * In:   what a link tells (from transport.ts), timers, the person's wishes
 * Out:  states, and frames for as long as a link is open
 * Next: sync.ts
 */
import type { ErrorCode, PresenceAuth } from '@vigie/protocol'
import { PresenceError, readRefusal } from './errors.js'
import type { Platform } from './platform.js'
import type { Frame } from './sync.js'
import { refreshDelayMs, userIn, type TokenSource } from './token.js'
import type { ClientMessage, Link, LinkEnd, LinkEvents, Transport } from './transport.js'

/** Why the next attempt waits: the server's code, or what this side saw. */
export type BackOffReason = ErrorCode | 'lost' | 'timeout' | 'token_unavailable' | 'resync'

/** Why it is over: the server's code; `left`: this program went; `ended`: the server ended it without a word. */
export type CloseReason = ErrorCode | 'left' | 'ended'

/**
 * Where a connection is. Only in `live` is the picture known to be true. `attempt` counts from 0, and starts
 * again once a connection has held. After `closed` nothing happens by itself.
 */
export type ConnectionState =
  | { readonly name: 'idle' }
  | { readonly name: 'connecting'; readonly attempt: number }
  | { readonly name: 'syncing'; readonly attempt: number }
  | { readonly name: 'live' }
  | {
      readonly name: 'backingOff'
      /** When the next attempt begins, in milliseconds since 1970. */
      readonly untilMs: number
      readonly attempt: number
      readonly reason: BackOffReason
    }
  | { readonly name: 'closed'; readonly reason: CloseReason; readonly error?: PresenceError }

/** Durations of a connection, in milliseconds. One that is `undefined` is not given. */
export interface ConnectionTimes {
  /** The first retry waits a random time up to this; each further one up to twice as long. @default 1000 */
  readonly reconnectBaseMs?: number | undefined
  /** No retry waits longer, and so nobody in front of the page does. @default 5000 */
  readonly reconnectMaxMs?: number | undefined
  /** An attempt that is not live by then starts over. @default 30000 */
  readonly connectTimeoutMs?: number | undefined
  /** A message that is not answered by then has failed. @default 10000 */
  readonly answerTimeoutMs?: number | undefined
}

export interface ConnectionOptions extends ConnectionTimes {
  readonly transport: Transport
  readonly platform: Platform
  readonly token?: TokenSource | undefined
  /** The rest of `auth`; asked at each attempt, once it is known whose token it has. */
  auth(): Promise<PresenceAuth>
  /** The token is, or may be, of another person than the picture: nothing of that may be shown any more. */
  otherUser(): void
  /** A link is open; its frames follow. */
  opened(): void
  /** Folds a frame in. `whole` makes the connection live, `broken` starts it over. */
  fold(frame: Frame): 'waits' | 'whole' | 'broken'
  /** A whole moment is folded in, and the state says `live`; `isFirst`: it did not before. */
  whole(isFirst: boolean): void
  /** Another state, `live` excepted: {@link ConnectionOptions.whole} tells of that. */
  changed(state: ConnectionState): void
  /** Something went wrong that is mended by itself. */
  report(error: unknown): void
}

export interface Connection {
  readonly state: ConnectionState
  /** How often it has been live again, and the round trip of the last answered message. */
  diagnostics(): { readonly reconnections: number; readonly roundTripMs: number | undefined }
  /** Begins; nothing when it has begun. */
  connect(): void
  /** Ends the wait for the next attempt, and asks a connection that seems to be live whether it still is. */
  readonly hurry: () => void
  /**
   * Asks the server for any answer. A connection that has none within {@link PROBE_MS} is given up, and another attempt
   * begins: a line that died without a word looks like a quiet one.
   */
  readonly probe: () => void
  /**
   * Sends one message over a live connection.
   * @throws PresenceError (rejects) with the server's code, or `unavailable` when nobody answers.
   */
  request(message: ClientMessage): Promise<void>
  /** Ends it for good: others see it at once. */
  close(): void
  /**
   * Ends it for good at once, says goodbye, and resolves with the answer. It ends the connection that there is now:
   * one that `connect` begins meanwhile waits for the goodbye, and stays.
   * @throws PresenceError (rejects) `unavailable` when the server could not be told.
   */
  leave(scope: 'session' | 'device'): Promise<void>
}

/** One attempt, from its token to the end of its link. What comes late for an earlier one is not for this one. */
interface Run {
  link?: Link | undefined
  token?: string | undefined
  isOpen?: boolean
  liveSinceMs?: number
  readonly startedAtMs: number
  /** How often anything came over its link. No time: the wall clock may jump. */
  heard: number
  isProbing?: boolean
  /** What waits for an answer; without an error, that has come. */
  readonly pending: Set<(error?: PresenceError) => void>
}

/** A connection that held as long starts again with short delays; a shorter one counts as one more failure. */
const STEADY_MS = 5_000
const TOKEN_RETRY_MS = 1_000
/** A message that has no answer by then makes the connection doubtful: it is probed. */
export const DOUBT_MS = 2_000
/** A connection that does not answer a probe within this time is given up. */
export const PROBE_MS = 2_000
/** Nothing is added and nothing removed: any server answers it, and it changes nothing. */
const PROBE: ClientMessage = ['presence:watch', {}]

export function createConnection(options: ConnectionOptions): Connection {
  const {
    transport,
    platform,
    token: tokenSource,
    reconnectBaseMs = 1_000,
    reconnectMaxMs = 5_000,
    connectTimeoutMs = 30_000,
    answerTimeoutMs = 10_000,
  } = options
  let state: ConnectionState = { name: 'idle' }
  let run: Run | undefined
  let failures = 0
  let timesLive = 0
  let roundTripMs: number | undefined
  /** A token that has ended: it is not shown to the server again. */
  let endedToken: string | undefined
  /** The token by which it is known whose picture is shown, and its user, if it names one; undefined before the first. */
  let shown: { readonly token: string | undefined; readonly user: string | undefined } | undefined
  let asks = 0
  /** The connection was ended since that token came: the next token may be anybody's. */
  let wasEnded = false
  /** The goodbye under way. The transport has one link at a time. */
  let goodbye: Promise<unknown> | undefined
  /** Causes that were told since it was last live: each attempt would say the same. */
  const toldCauses = new Set<string>()
  /** The one timer of the state: the next attempt, or the end of this one. */
  let stateTimer: unknown
  let tokenTimer: unknown

  function enter(next: ConnectionState): void {
    state = next
    if (next.name !== 'live') options.changed(next)
  }

  function after(delayMs: number, then: () => void): void {
    platform.clearTimeout(stateTimer)
    stateTimer = platform.setTimeout(then, delayMs)
  }

  function start(): void {
    const next: Run = { startedAtMs: platform.now(), heard: 0, pending: new Set() }
    run = next
    after(connectTimeoutMs, () => tryLater('timeout'))
    enter({ name: 'connecting', attempt: failures })
    // A listener of that state may have closed the connection.
    if (run === next) void dial(next)
  }

  async function dial(mine: Run): Promise<void> {
    try {
      const { token } = await readToken()
      // Meanwhile it was closed, or took too long and another attempt has begun.
      if (run !== mine) return
      if (token !== undefined && token === endedToken) {
        // A renewal may be on its way. An application that knows that there will be none says so by an error.
        reportOnce(noNewerToken())
        tryLater('token_expired')
        return
      }
      const [auth] = await Promise.all([options.auth(), goodbye])
      if (run !== mine) return
      mine.token = token
      mine.link = transport.open({ ...auth, ...(token !== undefined && { token }) }, eventsOf(mine))
    } catch (error) {
      if (run !== mine) return
      // An application that knows that there will be no token (signed out) says so with such an error.
      if (error instanceof PresenceError && error.retry === 'never') finish(error.code, error)
      else {
        options.report(error)
        tryLater('token_unavailable')
      }
    }
  }

  /** However late it comes, the token that was asked for last says whose picture may be shown from then on. */
  async function readToken(): Promise<{ readonly token: string | undefined; readonly isSame: boolean }> {
    const ask = ++asks
    const token = typeof tokenSource === 'function' ? await tokenSource() : tokenSource
    const user = userIn(token)
    const isSame = isSameUser(token, user)
    if (ask === asks && state.name !== 'closed') {
      shown = { token, user: user ?? (isSame ? shown?.user : undefined) }
      wasEnded = false
      if (!isSame) options.otherUser()
    }
    return { token, isSame }
  }

  /**
   * Whether the token, which names `user` or nobody, is of the person whose picture is shown. A token that names nobody
   * is taken for that person's until the connection is ended; after an end only the very same token is.
   */
  function isSameUser(token: string | undefined, user: string | undefined): boolean {
    if (!shown) return true
    if (token !== undefined && token === shown.token) return true
    if (user !== undefined && shown.user !== undefined) return user === shown.user
    return !wasEnded
  }

  /** Somebody else has signed in while the connection was live: it is left, and theirs begins without a picture. */
  function changeUser(): void {
    endRun((link) => link.leave())
    shown = undefined
    options.otherUser()
    failures = 0
    // A listener may have closed it, or begun anew.
    if (!run && state.name !== 'closed') start()
  }

  function reportOnce(error: PresenceError): void {
    if (toldCauses.has(error.message)) return
    toldCauses.add(error.message)
    options.report(error)
  }

  function eventsOf(mine: Run): LinkEvents {
    const ifMine = <Heard>(handle: (heard: Heard) => void) => {
      return (heard: Heard) => {
        if (run !== mine) return
        mine.heard += 1
        handle(heard)
      }
    }
    return {
      opened() {
        if (run !== mine) return
        mine.isOpen = true
        options.opened()
        enter({ name: 'syncing', attempt: failures })
      },
      frame: ifMine((frame: Frame) => receive(mine, frame)),
      closed: ifMine((data: unknown) => obey(data, 'ended')),
      ended(end: LinkEnd) {
        mine.link = undefined
        // The goodbye was said over it: its answer does not come any more.
        if (run !== mine) failPending(mine)
        else if (end.type === 'lost') {
          if (end.cause !== undefined) reportOnce(unavailable(end.cause))
          if (run === mine) tryLater('lost')
        } else if (end.type === 'ended') finish('ended')
        else obey(end.data, 'lost')
      },
    }
  }

  function receive(mine: Run, frame: Frame): void {
    const outcome = options.fold(frame)
    if (outcome === 'broken') {
      tryLater('resync')
      return
    }
    if (outcome === 'waits') return
    const isFirst = mine.liveSinceMs === undefined
    if (isFirst) becomeLive(mine)
    options.whole(isFirst)
  }

  function becomeLive(mine: Run): void {
    platform.clearTimeout(stateTimer)
    mine.liveSinceMs = platform.now()
    endedToken = undefined
    toldCauses.clear()
    timesLive += 1
    if (mine.token !== undefined) planRefresh(mine, mine.token, false)
    enter({ name: 'live' })
  }

  /** The server decides whether and when this client comes back. */
  function obey(data: unknown, otherwise: 'lost' | 'ended'): void {
    const error = readRefusal(data)
    if (!error) {
      if (otherwise === 'lost') tryLater('lost')
      else finish('ended')
      return
    }
    const { code, retry } = error
    if (retry !== 'never') tryLater(code, retry === 'now' && failures === 0)
    else if (code === 'token_expired' && typeof tokenSource === 'function') {
      // "Not with what it has": a function may give a newer token, now or later.
      endedToken = run?.token
      tryLater(code)
    } else finish(code, error)
  }

  /** Full jitter: all who lost the same server come back evenly spread, not in step. */
  function tryLater(reason: BackOffReason, isAtOnce = false): void {
    const liveSinceMs = run?.liveSinceMs
    if (liveSinceMs !== undefined && platform.now() - liveSinceMs >= STEADY_MS) failures = 0
    endRun((link) => link.drop())
    const limitMs = Math.min(reconnectMaxMs, reconnectBaseMs * 2 ** failures)
    const delayMs = isAtOnce ? 0 : Math.floor(platform.random() * limitMs)
    failures += 1
    after(delayMs, start)
    enter({ name: 'backingOff', untilMs: platform.now() + delayMs, attempt: failures, reason })
  }

  function finish(reason: CloseReason, error?: PresenceError): void {
    endRun((link) => link.leave())
    close(reason, error)
  }

  function close(reason: CloseReason, error?: PresenceError): void {
    platform.clearTimeout(stateTimer)
    wasEnded = true
    enter({ name: 'closed', reason, ...(error && { error }) })
  }

  function endRun(how: (link: Link) => void): void {
    const ended = takeRun()
    if (!ended) return
    if (ended.link) how(ended.link)
    failPending(ended)
  }

  function takeRun(): Run | undefined {
    const ended = run
    run = undefined
    platform.clearTimeout(tokenTimer)
    return ended
  }

  function failPending(ended: Run): void {
    for (const settle of ended.pending) settle(unavailable('The connection ended before the answer came.'))
  }

  function request(message: ClientMessage): Promise<void> {
    return ask(run, message)
  }

  function ask(mine: Run | undefined, message: ClientMessage): Promise<void> {
    const link = mine?.link
    if (!link || !mine.isOpen) {
      return Promise.reject(unavailable('There is no connection now.'))
    }
    return new Promise((resolve, reject) => {
      const sentAtMs = platform.now()
      const timer = platform.setTimeout(() => {
        settle(unavailable('The server did not answer.'))
      }, answerTimeoutMs)
      const { heard } = mine
      const doubtTimer = platform.setTimeout(() => {
        if (run === mine && mine.heard === heard) probe()
      }, DOUBT_MS)
      const settle = (error?: PresenceError) => {
        if (!mine.pending.delete(settle)) return
        platform.clearTimeout(timer)
        platform.clearTimeout(doubtTimer)
        if (error) reject(error)
        else resolve()
      }
      mine.pending.add(settle)
      link.send(message, (answer) => {
        mine.heard += 1
        if (mine.pending.has(settle)) roundTripMs = platform.now() - sentAtMs
        settle(answer.ok ? undefined : new PresenceError(answer.error.code, answer.error.message))
      })
    })
  }

  function probe(): void {
    const mine = run
    if (!mine?.link || mine.liveSinceMs === undefined || mine.isProbing) return
    mine.isProbing = true
    let timer: unknown
    const end = () => {
      mine.isProbing = false
      mine.pending.delete(end)
      platform.clearTimeout(timer)
    }
    const wait = (heard: number | undefined) => {
      timer = platform.setTimeout(() => {
        // What was on its way already comes in a burst; what goes on coming is a line that lives, if a slow one.
        if (mine.heard !== heard) {
          wait(mine.heard)
          return
        }
        end()
        if (run === mine) tryLater('timeout')
      }, PROBE_MS / 2)
    }
    mine.pending.add(end)
    wait(undefined)
    mine.link.send(PROBE, () => {
      mine.heard += 1
      end()
    })
  }

  /** Plans the renewal of a token that the server has taken. Only a function can give another. */
  function planRefresh(mine: Run, token: string, isRenewed: boolean): void {
    if (typeof tokenSource !== 'function') return
    const delayMs = refreshDelayMs(token, { now: platform.now(), random: platform.random(), isRenewed })
    if (delayMs === undefined) return
    tokenTimer = platform.setTimeout(() => void refresh(mine, 0), delayMs)
  }

  /** Fails softly: at its end the server cuts the connection, and the next one asks for a token again. */
  async function refresh(mine: Run, failed: number): Promise<void> {
    try {
      const { token, isSame } = await readToken()
      if (run !== mine) return
      if (token === undefined || token === mine.token) throw noNewerToken()
      if (!isSame) return changeUser()
      await request(['presence:token', { token }])
      if (run !== mine) return
      mine.token = token
      planRefresh(mine, token, true)
    } catch (error) {
      if (run !== mine) return
      // Of a token that does not say whose it is only the server knows.
      if (error instanceof PresenceError && error.code === 'token_other_user') return changeUser()
      options.report(error)
      if (run !== mine) return
      const limitMs = Math.min(reconnectMaxMs, TOKEN_RETRY_MS * 2 ** failed)
      // At least half, so that a token source that fails at once is not asked in a tight loop.
      const delayMs = (limitMs * (1 + platform.random())) / 2
      tokenTimer = platform.setTimeout(() => void refresh(mine, failed + 1), delayMs)
    }
  }

  return {
    get state() {
      return state
    },
    diagnostics: () => ({ reconnections: Math.max(0, timesLive - 1), roundTripMs }),
    connect() {
      if (run || state.name === 'backingOff') return
      failures = 0
      endedToken = undefined
      start()
    },
    hurry() {
      if (state.name === 'backingOff') start()
      else if (state.name === 'live') probe()
      else if (run && Math.abs(platform.now() - run.startedAtMs) >= PROBE_MS) {
        // An attempt that began on another network, or before the sleep.
        endRun((link) => link.drop())
        start()
      }
    },
    probe,
    request,
    close() {
      if (state.name !== 'closed') finish('left')
    },
    async leave(scope) {
      const mine = takeRun()
      if (state.name !== 'closed') close('left')
      const said = ask(mine, ['presence:leave', { scope }])
      const end = () => {
        mine?.link?.leave()
        if (mine) failPending(mine)
        if (goodbye === over) goodbye = undefined
      }
      const over = said.then(end, end)
      goodbye = over
      await over
      await said
    },
  }
}

function unavailable(message: string): PresenceError {
  return new PresenceError('unavailable', message)
}

function noNewerToken(): PresenceError {
  return new PresenceError('token_expired', 'There is no newer token yet.')
}
