/**
 * The door. One client is one path: connection (a link, its states) → sync (what is known) → store (who wants to know).
 */
import type { ConversationId, DeviceId, Position, PresenceAuth } from '@vigie/protocol'
import type { Socket } from 'socket.io-client'
import { callBack, type PresenceCallbacks } from './callbacks.js'
import { createConnection, type ConnectionState, type ConnectionTimes } from './connection.js'
import { defaultPlatform, defaultStorage, randomId, type DeviceStorage, type Platform } from './platform.js'
import { followPage, ownPage, type Page, type PageActions } from './page.js'
import {
  createStore,
  type IsEqual,
  type Selected,
  type Selection,
  type Selector,
  type SubscribeOptions,
  type Update,
  type Way,
} from './store.js'
import {
  apply,
  begin,
  EMPTY_SYNC,
  forgetAll,
  forgetPosition,
  NO_CHANGES,
  setWatched,
  type Changes,
  type Frame,
  type Step,
  type Sync,
} from './sync.js'
import type { TokenSource } from './token.js'
import { socketIoTransport, type ClientMessage, type SocketIoOptions, type Transport } from './transport.js'
import { bindTyping, createTyping, TYPING_LEASE_MS, type TypingInput } from './typing.js'
import type { PresenceView } from './view.js'
import { createWatch } from './watch.js'

/** What {@link createPresenceClient} takes. Only `url` is required; an option that is `undefined` is not given. */
export interface PresenceClientOptions extends PresenceCallbacks, ConnectionTimes {
  /** The server's address, with the namespace as its path: `https://chat.example.com/presence`. */
  readonly url: string
  /**
   * The token, or a function that gets one: asked at each connection, and again at a random 75 to 90 % of the token's life.
   * A function that throws is asked again later, unless it throws a `PresenceError` whose `retry` is `'never'`.
   */
  readonly token?: TokenSource | undefined
  /** Names this installation. Without it one is made and kept in `storage`. */
  readonly deviceId?: string | undefined
  /** Where the made `deviceId` is kept; `null`: nowhere, each connection is a device then. @default localStorage, where there is one */
  readonly storage?: DeviceStorage | null | undefined
  /** What to call this device in its owner's own list; at most 64 characters. */
  readonly label?: string | undefined
  /** The host's own fields of `auth`. */
  readonly auth?: Readonly<Record<string, unknown>> | undefined
  /** Further options of `socket.io-client`, such as `path`. @default transports: websocket, then polling */
  readonly socketOptions?: SocketIoOptions | undefined
  /**
   * Hears of what went wrong and is mended by itself (a token that could not be had, a message that was refused), and of
   * what listeners throw. Without it, the errors of listeners are thrown into the void of a timer, as a browser does.
   */
  readonly onError?: ((error: unknown) => void) | undefined
  /**
   * Whether a browser page's life is followed: the network that is back, a page that is frozen or runs again, a phone's
   * page that is hidden. `false` if you call `background` and `foreground` yourself. @default true, where there is a page
   */
  readonly followPage?: boolean | undefined
  /** Time and chance, for tests. */
  readonly platform?: Platform | undefined
}

/** Numbers for a support page. */
export interface Diagnostics {
  readonly state: ConnectionState
  /** Frames that were received. */
  readonly states: number
  readonly diffs: number
  /** Messages that were sent. */
  readonly sent: number
  /** When the last frame came, in milliseconds since 1970. */
  readonly lastActivityMs: number | undefined
  /** Of the last answered message, in milliseconds. */
  readonly roundTripMs: number | undefined
  /** How often the connection was live again. */
  readonly reconnections: number
  readonly errors: number
  readonly lastError: unknown
  /** The place in the server's history up to which the picture is true. */
  readonly position: Position | undefined
}

