/**
 * The demo's two companies, one for each language of the page. Nothing here is random: the same people sit in the same
 * rooms at each start, so writing the rows again changes nothing.
 *
 * People whom one can be, and colleagues whom the bots play, are two sets. A person whom somebody plays is never
 * played by a bot too, and what one sees of them is exactly what their player did.
 */
import { LANGS, type Lang } from './lang.js'
import { givenNameOf, STAFF, TEAMS, type Team } from './people.js'

export interface Person {
  readonly userId: string
  readonly name: string
  /** What colleagues call them. */
  readonly givenName: string
  readonly team: Team
  readonly lang: Lang
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
  readonly lang: Lang
  readonly members: readonly string[]
  /** Whether something was said in it. A direct conversation that nobody began stands in no list. */
  readonly isBegun: boolean
}

export interface World {
  /** Those one can sign in as. */
  readonly people: readonly Person[]
  /** Those whom bots play, as many of each company as `BOTS_MAX` says. */
  readonly colleagues: readonly Person[]
  readonly groups: readonly DemoGroup[]
  readonly conversations: readonly DemoConversation[]
}

/** Where people sit: groups, and not conversations. No group has the name of a conversation. */
interface Texts {
  /** Before each id of a room. */
  readonly prefix: string
  readonly allHands: string
  readonly cafe: string
  readonly teams: Readonly<Record<Team, string>>
  readonly projects: Readonly<Record<(typeof PROJECTS)[number]['id'], string>>
  readonly company: string
  readonly offices: readonly (readonly [id: string, title: string])[]
}

/** Project rooms cut across the teams: team, then which of its people and colleagues (by position) are in it. */
const PROJECTS = [
  { id: 'project-onboarding', teams: ['design', 'mobile', 'support'], positions: [0, 1] },
  { id: 'project-billing', teams: ['platform', 'sales', 'people'], positions: [0, 2] },
  { id: 'project-search', teams: ['platform', 'design'], positions: [1, 2, 3] },
  { id: 'project-release', teams: ['mobile', 'platform', 'support', 'sales'], positions: [2, 3] },
  { id: 'incident-room', teams: ['platform', 'support'], positions: [0, 1, 2, 3] },
  { id: 'food-run', teams: ['design', 'sales', 'people', 'mobile'], positions: [0, 3] },
] as const satisfies readonly { id: string; teams: readonly Team[]; positions: readonly number[] }[]

const TEXTS: Readonly<Record<Lang, Texts>> = {
  en: {
    prefix: '',
    allHands: 'All hands',
    cafe: 'Café',
    teams: {
      design: 'Design',
      platform: 'Platform',
      mobile: 'Mobile',
      support: 'Support',
      sales: 'Sales',
      people: 'People & Finance',
    },
    projects: {
      'project-onboarding': 'New onboarding',
      'project-billing': 'Billing',
      'project-search': 'Search',
      'project-release': 'Release 4',
      'incident-room': 'Incidents',
      'food-run': 'Food run',
    },
    company: 'Whole company',
    offices: [
      ['lisbon', 'Lisbon office'],
      ['nairobi', 'Nairobi office'],
      ['toronto', 'Toronto office'],
      ['remote', 'Working remotely'],
    ],
  },
  fr: {
    prefix: 'fr-',
    allHands: 'Annonces',
    cafe: 'Café',
    teams: {
      design: 'Design',
      platform: 'Plateforme',
      mobile: 'Mobile',
      support: 'Assistance',
      sales: 'Ventes',
      people: 'RH et finances',
    },
    projects: {
      'project-onboarding': 'Nouvel accueil',
      'project-billing': 'Facturation',
      'project-search': 'Recherche',
      'project-release': 'Version 4',
      'incident-room': 'Incidents',
      'food-run': 'Petite faim',
    },
    company: 'Toute l’entreprise',
    offices: [
      ['lyon', 'Bureau de Lyon'],
      ['nantes', 'Bureau de Nantes'],
      ['montreal', 'Bureau de Montréal'],
      ['distance', 'En télétravail'],
    ],
  },
}

/**
 * Rows without people behind them. They take the all-hands room over the ordinary limit of names (250), so that
 * count mode is seen as any host would meet it, without a setting of the demo's own.
 */
