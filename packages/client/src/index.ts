export {
  createPresenceClient,
  type Diagnostics,
  type PresenceClient,
  type PresenceClientOptions,
  type SocketPresenceClient,
} from './client.js'
export type { PresenceCallbacks } from './callbacks.js'
export type { BackOffReason, CloseReason, ConnectionState, ConnectionTimes } from './connection.js'
export { PresenceError } from './errors.js'
export type { DeviceStorage, Platform } from './platform.js'
export type { IsEqual, Selected, Selection, SelectionOptions, Selector, SubscribeOptions } from './store.js'
export type { TokenSource } from './token.js'
export type { SocketIoOptions } from './transport.js'
export type { TypingInput } from './typing.js'
export type { Occupancy, OwnDevices, PresenceView, UserPresence } from './view.js'
export type { Device, ErrorCode, Mode, Position, Retry } from '@vigie/protocol'
