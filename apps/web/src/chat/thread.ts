/** What was said in the conversations, as values: nothing here knows a socket, a page or a clock. */

/** One message as the server knows it. `sentAt` is in milliseconds since 1970, and the order. */
export interface Message {
  readonly id: string
  readonly conversationId: string
  readonly userId: string
  readonly text: string
  readonly sentAt: number
}

/** A message of this page that the server has not confirmed. */
export interface Draft {
  readonly key: string
  readonly text: string
  readonly state: 'sending' | 'failed'
  /** Why it failed, in the server's words for it; undefined: nobody answered. */
  readonly reason?: string | undefined
}

/** One conversation. */
export interface Thread {
  /** Oldest first. */
  readonly messages: readonly Message[]
  readonly drafts: readonly Draft[]
  /** `sentAt` of the newest message that was seen. */
  readonly readUntil: number
}

export type Threads = ReadonlyMap<string, Thread>

export const EMPTY_THREAD: Thread = { messages: [], drafts: [], readUntil: 0 }

/** Messages of one conversation that a page keeps; older ones are forgotten. */
export const KEPT_MAX = 200

export function threadOf(threads: Threads, id: string): Thread {
  return threads.get(id) ?? EMPTY_THREAD
}

export function withThread(threads: Threads, id: string, change: (thread: Thread) => Thread): Threads {
  const before = threadOf(threads, id)
  const after = change(before)
  return after === before ? threads : new Map(threads).set(id, after)
}

/** Adds messages that may be there already: the answer to what one sent and its echo are the same message. */
export function withMessages(thread: Thread, added: readonly Message[]): Thread {
  const known = new Set(thread.messages.map(({ id }) => id))
  const fresh = added.filter(({ id }) => !known.has(id))
  if (fresh.length === 0) return thread
  const messages = [...thread.messages, ...fresh].sort((a, b) => a.sentAt - b.sentAt).slice(-KEPT_MAX)
  return { ...thread, messages }
}

/** What others said since one looked last. */
export function unreadIn({ messages, readUntil }: Thread, me: string): number {
  return messages.filter(({ userId, sentAt }) => userId !== me && sentAt > readUntil).length
}

/** All of it was seen. */
export function asRead(thread: Thread): Thread {
  const readUntil = lastSentAt(thread)
  return readUntil === thread.readUntil ? thread : { ...thread, readUntil }
}

export function lastSentAt({ messages, readUntil }: Thread): number {
  return messages.at(-1)?.sentAt ?? readUntil
}

/** Newest conversation first; where nothing was said, by the order in which they came. */
export function byNewest(threads: Threads, ids: readonly string[]): readonly string[] {
  return [...ids].sort((a, b) => lastSentAt(threadOf(threads, b)) - lastSentAt(threadOf(threads, a)))
}

/** One person's messages in a row, which share a name and a picture. */
export interface Run {
  readonly userId: string
  readonly messages: readonly Message[]
}

/** The runs of one day. */
export interface Day {
  readonly at: number
  readonly runs: readonly Run[]
}

/** A pause of as long begins a new run. */
const RUN_PAUSE_MS = 5 * 60_000

/** Messages as they are shown: by day, and in runs of one person. */
export function daysOf(messages: readonly Message[]): readonly Day[] {
  const days: { at: number; runs: { userId: string; messages: Message[] }[] }[] = []
  for (const message of messages) {
    let day = days.at(-1)
    if (!day || new Date(day.at).toDateString() !== new Date(message.sentAt).toDateString()) {
      day = { at: message.sentAt, runs: [] }
      days.push(day)
    }
    const run = day.runs.at(-1)
    const before = run?.messages.at(-1)
    if (run && before && run.userId === message.userId && message.sentAt - before.sentAt < RUN_PAUSE_MS) {
      run.messages.push(message)
    } else {
      day.runs.push({ userId: message.userId, messages: [message] })
    }
  }
  return days
}
