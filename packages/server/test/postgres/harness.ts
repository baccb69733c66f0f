import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { ConversationId, GroupId, UserId } from '@vigie/protocol'
import { migrate, postgresMemberships, type MembershipTables, type SqlSource } from '@vigie/server/postgres'
import type { MembershipsHarness } from '@vigie/server/testing'
import pg from 'pg'
import postgres from 'postgres'
import { silentLog } from '../../src/core/ports.js'
import { freshDatabase } from '../../../../test/database.js'

export type IdType = 'text' | 'integer' | 'uuid'
export type DriverName = 'url' | 'postgres' | 'pg'

/** A chat's tables: ids of one type, rows that vanish with whom they name. */
const TABLES = {
  groups: { table: 'chat.team members', groupColumn: 'teamId', userColumn: 'personId' },
  conversations: { table: 'chat.room_members', conversationColumn: 'room_id', userColumn: 'person_id' },
} as const satisfies MembershipTables

const schemaOf = (type: IdType) => `
  CREATE SCHEMA chat;
  CREATE TABLE chat.people (id ${type} PRIMARY KEY);
  CREATE TABLE chat.teams (id ${type} PRIMARY KEY);
  CREATE TABLE chat.rooms (id ${type} PRIMARY KEY);
  CREATE TABLE chat."team members" (
    "teamId" ${type} REFERENCES chat.teams ON DELETE CASCADE,
    "personId" ${type} REFERENCES chat.people ON DELETE CASCADE);
  CREATE TABLE chat.room_members (
    room_id ${type} REFERENCES chat.rooms ON DELETE CASCADE,
    person_id ${type} REFERENCES chat.people ON DELETE CASCADE)`

const IDS: Readonly<Record<IdType, { make(n: number): string; foreign: readonly string[] }>> = {
  text: { make: (n) => `id-${n}`, foreign: [] },
  integer: {
    make: (n) => String(n),
    foreign: ['word', '01', '+1', ' 1', '1.0', '1e0', '-0', '2147483648', '99999999999999999999', '1; --'],
  },
  uuid: {
    make: (n) => `abcdef00-0000-4000-8000-${String(n).padStart(12, '0')}`,
    foreign: ['word', 'ABCDEF00-0000-4000-8000-000000000001', '{abcdef00-0000-4000-8000-000000000001}', '1'],
  },
}

/** A chat's database behind a line that can be cut. */
export async function openHarness(driver: DriverName, type: IdType): Promise<MembershipsHarness> {
  const database = await freshDatabase()
  const { sql } = database
  await sql.unsafe(schemaOf(type))
  await migrate(sql, TABLES)
  const line = await cuttableLine(new URL(database.url))
  const client = drivers[driver](line.url)
  const memberships = postgresMemberships({ sql: client.sql, ...TABLES, feedPollMs: 20, log: silentLog })
  const id = IDS[type].make

  const add = async (members: string, rooms: string, room: string, user: string) => {
    await sql.unsafe(`INSERT INTO chat.people VALUES ($1) ON CONFLICT DO NOTHING`, [user])
    await sql.unsafe(`INSERT INTO chat.${rooms} VALUES ($1) ON CONFLICT DO NOTHING`, [room])
    await sql.unsafe(`INSERT INTO chat.${members} VALUES ($1, $2)`, [room, user])
  }
  const remove = async (where: string, ...ids: string[]) => {
    await sql.unsafe(`DELETE FROM chat.${where}`, ids)
  }

  return {
    memberships,
    user: (n) => id(n) as UserId,
    group: (n) => id(n + 10_000) as GroupId,
    conversation: (n) => id(n + 20_000) as ConversationId,
    foreignIds: IDS[type].foreign,
    ...(type === 'uuid' && { otherSpelling: (n: number) => id(n).toUpperCase() }),
    rows: {
      addToGroup: (group, user) => add('"team members"', 'teams', group, user),
      addToConversation: (conversation, user) => add('room_members', 'rooms', conversation, user),
      removeFromGroup: (group, user) =>
        remove('"team members" WHERE "teamId" = $1 AND "personId" = $2', group, user),
      removeFromConversation: (room, user) =>
        remove('room_members WHERE room_id = $1 AND person_id = $2', room, user),
      deleteUser: (user) => remove('people WHERE id = $1', user),
      deleteGroup: (group) => remove('teams WHERE id = $1', group),
      deleteConversation: (conversation) => remove('rooms WHERE id = $1', conversation),
    },
    goAway: line.cut,
    comeBack: line.mend,
    async close() {
      await memberships.close()
      await client.end()
      await line.cut()
      await database[Symbol.asyncDispose]()
    },
  }
}

const drivers: Readonly<Record<DriverName, (url: string) => { sql: SqlSource; end(): Promise<void> }>> = {
  url: (url) => ({ sql: url, end: () => Promise.resolve() }),
  postgres(url) {
    // As a host might have it: few connections, no types fetched, its own way to wait.
    const sql = postgres(url, { max: 2, backoff: () => 0.05, fetch_types: false, onnotice: () => {} })
    return { sql, end: () => sql.end({ timeout: 1 }) }
  },
  pg(url) {
    const pool = new pg.Pool({ connectionString: url, max: 2 })
    // A pool without a listener takes the process down when an idle connection is cut.
    pool.on('error', () => {})
    return { sql: pool, end: () => pool.end() }
  },
}

/** A port that leads to the database until it is cut. */
async function cuttableLine(target: URL) {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = new URL(target)
  url.port = String(address.port)
  return {
    url: url.href,
    async cut() {
      if (!server.listening) return
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
    async mend() {
      server.listen(address.port, '127.0.0.1')
      await once(server, 'listening')
    },
  }
}
