/** What the simulated colleagues say, and whose turn it is. Nothing in it is about anybody. */
import { ENGLISH } from './lines-en.js'
import { FRENCH } from './lines-fr.js'
import type { Lang } from './lang.js'
import type { Script } from './script.js'
import type { DemoConversation } from './world.js'

export const SCRIPTS: Readonly<Record<Lang, Script>> = { en: ENGLISH, fr: FRENCH }

/** One line, and who says it. */
export interface Said {
  readonly userId: string
  readonly text: string
}

export interface Talk {
  /**
   * The next line of a room, by one of `present`: by `userId`, where the thread leaves it open who speaks. Undefined
   * where fewer are present than the thread has speakers.
   */
  next(room: Room, userId: string, present: readonly string[]): Said | undefined
  /** What a colleague answers to one person. */
  answer(lang: Lang, to: string): string
}

type Room = Pick<DemoConversation, 'conversationId' | 'kind' | 'lang'>

export interface Turn {
  readonly speaker: string
  readonly text: string
}

/** A thread under way. */
interface Running {
  readonly turns: readonly Turn[]
  place: number
  readonly cast: Map<string, string>
}

/** All rooms of one kind draw their threads from one bag, so that no two rooms say the same soon after each other. */
export function createTalk(random: () => number): Talk {
  const bags = new Map<string, Bag>()
  const running = new Map<string, Running>()

  function draw(lang: Lang, kind: keyof Script): string {
    const name = `${lang} ${kind}`
    const bag = bags.get(name) ?? createBag(SCRIPTS[lang][kind], random)
    bags.set(name, bag)
    return bag()
  }

  return {
    next({ conversationId, kind, lang }, userId, present) {
      if (kind === 'direct') return { userId, text: draw(lang, 'opener') }
      const old = running.get(conversationId)
      const thread =
        old !== undefined && speakerOf(old, userId, present) !== undefined
          ? old
          : { turns: turnsOf(draw(lang, kind)), place: 0, cast: new Map<string, string>() }
      running.set(conversationId, thread)
      if (present.length < new Set(thread.turns.map(({ speaker }) => speaker)).size) return undefined
      const speaker = speakerOf(thread, userId, present)
      const turn = thread.turns[thread.place]
      if (speaker === undefined || turn === undefined) return undefined
      thread.cast.set(turn.speaker, speaker)
      thread.place += 1
      return { userId: speaker, text: turn.text }
    },
    answer: (lang, to) => draw(lang, /\?\s*$/u.test(to) ? 'answerToQuestion' : 'answer'),
  }
}

/** Who says the next turn: the one who has that part already; undefined when they have left, and at the end. */
function speakerOf(thread: Running, userId: string, present: readonly string[]): string | undefined {
  const turn = thread.turns[thread.place]
  if (turn === undefined) return undefined
  const has = thread.cast.get(turn.speaker)
  if (has !== undefined) return present.includes(has) ? has : undefined
  const isFree = (id: string) => ![...thread.cast.values()].includes(id)
  return isFree(userId) && present.includes(userId) ? userId : present.find(isFree)
}

/** The turns of a thread, in order. */
export function turnsOf(thread: string): readonly Turn[] {
  return thread.split('\n').map((line) => {
    const [, speaker = 'a', text = ''] = /^\s*(\w): (.+)$/u.exec(line) ?? []
    return { speaker, text }
  })
}

type Bag = () => string

/** Draws all items in random order, then all again in another one. What was drawn last is not drawn first again. */
function createBag(items: readonly string[], random: () => number): Bag {
  let left: string[] = []
  let before: readonly string[] = []
  return () => {
    if (left.length === 0) {
      const late = new Set(before.slice(Math.ceil(before.length / 2)))
      const [fresh, stale] = [items.filter((item) => !late.has(item)), items.filter((item) => late.has(item))]
      before = [...shuffled(fresh, random), ...shuffled(stale, random)]
      left = [...before]
    }
    return left.shift() ?? ''
  }
}

function shuffled(items: readonly string[], random: () => number): string[] {
  return items
    .map((item) => [random(), item] as const)
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item)
}
