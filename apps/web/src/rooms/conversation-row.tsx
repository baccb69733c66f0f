import { useOnlineMembers, useTyping } from '@vigie/client/react'
import { memo } from 'react'
import { useUnknownSince } from '../account/use-line.js'
import { shownIn, unreadIn } from '../chat/thread.js'
import { Avatar } from '../look/avatar.js'
import { Dot, PresenceWord } from '../look/dot.js'
import { TypingDots } from '../look/typing-dots.js'
import { useNow } from '../look/use-now.js'
import type { Room } from '../session/api.js'
import { useGivenNameOf, useSession, useThread } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { RoomLink } from './room-link.js'

const MINUTE_MS = 60_000

interface ConversationRowProps {
  readonly room: Room
  readonly isShown: boolean
}

/**
 * One conversation of the list: how many are there, what was said last or who types, and how much of it is new. Its name
 * comes first, so that a listener knows at once which it is.
 */
export const ConversationRow = memo(function ConversationRow({ room, isShown }: ConversationRowProps) {
  const { texts, number } = useLanguage()
  const { me } = useSession().world
  const thread = useThread(room.id)
  const typists = useTyping(room.id)
  const unread = unreadIn(thread, me.userId)
  const last = shownIn(thread, room.id, me.userId).at(-1)
  const other = room.kind === 'direct' ? room.members.find(({ userId }) => userId !== me.userId) : undefined
  return (
    <li data-key={room.id}>
      <RoomLink
        place={{ screen: 'conversation', id: room.id }}
        isShown={isShown}
        testId="conversation"
        data={{ 'data-unread': unread, 'data-typing': typists.length }}
      >
        {other ? (
          <Avatar id={other.userId} name={other.name}>
            <Dot userId={other.userId} />
          </Avatar>
        ) : (
          <Avatar id={room.id} name={room.title} shape="square" />
        )}
        <span className="row-text">
          <span className="row-line">
            <span className="row-title">
              <bdi>{room.title}</bdi>
              {other ? <PresenceWord userId={other.userId} /> : <OnlineCount id={room.id} />}
            </span>
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

/** "15 online", beside the title; nothing before it is known. */
function OnlineCount({ id }: { readonly id: string }) {
  const { texts, number, time } = useLanguage()
  const { mode, online } = useOnlineMembers(id)
  const since = useUnknownSince()
  if (mode === undefined) return null
  const was = since === undefined ? undefined : texts.lastKnownAt(time(since))
  return (
    <>
      <span className="sr-only">, </span>
      <span className={was === undefined ? 'row-online' : 'row-online was'} title={was}>
        {texts.onlineCount(number(online))}
      </span>
      <span className="sr-only">, {was !== undefined && `${was}, `}</span>
    </>
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
  const nameOf = useGivenNameOf()
  const last = shownIn(useThread(room.id), room.id, me.userId).at(-1)
  if (typists.length > 0) {
    const names = typists.slice(0, 2).map(nameOf)
    const others = typists.length - names.length
    const all = others > 0 ? [...names, texts.others(others)] : names
    return (
      <span className="row-preview is-typing">
        <TypingDots />
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
        : texts.said(nameOf(last.userId), last.text)
  return (
    <span className="row-preview" dir="auto">
      {said}
    </span>
  )
}