const STAFF_COUNT = 300

/** The room that everybody of a company shares. The bots always talk there, so that a visitor sees life. */
export function commonRoomOf(lang: Lang): string {
  return `${TEXTS[lang].prefix}cafe`
}

/** Both companies, made of the tables above. */
export function createWorld(): World {
  const companies = LANGS.map(createCompany)
  return {
    people: companies.flatMap(({ people }) => people),
    colleagues: companies.flatMap(({ colleagues }) => colleagues),
    groups: companies.flatMap(({ groups }) => groups),
    conversations: companies.flatMap(({ conversations }) => conversations),
  }
}

function createCompany(lang: Lang): World {
  const { prefix, allHands, cafe, teams, projects, company, offices } = TEXTS[lang]
  const people = peopleOf(STAFF[lang].people, lang)
  const colleagues = peopleOf(STAFF[lang].colleagues, lang)
  const named = [...people, ...colleagues]
  const namedIds = named.map(({ userId }) => userId)
  const everybody = [...namedIds, ...staffIds()]
  const ofTeam = (team: Team) => named.filter((person) => person.team === team).map(({ userId }) => userId)
  const room = (
    id: string,
    rest: Pick<DemoConversation, 'title' | 'kind' | 'members'>,
  ): DemoConversation => ({
    conversationId: `${prefix}${id}`,
    lang,
    isBegun: true,
    ...rest,
  })
  return {
    people,
    colleagues,
    groups: [
      { groupId: `group-${prefix}company`, title: company, members: everybody },
      ...offices.map(([id, title], place) => ({
        groupId: `group-${prefix}${id}`,
        title,
        // Two by two, so that those who stand first in the list of people share an office.
        members: namedIds.filter((_, index) => Math.floor(index / 2) % offices.length === place),
      })),
    ],
    conversations: [
      room('all-hands', { title: allHands, kind: 'company', members: everybody }),
      room('cafe', { title: cafe, kind: 'company', members: namedIds }),
      ...TEAMS.map((team) =>
        room(`team-${team}`, { title: teams[team], kind: 'team', members: ofTeam(team) }),
      ),
      ...PROJECTS.map(({ id, teams: within, positions }) =>
        room(id, {
          title: projects[id],
          kind: 'project',
          members: within.flatMap((team) => [
            ...pick(people, team, positions),
            ...pick(colleagues, team, positions),
          ]),
        }),
      ),
      ...directConversations(people, colleagues),
    ],
  }
}

function peopleOf(names: Readonly<Record<Team, readonly string[]>>, lang: Lang): Person[] {
  return TEAMS.flatMap((team) =>
    names[team].map((name) => ({ userId: idOf(name), name, givenName: givenNameOf(name), team, lang })),
  )
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

/**
 * Each person can write to everybody. They have begun to talk with the next one in the list and with two colleagues,
 * one of them of another team.
 */
function directConversations(people: readonly Person[], colleagues: readonly Person[]): DemoConversation[] {
  const begun = new Set(
    people.flatMap((person, index) => {
      const next = people[(index + 1) % people.length]
      const near = colleagues[index % colleagues.length]
      const far = colleagues[(index * 3 + 7) % colleagues.length]
      return [next, near, far].flatMap((other) => (other === undefined ? [] : directIdOf(person, other)))
    }),
  )
  const everybody = [...people, ...colleagues]
  return people.flatMap((person, index) =>
    everybody.slice(index + 1).map((other): DemoConversation => {
      const conversationId = directIdOf(person, other)
      return {
        conversationId,
        title: '',
        kind: 'direct',
        lang: person.lang,
        members: [person.userId, other.userId],
        isBegun: begun.has(conversationId),
      }
    }),
  )

  /** The same from both sides: the person who stands first in the list is named first. */
  function directIdOf(one: Person, other: Person): string {
    const order = [one, other].sort((a, b) => placeOf(a) - placeOf(b))
    return `dm-${order.map(({ userId }) => userId).join('-')}`
  }

  function placeOf({ userId }: Person): number {
    const place = people.findIndex((person) => person.userId === userId)
    return place === -1 ? people.length : place
  }
}
