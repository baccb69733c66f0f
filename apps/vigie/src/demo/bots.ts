import { io, type Socket } from 'socket.io-client'
import type { PresenceClientEvents, PresenceServerEvents } from '@vigie/protocol'
import type { Log } from '@vigie/server'
import { createTalk, type Talk } from './lines.js'
import type { DemoClientEvents, DemoServerEvents } from './messages.js'
import { nextScene, seededRandom, type Colleague, type Scene, type Whereabouts } from './scenes.js'
import { LANGS, type Lang } from './lang.js'
import { commonRoomOf, type DemoConversation, type World } from './world.js'

export interface BotsOptions {
  /** The server, as a client addresses it. */
  readonly url: string
  readonly world: World
  /** How many colleagues of each company are played; 0 for none. */
  readonly count: number
  /** A token for a colleague. */
  readonly sign: (userId: string) => string
  /** How often a typist repeats `typing:start`. */
  readonly typingRepeatMs: number
  readonly log: Log
  /** The same seed plays the same scenes; a new one each time unless told. */
  readonly seed?: number
}

/** The bots at work. `close` ends every connection and timer; it may be called twice. */
export interface Bots {
  close(): void
}

type BotSocket = Socket<PresenceServerEvents & DemoServerEvents, PresenceClientEvents & DemoClientEvents>

/** One scene a second is a busy office, not a hectic one. */
const SCENE_MS = 1_000
/** They arrive one after the other, all within the first two seconds. */
const ARRIVAL_MS = 100
/** Most of them are there when the doors open. */
const FIRST_SHARE = 0.7
/** A colleague to whom somebody writes reads a moment before answering. */
const ANSWER_AFTER_MS = 1_200
const ANSWER_FOR_MS = 3_500

/** Lets colleagues come, go, lose the line, change devices, type and say something: stock clients over loopback, like anybody's. */
export function startBots(options: BotsOptions): Bots {
  const random = seededRandom(options.seed ?? Math.floor(Math.random() * 2 ** 32))
  const timers = createTimers()
  const shared = { timers, random, talk: createTalk(random) }
  const offices = LANGS.map((lang) => openOffice(lang, options, shared))
  return {
    close() {
      timers.close()
      for (const office of offices) office.close()
    },
  }
}

/** The colleagues of one company. */
function openOffice(lang: Lang, options: BotsOptions, { timers, random, talk }: Shared): Bots {
  const { world, count, log } = options
  const rooms = new Map(world.conversations.map((room) => [room.conversationId, room]))
  const bots = world.colleagues
    .filter((colleague) => colleague.lang === lang)
    .slice(0, count)
    .map(({ userId }) =>
      createBot({ userId, conversations: begunBy(world, userId) }, options, { timers, talk, rooms }),
    )
  const byId = new Map(bots.map((bot) => [bot.colleague.userId, bot]))
  const office = {
    colleagues: bots.map(({ colleague }) => colleague),
    whereabouts: (userId: string): Whereabouts => byId.get(userId)?.whereabouts() ?? 'offline',
  }
  bots.slice(0, Math.ceil(bots.length * FIRST_SHARE)).forEach((bot, index) => {
    timers.after(index * ARRIVAL_MS, () => {
      bot.play({ act: 'come', userId: bot.colleague.userId })
    })
  })

  /** The bot whose turn it is in the thread of that room types, and says the next line. */
  function speak({ userId, conversationId, forMs }: Extract<Scene, { act: 'type' }>): void {
    const room = rooms.get(conversationId)
    const present = bots.filter((bot) => bot.maySpeakIn(conversationId)).map((bot) => bot.colleague.userId)
    const said = room && talk.next(room, userId, present)
    if (said === undefined) byId.get(userId)?.type({ conversationId, forMs })
    else byId.get(said.userId)?.type({ conversationId, forMs, text: said.text })
  }

  let index = 0
  if (bots.length > 0) {
    timers.each(SCENE_MS, () => {
      const scene = nextScene(office, index++, commonRoomOf(lang), random)
      log.debug('a scene', { scene })
      if (scene.act === 'type' && scene.isSent) speak(scene)
      else if (scene.act !== 'rest') byId.get(scene.userId)?.play(scene)
    })
  }
  return {
    close() {
      for (const bot of bots) bot.close()
    },
  }
}

interface Bot {
  readonly colleague: Colleague
  whereabouts(): Whereabouts
  /** Whether they are there, in that conversation, and do not type in it yet. */
  maySpeakIn(conversationId: string): boolean
  play(scene: Exclude<Scene, { act: 'rest' }>): void
  type(what: Typed): void
  close(): void
}

