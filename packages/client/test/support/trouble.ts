/**
 * A device with all its troubles, a network with its own, and a server that is killed and frozen, on virtual time. The client
 * is the real one, down to its Socket.IO transport; `socket.io-client` is a model of what it does with a line that is
 * dead; the server is the real engine behind a shell of a few lines.
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { parseClientEvent, type ClientId, type ConversationId } from '@vigie/protocol'
import type { GroupId, PresenceAuth, SessionId, UserId } from '@vigie/protocol'
import {
  createEngine,
  resolveSettings,
  type DueSession,
  type Effect,
  type Engine,
  type Input,
  type KnownRooms,
} from '../../../server/src/core/index.js'
import { digestOf } from '../../src/digest.js'
import type * as ClientModule from '../../src/client.js'
import type { InnerClient } from '../../src/client.js'
import type { Platform } from '../../src/platform.js'
import type * as TransportModule from '../../src/transport.js'
import { token as jwt } from './fakes.js'

export type Step =
  | { readonly do: 'pass'; readonly ms: number }
  /** The wall clock of the device. */
  | { readonly do: 'jump'; readonly ms: number }
  /** The device stands still, its timers, too. */
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'token'; readonly mode: 'ok' | 'throws' | 'hangs' | 'stale' | 'garbage' }
  | { readonly do: 'storage'; readonly mode: 'ok' | 'throws' | 'hangs' }
  | { readonly do: 'callback'; readonly mode: 'ok' | 'throws' | 'closes' | 'connects' }
  /** The app is another person's from now on. */
  | { readonly do: 'switch'; readonly how: 'silently' | 'close' | 'leave' }
  | { readonly do: 'line'; readonly what: 'cut' | 'hangs' | 'mute' | 'deaf' }
  | { readonly do: 'opening'; readonly what: 'hangs' }
  | { readonly do: 'server'; readonly what: 'killed' | 'frozen'; readonly ms: number }
  | { readonly do: 'app'; readonly what: 'connect' | 'close' | 'leave' | 'foreground' | 'background' }
  | { readonly do: 'type'; readonly in: number; readonly isStart: boolean }
  | { readonly do: 'watch'; readonly who: number; readonly isEnd: boolean }
  | { readonly do: 'contact'; readonly who: number; readonly what: 'comes' | 'goes' | 'types' }

/** How often each kind of trouble has come, and what came of it. */
export type Tally = Record<string, number>

type AppUser = 'alice' | 'bob'
const CONTACTS = ['carol', 'dave', 'erin']
const CONVERSATIONS: Readonly<Record<string, readonly string[]>> = {
  'only-alice': ['alice', 'carol'],
  'only-bob': ['bob', 'dave'],
  both: ['alice', 'bob', 'carol', 'dave'],
}
const GROUP = ['alice', 'bob', 'erin']
const LATENCY_MS = 5
const TOKEN_LIFE_MS = 90_000
const PING_EVERY_MS = 25_000
const PING_TIMEOUT_MS = 20_000
const WALL = Date.UTC(2026, 0, 1)
/** A line that was found doubtful must be unknown or renewed by then, with what the way there takes. */
const DOUBT_LIMIT_MS = 3_100

function roomsOf(userId: string): KnownRooms {
  const conversations = Object.entries(CONVERSATIONS)
    .filter(([, members]) => members.includes(userId))
    .map(
      ([id, value]) =>
        ({ kind: 'conversation', id: id as ConversationId, value: value as UserId[] }) as const,
    )
  const groups = GROUP.includes(userId)
    ? [{ kind: 'group', id: 'g' as GroupId, value: GROUP as UserId[] } as const]
    : []
  return [...groups, ...conversations]
}

