import { SkipLink } from '@vigie/web/look/skip-link.js'
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { Busiest } from './board/busiest.js'
import { DeadLetters } from './board/dead-letters.js'
import { Glance } from './board/glance.js'
import { Head } from './board/head.js'
import { KeyForm } from './board/key-form.js'
import { Nodes } from './board/nodes.js'
import { Charts } from './charts/all-charts.js'
import type { Monitor, MonitorState } from './monitor/monitor.js'
import { Past } from './past/past.js'
import { ExplanationView } from './people/explanation-view.js'
import { Search } from './people/search.js'
import { isOfKey, problemKindOf } from './server/api.js'
import { problemText } from './server/problem.js'
import { useApi } from './server/use-api.js'
import { useLanguage } from './texts/use-language.js'
import { usePlace } from './use-place.js'

/** The way in, as far as one is needed; then everything. */
export function App({ monitor }: { readonly monitor: Monitor }) {
  const { texts } = useLanguage()
  const api = useApi()
  const state = useSyncExternalStore(monitor.subscribe, monitor.state)
  const [isAsking, setIsAsking] = useState(false)
  const useKey = (key: string) => {
    api.useKey(key)
    setIsAsking(false)
    monitor.tryNow()
  }
  const { name, answer, problem } = state
  if (answer !== undefined) {
    const keyForm = (isAsking || isOfKey(problem)) && (
      <KeyForm problem={isOfKey(problem) ? keyProblem() : ''} useKey={useKey} hasFocus={isAsking} />
    )
    return (
      <Board monitor={monitor} state={state} keyForm={keyForm} askForKey={() => setIsAsking(!isAsking)} />
    )
  }
  return (
    <main className="door">
      <h1 className="brand">
        <span className="brand-mark" aria-hidden="true" />
        {texts.title}
      </h1>
      {isOfKey(problem) ? (
        <>
          <h2>{texts.keyTitle}</h2>
          <p className="lead">{texts.keyLead}</p>
          <KeyForm problem={keyProblem()} useKey={useKey} hasFocus />
        </>
      ) : (
        <p className="lead" role="status" data-testid="opening">
          {problem === undefined ? texts.loading : problemText(problem, texts)}
        </p>
      )}
      {name !== 'opening' && !isOfKey(problem) && (
        <button type="button" className="button" onClick={monitor.tryNow}>
          {texts.tryNow}
        </button>
      )}
    </main>
  )

  /** Nothing is wrong with a key that was not given. */
  function keyProblem(): string {
    return problemKindOf(problem) === 'key_missing' ? '' : problemText(problem, texts)
  }
}

interface BoardProps {
  readonly monitor: Monitor
  readonly state: MonitorState
  readonly keyForm: React.ReactNode
  readonly askForKey: () => void
}

function Board({ monitor, state, keyForm, askForKey }: BoardProps) {
  const { texts } = useLanguage()
  const [place, go] = usePlace()
  const [said, say] = useState('')
  /** What is shown while it is paused: the state of that moment. */
  const [frozen, setFrozen] = useState<MonitorState>()
  const shown = frozen ?? state
  const isLive = frozen === undefined
  const { userId, viewerId } = place
  const { name } = state
  const wasLost = useRef(false)
  useEffect(() => {
    if (name === 'live' && wasLost.current) say(texts.backAgain)
    wasLost.current = name === 'lost'
  }, [name, texts])
  return (
    <>
      <SkipLink label={texts.skipToSearch} selector="#search-user" />
      <Head
        state={state}
        pausedAt={frozen?.answeredAt}
        togglePause={() => setFrozen(isLive ? state : undefined)}
        askForKey={askForKey}
        tryNow={monitor.tryNow}
      />
      <main className="board">
        {keyForm !== false && <div className="card key-card">{keyForm}</div>}
        <Glance state={shown} />
        <div className="people">
          <div className="card">
            <Search key={`${userId ?? ''}\n${viewerId ?? ''}`} place={place} go={go} />
          </div>
          {userId !== undefined && (
            <ExplanationView
              userId={userId}
              viewerId={viewerId}
              aheadMs={aheadOf(shown)}
              isLive={isLive}
              close={() => go({})}
              say={say}
            />
          )}
        </div>
        <div className="numbers">
          <Charts points={shown.history.points} />
          {shown.answer !== undefined && <Nodes answer={shown.answer} />}
          <Past aheadMs={aheadOf(shown)} />
          <DeadLetters isLive={isLive} say={say} />
        </div>
        <Busiest isLive={isLive} explain={(user) => go({ userId: user })} />
      </main>
      <p className="sr-only" role="status" data-testid="said">
        {name === 'lost' ? problemText(state.problem, texts) : said}
      </p>
    </>
  )
}

/** How far the server's clock is ahead of this device's, give or take what the answer took. */
function aheadOf({ answer, answeredAt }: MonitorState): number {
  return answer === undefined || answeredAt === undefined ? 0 : answer.now - answeredAt
}
