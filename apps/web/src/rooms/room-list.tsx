import { useMemo, type KeyboardEvent } from 'react'
import { byNewest, isBegun, threadOf } from '../chat/thread.js'
import { useCalmOrder, useHold } from '../look/calm-order.js'
import { useReorderMotion } from '../look/use-reorder-motion.js'
import { useSession, useThreads } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { ConversationRow } from './conversation-row.js'
import { GroupRow } from './group-row.js'

interface RoomListProps {
  readonly shownId: string | undefined
  /** Whether nothing else is shown: its title is the page's. */
  readonly isAlone: boolean
}

/** All conversations, newest first, and the groups. Arrow keys go through them; Tab works as everywhere. */
export function RoomList({ shownId, isAlone }: RoomListProps) {
  const { texts } = useLanguage()
  const { conversations, groups } = useSession().world
  // As text, so that a message which changes no order wakes nobody.
  const newest = useThreads((threads) => {
    const listed = conversations.filter(
      ({ id, isNew }) => isNew !== true || id === shownId || isBegun(threadOf(threads, id)),
    )
    return JSON.stringify(
      byNewest(
        threads,
        listed.map(({ id }) => id),
      ),
    )
  })
  const wanted = useMemo(() => JSON.parse(newest) as readonly string[], [newest])
  const { isHeld, handlers } = useHold()
  const order = useCalmOrder(wanted, isHeld)
  const list = useReorderMotion<HTMLUListElement>(order)
  return (
    <nav
      className="rooms"
      id="rooms"
      tabIndex={-1}
      aria-label={texts.conversations}
      {...handlers}
      onKeyDown={(event) => {
        handlers.onKeyDown()
        moveFocus(event)
      }}
    >
      <h2 id="conversations-title" aria-level={isAlone ? 1 : 2} tabIndex={-1}>
        {texts.conversations}
      </h2>
      <ul aria-labelledby="conversations-title" ref={list}>
        {order.map((id) => {
          const room = conversations.find((each) => each.id === id)
          return room && <ConversationRow key={id} room={room} isShown={id === shownId} />
        })}
      </ul>
      <h2 id="groups-title">{texts.groups}</h2>
      <ul aria-labelledby="groups-title">
        {groups.map((room) => (
          <GroupRow key={room.id} room={room} isShown={room.id === shownId} />
        ))}
      </ul>
    </nav>
  )
}

function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>('a')]
  const place = links.findIndex((link) => link === document.activeElement)
  const next = placeAfter(event.key, place, links.length)
  if (next === undefined) return
  event.preventDefault()
  links[next]?.focus()
}

function placeAfter(key: string, place: number, length: number): number | undefined {
  switch (key) {
    case 'ArrowDown':
      return Math.min(place + 1, length - 1)
    case 'ArrowUp':
      return Math.max(place - 1, 0)
    case 'Home':
      return 0
    case 'End':
      return length - 1
    default:
      return undefined
  }
}
