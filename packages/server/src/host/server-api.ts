/**
 * What a host asks of presence, and hears of it, in its own process. It knows the engine and no socket, so that the
 * presence for hosts' tests (`testing/test-presence.ts`) answers with the same code.
 */
import { EventEmitter } from 'node:events'
import type { ConversationId, DeviceId, GroupId, UserId } from '@vigie/protocol'
import type { MetricFamily } from './metric-families.js'
import type {
  Effect,
  Engine,
  Explaining,
  Explanation,
  Input,
  Presence,
  RoomName,
  RoomPresence,
  RosterOrSize,
  Spell,
  Stale,
} from '../core/index.js'

/** What the host hears of presence; see {@link PresenceServer.on}. */
export interface PresenceListeners {
  /** A user has come online: the first of their devices. */
  readonly online: (event: { readonly userId: string; readonly count: number }) => void
  /** A user has gone offline: the last of their devices, after its grace. */
  readonly offline: (event: { readonly userId: string }) => void
  readonly typing: (event: {
    readonly userId: string
    readonly conversationId: string
    readonly typing: boolean
  }) => void
}

/** Where the auditor looks for ghosts; see docs/operations.md. */
export type GhostPlace = 'sockets' | 'sessions' | 'rosters' | 'published' | 'rooms'

/** How many ghosts there were, by where they were found. */
export type Ghosts = Readonly<Record<GhostPlace, number>>

export const NO_GHOSTS: Ghosts = { sockets: 0, sessions: 0, rosters: 0, published: 0, rooms: 0 }

/** How many clients are asked, unless told; and how many at most. */
export const CLIENT_AUDIT_SAMPLE_DEFAULT = 100
export const CLIENT_AUDIT_SAMPLE_MAX = 1_000

/** What came of asking clients for a digest of their picture. */
export interface ClientAudit {
  /** Live sessions of this server whose clients said that they answer. Others are never asked. */
  readonly answering: number
  /** How many of them were asked: those that follow, but `skipped`. */
  readonly asked: number
  /** Their picture is what they were told. */
  readonly equal: number
  readonly different: readonly DifferentClient[]
  /** They did not answer within 3 s: a frozen page, a slow line. */
  readonly unanswered: number
  /** Their answer is none of the protocol. */
  readonly malformed: number
  /**
   * They were picked, and could not be compared: something was pending for them all the time, they have gone, or their
   * turn did not come within 5 s.
   */
  readonly skipped: number
}

/** A client whose picture is not what it was told, twice. */
export interface DifferentClient {
  readonly sessionId: string
  readonly userId: string
  /** Its picture is not as of the last frame that was written to it. */
  readonly isBehind: boolean
  /** Where it shows something else: who is in it, who is online or types there, or the number. At most 20. */
  readonly rooms: readonly { readonly kind: RoomName['kind']; readonly id: string }[]
  /** How many more rooms there are. */
  readonly moreRooms: number
  /** How many rooms it shows at least that it was not told of, or was told to forget. */
  readonly extraRooms: number
  /** It knows something else of people with whom it shares no room with names: those who are watched. */
  readonly hasOtherPeople: boolean
  /** It shows other devices of its own user. */
  readonly hasOtherDevices: boolean
}

/** How presence is, as `presence.health()` tells it. Times are milliseconds, and whole numbers. */
export interface PresenceHealth {
  /**
   * How long ago the change feed was last read; `undefined`: it has not been read yet, or these memberships have none that
   * could be late.
   */
  readonly feedAgeMs: number | undefined
  /** The last read of memberships has failed: those known stand, and nobody new is let in. */
  readonly areReadsFailing: boolean
  /** How long the rows that have waited longest for the slow re-read (`rereadMs`) have been due; 0: none waits. */
  readonly rereadOverdueMs: number
  /** How many connections wait to be let in. */
  readonly admissionWaiting: number
  /** How long the first of those who were held back has been waiting to be let in; 0: nobody was. */
  readonly admissionWaitMs: number
  /** How late the event loop is. */
  readonly loopLagMs: number
  /** How many steps (0 to 4) all windows are widened because presence has more to do than there is time for. */
  readonly pressure: number
}

