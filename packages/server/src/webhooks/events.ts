/**
 * From facts to events: who comes online and goes offline, and which conversations have somebody online. It knows of each
 * boot what its last facts say, so its state at a set of positions is the same in whatever order boots were read. See
 * docs/decisions/audit-trail.md.
 */
import type { TrailRow } from '../trail/facts.js'

export type WebhookEventType = 'user.online' | 'user.offline' | 'conversation.occupied' | 'conversation.empty'

export interface WebhookEvent {
  readonly type: WebhookEventType
  /** The user, or the conversation. */
  readonly subject: string
  /** Why, as the trail has it: `connected`, `grace_over`, `checkpoint`, …; of a conversation as well. */
  readonly reason: string
  readonly at: number
  /** The fact that it follows from. */
  readonly boot: string
  readonly position: number
}

/** What is read of a row of the trail. */
export type ReadRow = Pick<
  TrailRow,
  | 'day'
  | 'boot'
  | 'position'
  | 'at'
  | 'kind'
  | 'state'
  | 'reason'
  | 'userId'
  | 'sessionId'
  | 'conversations'
  | 'detail'
>

/** A user on one boot. */
interface Local {
  readonly sessions: Map<string, number>
  conversations: readonly string[]
  /** Where the trail last named the conversations. */
  roomsPosition: number
}

type Boot = Map<string, Local>

export interface Deriver {
  /** The events that a fact makes, in order. Facts of one boot come in the order of their positions. */
  apply(row: ReadRow): readonly WebhookEvent[]
}

export function createDeriver(): Deriver {
  const boots = new Map<string, Boot>()
  /** On how many boots each user is online, and how many such users each conversation has. */
  const online = new Map<string, number>()
  const occupied = new Map<string, number>()

  return {
    apply(row) {
      const events: WebhookEvent[] = []
      const tell = (type: WebhookEventType, subject: string) => {
        const { at, boot, position } = row
        events.push({ type, subject, reason: row.reason ?? row.kind, at, boot, position })
      }
      switch (row.kind) {
        case 'session':
          session(row, tell)
          break
        case 'rooms':
          rooms(row, tell)
          break
        case 'checkpoint':
          checkpoint(row, tell)
          break
        case 'stop':
        case 'death':
          endBoot(row.boot, tell)
          break
        default:
      }
      return events
    },
  }

  type Tell = (type: WebhookEventType, subject: string) => void

  function localOf(bootId: string, userId: string): Local {
    const boot = boots.get(bootId) ?? new Map<string, Local>()
    boots.set(bootId, boot)
    const local = boot.get(userId) ?? { sessions: new Map(), conversations: [], roomsPosition: 0 }
    boot.set(userId, local)
    return local
  }

  function session({ boot, position, state, userId, sessionId }: ReadRow, tell: Tell): void {
    // An erasure has emptied the row: nothing is known of it, and the checkpoint that follows puts the rest right.
    if (userId === null || sessionId === null) return
    const local = localOf(boot, userId)
    if (state === 'ended') {
      endSession(userId, local, sessionId, tell)
      return
    }
    const isFirst = local.sessions.size === 0
    local.sessions.set(sessionId, position)
    if (!isFirst) return
    if (change(online, userId, 1) === 1) tell('user.online', userId)
    enter(local.conversations, tell)
  }

  function endSession(userId: string, local: Local, sessionId: string, tell: Tell): void {
    if (!local.sessions.delete(sessionId) || local.sessions.size > 0) return
    if (change(online, userId, -1) === 0) tell('user.offline', userId)
    leave(local.conversations, tell)
  }

  function rooms({ boot, position, userId, conversations }: ReadRow, tell: Tell): void {
    if (userId === null) return
    const local = localOf(boot, userId)
    const before = local.conversations
    local.conversations = [...new Set(conversations)]
    local.roomsPosition = position
    if (local.sessions.size === 0) return
    // Those who stay are not counted in between: a conversation would blink.
    const [was, is] = [new Set(before), new Set(local.conversations)]
    enter(
      local.conversations.filter((id) => !was.has(id)),
      tell,
    )
    leave(
      before.filter((id) => !is.has(id)),
      tell,
    )
  }

  /** What is so was repeated from `detail.from` on: what was not is over, and its end was in a hole. */
  function checkpoint({ boot: bootId, detail }: ReadRow, tell: Tell): void {
    const from = fromOf(detail)
    const boot = boots.get(bootId)
    if (from === undefined || !boot) return
    for (const [userId, local] of boot) {
      for (const [sessionId, position] of local.sessions)
        if (position < from) endSession(userId, local, sessionId, tell)
      if (local.sessions.size === 0 && local.roomsPosition < from) boot.delete(userId)
    }
  }

  function endBoot(bootId: string, tell: Tell): void {
    for (const [userId, local] of boots.get(bootId) ?? [])
      for (const sessionId of [...local.sessions.keys()]) endSession(userId, local, sessionId, tell)
    boots.delete(bootId)
  }

  function enter(conversations: readonly string[], tell: Tell): void {
    for (const id of conversations) if (change(occupied, id, 1) === 1) tell('conversation.occupied', id)
  }

  function leave(conversations: readonly string[], tell: Tell): void {
    for (const id of conversations) if (change(occupied, id, -1) === 0) tell('conversation.empty', id)
  }
}

function change(counts: Map<string, number>, key: string, by: number): number {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
  return count
}

/** The position of the first row that a checkpoint stands for. */
export function fromOf(detail: string | null): number | undefined {
  if (detail === null) return undefined
  const { from } = JSON.parse(detail) as { readonly from?: unknown }
  return typeof from === 'number' ? from : undefined
}
