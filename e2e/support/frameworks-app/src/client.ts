import { createPresenceClient, type PresenceView } from '@vigie/client'

export const client = createPresenceClient({
  url: location.origin,
  token: () => location.search.slice(1),
})
client.connect()

/** What each page shows. */
export const onlineInPlan = (view: PresenceView): string =>
  [...view.getOnlineUsersInConversation('plan')].sort().join(', ')
