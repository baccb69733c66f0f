// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createChat, PAUSE_MS, type Chat } from '../src/chat/chat.js'
import { OUTBOX_MAX } from '../src/chat/outbox.js'
import { shownIn, threadOf, unreadIn, type Draft, type Message } from '../src/chat/thread.js'

type Answer = (error: Error | null, answer?: object) => void

/** The socket of a presence client, played by the test. */
function fakeSocket() {
  const listeners = new Map<string, (payload?: unknown) => void>()
  const sent: { readonly payload: { text: string; key: string }; readonly answer: Answer }[] = []
  const socket = {
    connected: false,
    on: (name: string, listener: (payload?: unknown) => void) => listeners.set(name, listener),
    off: (name: string) => listeners.delete(name),
    timeout: () => ({
      emit: (_: string, payload: { text: string; key: string }, answer: Answer) =>
        sent.push({ payload, answer }),
    }),
  }
  const line = { isUp: true, changed: () => {} }
  return {
    socket,
    sent,
    line: {
      isUp: () => line.isUp,
      subscribe: (listener: () => void) => {
        line.changed = listener
        return () => (line.changed = () => {})
      },
    },
    /** The connection of presence, as the page sees it. */
    setUp: (isUp: boolean) => {
      line.isUp = isUp
      line.changed()
    },
    hear: (name: string, payload?: unknown) => listeners.get(name)?.(payload),
    listeners,
  }
}

function message(at: number, userId = 'ben'): Message {
  return { id: `m${at}`, conversationId: 'cafe', userId, text: `said at ${at}`, sentAt: at }
}

function drafts(chat: Chat): readonly Draft[] {
  return threadOf(chat.threads(), 'cafe').drafts
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

  function start(said: readonly Message[] = []): void {
    fake = fakeSocket()
    chat = createChat({
      socket: fake.socket as never,
      line: fake.line,
      said,
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
  afterEach(() => {
    chat.close()
    vi.useRealTimers()
  })

  it('has what was said from its first moment on', () => {
    start([message(2), message(1)])
    expect(texts(chat)).toEqual(['said at 1', 'said at 2'])
    expect(unreadIn(threadOf(chat.threads(), 'cafe'), 'ana')).toBe(0)
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

  it('keeps what is written without a connection, and sends it in order once there is one', async () => {
    await connect([message(1)])
    fake.setUp(false)
    chat.send('cafe', 'one')
    chat.send('cafe', 'two')
    expect(fake.sent).toEqual([])
    expect(drafts(chat).map(({ text, state }) => [text, state])).toEqual([
      ['one', 'queued'],
      ['two', 'queued'],
    ])
    fake.setUp(true)
    expect(fake.sent.map(({ payload }) => payload.text)).toEqual(['one'])
    fake.sent[0]?.answer(null, { ok: true, message: message(6, 'ana') })
    expect(fake.sent.map(({ payload }) => payload.text)).toEqual(['one', 'two'])
    fake.sent[1]?.answer(null, { ok: true, message: message(7, 'ana') })
    expect(drafts(chat)).toEqual([])
    expect(texts(chat)).toEqual(['said at 1', 'said at 6', 'said at 7'])
  })

  it('keeps what is not sent over a reload, and sends it after it', () => {
    fake.setUp(false)
    chat.send('cafe', 'hello')
    const [before] = drafts(chat)
    chat.close()
    start()
    expect(fake.sent.map(({ payload }) => payload)).toMatchObject([{ text: 'hello', key: before?.key }])
    fake.sent[0]?.answer(null, { ok: true, message: message(5, 'ana') })
    chat.close()
    start()
    expect(drafts(chat)).toEqual([])
  })

  it('keeps a bounded number of them over a reload, the newest', () => {
    fake.setUp(false)
    for (let index = 0; index < OUTBOX_MAX + 2; index++) chat.send('cafe', String(index))
    chat.close()
    start()
    expect(drafts(chat)).toHaveLength(OUTBOX_MAX)
    expect(drafts(chat)[0]?.text).toBe('2')
  })

  it('reads no outbox that another version of the page wrote, and starts a new one', () => {
    for (const broken of ['{', '7', '[7, null, {"key":"k"}]']) {
      kept.set('vigie-outbox', broken)
      start()
      expect(drafts(chat)).toEqual([])
    }
  })

  it('sends again what was not answered, under the same key, and shows it once', async () => {
    vi.useFakeTimers()
    await connect([])
    chat.send('cafe', 'hello')
    fake.sent[0]?.answer(new Error('timeout'))
    expect(drafts(chat)[0]?.state).toBe('queued')
    vi.advanceTimersByTime(PAUSE_MS)
    expect(fake.sent[1]?.payload).toEqual(fake.sent[0]?.payload)
    // The first one had arrived: its echo has the key.
    fake.hear('message:new', { ...message(5, 'ana'), key: fake.sent[0]?.payload.key })
    fake.sent[1]?.answer(null, { ok: true, message: message(5, 'ana') })
    expect(drafts(chat)).toEqual([])
    expect(texts(chat)).toEqual(['said at 5'])
  })

  it('lets the server breathe when it was too fast, says so, and sends by itself', async () => {
    vi.useFakeTimers()
    await connect([])
    chat.send('cafe', 'hello')
    fake.sent[0]?.answer(null, { ok: false, error: { code: 'rate_limited' } })
    expect(drafts(chat)).toMatchObject([{ state: 'queued', reason: 'rate_limited' }])
    chat.send('cafe', 'and more')
    expect(fake.sent).toHaveLength(1)
    vi.advanceTimersByTime(PAUSE_MS)
    expect(fake.sent.map(({ payload }) => payload.text)).toEqual(['hello', 'hello'])
  })

  it('says what the server will not have, tries it again when told to, and goes on with the others', async () => {
    await connect([])
    chat.send('cafe', 'hello')
    chat.send('cafe', 'you there?')
    fake.sent[0]?.answer(null, { ok: false, error: { code: 'not_member' } })
    expect(drafts(chat)[0]).toMatchObject({ state: 'failed', reason: 'not_member' })
    expect(fake.sent[1]?.payload.text).toBe('you there?')
    fake.sent[1]?.answer(null, { ok: true, message: message(5, 'ana') })
    chat.resend('cafe', drafts(chat)[0]?.key ?? '')
    fake.sent[2]?.answer(null, { ok: true, message: message(6, 'ana') })
    expect(drafts(chat)).toEqual([])
  })

  it('discards what is not sent, but nothing that is on its way', () => {
    fake.setUp(false)
    chat.send('cafe', 'never mind')
    chat.discard('cafe', drafts(chat)[0]?.key ?? '')
    expect(drafts(chat)).toEqual([])
    fake.setUp(true)
    expect(fake.sent).toEqual([])
    chat.send('cafe', 'hello')
    chat.discard('cafe', drafts(chat)[0]?.key ?? '')
    expect(drafts(chat)).toMatchObject([{ text: 'hello', state: 'sending' }])
  })

  it('shows what is not sent by the time at which it was written', async () => {
    await connect([message(1)])
    fake.setUp(false)
    chat.send('cafe', 'mine')
    const at = drafts(chat)[0]?.at ?? 0
    fake.hear('message:new', message(at + 10))
    const shown = shownIn(threadOf(chat.threads(), 'cafe'), 'cafe', 'ana')
    expect(shown.map(({ text }) => text)).toEqual(['said at 1', 'mine', `said at ${at + 10}`])
  })

  it('listens to nothing once it is closed', async () => {
    await connect([])
    chat.close()
    expect(fake.listeners.size).toBe(0)
  })
})
