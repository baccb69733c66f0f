/**
 * What the demo's server answers over HTTP. Page and server are one release, so that what comes is taken as it is:
 * an app of its own would check it here.
 */
import type { Message } from '../chat/thread.js'

export interface Person {
  readonly userId: string
  readonly name: string
}

/** A conversation or a group, with its members by name; of a crowd only how many there are. */
export interface Room {
  readonly kind: 'direct' | 'team' | 'project' | 'company' | 'group'
  readonly id: string
  readonly title: string
  readonly size: number
  readonly members: readonly Person[]
}

export interface World {
  readonly me: Person
  readonly conversations: readonly Room[]
  readonly groups: readonly Room[]
}

interface WorldAnswer {
  readonly me: Person
  readonly conversations: readonly (Omit<Room, 'id'> & { readonly conversationId: string })[]
  readonly groups: readonly (Omit<Room, 'id' | 'kind'> & { readonly groupId: string })[]
}

/** An answer that has not come by then will not come. */
const ANSWER_MS = 10_000

/** Who one can be. */
export function fetchPeople(): Promise<readonly Person[]> {
  return fetchJson<readonly Person[]>('demo/users')
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
  const { me, conversations, groups } = await fetchJson<WorldAnswer>('demo/world', withToken(token))
  return {
    me,
    conversations: conversations.map(({ conversationId: id, ...room }) => ({ ...room, id })),
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
  if (!response.ok) throw new Error(`${path} answered ${response.status}.`)
  return (await response.json()) as Answer
}
