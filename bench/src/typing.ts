/** People who type: each in one conversation for a while, and in no conversation two at a time. */
import { createRandom } from './churn.js'
import type { Crowd } from './crowd.js'
import { membershipsOf } from './world.js'

export interface TypingOptions {
  /** Starts and stops a second, together. */
  readonly rate: number
}

export interface Typing {
  start(options: TypingOptions): void
  stop(): void
  /** Starts and stops so far. */
  readonly changes: number
}

const TICK_MS = 5
const ECHO_EVERY_MS = 25
const TYPING_MS = 1_000

export function createTyping(crowd: Crowd): Typing {
  const random = createRandom()
  const someone = () => Math.floor(random() * crowd.world.users)
  let timers: ReturnType<typeof setInterval>[] = []
  let changes = 0

  return {
    start({ rate }) {
      const startedAt = performance.now()
      const typists: { user: number; conversation: string; until: number }[] = []
      const busy = new Set<number>()
      let ticks = 0

      const tell = (user: number, conversation: string, isStart: boolean) => {
        changes++
        crowd.news.types(conversation, isStart)
        crowd.send(user, `42["typing:${isStart ? 'start' : 'stop'}",{"convId":"${conversation}"}]`)
      }
      const begin = (now: number) => {
        const user = someone()
        const { conversations } = membershipsOf(user, crowd.world)
        const conversation = conversations[Math.floor(random() * conversations.length)]
        if (conversation === undefined || busy.has(user)) return
        if (typists.some((other) => other.conversation === conversation)) return
        busy.add(user)
        typists.push({ user, conversation, until: now + TYPING_MS })
        tell(user, conversation, true)
      }
      const end = (now: number) => {
        const first = typists[0]
        if (!first || first.until > now) return
        typists.shift()
        busy.delete(first.user)
        tell(first.user, first.conversation, false)
      }

      timers = [
        setInterval(() => {
          const now = performance.now()
          const due = Math.floor(((now - startedAt) / 1_000) * rate)
          for (; ticks < due; ticks++) {
            if (ticks % 2 === 0) begin(now)
            else end(now)
          }
        }, TICK_MS),
        setInterval(() => crowd.echo(someone()), ECHO_EVERY_MS),
      ]
    },
    stop() {
      for (const timer of timers) clearInterval(timer)
      timers = []
    },
    get changes() {
      return changes
    },
  }
}
