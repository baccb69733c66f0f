import { useMemo } from 'react'
import { daysOf, type Draft, type Run } from '../chat/thread.js'
import { Avatar } from '../look/avatar.js'
import { useNow } from '../look/use-now.js'
import type { Room } from '../session/api.js'
import { useNameOf, useSession, useThread } from '../session/use-session.js'
import { useLanguage } from '../texts/use-language.js'
import { useStickToEnd } from './use-stick-to-end.js'

const MINUTE_MS = 60_000

/** What was said, by day. It stays at its end while one is there, and says so when one is not. */
export function MessageList({ room }: { readonly room: Room }) {
  const { texts, day } = useLanguage()
  const thread = useThread(room.id)
  const now = useNow(MINUTE_MS)
  const days = useMemo(() => daysOf(thread.messages), [thread.messages])
  const { ref, onScroll, hasNews, toEnd } = useStickToEnd(thread)
  const isEmpty = thread.messages.length + thread.drafts.length === 0
  return (
    <div className="log-place">
      <div className="log" role="log" aria-label={room.title} tabIndex={0} ref={ref} onScroll={onScroll}>
        {isEmpty && <p className="log-empty soft">{texts.nothingSaid}</p>}
        {days.map(({ at, runs }) => (
          <div key={at} className="day">
            <p className="day-name">
              <span>{day(at, now)}</span>
            </p>
            {runs.map((run) => (
              <MessageRun key={run.messages[0]?.id} run={run} isDirect={room.kind === 'direct'} />
            ))}
          </div>
        ))}
        {thread.drafts.map((draft) => (
          <DraftMessage key={draft.key} conversationId={room.id} draft={draft} />
        ))}
      </div>
      {hasNews && (
        <button type="button" className="news" onClick={toEnd}>
          {texts.newMessages}
        </button>
      )}
    </div>
  )
}

function MessageRun({ run, isDirect }: { readonly run: Run; readonly isDirect: boolean }) {
  const { texts, time } = useLanguage()
  const { me } = useSession().world
  const nameOf = useNameOf()
  const isOwn = run.userId === me.userId
  const name = nameOf(run.userId)
  const hasFace = !isOwn && !isDirect
  return (
    <div className="run" data-own={isOwn}>
      {hasFace && <Avatar id={run.userId} name={name} />}
      <div className="run-messages">
        {/* Between two people colour and side say who it is; whoever listens hears the name. */}
        <p className={hasFace ? 'run-name' : 'sr-only'}>{isOwn ? texts.you : name}</p>
        {run.messages.map(({ id, text, sentAt }) => (
          <p key={id} className="bubble" data-testid="message">
            <span className="bubble-text">{text}</span>
            <time dateTime={new Date(sentAt).toISOString()}>{time(sentAt)}</time>
          </p>
        ))}
      </div>
    </div>
  )
}

interface DraftMessageProps {
  readonly conversationId: string
  readonly draft: Draft
}

function DraftMessage({ conversationId, draft }: DraftMessageProps) {
  const { texts } = useLanguage()
  const { chat } = useSession()
  return (
    <div className="run" data-own="true">
      <div className="run-messages">
        <p className="bubble" data-testid="draft" data-state={draft.state}>
          <span className="bubble-text">{draft.text}</span>
          {draft.state === 'sending' && <span className="soft">{texts.sending}</span>}
        </p>
        {draft.state === 'failed' && (
          <p className="not-sent">
            {draft.reason === 'rate_limited' ? texts.tooManyAtATime : texts.notSent}{' '}
            <button type="button" className="link" onClick={() => chat.resend(conversationId, draft.key)}>
              {texts.tryAgain}
            </button>
          </p>
        )}
      </div>
    </div>
  )
}
