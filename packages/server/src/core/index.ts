export type { Census } from './census.js'
export type { Counts } from './counts.js'
export type { Audit } from './audit.js'
export type { SessionDigest } from './digest.js'
export { createEngine, type Engine } from './engine.js'
export type {
  ExplainedRoom,
  ExplainedSession,
  ExplainedTransition,
  ExplainedViewer,
  Explaining,
  Explanation,
} from './explain.js'
export { hasMethods, isObject, refuseNonBoolean, refuseUnknown, refuseWrongLog } from './given-options.js'
export { lineLog } from './line-log.js'
export { NO_ROOMS } from './memberships.js'
export { deviceIdOf } from './model.js'
export { nearestName } from './nearest.js'
export { TRANSITION_REASONS } from './inputs.js'
export { createHistogram, type Histogram, type HistogramData } from './histogram.js'
export type {
  CloseReason,
  DueSession,
  Effect,
  Input,
  KnownRoom,
  KnownRooms,
  Place,
  Presence,
  PresenceEvent,
  Recorded,
  TransitionReason,
  RosterOrSize,
  RoomName,
  RoomPresence,
} from './inputs.js'
export {
  createFeedCounts,
  FEED_LAG_LIMITS_S,
  READ_LIMITS_S,
  READ_ROOMS_MAX,
  READ_USERS_MAX,
  silentLog,
  type FeedCounts,
  type TrailCounts,
  type WebhookCounts,
  type IdKind,
  type Log,
  type Memberships,
  type RoomRows,
  type RoomsRead,
  type Spell,
  type Stale,
  type UserMemberships,
} from './ports.js'
export { resolveSettings, SETTINGS, type SettingName, type Settings } from './settings.js'
