import { memoryMemberships } from '@vigie/server/memory'
import { staleRecorder } from '@vigie/server/testing'
import { expect, it } from 'vitest'

it('begins with the rows that it was given', () => {
  const memberships = memoryMemberships({
    groups: [['crew', ['ada', 'bob']]],
    conversations: [['lunch', ['ada']]],
  })
  expect([...memberships.membersOfGroup('crew')]).toEqual(['ada', 'bob'])
  expect([...memberships.conversationsOf('ada')]).toEqual(['lunch'])
})

it('tells a change before the method that made it returns, and only when something changed', async () => {
  const memberships = memoryMemberships()
  const told = staleRecorder()
  await memberships.open(told.onStale)
  memberships.addToGroup('crew', 'ada')
  memberships.addToGroup('crew', 'ada')
  memberships.removeFromGroup('crew', 'bob')
  memberships.deleteConversation('lunch')
  expect(told.calls).toEqual([{ users: ['ada'], groups: ['crew'], conversations: [] }])
})

it('refuses what is not an id', () => {
  expect(() => {
    memoryMemberships().addToGroup('crew', 'a\u0000b')
  }).toThrow(RangeError)
})
