/**
 * Beside step 3 · selections of the store as hooks. They hold no policy: what is known, and when a component wakes, is the
 * store's to say. On a server, and while a page that a server has rendered is hydrated, nothing is known.
 */
import { useEffect, useMemo, useSyncExternalStore } from 'react'
import type {
  BackOffReason,
  CloseReason,
  ConnectionState,
  Mode,
  Occupancy,
  OwnDevices,
  PresenceError,
  PresenceView,
  Selector,
  TypingInput,
  UserPresence,
} from '../index.js'
import { usePresenceClient, usePresenceContext } from './context.js'

/** How {@link usePresence} asks. */
export interface UsePresenceOptions {
  /**
   * Whether to watch the user while the component is there. `false`: only what rooms tell, for a list of which all are in
   * a room with names. @default true
   */
  readonly watch?: boolean | undefined
}

/**
 * Who of a conversation or group is online. `known`: true now. `unknown` with a `mode`: the connection is away, and this is
 * what was true last. `unknown` without one: not a member, or the server has not answered yet.
 */
export type RoomPresence =
  | {
      readonly status: 'known' | 'unknown'
      readonly mode: Mode
      /** How many members there are. */
      readonly members: number
      /** How many of them are online; in `count` mode rounded by the server. */
      readonly online: number
      /** Who is online, in no particular order; empty in `count` mode. */
      readonly userIds: readonly string[]
    }
  | {
      readonly status: 'unknown'
      readonly mode: undefined
      readonly members: undefined
      readonly online: undefined
      readonly userIds: readonly string[]
    }

/** The connection, as a banner needs it. */
export interface PresenceConnection {
  readonly name: ConnectionState['name']
  /** Whether all that is shown is true now. */
  readonly isLive: boolean
  /** Whether an attempt has failed or a connection was lost, and it comes back by itself; false at the first attempt. */
  readonly isReconnecting: boolean
  /** Why it waits for the next attempt, or why it is over. */
  readonly reason: BackOffReason | CloseReason | undefined
  /** When the next attempt begins, in milliseconds since 1970; only while it waits for one. */
  readonly untilMs: number | undefined
  /** What the server said when it ended it for good. */
  readonly error: PresenceError | undefined
}

const UNKNOWN_USER: UserPresence = { status: 'unknown', since: undefined, last: undefined }
const NOBODY: readonly string[] = []
const UNKNOWN_ROOM: RoomPresence = {
  status: 'unknown',
  mode: undefined,
  members: undefined,
  online: undefined,
  userIds: NOBODY,
}
const NO_DEVICES: OwnDevices = { count: 0, devices: [] }
const IDLE: PresenceConnection = connectionOf({ name: 'idle' })

/**
 * The presence of one user. Watches them while the component is there, however many components show them; over 200 people
 * at a time, who comes later is not watched, is known from rooms only, and `onError` of the provider hears of it.
 *
 * @example
 * const ben = usePresence('ben')
 * return <span>{ben.status === 'known' ? (ben.online ? 'online' : 'offline') : '…'}</span>
 */
export function usePresence(userId: string, { watch = true }: UsePresenceOptions = {}): UserPresence {
  const { client, report } = usePresenceContext()
  useEffect(() => {
    if (!watch) return undefined
    try {
      return client.watch([userId])
    } catch (error) {
      // Thrown from an effect it would take the whole page down for the 201st row of a list.
      report(error)
      return undefined
    }
  }, [client, report, userId, watch])
  return useSelected(presenceOf, userId, UNKNOWN_USER)
}

/**
 * Who of a conversation's members is online, and how many. The same object until one of them is another.
 *
 * @example
 * const { mode, online, members } = useOnlineMembers('plan')
 * return <small>{mode && `${online} of ${members} online`}</small>
 */
export function useOnlineMembers(conversationId: string): RoomPresence {
  return useSelected(conversationOf, conversationId, UNKNOWN_ROOM)
}

/** The same as {@link useOnlineMembers}, of a group. */
export function useGroupPresence(groupId: string): RoomPresence {
  return useSelected(groupOf, groupId, UNKNOWN_ROOM)
}

/** The ids of the others who type in a conversation; nobody while the connection is away. */
export function useTyping(conversationId: string): readonly string[] {
  return useSelected(typingOf, conversationId, NOBODY)
}

/** One's own devices. */
export function useDevices(): OwnDevices {
  return useSelected(devicesOf, '', NO_DEVICES)
}

/** Where the connection is, and why. */
export function usePresenceConnection(): PresenceConnection {
  return useSelected(stateOf, '', IDLE)
}

/**
 * A `ref` for one text field: others see its typing. It ends on Enter, when the field is emptied by the person or left, and
 * when the component goes. A field that a program empties tells nobody: call the client's `stopTyping` when the message goes
 * out by a button.
 *
 * @example
 * const typing = useTypingInput('plan')
 * return <textarea ref={typing} />
 */
export function useTypingInput(conversationId: string): (field: TypingInput | null) => void {
  const client = usePresenceClient()
  return useMemo(() => {
    let unbind: (() => void) | undefined
    // React calls it with `null` when the field goes, and before another conversation's is called. Returning the way to
    // unbind instead is understood from React 19 on only.
    return (field) => {
      unbind?.()
      unbind = field ? client.bindTyping(field, conversationId) : undefined
    }
  }, [client, conversationId])
}

/**
 * `selectorOf` must be the same function at each render; `onServer` the same value. A selection to which nobody listens
 * holds nothing in the store, so that a render which React throws away leaves nothing behind.
 */
function useSelected<Value>(selectorOf: (id: string) => Selector<Value>, id: string, onServer: Value): Value {
  const client = usePresenceClient()
  const { subscribe, get } = useMemo(() => {
    const selection = client.select(selectorOf(id))
    return {
      subscribe: (listener: () => void) => selection.subscribe(listener),
      get: () => selection.get(),
    }
  }, [client, selectorOf, id])
  return useSyncExternalStore(subscribe, get, () => onServer)
}

function presenceOf(userId: string): Selector<UserPresence> {
  return (view) => view.presence(userId)
}

function conversationOf(id: string): Selector<RoomPresence> {
  return (view) => roomOf(view, view.conversationOccupancy(id), () => view.getOnlineUsersInConversation(id))
}

function groupOf(id: string): Selector<RoomPresence> {
  return (view) => roomOf(view, view.groupOccupancy(id), () => view.getOnlineUsersInGroup(id))
}

function roomOf(
  view: PresenceView,
  occupancy: Occupancy | undefined,
  userIds: () => readonly string[],
): RoomPresence {
  if (!occupancy) return UNKNOWN_ROOM
  const status = view.state().name === 'live' ? 'known' : 'unknown'
  return { status, ...occupancy, userIds: occupancy.mode === 'names' ? userIds() : NOBODY }
}

function typingOf(conversationId: string): Selector<readonly string[]> {
  return (view) => view.typing(conversationId)
}

function devicesOf(): Selector<OwnDevices> {
  return (view) => view.devices()
}

function stateOf(): Selector<PresenceConnection> {
  return (view) => connectionOf(view.state())
}

function connectionOf(state: ConnectionState): PresenceConnection {
  const attempt = 'attempt' in state ? state.attempt : 0
  return {
    name: state.name,
    isLive: state.name === 'live',
    isReconnecting: attempt > 0,
    reason: 'reason' in state ? state.reason : undefined,
    untilMs: state.name === 'backingOff' ? state.untilMs : undefined,
    error: state.name === 'closed' ? state.error : undefined,
  }
}
