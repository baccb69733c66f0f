/**
 * The demo's company. Nothing here is random: the same people sit in the same rooms at each start, so writing the
 * rows again changes nothing.
 *
 * People whom one can be, and colleagues whom the bots play, are two sets. A person whom somebody plays is never
 * played by a bot too, and what one sees of them is exactly what their player did.
 */
export interface Person {
  readonly userId: string
  readonly name: string
  readonly team: Team
}

export interface DemoGroup {
  readonly groupId: string
  readonly title: string
  readonly members: readonly string[]
}

export interface DemoConversation {
  readonly conversationId: string
  /** Of a direct conversation: empty, since each side calls it by the other's name. */
  readonly title: string
  readonly kind: 'direct' | 'team' | 'project' | 'company'
  readonly members: readonly string[]
}

export interface World {
  /** Those one can sign in as. */
  readonly people: readonly Person[]
  /** Those whom bots play, {@link COLLEAGUES_MAX} at most. */
  readonly colleagues: readonly Person[]
  readonly groups: readonly DemoGroup[]
  readonly conversations: readonly DemoConversation[]
}

const TEAMS = ['design', 'platform', 'mobile', 'support', 'sales', 'people'] as const
type Team = (typeof TEAMS)[number]

const TEAM_TITLES: Readonly<Record<Team, string>> = {
  design: 'Design',
  platform: 'Platform',
  mobile: 'Mobile',
  support: 'Support',
  sales: 'Sales',
  people: 'People & Finance',
}

/** Four of each team can be played by whoever opens the page … */
const PEOPLE: Readonly<Record<Team, readonly string[]>> = {
  design: ['Amélie Durand', 'Kofi Mensah', 'Yuki Tanaka', 'Sofía Herrera'],
  platform: ['Priya Raman', 'Jonas Weber', 'Zoë van Dijk', 'Tariq Aziz'],
  mobile: ['Nia Okafor', 'Lukáš Novák', 'Mei Lin', 'Diego Fuentes'],
  support: ['Aoife Byrne', 'Hassan El Amrani', 'Ingrid Solberg', 'Thabo Nkosi'],
  sales: ['Camille Roux', 'Arjun Mehta', 'Elif Yılmaz', 'Mateus Carvalho'],
  people: ['Leila Haddad', 'Oskar Lindqvist', 'Ana Popescu', 'Keoni Kahale'],
}

/** … and these are the bots'. */
const COLLEAGUES: Readonly<Record<Team, readonly string[]>> = {
  design: ['Noor Siddiqui', 'Théo Lambert', 'Hana Kimura', 'Piotr Zieliński'],
  platform: ['Wanjiru Kamau', 'Nguyễn Minh Anh', 'Samuel Ortiz', 'Freya Madsen'],
  mobile: ['Rania Khoury', 'Bence Szabó', 'Chidi Eze'],
  support: ['Maja Kovač', 'Tomás Ribeiro', 'Sana Iqbal'],
  sales: ['Giulia Conti', 'Kwame Boateng', 'Anouk Peeters'],
  people: ['Daniel Cohen', 'Malika Benali', 'Eero Virtanen'],
}

/** Project rooms cut across the teams: team, then which of its people and colleagues (by position) are in it. */
const PROJECTS: readonly {
  id: string
  title: string
  teams: readonly Team[]
  positions: readonly number[]
}[] = [
  {
    id: 'project-onboarding',
    title: 'New onboarding',
    teams: ['design', 'mobile', 'support'],
    positions: [0, 1],
  },
  { id: 'project-billing', title: 'Billing', teams: ['platform', 'sales', 'people'], positions: [0, 2] },
  { id: 'project-search', title: 'Search', teams: ['platform', 'design'], positions: [1, 2, 3] },
  {
    id: 'project-release',
    title: 'Release 4',
    teams: ['mobile', 'platform', 'support', 'sales'],
    positions: [2, 3],
  },
  { id: 'incident-room', title: 'Incidents', teams: ['platform', 'support'], positions: [0, 1, 2, 3] },
  { id: 'lunch-run', title: 'Lunch run', teams: ['design', 'sales', 'people', 'mobile'], positions: [0, 3] },
]

/**
 * Rows without people behind them. They take the all-hands room over the ordinary limit of names (250), so that
 * count mode is seen as any host would meet it, without a setting of the demo's own.
 */
const STAFF_COUNT = 300
/** The room that everybody shares and the bots never leave quiet: life for whoever signs in. */
export const COMMON_ROOM = 'cafe'

/** The company, made of the tables above. */
export function createWorld(): World {
  const people = peopleOf(PEOPLE)
  const colleagues = peopleOf(COLLEAGUES)
  const named = [...people, ...colleagues]
  const namedIds = named.map(({ userId }) => userId)
  const everybody = [...namedIds, ...staffIds()]
  const ofTeam = (team: Team) => named.filter((person) => person.team === team).map(({ userId }) => userId)
  return {
    people,
    colleagues,
    groups: [
      { groupId: 'group-company', title: 'Company', members: everybody },
      ...TEAMS.map((team) => ({ groupId: `group-${team}`, title: TEAM_TITLES[team], members: ofTeam(team) })),
    ],
    conversations: [
      { conversationId: 'all-hands', title: 'All hands', kind: 'company', members: everybody },
      { conversationId: COMMON_ROOM, title: 'Café', kind: 'company', members: namedIds },
      ...TEAMS.map((team): DemoConversation => ({
        conversationId: `team-${team}`,
        title: TEAM_TITLES[team],
        kind: 'team',
        members: ofTeam(team),
      })),
      ...PROJECTS.map(({ id, title, teams, positions }): DemoConversation => {
        const members = teams.flatMap((team) => [
          ...pick(people, team, positions),
          ...pick(colleagues, team, positions),
        ])
        return { conversationId: id, title, kind: 'project', members }
      }),
      ...directConversations(people, colleagues),
    ],
  }
}

function peopleOf(names: Readonly<Record<Team, readonly string[]>>): Person[] {
  return TEAMS.flatMap((team) => names[team].map((name) => ({ userId: idOf(name), name, team })))
}

/** `Nguyễn Minh Anh` → `nguyen-minh-anh`: an id that one can type into a terminal. */
function idOf(name: string): string {
  return name.normalize('NFD').replace(/\p{M}/gu, '').replaceAll('ı', 'i').toLowerCase().replaceAll(' ', '-')
}

function staffIds(): string[] {
  return Array.from({ length: STAFF_COUNT }, (_, index) => `staff-${String(index + 1).padStart(3, '0')}`)
}

function pick(from: readonly Person[], team: Team, positions: readonly number[]): string[] {
  const members = from.filter((person) => person.team === team)
  return positions.flatMap((position) => members[position]?.userId ?? [])
}

/** Each person talks with the next one in the list and with two colleagues, one of them of another team. */
function directConversations(people: readonly Person[], colleagues: readonly Person[]): DemoConversation[] {
  return people.flatMap(({ userId }, index) => {
    const next = people[(index + 1) % people.length]
    const near = colleagues[index % colleagues.length]
    const far = colleagues[(index * 3 + 7) % colleagues.length]
    const others = new Set([next, near, far].flatMap((other) => other?.userId ?? []))
    return [...others].map((other): DemoConversation => ({
      conversationId: `dm-${userId}-${other}`,
      title: '',
      kind: 'direct',
      members: [userId, other],
    }))
  })
}
