import { useMemo } from 'react'
import { daysOf, shownIn, type Draft, type Run, type Shown } from '../chat/thread.js'
import { Avatar } from '../look/avatar.js'
import { useNow } from '../look/use-now.js'
import type { Room } from '../session/api.js'
import { useNameOf, useSession, useThread } from '../session/use-session.js'
import type { Texts } from '../texts/en.js'
import { useLanguage } from '../texts/use-language.js'
import { useStickToEnd } from './use-stick-to-end.js'

const MINUTE_MS = 60_000

/** What was said, by day. It stays at its end while one is there, and says so when one is not. */
export function MessageList({ room }: { readonly room: Room }) {
  const { texts, day } = useLanguage()
  const thread = useThread(room.id)
  const now = useNow(MINUTE_MS)
  const { me } = useSession().world
  const days = useMemo(() => daysOf(shownIn(thread, room.id, me.userId)), [thread, room.id, me.userId])
  const { ref, onScroll, hasNews, toEnd } = useStickToEnd(thread)
  const isEmpty = days.length === 0
  return (
    <div className="log-place">
      {/* What is new is read out by `announcements.tsx`, and not each line of a lively room. */}
      <div
        className="log"
        role="log"
        aria-live="off"
        aria-label={room.title}
        tabIndex={0}
        ref={ref}
        onScroll={onScroll}
      >
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
  const { texts } = useLanguage()
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
        <p className={hasFace ? 'run-name' : 'sr-only'}>
          <bdi>{isOwn ? texts.you : name}</bdi>
        </p>
        {run.messages.map((message) =>
          message.draft ? (
            <DraftMessage key={message.id} conversationId={message.conversationId} draft={message.draft} />
          ) : (
            <SentMessage key={message.id} message={message} />
          ),
        )}
      </div>
    </div>
  )
}

function SentMessage({ message: { text, sentAt } }: { readonly message: Shown }) {
  const { time } = useLanguage()
  return (
    <p className="bubble" data-testid="message">
      <span className="bubble-text" dir="auto">
        {text}
      </span>
      <time dateTime={new Date(sentAt).toISOString()}>{time(sentAt)}</time>
    </p>
  )
}

interface DraftMessageProps {
  readonly conversationId: string
  readonly draft: Draft
}

/** What is not sent yet, and what will become of it. */
function DraftMessage({ conversationId, draft }: DraftMessageProps) {
  const { texts, time } = useLanguage()
  const { chat } = useSession()
  return (
    <>
      <p className="bubble" data-testid="draft" data-state={draft.state}>
        <span className="bubble-text" dir="auto">
          {draft.text}
        </span>
        <span className="soft">{draft.state === 'sending' ? texts.sending : time(draft.at)}</span>
      </p>
      {draft.state !== 'sending' && (
        <p className={draft.state === 'failed' ? 'not-sent is-failed' : 'not-sent'}>
          {textOf(draft, texts)}{' '}
          {draft.state === 'failed' && (
            <button type="button" className="link" onClick={() => chat.resend(conversationId, draft.key)}>
              {texts.tryAgain}
            </button>
          )}
          <button type="button" className="link" onClick={() => chat.discard(conversationId, draft.key)}>
            {texts.discard}
          </button>
        </p>
      )}
    </>
  )
}

function textOf({ state, reason }: Draft, texts: Texts): string {
  if (state === 'failed') return texts.notSent
  return reason === 'rate_limited' ? texts.tooManyAtATime : texts.queued
}
