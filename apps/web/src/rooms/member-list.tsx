import { usePresence, type RoomPresence } from '@vigie/client/react'
import { memo, useMemo } from 'react'
import { Avatar } from '../look/avatar.js'
import { useCalmOrder, useHold } from '../look/calm-order.js'
import { Dot, presenceText } from '../look/dot.js'
import { usePaced } from '../look/use-paced.js'
import type { Person, Room } from '../session/api.js'
import { useSession } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { membersInOrder } from './members-in-order.js'

interface MemberListProps {
  readonly room: Room
  readonly presence: RoomPresence
}

/** A list that sorted itself with each of a hundred comings a second could not be read, and would cost as much as all else. */
const SORT_MS = 250

/** Who is online first, each part by name; of a crowd, a number. */
export function MemberList({ room, presence }: MemberListProps) {
  const { texts, number } = useLanguage()
  // Each row says at once whether somebody is there; only where it stands may be a moment old.
  const online = usePaced(presence.userIds, SORT_MS)
  if (presence.mode === 'count') {
    return (
      <div className="crowd" data-testid="occupancy" data-online={presence.online}>
        <p className="crowd-number">{number(presence.online)}</p>
        <p>{texts.onlineOf(number(presence.online), number(presence.members))}</p>
        <p className="soft">{texts.crowd}</p>
      </div>
    )
  }
  return <SortedMembers members={room.members} online={online} isKnown={presence.status === 'known'} />
}

interface SortedMembersProps {
  readonly members: readonly Person[]
  readonly online: readonly string[]
  readonly isKnown: boolean
}

const SortedMembers = memo(function SortedMembers({ members, online, isKnown }: SortedMembersProps) {
  const { texts, compare } = useLanguage()
  const { isHeld, handlers } = useHold()
  const wanted = useMemo(() => membersInOrder(members, online, compare), [members, online, compare])
  const order = useCalmOrder(wanted, isHeld)
  const byId = new Map(members.map((person) => [person.userId, person]))
  const isOnline = new Set(online)
  const people = (ids: readonly string[]) => ids.flatMap((id) => byId.get(id) ?? [])
  const there = people(order.filter((id) => isOnline.has(id)))
  const away = people(order.filter((id) => !isOnline.has(id)))
  return (
    // A list that is longer than its place is reached by the keyboard as it is by the wheel.
    <div className="member-lists" tabIndex={0} role="group" aria-label={texts.members} {...handlers}>
      {isKnown ? (
        <>
          <MemberPart title={texts.onlineTitle} people={there} />
          <MemberPart title={texts.offlineTitle} people={away} />
        </>
      ) : (
        <MemberPart title={texts.unknownTitle} people={people(order)} />
      )}
    </div>
  )
})

function MemberPart({ title, people }: { readonly title: string; readonly people: readonly Person[] }) {
  const { number } = useLanguage()
  if (people.length === 0) return null
  return (
    <section>
      <h3>
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

const MemberRow = memo(function MemberRow({ person: { userId, name } }: { readonly person: Person }) {
  const { texts } = useLanguage()
  const { me } = useSession().world
  const presence = usePresence(userId, { watch: false })
  const isKnown = presence.status === 'known'
  const isOnline = isKnown && presence.online
  return (
    <li
      className="member"
      data-testid="member"
      data-user={userId}
      data-online={isKnown ? presence.online : 'unknown'}
      data-count={isKnown ? presence.count : undefined}
    >
      <Avatar id={userId} name={name}>
        <Dot userId={userId} />
      </Avatar>
      <span className="member-text">
        <span className="member-name">
          {name}
          {userId === me.userId && <span className="soft"> ({texts.you})</span>}
        </span>
        {isOnline && presence.count > 1 && <span className="soft">{texts.devices(presence.count)}</span>}
        {!isKnown && <span className="soft">{presenceText(presence, texts)}</span>}
      </span>
    </li>
  )
})
