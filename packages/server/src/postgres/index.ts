export { postgresMemberships } from './memberships.js'
export {
  CONNECTIONS_MAX as MEMBERSHIP_CONNECTIONS_MAX,
  CONNECTIONS_MAX as TRAIL_CONNECTIONS_MAX,
  CONNECTIONS_MAX as WEBHOOK_CONNECTIONS_MAX,
} from './database.js'
export { inspectMemberships, type DatabaseFault, type DatabaseFaultCode } from './inspection.js'
export { inspectTrail, type TrailCondition, type TrailConditionCode } from './trail-inspection.js'
export { migrate, migrationSql } from './migrations.js'
export type { MigrationOptions, PostgresMembershipsOptions, TrailRoles } from './options.js'
export {
  DAYS_MAX as TRAIL_DAYS_MAX,
  keepTrail,
  type TrailErasure,
  type TrailKeeper,
  type TrailKeeperOptions,
} from './trail-keeping.js'
export {
  headIn as trailHeadIn,
  type TrailFault,
  type TrailFaultCode,
  type TrailHead,
  type TrailPlace,
  type TrailVerification,
  type VerifyOptions as TrailVerifyOptions,
} from '../trail/verify.js'
export { postgresTrail, type PostgresTrailOptions } from './trail.js'
export { openTrail, type OpenTrailOptions } from './trail-questions.js'
export type { TrailQuestions } from '../trail/questions.js'
export { DEAD_LETTERS_MAX, startWebhooks, type PostgresWebhookOptions, type Webhooks } from './webhooks.js'
export {
  RETRIES_MAX as WEBHOOK_RETRIES_MAX,
  RETRY_MS_DEFAULT as WEBHOOK_RETRY_MS,
  RETRY_MS_MAX as WEBHOOK_RETRY_MS_MAX,
  WEBHOOK_SETTINGS,
  type WebhookEndpoint,
} from '../webhooks/options.js'
export type { WebhookCounts } from '../core/index.js'
export type { DeadLetter } from '../webhooks/store.js'
export type { ConversationTable, GroupTable, MembershipTables } from './tables.js'
export type { PgPool, PostgresJs, SqlSource } from './database.js'
export { logLeftOut, readDatabaseUrl, type DatabaseUrl } from './database-url.js'
