import { describe, expect, it } from 'vitest'
import { isId } from '@vigie/protocol'
import { worldOf } from '../src/demo/routes.js'
import { COMMON_ROOM, createWorld } from '../src/demo/world.js'
import { BOTS_MAX } from '../src/options.js'

const world = createWorld()
const rooms = [
  ...world.groups.map(({ groupId, members }) => ({ id: groupId, members })),
  ...world.conversations.map(({ conversationId, members }) => ({ id: conversationId, members })),
]
const colleagueIds = new Set(world.colleagues.map(({ userId }) => userId))
const namedIds = [...world.people, ...world.colleagues].map(({ userId }) => userId)

describe('the demo world', () => {
  it('has about forty people, each with an id of their own', () => {
    expect(namedIds.length).toBeGreaterThanOrEqual(40)
    expect(new Set(namedIds).size).toBe(namedIds.length)
    expect(namedIds.every((id) => /^[a-z-]+$/u.test(id) && isId(id))).toBe(true)
  })

  it('has as many colleagues as there may be bots, and nobody is both', () => {
    expect(world.colleagues).toHaveLength(BOTS_MAX)
    expect(world.people.some(({ userId }) => colleagueIds.has(userId))).toBe(false)
  })

  it('names each room once, and each member of a room once', () => {
    expect(new Set(rooms.map(({ id }) => id)).size).toBe(rooms.length)
    for (const { id, members } of rooms) expect([id, new Set(members).size]).toEqual([id, members.length])
    expect(rooms.every(({ id, members }) => isId(id) && members.every((member) => isId(member)))).toBe(true)
  })

  it('lets everybody share a group, the common room and a direct conversation with colleagues', () => {
    for (const { userId } of world.people) {
      const withColleagues = rooms.filter(
        ({ members }) => members.includes(userId) && members.some((member) => colleagueIds.has(member)),
      )
      const ids = withColleagues.map(({ id }) => id)
      expect(ids).toContain(COMMON_ROOM)
      expect(ids.some((id) => id.startsWith('dm-'))).toBe(true)
      expect(ids.some((id) => id.startsWith('group-') && id !== 'group-company')).toBe(true)
    }
  })

  it('has one conversation beyond the default limit of names, and no other near it', () => {
    const crowds = world.conversations.filter(({ members }) => members.length > 250)
    expect(crowds.map(({ conversationId }) => conversationId)).toEqual(['all-hands'])
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

  it('is their own rooms only', () => {
    const ids = mine.conversations.map(({ conversationId }) => conversationId)
    const expected = world.conversations.filter(({ members }) => members.includes(me.userId))
    expect(ids).toEqual(expected.map(({ conversationId }) => conversationId))
    expect(ids.length).toBeLessThan(world.conversations.length)
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
