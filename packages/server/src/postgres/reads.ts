import { isId, PresenceError, type ConversationId, type GroupId, type UserId } from '@vigie/protocol'
import type { Log, Memberships, RoomRows, UserMemberships } from '../core/ports.js'
import { sqlState, type Database, type Row } from './database.js'
import { quoteLiteral, withoutKind, type Source } from './tables.js'

/** The two reads of {@link Memberships}, how ids are spelled, and the look at the tables that both need first. */
export interface Reads extends Required<Pick<Memberships, 'readUsers' | 'readRooms' | 'spelling'>> {
  /** @throws Error with one sentence when the tables cannot be read. */
  check(): Promise<void>
}

/** How ids are compared with a column, and which can be in it at all. */
interface Column {
  readonly expression: string
  readonly type: string
  holds(id: string): boolean
  /** The id as the column gives it back. */
  spell?(id: string): string
}
interface TypedSource extends Source {
  readonly roomColumn: Column
  readonly userColumn: Column
}

interface ReadsOptions {
  readonly database: Database
  /** Finds the tables, and the schemas that they are in. */
  readonly locate: () => Promise<readonly Source[]>
  readonly log: Log
}

/** Reads from the tables; where they are and the types of their columns are looked up before the first. */
export function membershipReads({ database, locate, log }: ReadsOptions): Reads {
  let typed: Promise<readonly TypedSource[]> | undefined
  /** The last that were found: how ids are spelled is asked without waiting. */
  let latest: readonly TypedSource[] = []

  async function lookUp(): Promise<readonly TypedSource[]> {
    const found: TypedSource[] = []
    for (const source of await locate()) {
      const [row] = await database.query(typesOf(source))
      found.push({
        ...source,
        roomColumn: column(source, 'room', row?.['room']),
        userColumn: column(source, 'user', row?.['member']),
      })
    }
    latest = found
    return found
  }

  function column(source: Source, which: 'room' | 'user', type: string | null | undefined): Column {
    const known = COLUMN_TYPES.get(type ?? '')
    const expression = `r.${source[which]}`
    if (known) return { expression, ...known }
    log.warn(
      'A membership column has a type without a plain comparison: it is compared as text, without its index.',
      {
        table: source.name,
        column: source.watched[which],
        type,
      },
    )
    return { expression: `${expression}::text`, type: 'text', holds: () => true }
  }

  async function types(): Promise<readonly TypedSource[]> {
    const mine = (typed ??= lookUp())
    try {
      return await mine
    } catch (error) {
      // Not kept: the next read looks again, or a server that was away at first would stay unread.
      if (typed === mine) typed = undefined
      throw error
    }
  }

  /** Runs a query made of one part per source, where each part gets the ids that its column can hold. */
  async function read(
    which: 'roomColumn' | 'userColumn',
    idsOf: (kind: Source['kind']) => readonly string[],
    select: (source: TypedSource, condition: string) => string,
  ): Promise<readonly Row[]> {
    const queries: string[] = []
    const values: string[] = []
    for (const source of await types()) {
      const { holds, expression, type } = source[which]
      const ids = idsOf(source.kind).filter(holds)
      if (ids.length === 0) continue
      // As JSON in a text: each driver and pooler passes that unchanged, which is not so for arrays.
      values.push(JSON.stringify(ids))
      const asked = `ARRAY(SELECT json_array_elements_text(CAST($${values.length} AS text)::json)::${type})`
      queries.push(select(source, `${expression} = ANY (${asked})`))
    }
    if (queries.length === 0) return []
    const rows = await database.query(
      [...queries, ...(await types()).flatMap(filtering)].join('\nUNION ALL\n'),
      values,
    )
    const hidden = rows.find(({ kind }) => kind === FILTERED)
    if (hidden) throw filteredBy(hidden)
    return rows
  }

  /**
   * An id that fails a whole query (no form in the database's encoding, a view that divides by it) is found by
   * halving and left without memberships. Only errors about values are: a missing right or table says nothing of
   * any id, and must not take everybody's memberships away.
   */
  async function halving<Id>(
    ids: readonly Id[],
    run: (ids: readonly Id[]) => Promise<readonly Row[]>,
    fieldsOf: (id: Id) => Readonly<Record<string, unknown>>,
  ) {
    const pending = [ids]
    const rows: Row[] = []
    for (let batch = pending.pop(); batch; batch = pending.pop()) {
      try {
        for (const row of await run(batch)) rows.push(row)
      } catch (error) {
        if (!VALUE_STATES.test(sqlState(error) ?? '')) throw unreadable(error)
        const [first, ...others] = batch
        const middle = batch.length >> 1
        if (others.length > 0) pending.push(batch.slice(0, middle), batch.slice(middle))
        else if (first !== undefined) {
          log.warn('An id cannot be asked for: it is taken to have no memberships.', {
            ...fieldsOf(first),
            error,
          })
        }
      }
    }
    return rows
  }

  function unreadable(error: unknown): PresenceError {
    if (error instanceof PresenceError) return error
    // The tables may have been altered under us: look at their types again.
    if (sqlState(error)?.startsWith('42')) typed = undefined
    return new PresenceError('unavailable', undefined, { cause: error })
  }

  return {
    async check() {
      try {
        await types()
      } catch (error) {
        throw sqlState(error)?.startsWith('42') ? unreadableTables(await locate(), error) : error
      }
    },

    spelling(kind, id) {
      const columns = latest.flatMap((source) =>
        kind === 'user' ? [source.userColumn] : source.kind === kind ? [source.roomColumn] : [],
      )
      // One id has one spelling: where the two tables do not agree, it stays as it came.
      const [first, ...others] = columns.map(({ spell }) => spell)
      return first && others.every((spell) => spell === first) ? first(id) : id
    },

    async readUsers(ids) {
      const rows = await halving(
        ids,
        (batch) =>
          read(
            'userColumn',
            () => batch,
            ({ kind, relation, room, user }, condition) =>
              aggregated(
                kind,
                'json_build_array(x.member, x.rooms)',
                `SELECT ${letters(user)} AS member, json_agg(DISTINCT ${letters(room)}) AS rooms ` +
                  `FROM ${relation} AS r WHERE ${condition} GROUP BY 1`,
              ),
          ),
        (userId) => ({ userId }),
      )
      const groups = listsOf<GroupId>(rows, 'group')
      const conversations = listsOf<ConversationId>(rows, 'conversation')
      const found = new Map<UserId, UserMemberships>()
      for (const id of new Set([...groups.keys(), ...conversations.keys()])) {
        found.set(id, { groups: groups.get(id) ?? [], conversations: conversations.get(id) ?? [] })
      }
      return found
    },

    async readRooms(groups, conversations, rosterMax) {
      const asked = [...groups.map(ofKind('group')), ...conversations.map(ofKind('conversation'))]
      const most = Math.max(0, Math.trunc(rosterMax))
      const rows = await halving(
        asked,
        (batch) =>
          read(
            'roomColumn',
            (kind) => batch.filter((one) => one.kind === kind).map(({ id }) => id),
            ({ kind, relation, room, user }, condition) =>
              aggregated(
                kind,
                'json_build_array(x.room, x.size, x.roster)',
                `SELECT ${letters(room)} AS room, count(DISTINCT ${letters(user)}) AS size, ` +
                  `CASE WHEN count(DISTINCT ${letters(user)}) <= ${most} THEN json_agg(DISTINCT ${letters(user)}) END AS roster ` +
                  `FROM ${relation} AS r WHERE ${condition} GROUP BY 1`,
              ),
          ),
        (room) => room,
      )
      return { groups: roomsOf<GroupId>(rows, 'group'), conversations: roomsOf(rows, 'conversation') }
    },
  }
}