/** Promises that are ready have run when this resolves. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve()
}

class World {
  now = 0
  wallOffsetMs = 0
  #made = 0
  readonly #queue = new Map<
    number,
    { readonly at: number; readonly run: () => void; readonly isDevices: boolean }
  >()
  asleepUntil = 0

  /** Of the network and the server. */
  later(ms: number, run: () => void): number {
    return this.#add(ms, run, false)
  }

  #add(ms: number, run: () => void, isDevices: boolean): number {
    this.#made += 1
    this.#queue.set(this.#made, { at: this.now + Math.max(0, ms), run, isDevices })
    return this.#made
  }

  readonly platform: Platform = {
    now: () => WALL + Math.round(this.now) + this.wallOffsetMs,
    random: () => {
      this.#chance = (this.#chance * 16_807) % 2_147_483_647
      return this.#chance / 2_147_483_647
    },
    setTimeout: (run, delayMs) => this.#add(delayMs, run, true),
    clearTimeout: (timer) => void this.#queue.delete(timer as number),
  }
  #chance = 42

  cancel(id: number): void {
    this.#queue.delete(id)
  }

  deviceTimers(): number {
    return [...this.#queue.values()].filter(({ isDevices }) => isDevices).length
  }

  /** What a listener throws is thrown out of a timer, as a browser does: nobody else hears of it. */
  #run(event: { readonly run: () => void; readonly isDevices: boolean } | undefined): void {
    try {
      event?.run()
    } catch (error) {
      if (!event?.isDevices || !(error instanceof Error) || !error.message.endsWith('is broken')) throw error
    }
  }

  async pass(ms: number, check: () => void): Promise<void> {
    const until = this.now + ms
    await settle()
    for (;;) {
      let next: number | undefined
      let nextAt = Infinity
      for (const [id, { at, isDevices }] of this.#queue) {
        const dueAt = isDevices ? Math.max(at, this.asleepUntil) : at
        if (dueAt < nextAt) [next, nextAt] = [id, dueAt]
      }
      if (next === undefined || nextAt > until) break
      const event = this.#queue.get(next)
      this.#queue.delete(next)
      this.now = Math.max(this.now, nextAt)
      this.#run(event)
      await settle()
      check()
    }
    this.now = until
    check()
  }
}

/** One physical connection, as both ends have it. */
interface Line {
  readonly id: number
  readonly socket: FakeSocket
  /** What is said towards the server, or towards the client, vanishes. */
  isMute: boolean
  isDeaf: boolean
  isOver: boolean
  sessionId: SessionId | undefined
  userId: string | undefined
  token: string | undefined
  pongs: number
}

/** Whatever a message has. */
interface Sent {
  readonly convId?: string
  readonly graceMs?: number
  readonly token?: string
  readonly scope?: 'session' | 'device'
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
}

interface Packet {
  readonly name: string
  readonly payload: unknown
  readonly acknowledge: (answer: unknown) => void
  /** The line that was there when it was said. */
  readonly saidOn: number | undefined
}

/** What `socket.io-client` does, as far as the transport uses it: it keeps what is said to a line that is dead. */
class FakeSocket {
  connected = false
  sendBuffer: Packet[] = []
  auth: PresenceAuth = {}
  readonly io: { opts: { transports: string[] }; engine: FakeEngine }
  line: Line | undefined
  readonly #listeners = new Map<string, ((payload: unknown) => void)[]>()
  #pingTimer: number | undefined
  #pingDueAtWall = Infinity
  readonly #world: World
  readonly #server: FakeServer

  constructor(world: World, server: FakeServer, transports: readonly string[]) {
    this.#world = world
    this.#server = server
    this.io = {
      opts: { transports: [...transports] },
      engine: new FakeEngine(() => this.close('transport close')),
    }
  }

  on(name: string, listener: (payload: unknown) => void): this {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener])
    return this
  }

  fire(name: string, payload?: unknown): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(payload)
  }

  connect(): this {
    this.io.engine = new FakeEngine(() => this.close('transport close'))
    this.#server.open(this)
    return this
  }

  /** The server has let it in. */
  opened(): void {
    this.connected = true
    this.pinged()
    for (const packet of this.sendBuffer.splice(0)) this.#say(packet)
    this.fire('connect')
  }

  pinged(): void {
    if (this.#pingTimer !== undefined) this.#world.platform.clearTimeout(this.#pingTimer)
    const limitMs = PING_EVERY_MS + PING_TIMEOUT_MS
    this.#pingDueAtWall = this.#world.platform.now() + limitMs
    this.#pingTimer = this.#world.platform.setTimeout(() => this.close('ping timeout'), limitMs) as number
  }

  emit(name: string, payload: unknown, acknowledge: (answer: unknown) => void): this {
    const packet = { name, payload, acknowledge, saidOn: this.line?.id }
    if (!this.connected || this.#world.platform.now() > this.#pingDueAtWall) {
      this.sendBuffer.push(packet)
      // As engine.io does once it has noticed.
      if (this.connected) this.#world.platform.setTimeout(() => this.close('ping timeout'), 0)
    } else this.#say(packet)
    return this
  }

  #say(packet: Packet): void {
    const { line } = this
    if (line) this.#server.send(line, () => this.#server.receive(line, packet))
  }

  disconnect(): this {
    const { line } = this
    if (line && this.connected) this.#server.send(line, () => this.#server.left(line))
    else if (line) this.#server.end(line)
    if (this.connected) this.close('io client disconnect')
    else this.#forget()
    return this
  }

  /** This end is over: of the line, or of an attempt. */
  close(reason: string): void {
    const { line, connected } = this
    this.#forget()
    if (line) this.#server.end(line)
    this.io.engine.fire('close')
    if (connected) this.fire('disconnect', reason)
  }

  #forget(): void {
    this.connected = false
    this.line = undefined
    if (this.#pingTimer !== undefined) this.#world.platform.clearTimeout(this.#pingTimer)
  }
}

