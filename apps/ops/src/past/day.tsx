import type { AuditUser } from '@vigie/server/http'
import { useCallback } from 'react'
import { useApi } from '../server/use-api.js'
import { useLanguage } from '../texts/use-language.js'
import { PastProblem } from './past-problem.js'
import { placeOn, type Range } from './range.js'
import { deviceName, intervalSentence } from './sentences.js'
import { useAnswer } from './use-answer.js'

const LISTED_MAX = 20
const DEVICES_MAX = 6

interface DayProps {
  readonly userId: string
  readonly range: Range
  /** The chosen moment. */
  readonly at: number
  readonly close: () => void
}

/** When one person was online, as bars below the track of the slider, and as sentences. */
export function Day({ userId, range, at, close }: DayProps) {
  const language = useLanguage()
  const { texts } = language
  const { from, to } = range
  const api = useApi()
  const ask = useCallback(() => api.client().auditUser({ userId, from, to }), [api, userId, from, to])
  const { answer, problem, again } = useAnswer(ask, 0)
  return (
    <section className="past-day" aria-labelledby="past-day-title" data-testid="past-day">
      <header>
        <h3 id="past-day-title" dir="auto">
          {texts.pastDay(userId)}
        </h3>
        <button type="button" className="link" onClick={close}>
          {texts.closeExplanation}
        </button>
      </header>
      <PastProblem problem={problem} again={again} />
      {answer === undefined && problem === undefined && <p className="soft">{texts.loading}</p>}
      {answer !== undefined && (
        <>
          <Bars answer={answer} range={range} at={at} />
          {answer.intervals.length === 0 && <p className="soft">{texts.pastNeverOnline}</p>}
          <ol className="sentences" data-testid="past-intervals">
            {answer.intervals.slice(0, LISTED_MAX).map((interval) => (
              <li key={interval.from}>{intervalSentence(interval, range, language)}</li>
            ))}
            {answer.intervals.length > LISTED_MAX && (
              <li className="soft">{texts.andMore(answer.intervals.length - LISTED_MAX)}</li>
            )}
          </ol>
          {answer.erasures > 0 && <p className="soft">{texts.pastErased}</p>}
        </>
      )}
    </section>
  )
}

/** One bar for the person, and one for each device where there are several. */
function Bars({ answer, range, at }: { answer: AuditUser; range: Range; at: number }) {
  const { texts } = useLanguage()
  const devices = [...new Set(answer.devices.map(({ deviceId }) => deviceId))]
  const rows = [
    { key: '', name: texts.pastOnlineBar, spans: answer.intervals },
    ...(devices.length < 2 ? [] : devices.slice(0, DEVICES_MAX)).map((name) => ({
      key: name,
      name: deviceName(name, texts),
      spans: answer.devices.filter(({ deviceId }) => deviceId === name),
    })),
  ]
  return (
    <div className="bars">
      {rows.map(({ key, name, spans }, row) => (
        <div key={key} className="bar-row">
          <p className="soft">{name}</p>
          <div className="bar" role="img" aria-label={texts.pastBar(name, spans.length)}>
            {answer.holes.map((hole, place) => (
              <Span key={`hole ${place}`} kind="hole" span={hole} range={range} />
            ))}
            {spans.map((span) => (
              <Span key={span.from} kind={row === 0 ? 'online' : 'device'} span={span} range={range} />
            ))}
            <Span kind="moment" span={{ from: at, to: at }} range={range} />
          </div>
        </div>
      ))}
      {devices.length > DEVICES_MAX && <p className="soft">{texts.andMore(devices.length - DEVICES_MAX)}</p>}
    </div>
  )
}

interface SpanProps {
  readonly kind: 'hole' | 'online' | 'device' | 'moment'
  readonly span: { readonly from: number | null; readonly to: number | null }
  readonly range: Range
}

function Span({ kind, span, range }: SpanProps) {
  const { left, width } = placeOn(range, span)
  return (
    <span className={kind} data-testid={`bar-${kind}`} style={{ left: `${left}%`, width: `${width}%` }} />
  )
}
