/** What this tab has not sent yet, kept over a reload. */
import type { Draft } from './thread.js'

/** A draft, and where it belongs. */
export interface Unsent extends Draft {
  readonly conversationId: string
}

type OutboxStorage = Pick<Storage, 'getItem' | 'setItem'>

const OUTBOX_KEY = 'vigie-outbox'
/** Messages that are kept; a person who writes more without a connection loses the oldest. */
export const OUTBOX_MAX = 50

/** Whatever was being sent waits again: nobody knows whether it arrived, and the server takes a key once. */
export function readOutbox(storage: OutboxStorage): readonly Unsent[] {
  try {
    const kept: unknown = JSON.parse(storage.getItem(OUTBOX_KEY) ?? '[]')
    return Array.isArray(kept)
      ? kept.filter(isKept).map((draft) => ({ ...draft, state: 'queued' as const }))
      : []
  } catch {
    // What another version of the page wrote there cannot be read, and is written anew.
    return []
  }
}

export function keepOutbox(storage: OutboxStorage, drafts: readonly Unsent[]): void {
  const kept = drafts.map(({ conversationId, key, text, at }) => ({ conversationId, key, text, at }))
  try {
    storage.setItem(OUTBOX_KEY, JSON.stringify(kept.slice(-OUTBOX_MAX)))
  } catch {
    // The storage is full: the messages are sent all the same, as long as this page is open.
  }
}

function isKept(value: unknown): value is Unsent {
  const { conversationId, key, text, at } = (value ?? {}) as Partial<Record<keyof Unsent, unknown>>
  return [conversationId, key, text].every((each) => typeof each === 'string') && typeof at === 'number'
}
