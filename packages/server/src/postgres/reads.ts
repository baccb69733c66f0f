import { isId, PresenceError, type ConversationId, type GroupId, type UserId } from '@vigie/protocol'
import type { Log, Memberships, RoomRows, UserMemberships } from '../core/ports.js'
import { sqlState, type Database, type Row } from './database.js'
import type { Source } from './tables.js'

/** The two reads of {@link Memberships}, and the look at the tables that they need first. */
export interface Reads extends Pick<Memberships, 'readUsers' | 'readRooms'> {
  /** @throws Error with one sentence when the tables cannot be read. */
  check(): Promise<void>
}

/** How ids are compared with a column, and which can be in it at all. */
interface Column {
  readonly expression: string
  readonly type: string
  holds(id: string): boolean
}
interface TypedSource extends Source {
  readonly roomColumn: Column
  readonly userColumn: Column
}

/** Reads from `sources`; the column types are looked up before the first. */
export function membershipReads(database: Database, sources: readonly [Source, Source], log: Log): Reads {
  let typed: Promise<readonly TypedSource[]> | undefined

  async function lookUp(): Promise<readonly TypedSource[]> {
    const found: TypedSource[] = []
    for (const source of sources) {
      const [row] = await database.query(typesOf(source))
      found.push({
        ...source,
        roomColumn: column(source, 'room', row?.['room']),
        userColumn: column(source, 'user', row?.['member']),
      })
    }
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
    return queries.length === 0 ? [] : database.query(queries.join('\nUNION ALL\n'), values)
  }

  /**
   * An id that fails a whole query (no form in the database's encoding, a view that divides by it) is found by
   * halving and left without memberships. Only errors about values are: a missing right or table says nothing of
   * any id, and must not take everybody's memberships away.
   */
  async function halving<Id>(ids: readonly Id[], run: (ids: readonly Id[]) => Promise<readonly Row[]>) {
    const pending = [ids]
    const rows: Row[] = []
    for (let batch = pending.pop(); batch; batch = pending.pop()) {
      try {
        for (const row of await run(batch)) rows.push(row)
      } catch (error) {
        if (!VALUE_STATES.test(sqlState(error) ?? '')) throw unreadable(error)
        const middle = batch.length >> 1
        if (middle > 0) pending.push(batch.slice(0, middle), batch.slice(middle))
        else
          log.warn('An id cannot be asked for: it is taken to have no memberships.', { id: batch[0], error })
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
        throw sqlState(error)?.startsWith('42') ? unreadableTables(sources, error) : error
      }
    },

    async readUsers(ids) {
      const rows = await halving(ids, (batch) =>
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
      const rows = await halving(asked, (batch) =>
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

/** Errors about values: data exceptions, and what a host's own function raises. */
const VALUE_STATES = /^(?:22|P0)/

/** Only the types: `LIMIT 0` reads no row, so that a view of any size is asked at no cost. */
function typesOf({ relation, room, user }: Source): string {
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
  ['uuid', { type: 'uuid', holds: (id) => UUID.test(id) }],
  ['smallint', { type: 'smallint', holds: (id) => isInteger(id, 16) }],
  ['integer', { type: 'integer', holds: (id) => isInteger(id, 32) }],
  ['bigint', { type: 'bigint', holds: (id) => isInteger(id, 64) }],
])

function isInteger(id: string, bits: number): boolean {
  return INTEGER.test(id) && BigInt.asIntN(bits, BigInt(id)) === BigInt(id)
}

function unreadableTables(sources: readonly Source[], cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const names = sources.map(({ name }) => name).join(' and ')
  return new Error(
    `The membership tables ${names} cannot be read (${reason}): name yours in the options, or run \`vigie migrate\`.`,
    { cause },
  )
}
