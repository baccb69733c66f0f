/** What a screen reader is told by itself: the latest of each matter, and not more often than one can listen. */

/** One announcement in this time. */
export const ANNOUNCE_MS = 10_000

export interface Announcer {
  /** The latest of a matter; empty: there is nothing to say of it any more. What was said is not said again. */
  say(matter: string, text: string): void
  /** What is said now. */
  spoken(): string
  subscribe(listener: () => void): () => void
  close(): void
}

export function createAnnouncer(everyMs = ANNOUNCE_MS): Announcer {
  const pending = new Map<string, string>()
  const listeners = new Set<() => void>()
  let spoken = ''
  let timer: ReturnType<typeof setTimeout> | undefined

  function speak(): void {
    timer = pending.size === 0 ? undefined : setTimeout(speak, everyMs)
    // With nothing to say it is emptied, which is silent: what was said once must not be found later as if it were so.
    spoken = [...pending.values()].join(' ')
    pending.clear()
    for (const listener of [...listeners]) listener()
  }

  return {
    say(matter, text) {
      if (text === '') {
        pending.delete(matter)
        return
      }
      pending.set(matter, text)
      // Several things that are said at once are read out once.
      timer ??= setTimeout(speak, 0)
    },
    spoken: () => spoken,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      clearTimeout(timer)
      listeners.clear()
    },
  }
}
