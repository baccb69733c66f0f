/** A server that is asked by more than it lets in: clients come back by themselves, each at a time of its own. */
import { expect, test } from 'vitest'
import { startWire, token } from '../../server/test/support/wire.js'
import type { ConnectionState } from '../src/index.js'
import { defaultPlatform, type Platform } from '../src/platform.js'
import { isLive, openSdk } from './support/sdk.js'

const RECONNECT_BASE_MS = 16
const TIMES_SENT_AWAY = 4
/** Of each wait the largest part that chance may take: so waits say what limit they were taken from. */
const CHANCE = 0.999

test('a client that waited too long at the door comes back by itself, later and later, until it is let in', async () => {
  let isBlocked = true
  let unblock = () => {}
  const eves = new Promise<void>((resolve) => {
    unblock = resolve
  })
  const letIn: string[] = []
  await using wire = await startWire({
    rows: { conversations: [['c', ['ann', 'eve']]] },
    presence: {
      admittingMax: 1,
      admissionWaitMs: 50,
      authenticateMs: 60_000,
      authenticate: async () => {
        if (!isBlocked) {
          letIn.push('ann')
          return { userId: 'ann' }
        }
        isBlocked = false
        await eves
        letIn.push('eve')
        return { userId: 'eve' }
      },
    },
  })
  wire.client('eve')
  await wire.until('the door is blocked', () => !isBlocked)

  // Real time and real timers; only chance is held, and what is asked of the timers is written down.
  const asked: number[] = []
  const platform: Platform = {
    ...defaultPlatform,
    random: () => CHANCE,
    setTimeout(run, delayMs) {
      asked.push(delayMs)
      return defaultPlatform.setTimeout(run, delayMs)
    },
  }
  using ann = openSdk(wire.url, { token: token('ann'), reconnectBaseMs: RECONNECT_BASE_MS, platform })
  const states: ConnectionState[] = []
  ann.client.subscribe(
    (view) => view.state(),
    (state) => states.push(state),
  )
  await ann.until('sent away four times', (view) => {
    const state = view.state()
    return state.name === 'backingOff' && state.attempt === TIMES_SENT_AWAY
  })
  expect(letIn).toEqual([])
  unblock()
  await ann.until('live', isLive)

  const backOffs = states.filter((state) => state.name === 'backingOff')
  // Those who ask just before the door opens may be sent away once more.
  expect(backOffs.length - TIMES_SENT_AWAY).toBeLessThanOrEqual(1)
  expect(backOffs.map(({ reason, attempt }) => [reason, attempt])).toEqual(
    backOffs.map((_, place) => ['overloaded', place + 1]),
  )
  // Each wait is taken from a limit twice as long as the one before. Other timers are those of attempts and answers.
  const waits = backOffs.map((_, failures) => Math.floor(CHANCE * RECONNECT_BASE_MS * 2 ** failures))
  expect(asked.filter((delayMs) => delayMs < 1_000)).toEqual(waits)
  expect(letIn).toEqual(['eve', 'ann'])
})
