import type { MonitorState } from '../monitor/monitor.js'
import { problemText } from '../server/problem.js'
import { useLanguage } from '../texts/use-language.js'

interface HeadProps {
  readonly state: MonitorState
  readonly pausedAt: number | undefined
  readonly togglePause: () => void
  readonly askForKey: () => void
  readonly tryNow: () => void
}

/** Which server, whether it answers, and a way to stop what moves. */
export function Head({ state, pausedAt, togglePause, askForKey, tryNow }: HeadProps) {
  const { texts, moment } = useLanguage()
  const { name, problem, answeredAt = 0 } = state
  const isLost = name === 'lost' || name === 'refused'
  return (
    <header className="head">
      <h1>
        <span className="brand">
          <span className="brand-mark" aria-hidden="true" />
          {texts.appName}
        </span>{' '}
        <span className="soft">{texts.operators}</span>
      </h1>
      <p className="line" data-testid="line" data-state={name}>
        <span className="dot" data-presence={isLost ? 'offline' : 'online'} aria-hidden="true" />
        {isLost ? (
          <span>
            {problemText(problem, texts)} {texts.lost(moment(answeredAt, Date.now()))}
          </span>
        ) : (
          <span>{pausedAt === undefined ? texts.live : texts.paused(moment(pausedAt, pausedAt))}</span>
        )}
        {name === 'lost' && (
          <button type="button" className="link" onClick={tryNow}>
            {texts.tryNow}
          </button>
        )}
      </p>
      <div className="head-buttons">
        <button type="button" className="button" data-testid="use-key" onClick={askForKey}>
          {texts.keyGive}
        </button>
        <button type="button" className="button" data-testid="pause" onClick={togglePause}>
          {pausedAt === undefined ? texts.pause : texts.goOn}
        </button>
      </div>
    </header>
  )
}
