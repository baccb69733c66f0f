import { PresenceError } from '@vigie/protocol'
import type { Memberships, Stale } from '../core/ports.js'

/** {@link Memberships} that can be away. */
export interface MembershipsWithOutages extends Memberships {
  /** From now on reads reject with `unavailable`, and nothing is told. */
  goAway(): void
  /** Reads work again; if changes were missed, `'all'` is told. */
  comeBack(): void
}

/**
 * Puts outages in front of memberships that have none of their own.
 * @example const memberships = withOutages(memoryMemberships())
 */
export function withOutages(memberships: Memberships): MembershipsWithOutages {
  let isAway = false
  let hasMissed = false
  let tell: (stale: Stale) => void = () => {}

  const unlessAway = <T>(read: () => Promise<T>) =>
    isAway ? Promise.reject(new PresenceError('unavailable')) : read()

  return {
    open(onStale) {
      tell = onStale
      return unlessAway(() =>
        memberships.open((stale) => {
          if (isAway) hasMissed = true
          else onStale(stale)
        }),
      )
    },
    readUsers: (ids) => unlessAway(() => memberships.readUsers(ids)),
    readRooms: (groups, conversations, rosterMax) =>
      unlessAway(() => memberships.readRooms(groups, conversations, rosterMax)),
    close: () => memberships.close(),
    goAway() {
      isAway = true
    },
    comeBack() {
      isAway = false
      if (hasMissed) tell('all')
      hasMissed = false
    },
  }
}
