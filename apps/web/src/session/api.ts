/**
 * What the demo's server answers over HTTP. Page and server are one release, so that what comes is taken as it is:
 * an app of its own would check it here.
 */
import type { Message } from '../chat/thread.js'

export interface Person {
  readonly userId: string
  readonly name: string
  /** What colleagues call them; unknown of those one can sign in as. */
  readonly givenName?: string
}

/** A conversation or a group, with its members by name; of a crowd only how many there are. */
export interface Room {
  readonly kind: 'direct' | 'team' | 'project' | 'company' | 'group'
  readonly id: string
  readonly title: string
  readonly size: number
  readonly members: readonly Person[]
  /** A conversation with one person to whom nobody has written yet: it stands in the list once somebody does. */
  readonly isNew?: boolean
}

export interface World {
  readonly me: Person
  readonly conversations: readonly Room[]
  readonly groups: readonly Room[]
}

interface WorldAnswer {
  readonly me: Person
  readonly conversations: readonly ConversationAnswer[]
  readonly directs: readonly ConversationAnswer[]
  readonly groups: readonly (Omit<Room, 'id' | 'kind'> & { readonly groupId: string })[]
}

type ConversationAnswer = Omit<Room, 'id' | 'isNew'> & { readonly conversationId: string }

/** The server answered, and not with what was asked for. */
export class RefusedError extends Error {
  readonly status: number

  constructor(path: string, status: number) {
    super(`${path} answered ${status}.`)
    this.name = 'RefusedError'
    this.status = status
  }
}

/** An answer that has not come by then will not come. */
const ANSWER_MS = 10_000

/** Who one can be, among those who speak a language. */
export function fetchPeople(lang: string): Promise<readonly Person[]> {
  return fetchJson<readonly Person[]>(`demo/users?lang=${encodeURIComponent(lang)}`)
}

/** A fresh token. */
export async function fetchToken(userId: string): Promise<string> {
  const { token } = await fetchJson<{ token: string }>('demo/login', {
    method: 'POST',
    body: JSON.stringify({ userId }),
  })
  return token
}

export async function fetchWorld(token: string): Promise<World> {
  const { me, conversations, directs, groups } = await fetchJson<WorldAnswer>('demo/world', withToken(token))
  return {
    me,
    conversations: [
      ...conversations.map(({ conversationId: id, ...room }) => ({ ...room, id })),
      ...directs.map(({ conversationId: id, ...room }) => ({ ...room, id, isNew: true })),
    ],
    groups: groups.map(({ groupId: id, ...room }) => ({ ...room, id, kind: 'group' })),
  }
}

export function fetchMessages(token: string): Promise<readonly Message[]> {
  return fetchJson<readonly Message[]>('demo/messages', withToken(token))
}

function withToken(token: string): RequestInit {
  return { headers: { Authorization: `Bearer ${token}` } }
}

async function fetchJson<Answer>(path: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(path, { ...init, signal: AbortSignal.timeout(ANSWER_MS) })
  if (!response.ok) throw new RefusedError(path, response.status)
  return (await response.json()) as Answer
}
