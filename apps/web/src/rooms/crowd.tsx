import { useTyping, type RoomPresence } from '@vigie/client/react'
import { useUnknownSince } from '../account/use-line.js'
import type { Person, Room } from '../session/api.js'
import { useSession } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { MemberPart } from './member-part.js'

/** The server's number, `namesMax`. */
const NAMES_MAX = 250
/** More than these at a time are no help to anybody. */
const TYPISTS_MAX = 12

interface CrowdProps {
  readonly room: Room
  readonly presence: Extract<RoomPresence, { mode: 'names' | 'count' }>
}

/** A room of which the server tells a number instead of names: the number, why, and who types in it. */
export function Crowd({ room, presence }: CrowdProps) {
  const { texts, number } = useLanguage()
  const isGroup = room.kind === 'group'
  const since = useUnknownSince()
  const online = texts.onlineOf(number(presence.online), number(presence.members))
  return (
    <div className="member-lists crowd" data-testid="occupancy" data-online={presence.online}>
      <p className="crowd-text">
        {/* Where the header stands beside it, it says the number already. */}
        {since === undefined && !isGroup && <span className="not-three">{texts.sentence(online)} </span>}
        {texts.crowd(number(NAMES_MAX))}
      </p>
      {!isGroup && <Typists conversationId={room.id} />}
    </div>
  )
}

function Typists({ conversationId }: { readonly conversationId: string }) {
  const { texts } = useLanguage()
  const { people } = useSession()
  const typists: readonly Person[] = useTyping(conversationId)
    .slice(0, TYPISTS_MAX)
    .map((userId) => people.get(userId) ?? { userId, name: userId })
  if (typists.length === 0) {
    return (
      <section>
        <h3 aria-level={2}>{texts.typingNow}</h3>
        <p className="soft crowd-text">{texts.nobodyTypes}</p>
      </section>
    )
  }
  return <MemberPart title={texts.typingNow} people={typists} />
}