/** Presence on one Socket.IO namespace. */
export interface PresenceServer {
  /** Resolves when connections are let in; rejects with one sentence when the rows cannot be followed. */
  readonly ready: Promise<void>
  /** What others see of a user; of somebody unknown: offline. */
  get(userId: string): Presence
  getMany(userIds: readonly string[]): Map<string, Presence>
  /** Who of a conversation is online. */
  online(conversationId: string): string[]
  /**
   * A group or conversation: how many are in it, who is online, who types. If none of its members is known here, its rows
   * are read first; one without rows has no members.
   * @throws PresenceError `unavailable` when the rows cannot be read
   * @example
   * const { members, online } = await presence.room({ kind: 'conversation', id: 'plan' })
   */
  room(room: { readonly kind: RoomName['kind']; readonly id: string }): Promise<RoomPresence>
  /**
   * The conversations that somebody known here is in, at most `limit` of them, most online first. It looks at all of
   * them: for pages of operators, not for each message.
   */
  busiest(limit: number): readonly RoomPresence[]
  /** Hears of transitions until the function that it returns is called. A listener that throws is logged. */
  on<Name extends keyof PresenceListeners>(event: Name, listener: PresenceListeners[Name]): () => void
  /** Ends a user's typing, in one conversation or everywhere: call it when their message is sent. */
  stopTyping(userId: string, conversationId?: string): void
  /** Ends all sessions of a user, or those of one device, for good: seen at once. */
  kick(userId: string, options?: { readonly deviceId?: string }): void
  /**
   * Rows of these changed: read them again. For hosts that do without the change feed. Name the users who were added:
   * a room alone leads only to those who were in it.
   */
  membershipsChanged(changed: {
    readonly users?: readonly string[]
    readonly groups?: readonly string[]
    readonly conversations?: readonly string[]
  }): void
  /**
   * Adds something that the host did to the audit trail, with the time of the call: that a moderator muted somebody, say.
   * Without a trail it does nothing.
   * @example
   * presence.note({ reason: 'muted', userId: 'ana', detail: { by: 'moderator 7' } })
   */
  note(act: {
    readonly reason: string
    readonly userId?: string
    readonly detail?: Readonly<Record<string, unknown>>
  }): void
  /**
   * Why a user is shown as online or offline: the sessions behind it, and the last transitions with their reasons. With
   * a viewer also: whether that user sees it, through which room, or what hides it. For operators: it says more than
   * any client may know. Each call reads all remembered transitions (`transitionsMax`), so do not ask in a loop.
   * @example
   * const { sessions, transitions, viewer } = presence.explain('ana', 'ben')
   * if (viewer && !viewer.sees) console.log(`Ben does not see Ana: ${viewer.hiddenBy}`)
   */
  explain(userId: string, viewerId?: string): Explanation
  /**
   * Sizes of everything that is kept in memory; and `pressure`: how many steps (0 to 4) all windows are widened because
   * presence has more to do than there is time for.
   */
  sizes(): Readonly<Record<string, number>>
  /**
   * All metrics, as they are now: see docs/metrics.md. For Prometheus, OpenTelemetry (`@vigie/server/otel`) or a page of
   * your own. Asking costs a few milliseconds with tens of thousands of users: do it every few seconds, not at each event.
   */
  metrics(): readonly MetricFamily[]
  /**
   * How many ghosts the auditor found and repaired in its last round and in this one, by place; all 0, unless something
   * is wrong: the log says what. `sizes().ghostsRepaired` counts since the start. See `auditMs`.
   */
  ghosts(): Ghosts
  /**
   * Asks some clients, picked by chance, whether what they show is what they were told. Only clients of
   * `@vigie/client/audit`, and others that answer `presence:digest`, are asked. It takes up to 13 s; a call while another
   * is under way gets the result of that one.
   * @param options `sample`: how many at most, 1 to 1,000. @default 100
   * @throws RangeError (rejects) when `sample` is something else.
   * @example
   * const { asked, different } = await presence.auditClients({ sample: 20 })
   */
  auditClients(options?: { readonly sample?: number }): Promise<ClientAudit>
  /**
   * How well presence can do its work now, for a health check or a monitor of the host's own. It only looks: nothing is read
   * from the store for it.
   * @example
   * const { feedAgeMs = 0 } = presence.health()
   * if (feedAgeMs > 2_000) alarm('Changes of memberships come late.')
   */
  health(): PresenceHealth
  /** Lets go of the server and the rows; connections stay open and hear no more. May be called twice. */
  close(): Promise<void>
}

interface ServerApiOptions {
  readonly engine: Engine
  readonly accept: (input: Input) => void
  /** Read these rows again. */
  readonly invalidate: (stale: Exclude<Stale, 'all'>) => void
  /** The rows of a room, which need not be held. */
  readonly readRoom: (room: RoomName) => Promise<RosterOrSize>
  /** The id as the store spells it. @default as it came */
  readonly spell?: Spell
  /** What only the shell knows when a presence is explained. */
  readonly explaining: Omit<Explaining, 'viewerId'>
  /** A listener of the host has thrown, or its promise was rejected. */
  readonly onFailure: (event: keyof PresenceListeners, error: unknown) => void
}

