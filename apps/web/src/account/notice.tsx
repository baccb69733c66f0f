import type { ReactNode } from 'react'
import { useLanguage } from '../texts/use-language.js'

interface NoticeProps {
  /** Empty: there is nothing to say, and nothing is seen. */
  readonly text: string
  readonly testId: string
  readonly state?: string
  /** What one can do about it. */
  readonly children?: ReactNode
}

/** One line over the page: it covers, for as long as it is there, and moves nothing. */
export function Notice({ text, testId, state, children }: NoticeProps) {
  const { texts } = useLanguage()
  // A place of its own among those that a screen reader lists: it stands outside of all others.
  const place = text === '' ? {} : { role: 'region', 'aria-label': texts.connection }
  return (
    <div
      className={text === '' ? 'notice is-empty' : 'notice'}
      data-testid={testId}
      data-state={state}
      {...place}
    >
      {text !== '' && (
        <>
          <p title={text}>{text}</p>
          {children}
        </>
      )}
    </div>
  )
}
