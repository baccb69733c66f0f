/** The second example of docs/guides/testing.md; guide.test.ts compares. */
import { expect, test } from 'vitest'
import type { PresenceClient } from '@vigie/client'
import { createFakePresence } from '@vigie/client/testing'

/** The code under test: a title that says how many are online and whether somebody types. */
function keepTitle(presence: PresenceClient, conversationId: string, show: (title: string) => void) {
  return presence.subscribe(
    (view) => {
      const online = view.getOnlineUsersInConversation(conversationId).length
      return view.typing(conversationId).length > 0 ? `${online} online, typing…` : `${online} online`
    },
    (title) => show(title),
  )
}

test('the title follows who is online and who types, while the connection lives', () => {
  const presence = createFakePresence({ conversations: { plan: ['ana', 'ben'] }, online: ['ana'] })
  const titles: string[] = []
  keepTitle(presence, 'plan', (title) => titles.push(title))

  presence.setOnline('ben', true)
  presence.setTyping('plan', ['ben'])
  presence.setState({ name: 'backingOff', untilMs: 0, attempt: 1, reason: 'lost' })
  expect(titles).toEqual(['2 online', '2 online, typing…', '2 online'])
})
