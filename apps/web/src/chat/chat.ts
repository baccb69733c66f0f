/** Messages on the connection that presence has: a host's own events on `client.socket`. */
import type { SocketPresenceClient } from '@vigie/client'
import { keepOutbox, readOutbox, type Unsent } from './outbox.js'
import {
  asRead,
  lastSentAt,
  threadOf,
  withMessages,
  withThread,
  type Draft,
  type Message,
  type Thread,
  type Threads,
} from './thread.js'

export interface Chat {
  threads(): Threads
  subscribe(listener: () => void): () => void
  /** Sends it now, or once there is a connection, after what waits already. */
  send(conversationId: string, text: string): void
  /** Sends what the server refused once more. */
  resend(conversationId: string, key: string): void
  /** Forgets what was not sent. */
  discard(conversationId: string, key: string): void
  /** Whoever looks at a conversation has read it, also what comes meanwhile; undefined: none is looked at. */
  look(conversationId: string | undefined): void
  close(): void
}

/** Whether messages can be sent now. */
export interface ChatLine {
  isUp(): boolean
  subscribe(listener: () => void): () => void
}

interface ChatOptions {
  readonly socket: SocketPresenceClient['socket']
  readonly line: ChatLine
  /** Everything that was said, for after a connection. */
  readonly history: () => Promise<readonly Message[]>
  /** What was said until now. */
  readonly said: readonly Message[]
  /** Where it is kept across reloads what was read, and what was not sent. */
  readonly storage: Pick<Storage, 'getItem' | 'setItem'>
}

type SendAnswer =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly error: { readonly code: string } }

/** An answer that has not come by then will not come: the message is sent again. */
const ANSWER_MS = 5_000
/** The server takes about one message a second. */
export const PAUSE_MS = 1_100
const READ_KEY = 'vigie-read'
/** After a connection, history that could not be had is asked for again, later each time. */
const HISTORY_RETRY_MS = 1_000
const HISTORY_RETRY_MAX_MS = 30_000

export function createChat({ socket, line, history, said, storage }: ChatOptions): Chat {
  const readBefore = readMarks(storage)
  let threads: Threads = new Map()
  let looked: string | undefined
  let isClosed = false
  /** One at a time, so that they arrive in the order in which they were written. */
  let isSending = false
  let retry: ReturnType<typeof setTimeout> | undefined
  let pause: ReturnType<typeof setTimeout> | undefined
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

  /** The server forgets: what it says is all there is, and replaces what was known. */
  function replaceBy(all: readonly Message[]): void {
    let next: Threads = new Map([...threads].map(([id, thread]) => [id, { ...thread, messages: [] }]))
    for (const message of all) {
      next = withThread(next, message.conversationId, (thread) => withMessages(thread, [message]))
    }
    set(seen(new Map([...next].map(([id, thread]) => [id, withMark(id, thread)]))))
    keepMarks(storage, threads)
    keepDrafts()
  }

  async function load(delayMs = HISTORY_RETRY_MS): Promise<void> {
    clearTimeout(retry)
    arrived = []
    try {
      const all = await history()
      if (!isClosed) replaceBy([...all, ...arrived])
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

  function unsent(): readonly Unsent[] {
    return [...threads]
      .flatMap(([conversationId, { drafts }]) => drafts.map((draft) => ({ ...draft, conversationId })))
      .sort((a, b) => a.at - b.at)
  }

  function keepDrafts(): void {
    keepOutbox(storage, unsent())
  }

  function setDraft(conversationId: string, draft: Draft): void {
    set(
      withThread(threads, conversationId, (thread) => ({
        ...thread,
        drafts: [...thread.drafts.filter(({ key }) => key !== draft.key), draft].sort((a, b) => a.at - b.at),
      })),
    )
  }

  function findDraft(conversationId: string, key: string): Draft | undefined {
    return threadOf(threads, conversationId).drafts.find((draft) => draft.key === key)
  }

  /** Sends the oldest that waits, and then the next. What is said while the line is down waits for it. */
  function sendNext(): void {
    if (isSending || isClosed || pause !== undefined || !line.isUp()) return
    const next = unsent().find(({ state }) => state === 'queued')
    if (next === undefined) return
    const { conversationId, ...draft } = next
    const { key, text } = draft
    isSending = true
    setDraft(conversationId, { ...draft, state: 'sending' })
    socket
      .timeout(ANSWER_MS)
      .emit('message:send', { conversationId, text, key }, (error: Error | null, answer?: SendAnswer) => {
        isSending = false
        if (isClosed) return
        settle({ conversationId, draft }, error === null ? answer : undefined)
        keepDrafts()
        sendNext()
      })
  }

  function settle(
    { conversationId, draft }: { readonly conversationId: string; readonly draft: Draft },
    answer: SendAnswer | undefined,
  ): void {
    if (answer?.ok === true) {
      receive({ ...answer.message, key: draft.key })
      return
    }
    // It may have arrived meanwhile, by its echo or by what was said until now.
    if (findDraft(conversationId, draft.key) === undefined) return
    const reason = answer?.error.code
    const waits = reason === undefined || reason === 'rate_limited'
    setDraft(conversationId, { ...draft, state: waits ? 'queued' : 'failed', reason })
    if (!waits) return
    // Neither a server that is busy nor a line that is dying is asked at once.
    pause = setTimeout(() => {
      pause = undefined
      sendNext()
    }, PAUSE_MS)
  }

  for (const { conversationId, ...draft } of readOutbox(storage)) setDraft(conversationId, draft)
  replaceBy(said)

  const onVisible = () => set(seen(threads))
  const onConnect = () => void load()
  socket.on('connect', onConnect)
  socket.on('message:new', receive)
  document.addEventListener('visibilitychange', onVisible)
  const stopListening = line.subscribe(sendNext)
  // The connection may have been faster than what was said.
  if (socket.connected) onConnect()
  sendNext()

  return {
    threads: () => threads,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    send(conversationId, text) {
      // Below everything that is there, whatever this device's clock says.
      const thread = threadOf(threads, conversationId)
      const at = Math.max(Date.now(), lastSentAt(thread) + 1, ...thread.drafts.map((draft) => draft.at + 1))
      setDraft(conversationId, { key: newKey(), text, at, state: 'queued' })
      keepDrafts()
      sendNext()
    },
    resend(conversationId, key) {
      const draft = findDraft(conversationId, key)
      if (draft?.state !== 'failed') return
      setDraft(conversationId, { ...draft, state: 'queued', reason: undefined })
      sendNext()
    },
    discard(conversationId, key) {
      if (findDraft(conversationId, key)?.state === 'sending') return
      set(
        withThread(threads, conversationId, (thread) => ({
          ...thread,
          drafts: thread.drafts.filter((draft) => draft.key !== key),
        })),
      )
      keepDrafts()
    },
    look(conversationId) {
      looked = conversationId
      set(seen(threads))
    },
    close() {
      isClosed = true
      clearTimeout(retry)
      clearTimeout(pause)
      stopListening()
      socket.off('connect', onConnect)
      socket.off('message:new', receive)
      document.removeEventListener('visibilitychange', onVisible)
      listeners.clear()
    },
  }
}

/** Of 16 random bytes: `randomUUID` is there in secure contexts only. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
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
