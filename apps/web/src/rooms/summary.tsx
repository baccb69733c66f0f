import type { RoomPresence } from '@vigie/client/react'
import { useLanguage } from '../texts/use-language.js'

/** "5 of 12 online", also while that is only what was known last. A space of the same height before it is known. */
export function Summary({ presence }: { readonly presence: RoomPresence }) {
  const { texts, number } = useLanguage()
  if (presence.mode === undefined) return <>&nbsp;</>
  const text = texts.onlineOf(number(presence.online), number(presence.members))
  return <>{presence.status === 'known' ? text : texts.lastKnown(text)}</>
}
