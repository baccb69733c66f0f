import type { RoomPresence } from '@vigie/client/react'
import { useUnknownSince } from '../account/use-line.js'
import { Bone } from '../look/bone.js'
import { useLanguage } from '../texts/use-language.js'

interface SummaryProps {
  readonly presence: RoomPresence
  /** In a list of many, that it is only last known is said by its look, and when one points at it. */
  readonly isShort?: boolean
}

/** "5 of 12 online", also while that is only what was known last. A space of the same height before it is known. */
export function Summary({ presence, isShort = false }: SummaryProps) {
  const { texts, number, time } = useLanguage()
  const since = useUnknownSince()
  if (presence.mode === undefined) return <Bone width={9} />
  const text = texts.onlineOf(number(presence.online), number(presence.members))
  if (since === undefined) return <>{text}</>
  if (!isShort) return <>{texts.lastKnownAtWith(time(since), text)}</>
  return (
    <span className="was" title={texts.lastKnownAt(time(since))}>
      {text}
      <span className="sr-only">, {texts.lastKnownAt(time(since))}</span>
    </span>
  )
}
