/** What the engine tells a recorder is enough to know what was so at each moment, without having watched all of it. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createEngine, type Recorded } from '../../src/core/index.js'
import { play } from '../../src/testing/history.js'
import { allHistories, worldSettings } from '../support/histories.js'

type Session = Extract<Recorded, { type: 'session' }>

/** What was told so far, as a reader of the audit trail adds it up. */
function createReader() {
  const sessions = new Map<string, Session>()
  const rooms = new Map<string, string>()
  return {
    add(told: Recorded) {
      const key = told.type === 'session' ? `${told.userId} ${told.sessionId}` : told.userId
      if (told.type === 'rooms') {
        const names = told.rooms.map(({ kind, id }) => `${kind} ${id}`)
        rooms.set(key, names.sort().join())
      } else if (told.state === 'ended') sessions.delete(key)
      else sessions.set(key, told)
    },
    sessions: () =>
      [...sessions].map(([key, { state, device, since }]) => `${key} ${state} ${device} ${since}`).sort(),
    /** Of people who are online: of others the trail says nothing. */
    rooms: (isOnline: (userId: string) => boolean) =>
      [...rooms].flatMap(([userId, names]) => (isOnline(userId) ? [`${userId}: ${names}`] : [])).sort(),
    devices: (userId: string) => {
      const own = [...sessions.values()].filter((session) => session.userId === userId)
      return new Set(own.map(({ device }) => device)).size
    },
    users: () => new Set([...sessions.values()].map(({ userId }) => userId)),
  }
}

it('what is so is what was told so far, in 500 random histories', () => {
  const seen = { live: 0, lost: 0, ended: 0, rooms: 0, online: 0 }

  const create: typeof createEngine = (settings, epoch) => {
    const engine = createEngine(settings, epoch, { isRecorded: true })
    const told = createReader()
    /** Who may be online by another node, too. */
    const elsewhere = new Set<string>()
    return {
      ...engine,
      apply(input, now) {
        const effects = engine.apply(input, now)
        if (input.type === 'contribution') elsewhere.add(input.userId)
        for (const effect of effects) {
          if (effect.type !== 'session' && effect.type !== 'rooms') continue
          seen[effect.type === 'session' ? effect.state : 'rooms']++
          expect(effect.at).toBeLessThanOrEqual(now)
          told.add(effect)
        }
        const fresh = createReader()
        for (const each of engine.recorded()) fresh.add(each)
        expect(told.sessions()).toEqual(fresh.sessions())
        const users = told.users()
        expect(told.rooms((userId) => users.has(userId as never))).toEqual(
          fresh.rooms((userId) => users.has(userId as never)),
        )
        for (const userId of users) {
          seen.online++
          const { online, count } = engine.get(userId)
          expect(online).toBe(true)
          if (!elsewhere.has(userId)) expect(count).toBe(told.devices(userId))
        }
        return effects
      },
    }
  }

  fc.assert(
    fc.property(allHistories, (history) => {
      play(history, create, worldSettings)
    }),
    { numRuns: 500 },
  )
  // Histories in which nothing happens prove nothing.
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(100)
}, 600_000)
