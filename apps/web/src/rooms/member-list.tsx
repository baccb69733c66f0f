import type { RoomPresence } from '@vigie/client/react'
import { memo, useMemo } from 'react'
import { useUnknownSince } from '../account/use-line.js'
import { BoneRows } from '../look/bone.js'
import { useCalmOrder, useHold } from '../look/calm-order.js'
import { usePaced } from '../look/use-paced.js'
import { useReorderMotion } from '../look/use-reorder-motion.js'
import type { Person, Room } from '../session/api.js'
import { useLanguage } from '../texts/use-language.js'
import { Crowd } from './crowd.js'
import { MemberPart } from './member-part.js'
import { membersInOrder } from './members-in-order.js'

interface MemberListProps {
  readonly room: Room
  readonly presence: RoomPresence
}

/** A list that sorted itself with each of a hundred comings a second could not be read, and would cost as much as all else. */
const SORT_MS = 250
const BONES_MAX = 14

/** Who is online first, each part by name; of a crowd, a number; before it is known, an outline. */
export function MemberList({ room, presence }: MemberListProps) {
  // Each row says at once whether somebody is there; only where it stands may be a moment old.
  const online = usePaced(presence.userIds, SORT_MS, presence.mode)
  if (presence.mode === undefined) {
    return (
      <div className="member-lists" aria-busy="true" data-testid="members-unknown">
        <BoneRows kind="member" count={Math.min(room.size, BONES_MAX)} />
      </div>
    )
  }
  if (presence.mode === 'count') return <Crowd room={room} presence={presence} />
  return <SortedMembers members={room.members} online={online} />
}

interface SortedMembersProps {
  readonly members: readonly Person[]
  readonly online: readonly string[]
}

/** While the connection is away, the parts stay as they were last known; the head above says when that was. */
const SortedMembers = memo(function SortedMembers({ members, online }: SortedMembersProps) {
  const { texts, compare } = useLanguage()
  const since = useUnknownSince()
  const { isHeld, handlers } = useHold()
  const wanted = useMemo(() => membersInOrder(members, online, compare), [members, online, compare])
  const order = useCalmOrder(wanted, isHeld)
  const root = useReorderMotion<HTMLDivElement>(order)
  const byId = new Map(members.map((person) => [person.userId, person]))
  const isOnline = new Set(online)
  const people = (ids: readonly string[]) => ids.flatMap((id) => byId.get(id) ?? [])
  const there = people(order.filter((id) => isOnline.has(id)))
  const away = people(order.filter((id) => !isOnline.has(id)))
  return (
    // A list that is longer than its place is reached by the keyboard as it is by the wheel.
    <div
      className="member-lists"
      tabIndex={0}
      role="group"
      aria-label={texts.members}
      data-known={since === undefined}
      ref={root}
      {...handlers}
    >
      <MemberPart title={texts.onlineTitle} people={there} />
      <MemberPart title={texts.offlineTitle} people={away} />
    </div>
  )
})
