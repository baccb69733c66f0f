/**
 * Everything that can happen to the engine, and everything that it can ask of its shell. A history of inputs
 * with their times determines every effect and every delivery: that is what the tests and the simulation replay.
 */
import type {
  ClientId,
  ConversationId,
  DeviceId,
  ErrorCode,
  GroupId,
  Mode,
  Position,
  PresenceServerEvents,
  Protocol,
  SessionId,
  UserId,
} from '@vigie/protocol'

/** A room with what its rows say: an object that the engine may keep as the room's name, and reads once. */
export type KnownRoom = RoomName & {
  /** Absent: its rows have not been read; a room that is held keeps what was read before. */
  readonly value?: RosterOrSize | undefined
}

/** Each room once. Not a map: there is a list for each user who is read, and it is passed on as it is. */
export type KnownRooms = readonly KnownRoom[]

/** The members' ids, each once; above `namesMax`, where names are not read, only how many there are. */
export type RosterOrSize = readonly UserId[] | number

export type Input =
  /** A connection was let in. */
  | {
      readonly type: 'connect'
      readonly sessionId: SessionId
      readonly userId: UserId
      readonly rooms: KnownRooms
      readonly protocol?: Protocol | undefined
      /** Protocol 2: what the client has already. */
      readonly position?: Position | undefined
      readonly deviceId?: DeviceId | undefined
      readonly clientId?: ClientId | undefined
      readonly label?: string | undefined
      /** Wall clock, milliseconds since 1970; shown to the user, never compared. */
      readonly since: number
      /** When the token ends, on the engine's clock. */
      readonly expiresAt?: number | undefined
      /** The shell's own: comes back with each `due`, so that nobody has to be looked up to be written to. */
      readonly outlet?: unknown
    }
  /** The connection ended without a word; on a drain it has the re-attach grace. */
  | { readonly type: 'lost'; readonly sessionId: SessionId; readonly isDrain?: boolean }
  /** The client disconnected by itself: it has `leaveGraceMs`. */
  | { readonly type: 'disconnected'; readonly sessionId: SessionId }
  /** The client said that it goes: at once. */
  | { readonly type: 'leave'; readonly sessionId: SessionId; readonly scope: 'session' | 'device' }
  /** The host ends all sessions of a user, or those of one device, or one. */
  | {
      readonly type: 'kick'
      readonly userId: UserId
      readonly deviceId?: DeviceId | undefined
      readonly sessionId?: SessionId | undefined
    }
  /** The client is about to be frozen. */
  | { readonly type: 'background'; readonly sessionId: SessionId; readonly graceMs: number }
  /** It is not: the client runs again. */
  | { readonly type: 'foreground'; readonly sessionId: SessionId }
  /** The token of a session now ends at `at`, on the engine's clock; undefined: never. */
  | { readonly type: 'expires'; readonly sessionId: SessionId; readonly at: number | undefined }
  | {
      readonly type: 'typing'
      readonly sessionId: SessionId
      readonly conversationId: ConversationId
      readonly typing: boolean
    }
  /** The host ends a user's typing: in one conversation, or everywhere. */
  | {
      readonly type: 'stopTyping'
      readonly userId: UserId
      readonly conversationId?: ConversationId | undefined
    }
  /** The rows of a known user were read again. */
  | { readonly type: 'memberships'; readonly userId: UserId; readonly rooms: KnownRooms }
  /** The rows of rooms were read again. */
  | { readonly type: 'rooms'; readonly rooms: KnownRooms }
  /** Protocol 2: people on the session's screen. */
  | {
      readonly type: 'watch'
      readonly sessionId: SessionId
      readonly add: readonly UserId[]
      readonly remove: readonly UserId[]
    }
  /** Another node's devices of a user; none: the user has left that node. Older `seq`s are ignored. */
  | {
      readonly type: 'contribution'
      readonly node: string
      readonly epoch: string
      readonly seq: number
      readonly userId: UserId
      readonly devices: readonly string[]
    }
  /** Another node's lease has ended: what it knew counts for the re-attach grace. */
  | { readonly type: 'nodeLost'; readonly node: string; readonly epoch: string }
  /** The loop is late, or no longer: sessions are written at most once in this time, but not more often than `windowMs`. */
  | { readonly type: 'window'; readonly ms: number }
  /**
   * How long people have been held back at admission, in milliseconds; 0: nobody is. While somebody is, graces that
   * end are put off by that long, each by at most `admissionWaitMs` in all: a client that waits for its admission is not shown as offline.
   */
  | { readonly type: 'admission'; readonly delayMs: number }
  /** The auditor found that what others see of a user, or a large room's number, is not what it is made of: derive it anew. */
  | { readonly type: 'settle'; readonly place: Place }
  /** A deadline has come. */
  | { readonly type: 'wake' }

/** What others see of a user. `online` is `count > 0`, always. */
export interface Presence {
  readonly online: boolean
  /** Devices, not connections. */
  readonly count: number
}

