import { TypingIndicator, useOnlineMembers, usePresence } from '@vigie/client/react'
import { useEffect } from 'react'
import { presenceText } from '../look/dot.js'
import type { Room } from '../session/api.js'
import { useNameOf, useSession } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { Composer } from './composer.js'
import { MembersPanel } from './members-panel.js'
import { MessageList } from './message-list.js'
import { RoomHeader } from './room-header.js'
import { Summary } from './summary.js'

/** From here on only two are named. */
const TYPISTS_NAMED_MAX = 3

/** One conversation: who is there, what was said, who types, and the line to write in; its members beside it. */
export function Conversation({ room }: { readonly room: Room }) {
  const { texts, list } = useLanguage()
  const { chat } = useSession()
  const presence = useOnlineMembers(room.id)
  const nameOf = useNameOf()
  useEffect(() => {
    chat.look(room.id)
    return () => chat.look(undefined)
  }, [chat, room.id])

  function typingText(names: readonly string[]): string {
    const named = names.length > TYPISTS_NAMED_MAX ? names.slice(0, 2) : names
    const others = names.length - named.length
    const all = others > 0 ? [...named, texts.others(others)] : named
    return names.length === 1 ? texts.isTyping(names[0] ?? '') : texts.areTyping(list(all))
  }

  return (
    <>
      <main className="main" data-testid="panel" data-id={room.id}>
        <RoomHeader room={room} hasMembers>
          {room.kind === 'direct' ? <DirectSummary room={room} /> : <Summary presence={presence} />}
        </RoomHeader>
        <MessageList key={room.id} room={room} />
        <p className="typing" data-testid="typing">
          <TypingIndicator conversationId={room.id} nameOf={nameOf} format={typingText} />
        </p>
        <Composer key={`composer ${room.id}`} room={room} />
      </main>
      <MembersPanel room={room} presence={presence} />
    </>
  )
}

/** Of two people, only the other one is of interest. */
function DirectSummary({ room }: { readonly room: Room }) {
  const { texts } = useLanguage()
  const { me } = useSession().world
  const other = room.members.find(({ userId }) => userId !== me.userId) ?? me
  return <>{presenceText(usePresence(other.userId, { watch: false }), texts)}</>
}
