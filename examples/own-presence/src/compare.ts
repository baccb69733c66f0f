/** Whether the own presence and Vigie say the same. */
import type { Server } from 'socket.io'
import type { PresenceServer } from '@vigie/server'

interface ComparisonOptions {
  /** What the own presence believes: connections of each user. */
  readonly counts: ReadonlyMap<string, number>
  readonly presence: PresenceServer
  readonly report: (sentence: string) => void
}

export function comparePresence({ counts, presence, report }: ComparisonOptions) {
  /** Whom Vigie has seen online. */
  const seen = new Set<string>()
  let earlier = new Set<string>()
  presence.on('online', ({ userId }) => seen.add(userId))

  /** Those whose numbers differ now, each as a sentence. */
  function differences(): string[] {
    return [...new Set([...counts.keys(), ...seen])].flatMap((userId) => {
      const own = counts.get(userId) ?? 0
      const { count } = presence.get(userId)
      if (own === 0 && count === 0) seen.delete(userId)
      return own === count ? [] : [`${userId}: own presence ${own}, Vigie ${count}`]
    })
  }

  /** Reports what was the same difference at the last look: a grace is over by then. */
  function look(): void {
    const current = differences()
    for (const difference of current) if (earlier.has(difference)) report(difference)
    earlier = new Set(current)
  }

  return { differences, look }
}

/** Vigie refuses a payload with other fields than `convId`: better to know before the switch. */
export function checkTyping(io: Server, report: (sentence: string) => void): void {
  io.on('connection', (socket) => {
    socket.onAny((name: string, payload: unknown) => {
      if (name !== 'typing:start' && name !== 'typing:stop') return
      const fields = Object.keys(Object(payload) as object).join()
      if (fields !== 'convId') report(`${name} has the fields: ${fields}`)
    })
  })
}
