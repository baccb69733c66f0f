import type { DeadLetter } from '@vigie/server/http'
import { useCallback, useState } from 'react'
import { isOfKey, problemKindOf } from '../server/api.js'
import { problemText } from '../server/problem.js'
import { useApi } from '../server/use-api.js'
import { usePolled } from '../server/use-polled.js'
import { useLanguage } from '../texts/use-language.js'
import { KeyForm } from './key-form.js'

const EVERY_MS = 10_000
const SHOWN = 20

interface DeadLettersProps {
  /** False while the page is paused. */
  readonly isLive: boolean
  /** Says it to those who hear the page. */
  readonly say: (sentence: string) => void
}

/** Webhooks that could not be delivered, each to be sent again. There is nothing to see as long as there are none. */
export function DeadLetters({ isLive, say }: DeadLettersProps) {
  const { texts } = useLanguage()
  const api = useApi()
  const ask = useCallback(() => api.client().deadLetters({ limit: SHOWN }), [api])
  const { answer = [], again } = usePolled(ask, isLive ? EVERY_MS : 0)
  /** What is to be sent again once there is a key that may do it. */
  const [refused, setRefused] = useState<{ readonly id: string; readonly problem: unknown }>()
  const resend = async (id: string, key?: string) => {
    try {
      await api.resend(id, key)
      setRefused(undefined)
      say(texts.deadLetterResent)
    } catch (problem) {
      setRefused({ id, problem })
    }
    again()
  }
  if (answer.length === 0 && refused === undefined) return null
  const needsKey = refused !== undefined && isOfKey(refused.problem)
  return (
    <section aria-labelledby="dead-letters-title" className="card dead-letters" data-testid="dead-letters">
      <h2 id="dead-letters-title">{texts.deadLetters}</h2>
      <p className="soft">{texts.deadLettersLead}</p>
      {refused !== undefined && !needsKey && (
        <p className="problem" role="alert">
          {problemText(refused.problem, texts)}
        </p>
      )}
      {needsKey && (
        <KeyForm
          problem={
            problemKindOf(refused.problem) === 'key_wrong'
              ? texts.problems.key_wrong
              : texts.deadLetterNeedsKey
          }
          hasFocus
          useKey={(key) => void resend(refused.id, key)}
        />
      )}
      <ul>
        {answer.map((letter) => (
          <Row key={letter.id} letter={letter} resend={() => void resend(letter.id)} />
        ))}
      </ul>
    </section>
  )
}

function Row({ letter, resend }: { readonly letter: DeadLetter; readonly resend: () => void }) {
  const { texts, moment, number } = useLanguage()
  const { id, endpoint, at, attempts, failure, body } = letter
  return (
    <li data-testid="dead-letter" data-id={id}>
      <span>
        <strong>{whatIn(body)}</strong> → {endpoint}
      </span>
      <span className="soft">
        <time dateTime={new Date(at).toISOString()}>{moment(at, Date.now())}</time>
        {' · '}
        {texts.deadLetterAttempts(number(attempts))}
        {' · '}
        {failure}
      </span>
      <button
        type="button"
        className="button"
        aria-label={texts.deadLetterResendOf(whatIn(body))}
        onClick={resend}
      >
        {texts.deadLetterResend}
      </button>
    </li>
  )
}

/** The event and whom it is about. */
function whatIn(body: string): string {
  const { type, data } = JSON.parse(body) as {
    readonly type: string
    readonly data: { readonly userId?: string; readonly conversationId?: string }
  }
  return `${type} ${data.userId ?? data.conversationId ?? ''}`
}
