/** How the server is, for those who decide whether to restart it and whether to send people to it. */
import type { PresenceHealth, Settings } from '@vigie/server'

/** What the server does now. */
export type State = 'starting' | 'serving' | 'draining'

/** Why the server is not ready, or less than whole. docs/operations.md has them in a table. */
export type Reason =
  | 'starting'
  | 'draining'
  | 'database_unreachable'
  | 'feed_late'
  | 'reads_failing'
  | 'rereads_late'
  | 'loop_late'
  | 'admission_slow'
  | 'updates_slow'

/** What is looked at; the next will be `cluster`, once there are several nodes. */
export type CheckName = 'state' | 'database' | 'feed' | 'rows' | 'loop' | 'admission' | 'updates'

/** What one check found. */
export interface Check {
  readonly status: 'ok' | 'degraded' | 'unavailable'
  /** Absent when the status is `ok`. */
  readonly reason?: Reason
  /** What was measured, in the unit of its name; `limit` is of the same unit. */
  readonly measured?: Readonly<Record<string, number>>
  readonly limit?: number
}

export interface Readiness {
  /** Whether people should be sent here. */
  readonly isReady: boolean
  readonly reasons: readonly Reason[]
  readonly checks: Readonly<Partial<Record<CheckName, Check>>>
}

/** Who is asked how they are. */
export interface HealthSources {
  /** Whether the database answers. */
  isDatabaseReachable(): Promise<boolean>
  presence(): PresenceHealth
  readonly settings: Pick<Settings, 'admissionLagMs' | 'rereadMs'>
}

export interface Health {
  state(): State
  /** From now on people are let in. */
  serve(sources: HealthSources): void
  /** The end has begun: nobody new is to be sent here. */
  drain(): void
  /**
   * Only a server that starts or drains is not ready. Everything else that can be wrong is wrong on the other servers, too
   * (they have the same database), or would be soon (they would get the load of this one). A balancer that took this server
   * out would end the sessions of those who poll, and help nobody.
   */
  readiness(): Promise<Readiness>
  database(): Promise<'ok' | 'unreachable' | 'starting'>
}

/** A change of a membership is to be live within a second. A feed that was not read for twice as long breaks that. */
export const FEED_LATE_MS = 2_000
/** Rows that are due for the slow re-read wait for others to be read first. Half a period is more than a queue. */
export const REREAD_LATE_SHARE = 0.5
/** Clients show that they connect after about a second. */
export const ADMISSION_SLOW_MS = 1_000
/** From this step on a session is written once in two seconds or less often, which people notice. */
export const UPDATES_SLOW_STEP = 3

export function createHealth(): Health {
  let state: State = 'starting'
  let sources: HealthSources | undefined

  async function checksOf(asked: HealthSources): Promise<Readiness['checks']> {
    // The database first: while its answer is awaited, the others may change.
    const database = databaseCheck(await asked.isDatabaseReachable())
    return { state: { status: 'ok' }, database, ...presenceChecks(asked.presence(), asked.settings) }
  }

  return {
    state: () => state,
    serve(asked) {
      sources = asked
      if (state === 'starting') state = 'serving'
    },
    drain() {
      state = 'draining'
    },
    async readiness() {
      if (state !== 'serving' || sources === undefined) {
        const reason = state === 'serving' ? 'starting' : state
        return { isReady: false, reasons: [reason], checks: { state: { status: 'unavailable', reason } } }
      }
      const checks = await checksOf(sources)
      return {
        isReady: true,
        reasons: Object.values(checks).flatMap(({ reason }) => reason ?? []),
        checks,
      }
    },
    async database() {
      if (sources === undefined) return 'starting'
      return (await sources.isDatabaseReachable()) ? 'ok' : 'unreachable'
    },
  }
}

function databaseCheck(isReachable: boolean): Check {
  return isReachable ? { status: 'ok' } : { status: 'degraded', reason: 'database_unreachable' }
}

function presenceChecks(health: PresenceHealth, settings: HealthSources['settings']) {
  const { feedAgeMs, rereadOverdueMs, areReadsFailing, loopLagMs, pressure } = health
  const { admissionWaiting, admissionWaitMs } = health
  const rereads = within('rereads_late', settings.rereadMs * REREAD_LATE_SHARE, {
    overdueMs: rereadOverdueMs,
  })
  return {
    ...(feedAgeMs !== undefined && { feed: within('feed_late', FEED_LATE_MS, { ageMs: feedAgeMs }) }),
    rows: areReadsFailing ? { ...rereads, status: 'degraded', reason: 'reads_failing' } : rereads,
    loop: within('loop_late', settings.admissionLagMs, { lagMs: loopLagMs }),
    admission: within('admission_slow', ADMISSION_SLOW_MS, {
      waitedMs: admissionWaitMs,
      waiting: admissionWaiting,
    }),
    updates: within('updates_slow', UPDATES_SLOW_STEP - 1, { pressure }),
  } satisfies Readiness['checks']
}

/** The first of `measured` is compared with the limit, which is the largest value that is well. */
function within(reason: Reason, limit: number, measured: Readonly<Record<string, number>>): Check {
  const [value = 0] = Object.values(measured)
  return value > limit ? { status: 'degraded', reason, measured, limit } : { status: 'ok', measured, limit }
}
