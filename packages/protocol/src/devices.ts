import type { DeviceId } from './ids.js'

/** One device of one's own. A session without `deviceId` is a device of its own; its `deviceId` here is the server's. */
export interface Device {
  readonly deviceId: DeviceId
  /** When the device came, in milliseconds since 1970 on the server's clock. */
  readonly since: number
  /** The client's `auth.label`. */
  readonly label?: string
}

/** To the user's own sessions. */
export interface PresenceDevices {
  readonly count: number
  readonly devices: readonly Device[]
}
