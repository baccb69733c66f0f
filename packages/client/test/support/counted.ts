/** A client of which one can see who listens to it, and whom it is asked to watch. */
import type { PresenceClient } from '../../src/index.js'

export interface CountedClient {
  readonly client: PresenceClient
  /** Listeners that were subscribed and have not been ended. */
  listeners(): number
  /** Watches that were begun and have not been ended. */
  watches(): number
}

export function countedClient(client: PresenceClient): CountedClient {
  let listeners = 0
  let watches = 0
  return {
    listeners: () => listeners,
    watches: () => watches,
    client: {
      ...client,
      select(...args) {
        const selection = client.select(...args)
        return {
          get: () => selection.get(),
          subscribe(...listener) {
            listeners += 1
            return once(selection.subscribe(...listener), () => (listeners -= 1))
          },
        }
      },
      subscribe(...selection) {
        listeners += 1
        return once(client.subscribe(...selection), () => (listeners -= 1))
      },
      watch(userIds) {
        const end = client.watch(userIds)
        watches += 1
        return once(end, () => (watches -= 1))
      },
    },
  }
}

/** Ending twice counts once, as it does in the client. */
function once(end: () => void, ended: () => void): () => void {
  let hasEnded = false
  return () => {
    end()
    if (!hasEnded) ended()
    hasEnded = true
  }
}