/** Presence of and for one signed-in user; everything of {@link PresenceView}, too. */
export interface PresenceClient extends PresenceView {
  /** Begins to connect, and stays connected until `close`, `leave`, or a server that ends it for good. */
  connect(): void
  /** Ends it: others see it at once. May be called twice; `connect` begins again. */
  close(): void
  /**
   * As `close`, and waits for the server's word. `scope: 'device'` ends all sessions of this device: a log-out.
   * @throws PresenceError (rejects) `unavailable` when the server could not be told; it is closed all the same.
   */
  leave(options?: { readonly scope?: 'session' | 'device' | undefined }): Promise<void>
  /**
   * Call it when the app is about to be frozen: should the connection be lost now, others see it only after
   * `graceMs` (0 to 60,000, the default). Typing ends at once.
   */
  background(graceMs?: number): void
  /** Call it when the app is back, or the network is: takes `background` back, and does not wait any longer to connect again. */
  foreground(): void
  /**
   * A selected value with a stable `get`; see {@link Selection}. `isEqual` says which values are the same; without it,
   * lists are compared item by item and plain objects field by field. `earlier` is for bindings of frameworks: the value
   * of another selection, which `get` returns if it says the same.
   */
  select<Value>(
    selector: Selector<Value>,
    isEqual?: IsEqual<Value>,
    earlier?: Selected<Value>,
  ): Selection<Value>
  /**
   * Calls `listener` when what `selector` picks is another value, until the function that it returns is called; with
   * `immediate`, also at once. What selectors, comparisons and listeners throw, or reject with, is told to `onError`, and
   * nobody else is kept from hearing.
   *
   * @example
   * const stop = presence.subscribe((view) => view.groups(), (ids) => draw(ids), { immediate: true })
   */
  subscribe<Value>(
    selector: Selector<Value>,
    listener: (value: Value) => void,
    options?: SubscribeOptions<Value>,
  ): () => void
  /** Call it with each key press: it is sent at once, then at most each 3 s. Without a connection it does nothing. */
  startTyping(conversationId: string): void
  /** Call it when the message is sent; nothing if there was no start. */
  stopTyping(conversationId: string): void
  /** Does both for a text field. Returns the way to unbind it. */
  bindTyping(input: TypingInput, conversationId: string): () => void
  /**
   * Asks for the presence of people on screen, also of those with whom only large rooms are shared. Counted: each call is
   * ended by the function that it returns. At most 200 people in all: those who come later are watched once others are
   * not any more. `onError` hears of that (`too_many_watched`), and of what is no id (`invalid_payload`).
   */
  watch(userIds: readonly string[]): () => void
  diagnostics(): Diagnostics
}

/** A client on its own Socket.IO connection. */
export interface SocketPresenceClient extends PresenceClient {
  /** For the host's own messages. Connecting and disconnecting it is this client's business. */
  readonly socket: Socket
}

/** What this package's own entries have beside what is public. */
export interface InnerClient extends PresenceClient {
  /** Everything that is known. */
  readonly sync: () => Sync
}

const DEVICE_KEY = 'vigie.deviceId'
/** Longest grace in the background; the server's number. Its own constant stands beside the validation, which stays out of pages. */
export const BACKGROUND_GRACE_MAX_MS = 60_000

/**
 * Makes a client; nothing is opened before `connect`.
 *
 * @example
 * const presence = createPresenceClient({ url: 'https://chat.example.com', token: () => fetchToken() })
 * presence.subscribe(
 *   (view) => view.getOnlineUsersInConversation('general'),
 *   (userIds) => showOnline(userIds),
 * )
 * presence.connect()
 */
export function createPresenceClient(options: PresenceClientOptions): SocketPresenceClient {
  const transport = socketIoTransport(options.url, options.socketOptions, options.platform)
  return { ...createClient(options, transport), socket: transport.socket }
}

