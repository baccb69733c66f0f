import { useOnlineMembers, usePresence, useTyping } from '@vigie/client/react'
import { useEffect } from 'react'
import { useUnknownSince } from '../account/use-line.js'
import { Bone } from '../look/bone.js'
import { presenceText } from '../look/dot.js'
import { TypingDots } from '../look/typing-dots.js'
import type { Room } from '../session/api.js'
import { useNameOf, useSession } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { Composer } from './composer.js'
import { MessageList } from './message-list.js'
import { RoomHeader } from './room-header.js'
import { Summary } from './summary.js'
import { typingText } from './typing-text.js'

/** One conversation: who is there, what was said, who types, and the line to write in. */
export function Conversation({ room }: { readonly room: Room }) {
  const { chat } = useSession()
  const presence = useOnlineMembers(room.id)
  const isDirect = room.kind === 'direct'
  useEffect(() => {
    chat.look(room.id)
    return () => chat.look(undefined)
  }, [chat, room.id])

  return (
    <main className="main" data-testid="panel" data-id={room.id}>
      <RoomHeader room={room} hasMembers={!isDirect}>
        {isDirect ? <DirectSummary room={room} /> : <Summary presence={presence} />}
      </RoomHeader>
      <MessageList key={room.id} room={room} />
      <TypingLine conversationId={room.id} />
      <Composer key={`composer ${room.id}`} room={room} />
    </main>
  )
}

/** Who types, for the eye; `announcements.tsx` reads it out, and not each change of it. */
function TypingLine({ conversationId }: { readonly conversationId: string }) {
  const language = useLanguage()
  const nameOf = useNameOf()
  const text = typingText(useTyping(conversationId).map(nameOf), language)
  return (
    <p className="typing" data-testid="typing">
      {text !== '' && (
        <>
          <TypingDots />
          {text}
        </>
      )}
    </p>
  )
}

/** Of two people, only the other one is of interest. */
function DirectSummary({ room }: { readonly room: Room }) {
  const { texts, time } = useLanguage()
  const { me } = useSession().world
  const since = useUnknownSince()
  const other = room.members.find(({ userId }) => userId !== me.userId) ?? me
  const presence = usePresence(other.userId, { watch: false })
  if (presence.status === 'known') return <>{presenceText(presence, texts)}</>
  if (presence.last === undefined) return <Bone width={6} />
  const last = presence.last.online ? texts.online : texts.offline
  return <>{since === undefined ? last : texts.lastKnownAtWith(time(since), last)}</>
}
