/**
 * Beside step 3 · selections of the store as hooks. They hold no policy: what is known, and when a component wakes, is the
 * store's to say. On a server, and while a page that a server has rendered is hydrated, nothing is known.
 */
import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type {
  BackOffReason,
  CloseReason,
  ConnectionState,
  IsEqual,
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

/** How {@link usePresenceSelector} compares. */
export interface UsePresenceSelectorOptions<Value> {
  /** Whether two values say the same. @default lists item by item, plain objects field by field, anything else by identity */
  readonly isEqual?: IsEqual<Value> | undefined
}

/** An id, or none yet: nothing is known of nobody and of no room. */
type MaybeId = string | null | undefined

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
const IDLE: ConnectionState = { name: 'idle' }

/** What a server can say, and a page until it is hydrated. */
const NOTHING_KNOWN: PresenceView = {
  isUserOnlineInConversation: () => false,
  isUserOnlineInGroup: () => false,
  getOnlineUsersInConversation: () => NOBODY,
  getOnlineUsersInGroup: () => NOBODY,
  conversationOccupancy: () => undefined,
  groupOccupancy: () => undefined,
  typing: () => NOBODY,
  presence: () => UNKNOWN_USER,
  devices: () => NO_DEVICES,
  conversations: () => NOBODY,
  groups: () => NOBODY,
  state: () => IDLE,
}

/**
 * The presence of one user. Watches them while the component is there, however many components show them. At most 200
 * people can be watched at a time: who comes later is known from rooms only until others go, and the client's `onError`
 * hears `too_many_watched`.
 *
 * Without an id (`undefined`, `null`) it is unknown and nobody is watched. So it is with an id that no user can have (`''`,
 * or over 128 characters); the client's `onError` hears of each of those once, as `invalid_payload`. It never throws.
 *
 * @example
 * const ben = usePresence(user?.id)
 * return <span>{ben.status === 'known' ? (ben.online ? 'online' : 'offline') : '…'}</span>
 */
export function usePresence(userId: MaybeId, { watch = true }: UsePresenceOptions = {}): UserPresence {
  const { client, report } = usePresenceContext()
  useEffect(() => {
    if (!watch || userId === undefined || userId === null) return undefined
    try {
      return client.watch([userId])
    } catch (error) {
      // A client of the host's own making may refuse. Thrown from an effect it would take the whole page down.
      report(error)
      return undefined
    }
  }, [client, report, userId, watch])
  return useAsked(presenceOf, userId)
}

/**
 * Who of a conversation's members is online, and how many. The same object until it says something else. Without an id it
 * is {@link RoomPresence} `unknown`.
 *
 * @example
 * const { mode, online, members } = useConversationPresence('plan')
 * return <small>{mode && `${online} of ${members} online`}</small>
 */
export function useConversationPresence(conversationId: MaybeId): RoomPresence {
  return useAsked(conversationOf, conversationId)
}

/** The same as {@link useConversationPresence}, of a group. */
export function useGroupPresence(groupId: MaybeId): RoomPresence {
  return useAsked(groupOf, groupId)
}

/** Another name of {@link useConversationPresence}. */
export const useOnlineMembers = useConversationPresence

/** The ids of the conversations that the user is in. The same list until one comes or goes. */
export function useConversations(): readonly string[] {
  return usePresenceSelector(conversationsOf)
}

/** The ids of the groups that the user is in. The same list until one comes or goes. */
export function useGroups(): readonly string[] {
  return usePresenceSelector(groupsOf)
}

/** The ids of the others who type in a conversation; nobody while the connection is away, and without an id. */
export function useTyping(conversationId: MaybeId): readonly string[] {
  return useAsked(typingOf, conversationId)
}

/** One's own devices. */
export function useDevices(): OwnDevices {
  return usePresenceSelector(devicesOf)
}

/** Where the connection is, and why. */
export function usePresenceConnection(): PresenceConnection {
  return usePresenceSelector(stateOf)
}

/**
 * Whatever can be asked of a {@link PresenceView}. The component renders again when the selected value is another one; the
 * selector may be written in place. On a server nothing is known, and the selector is asked that.
 * @throws What the selector throws.
 *
 * @example
 * const isAnyoneThere = usePresenceSelector((view) => view.getOnlineUsersInGroup('crew').length > 1)
 */
export function usePresenceSelector<Value>(
  selector: Selector<Value>,
  { isEqual }: UsePresenceSelectorOptions<Value> = {},
): Value {
  const client = usePresenceClient()
  const drawn = useRef<{ readonly value: Value } | undefined>(undefined)
  const { subscribe, get, getOnServer } = useMemo(() => {
    // A selector that is written in place is another one at each render: what it makes is the earlier object if it says
    // the same. A selection to which nobody listens holds nothing in the store, so that a render which React throws away
    // leaves nothing behind.
    const selection = client.select(selector, isEqual, drawn.current)
    let onServer: { readonly value: Value } | undefined
    return {
      subscribe: (listener: () => void) => selection.subscribe(listener),
      get: () => selection.get(),
      getOnServer: () => (onServer ??= { value: selector(NOTHING_KNOWN) }).value,
    }
  }, [client, selector, isEqual])
  const value = useSyncExternalStore(subscribe, get, getOnServer)
  useEffect(() => {
    drawn.current = { value }
  }, [value])
  return value
}

/**
 * A `ref` for one text field: others see its typing. It ends on Enter, when the field is emptied by the person or left, and
 * when the component goes. A field that a program empties tells nobody: call the client's `stopTyping` when the message goes
 * out by a button. Without an id nobody is told of anything.
 *
 * @example
 * const typing = useTypingInput('plan')
 * return <textarea ref={typing} />
 */
export function useTypingInput(conversationId: MaybeId): (field: TypingInput | null) => void {
  const client = usePresenceClient()
  return useMemo(() => {
    let unbind: (() => void) | undefined
    // React calls it with `null` when the field goes, and before another conversation's is called. Returning the way to
    // unbind instead is understood from React 19 on only.
    return (field) => {
      unbind?.()
      const isBound = field && conversationId !== undefined && conversationId !== null
      unbind = isBound ? client.bindTyping(field, conversationId) : undefined
    }
  }, [client, conversationId])
}

/** `selectorOf` must be the same function at each render. Without an id, nothing is known. */
function useAsked<Value>(selectorOf: (id: string) => Selector<Value>, id: MaybeId): Value {
  const selector = useMemo((): Selector<Value> => {
    const select = selectorOf(id ?? '')
    return id === undefined || id === null ? () => select(NOTHING_KNOWN) : select
  }, [selectorOf, id])
  return usePresenceSelector(selector)
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

function devicesOf(view: PresenceView): OwnDevices {
  return view.devices()
}

function conversationsOf(view: PresenceView): readonly string[] {
  return view.conversations()
}

function groupsOf(view: PresenceView): readonly string[] {
  return view.groups()
}

function stateOf(view: PresenceView): PresenceConnection {
  return connectionOf(view.state())
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
