import { useOnlineMembers, useTyping } from '@vigie/client/react'
import { memo } from 'react'
import { unreadIn } from '../chat/thread.js'
import { Avatar } from '../look/avatar.js'
import { Dot } from '../look/dot.js'
import { useNow } from '../look/use-now.js'
import type { Room } from '../session/api.js'
import { useNameOf, useSession, useThread } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { OnlineBadge } from './online-badge.js'
import { RoomLink } from './room-link.js'

const MINUTE_MS = 60_000

interface ConversationRowProps {
  readonly room: Room
  readonly isShown: boolean
}

/** One conversation of the list: who is there, what was said last or who types, and how much of it is new. */
export const ConversationRow = memo(function ConversationRow({ room, isShown }: ConversationRowProps) {
  const { texts, number } = useLanguage()
  const { me } = useSession().world
  const thread = useThread(room.id)
  const typists = useTyping(room.id)
  const unread = unreadIn(thread, me.userId)
  const last = thread.messages.at(-1)
  return (
    <li>
      <RoomLink
        place={{ screen: 'conversation', id: room.id }}
        isShown={isShown}
        testId="conversation"
        data={{ 'data-unread': unread, 'data-typing': typists.length }}
      >
        <RoomAvatar room={room} />
        <span className="row-text">
          <span className="row-line">
            <span className="row-title">{room.title}</span>
            {last && <When at={last.sentAt} />}
          </span>
          <span className="row-line">
            <Preview room={room} typists={typists} />
            {unread > 0 && (
              <span className="unread">
                <span aria-hidden="true">{number(unread)}</span>
                <span className="sr-only">{texts.unread(unread)}</span>
              </span>
            )}
          </span>
        </span>
      </RoomLink>
    </li>
  )
})

function RoomAvatar({ room }: { readonly room: Room }) {
  const { me } = useSession().world
  const presence = useOnlineMembers(room.id)
  if (room.kind === 'direct') {
    const other = room.members.find(({ userId }) => userId !== me.userId) ?? me
    return (
      <Avatar id={other.userId} name={other.name}>
        <Dot userId={other.userId} />
      </Avatar>
    )
  }
  return (
    <Avatar id={room.id} name={room.title} shape="square">
      <OnlineBadge presence={presence} />
    </Avatar>
  )
}

function When({ at }: { readonly at: number }) {
  const { texts, time, day, date } = useLanguage()
  const now = useNow(MINUTE_MS)
  const name = day(at, now)
  const shown = name === texts.today ? time(at) : name === texts.yesterday ? name : date(at)
  return <time dateTime={new Date(at).toISOString()}>{shown}</time>
}

/** Who types takes the place of what was said last: the row keeps its height. */
function Preview({ room, typists }: { readonly room: Room; readonly typists: readonly string[] }) {
  const { texts, list } = useLanguage()
  const { me } = useSession().world
  const nameOf = useNameOf()
  const { messages } = useThread(room.id)
  const last = messages.at(-1)
  if (typists.length > 0) {
    const names = typists.slice(0, 2).map((userId) => firstNameOf(nameOf(userId)))
    const others = typists.length - names.length
    const all = others > 0 ? [...names, texts.others(others)] : names
    return (
      <span className="row-preview is-typing">
        {room.kind === 'direct'
          ? texts.typing
          : all.length === 1
            ? texts.isTyping(all[0] ?? '')
            : texts.areTyping(list(all))}
      </span>
    )
  }
  if (!last) return <span className="row-preview">{texts.noMessages}</span>
  const said =
    last.userId === me.userId
      ? texts.youSaid(last.text)
      : room.kind === 'direct'
        ? last.text
        : texts.said(firstNameOf(nameOf(last.userId)), last.text)
  return <span className="row-preview">{said}</span>
}

function firstNameOf(name: string): string {
  return name.split(' ')[0] ?? name
}
