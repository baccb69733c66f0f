/**
 * Beside step 3 · the callbacks of the seed, for code that wants events: derived from what changed, so that they
 * say what the picture says, and are silent about what returned to what it was.
 */
import type { ConversationId, UserId } from '@vigie/protocol'
import { isIn, type Changes, type Picture, type Room } from './sync.js'
import type { Way } from './store.js'
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
 * Calls what `callbacks` has for the way from `before` to `after`. Ends of typing come first, beginnings last. A callback
 * that throws is reported, and keeps nobody from hearing the rest.
 */
export function callBack(
  callbacks: PresenceCallbacks,
  [before, after, changes]: Way,
  report: (error: unknown) => void,
): void {
  const tellAll = <Args extends readonly unknown[]>(
    tell: ((...args: Args) => void) | undefined,
    calls: Iterable<Args>,
  ) => {
    if (!tell) return
    for (const args of calls) {
      try {
        tell(...args)
      } catch (error) {
        report(error)
      }
    }
  }
  tellAll(callbacks.onTypingStop, typingOnlyIn(before, after, changes))
  tellAll(callbacks.onPresenceUpdate, inGroups(before.picture, after.picture, changes))
  tellAll(callbacks.onPresenceConversation, inConversations(before.picture, after.picture, changes))
  tellAll(callbacks.onTypingStart, typingOnlyIn(after, before, changes))
}

/** Who types in `there` and not in `elsewhere`. A generator, like those below: without a callback nothing is looked up. */
function* typingOnlyIn(
  there: Shown,
  elsewhere: Shown,
  changes: Changes,
): Generator<[conversationId: string, userId: string]> {
  const isCut = (elsewhere.state.name === 'live') !== (there.state.name === 'live')
  const places: Iterable<ConversationId> = isCut ? there.picture.conversations.keys() : changes.typing
  for (const id of places) {
    const others = typingIn(elsewhere, id)
    for (const userId of typingIn(there, id)) if (!others.has(userId)) yield [id, userId]
  }
}

function* inGroups(
  before: Picture,
  after: Picture,
  changes: Changes,
): Generator<[userId: string, online: boolean, count: number]> {
  const users = new Set(changes.users)
  for (const id of changes.groups) {
    for (const userId of movedBetween(before.groups.get(id), after.groups.get(id))) users.add(userId)
  }
  for (const userId of users) {
    const count = countInGroups(after, userId)
    if (count !== countInGroups(before, userId)) yield [userId, count > 0, count]
  }
}

function countInGroups(picture: Picture, userId: UserId): number {
  return countIf(isIn(picture.groups, userId), picture, userId)
}

function countIf(isMember: boolean | undefined, { users }: Picture, userId: UserId): number {
  return isMember ? (users.get(userId) ?? 0) : 0
}

function* inConversations(
  before: Picture,
  after: Picture,
  changes: Changes,
): Generator<[userId: string, online: boolean, count: number, conversationId: string]> {
  const ids = new Set([...before.conversations.keys(), ...after.conversations.keys()])
  for (const id of ids) {
    const was = before.conversations.get(id)
    const is = after.conversations.get(id)
    const users = new Set(changes.users)
    if (changes.conversations.has(id)) for (const userId of movedBetween(was, is)) users.add(userId)
    for (const userId of users) {
      const count = countIf(is?.roster.has(userId), after, userId)
      if (count !== countIf(was?.roster.has(userId), before, userId)) yield [userId, count > 0, count, id]
    }
  }
}

/** Who is in one of the two and not in the other. */
function movedBetween(was: Room | undefined, is: Room | undefined): UserId[] {
  const all = [...(was?.roster ?? []), ...(is?.roster ?? [])]
  return all.filter((id) => !was?.roster.has(id) !== !is?.roster.has(id))
}
