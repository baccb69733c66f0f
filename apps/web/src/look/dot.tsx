import type { UserPresence } from '@vigie/client'
import { PresenceDot } from '@vigie/client/react'
import type { Texts } from '../texts/en.js'
import { useLanguage } from '../texts/use-language.js'

/** Whether somebody is online: full, a ring, or a dotted ring while nobody can know. */
export function Dot({ userId }: { readonly userId: string }) {
  const { texts } = useLanguage()
  // Everybody on this page shares a room with names, so nobody has to be watched by name.
  return (
    <PresenceDot
      userId={userId}
      watch={false}
      className="dot"
      shape={nothing}
      label={(presence) => presenceText(presence, texts)}
    />
  )
}

/** "online", "offline", or what was true last. */
export function presenceText(presence: UserPresence, texts: Texts): string {
  if (presence.status === 'known') return presence.online ? texts.online : texts.offline
  if (presence.last === undefined) return texts.unknown
  return presence.last.online ? texts.lastKnownOnline : texts.lastKnownOffline
}

/** The style draws it. */
function nothing() {
  return null
}
