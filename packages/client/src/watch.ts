/**
 * People on screen, from however many places that show them: counted here, told once.
 */
import type { UserId } from '@vigie/protocol'
import { PresenceError } from './errors.js'
import type { Platform } from './platform.js'
import type { ClientMessage } from './transport.js'

/** Most people that one session may watch; the server's number, kept here so that its validation stays out of pages. */
export const WATCH_MAX = 200
/** Longest id, in UTF-16 units; the server's number. */
const ID_MAX_LENGTH = 128
/** Ids of one message take no more bytes, so that no server finds it too large: 200 of the longest are several messages. */
export const WATCH_BYTES_MAX = 8_000
/** So many different values are reported as no ids; further ones are left out without a report. */
export const REFUSED_MAX = 100
/** How long after a failure it is told again. */
const RETRY_MS = 1_000

export interface Watch {
  /**
   * Watches until the function that it returns is called. What cannot be an id is left out, and reported once; people beyond
   * {@link WATCH_MAX} are reported, and watched as soon as others are not any more.
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
   * any more. Somebody who left the screen and came back meanwhile is told anew, or, being offline, not at all. `wanted`
   * are all who are on screen, named or not.
   */
  readonly onChange: (watched: ReadonlySet<UserId>, wanted: ReadonlySet<UserId>) => void
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
  const refused = new Set<unknown>()
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

  /** The first who came, as many as the server takes. */
  function wanted(): ReadonlySet<UserId> {
    return new Set([...places.keys()].slice(0, WATCH_MAX))
  }

  async function flush(mine: Told): Promise<void> {
    const now = wanted()
    const remove = withinBytes([...mine.users].filter((id) => !now.has(id)))
    // Who is to go goes first: the server counts those who are there.
    const free = WATCH_MAX - mine.users.size + remove.length
    const add = withinBytes([...now].filter((id) => !mine.users.has(id)).slice(0, free))
    mine.isBusy = add.length + remove.length > 0
    if (!mine.isBusy) return
    onChange(new Set([...mine.users, ...add]), now)
    try {
      await request(['presence:watch', { ...(add[0] && { add }), ...(remove[0] && { remove }) }])
    } catch (error) {
      if (told !== mine) return
      report(error)
      if (!(error instanceof PresenceError) || error.retry !== 'never') {
        // Refused, or lost on the way: what the server knows is what it knew, and both lists may be told twice.
        platform.setTimeout(() => {
          if (told === mine) void flush(mine)
        }, RETRY_MS)
        return
      }
    }
    if (told !== mine) return
    for (const id of add) mine.users.add(id)
    for (const id of remove) mine.users.delete(id)
    onChange(new Set(mine.users), wanted())
    await flush(mine)
  }

  return {
    add(userIds) {
      const ids: UserId[] = []
      for (const id of new Set<unknown>(userIds)) {
        if (isId(id)) ids.push(id)
        else if (!refused.has(id) && refused.size < REFUSED_MAX) {
          // A list that draws the same mistake in each row tells it once.
          refused.add(id)
          report(new PresenceError('invalid_payload', `Not an id: ${JSON.stringify(id)}.`))
        }
      }
      for (const id of ids) places.set(id, (places.get(id) ?? 0) + 1)
      if (places.size > WATCH_MAX) {
        report(
          new PresenceError(
            'too_many_watched',
            `Of ${places.size} people only the first ${WATCH_MAX} are watched.`,
          ),
        )
      }
      plan()
      return () => {
        // Called again, it finds nobody.
        for (const id of ids.splice(0)) {
          const left = (places.get(id) ?? 0) - 1
          if (left > 0) places.set(id, left)
          else places.delete(id)
        }
        plan()
      }
    },
    begin() {
      told = { users: new Set(), isBusy: false }
      // Forgets people who were watched on the connection before and are not wanted any more.
      onChange(told.users, wanted())
      plan()
    },
    end() {
      told = undefined
    },
  }
}

/** As the server checks it: no control characters, and no half of a surrogate pair (with `u`, a whole one is one character). */
export function isId(value: unknown): value is UserId {
  return typeof value === 'string' && value.length <= ID_MAX_LENGTH && /^[^\p{Cc}\p{Cs}]+$/u.test(value)
}

/** The first of them, as many as one message holds. */
function withinBytes(ids: readonly UserId[]): UserId[] {
  let bytes = 0
  const fitting: UserId[] = []
  for (const id of ids) {
    // At most three bytes for each unit of UTF-16, and quotes and a comma.
    bytes += 3 * id.length + 3
    if (bytes > WATCH_BYTES_MAX && fitting.length > 0) break
    fitting.push(id)
  }
  return fitting
}
