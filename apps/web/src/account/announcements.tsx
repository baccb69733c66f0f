import { useTyping } from '@vigie/client/react'
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { createAnnouncer, type Announcer } from '../look/announcer.js'
import { typingText } from '../rooms/typing-text.js'
import type { Room } from '../session/api.js'
import { useGivenNameOf, useSession, useThread } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { useLine } from './use-line.js'

/** The page's only live region: the connection, new messages and who types in what is open, once in ten seconds at most. */
export function Announcements({ room }: { readonly room: Room | undefined }) {
  const [announcer] = useState(() => createAnnouncer())
  const spoken = useSyncExternalStore(announcer.subscribe, announcer.spoken)
  useConnection(announcer)
  return (
    <>
      <p className="sr-only" role="status" data-testid="announcements">
        {spoken}
      </p>
      {room !== undefined && room.kind !== 'group' && (
        <Conversation key={room.id} id={room.id} announcer={announcer} />
      )}
    </>
  )
}

function useConnection(announcer: Announcer): void {
  const { state, text } = useLine()
  const { texts } = useLanguage()
  const wasAway = useRef(false)
  useEffect(() => {
    if (text !== '') {
      wasAway.current = true
      announcer.say('connection', text)
    } else if (state === 'live') {
      announcer.say('connection', wasAway.current ? `${texts.connected}.` : '')
      wasAway.current = false
    }
  }, [announcer, state, text, texts])
}

function Conversation({ id, announcer }: { readonly id: string; readonly announcer: Announcer }) {
  const language = useLanguage()
  const { texts } = language
  const { me } = useSession().world
  const nameOf = useGivenNameOf()
  const typing = typingText(useTyping(id).map(nameOf), language)
  const { messages } = useThread(id)
  const heard = useRef(messages.at(-1)?.sentAt ?? 0)
  const fresh = messages.filter(({ sentAt, userId }) => sentAt > heard.current && userId !== me.userId)
  const last = fresh.at(-1)
  const news = last === undefined ? '' : `${texts.newFrom(fresh.length, nameOf(last.userId))}: ${last.text}`

  useEffect(() => announcer.say('typing', typing), [announcer, typing])
  useEffect(() => announcer.say('messages', news), [announcer, news])
  useEffect(
    () =>
      // Once it is said, counting begins anew.
      announcer.subscribe(() => {
        heard.current = messages.at(-1)?.sentAt ?? heard.current
      }),
    [announcer, messages],
  )
  useEffect(
    () => () => {
      announcer.say('typing', '')
      announcer.say('messages', '')
    },
    [announcer],
  )
  return null
}
