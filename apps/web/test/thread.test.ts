import { describe, expect, it } from 'vitest'
import {
  asRead,
  byNewest,
  daysOf,
  EMPTY_THREAD,
  isBegun,
  KEPT_MAX,
  shownIn,
  unreadIn,
  withMessages,
  type Message,
  type Thread,
} from '../src/chat/thread.js'

const MINUTE_MS = 60_000
const NOON = new Date(2026, 4, 5, 12).getTime()

function message(at: number, change: Partial<Message> = {}): Message {
  return { id: `m${at}`, conversationId: 'cafe', userId: 'ben', text: 'hello', sentAt: at, ...change }
}

function thread(...messages: readonly Message[]): Thread {
  return withMessages(EMPTY_THREAD, messages)
}

describe('a conversation', () => {
  it('has each message once, in the order in which they were sent, however often and late they come', () => {
    const once = withMessages(thread(message(3), message(1)), [message(2), message(3)])
    expect(once.messages.map(({ sentAt }) => sentAt)).toEqual([1, 2, 3])
    expect(withMessages(once, [message(2)])).toBe(once)
  })

  it('forgets the oldest beyond its bound', () => {
    const full = thread(...Array.from({ length: KEPT_MAX + 5 }, (_, at) => message(at)))
    expect(full.messages).toHaveLength(KEPT_MAX)
    expect(full.messages[0]?.sentAt).toBe(5)
  })

  it('counts as unread what others said since it was read, and nothing of one’s own', () => {
    const read = asRead(thread(message(1), message(2)))
    expect(unreadIn(read, 'ana')).toBe(0)
    const later = withMessages(read, [message(3), message(4, { userId: 'ana' }), message(5)])
    expect(unreadIn(later, 'ana')).toBe(2)
    expect(asRead(read)).toBe(read)
  })
})

describe('the list of conversations', () => {
  it('has the newest first, and keeps the order of those in which nothing was said', () => {
    const threads = new Map([
      ['quiet', EMPTY_THREAD],
      ['old', thread(message(1))],
      ['new', thread(message(9))],
    ])
    expect(byNewest(threads, ['quiet', 'still', 'old', 'new'])).toEqual(['new', 'old', 'quiet', 'still'])
  })
})

describe('a draft', () => {
  const draft = (at: number) => ({ key: `k${at}`, text: 'mine', at, state: 'queued' as const })

  it('stands where it was written in time, and is none any more once its message is here', () => {
    const waiting = { ...thread(message(1), message(9)), drafts: [draft(5)] }
    expect(shownIn(waiting, 'cafe', 'ana').map(({ sentAt }) => sentAt)).toEqual([1, 5, 9])
    const sent = withMessages(waiting, [message(10, { key: 'k5', userId: 'ana' })])
    expect(sent.drafts).toEqual([])
    expect(shownIn(sent, 'cafe', 'ana').map(({ sentAt }) => sentAt)).toEqual([1, 9, 10])
  })

  it('begins a conversation, and brings it to the top of the list', () => {
    const threads = new Map([
      ['old', thread(message(1))],
      ['mine', { ...EMPTY_THREAD, drafts: [draft(5)] }],
    ])
    expect(byNewest(threads, ['old', 'mine'])).toEqual(['mine', 'old'])
    expect([EMPTY_THREAD, thread(message(1)), threads.get('mine')!].map(isBegun)).toEqual([false, true, true])
  })
})

describe('messages as they are shown', () => {
  it('are in runs of one person, until somebody else speaks, or a pause', () => {
    const [day, ...others] = daysOf([
      message(NOON),
      message(NOON + MINUTE_MS),
      message(NOON + 2 * MINUTE_MS, { userId: 'cleo' }),
      message(NOON + 3 * MINUTE_MS),
      message(NOON + 9 * MINUTE_MS),
    ])
    expect(others).toEqual([])
    expect(day?.runs.map(({ userId, messages }) => [userId, messages.length])).toEqual([
      ['ben', 2],
      ['cleo', 1],
      ['ben', 1],
      ['ben', 1],
    ])
  })

  it('are under the day of this place on which they were sent', () => {
    const midnight = new Date(2026, 4, 6).getTime()
    const days = daysOf([message(midnight - 1), message(midnight)])
    expect(days.map(({ at }) => at)).toEqual([midnight - 1, midnight])
  })
})