class FakeEngine {
  readonly #once = new Map<string, (() => void)[]>()
  readonly close: () => void
  constructor(close: () => void) {
    this.close = close
  }
  once(name: string, listener: () => void): void {
    this.#once.set(name, [...(this.#once.get(name) ?? []), listener])
  }
  fire(name: string): void {
    const listeners = this.#once.get(name) ?? []
    this.#once.delete(name)
    for (const listener of listeners) listener()
  }
}

/** The engine behind a shell of a few lines. */
class FakeServer {
  engine: Engine
  isUp = true
  isFrozen = false
  /** So many attempts to open a line never hear anything. */
  hangingOpens = 0
  /** A mutant of the server: a position is taken for that of whoever brings it. */
  takesAnyPosition = false
  #boots = 0
  #made = 0
  #inbox: (() => void)[] = []
  #wakeTimer: number | undefined
  #lines = new Map<SessionId, Line>()
  readonly tokens = new Map<string, { readonly userId: string; readonly endsAt: number }>()
  readonly misheard: string[] = []
  readonly #contacts = new Set<string>()
  readonly #world: World

  constructor(world: World) {
    this.#world = world
    this.engine = this.#boot()
  }

  #boot(): Engine {
    this.#boots += 1
    return createEngine(resolveSettings({}), `boot-${this.#boots}`)
  }

  /** At once, or when it is thawed. */
  do(run: () => void): void {
    if (this.isFrozen) this.#inbox.push(run)
    else if (this.isUp) run()
  }

  apply(input: Input): void {
    this.#perform(this.engine.apply(input, this.#world.now))
  }

  #perform(effects: readonly Effect[]): void {
    const due: DueSession[] = []
    for (const effect of effects) {
      if (effect.type === 'due') due.push(...effect.sessions)
      if (effect.type === 'close') this.#close(effect.sessionId, effect.why)
    }
    for (const session of due) {
      for (const { name, payload } of this.engine.take(session, this.#world.now)) {
        const line = this.#lines.get(session.id)
        if (line) this.toClient(line, () => line.socket.fire(name, payload))
      }
    }
    this.#plan()
  }

  #plan(): void {
    if (this.#wakeTimer !== undefined) this.#world.cancel(this.#wakeTimer)
    const at = this.engine.nextDeadline()
    const { engine } = this
    if (at === undefined) return
    this.#wakeTimer = this.#world.later(at - this.#world.now, () => {
      if (this.engine === engine) this.do(() => this.apply({ type: 'wake' }))
    })
  }

  #close(sessionId: SessionId, why: string): void {
    const line = this.#lines.get(sessionId)
    if (!line) return
    this.#lines.delete(sessionId)
    if (why === 'token_expired') {
      this.toClient(line, () =>
        line.socket.fire('presence:closed', { code: 'token_expired', message: 'ended', retry: 'never' }),
      )
    }
    this.toClient(line, () => line.socket.close('io server disconnect'))
  }

  send(line: Line, run: () => void): void {
    this.#world.later(LATENCY_MS, () => {
      if (!line.isMute && !line.isOver) this.do(run)
    })
  }

  toClient(line: Line, run: () => void): void {
    this.#world.later(LATENCY_MS, () => {
      if (!line.isDeaf && line.socket.line === line) run()
    })
  }

  open(socket: FakeSocket): void {
    this.#made += 1
    const line: Line = {
      id: this.#made,
      socket,
      isMute: false,
      isDeaf: false,
      isOver: false,
      sessionId: undefined,
      userId: undefined,
      token: undefined,
      pongs: 0,
    }
    socket.line = line
    const { auth } = socket
    if (this.hangingOpens > 0) {
      this.hangingOpens -= 1
      return
    }
    this.#world.later(LATENCY_MS, () => {
      if (socket.line !== line) return
      if (!this.isUp) {
        socket.line = undefined
        socket.fire('connect_error', new Error('connect ECONNREFUSED'))
        return
      }
      this.do(() =>
        this.toClient(line, () => {
          socket.io.engine.fire('open')
          this.send(line, () => this.#admit(line, auth))
        }),
      )
    })
  }

  #admit(line: Line, auth: PresenceAuth): void {
    const known = this.tokens.get(auth.token ?? '')
    const code = !known ? 'token_invalid' : known.endsAt <= this.#world.now ? 'token_expired' : undefined
    if (!known || code) {
      line.isOver = true
      this.toClient(line, () => {
        line.socket.line = undefined
        line.socket.fire(
          'connect_error',
          Object.assign(new Error('no'), { data: { code, message: 'no', retry: 'never' } }),
        )
      })
      return
    }
    const sessionId = `s${line.id}` as SessionId
    line.sessionId = sessionId
    line.userId = known.userId
    line.token = auth.token
    this.#lines.set(sessionId, line)
    this.toClient(line, () => line.socket.opened())
    const isTheirs = auth.sinceUser === known.userId || this.takesAnyPosition
    this.apply({
      type: 'connect',
      sessionId,
      userId: known.userId as UserId,
      rooms: roomsOf(known.userId),
      protocol: 2,
      position: isTheirs ? auth.since : undefined,
      clientId: auth.clientId as ClientId | undefined,
      deviceId: auth.deviceId,
      since: this.#world.now,
      expiresAt: known.endsAt,
    })
    this.#ping(line)
  }

  #ping(line: Line): void {
    this.#world.later(PING_EVERY_MS, () => {
      if (line.isOver || !this.#lines.has(line.sessionId!)) return
      const { pongs } = line
      this.do(() => {
        this.toClient(line, () => {
          line.socket.pinged()
          this.send(line, () => (line.pongs += 1))
        })
        this.#world.later(PING_TIMEOUT_MS, () => this.do(() => line.pongs === pongs && this.#lost(line)))
        this.#ping(line)
      })
    })
  }

  receive(line: Line, { name, payload, acknowledge, saidOn }: Packet): void {
    if (saidOn !== line.id)
      this.misheard.push(`${name}, said on line ${saidOn}, was heard on line ${line.id}`)
    const { sessionId } = line
    if (sessionId === undefined || !this.#lines.has(sessionId)) return
    const answer = (told: unknown) => this.toClient(line, () => acknowledge(told))
    const sent = parseClientEvent(name as 'presence:watch', payload) as unknown as Sent
    if (name === 'typing:start' || name === 'typing:stop') {
      this.apply({
        type: 'typing',
        sessionId,
        conversationId: sent.convId,
        typing: name === 'typing:start',
      } as never)
    } else if (name === 'presence:background') {
      this.apply({ type: 'background', sessionId, graceMs: sent.graceMs } as never)
    } else if (name === 'presence:foreground') this.apply({ type: 'foreground', sessionId })
    else if (name === 'presence:watch') {
      this.apply({ type: 'watch', sessionId, add: sent.add ?? [], remove: sent.remove ?? [] } as never)
    } else if (name === 'presence:token') {
      const known = this.tokens.get(sent.token ?? '')
      if (known?.userId !== line.userId) {
        answer({ ok: false, error: { code: known ? 'token_other_user' : 'token_invalid', message: 'no' } })
        return
      }
      this.apply({ type: 'expires', sessionId, at: known!.endsAt })
    } else if (name === 'presence:leave') {
      answer({ ok: true })
      this.apply({ type: 'leave', sessionId, scope: sent.scope ?? 'session' })
      return
    }
    answer({ ok: true })
  }

  left(line: Line): void {
    if (line.sessionId && this.#lines.delete(line.sessionId))
      this.apply({ type: 'disconnected', sessionId: line.sessionId })
    line.isOver = true
  }

  /** The client's end is over: the server hears of it, unless its words vanish. */
  end(line: Line): void {
    this.send(line, () => this.#lost(line))
  }

  #lost(line: Line): void {
    if (line.isOver) return
    line.isOver = true
    if (line.sessionId && this.#lines.delete(line.sessionId))
      this.apply({ type: 'lost', sessionId: line.sessionId })
    this.toClient(line, () => line.socket.close('transport close'))
  }

  cut(line: Line): void {
    this.do(() => this.#lost(line))
    this.#world.later(LATENCY_MS, () => {
      if (line.socket.line === line) line.socket.close('transport close')
    })
  }

  kill(ms: number): void {
    if (!this.isUp) return
    this.isUp = false
    this.isFrozen = false
    this.#inbox = []
    for (const line of this.#lines.values()) {
      line.isOver = true
      this.#world.later(LATENCY_MS, () => {
        if (line.socket.line === line) line.socket.close('transport close')
      })
    }
    this.#lines.clear()
    this.engine = this.#boot()
    this.#world.later(ms, () => {
      this.isUp = true
      for (const contact of this.#contacts) this.#join(contact)
    })
  }

  freeze(ms: number): void {
    if (this.isFrozen || !this.isUp) return
    this.isFrozen = true
    const { engine } = this
    this.#world.later(ms, () => {
      if (this.engine === engine) this.thaw()
    })
  }

  thaw(): void {
    this.isFrozen = false
    for (const run of this.#inbox.splice(0)) run()
    if (this.isUp) this.apply({ type: 'wake' })
  }

  contact(who: string, what: 'comes' | 'goes' | 'types'): void {
    if (what === 'comes') {
      this.#contacts.add(who)
      this.do(() => this.#join(who))
    } else if (what === 'goes') {
      this.#contacts.delete(who)
      this.do(() => this.apply({ type: 'disconnected', sessionId: who as SessionId }))
    } else {
      const conversationId = (who === 'carol' ? 'only-alice' : 'both') as ConversationId
      this.do(() => this.apply({ type: 'typing', sessionId: who as SessionId, conversationId, typing: true }))
    }
  }

  #join(who: string): void {
    const sessionId = who as SessionId
    this.apply({
      type: 'connect',
      sessionId,
      userId: who as UserId,
      rooms: roomsOf(who),
      protocol: 2,
      since: 0,
    })
  }

  /** Whether anything that is said on the line can be answered. */
  isAlive(line: Line): boolean {
    return this.isUp && !this.isFrozen && !line.isMute && !line.isDeaf && !line.isOver
  }
}

