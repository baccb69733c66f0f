import type { UserPresence } from '@vigie/client'
import { PresenceDot, usePresence } from '@vigie/client/react'
import type { Texts } from '../texts/en.js'
import { useLanguage } from '../texts/use-language.js'

/**
 * Whether somebody is online: full, or a ring; without colour while that is only what was last known, and nothing before
 * anything is known. What it means is read out where the name is, after it.
 */
export function Dot({ userId }: { readonly userId: string }) {
  const { texts } = useLanguage()
  // Everybody on this page shares a room with names, so nobody has to be watched by name.
  return (
    <span aria-hidden="true">
      <PresenceDot
        userId={userId}
        watch={false}
        className="dot"
        shape={nothing}
        label={(presence) => presenceText(presence, texts)}
      />
    </span>
  )
}

/** "online", "offline", or what was true last; nothing before anything is known. */
export function presenceText(presence: UserPresence, texts: Texts): string {
  if (presence.status === 'known') return presence.online ? texts.online : texts.offline
  if (presence.last === undefined) return texts.unknown
  return presence.last.online ? texts.lastKnownOnline : texts.lastKnownOffline
}

/** The dot in words, to be read out after a name; nothing before anything is known. */
export function PresenceWord({ userId }: { readonly userId: string }) {
  const { texts } = useLanguage()
  const presence = usePresence(userId, { watch: false })
  if (presence.status === 'unknown' && presence.last === undefined) return null
  return <span className="sr-only">, {presenceText(presence, texts)}, </span>
}

/** The style draws it. */
function nothing() {
  return null
}