/** The part of {@link PresenceServer} that needs no more than the engine, and what makes its listeners hear. */
export interface ServerApi {
  readonly methods: Omit<
    PresenceServer,
    'ready' | 'note' | 'sizes' | 'metrics' | 'ghosts' | 'auditClients' | 'health' | 'close'
  >
  /** An effect of the engine; those that no listener hears of are passed over. */
  tell(effect: Effect): void
  /** Nobody hears anything any more. */
  close(): void
}

const asItCame: Spell = (_kind, id) => id

/** A room that is not held: no session here is in it by its own rows. A user in its roster may still be online elsewhere. */
function presenceOfRows(engine: Engine, { kind, id }: RoomName, rows: RosterOrSize): RoomPresence {
  const typing = kind === 'conversation' && { typing: [] }
  if (typeof rows === 'number') return { id, mode: 'count', members: rows, online: 0, ...typing }
  const onlineUsers = rows.filter((userId) => engine.get(userId).online)
  return { id, mode: 'names', members: rows.length, online: onlineUsers.length, onlineUsers, ...typing }
}

export function createServerApi(options: ServerApiOptions): ServerApi {
  const { engine, accept, invalidate, readRoom, spell = asItCame, explaining, onFailure } = options
  const emitter = new EventEmitter()
  const user = (id: string) => spell('user', id as UserId)
  const group = (id: string) => spell('group', id as GroupId)
  const conversation = (id: string) => spell('conversation', id as ConversationId)

  function notify<Name extends keyof PresenceListeners>(
    name: Name,
    event: Parameters<PresenceListeners[Name]>[0],
  ): void {
    for (const listener of emitter.listeners(name) as ((event: unknown) => unknown)[]) {
      try {
        // An `async` listener fails by its promise, which would end the process if nobody looked.
        Promise.resolve(listener(event)).catch((error: unknown) => onFailure(name, error))
      } catch (error) {
        onFailure(name, error)
      }
    }
  }

  return {
    methods: {
      get: (userId) => engine.get(user(userId)),
      // By the ids as they were asked: the host looks them up so.
      getMany: (userIds) => new Map(userIds.map((userId) => [userId, engine.get(user(userId))])),
      online: (conversationId) => [...engine.online(conversation(conversationId))],
      async room({ kind, id }) {
        const name: RoomName = kind === 'group' ? { kind, id: group(id) } : { kind, id: conversation(id) }
        const held = engine.room(name)
        if (held) return held
        const rows = await readRoom(name)
        // A member may have connected while the rows were read.
        return engine.room(name) ?? presenceOfRows(engine, name, rows)
      },
      busiest: (limit) => engine.busiest(limit),
      on(event, listener) {
        emitter.on(event, listener)
        return () => emitter.off(event, listener)
      },
      explain: (userId, viewerId) =>
        engine.explain(user(userId), {
          ...explaining,
          viewerId: viewerId === undefined ? undefined : user(viewerId),
        }),
      stopTyping(userId, conversationId) {
        accept({
          type: 'stopTyping',
          userId: user(userId),
          conversationId: conversationId === undefined ? undefined : conversation(conversationId),
        })
      },
      kick(userId, { deviceId } = {}) {
        accept({ type: 'kick', userId: user(userId), deviceId: deviceId as DeviceId | undefined })
      },
      membershipsChanged(changed) {
        const users = (changed.users ?? []).map(user)
        const groups = (changed.groups ?? []).map(group)
        const conversations = (changed.conversations ?? []).map(conversation)
        // Who was in a room that changed: rows of theirs have, too.
        const members = [
          ...groups.flatMap((id) => engine.members({ kind: 'group', id })),
          ...conversations.flatMap((id) => engine.members({ kind: 'conversation', id })),
        ]
        // Of a user whose rows changed, the rooms have changed: those that they are in, or were.
        const rooms = users.flatMap((id) => engine.roomsOf(id))
        const idsOf = <Id>(kind: RoomName['kind'], named: readonly Id[]) => [
          ...new Set([...named, ...rooms.flatMap((room) => (room.kind === kind ? [room.id as Id] : []))]),
        ]
        invalidate({
          users: [...new Set([...users, ...members])],
          groups: idsOf('group', groups),
          conversations: idsOf('conversation', conversations),
        })
      },
    },
    tell(effect) {
      if (effect.type === 'typing') {
        const { userId, conversationId, typing } = effect
        notify('typing', { userId, conversationId, typing })
      } else if (effect.type === 'presence' && effect.before.online !== effect.after.online) {
        const { userId, after } = effect
        if (after.online) notify('online', { userId, count: after.count })
        else notify('offline', { userId })
      }
    },
    close() {
      emitter.removeAllListeners()
    },
  }
}