/** The same on any {@link Transport}. */
export function createClient(
  options: Omit<PresenceClientOptions, 'url' | 'socketOptions'>,
  transport: Transport,
  page: Page | undefined = options.followPage === false ? undefined : ownPage(),
): InnerClient {
  const platform = options.platform ?? defaultPlatform
  const clientId = randomId(platform)
  const counts = { states: 0, diffs: 0, sent: 0, errors: 0 }
  let lastActivityMs: number | undefined
  let lastError: unknown
  let sync: Sync = EMPTY_SYNC
  let changes: Changes = NO_CHANGES
  let backgroundGraceMs: number | undefined
  let device: Promise<string | undefined> | undefined
  /** Conversations in which others are shown as typing. */
  const typedIn = new Set<ConversationId>()
  let typingTimer: unknown
  let stopFollowing: (() => void) | undefined

  /** Whatever the host's `onError` does, what reports goes on. */
  function report(error: unknown): void {
    counts.errors += 1
    lastError = error
    try {
      options.onError?.(error)
    } catch (thrown) {
      throwOutside(thrown)
    }
  }

  function reportListener(error: unknown): void {
    report(error)
    if (!options.onError) throwOutside(error)
  }

  function throwOutside(error: unknown): void {
    platform.setTimeout(() => {
      throw error
    }, 0)
  }

  const tellCallbacks = inOrder((way: Way) => {
    callBack(options, way, reportListener)
  })
  const store = createStore(reportListener, tellCallbacks)

  function show(update: Partial<Update>): void {
    store.update(update, platform.now())
  }

  function showStep(step: Pick<Step, 'sync' | 'changes'>): void {
    sync = step.sync
    show({ picture: sync.picture, changes: step.changes })
  }

  const connection = createConnection({
    ...options,
    transport,
    platform,
    auth,
    otherUser() {
      changes = NO_CHANGES
      backgroundGraceMs = undefined
      showStep(forgetAll(sync))
    },
    opened() {
      sync = begin(sync)
    },
    fold,
    whole(isFirst) {
      const what = changes
      changes = NO_CHANGES
      watchTyping(what)
      show({ state: connection.state, picture: sync.picture, changes: what })
      // A listener may have closed it.
      if (isFirst && connection.state.name === 'live') becomeLive()
    },
    changed(state) {
      if (state.name === 'closed') {
        stopFollowing?.()
        stopFollowing = undefined
      } else if (page) stopFollowing ??= followPage(page, pageActions)
      watch.end()
      typing.reset()
      typedIn.clear()
      platform.clearTimeout(typingTimer)
      show({ state })
    },
    report,
  })

  const typing = createTyping({ now: platform.now, send })
  const watch = createWatch({
    platform,
    request,
    onChange(watched, wanted) {
      showStep(setWatched(sync, watched, wanted))
    },
    report,
  })

  function findOwnDevice(): Promise<string | undefined> {
    return (device ??= findDevice(options, platform).catch((error: unknown) => {
      // A storage that failed may answer the next time. None is better than one that cannot be kept.
      device = undefined
      report(error)
      return undefined
    }))
  }

  async function auth(): Promise<PresenceAuth> {
    const deviceId = (await findOwnDevice()) as DeviceId | undefined
    const { at: since, user: sinceUser } = sync.picture
    return {
      ...options.auth,
      protocol: 2,
      clientId,
      ...(deviceId !== undefined && { deviceId }),
      ...(options.label !== undefined && { label: options.label }),
      ...(since && { since, ...(sinceUser && { sinceUser }) }),
    }
  }

  function fold(frame: Frame): 'waits' | 'whole' | 'broken' {
    lastActivityMs = platform.now()
    counts[frame.name === 'presence:state' ? 'states' : 'diffs'] += 1
    try {
      const step = apply(sync, frame)
      sync = step.sync
      changes = step.changes
      return step.outcome
    } catch (error) {
      // A frame that is not what the protocol says. A snapshot mends whatever it was.
      report(error)
      sync = forgetPosition(sync)
      return 'broken'
    }
  }

  /**
   * While somebody goes on typing, the server says nothing. A server that has stopped running says nothing, either. So after
   * a lease of silence the client asks the server for an answer, for as long as it shows somebody as typing.
   */
  function watchTyping({ typing: where }: Changes): void {
    for (const id of where) {
      if ((sync.picture.conversations.get(id)?.typing.size ?? 0) > 0) typedIn.add(id)
      else typedIn.delete(id)
    }
    platform.clearTimeout(typingTimer)
    if (typedIn.size > 0) typingTimer = platform.setTimeout(askAgain, TYPING_LEASE_MS)
  }

  function askAgain(): void {
    connection.probe()
    typingTimer = platform.setTimeout(askAgain, TYPING_LEASE_MS)
  }

  function becomeLive(): void {
    watch.begin()
    // A frozen app that was woken to connect again is still in the background.
    if (backgroundGraceMs !== undefined) send(['presence:background', { graceMs: backgroundGraceMs }])
  }

  function request(message: ClientMessage): Promise<void> {
    counts.sent += 1
    return connection.request(message)
  }

  function send(message: ClientMessage): boolean {
    if (connection.state.name !== 'live') return false
    request(message).catch(report)
    return true
  }

  function background(graceMs = BACKGROUND_GRACE_MAX_MS): void {
    backgroundGraceMs = Math.round(Math.min(BACKGROUND_GRACE_MAX_MS, Math.max(0, graceMs)))
    typing.reset()
    send(['presence:background', { graceMs: backgroundGraceMs }])
  }

  /** Only what was said is taken back; a connection made from here on never hears of the background. */
  function endBackground(): void {
    if (backgroundGraceMs !== undefined) send(['presence:foreground', {}])
    backgroundGraceMs = undefined
  }

  function foreground(): void {
    endBackground()
    connection.hurry()
  }

  const { hurry, probe } = connection
  const pageActions: PageActions = { background, foreground, goodbye: endBackground, hurry, probe }
  function startTyping(conversationId: string): void {
    // Whoever types is not about to be frozen any more: the server sees it so, too.
    backgroundGraceMs = undefined
    typing.start(conversationId)
  }
  const { update: _update, ...view } = store
  return {
    ...view,
    connect() {
      // Beside the token, which takes longer.
      void findOwnDevice()
      connection.connect()
    },
    close: connection.close,
    leave: ({ scope = 'session' } = {}) => connection.leave(scope),
    background,
    foreground,
    startTyping,
    stopTyping: typing.stop,
    bindTyping: (input, conversationId) =>
      bindTyping({ start: startTyping, stop: typing.stop }, input, conversationId),
    watch: watch.add,
    sync: () => sync,
    diagnostics: () => ({
      state: connection.state,
      ...counts,
      lastActivityMs,
      ...connection.diagnostics(),
      lastError,
      position: sync.picture.at,
    }),
  }
}

