export { createEngine, type Engine, type SessionView } from './engine.js'
export { NO_MEMBERSHIPS } from './memberships.js'
export type {
  CloseReason,
  Effect,
  Input,
  KnownMemberships,
  Presence,
  PresenceEvent,
  RoomName,
} from './inputs.js'
export {
  READ_BATCH_MAX,
  silentLog,
  type Log,
  type Memberships,
  type RoomSizes,
  type Stale,
  type UserMemberships,
} from './ports.js'
export { resolveSettings, SETTINGS, type SettingName, type Settings } from './settings.js'
