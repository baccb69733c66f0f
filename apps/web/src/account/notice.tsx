import type { ReactNode } from 'react'

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
  return (
    <div className={text === '' ? 'notice is-empty' : 'notice'} data-testid={testId} data-state={state}>
      {text !== '' && (
        <>
          <p title={text}>{text}</p>
          {children}
        </>
      )}
    </div>
  )
}