/** A column letter by letter, also where the host's type or collation takes `Ada` and `ada` for the same. */
function letters(column: string): string {
  return `(r.${column}::text COLLATE "C")`
}

/**
 * All that a source has to say, as one JSON text: drivers spend more on a row than on what is in it. For a thousand
 * users, or five thousand rooms, that is a quarter to a third of the processor time of a row each.
 */
function aggregated(kind: Source['kind'], item: string, query: string): string {
  return `SELECT '${kind}' AS kind, json_agg(${item})::text AS items FROM (${query}) AS x`
}

function itemsOf(rows: readonly Row[], ofKind: Source['kind']): unknown[][] {
  return rows.flatMap(({ kind, items }) =>
    kind === ofKind && items ? (JSON.parse(items) as unknown[][]) : [],
  )
}

/** The rooms of each user. What could not be an id is left out. */
function listsOf<Id extends string>(rows: readonly Row[], kind: Source['kind']): Map<UserId, readonly Id[]> {
  const lists = new Map<UserId, readonly Id[]>()
  for (const [member, rooms] of itemsOf(rows, kind)) {
    const ids = idsIn<Id>(rooms)
    if (isId(member) && ids.length > 0) lists.set(member as UserId, ids)
  }
  return lists
}

function roomsOf<Id extends string>(rows: readonly Row[], kind: Source['kind']): Map<Id, RoomRows> {
  const found = new Map<Id, RoomRows>()
  for (const [room, members, roster] of itemsOf(rows, kind)) {
    found.set(room as Id, { members: Number(members), roster: roster ? idsIn<UserId>(roster) : undefined })
  }
  return found
}

