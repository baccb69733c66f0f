/** Rows of the audit trail for tests: each boot counts its own positions, and its chain is whole. */
import type { ConversationId, SessionId, UserId } from '@vigie/protocol'
import type { Fact, TrailRow } from '../../src/trail/facts.js'
import { rowOf } from '../../src/trail/rows.js'
import { dayOf } from '../../src/trail/days.js'

export interface TestBoot {
  readonly id: string
  /** The next row. */
  row(fact: Fact, at: number): TrailRow
  online(userId: string, sessionId: string, at: number): TrailRow
  lost(userId: string, sessionId: string, at: number): TrailRow
  ended(userId: string, sessionId: string, at: number): TrailRow
  rooms(userId: string, conversations: readonly string[], at: number): TrailRow
  /** Repeats what is so, and says that it is all. */
  checkpoint(facts: readonly Fact[], at: number): TrailRow[]
}

export function testBoot(number: number): TestBoot {
  const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
  let position = 0
  let previous: TrailRow | undefined
  const row = (fact: Fact, at: number) => {
    position++
    const hash = previous?.day === dayOf(at) ? previous.hash : undefined
    previous = rowOf({ fact, position, at }, id, hash)
    return previous
  }
  return {
    id,
    row,
    online: (userId, sessionId, at) => row(sessionFact('live', 'connected', userId, sessionId), at),
    lost: (userId, sessionId, at) => row(sessionFact('lost', 'lost', userId, sessionId), at),
    ended: (userId, sessionId, at) => row(sessionFact('ended', 'left', userId, sessionId), at),
    rooms: (userId, conversations, at) => row(roomsFact(userId, conversations, 'changed'), at),
    checkpoint(facts, at) {
      const from = position + 1
      return [...facts.map((fact) => row(fact, at)), row({ kind: 'checkpoint', detail: { from } }, at)]
    },
  }
}

type SessionFact = Extract<Fact, { kind: 'session' }>

export function sessionFact(
  state: SessionFact['state'],
  reason: SessionFact['reason'],
  userId: string,
  sessionId: string,
): Fact {
  return {
    kind: 'session',
    state,
    reason,
    userId: userId as UserId,
    sessionId: sessionId as SessionId,
    device: sessionId,
  }
}

export function roomsFact(
  userId: string,
  conversations: readonly string[],
  reason: 'seen' | 'changed' | 'checkpoint' = 'checkpoint',
): Fact {
  return {
    kind: 'rooms',
    reason,
    userId: userId as UserId,
    groups: [],
    conversations: conversations as readonly ConversationId[],
  }
}
