/**
 * Beside step 3 · the callbacks of the seed, for code that wants events: derived from what changed, so that they
 * say what the picture says, and are silent about what returned to what it was.
 */
import type { ConversationId, UserId } from '@vigie/protocol'
import type { Changes, Picture, Room } from './sync.js'
import { typingIn, type Shown } from './view.js'

/**
 * Called for each change after it, the first picture's included. Each is optional. A loss of the connection
 * ends all typing and says nothing of presence.
 */
export interface PresenceCallbacks {
  /** Somebody with whom a group is shared. `online` is `count > 0`; `count` is of devices. */
  readonly onPresenceUpdate?: ((userId: string, online: boolean, count: number) => void) | undefined
  /** The same for each shared conversation. Out of it is `false, 0`, whatever they are elsewhere. */
  readonly onPresenceConversation?:
    ((userId: string, online: boolean, count: number, conversationId: string) => void) | undefined
  readonly onTypingStart?: ((conversationId: string, userId: string) => void) | undefined
  readonly onTypingStop?: ((conversationId: string, userId: string) => void) | undefined
}

/**
 * The callbacks, each of which may throw: that is reported, and keeps nobody from hearing the rest.
 */
export function guarded(callbacks: PresenceCallbacks, report: (error: unknown) => void): PresenceCallbacks {
  const guard = <Args extends readonly unknown[]>(tell: ((...args: Args) => void) | undefined) =>
    tell &&
    ((...args: Args) => {
      try {
        tell(...args)
      } catch (error) {
        report(error)
      }
    })
  return {
    onPresenceUpdate: guard(callbacks.onPresenceUpdate),
    onPresenceConversation: guard(callbacks.onPresenceConversation),
    onTypingStart: guard(callbacks.onTypingStart),
    onTypingStop: guard(callbacks.onTypingStop),
  }
}

/** Calls what `callbacks` has for the way from `before` to `after`. Ends of typing come first, beginnings last. */
export function callBack(callbacks: PresenceCallbacks, before: Shown, after: Shown, changes: Changes): void {
  const { onPresenceUpdate, onPresenceConversation, onTypingStart, onTypingStop } = callbacks
  if (onTypingStop) tellTyping(after, before, changes, onTypingStop)
  if (onPresenceUpdate) tellGroups(before.picture, after.picture, changes, onPresenceUpdate)
  if (onPresenceConversation) {
    tellConversations(before.picture, after.picture, changes, onPresenceConversation)
  }
  if (onTypingStart) tellTyping(before, after, changes, onTypingStart)
}

/** Tells who types in `there` and not in `here`. */
function tellTyping(
  here: Shown,
  there: Shown,
  changes: Changes,
  tell: (conversationId: string, userId: string) => void,
): void {
  const isCut = (here.state.name === 'live') !== (there.state.name === 'live')
  const places: Iterable<ConversationId> = isCut ? there.picture.conversations.keys() : changes.typing
  for (const id of places) {
    const others = typingIn(here, id)
    for (const userId of typingIn(there, id)) if (!others.has(userId)) tell(id, userId)
  }
}

function tellGroups(
  before: Picture,
  after: Picture,
  changes: Changes,
  tell: (userId: string, online: boolean, count: number) => void,
): void {
  const users = new Set(changes.users)
  for (const id of changes.groups) {
    for (const userId of movedBetween(before.groups.get(id), after.groups.get(id))) users.add(userId)
  }
  for (const userId of users) {
    const count = countInGroups(after, userId)
    if (count !== countInGroups(before, userId)) tell(userId, count > 0, count)
  }
}

function countInGroups(picture: Picture, userId: UserId): number {
  const count = picture.users.get(userId) ?? 0
  if (count > 0) for (const group of picture.groups.values()) if (group.roster.has(userId)) return count
  return 0
}

function tellConversations(
  before: Picture,
  after: Picture,
  changes: Changes,
  tell: (userId: string, online: boolean, count: number, conversationId: string) => void,
): void {
  const ids = new Set([...before.conversations.keys(), ...after.conversations.keys()])
  for (const id of ids) {
    const was = before.conversations.get(id)
    const is = after.conversations.get(id)
    const users = changes.conversations.has(id)
      ? new Set([...changes.users, ...movedBetween(was, is)])
      : changes.users
    for (const userId of users) {
      const count = is?.roster.has(userId) ? (after.users.get(userId) ?? 0) : 0
      const earlier = was?.roster.has(userId) ? (before.users.get(userId) ?? 0) : 0
      if (count !== earlier) tell(userId, count > 0, count, id)
    }
  }
}

/** Who is in one of the two and not in the other. */
function movedBetween(was: Room | undefined, is: Room | undefined): UserId[] {
  return [
    ...[...(was?.roster ?? [])].filter((id) => !is?.roster.has(id)),
    ...[...(is?.roster ?? [])].filter((id) => !was?.roster.has(id)),
  ]
}
