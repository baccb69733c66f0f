import type { RoomPresence } from '@vigie/client/react'
import { useLanguage } from '../texts/use-language.js'

/** How many are online, in the corner of a room's picture. */
export function OnlineBadge({ presence }: { readonly presence: RoomPresence }) {
  const { texts, number } = useLanguage()
  if (presence.mode === undefined) return null
  const text = texts.onlineCount(number(presence.online))
  return (
    <span className="online-badge" data-status={presence.status} data-online={presence.online}>
      <span aria-hidden="true">{number(presence.online)}</span>
      <span className="sr-only">{presence.status === 'known' ? text : texts.lastKnown(text)}</span>
    </span>
  )
}
