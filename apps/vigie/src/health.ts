/** How the server is, for those who decide whether to restart it and whether to send people to it. */

/** What the server does now. */
export type State = 'starting' | 'serving' | 'draining'

/** Why the server is not ready, or less than whole. */
export type Reason = 'starting' | 'draining' | 'database_unreachable'

export interface Readiness {
  /** Whether people should be sent here. */
  readonly isReady: boolean
  readonly reasons: readonly Reason[]
}

export interface Health {
  state(): State
  /** From now on people are let in; `isReachable` tells whether the database answers. */
  serve(isReachable: () => Promise<boolean>): void
  /** The end has begun: nobody new is to be sent here. */
  drain(): void
  /**
   * A server whose database is away is ready all the same: it keeps the sessions that it has. A balancer that took it
   * out would end those that poll, and send the others to servers with the same database.
   */
  readiness(): Promise<Readiness>
  database(): Promise<'ok' | 'unreachable' | 'starting'>
}

export function createHealth(): Health {
  let state: State = 'starting'
  let isDatabaseReachable: (() => Promise<boolean>) | undefined
  const isReachable = async () => (isDatabaseReachable === undefined ? undefined : isDatabaseReachable())
  return {
    state: () => state,
    serve(asked) {
      isDatabaseReachable = asked
      if (state === 'starting') state = 'serving'
    },
    drain() {
      state = 'draining'
    },
    async readiness() {
      if (state !== 'serving') return { isReady: false, reasons: [state] }
      return { isReady: true, reasons: (await isReachable()) === true ? [] : ['database_unreachable'] }
    },
    async database() {
      const answer = await isReachable()
      if (answer === undefined) return 'starting'
      return answer ? 'ok' : 'unreachable'
    },
  }
}
