/**
 * A client without a server, for tests and stories of components. What is asked of it is answered by the real store, from
 * pictures that the real sync has folded; made up is only what a server would send.
 */
import type {
  ConversationId,
  GroupId,
  PresenceDevices,
  PresenceDiff,
  RoomChange,
  UserId,
} from '@vigie/protocol'
import type { PresenceClient } from '../client.js'
import type { ConnectionState } from '../connection.js'
import { defaultPlatform } from '../platform.js'
import { createStore } from '../store.js'
import { apply, EMPTY_SYNC, setWatched, type Frame, type Sync } from '../sync.js'
import { bindTyping } from '../typing.js'
import { createWatch, isId, WATCH_MAX } from '../watch.js'

/** Members by id; or, as in a room that is too large for names, how many there are and how many of them are online. */
export type FakeRoom = readonly string[] | { readonly members: number; readonly online: number }

/** One of the user's own devices. `since`: when it came, in milliseconds since 1970. */
export interface FakeDevice {
  readonly deviceId: string
  readonly since: number
  readonly label?: string | undefined
}

/** What is true at first. Rooms, and who types in them, are by id. */
export interface FakePresenceOptions {
  /** Who is online, each with one device. @default nobody */
  readonly online?: readonly string[] | undefined
  /** The user's conversations. @default none */
  readonly conversations?: Readonly<Record<string, FakeRoom>> | undefined
  /** The user's groups. @default none */
  readonly groups?: Readonly<Record<string, FakeRoom>> | undefined
  /** Who of the others types, by conversation. @default nobody */
  readonly typing?: Readonly<Record<string, readonly string[]>> | undefined
  /** @default none */
  readonly devices?: readonly FakeDevice[] | undefined
  /** @default { name: 'live' } */
  readonly state?: ConnectionState | undefined
  /** The time, in milliseconds since 1970: `since` of who is unknown. @default Date.now */
  readonly now?: (() => number) | undefined
}

/** A client whose truth a test sets. What is set is shown before the call returns. */
export interface FakePresence extends PresenceClient {
  /**
   * Whether somebody is online, or on how many devices. Whoever was named once is in sight, as if watched; all others are
   * as far as they are members of a room.
   */
  setOnline(userId: string, devices: boolean | number): void
  /** Who of the others types; nobody is shown as typing while the state is not `live`. */
  setTyping(conversationId: string, userIds: readonly string[]): void
  /** `undefined`: the user is not in it any more. */
  setConversation(conversationId: string, room: FakeRoom | undefined): void
  setGroup(groupId: string, room: FakeRoom | undefined): void
  setDevices(devices: readonly FakeDevice[]): void
  /** Such as `{ name: 'backingOff', untilMs, attempt: 1, reason: 'lost' }`. */
  setState(state: ConnectionState): void
  /** Who is watched now, each once. */
  watched(): readonly string[]
  /** Where the user of this client types now, if anywhere. */
  ownTyping(): string | undefined
}

/**
 * Makes a client for tests and stories. It is `live` at once, has no timers, and needs no end.
 *
 * @example
 * const presence = createFakePresence({ online: ['ann'], conversations: { plan: ['ann', 'ben'] } })
 * render(<PresenceProvider client={presence}><Header conversationId="plan" /></PresenceProvider>)
 * screen.getByText('1 of 2 online')
 * act(() => presence.setOnline('ben', true))
 * screen.getByText('2 of 2 online')
 */
