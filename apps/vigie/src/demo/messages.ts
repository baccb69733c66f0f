/** What people of the demo wrote to each other: Vigie carries presence, and messages are a host's own. */
import { randomUUID } from 'node:crypto'
import type { Server, Socket } from 'socket.io'
import * as v from 'valibot'
import type { Log } from '@vigie/server'

export interface DemoMessage {
  readonly id: string
  readonly conversationId: string
  readonly userId: string
  readonly text: string
  /** When it was written, in milliseconds since 1970; no two have the same, so that it is also their order. */
  readonly sentAt: number
  /** What the page that sent it calls it: what is sent twice under one key is one message. */
  readonly key?: string | undefined
}

/** What the page sends besides presence. */
export interface DemoClientEvents {
  'message:send': (payload: SendRequest, acknowledge?: (answer: SendAnswer) => void) => void
}

/** What the page hears besides presence: in conversations that it is in. */
export interface DemoServerEvents {
  'message:new': (message: DemoMessage) => void
}

export interface SendRequest {
  readonly conversationId: string
  readonly text: string
  readonly key?: string | undefined
}

export type SendAnswer =
  | { readonly ok: true; readonly message: DemoMessage }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } }

/** Messages of one conversation that are kept; older ones are forgotten. */
export const KEPT_MAX = 60
/** Characters of one message. The page's composer has the same number. */
export const TEXT_MAX = 1_000
/** Characters of the name that a page gives to a message. */
export const KEY_MAX = 64

/** How many messages one connection may send: `burst` at once, `perSecond` in the long run. */
export interface SendRate {
  readonly burst: number
  readonly perSecond: number
}
/** Faster than anybody writes, slower than a program that floods everybody's page. */
export const SEND_RATE: SendRate = { burst: 10, perSecond: 1 }

export interface Messages {
  /** Adds one, now unless told. One that the same person added under the same key is returned instead. */
  add(message: Omit<DemoMessage, 'id' | 'sentAt'>, at?: number): DemoMessage
  /** Those of one conversation, oldest first. */
  of(conversationId: string): readonly DemoMessage[]
}

/** Where messages are written down. */
export interface Journal {
  /** What was written down before, oldest first. */
  readonly kept: readonly DemoMessage[]
  note(message: DemoMessage): void
  /** All that was noted is written. */
  flushed(): Promise<void>
}

export function createMessages(now: () => number = Date.now, journal?: Journal): Messages {
  const kept = new Map<string, DemoMessage[]>()
  let lastAt = 0
  for (const message of journal?.kept ?? []) {
    kept.set(message.conversationId, [...(kept.get(message.conversationId) ?? []), message])
    lastAt = Math.max(lastAt, message.sentAt)
  }
  return {
    add(message, at = now()) {
      const all = kept.get(message.conversationId) ?? []
      const { key, userId } = message
      const same = key !== undefined && all.find((each) => each.key === key && each.userId === userId)
      if (same) return same
      lastAt = Math.max(lastAt + 1, at)
      const added = { ...message, id: randomUUID(), sentAt: lastAt }
      journal?.note(added)
      kept.set(message.conversationId, [...all, added].slice(-KEPT_MAX))
      return added
    },
    of: (conversationId) => kept.get(conversationId) ?? [],
  }
}

const sendSchema = v.strictObject({
  conversationId: v.string(),
  text: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(TEXT_MAX)),
  key: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(KEY_MAX))),
})

interface CarryOptions {
  readonly messages: Messages
  /** A message is out: whoever wrote it does not type any more. */
  readonly stopTyping: (userId: string, conversationId: string) => void
  readonly log: Log
  /** @default performance.now */
  readonly now?: () => number
}

/**
 * Carries messages as a host would: to the rooms that presence makes of the rows. Who may write is who is
 * in the room, so there is no second look at the rows.
 */
export function carryMessages(
  io: Server<DemoClientEvents, DemoServerEvents>,
  { messages, stopTyping, log, now = () => performance.now() }: CarryOptions,
): void {
  function send(socket: Socket, payload: unknown, maySend: () => boolean): SendAnswer {
    if (!maySend()) return refusal('rate_limited', 'Too many messages at a time. Wait a moment.')
    const request = v.safeParse(sendSchema, payload)
    if (!request.success) return refusal('invalid_payload', `A message has 1 to ${TEXT_MAX} characters.`)
    const { conversationId, text, key } = request.output
    const userId = (socket.data as { readonly userId?: string }).userId
    if (userId === undefined || !socket.rooms.has(roomOf(conversationId))) {
      return refusal('not_member', 'You are not in this conversation.')
    }
    stopTyping(userId, conversationId)
    return { ok: true, message: messages.add({ conversationId, userId, text, key }) }
  }

  io.on('connection', (socket) => {
    const maySend = createAllowance(SEND_RATE, now)
    socket.on('message:send', (payload: unknown, acknowledge: unknown) => {
      const answer = send(socket, payload, maySend)
      // First to whoever wrote it: their page turns what it shows as "sending" into this message.
      if (isAcknowledge(acknowledge)) acknowledge(answer)
      if (answer.ok) io.to(roomOf(answer.message.conversationId)).emit('message:new', answer.message)
      else log.debug('a message of the demo was refused', { code: answer.error.code })
    })
  })
}

/** Whether one more may pass now; if so, it counts. What is refused does not: whoever slows down is heard again. */
function createAllowance({ burst, perSecond }: SendRate, now: () => number): () => boolean {
  let left = burst
  let filledAt = now()
  return () => {
    const at = now()
    left = Math.min(burst, left + ((at - filledAt) / 1_000) * perSecond)
    filledAt = at
    if (left < 1) return false
    left -= 1
    return true
  }
}

/** Whoever sends decides whether there is one, and could send anything in its place. */
function isAcknowledge(value: unknown): value is (answer: SendAnswer) => void {
  return typeof value === 'function'
}

/** The name that presence gives to the room of a conversation unless told otherwise. */
function roomOf(conversationId: string): string {
  return `conv:${conversationId}`
}

function refusal(code: string, message: string): SendAnswer {
  return { ok: false, error: { code, message } }
}
