import { io, type Socket } from 'socket.io-client'
import type { PresenceClientEvents, PresenceServerEvents } from '@vigie/protocol'
import type { Log } from '@vigie/server'
import { createLines, type Lines } from './lines.js'
import type { DemoClientEvents, DemoServerEvents } from './messages.js'
import { nextScene, seededRandom, type Colleague, type Scene, type Whereabouts } from './scenes.js'
import { COMMON_ROOM, type World } from './world.js'

export interface BotsOptions {
  /** The server, as a client addresses it. */
  readonly url: string
  readonly world: World
  /** How many colleagues are played; 0 for none. */
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
  const { world, count, log } = options
  const random = seededRandom(options.seed ?? Math.floor(Math.random() * 2 ** 32))
  const timers = createTimers()
  const lines = createLines(random)
  const bots = world.colleagues
    .slice(0, count)
    .map(({ userId }) =>
      createBot({ userId, conversations: conversationsOf(world, userId) }, options, { timers, lines }),
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
  let index = 0
  if (bots.length > 0) {
    timers.each(SCENE_MS, () => {
      const scene = nextScene(office, index++, COMMON_ROOM, random)
      log.debug('a scene', { scene })
      if (scene.act !== 'rest') byId.get(scene.userId)?.play(scene)
    })
  }
  return {
    close() {
      timers.close()
      for (const bot of bots) bot.close()
    },
  }
}

interface Bot {
  readonly colleague: Colleague
  whereabouts(): Whereabouts
  play(scene: Exclude<Scene, { act: 'rest' }>): void
  close(): void
}

interface Shared {
  readonly timers: Timers
  readonly lines: Lines
}

function createBot(colleague: Colleague, options: BotsOptions, { timers, lines }: Shared): Bot {
  const { userId } = colleague
  const kinds = new Map(options.world.conversations.map(({ conversationId, kind }) => [conversationId, kind]))
  const laptop = createDevice(userId, 'Laptop', options)
  const phone = createDevice(userId, 'Phone', options)
  const typing = new Set<string>()
  let isAway = false

  function type(conversationId: string, forMs: number, isSent: boolean): void {
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
      const kind = kinds.get(conversationId)
      if (isSent && kind !== undefined && laptop.connected) {
        laptop.emit('message:send', { conversationId, text: lines.next(kind) })
      }
    })
  }

  laptop.on('message:new', ({ conversationId, userId: writer }) => {
    if (kinds.get(conversationId) !== 'direct' || writer === userId) return
    timers.after(ANSWER_AFTER_MS, () => {
      type(conversationId, ANSWER_FOR_MS, true)
    })
  })

  return {
    colleague,
    whereabouts() {
      if (isAway) return 'away'
      if (!laptop.active) return 'offline'
      return phone.active ? 'two devices' : 'one device'
    },
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
          type(scene.conversationId, scene.forMs, scene.isSent)
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

function conversationsOf(world: World, userId: string): string[] {
  return world.conversations.flatMap(({ conversationId, members }) =>
    members.includes(userId) ? conversationId : [],
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
