import type { PresenceClient } from '@vigie/client'
import {
  AvatarStack,
  PresenceDot,
  PresenceProvider,
  TypingIndicator,
  useDevices,
  useGroupPresence,
  useOnlineMembers,
  usePresence,
  usePresenceClient,
  usePresenceConnection,
  useTyping,
  useTypingInput,
  type RoomPresence,
} from '@vigie/client/react'

const NAMES: ReadonlyMap<string, string> = new Map([
  ['ana', 'Ana'],
  ['ben', 'Ben'],
])

/** An app of somebody else's: every hook and every component, once. */
export function App({ client }: { readonly client: PresenceClient }) {
  return (
    <PresenceProvider client={client}>
      <Plan />
    </PresenceProvider>
  )
}

export function Plan() {
  const plan = useOnlineMembers('plan')
  const ben = usePresence('ben')
  const client = usePresenceClient()
  return (
    <main data-connection={usePresenceConnection().name}>
      <h1>{summaryOf(plan)}</h1>
      <p id="team">{summaryOf(useGroupPresence('team'))}</p>
      <p id="ben">{ben.status === 'known' ? String(ben.online) : ben.status}</p>
      <p id="typists">{useTyping('plan').length}</p>
      <p id="devices">{useDevices().count}</p>
      <PresenceDot userId="ben" />
      <AvatarStack userIds={[...plan.userIds].sort()} nameOf={nameOf} />
      <TypingIndicator conversationId="plan" nameOf={nameOf} />
      <input ref={useTypingInput('plan')} aria-label="Message" />
      <button type="button" onClick={() => void client.leave()}>
        Sign out
      </button>
    </main>
  )
}

function summaryOf({ status, online, members }: RoomPresence): string {
  return status === 'known' ? `${online} of ${members} online` : status
}

function nameOf(userId: string): string {
  return NAMES.get(userId) ?? userId
}
