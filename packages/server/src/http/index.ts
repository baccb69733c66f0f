export { ApiError, createApiClient, type ApiClient, type ApiClientOptions } from './client.js'
export type {
  AuditHole,
  AuditOnline,
  AuditPeak,
  AuditUser,
  AuditWhy,
  BusyConversation,
  ClientAudit,
  DeadLetter,
  Explanation,
  Monitor,
  MonitoredMetric,
  MonitoredSample,
  Problem,
  RoomPresence,
  UserPresence,
} from './answers.js'