interface Typed {
  readonly conversationId: string
  readonly forMs: number
  /** What is sent then; undefined: they thought better of it. */
  readonly text?: string
}

interface Shared {
  readonly timers: Timers
  readonly random: () => number
  readonly talk: Talk
}

interface BotShared extends Pick<Shared, 'timers' | 'talk'> {
  readonly rooms: ReadonlyMap<string, DemoConversation>
}

function createBot(colleague: Colleague, options: BotsOptions, { timers, talk, rooms }: BotShared): Bot {
  const { userId } = colleague
  const laptop = createDevice(userId, 'Laptop', options)
  const phone = createDevice(userId, 'Phone', options)
  const typing = new Set<string>()
  let isAway = false

  function type({ conversationId, forMs, text }: Typed): void {
    if (typing.has(conversationId) || !laptop.connected) return
    typing.add(conversationId)
    const say = (event: 'typing:start' | 'typing:stop') => {
      // What is said while the line is down would be sent on return, long after it was true.
      if (laptop.connected) laptop.emit(event, { convId: conversationId as never })
    }
    const stopRepeating = timers.each(options.typingRepeatMs, () => {
      say('typing:start')
    })
    say('typing:start')
    timers.after(forMs, () => {
      stopRepeating()
      typing.delete(conversationId)
      say('typing:stop')
      if (text !== undefined && laptop.connected) laptop.emit('message:send', { conversationId, text })
    })
  }

  laptop.on('message:new', ({ conversationId, userId: writer, text: asked }) => {
    const room = rooms.get(conversationId)
    if (room?.kind !== 'direct' || writer === userId) return
    timers.after(ANSWER_AFTER_MS, () => {
      type({ conversationId, forMs: ANSWER_FOR_MS, text: talk.answer(room.lang, asked) })
    })
  })

  return {
    colleague,
    whereabouts() {
      if (isAway) return 'away'
      if (!laptop.active) return 'offline'
      return phone.active ? 'two devices' : 'one device'
    },
    maySpeakIn: (conversationId) =>
      laptop.connected &&
      !typing.has(conversationId) &&
      (rooms.get(conversationId)?.members.includes(userId) ?? false),
    type,
    play(scene) {
      switch (scene.act) {
        case 'come':
          laptop.connect()
          return
        case 'leave':
          laptop.disconnect()
          phone.disconnect()
          return
        case 'take a second device':
          phone.connect()
          return
        case 'put the second device away':
          phone.disconnect()
          return
        case 'lose the line':
          isAway = true
          phone.disconnect()
          // The engine's end, not the socket's: no word of farewell reaches the server.
          laptop.io.reconnection(false)
          laptop.io.engine.close()
          timers.after(scene.forMs, () => {
            isAway = false
            laptop.io.reconnection(true)
            laptop.connect()
          })
          return
        case 'type':
          type(scene)
      }
    },
    close() {
      laptop.disconnect()
      phone.disconnect()
    },
  }
}

function createDevice(userId: string, label: string, { url, sign, log }: BotsOptions): BotSocket {
  const socket: BotSocket = io(url, {
    autoConnect: false,
    forceNew: true,
    transports: ['websocket'],
    auth: (give) => {
      give({ token: sign(userId), deviceId: `${userId}-${label.toLowerCase()}`, label })
    },
  })
  socket.on('connect_error', (error) => {
    log.debug('a bot could not connect', { userId, error })
  })
  return socket
}

/** Where somebody may begin to write by themselves. */
function begunBy(world: World, userId: string): string[] {
  return world.conversations.flatMap(({ conversationId, members, isBegun }) =>
    isBegun && members.includes(userId) ? conversationId : [],
  )
}

interface Timers {
  after(ms: number, work: () => void): void
  /** Returns how to stop it. */
  each(ms: number, work: () => void): () => void
  close(): void
}

/** Timers that end together; after `close` none is made any more. */
function createTimers(): Timers {
  const running = new Set<NodeJS.Timeout>()
  let isClosed = false
  return {
    after(ms, work) {
      if (isClosed) return
      const timer = setTimeout(() => {
        running.delete(timer)
        work()
      }, ms)
      running.add(timer)
    },
    each(ms, work) {
      if (isClosed) return () => undefined
      const timer = setInterval(work, ms)
      running.add(timer)
      return () => {
        clearInterval(timer)
        running.delete(timer)
      }
    },
    close() {
      isClosed = true
      for (const timer of running) clearTimeout(timer)
      running.clear()
    },
  }
}
