/**
 * What one's own keyboard says: often called, seldom sent.
 */
import type { ConversationId } from '@vigie/protocol'
import { listen } from './platform.js'
import type { ClientMessage } from './transport.js'

/** A start is repeated after as long; the server ends a typing of which it has heard nothing for 8 s. */
export const TYPING_REPEAT_MS = 3_000
/** The server's lease. */
export const TYPING_LEASE_MS = 8_000

export interface Typing {
  start(conversationId: string): void
  stop(conversationId: string): void
  /** The connection ended, and with it the typing. */
  reset(): void
}

interface TypingOptions {
  readonly now: () => number
  /** Sends where there is a live connection; false: there is none. */
  readonly send: (message: ClientMessage) => boolean
}

export function createTyping({ now, send }: TypingOptions): Typing {
  let current: { readonly conversationId: string; readonly sentAtMs: number } | undefined
  return {
    start(conversationId) {
      const sentAtMs = now()
      if (
        current?.conversationId === conversationId &&
        Math.abs(sentAtMs - current.sentAtMs) < TYPING_REPEAT_MS
      ) {
        return
      }
      // Beginning in another conversation ends it in the first, on the server.
      const isSent = send(['typing:start', { convId: conversationId as ConversationId }])
      current = isSent ? { conversationId, sentAtMs } : undefined
    },
    stop(conversationId) {
      if (current?.conversationId !== conversationId) return
      current = undefined
      send(['typing:stop', { convId: conversationId as ConversationId }])
    },
    reset() {
      current = undefined
    },
  }
}

/** What is listened to of a text field: an `input`, a `textarea`, or what behaves like one. */
export interface TypingInput {
  readonly value?: string
  /** Read where there is no `value`: an element that is edited in place. */
  readonly textContent?: string | null
  addEventListener(type: string, listener: (event: TypingInputEvent) => void): void
  removeEventListener(type: string, listener: (event: TypingInputEvent) => void): void
}

interface TypingInputEvent {
  readonly key?: string
  readonly shiftKey?: boolean
  readonly isComposing?: boolean
  readonly keyCode?: number
}

/** What `keyCode` is for each key that an input method takes. Safari's Enter that chooses a word has nothing else. */
const OF_INPUT_METHOD = 229

/** Starts with each input, stops when the field is emptied or left, and on Enter. Returns the way to unbind. */
export function bindTyping(
  typing: Pick<Typing, 'start' | 'stop'>,
  input: TypingInput,
  conversationId: string,
): () => void {
  const stop = () => typing.stop(conversationId)
  const onInput = () => {
    if ((input.value ?? input.textContent ?? '') === '') stop()
    else typing.start(conversationId)
  }
  const onKeydown = ({ key, shiftKey, isComposing, keyCode }: TypingInputEvent) => {
    // Enter with Shift is a new line; while a word is being composed it chooses the word.
    if (key === 'Enter' && !shiftKey && !isComposing && keyCode !== OF_INPUT_METHOD) stop()
  }
  const unlisten = listen([
    [input, 'input', onInput],
    [input, 'keydown', onKeydown],
    [input, 'blur', stop],
  ])
  return () => {
    unlisten()
    stop()
  }
}
