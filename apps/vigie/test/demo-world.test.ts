import { describe, expect, it } from 'vitest'
import { isId } from '@vigie/protocol'
import { worldOf } from '../src/demo/routes.js'
import { LANGS } from '../src/demo/lang.js'
import { commonRoomOf, createWorld } from '../src/demo/world.js'
import { BOTS_MAX } from '../src/options.js'

const world = createWorld()
const rooms = [
  ...world.groups.map(({ groupId, members }) => ({ id: groupId, members })),
  ...world.conversations.map(({ conversationId, members }) => ({ id: conversationId, members })),
]
const colleagueIds = new Set(world.colleagues.map(({ userId }) => userId))
const namedIds = [...world.people, ...world.colleagues].map(({ userId }) => userId)

describe('the demo world', () => {
  it('has about forty people in each language, each with an id of their own', () => {
    for (const lang of LANGS) {
      const named = [...world.people, ...world.colleagues].filter((person) => person.lang === lang)
      expect(named.length).toBeGreaterThanOrEqual(40)
    }
    expect(new Set(namedIds).size).toBe(namedIds.length)
    expect(namedIds.every((id) => /^[a-z-]+$/u.test(id) && isId(id))).toBe(true)
  })

  it('has as many colleagues as there may be bots, and nobody is both', () => {
    for (const lang of LANGS) {
      expect(world.colleagues.filter((colleague) => colleague.lang === lang)).toHaveLength(BOTS_MAX)
    }
    expect(world.people.some(({ userId }) => colleagueIds.has(userId))).toBe(false)
  })

  it('calls people by their given names, also where those stand last', () => {
    const givenNameOf = (name: string) =>
      [...world.people, ...world.colleagues].find((person) => person.name === name)?.givenName
    expect(givenNameOf('Nguyễn Minh Anh')).toBe('Minh Anh')
    expect(givenNameOf('Hassan El Amrani')).toBe('Hassan')
    expect(givenNameOf('Lê Thị Mai')).toBe('Mai')
  })

  it('lets nobody of one language share a room with somebody of another', () => {
    const langOf = new Map([...world.people, ...world.colleagues].map(({ userId, lang }) => [userId, lang]))
    for (const { id, members } of rooms) {
      expect([id, new Set(members.flatMap((member) => langOf.get(member) ?? [])).size]).toEqual([id, 1])
    }
  })

  it('has one title for one room: no group is called like a conversation', () => {
    const titles = (all: readonly { readonly title: string }[]) =>
      all.map(({ title }) => title).filter((title) => title !== '')
    const taken = new Set(titles(world.conversations))
    expect(titles(world.groups).filter((title) => taken.has(title))).toEqual([])
  })

  it('names each room once, and each member of a room once', () => {
    expect(new Set(rooms.map(({ id }) => id)).size).toBe(rooms.length)
    for (const { id, members } of rooms) expect([id, new Set(members).size]).toEqual([id, members.length])
    expect(rooms.every(({ id, members }) => isId(id) && members.every((member) => isId(member)))).toBe(true)
  })

  it('lets everybody share a group, the common room and a direct conversation with colleagues', () => {
    for (const { userId, lang } of world.people) {
      const withColleagues = rooms.filter(
        ({ members }) => members.includes(userId) && members.some((member) => colleagueIds.has(member)),
      )
      const ids = withColleagues.map(({ id }) => id)
      expect(ids).toContain(commonRoomOf(lang))
      expect(ids.some((id) => id.startsWith('dm-'))).toBe(true)
      expect(ids.some((id) => id.startsWith('group-') && !id.endsWith('company'))).toBe(true)
    }
  })

  it('lets everybody write to everybody of their company, in one conversation for each two', () => {
    for (const { userId, lang } of world.people) {
      const others = world.conversations
        .filter(({ kind, members }) => kind === 'direct' && members.includes(userId))
        .map(({ members }) => members.find((member) => member !== userId) ?? '')
      const company = [...world.people, ...world.colleagues].filter((person) => person.lang === lang)
      expect([...others].sort()).toEqual(
        company
          .map((person) => person.userId)
          .filter((id) => id !== userId)
          .sort(),
      )
    }
  })

  it('has one conversation beyond the default limit of names in each language, and no other near it', () => {
    const crowds = world.conversations.filter(({ members }) => members.length > 250)
    expect(crowds.map(({ conversationId }) => conversationId)).toEqual(['all-hands', 'fr-all-hands'])
    expect(
      Math.max(
        ...world.conversations.filter((room) => !crowds.includes(room)).map((room) => room.members.length),
      ),
    ).toBeLessThan(200)
  })

  it('is the same at each start, so that writing its rows again changes nothing', () => {
    expect(createWorld()).toEqual(world)
  })
})

describe('what one person is shown of it', () => {
  const [me] = world.people
  if (me === undefined) throw new Error('nobody lives here')
  const mine = worldOf(world, me)

  it('is their own rooms only, those that nobody began apart', () => {
    const expected = world.conversations.filter(({ members }) => members.includes(me.userId))
    const idsOf = (all: readonly { readonly conversationId: string }[]) =>
      all.map(({ conversationId }) => conversationId)
    expect(idsOf(mine.conversations)).toEqual(idsOf(expected.filter(({ isBegun }) => isBegun)))
    expect(idsOf(mine.directs)).toEqual(idsOf(expected.filter(({ isBegun }) => !isBegun)))
    expect(expected.length).toBeLessThan(world.conversations.length)
  })

  it('calls a direct conversation by the other’s name', () => {
    const direct = mine.conversations.find(({ kind }) => kind === 'direct')
    const other = direct?.members.find(({ userId }) => userId !== me.userId)
    expect(direct?.title).toBe(other?.name)
    expect(direct?.title).not.toBe('')
  })

  it('lists no members of a crowd, only how many there are', () => {
    const allHands = mine.conversations.find(({ conversationId }) => conversationId === 'all-hands')
    expect([allHands?.members, allHands?.size]).toEqual([[], 344])
  })
})