export interface TroubleOptions {
  readonly takesAnyPosition?: boolean
  /** Tokens do not say whose they are. */
  readonly isOpaque: boolean
}

/**
 * Plays a history against a client.
 * @throws AssertionError at the first thing that must never be.
 */
export async function playTrouble(
  steps: readonly Step[],
  {
    createClient,
    socketIoTransport,
  }: Pick<typeof ClientModule, 'createClient'> & {
    readonly socketIoTransport: typeof TransportModule.socketIoTransport
  },
  tally: Tally,
  options: TroubleOptions,
): Promise<void> {
  const world = new World()
  const server = new FakeServer(world)
  server.takesAnyPosition = options.takesAnyPosition ?? false
  const count = (what: string) => (tally[what] = (tally[what] ?? 0) + 1)
  let appUser: AppUser = 'alice'
  /** Whose token the client was given last: nothing of anybody else may be shown any more, where it says whose it is. */
  let givenTo: { readonly userId: AppUser; readonly isOpaque: boolean } | undefined
  let tokenMode: Extract<Step, { do: 'token' }>['mode'] = 'ok'
  let storageMode: Extract<Step, { do: 'storage' }>['mode'] = 'ok'
  let callbackMode: Extract<Step, { do: 'callback' }>['mode'] = 'ok'
  let lastToken: string | undefined
  let made = 0
  let asked = 0
  let kept: string | null = null
  let unsettled = 0
  const told = { typing: new Set<string>(), conversations: new Map<string, number>() }
  let sockets: FakeSocket[] = []
  /** Lines that were found doubtful while they were dead, and until when they may be shown as live. */
  const doubted = new Map<Line, number>()

  ;(globalThis as Record<string, unknown>).vigieFakeIo = (_url: string, given: { transports: string[] }) => {
    const socket = new FakeSocket(world, server, given.transports)
    sockets.push(socket)
    return socket
  }

  function makeToken(): string {
    made += 1
    const iat = (WALL + world.now) / 1000
    const text = options.isOpaque
      ? `opaque-${made}`
      : jwt({ sub: appUser, n: made, iat, exp: iat + TOKEN_LIFE_MS / 1000 })
    server.tokens.set(text, { userId: appUser, endsAt: world.now + TOKEN_LIFE_MS })
    return text
  }

  async function token(): Promise<string> {
    const mine = ++asked
    await Promise.resolve()
    if (tokenMode === 'throws') throw new Error('no token now')
    if (tokenMode === 'hangs') await new Promise((resolve) => world.later(40_000, () => resolve(undefined)))
    if (tokenMode === 'garbage') return 'garbage'
    const text = tokenMode === 'stale' && lastToken !== undefined ? lastToken : makeToken()
    const owner = server.tokens.get(text)
    lastToken = text
    // One that comes too late is nobody's.
    if (owner && mine === asked && client.state().name !== 'closed')
      givenTo = { userId: owner.userId as AppUser, isOpaque: text.startsWith('opaque') }
    return text
  }

  function callback(): void {
    if (callbackMode === 'throws') throw new Error('a listener is broken')
    if (callbackMode === 'closes') client.close()
    if (callbackMode === 'connects') client.connect()
  }

  const transport = socketIoTransport('http://chat', {}, world.platform)
  const client: InnerClient = createClient(
    {
      token,
      platform: world.platform,
      storage: {
        async getItem() {
          await Promise.resolve()
          if (storageMode === 'throws') throw new Error('locked')
          if (storageMode === 'hangs') await new Promise(() => {})
          return kept
        },
        setItem: (_, value) => (kept = value),
      },
      onError() {
        if (callbackMode === 'throws') throw new Error('onError is broken')
      },
      onTypingStart(conversationId, userId) {
        told.typing.add(`${conversationId} ${userId}`)
      },
      onTypingStop(conversationId, userId) {
        told.typing.delete(`${conversationId} ${userId}`)
      },
      onPresenceConversation(userId, _online, devices, conversationId) {
        told.conversations.set(`${conversationId} ${userId}`, devices)
        callback()
      },
    },
    transport,
    undefined,
  )
  const stops: (() => void)[] = []

  function check(): void {
    deepStrictEqual(server.misheard, [])
    const isLive = client.state().name === 'live'
    if (givenTo && (!givenTo.isOpaque || isLive)) {
      const other = givenTo.userId === 'alice' ? 'only-bob' : 'only-alice'
      ok(
        !client.conversations().includes(other),
        `${givenTo.userId} is shown ${other}, ${client.state().name}`,
      )
    }
    for (const [line, until] of doubted) {
      if (line.socket.line !== line || !isLive) doubted.delete(line)
      else ok(world.now <= until, `line ${line.id} is dead, was doubted, and is shown as live`)
    }
  }

  function doubt(): void {
    const line = sockets.at(-1)?.line
    if (!line || client.state().name !== 'live' || server.isAlive(line)) return
    // One that gives signs of life may have a little longer; one that is frozen may be thawed.
    if ((line.isDeaf || line.isOver) && world.asleepUntil <= world.now)
      doubted.set(line, world.now + DOUBT_LIMIT_MS)
    count('doubted')
  }

  function leave(): void {
    unsettled += 1
    client.leave().then(
      () => (unsettled -= 1),
      (error: unknown) => {
        unsettled -= 1
        ok(error instanceof Error && 'code' in error, String(error))
      },
    )
  }

  async function perform(step: Step): Promise<void> {
    const line = sockets.at(-1)?.line
    switch (step.do) {
      case 'pass':
        await world.pass(step.ms, check)
        return
      case 'jump':
        count('jump')
        world.wallOffsetMs += step.ms
        return
      case 'sleep':
        count('sleep')
        world.asleepUntil = world.now + step.ms
        // What it has to find out it finds out awake.
        for (const [line, until] of doubted) doubted.set(line, until + step.ms)
        await world.pass(step.ms, check)
        return
      case 'token':
        count(`token ${step.mode}`)
        tokenMode = step.mode
        return
      case 'storage':
        count(`storage ${step.mode}`)
        storageMode = step.mode
        return
      case 'callback':
        count(`callback ${step.mode}`)
        callbackMode = step.mode
        return
      case 'switch':
        count(`switch ${step.how}`)
        appUser = appUser === 'alice' ? 'bob' : 'alice'
        lastToken = undefined
        if (step.how === 'silently') return
        if (step.how === 'close') client.close()
        else leave()
        client.connect()
        return
      case 'line':
        if (!line) return
        count(`line ${step.what}`)
        if (step.what === 'cut') server.cut(line)
        if (step.what !== 'cut' && step.what !== 'deaf') line.isMute = true
        if (step.what !== 'cut' && step.what !== 'mute') line.isDeaf = true
        return
      case 'opening':
        count('opening hangs')
        server.hangingOpens += 1
        return
      case 'server':
        count(`server ${step.what}`)
        if (step.what === 'killed') server.kill(step.ms)
        else server.freeze(step.ms)
        return
      case 'app':
        if (step.what === 'leave') leave()
        else if (step.what === 'foreground') {
          client.foreground()
          doubt()
        } else client[step.what]()
        return
      case 'type': {
        const id = Object.keys(CONVERSATIONS)[step.in % 3]!
        if (step.isStart) client.startTyping(id)
        else client.stopTyping(id)
        return
      }
      case 'watch':
        if (step.isEnd) stops.shift()?.()
        else stops.push(client.watch([CONTACTS[step.who % CONTACTS.length]!, 'a stranger']))
        return
      case 'contact':
        server.contact(CONTACTS[step.who % CONTACTS.length]!, step.what)
    }
  }

  client.connect()
  for (const step of steps) {
    await perform(step)
    await settle()
    check()
  }

  // Everything is well again. What is dead is found, and everybody is shown what is true.
  tokenMode = 'ok'
  storageMode = 'ok'
  callbackMode = 'ok'
  server.hangingOpens = 0
  world.asleepUntil = world.now
  if (server.isFrozen) server.thaw()
  await world.pass(60_000, check)
  if (client.state().name === 'closed') count('closed')
  client.connect()
  await world.pass(120_000, check)
  // A token may just have ended.
  for (let n = 0; n < 20 && client.state().name !== 'live'; n++) await world.pass(500, check)
  deepStrictEqual(client.state(), { name: 'live' })
  count('live again')
  const shown = Object.fromEntries(
    client.conversations().map((id) => [id, [...client.getOnlineUsersInConversation(id)].sort()]),
  )
  const isOnline = (id: string) => server.engine.get(id as UserId).online
  const expected = Object.fromEntries(
    Object.entries(CONVERSATIONS)
      .filter(([, members]) => members.includes(givenTo?.userId ?? appUser))
      .map(([id, members]) => [id, members.filter(isOnline).sort()]),
  )
  deepStrictEqual(shown, expected)
  const { sessionId } = sockets.at(-1)?.line ?? {}
  const expectedDigest = sessionId && server.engine.digest(sessionId, 'nonce')
  if (expectedDigest) {
    count('audited')
    const { rooms, ...digest } = digestOf(client.sync().picture, 'nonce')
    const inOrder = (hashes: readonly number[]) => [...hashes].sort((a, b) => a - b)
    deepStrictEqual(
      { userId: client.sync().picture.user, ...digest, rooms: inOrder(rooms) },
      { ...expectedDigest, rooms: inOrder(expectedDigest.rooms.map(({ hash }) => hash)) },
    )
  }
  ok(
    givenTo?.userId === appUser || tokenIsOld(),
    `the app is ${appUser}'s, and the client is ${givenTo?.userId}'s`,
  )
  const typing = client.conversations().flatMap((id) => client.typing(id).map((who) => `${id} ${who}`))
  deepStrictEqual([...told.typing].sort(), typing.sort())
  const toldOnline = [...told.conversations].flatMap(([place, devices]) => (devices > 0 ? [place] : []))
  deepStrictEqual(
    toldOnline.sort(),
    Object.entries(shown)
      .flatMap(([id, ids]) => ids.map((who) => `${id} ${who}`))
      .sort(),
  )
  client.close()
  await world.pass(45_000, check)
  deepStrictEqual(unsettled, 0)
  deepStrictEqual(world.deviceTimers(), 0)
  sockets = []

  /** A token of the other person that is good for a while yet: the client asks for another near its end. */
  function tokenIsOld(): boolean {
    return lastToken !== undefined
  }
}
