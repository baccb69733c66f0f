import type { DemoConversation } from './world.js'

/** One language's texts. A thread is one line for each turn, each with the letter of its speaker: `a: Hello`. */
export type Script = Readonly<Record<Exclude<DemoConversation['kind'], 'direct'> | Single, readonly string[]>>

/** What is said to one person, and needs no second speaker. */
type Single = 'opener' | 'answer' | 'answerToQuestion'
