/** Messages on the connection that presence has: a host's own events on `client.socket`. */
import type { SocketPresenceClient } from '@vigie/client'
import {
  asRead,
  withMessages,
  withThread,
  threadOf,
  type Draft,
  type Message,
  type Thread,
  type Threads,
} from './thread.js'

export interface Chat {
  threads(): Threads
  subscribe(listener: () => void): () => void
  send(conversationId: string, text: string): void
  /** Sends what failed once more. */
  resend(conversationId: string, key: string): void
  /** Whoever looks at a conversation has read it, also what comes meanwhile; undefined: none is looked at. */
  look(conversationId: string | undefined): void
  close(): void
}

interface ChatOptions {
  readonly socket: SocketPresenceClient['socket']
  /** Everything that was said, for after a connection. */
  readonly history: () => Promise<readonly Message[]>
  /** Where it is kept what was read, across reloads. */
  readonly storage: Pick<Storage, 'getItem' | 'setItem'>
}

type SendAnswer =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly error: { readonly code: string } }

/** A message that is not confirmed by then has failed. */
const ANSWER_MS = 5_000
const READ_KEY = 'vigie-read'
/** After a connection, history that could not be had is asked for again, later each time. */
const HISTORY_RETRY_MS = 1_000
const HISTORY_RETRY_MAX_MS = 30_000

export function createChat({ socket, history, storage }: ChatOptions): Chat {
  let threads: Threads = new Map()
  const readBefore = readMarks(storage)
  let looked: string | undefined
  let isClosed = false
  let drafts = 0
  let retry: ReturnType<typeof setTimeout> | undefined
  /** What came by itself while history was on its way. */
  let arrived: Message[] = []
  const listeners = new Set<() => void>()

  function set(next: Threads): void {
    if (next === threads) return
    threads = next
    for (const listener of [...listeners]) listener()
  }

  function seen(next: Threads): Threads {
    if (looked === undefined || document.visibilityState === 'hidden') return next
    const after = withThread(next, looked, asRead)
    if (after !== next) keepMarks(storage, after)
    return after
  }

  function receive(message: Message): void {
    arrived.push(message)
    set(seen(withThread(threads, message.conversationId, (thread) => withMessages(thread, [message]))))
  }

  async function load(delayMs = HISTORY_RETRY_MS): Promise<void> {
    clearTimeout(retry)
    arrived = []
    try {
      const all = await history()
      if (isClosed) return
      // The server forgets: what it says is all there is, and replaces what was known.
      let next: Threads = new Map([...threads].map(([id, thread]) => [id, { ...thread, messages: [] }]))
      for (const message of [...all, ...arrived]) {
        next = withThread(next, message.conversationId, (thread) => withMessages(thread, [message]))
      }
      set(seen(new Map([...next].map(([id, thread]) => [id, withMark(id, thread)]))))
      keepMarks(storage, threads)
    } catch {
      // The connection that comes next asks again; so does this, should the connection stay.
      if (isClosed) return
      retry = setTimeout(() => void load(Math.min(2 * delayMs, HISTORY_RETRY_MAX_MS)), delayMs)
    }
  }

  /** Nobody who has just arrived has unread messages: what there was is as if read. */
  function withMark(id: string, thread: Thread): Thread {
    if (thread.readUntil > 0) return thread
    const readUntil = readBefore.get(id)
    return readUntil === undefined ? asRead(thread) : { ...thread, readUntil }
  }

  function withDraft(id: string, key: string, draft: Draft | undefined): Threads {
    return withThread(threads, id, (thread) => {
      const others = thread.drafts.filter((each) => each.key !== key)
      return { ...thread, drafts: draft ? [...others, draft] : others }
    })
  }

  function transmit(conversationId: string, key: string, text: string): void {
    const failed = (reason?: string) =>
      set(withDraft(conversationId, key, { key, text, state: 'failed', reason }))
    // A socket that is not connected would keep it, and send it long after it was meant.
    if (!socket.connected) {
      failed()
      return
    }
    set(withDraft(conversationId, key, { key, text, state: 'sending' }))
    socket
      .timeout(ANSWER_MS)
      .emit('message:send', { conversationId, text }, (error: Error | null, answer?: SendAnswer) => {
        if (isClosed) return
        if (error !== null || !answer?.ok) {
          failed(answer?.ok === false ? answer.error.code : undefined)
          return
        }
        const { message } = answer
        arrived.push(message)
        const without = withDraft(conversationId, key, undefined)
        set(seen(withThread(without, conversationId, (thread) => withMessages(thread, [message]))))
      })
  }

  const onVisible = () => set(seen(threads))
  const onConnect = () => void load()
  socket.on('connect', onConnect)
  socket.on('message:new', receive)
  document.addEventListener('visibilitychange', onVisible)

  return {
    threads: () => threads,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    send(conversationId, text) {
      drafts += 1
      transmit(conversationId, `draft-${drafts}`, text)
    },
    resend(conversationId, key) {
      const draft = threadOf(threads, conversationId).drafts.find((each) => each.key === key)
      if (draft?.state === 'failed') transmit(conversationId, key, draft.text)
    },
    look(conversationId) {
      looked = conversationId
      set(seen(threads))
    },
    close() {
      isClosed = true
      clearTimeout(retry)
      socket.off('connect', onConnect)
      socket.off('message:new', receive)
      document.removeEventListener('visibilitychange', onVisible)
      listeners.clear()
    },
  }
}

function readMarks(storage: ChatOptions['storage']): ReadonlyMap<string, number> {
  try {
    const kept: unknown = JSON.parse(storage.getItem(READ_KEY) ?? '[]')
    return new Map(Array.isArray(kept) ? (kept as [string, number][]) : [])
  } catch {
    // What is kept there is a convenience; whatever it was, it is written anew.
    return new Map()
  }
}

function keepMarks(storage: ChatOptions['storage'], threads: Threads): void {
  const marks = [...threads].map(([id, { readUntil }]) => [id, readUntil])
  storage.setItem(READ_KEY, JSON.stringify(marks))
}
