/** People who type: each in one conversation for a while, and in no conversation two at a time. */
import type { Crowd } from './crowd.js'
import { createPace } from './pace.js'
import { createRandom } from './random.js'
import { membershipsOf } from './world.js'

export interface TypingOptions {
  /** Starts and stops a second, together. */
  readonly rate: number
}

export interface Typing {
  start(options: TypingOptions): void
  /** Nobody starts any more. Resolves when everybody has stopped. */
  end(): Promise<void>
  /** Starts and stops so far. */
  readonly changes: number
}

const TYPING_MS = 1_000

export function createTyping(crowd: Crowd): Typing {
  const random = createRandom()
  const someone = () => Math.floor(random() * crowd.world.users)
  const pace = createPace()
  let changes = 0

  return {
    start({ rate }) {
      const typists: { user: number; conversation: string; until: number }[] = []
      const busy = new Set<number>()
      const tell = (user: number, conversation: string, isStart: boolean) => {
        changes++
        crowd.news.types(conversation, isStart)
        crowd.send(user, `42["typing:${isStart ? 'start' : 'stop'}",{"convId":"${conversation}"}]`)
      }

      pace.start({
        rate,
        begin(now) {
          const user = someone()
          const { conversations } = membershipsOf(user, crowd.world)
          const conversation = conversations[Math.floor(random() * conversations.length)]
          if (conversation === undefined || busy.has(user)) return
          if (typists.some((other) => other.conversation === conversation)) return
          busy.add(user)
          typists.push({ user, conversation, until: now + TYPING_MS })
          tell(user, conversation, true)
        },
        end(now) {
          const first = typists[0]
          if (!first || first.until > now) return
          typists.shift()
          busy.delete(first.user)
          tell(first.user, first.conversation, false)
        },
        isOver: () => typists.length === 0,
        echo: () => crowd.echo(someone()),
      })
    },
    end: () => pace.end(),
    get changes() {
      return changes
    },
  }
}
