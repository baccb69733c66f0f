import { usePresence } from '@vigie/client/react'
import { memo } from 'react'
import { Avatar } from '../look/avatar.js'
import { Dot, PresenceWord } from '../look/dot.js'
import type { Person } from '../session/api.js'
import { useSession } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { RoomLink } from './room-link.js'

interface MemberPartProps {
  readonly title: string
  readonly people: readonly Person[]
}

/** Some of the members under a title, with how many they are. Of the second level: a group has no title between. */
export function MemberPart({ title, people }: MemberPartProps) {
  const { number } = useLanguage()
  if (people.length === 0) return null
  return (
    <section>
      <h3 aria-level={2}>
        {title} <span className="soft">{number(people.length)}</span>
      </h3>
      <ul>
        {people.map((person) => (
          <MemberRow key={person.userId} person={person} />
        ))}
      </ul>
    </section>
  )
}

/** One member: a link to the conversation with them. */
const MemberRow = memo(function MemberRow({ person: { userId, name } }: { readonly person: Person }) {
  const { texts } = useLanguage()
  const { directs, world } = useSession()
  const presence = usePresence(userId, { watch: false })
  const isKnown = presence.status === 'known'
  const isOnline = isKnown && presence.online
  const direct = directs.get(userId)
  const what = (
    <>
      <Avatar id={userId} name={name}>
        <Dot userId={userId} />
      </Avatar>
      <span className="member-text">
        <span className="member-name" dir="auto">
          {name}
          {userId === world.me.userId && <span className="soft"> ({texts.you})</span>}
        </span>
        <PresenceWord userId={userId} />
        {isOnline && presence.count > 1 && <span className="soft">{texts.devices(presence.count)}</span>}
      </span>
    </>
  )
  return (
    <li
      data-key={userId}
      data-testid="member"
      data-user={userId}
      data-online={isKnown ? presence.online : 'unknown'}
      data-count={isKnown ? presence.count : undefined}
    >
      {direct === undefined ? (
        <div className="member">{what}</div>
      ) : (
        <RoomLink
          place={{ screen: 'conversation', id: direct }}
          isShown={false}
          testId="write-to"
          className="member"
          title={texts.writeTo(name)}
        >
          {what}
        </RoomLink>
      )}
    </li>
  )
})