export function createFakePresence(options: FakePresenceOptions = {}): FakePresence {
  const { now = () => defaultPlatform.now() } = options
  const store = createStore((error) => {
    // A component that fails while it is told must fail the test that told it.
    throw error
  })
  const watch = createWatch({
    platform: defaultPlatform,
    // There is no connection on which anybody could be told.
    request: () => Promise.resolve(),
    onChange() {},
    report() {},
  })
  const places = new Set<readonly string[]>()
  const named = new Set<UserId>()
  const typists = new Map<string, readonly string[]>()
  let sync: Sync = EMPTY_SYNC
  let position = 0
  let ownTyping: string | undefined

  function fold(frame: Frame): void {
    const step = apply(sync, frame)
    sync = step.sync
    store.update({ picture: sync.picture, changes: step.changes }, now())
  }

  function tell(diff: PresenceDiff): void {
    position += 1
    fold({ name: 'presence:diff', payload: { ...diff, at: ['fake', position] } })
  }

  function setOnline(userId: string, devices: boolean | number): void {
    named.add(userId as UserId)
    sync = setWatched(sync, new Set(named)).sync
    tell({ users: [[userId as UserId, Number(devices)]] })
  }

  function setTyping(conversationId: string, userIds: readonly string[]): void {
    typists.set(conversationId, userIds)
    tell({ conversations: [{ id: conversationId as ConversationId, typing: userIds as readonly UserId[] }] })
  }

  function setConversation(conversationId: string, room: FakeRoom | undefined): void {
    const change = changeTo(conversationId as ConversationId, room)
    // A room that comes whole comes with all who type there.
    const typing = (typists.get(conversationId) ?? []) as readonly UserId[]
    tell({ conversations: [room ? { ...change, typing } : change] })
  }

  function setGroup(groupId: string, room: FakeRoom | undefined): void {
    tell({ groups: [changeTo(groupId as GroupId, room)] })
  }

  function setDevices(devices: readonly FakeDevice[]): void {
    tell({ devices: { count: devices.length, devices: devices as PresenceDevices['devices'] } })
  }

  function setState(state: ConnectionState): void {
    if (state.name !== 'live') ownTyping = undefined
    store.update({ state }, now())
  }

  const typing = {
    start(conversationId: string) {
      if (store.state().name === 'live') ownTyping = conversationId
    },
    stop(conversationId: string) {
      if (ownTyping === conversationId) ownTyping = undefined
    },
  }

  function close(): void {
    if (store.state().name !== 'closed') setState({ name: 'closed', reason: 'left' })
  }

  fold({
    name: 'presence:state',
    payload: {
      protocol: 2,
      at: ['fake', position],
      user: 'fake' as UserId,
      users: [],
      groups: [],
      conversations: [],
      devices: { count: 0, devices: [] },
    },
  })
  for (const userId of options.online ?? []) setOnline(userId, true)
  for (const [id, userIds] of Object.entries(options.typing ?? {})) typists.set(id, userIds)
  for (const [id, room] of Object.entries(options.conversations ?? {})) setConversation(id, room)
  for (const [id, room] of Object.entries(options.groups ?? {})) setGroup(id, room)
  if (options.devices) setDevices(options.devices)
  setState(options.state ?? { name: 'live' })

  const { update: _update, ...view } = store
  return {
    ...view,
    connect() {
      const { name } = store.state()
      if (name === 'idle' || name === 'closed') setState({ name: 'live' })
    },
    close,
    leave() {
      close()
      return Promise.resolve()
    },
    background() {
      ownTyping = undefined
    },
    foreground() {},
    startTyping: typing.start,
    stopTyping: typing.stop,
    bindTyping: (input, conversationId) => bindTyping(typing, input, conversationId),
    watch(userIds) {
      const end = watch.add(userIds)
      const place = [...userIds]
      places.add(place)
      return () => {
        places.delete(place)
        end()
      }
    },
    diagnostics: () => ({
      state: store.state(),
      states: 1,
      diffs: position,
      sent: 0,
      lastActivityMs: undefined,
      roundTripMs: undefined,
      reconnections: 0,
      errors: 0,
      lastError: undefined,
      position: sync.picture.at,
    }),
    setOnline,
    setTyping,
    setConversation,
    setGroup,
    setDevices,
    setState,
    watched: () => [...new Set([...places].flat())].filter((id) => isId(id)).slice(0, WATCH_MAX),
    ownTyping: () => ownTyping,
  }
}

/** A room as it comes whole. */
function changeTo<Id extends string>(id: Id, room: FakeRoom | undefined): RoomChange<Id> {
  if (!room) return { id, gone: true }
  if ('online' in room) return { id, mode: 'count', members: room.members, online: room.online }
  return { id, mode: 'names', members: room.length, roster: room as readonly UserId[] }
}
