/** What `vigie doctor` has to say of one thing that is wrong. */

/** Everything that may be found. A code stays the same from version to version: scripts may act by it. */
export const FINDING_CODES = {
  configuration: [
    'configuration_refused',
    'variable_unknown',
    'tokens_unchecked',
    'database_unnamed',
    'secret_unreadable',
    'secret_weak',
    'keys_unreachable',
    'keys_unencrypted',
    'redis_without_effect',
  ],
  database: [
    'database_unreachable',
    'server_too_old',
    'server_is_standby',
    'schema_missing',
    'schema_old',
    'rights_missing',
    'table_missing',
    'table_unreadable',
    'table_is_unheard',
    'column_missing',
    'column_type_slow',
    'index_missing',
    'rows_hidden',
    'triggers_missing',
    'triggers_disabled',
    'triggers_for_other_columns',
    'triggers_not_for_replicas',
    'triggers_break_statements',
    'partition_unheard',
    'trail_missing',
    'trail_rights_missing',
    'trail_day_missing',
    'trail_changeable',
    'trail_retention_missing',
    'trail_retention_late',
    'pooler_drops_schema',
    'connections_few',
    'clocks_differ',
  ],
  outside: [
    'outside_unreachable',
    'path_not_served',
    'unencrypted',
    'no_upgrade',
    'idle_cut',
    'poll_cut',
    'not_sticky',
    'host_not_passed',
    'origin_not_passed',
    'cors_doubled',
    'cors_replaced',
    'compressed_twice',
    'address_not_passed',
    'address_forgeable',
    'monitoring_open',
  ],
} as const

/** What is looked at. */
export type Subject = keyof typeof FINDING_CODES
export type FindingCode = (typeof FINDING_CODES)[Subject][number]

export interface Finding {
  readonly subject: Subject
  readonly code: FindingCode
  /** What is wrong, with which thing: a sentence. */
  readonly what: string
  /** What follows from it: a sentence. */
  readonly follows: string
  /** What to do about it: a sentence. */
  readonly todo: string
}

/** A subject that could not be looked at to the end. */
export interface Unseen {
  readonly subject: Subject
  readonly why: string
  /** Whether it was asked for and failed. Otherwise there was nothing to look at. */
  readonly isFailure: boolean
}
