import type { BusyConversation } from '@vigie/server/http'
import { useCallback, useId, useState } from 'react'
import { problemText } from '../server/problem.js'
import { useApi } from '../server/use-api.js'
import { usePolled } from '../server/use-polled.js'
import { useLanguage } from '../texts/use-language.js'

const EVERY_MS = 5_000
const SHOWN_ROOMS = 20
/** More names than one reads. */
const SHOWN_MAX = 60

interface BusiestProps {
  /** False while the page is paused. */
  readonly isLive: boolean
  readonly explain: (userId: string) => void
}

/** The conversations with the most people online; one opens, and names them. */
export function Busiest({ isLive, explain }: BusiestProps) {
  const { texts } = useLanguage()
  const api = useApi()
  const ask = useCallback(() => api.client().conversations({ limit: SHOWN_ROOMS }), [api])
  const { answer, problem } = usePolled(ask, isLive ? EVERY_MS : 0)
  return (
    <section aria-labelledby="busiest-title" className="card busiest">
      <h2 id="busiest-title">{texts.busiest}</h2>
      {problem !== undefined && <p className="problem">{problemText(problem, texts)}</p>}
      {answer === undefined && problem === undefined && <p className="soft">{texts.loading}</p>}
      {answer?.length === 0 && <p className="soft">{texts.busiestNone}</p>}
      <ul className="rooms">
        {answer?.map((conversation) => (
          <Row key={conversation.id} conversation={conversation} isLive={isLive} explain={explain} />
        ))}
      </ul>
    </section>
  )
}

interface RowProps extends BusiestProps {
  readonly conversation: BusyConversation
}

function Row({ conversation, isLive, explain }: RowProps) {
  const { texts, number } = useLanguage()
  const listId = useId()
  const [isOpen, setIsOpen] = useState(false)
  const { id, members, online, typing } = conversation
  return (
    <li data-testid="conversation" data-id={id}>
      <button
        type="button"
        className="room"
        aria-expanded={isOpen}
        aria-controls={listId}
        onClick={() => setIsOpen(!isOpen)}
      >
        <span className="room-name" dir="auto">
          {id}
        </span>
        <span className="soft">
          {texts.onlineOf(number(online), number(members))}
          {typing > 0 && ` · ${texts.typingCount(typing)}`}
        </span>
        <span className="share" aria-hidden="true">
          <span style={{ width: `${(100 * online) / Math.max(1, members)}%` }} />
        </span>
      </button>
      <div id={listId}>{isOpen && <Online id={id} isLive={isLive} explain={explain} />}</div>
    </li>
  )
}

function Online({ id, isLive, explain }: BusiestProps & { readonly id: string }) {
  const { texts } = useLanguage()
  const api = useApi()
  const ask = useCallback(() => api.client().conversation(id), [api, id])
  const { answer, problem } = usePolled(ask, isLive ? EVERY_MS : 0)
  if (answer === undefined) {
    return <p className="soft">{problem === undefined ? texts.loading : problemText(problem, texts)}</p>
  }
  const { onlineUsers } = answer
  if (onlineUsers === undefined) return <p className="soft">{texts.tooLarge}</p>
  if (onlineUsers.length === 0) return <p className="soft">{texts.nobodyOnline}</p>
  return (
    <>
      <p className="soft">{texts.whoIsOnline}</p>
      <ul className="names">
        {onlineUsers.slice(0, SHOWN_MAX).map((userId) => (
          <li key={userId}>
            <button type="button" className="name" data-testid="online-user" onClick={() => explain(userId)}>
              {userId}
            </button>
          </li>
        ))}
        {onlineUsers.length > SHOWN_MAX && (
          <li className="soft">{texts.andMore(onlineUsers.length - SHOWN_MAX)}</li>
        )}
      </ul>
    </>
  )
}
