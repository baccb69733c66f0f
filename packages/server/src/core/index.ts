export { createEngine, type Engine } from './engine.js'
export { NO_ROOMS } from './memberships.js'
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
} from './inputs.js'
export {
  READ_ROOMS_MAX,
  READ_USERS_MAX,
  silentLog,
  type Log,
  type Memberships,
  type RoomRows,
  type RoomsRead,
  type Stale,
  type UserMemberships,
} from './ports.js'
export { resolveSettings, SETTINGS, type SettingName, type Settings } from './settings.js'
