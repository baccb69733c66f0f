/**
 * What every client has been told of everybody whom it may see: one byte a pair. It finds who is wrong when all is
 * quiet, and who was told what nobody shares with them.
 */
import { audienceSize, audienceStart, type WorldSpec } from './world.js'

export interface Views {
  /** `viewer` begins anew, and knows itself only. */
  clear(viewer: number): void
  learn(viewer: number, subject: number, online: boolean): void
  /** Pairs of a connected viewer and somebody it sees otherwise than they are. */
  wrong(isOnline: (user: number) => boolean): number
  /** Times that somebody was told of a user with whom nothing is shared. */
  readonly leaks: number
}

export function createViews(spec: WorldSpec): Views {
  const size = audienceSize(spec)
  const told = new Uint8Array(spec.users * size)
  let leaks = 0
  return {
    clear(viewer) {
      told.fill(0, viewer * size, (viewer + 1) * size)
    },
    learn(viewer, subject, online) {
      const place = subject - audienceStart(viewer, spec)
      if (place >= 0 && place < size) told[viewer * size + place] = online ? 1 : 0
      // Everybody shares the all-hands; only Vigie's count mode spares them each other's names.
      else if (spec.allhands !== true) leaks++
    },
    wrong(isOnline) {
      let wrong = 0
      for (let viewer = 0; viewer < spec.users; viewer++) {
        if (!isOnline(viewer)) continue
        const start = audienceStart(viewer, spec)
        for (let place = 0; place < size && start + place < spec.users; place++) {
          const subject = start + place
          if (subject === viewer) continue
          if ((told[viewer * size + place] === 1) !== isOnline(subject)) wrong++
        }
      }
      return wrong
    },
    get leaks() {
      return leaks
    },
  }
}
