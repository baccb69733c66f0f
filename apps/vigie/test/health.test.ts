import { expect, it } from 'vitest'
import type { PresenceHealth } from '@vigie/server'
import {
  ADMISSION_SLOW_MS,
  createHealth,
  FEED_LATE_MS,
  REREAD_LATE_SHARE,
  UPDATES_SLOW_STEP,
  type Health,
  type HealthSources,
} from '../src/health.js'
import { createHttp } from '../src/http.js'

const SETTINGS = { admissionLagMs: 250, rereadMs: 60_000 }
const WELL: PresenceHealth = {
  feedAgeMs: 180,
  areReadsFailing: false,
  rereadOverdueMs: 0,
  admissionWaiting: 0,
  admissionWaitMs: 0,
  loopLagMs: 1,
  pressure: 0,
}

/** A server on which nothing is wrong but what is named. */
function sources(wrong: Partial<PresenceHealth> = {}, isReachable = true): HealthSources {
  return {
    isDatabaseReachable: async () => isReachable,
    presence: () => ({ ...WELL, ...wrong }),
    settings: SETTINGS,
  }
}

function serving(wrong?: Partial<PresenceHealth>, isReachable?: boolean): Health {
  const health = createHealth()
  health.serve(sources(wrong, isReachable))
  return health
}

async function statuses(health: Health, paths = ['/livez', '/readyz', '/healthz']): Promise<number[]> {
  const http = createHttp({ health, version: '1.2.3' })
  return Promise.all(paths.map(async (path) => (await http.request(path)).status))
}

it('is alive from its first to its last moment, and ready between: the way from start to end', async () => {
  const health = createHealth()
  expect(await statuses(health)).toEqual([200, 503, 503])
  expect(await health.readiness()).toMatchObject({ isReady: false, reasons: ['starting'] })
  health.serve(sources())
  expect(await statuses(health)).toEqual([200, 200, 200])
  expect(await health.readiness()).toMatchObject({ isReady: true, reasons: [] })
  health.drain()
  expect(await statuses(health)).toEqual([200, 503, 200])
  expect(await health.readiness()).toMatchObject({ isReady: false, reasons: ['draining'] })
})

it('stays at its end when the end came while it started', async () => {
  const health = createHealth()
  health.drain()
  health.serve(sources())
  expect(await health.readiness()).toMatchObject({ isReady: false, reasons: ['draining'] })
})

it('does not ask the database whether it is alive', async () => {
  const health = createHealth()
  health.serve({ ...sources(), isDatabaseReachable: () => new Promise(() => {}) })
  expect(await statuses(health, ['/livez'])).toEqual([200])
})

it('answers HEAD as GET, and nothing but health is there while it starts', async () => {
  const health = createHealth()
  const http = createHttp({ health, version: '1.2.3' })
  expect((await http.request('/livez', { method: 'HEAD' })).status).toBe(200)
  for (const path of ['/', '/socket.io/?EIO=4', '/demo/users']) {
    const answer = await http.request(path)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await answer.json()).toEqual({
      error: { code: 'unavailable', message: 'Vigie is starting; try again.' },
    })
  }
})

it('names each check with what was measured and its limit, and nothing that is wrong when all is well', async () => {
  const answer = await createHttp({ health: serving(), version: '1.2.3' }).request('/readyz')
  expect(await answer.json()).toEqual({
    status: 'ok',
    reasons: [],
    checks: {
      state: { status: 'ok' },
      database: { status: 'ok' },
      feed: { status: 'ok', measured: { ageMs: 180 }, limit: 2_000 },
      rows: { status: 'ok', measured: { overdueMs: 0 }, limit: 30_000 },
      loop: { status: 'ok', measured: { lagMs: 1 }, limit: 250 },
      admission: { status: 'ok', measured: { waitedMs: 0, waiting: 0 }, limit: 1_000 },
      updates: { status: 'ok', measured: { pressure: 0 }, limit: 2 },
    },
    version: '1.2.3',
  })
})

it.each<[reason: string, check: string, most: Partial<PresenceHealth>, more: Partial<PresenceHealth>]>([
  ['feed_late', 'feed', { feedAgeMs: FEED_LATE_MS }, { feedAgeMs: FEED_LATE_MS + 1 }],
  [
    'rereads_late',
    'rows',
    { rereadOverdueMs: SETTINGS.rereadMs * REREAD_LATE_SHARE },
    { rereadOverdueMs: SETTINGS.rereadMs * REREAD_LATE_SHARE + 1 },
  ],
  ['reads_failing', 'rows', {}, { areReadsFailing: true }],
  ['loop_late', 'loop', { loopLagMs: SETTINGS.admissionLagMs }, { loopLagMs: SETTINGS.admissionLagMs + 1 }],
  [
    'admission_slow',
    'admission',
    { admissionWaitMs: ADMISSION_SLOW_MS },
    { admissionWaitMs: ADMISSION_SLOW_MS + 1 },
  ],
  ['updates_slow', 'updates', { pressure: UPDATES_SLOW_STEP - 1 }, { pressure: UPDATES_SLOW_STEP }],
])(
  'is degraded and still ready with the reason %s, above the limit only',
  async (reason, check, most, more) => {
    expect(await serving(most).readiness()).toMatchObject({ isReady: true, reasons: [] })
    const health = serving(more)
    expect(await health.readiness()).toMatchObject({
      isReady: true,
      reasons: [reason],
      checks: { [check]: { status: 'degraded', reason } },
    })
    const answer = await createHttp({ health, version: '1' }).request('/readyz')
    expect([answer.status, ((await answer.json()) as { status: string }).status]).toEqual([200, 'degraded'])
  },
)

it('is degraded and still ready while the database does not answer, and names all that is wrong', async () => {
  const health = serving({ feedAgeMs: 9_000, areReadsFailing: true }, false)
  expect(await health.readiness()).toMatchObject({
    isReady: true,
    reasons: ['database_unreachable', 'feed_late', 'reads_failing'],
  })
})

it('has no check of a feed that there is none of', async () => {
  const { checks } = await serving({ feedAgeMs: undefined }).readiness()
  expect(checks).not.toHaveProperty('feed')
})

it('says what it sees of a request to nobody but the doctor', async () => {
  const http = createHttp({ health: serving(), version: '1', isDoctor: (token) => token === 'right' })
  for (const headers of [{}, { Authorization: 'Bearer wrong' }, { Authorization: 'right' }]) {
    expect(await (await http.request('/livez', { headers })).json()).toEqual({ status: 'ok', version: '1' })
  }
})
