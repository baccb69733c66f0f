/** What was said in the conversations, as values: nothing here knows a socket, a page or a clock. */

/** One message as the server knows it. `sentAt` is in milliseconds since 1970, and the order. */
export interface Message {
  readonly id: string
  readonly conversationId: string
  readonly userId: string
  readonly text: string
  readonly sentAt: number
  /** What the page that sent it calls it. */
  readonly key?: string
}

/** A message of this page that the server has not confirmed. */
export interface Draft {
  /** The server takes a message of one key once: sending again what may have arrived does no harm. */
  readonly key: string
  readonly text: string
  /** When it was written, by this device. */
  readonly at: number
  /** `queued`: it is sent by itself, once it can be. `failed`: the server will not have it as it is. */
  readonly state: 'queued' | 'sending' | 'failed'
  /** Why the server refused it, in its own words. */
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

/**
 * Adds messages that may be there already: the answer to what one sent and its echo are the same message. A draft that
 * turns out to have arrived is none any more.
 */
export function withMessages(thread: Thread, added: readonly Message[]): Thread {
  const known = new Set(thread.messages.map(({ id }) => id))
  const fresh = added.filter(({ id }) => !known.has(id))
  const arrived = new Set(added.map(({ key }) => key))
  const drafts = thread.drafts.filter(({ key }) => !arrived.has(key))
  if (fresh.length === 0 && drafts.length === thread.drafts.length) return thread
  const messages = [...thread.messages, ...fresh].sort((a, b) => a.sentAt - b.sentAt).slice(-KEPT_MAX)
  return { ...thread, messages, drafts: drafts.length === thread.drafts.length ? thread.drafts : drafts }
}

/** A message, or what is on its way to be one. */
export interface Shown extends Message {
  readonly draft?: Draft
}

/** Messages and drafts by the time at which they were written. */
export function shownIn(thread: Thread, conversationId: string, me: string): readonly Shown[] {
  if (thread.drafts.length === 0) return thread.messages
  const drafts = thread.drafts.map((draft): Shown => ({
    id: draft.key,
    conversationId,
    userId: me,
    text: draft.text,
    sentAt: draft.at,
    draft,
  }))
  return [...thread.messages, ...drafts].sort((a, b) => a.sentAt - b.sentAt)
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
  const newestIn = (id: string) => {
    const thread = threadOf(threads, id)
    return Math.max(lastSentAt(thread), ...thread.drafts.map(({ at }) => at))
  }
  return [...ids].sort((a, b) => newestIn(b) - newestIn(a))
}

/** Whether anything was said in it, or is about to be. */
export function isBegun({ messages, drafts }: Thread): boolean {
  return messages.length + drafts.length > 0
}

/** One person's messages in a row, which share a name and a picture. */
export interface Run {
  readonly userId: string
  readonly messages: readonly Shown[]
}

/** The runs of one day. */
export interface Day {
  readonly at: number
  readonly runs: readonly Run[]
}

/** A pause of as long begins a new run. */
const RUN_PAUSE_MS = 5 * 60_000

/** Messages as they are shown: by day, and in runs of one person. */
export function daysOf(messages: readonly Shown[]): readonly Day[] {
  const days: { at: number; runs: { userId: string; messages: Shown[] }[] }[] = []
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
