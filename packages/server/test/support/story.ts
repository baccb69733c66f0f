import type { ClientId, ConversationId, DeviceId, SessionId, UserId } from '@vigie/protocol'
import {
  createEngine,
  resolveSettings,
  type DueSession,
  type Effect,
  type Input,
  type KnownRoom,
  type KnownRooms,
  type PresenceEvent,
  type Settings,
} from '../../src/core/index.js'

export interface StoryUser {
  readonly groups?: Readonly<Record<string, number>> | readonly string[]
  readonly conversations?: Readonly<Record<string, number>> | readonly string[]
}

/**
 * A story told to an engine: people with their rows, what happens to them, and what each of them is told. The
 * numbers of members default to how many of the story's people are in the room.
 */
export function story(people: Readonly<Record<string, StoryUser>>, settings: Partial<Settings> = {}) {
  const engine = createEngine(resolveSettings(settings))
  const heard = new Map<string, string[]>()
  const blocked = new Set<string>()
  const due = new Map<string, DueSession>()
  const effects: Effect[] = []
  let now = 1_000
  let made = 0

  function sizeOf(kind: 'groups' | 'conversations', id: string): number {
    return Object.values(people).filter((person) => ids(person[kind]).includes(id)).length
  }

  function rowsOf(user: string): KnownRooms {
    const person = people[user] ?? {}
    const sizes = (kind: 'group' | 'conversation') =>
      ids(person[`${kind}s`]).map((id) => {
        const given = person[`${kind}s`]
        const size = given && !Array.isArray(given) ? (given as Record<string, number>)[id] : undefined
        return roomOf(kind, id, size ?? sizeOf(`${kind}s`, id))
      })
    return [...sizes('group'), ...sizes('conversation')]
  }

  function apply(input: Input): readonly Effect[] {
    const result = engine.apply(input, now)
    effects.push(...result)
    for (const effect of result)
      if (effect.type === 'due') for (const session of effect.sessions) due.set(session.id, session)
    deliver()
    return result
  }

  function deliver(): void {
    for (const [sessionId, session] of [...due]) {
      if (blocked.has(sessionId)) continue
      due.delete(sessionId)
      const lines = engine.take(session, now).map(line)
      heard.set(sessionId, [...(heard.get(sessionId) ?? []), ...lines])
    }
  }

  return {
    engine,
    apply,
    /** A new connection; the name of its session. */
    connect(
      user: string,
      {
        device,
        client,
        label,
        expiresInMs,
      }: { device?: string; client?: string; label?: string; expiresInMs?: number } = {},
    ) {
      const sessionId = `${user}/${++made}`
      apply({
        type: 'connect',
        sessionId: sessionId as SessionId,
        userId: user as UserId,
        rooms: rowsOf(user),
        deviceId: device as DeviceId | undefined,
        clientId: client as ClientId | undefined,
        label,
        since: now,
        expiresAt: expiresInMs === undefined ? undefined : now + expiresInMs,
      })
      return sessionId
    },
    lose: (session: string) => apply({ type: 'lost', sessionId: session as SessionId }),
    disconnect: (session: string) => apply({ type: 'disconnected', sessionId: session as SessionId }),
    leave: (session: string, scope: 'session' | 'device' = 'session') =>
      apply({ type: 'leave', sessionId: session as SessionId, scope }),
    kick: (user: string, deviceId?: string) =>
      apply({ type: 'kick', userId: user as UserId, deviceId: deviceId as DeviceId | undefined }),
    background: (session: string, graceMs: number) =>
      apply({ type: 'background', sessionId: session as SessionId, graceMs }),
    type: (session: string, conversation: string) =>
      apply({
        type: 'typing',
        sessionId: session as SessionId,
        conversationId: conversation as ConversationId,
        typing: true,
      }),
    stopTyping: (session: string, conversation: string) =>
      apply({
        type: 'typing',
        sessionId: session as SessionId,
        conversationId: conversation as ConversationId,
        typing: false,
      }),
    hostStopTyping: (user: string, conversation?: string) =>
      apply({
        type: 'stopTyping',
        userId: user as UserId,
        conversationId: conversation as ConversationId | undefined,
      }),
    /** The rows of a user are these now. */
    rows(user: string, rows: StoryUser) {
      ;(people as Record<string, StoryUser>)[user] = rows
      return apply({ type: 'memberships', userId: user as UserId, rooms: rowsOf(user) })
    },
    size(kind: 'group' | 'conversation', id: string, size: number) {
      apply({
        type: 'rooms',
        rooms: [roomOf(kind, id, size)],
      })
    },
    /** Time passes, each deadline at its own moment. */
    wait(ms: number) {
      const end = now + ms
      for (let at = engine.nextDeadline(); at !== undefined && at <= end; at = engine.nextDeadline()) {
        now = Math.max(now, at)
        apply({ type: 'wake' })
      }
      now = end
    },
    block: (session: string) => blocked.add(session),
    unblock(session: string) {
      blocked.delete(session)
      deliver()
    },
    /** What the session was told since it was last asked, a line each. */
    hear(session: string): string[] {
      const lines = heard.get(session) ?? []
      heard.delete(session)
      return lines
    },
    closed: () =>
      effects.flatMap((effect) => (effect.type === 'close' ? [`${effect.sessionId} ${effect.why}`] : [])),
    get: (user: string) => engine.get(user as UserId),
  }
}

function ids(given: StoryUser['groups']): readonly string[] {
  return given === undefined ? [] : Array.isArray(given) ? (given as readonly string[]) : Object.keys(given)
}

/** An event as a short line: `bob 1`, `bob 1 in c`, `bob types in c`. Devices are left out unless asked for. */
function line(event: PresenceEvent): string {
  switch (event.name) {
    case 'presence:update':
      return `${event.payload.userId} ${event.payload.count}`
    case 'presence:conversation':
      return `${event.payload.userId} ${event.payload.count} in ${event.payload.conversationId}`
    case 'typing:start':
      return `${event.payload.userId} types in ${event.payload.convId}`
    case 'typing:stop':
      return `${event.payload.userId} stops in ${event.payload.convId}`
    case 'presence:occupancy': {
      const { groupId, conversationId, members, online } = event.payload
      return `${groupId ?? conversationId}: ${online} of ${members}`
    }
    case 'presence:devices':
      return `devices ${event.payload.devices.map((device) => device.label ?? device.deviceId).join(' ')}`
    case 'presence:state':
    case 'presence:diff':
      return JSON.stringify(event.payload)
  }
}

function roomOf(kind: 'group' | 'conversation', id: string, members: number): KnownRoom {
  return { kind, id, value: members } as KnownRoom
}
