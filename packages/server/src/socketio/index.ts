export { attachPresence, type PresenceHealth, type PresenceListeners, type PresenceServer } from './attach.js'
export type { Identity, JwtOptions, PresenceOptions, RoomPrefixes } from './options.js'
export {
  nearestName,
  resolveSettings,
  SETTINGS,
  silentLog,
  type Log,
  type Memberships,
  type Presence,
  type RoomRows,
  type RoomsRead,
  type SettingName,
  type Settings,
  type Stale,
  type UserMemberships,
} from '../core/index.js'
export type { PresenceClientEvents, PresenceServerEvents } from '@vigie/protocol'
