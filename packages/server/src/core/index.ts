export type { Audit } from './audit.js'
export { createEngine, type Engine } from './engine.js'
export type {
  ExplainedRoom,
  ExplainedSession,
  ExplainedTransition,
  ExplainedViewer,
  Explaining,
  Explanation,
} from './explain.js'
export type { TransitionReason } from './transitions.js'
export { hasMethods, isObject, refuseNonBoolean, refuseUnknown, refuseWrongLog } from './given-options.js'
export { lineLog } from './line-log.js'
export { NO_ROOMS } from './memberships.js'
export { nearestName } from './nearest.js'
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
  RosterOrSize,
  RoomName,
  RoomPresence,
} from './inputs.js'
export {
  READ_ROOMS_MAX,
  READ_USERS_MAX,
  silentLog,
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
