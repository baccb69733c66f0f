// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createChat, type Chat } from '../src/chat/chat.js'
import { threadOf, unreadIn, type Message } from '../src/chat/thread.js'

type Answer = (error: Error | null, answer?: object) => void

/** The socket of a presence client, played by the test. */
function fakeSocket() {
  const listeners = new Map<string, (payload?: unknown) => void>()
  const sent: { readonly payload: { text: string }; readonly answer: Answer }[] = []
  const socket = {
    connected: true,
    on: (name: string, listener: (payload?: unknown) => void) => listeners.set(name, listener),
    off: (name: string) => listeners.delete(name),
    timeout: () => ({
      emit: (_: string, payload: { text: string }, answer: Answer) => sent.push({ payload, answer }),
    }),
  }
  return {
    socket,
    sent,
    hear: (name: string, payload?: unknown) => listeners.get(name)?.(payload),
    listeners,
  }
}

function message(at: number, userId = 'ben'): Message {
  return { id: `m${at}`, conversationId: 'cafe', userId, text: `said at ${at}`, sentAt: at }
}

function texts(chat: Chat): string[] {
  return threadOf(chat.threads(), 'cafe').messages.map(({ text }) => text)
}

describe('messages on the connection of presence', () => {
  const kept = new Map<string, string>()
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  }
  let fake: ReturnType<typeof fakeSocket>
  let answerHistory: (messages: readonly Message[]) => void
  let chat: Chat

  function start(): void {
    fake = fakeSocket()
    chat = createChat({
      socket: fake.socket as never,
      history: () => new Promise((resolve) => (answerHistory = resolve)),
      storage,
    })
  }

  async function connect(history: readonly Message[]): Promise<void> {
    fake.hear('connect')
    answerHistory(history)
    await vi.waitFor(() => expect(texts(chat)).toHaveLength(history.length))
  }

  beforeEach(() => {
    kept.clear()
    start()
  })

  it('loses nothing of what comes while history is on its way', async () => {
    fake.hear('connect')
    fake.hear('message:new', message(3))
    answerHistory([message(1), message(2)])
    await vi.waitFor(() => expect(texts(chat)).toEqual(['said at 1', 'said at 2', 'said at 3']))
  })

  it('forgets what a server forgot that was started anew', async () => {
    await connect([message(1), message(2)])
    fake.hear('connect')
    answerHistory([message(7)])
    await vi.waitFor(() => expect(texts(chat)).toEqual(['said at 7']))
  })

  it('has nothing unread for whoever has just arrived, and after a reload what was unread before', async () => {
    await connect([message(1)])
    const unread = () => unreadIn(threadOf(chat.threads(), 'cafe'), 'ana')
    expect(unread()).toBe(0)
    fake.hear('message:new', message(2))
    expect(unread()).toBe(1)
    chat.close()
    start()
    await connect([message(1), message(2)])
    expect(unread()).toBe(1)
    chat.look('cafe')
    expect(unread()).toBe(0)
    fake.hear('message:new', message(3))
    expect(unread()).toBe(0)
  })

  it('shows what one sends once, whether the answer or the echo is here first', async () => {
    await connect([])
    chat.send('cafe', 'hello')
    expect(threadOf(chat.threads(), 'cafe').drafts).toMatchObject([{ text: 'hello', state: 'sending' }])
    fake.sent[0]?.answer(null, { ok: true, message: message(5, 'ana') })
    fake.hear('message:new', message(5, 'ana'))
    expect(texts(chat)).toEqual(['said at 5'])
    expect(threadOf(chat.threads(), 'cafe').drafts).toEqual([])
  })

  it('keeps what could not be sent, and sends it once more when it is asked to', async () => {
    await connect([])
    fake.socket.connected = false
    chat.send('cafe', 'hello')
    expect(fake.sent).toEqual([])
    const [draft] = threadOf(chat.threads(), 'cafe').drafts
    expect(draft?.state).toBe('failed')
    fake.socket.connected = true
    chat.resend('cafe', draft?.key ?? '')
    fake.sent[0]?.answer(new Error('timeout'))
    expect(threadOf(chat.threads(), 'cafe').drafts[0]?.state).toBe('failed')
    chat.resend('cafe', draft?.key ?? '')
    fake.sent[1]?.answer(null, { ok: true, message: message(6, 'ana') })
    expect(threadOf(chat.threads(), 'cafe').drafts).toEqual([])
    expect(texts(chat)).toEqual(['said at 6'])
  })

  it('says why the server refused what one sent', async () => {
    await connect([])
    chat.send('cafe', 'hello')
    fake.sent[0]?.answer(null, { ok: false, error: { code: 'rate_limited' } })
    const [draft] = threadOf(chat.threads(), 'cafe').drafts
    expect(draft).toMatchObject({ state: 'failed', reason: 'rate_limited' })
  })

  it('listens to nothing once it is closed', async () => {
    await connect([])
    chat.close()
    expect(fake.listeners.size).toBe(0)
  })
})
