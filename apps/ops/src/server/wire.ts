/** What the HTTP API answers, as far as the page asks. Page and server are one release, so that it is taken as it is. */
import type { Explanation, MetricFamily } from '@vigie/server'

export type {
  ExplainedRoom,
  ExplainedSession,
  ExplainedTransition,
  ExplainedViewer,
  Explanation,
  MetricFamily,
  MetricSample,
  TransitionReason,
} from '@vigie/server'

/** `GET /v1/monitor`. Times are milliseconds since 1970, by the server's clock. */
export interface MonitorAnswer {
  readonly node: string
  readonly version: string
  readonly startedAt: number
  readonly now: number
  readonly metrics: readonly MetricFamily[]
}

/** One of `GET /v1/conversations`. */
export interface Conversation {
  readonly id: string
  readonly mode: 'names' | 'count'
  readonly members: number
  readonly online: number
  /** Who types, or how many. */
  readonly typing?: readonly string[] | number
}

/** `GET /v1/conversations/{conversationId}`. */
export interface ConversationAnswer extends Conversation {
  /** Absent where the room is too large for names. */
  readonly onlineUsers?: readonly string[]
}

/** What the page asks of the server. */
export interface Api {
  monitor(signal?: AbortSignal): Promise<MonitorAnswer>
  busiest(signal?: AbortSignal): Promise<readonly Conversation[]>
  conversation(id: string, signal?: AbortSignal): Promise<ConversationAnswer>
  explain(userId: string, viewerId?: string, signal?: AbortSignal): Promise<Explanation>
  /** Resolves when the server has accepted it; without a device, all sessions of the user are ended. */
  kick(userId: string, deviceId?: string): Promise<void>
  /** From now on asked with this key. It is kept in this object and nowhere else. */
  useKey(key: string): void
  hasKey(): boolean
}
