export {
  ID_MAX_LENGTH,
  LABEL_MAX_LENGTH,
  isId,
  type ClientId,
  type ConversationId,
  type DeviceId,
  type GroupId,
  type SessionId,
  type UserId,
} from './ids.js'
export type { Device, PresenceDevices } from './devices.js'
export { DIGEST_ROOMS_MAX, type DigestAnswer, type DigestQuestion } from './digest.js'
export { ERRORS, PresenceError, type ErrorCode, type ErrorPayload, type Retry } from './errors.js'
export {
  PROTOCOLS,
  type Acknowledgement,
  type Answer,
  type BackgroundRequest,
  type LeaveRequest,
  type PresenceAuth,
  type PresenceClientEvents,
  type PresenceConversation,
  type PresenceOccupancy,
  type PresenceServerEvents,
  type PresenceUpdate,
  type TokenRequest,
  type TypingNotice,
  type Protocol,
  type TypingRequest,
  type WatchRequest,
} from './events.js'
export type { Mode, Position, PresenceDiff, PresenceState, RoomChange, RoomState, UserCount } from './sync.js'
export {
  BACKGROUND_GRACE_MAX_MS,
  CLIENT_EVENTS,
  WATCH_MAX,
  authSchema,
  clientSchemas,
  parseAuth,
  parseClientEvent,
  parseDigestAnswer,
  type ClientEventName,
  type ClientPayload,
  type ParsedAuth,
} from './validate.js'
