export { postgresMemberships, type PostgresMembershipsOptions } from './memberships.js'
export { migrate, migrationSql, type MigrationOptions } from './migrations.js'
export type { ConversationTable, GroupTable, MembershipTables } from './tables.js'
export type { PgPool, PostgresJs, SqlSource } from './database.js'
