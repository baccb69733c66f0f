export { attachPresence, type PresenceHealth, type PresenceListeners, type PresenceServer } from './attach.js'
export type { MetricFamily, MetricKind, MetricSample } from '../host/metric-families.js'
export { METRICS, withWebhooks, type MetricDescription } from '../host/metrics.js'
export type {
  ExplainedRoom,
  ExplainedSession,
  ExplainedTransition,
  ExplainedViewer,
  Explanation,
  TransitionReason,
} from '../core/index.js'
export {
  CLIENT_AUDIT_SAMPLE_DEFAULT,
  CLIENT_AUDIT_SAMPLE_MAX,
  type ClientAudit,
  type DifferentClient,
  type GhostPlace,
  type Ghosts,
} from '../host/server-api.js'
export type { Identity, JwtOptions, PresenceOptions, RoomPrefixes } from './options.js'
export {
  nearestName,
  resolveSettings,
  SETTINGS,
  silentLog,
  type Log,
  type Memberships,
  type Presence,
  type RoomPresence,
  type RoomRows,
  type RoomsRead,
  type SettingName,
  type Settings,
  type Stale,
  type UserMemberships,
} from '../core/index.js'
export type { PresenceClientEvents, PresenceServerEvents } from '@vigie/protocol'
