import type { ConversationId, GroupId, UserId } from '@vigie/protocol'
import { memoryMemberships } from '@vigie/server/memory'
import { membershipsContract, withOutages } from '@vigie/server/testing'
import { describe, it } from 'vitest'

describe('memberships in memory', () => {
  const contract = membershipsContract(() => {
    const rows = memoryMemberships()
    const memberships = withOutages(rows)
    return Promise.resolve({
      memberships,
      rows,
      user: (n) => `user-${n}` as UserId,
      group: (n) => `group-${n}` as GroupId,
      conversation: (n) => `conversation-${n}` as ConversationId,
      foreignIds: [],
      goAway: memberships.goAway,
      comeBack: memberships.comeBack,
      close: () => memberships.close(),
    })
  })
  for (const { title, run } of contract) it(title, run)
})