/** What a host may know of a group or conversation. Of somebody who is not known here it takes no notice. */
export interface RoomPresence {
  readonly id: string
  /** `count`: it is too large for names (`namesMax`). */
  readonly mode: Mode
  readonly members: number
  readonly online: number
  /** Who is online; in names mode only. */
  readonly onlineUsers?: readonly string[]
  /** Who types, as its members are told; of a conversation only. */
  readonly typing?: readonly string[]
}

/** Why the shell ends a connection. What it tells the client, and how, is the shell's table. */
export type CloseReason =
  'replaced' | 'left' | Extract<ErrorCode, 'kicked' | 'logged_out' | 'token_expired' | 'too_many_sessions'>

/** A session in the hands of the shell: what `take` wants back. */
export interface DueSession {
  readonly id: SessionId
  /** What the shell gave with `connect`. */
  readonly outlet: unknown
}

/** Why a user's sessions, or what others see of the user, became what they are. */
export const TRANSITION_REASONS = [
  /** A session began. */
  'connected',
  /** A session took over a lost one, within its grace. */
  'returned',
  /** A session took over one whose connection was still there: the same program connected again. */
  'replaced',
  /** A connection ended without a word; its session counts until its grace is over. */
  'lost',
  /** The grace of a lost session was over. */
  'grace_over',
  /** The client said that it goes, or disconnected by itself. */
  'left',
  /** The client logged its device out. */
  'logged_out',
  /** The host ended the session. */
  'kicked',
  /** The token of a session ended; the session counts until its grace is over. */
  'token_expired',
  /** The user had `sessionsPerUserMax` sessions: a connection was refused, or a lost session gave way to a new one. */
  'too_many_sessions',
  /** Another node said which devices the user has there, and others saw a difference. */
  'other_node',
  /** The re-attach grace of a node that died was over, and others saw a difference. */
  'node_lost',
] as const
export type TransitionReason = (typeof TRANSITION_REASONS)[number]

export type Effect =
  /**
   * The last effect: these sessions, each once, have something pending and their slots have come. Call `take` for each when
   * its transport can be written.
   */
  | { readonly type: 'due'; readonly sessions: readonly DueSession[] }
  | { readonly type: 'close'; readonly sessionId: SessionId; readonly why: CloseReason }
  /** The input was refused and changed nothing. */
  | { readonly type: 'refused'; readonly code: ErrorCode }
  /** A transition. */
  | {
      readonly type: 'presence'
      readonly userId: UserId
      readonly before: Presence
      readonly after: Presence
      /** Of the last thing that happened to a session of the user. */
      readonly reason: TransitionReason
      /** When: of a grace that is over, its end, however late the shell has called. */
      readonly at: number
    }
  | {
      readonly type: 'typing'
      readonly userId: UserId
      readonly conversationId: ConversationId
      readonly typing: boolean
      /** When: of a lease that has ended, its end. */
      readonly at: number
    }
  /** For a record of what happened, if the engine was made to tell it. */
  | Recorded
  /** The user's memberships are needed, and have to be kept up to date, until `forget`. */
  | { readonly type: 'want'; readonly userId: UserId }
  | { readonly type: 'forget'; readonly userId: UserId }
  /** A room is held no longer that these sessions were in: its roster named users whose own rows do not say so. */
  | { readonly type: 'unplaced'; readonly sessionIds: readonly SessionId[] }
  /** The user's own rows and those of these rooms disagree, and have for a while: both are to be read again. */
  | { readonly type: 'reread'; readonly userId: UserId; readonly rooms: readonly RoomName[] }

/** What a record of the past is made from: see `createEngine`. */
export type Recorded =
  /** A session is in this state from now on; the user is online as long as one is live or lost. */
  | {
      readonly type: 'session'
      readonly state: 'live' | 'lost' | 'ended'
      readonly reason: TransitionReason
      readonly userId: UserId
      readonly sessionId: SessionId
      /** Devices of one user are counted once by it. */
      readonly device: string
      /** When the device came: milliseconds since 1970. */
      readonly since: number
      /** On the engine's clock. */
      readonly at: number
    }
  /** A local user's own rows name these rooms from now on. */
  | {
      readonly type: 'rooms'
      readonly userId: UserId
      /** Nothing was known of this user's rows before. */
      readonly isFirst: boolean
      readonly rooms: readonly RoomName[]
      readonly at: number
    }

export type RoomName =
  | { readonly kind: 'group'; readonly id: GroupId }
  | { readonly kind: 'conversation'; readonly id: ConversationId }

/** Somebody, or something that somebody is in. */
export type Place = RoomName | { readonly kind: 'user'; readonly id: UserId }

/** Those that the engine never asks for: the shell's own. */
type EventNames = Exclude<keyof PresenceServerEvents, 'presence:closed' | 'presence:digest'>
/** One event for a client. The same fact for many recipients is the same object: it need be encoded only once. */
export type PresenceEvent = {
  [Name in EventNames]: {
    readonly name: Name
    readonly payload: Parameters<PresenceServerEvents[Name]>[0]
  }
}[EventNames]
