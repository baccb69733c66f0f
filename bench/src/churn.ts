/** People who go and come back: a transition at each tick, away and back in turn. */
import type { Crowd } from './crowd.js'
import { createPace } from './pace.js'
import { createRandom } from './random.js'

export interface ChurnOptions {
  /** Transitions a second. */
  readonly rate: number
  /** Which part of those who go is lost without a word; the rest says goodbye. */
  readonly lossShare: number
  /** How long who goes stays away. */
  readonly awayMs: number
  /** How much longer who was lost does: a return within the grace would be no transition. */
  readonly graceMs: number
}

export interface Churn {
  start(options: ChurnOptions): void
  /** Nobody goes any more. Resolves when everybody is on the way back. */
  end(): Promise<void>
  /** Those who went or came so far. */
  readonly transitions: number
}

/** Who has just come stays for a while: others should have been told before the next news. */
const STAY_MS = 2_000

export function createChurn(crowd: Crowd): Churn {
  const { users } = crowd.world
  const random = createRandom()
  const pace = createPace()
  let transitions = 0

  function someone(now: number): number | undefined {
    for (let attempt = 0; attempt < 50; attempt++) {
      const user = Math.floor(random() * users)
      if (crowd.isLive(user) && now - crowd.liveSince(user) >= STAY_MS) return user
    }
    return undefined
  }

  return {
    start({ rate, lossShare, awayMs, graceMs }) {
      /** Two lists, each in the order of return. */
      const left: { user: number; backAt: number }[] = []
      const lost: { user: number; backAt: number }[] = []
      let goings = 0

      pace.start({
        rate,
        begin(now) {
          const user = someone(now)
          if (user === undefined) return
          transitions++
          // Spread evenly: of ten with a share of a half, every second.
          const isLost = Math.floor((goings + 1) * lossShare) > Math.floor(goings * lossShare)
          goings++
          if (isLost) {
            crowd.lose(user)
            lost.push({ user, backAt: now + awayMs + graceMs })
          } else {
            crowd.leave(user)
            left.push({ user, backAt: now + awayMs })
          }
        },
        end(now) {
          const list = (left[0]?.backAt ?? Infinity) <= (lost[0]?.backAt ?? Infinity) ? left : lost
          const first = list[0]
          if (!first || first.backAt > now) return
          list.shift()
          transitions++
          crowd.come(first.user)
        },
        isOver: () => left.length + lost.length === 0,
        echo(now) {
          const user = someone(now)
          if (user !== undefined) crowd.echo(user)
        },
      })
    },
    end: () => pace.end(),
    get transitions() {
      return transitions
    },
  }
}
