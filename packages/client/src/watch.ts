/**
 * People on screen, from however many places that show them: counted here, told once.
 */
import type { UserId } from '@vigie/protocol'
import { PresenceError } from './errors.js'
import type { Platform } from './platform.js'
import type { ClientMessage } from './transport.js'

/** Most people that one session may watch; the server's number, kept here so that its validation stays out of pages. */
export const WATCH_MAX = 200
/** How long after a failure it is told again. */
const RETRY_MS = 1_000

export interface Watch {
  /**
   * Watches until the function that it returns is called.
   * @throws PresenceError `too_many_watched`; then none of `userIds` is.
   */
  add(userIds: readonly string[]): () => void
  /** A connection is live, and knows nothing of this yet. */
  begin(): void
  /** The connection ended. */
  end(): void
}

interface WatchOptions {
  readonly platform: Platform
  readonly request: (message: ClientMessage) => Promise<void>
  /**
   * Of whom the server may tell: from before they are named to it until it has answered that they are not watched
   * any more. Somebody who left the screen and came back meanwhile is told anew, or, being offline, not at all.
   */
  readonly onChange: (watched: ReadonlySet<UserId>) => void
  readonly report: (error: unknown) => void
}

/** What a server knows; another connection is another object, so that late answers find nobody. */
interface Told {
  readonly users: Set<UserId>
  /** One message at a time: a list that is scrolled fast cannot run into the server's limit. */
  isBusy: boolean
}

export function createWatch({ platform, request, onChange, report }: WatchOptions): Watch {
  const places = new Map<UserId, number>()
  let told: Told | undefined
  let isPlanned = false

  /** At the end of this turn: a list that is drawn watches its rows one by one. */
  function plan(): void {
    if (isPlanned) return
    isPlanned = true
    void Promise.resolve().then(() => {
      isPlanned = false
      if (told && !told.isBusy) void flush(told)
    })
  }

  async function flush(mine: Told): Promise<void> {
    const add = [...places.keys()].filter((id) => !mine.users.has(id))
    const remove = [...mine.users].filter((id) => !places.has(id))
    if (add.length + remove.length === 0) return
    mine.isBusy = true
    onChange(new Set([...mine.users, ...add]))
    let delayMs = 0
    try {
      await request([
        'presence:watch',
        { ...(add.length > 0 && { add }), ...(remove.length > 0 && { remove }) },
      ])
    } catch (error) {
      if (told !== mine) return
      report(error)
      if (!(error instanceof PresenceError) || error.retry !== 'never') delayMs = RETRY_MS
    }
    if (told !== mine) return
    if (delayMs > 0) {
      // Refused, or lost on the way: what the server knows is what it knew, and both lists may be told twice.
      platform.setTimeout(() => {
        mine.isBusy = false
        if (told === mine) void flush(mine)
      }, delayMs)
      return
    }
    for (const id of add) mine.users.add(id)
    for (const id of remove) mine.users.delete(id)
    onChange(new Set(mine.users))
    mine.isBusy = false
    await flush(mine)
  }

  return {
    add(userIds) {
      const ids = new Set(userIds as readonly UserId[])
      const all = new Set([...places.keys(), ...ids])
      if (all.size > WATCH_MAX) {
        throw new PresenceError(
          'too_many_watched',
          `These would be ${all.size} people; at most ${WATCH_MAX} can be watched. Watch only those on screen.`,
        )
      }
      for (const id of ids) places.set(id, (places.get(id) ?? 0) + 1)
      plan()
      let isWatching = true
      return () => {
        if (!isWatching) return
        isWatching = false
        for (const id of ids) {
          const left = (places.get(id) ?? 0) - 1
          if (left > 0) places.set(id, left)
          else places.delete(id)
        }
        plan()
      }
    },
    begin() {
      told = { users: new Set(), isBusy: false }
      plan()
    },
    end() {
      told = undefined
    },
  }
}