/** What could not be an id is nobody who could connect. */
function idsIn<Id extends string>(list: unknown): Id[] {
  return (list as unknown[]).filter((id): id is Id => isId(id))
}

const ofKind = (kind: Source['kind']) => (id: string) => ({ kind, id })

/** What kind of row says that row level security hides some of the others. */
const FILTERED = 'filtered'

/** In the same statement as the rows, so that no policy can come between. A query or view is looked at otherwise. */
function filtering({ name, table, isPlain }: Source): string[] {
  if (!isPlain) return []
  return [`SELECT '${FILTERED}', ${quoteLiteral(name)} WHERE row_security_active(${quoteLiteral(table)})`]
}

function filteredBy({ items }: Row): PresenceError {
  const cause = new Error(`Row level security hides rows of ${items ?? ''} from the role of this connection.`)
  return new PresenceError('unavailable', undefined, { cause })
}

/** Errors about values: data exceptions, and what a host's own function raises. */
const VALUE_STATES = /^(?:22|P0)/

/** Only the types: `LIMIT 0` reads no row, so that a view of any size is asked at no cost. */
export function typesOf({ relation, room, user }: Source): string {
  const type = (column: string) =>
    '(SELECT coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text FROM pg_type AS t ' +
    `WHERE t.oid = pg_typeof((SELECT r.${column} FROM ${relation} AS r LIMIT 0)))`
  return `SELECT ${type(room)} AS room, ${type(user)} AS member`
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/

/** Only the form that the database gives back: another spelling of the same number would be another id to all else. */
const COLUMN_TYPES: ReadonlyMap<string, Omit<Column, 'expression'>> = new Map<
  string,
  Omit<Column, 'expression'>
>([
  ['text', { type: 'text', holds: () => true }],
  ['character varying', { type: 'text', holds: () => true }],
  ['uuid', { type: 'uuid', holds: (id) => UUID.test(id), spell: spellUuid }],
  ['smallint', { type: 'smallint', holds: (id) => isInteger(id, 16) }],
  ['integer', { type: 'integer', holds: (id) => isInteger(id, 32) }],
  ['bigint', { type: 'bigint', holds: (id) => isInteger(id, 64) }],
])

/** Whether ids are compared with such a column as they are, so that its index serves. */
export function hasPlainComparison(type: string | null | undefined): boolean {
  return COLUMN_TYPES.has(type ?? '')
}

/** Swift and .NET write them in capitals; PostgreSQL gives them back in small letters. */
function spellUuid(id: string): string {
  const small = id.toLowerCase()
  return UUID.test(small) ? small : id
}

function isInteger(id: string, bits: number): boolean {
  return INTEGER.test(id) && BigInt.asIntN(bits, BigInt(id)) === BigInt(id)
}

function unreadableTables(sources: readonly Source[], cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const names = sources.map(({ name }) => name).join(' and ')
  const [first] = sources
  const missing = sources.find(({ name }) => reason.includes(`"${name}"`)) ?? first
  const orNone = sources.length < 2 || !missing ? '' : `, say ${withoutKind(missing.kind)} if you have none`
  return new Error(
    `The membership tables ${names} cannot be read (${reason}): name yours in the options${orNone}, or run \`vigie migrate\`.`,
    { cause },
  )
}
