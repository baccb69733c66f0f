/** Where memberships are: the host's names, turned into SQL. */

/** The table of groups. Names may be qualified (`chat.members`); their case counts. */
export interface GroupTable {
  /** @default 'group_users' */
  readonly table?: string
  /** @default 'group_id' */
  readonly groupColumn?: string
  /** @default 'user_id' */
  readonly userColumn?: string
  /**
   * A query that is read instead of `table`, for soft deletes and the like. It must give columns of the two names
   * above. Its text becomes part of other queries, so it comes from the host's code, never from outside.
   * The change feed still watches `table`; changes of other tables that the query reads must be told with
   * `presence.membershipsChanged` or further triggers.
   * @example 'SELECT group_id, user_id FROM group_users WHERE deleted_at IS NULL'
   */
  readonly query?: string
  /**
   * Columns of `table`, besides the two, whose update means "read again". `'*'`: every one.
   * @default [] without `query`, ['*'] with it
   */
  readonly watchColumns?: readonly string[]
}

/** The table of conversations; see {@link GroupTable}. */
export interface ConversationTable extends Omit<GroupTable, 'groupColumn'> {
  /** @default 'conversation_id' */
  readonly conversationColumn?: string
}

/** Both tables; `false` for a kind that the host does not have. */
export interface MembershipTables {
  readonly groups?: GroupTable | false
  readonly conversations?: ConversationTable | false
}

/** One of the two tables, with every name quoted for SQL. */
export interface Source {
  readonly kind: 'group' | 'conversation'
  /** As the host wrote it, for sentences. */
  readonly name: string
  /** The table that the triggers are on. */
  readonly table: string
  /** Whether rows are read from `table`, and not by a query of the host's. */
  readonly isPlain: boolean
  /** What stands after FROM. */
  readonly relation: string
  readonly room: string
  readonly user: string
  /** Not quoted: they go to `vigie.watch_memberships` as text. */
  readonly watched: { readonly room: string; readonly user: string; readonly further: readonly string[] }
}

/**
 * The groups' source, then the conversations'; without those that the host does not have.
 * @throws Error with one sentence when a name cannot be one, or when nothing is left.
 */
export function resolveSources({ groups = {}, conversations = {} }: MembershipTables): readonly Source[] {
  const sources: Source[] = []
  if (groups !== false) {
    sources.push(resolve('group', groups, groups.table ?? 'group_users', groups.groupColumn ?? 'group_id'))
  }
  if (conversations !== false) {
    const { table = 'conversation_users', conversationColumn = 'conversation_id' } = conversations
    sources.push(resolve('conversation', conversations, table, conversationColumn))
  }
  if (sources.length === 0) {
    throw new Error(
      '`groups` and `conversations` are both false: nobody would see anybody; keep one of them.',
    )
  }
  return sources
}

/** How a host says that it does not have such a table. */
export function withoutKind(kind: Source['kind']): string {
  return kind === 'group'
    ? '`groups: false` (VIGIE_GROUPS=0)'
    : '`conversations: false` (VIGIE_CONVERSATIONS=0)'
}

function resolve(kind: Source['kind'], options: ConversationTable, name: string, room: string): Source {
  const user = options.userColumn ?? 'user_id'
  const table = quoteTable(name)
  return {
    kind,
    name,
    table,
    isPlain: options.query === undefined,
    relation: options.query === undefined ? table : `(${options.query.trim().replace(/;$/, '')}\n)`,
    room: quoteName(room),
    user: quoteName(user),
    watched: { room, user, further: options.watchColumns ?? (options.query === undefined ? [] : ['*']) },
  }
}

/** `chat.members` → `"chat"."members"`. A name that itself holds a dot is given in double quotes. */
function quoteTable(name: string): string {
  const parts = name.match(/"(?:[^"]|"")+"|[^".]+/g) ?? []
  if (parts.length === 0 || parts.length > 2 || parts.join('.') !== name) {
    throw new Error(`${JSON.stringify(name)} is not the name of a table; write table or schema.table.`)
  }
  return parts.map((part) => (part.startsWith('"') ? part : quoteName(part))).join('.')
}

/** A name as SQL takes it, its case kept. */
export function quoteName(name: string): string {
  if (name === '' || name.includes('\0'))
    throw new Error(`${JSON.stringify(name)} is not the name of a column.`)
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as an SQL literal, whatever `standard_conforming_strings` is. */
export function quoteLiteral(text: string): string {
  const escaped = text.replaceAll("'", "''")
  return escaped.includes('\\') ? `E'${escaped.replaceAll('\\', '\\\\')}'` : `'${escaped}'`
}
