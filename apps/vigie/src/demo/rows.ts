import type postgres from 'postgres'
import type { World } from './world.js'

type Pairs = readonly (readonly [room: string, user: string])[]

/**
 * Adds the rows of the demo world that are missing, and touches no others. Not `on conflict`: a table that the
 * host made need not have the unique index which that relies on.
 */
export async function writeWorld(sql: postgres.Sql, world: World): Promise<void> {
  const groups = world.groups.flatMap(({ groupId, members }) => pairs(groupId, members))
  const conversations = world.conversations.flatMap(({ conversationId, members }) =>
    pairs(conversationId, members),
  )
  await sql.begin(async (transaction) => {
    await transaction`
      insert into group_users (group_id, user_id)
      select room, member from unnest(${rooms(groups)}::text[], ${members(groups)}::text[]) as wanted (room, member)
      where not exists (select from group_users where group_id = room and user_id = member)`
    await transaction`
      insert into conversation_users (conversation_id, user_id)
      select room, member from unnest(${rooms(conversations)}::text[], ${members(conversations)}::text[]) as wanted (room, member)
      where not exists (select from conversation_users where conversation_id = room and user_id = member)`
  })
}

function pairs(room: string, members: readonly string[]): Pairs {
  return members.map((member) => [room, member] as const)
}

function rooms(all: Pairs): string[] {
  return all.map(([room]) => room)
}

function members(all: Pairs): string[] {
  return all.map(([, member]) => member)
}
