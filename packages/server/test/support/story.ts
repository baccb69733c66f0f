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
 * A story told to an engine: people with their rows, what happens to them, and what each of them is told. A room has
 * the story's people whose rows name it as members; a number beside it adds strangers up to that size.
 */
export function story(people: Readonly<Record<string, StoryUser>>, settings: Partial<Settings> = {}) {
  const resolved = resolveSettings(settings)
  const { namesMax } = resolved
  const engine = createEngine(resolved)
  const heard = new Map<string, string[]>()
  const blocked = new Set<string>()
  const due = new Map<string, DueSession>()
  const effects: Effect[] = []
  let now = 1_000
  let made = 0

  /** The story's people whose rows name the room, and strangers up to the size that somebody gave. */
  function rosterOf(kind: 'group' | 'conversation', id: string, size = 0): readonly string[] {
    const roster = Object.keys(people).filter((name) => ids(people[name]?.[`${kind}s`]).includes(id))
    for (let n = roster.length; n < size; n++) roster.push(`stranger-${n}`)
    return roster
  }

  function roomOf(kind: 'group' | 'conversation', id: string, size?: number): KnownRoom {
    const sizes = Object.values(people).flatMap((person) => sizesIn(person[`${kind}s`])[id] ?? [])
    const roster = rosterOf(kind, id, size ?? Math.max(0, ...sizes))
    return { kind, id, value: roster.length > namesMax ? roster.length : roster } as KnownRoom
  }

  function roomsOf(user: StoryUser): KnownRooms {
    return (['group', 'conversation'] as const).flatMap((kind) =>
      ids(user[`${kind}s`]).map((id) => roomOf(kind, id)),
    )
  }

  function apply(input: Input, delivery: 'now' | 'later' = 'now'): readonly Effect[] {
    const result = engine.apply(input, now)
    effects.push(...result)
    for (const effect of result)
      if (effect.type === 'due') for (const session of effect.sessions) due.set(session.id, session)
    if (delivery === 'now') deliver()
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
        rooms: roomsOf(people[user] ?? {}),
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
    /** The rows of a user are these now: the rooms that they name, or named, are read, and then the user. */
    rows(user: string, rows: StoryUser) {
      const before = people[user] ?? {}
      ;(people as Record<string, StoryUser>)[user] = rows
      const rooms = [...roomsOf(before), ...roomsOf(rows)]
      const unique = rooms.filter(
        ({ kind, id }, place) => rooms.findIndex((other) => other.kind === kind && other.id === id) === place,
      )
      apply({ type: 'rooms', rooms: unique }, 'later')
      return apply({ type: 'memberships', userId: user as UserId, rooms: roomsOf(rows) })
    },
    /** Of a change the user's read answers, and the rooms' do not. */
    readUser: (user: string, rows: StoryUser) =>
      apply({ type: 'memberships', userId: user as UserId, rooms: roomsOf(rows) }),
    /** Of a change the room's read answers, and the users' do not. */
    readRoom: (kind: 'group' | 'conversation', id: string, roster: readonly string[]) =>
      apply({ type: 'rooms', rooms: [{ kind, id, value: roster } as unknown as KnownRoom] }),
    /** What was to be read again, a line each. */
    rereads: () =>
      effects.flatMap((effect) =>
        effect.type === 'reread' ? [`${effect.userId} ${effect.rooms.map(({ id }) => id).join(' ')}`] : [],
      ),
    size(kind: 'group' | 'conversation', id: string, size: number) {
      apply({ type: 'rooms', rooms: [roomOf(kind, id, size)] })
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

function sizesIn(given: StoryUser['groups']): Readonly<Record<string, number>> {
  return given === undefined || Array.isArray(given) ? {} : (given as Readonly<Record<string, number>>)
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
