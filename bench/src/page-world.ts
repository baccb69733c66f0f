/**
 * The people of `page`, and what they share: one of them, at whose page the benchmark looks, shares a room with names
 * with everybody else, so that each change is news for that page.
 */
import type { World } from '../../apps/vigie/dist/demo/world.js'
import { userName } from './world.js'

export const PAGE_USERS = 500
/** Whose page it is. */
export const VIEWER = userName(0)
/** The room that the page shows: as many as a room with names may have, unless told otherwise. */
export const SHOWN_ROOM = 'floor'
const FLOOR = 250
const TEAM = 25
const BEGUN = { lang: 'en', isBegun: true } as const

/** A floor of 250, twenty teams of 25 with the viewer in each, twenty people whom the viewer writes to, and a company. */
export function createPageWorld(): World {
  const all = Array.from({ length: PAGE_USERS }, (_, user) => userName(user))
  const teams = Array.from({ length: PAGE_USERS / TEAM }, (_, team) =>
    all.slice(team * TEAM, (team + 1) * TEAM),
  )
  const withViewer = (members: readonly string[]) => [...new Set([VIEWER, ...members])]
  return {
    people: all.map((userId) => ({
      userId,
      name: `Person ${userId.slice(1)}`,
      givenName: userId,
      team: 'design',
      lang: 'en',
    })),
    colleagues: [],
    groups: [{ groupId: 'company', title: 'Company', members: all }],
    conversations: [
      { conversationId: SHOWN_ROOM, title: 'Floor', kind: 'company', members: all.slice(0, FLOOR), ...BEGUN },
      ...teams.map((members, team) => ({
        conversationId: `team-${team + 1}`,
        title: `Team ${team + 1}`,
        kind: 'team' as const,
        members: withViewer(members),
        ...BEGUN,
      })),
      ...teams.map((members, team) => ({
        conversationId: `direct-${team + 1}`,
        title: '',
        kind: 'direct' as const,
        members: [VIEWER, members[1] ?? VIEWER],
        ...BEGUN,
      })),
    ],
  }
}