/** A listener that makes another update happen hears of it after the one that it is told of just now. `tell` never throws. */
function inOrder<Item>(tell: (item: Item) => void): (item: Item) => void {
  const waiting: Item[] = []
  return (item) => {
    if (waiting.push(item) > 1) return
    for (let next: Item | undefined = item; next; waiting.shift(), next = waiting[0]) tell(next)
  }
}

/** A storage that has not answered by then is done without, until the next connection. */
const STORAGE_TIMEOUT_MS = 2_000

/** What is being made for a storage: several clients of one page are one device. */
const devicesInMaking = new WeakMap<DeviceStorage, Promise<string>>()

/** The id of this installation: given, kept, or made and kept. */
async function findDevice(
  { deviceId, storage = defaultStorage() }: Pick<PresenceClientOptions, 'deviceId' | 'storage'>,
  platform: Platform,
): Promise<string | undefined> {
  if (deviceId !== undefined || !storage) return deviceId
  let timer: unknown
  const late = new Promise<never>((_, reject) => {
    timer = platform.setTimeout(() => {
      reject(new Error(`The storage of the device's id did not answer in ${STORAGE_TIMEOUT_MS} ms.`))
    }, STORAGE_TIMEOUT_MS)
  })
  try {
    return await Promise.race([deviceIn(storage, platform), late])
  } finally {
    platform.clearTimeout(timer)
  }
}

function deviceIn(storage: DeviceStorage, platform: Platform): Promise<string> {
  const known = devicesInMaking.get(storage)
  if (known) return known
  const making = readOrMake(storage, platform).catch((error: unknown) => {
    devicesInMaking.delete(storage)
    throw error
  })
  devicesInMaking.set(storage, making)
  return making
}

async function readOrMake(storage: DeviceStorage, platform: Platform): Promise<string> {
  const kept = await storage.getItem(DEVICE_KEY)
  if (kept) return kept
  const made = randomId(platform)
  await storage.setItem(DEVICE_KEY, made)
  return made
}
