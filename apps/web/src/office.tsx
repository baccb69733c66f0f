import { useEffect, useState } from 'react'
import { Announcements } from './account/announcements.js'
import { AccountMenu } from './account/account-menu.js'
import { ConnectionBanner } from './account/connection-banner.js'
import { unreadIn } from './chat/thread.js'
import { SkipLink } from './look/skip-link.js'
import { THREE, useMedia, WIDE } from './look/use-media.js'
import { goOut, usePlace, type Place } from './place.js'
import { Conversation } from './rooms/conversation.js'
import { Group } from './rooms/group.js'
import { MembersPanel } from './rooms/members-panel.js'
import { RoomList } from './rooms/room-list.js'
import type { Room } from './session/api.js'
import { useSession, useThreads } from './session/use-session.js'
import { useLanguage } from './texts/use-language.js'
import { useFocusOnPlace } from './use-focus-on-place.js'

/**
 * What somebody signed in sees: the list, a conversation or group, its members. A phone shows one of them. What is open
 * stands first in the document, so that few steps of the Tab key lead to the line to write in.
 */
export function Office({ signOut }: { readonly signOut: () => void }) {
  const { texts } = useLanguage()
  const place = usePlace()
  const room = useShownRoom(place)
  const screen = screenOf(place, room)
  const isWide = useMedia(WIDE)
  const isThree = useMedia(THREE)
  // What a phone shows alone is what the page is about, for whoever listens, too.
  const isListAlone = screen === 'list' && !isWide
  useTitle(room)
  useEscape(place)
  useFocusOnPlace(screen, room?.id)
  const isConversation = room !== undefined && room.kind !== 'group'
  return (
    <div className="office" data-screen={screen}>
      {isConversation && (isWide || screen === 'conversation') ? (
        <SkipLink label={texts.skipToMessage} selector=".composer textarea" />
      ) : (
        <SkipLink label={texts.skipToList} selector=".rooms a" />
      )}
      <ConnectionBanner signOut={signOut} />
      <Announcements room={room} />
      {room === undefined ? (
        <main className="main nothing">
          <p className="soft">{texts.chooseConversation}</p>
        </main>
      ) : isConversation ? (
        <Conversation key={room.id} room={room} />
      ) : (
        <Group key={room.id} room={room} />
      )}
      <div className="side" role={isListAlone ? 'main' : undefined}>
        <AccountMenu signOut={signOut} />
        <RoomList shownId={room?.id} isAlone={isListAlone} />
      </div>
      {isConversation && room.kind !== 'direct' && (
        <MembersPanel key={`members ${room.id}`} room={room} isAlone={screen === 'members' && !isThree} />
      )}
    </div>
  )
}

/** Where a room is shown that the address does not name, it is as if it did. Two people need no list of themselves. */
function screenOf(place: Place, room: Room | undefined): Place['screen'] {
  if (room === undefined) return 'list'
  if (place.screen === 'list') return 'list'
  return place.screen === 'members' && room.kind === 'direct' ? 'conversation' : place.screen
}

/**
 * The room that the address names. Beside the list there is space for one: where the address names none, it is the one
 * that was there last, and at first one with people in it.
 */
function useShownRoom(place: Place): Room | undefined {
  const { world } = useSession()
  const isWide = useMedia(WIDE)
  const [last, setLast] = useState<Room>()
  const named = roomAt(place, [...world.groups, ...world.conversations])
  if (named && named !== last) setLast(named)
  if (named || !isWide) return named
  return last ?? world.conversations.find(({ members }) => members.length > 0)
}

function roomAt(place: Place, rooms: readonly Room[]): Room | undefined {
  if (place.screen === 'list') return undefined
  const isGroup = place.screen === 'group'
  return rooms.find(({ id, kind }) => id === place.id && (kind === 'group') === isGroup)
}

/** How many messages wait, and where one is: what a tab in the background shows. */
function useTitle(room: Room | undefined): void {
  const { texts } = useLanguage()
  const { me } = useSession().world
  const unread = useThreads((threads) => {
    let all = 0
    for (const thread of threads.values()) all += unreadIn(thread, me.userId)
    return all
  })
  useEffect(() => {
    const parts = [room?.title, texts.appName].filter((part) => part !== undefined)
    document.title = `${unread > 0 ? `(${unread}) ` : ''}${parts.join(' · ')}`
  }, [room, texts, unread])
}

/** Escape goes one step out, unless something above the page takes it. */
function useEscape(place: Place): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented || event.isComposing) return
      if (document.querySelector(':popover-open') === null && place.screen !== 'list') goOut(place)
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [place])
}
