/** The first example of docs/guides/testing.md; guide.test.ts compares. */
import { expect, test } from 'vitest'
import type { PresenceServer } from '@vigie/server'
import { createTestPresence } from '@vigie/server/testing'

/** The code under test: pushes a message to whoever is offline. */
function createNotices(presence: PresenceServer, push: (userId: string) => void) {
  return {
    sent(author: string, conversationId: string, members: readonly string[]) {
      presence.stopTyping(author, conversationId)
      for (const userId of members) if (!presence.get(userId).online) push(userId)
    },
  }
}

test('a message is pushed to whoever stays away, and its author types no more', () => {
  const presence = createTestPresence({ conversations: { plan: ['ana', 'ben'] }, online: ['ana', 'ben'] })
  const pushed: string[] = []
  const typing: boolean[] = []
  presence.on('typing', (event) => typing.push(event.typing))
  const notices = createNotices(presence, (userId) => pushed.push(userId))

  presence.startTyping('ana', 'plan')
  presence.lose('ben') // a tunnel
  notices.sent('ana', 'plan', ['ana', 'ben'])
  expect(typing).toEqual([true, false])
  expect(pushed).toEqual([]) // he may be back at once

  presence.advance('5s') // graceMs
  notices.sent('ana', 'plan', ['ana', 'ben'])
  expect(pushed).toEqual(['ben'])
})
