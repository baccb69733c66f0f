/**
 * What the bots do next, decided without a clock or a socket: the state of the office in, one scene out.
 * `bots.ts` plays it.
 */
export interface Colleague {
  readonly userId: string
  readonly conversations: readonly string[]
}

/** The colleagues by what others can see of them. `away`: the line is lost, and they come back by themselves. */
export type Whereabouts = 'offline' | 'one device' | 'two devices' | 'away'

export type Scene =
  | {
      readonly act: 'come' | 'leave' | 'take a second device' | 'put the second device away'
      readonly userId: string
    }
  | { readonly act: 'lose the line'; readonly userId: string; readonly forMs: number }
  | {
      readonly act: 'type'
      readonly userId: string
      readonly conversationId: string
      readonly forMs: number
      /** Whether a message comes of it; else they thought better of it. */
      readonly isSent: boolean
    }
  | { readonly act: 'rest' }

export interface Office {
  readonly colleagues: readonly Colleague[]
  whereabouts(userId: string): Whereabouts
}

/** Every so many scenes somebody types in the room that all share: whoever looks sees life soon. */
const COMMON_ROOM_EVERY = 3
/** Below this share of them online, they rather come than leave. */
const BUSY_SHARE = 0.6
/** Some losses are over before anybody could see them, others are not: both are worth showing. */
const LINE_LOST_MS = [500, 12_000] as const
const TYPING_MS = [1_800, 7_000] as const
/** Now and then is enough: a room in which everybody talks at once is no place to be. */
const SENT_SHARE = 0.3

/** The scene number `index`. `random` yields numbers in [0, 1). */
export function nextScene(office: Office, index: number, commonRoom: string, random: () => number): Scene {
  const among = (...places: Whereabouts[]) =>
    office.colleagues.filter(({ userId }) => places.includes(office.whereabouts(userId)))
  const present = among('one device', 'two devices')
  const somebody = choose(present, random)
  if (index % COMMON_ROOM_EVERY === 0 && somebody !== undefined) {
    return typing(somebody.userId, commonRoom, random)
  }
  const absent = choose(among('offline'), random)
  if (absent !== undefined && present.length < BUSY_SHARE * office.colleagues.length) {
    return { act: 'come', userId: absent.userId }
  }
  if (somebody === undefined) return { act: 'rest' }
  const { userId } = somebody
  const dice = random()
  if (dice < 0.5) {
    const conversationId = choose(somebody.conversations, random) ?? commonRoom
    return typing(userId, conversationId, random)
  }
  if (dice < 0.65) {
    const hasTwo = office.whereabouts(userId) === 'two devices'
    return { act: hasTwo ? 'put the second device away' : 'take a second device', userId }
  }
  if (dice < 0.75) return { act: 'lose the line', userId, forMs: between(LINE_LOST_MS, random) }
  if (dice < 0.85) return { act: 'leave', userId }
  return absent === undefined ? { act: 'rest' } : { act: 'come', userId: absent.userId }
}

function typing(userId: string, conversationId: string, random: () => number): Scene {
  const forMs = between(TYPING_MS, random)
  return { act: 'type', userId, conversationId, forMs, isSent: random() < SENT_SHARE }
}

/** Mulberry32: the same seed tells the same story. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function choose<T>(from: readonly T[], random: () => number): T | undefined {
  return from[Math.floor(random() * from.length)]
}

function between([low, high]: readonly [number, number], random: () => number): number {
  return Math.round(low + random() * (high - low))
}
