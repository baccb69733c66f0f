import type { Explanation } from '@vigie/server/http'

type TransitionReason = Explanation['transitions'][number]['reason']

/** Each once: a reason that is new does not compile here until it is named. */
const ALL: Readonly<Record<TransitionReason, true>> = {
  connected: true,
  returned: true,
  replaced: true,
  lost: true,
  grace_over: true,
  left: true,
  logged_out: true,
  kicked: true,
  token_expired: true,
  too_many_sessions: true,
  other_node: true,
  node_lost: true,
}

export const REASONS = Object.keys(ALL) as readonly TransitionReason[]
