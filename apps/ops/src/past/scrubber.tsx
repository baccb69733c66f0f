import type { AuditHole, AuditOnline } from '@vigie/server/http'
import { useCallback, useEffect, useId, useState } from 'react'
import { useApi } from '../server/use-api.js'
import { useLanguage } from '../texts/use-language.js'
import { Day } from './day.js'
import { PastProblem } from './past-problem.js'
import { placeOn, type Range } from './range.js'
import { deviceSentence, holeSentences, isInHole, reasonText } from './sentences.js'
import { useAnswer } from './use-answer.js'

export interface Room {
  readonly kind: 'conversation' | 'group'
  readonly id: string
}

/** The slider rests for so long before the server is asked. */
const REST_MS = 200
/** Reasons are a question for each person: they wait until it is likely that they are read. */
const REASON_REST_MS = 600
/** Of more people each is asked for when they are chosen. */
const REASONS_MAX = 5
/** The newest facts are written within seconds; then the trail is complete until a later moment. */
const NEWEST_MS = 10_000
/** More than one reads. */
const SHOWN_MAX = 60
const HOLES_MAX = 8
/** Every answer has all holes of its period. This question is asked for the holes only, so no user needs to have this id. */
const ANYBODY = '-'

/** The track with its holes, who was there at the chosen moment, and the day of one of them. */
export function Scrubber({ room, range }: { readonly room: Room; readonly range: Range }) {
  const language = useLanguage()
  const { texts, moment } = language
  const api = useApi()
  const { kind, id } = room
  const { from, to, stepMs, today } = range
  const [at, setAt] = useState(to)
  const [userId, setUserId] = useState<string>()
  const askHoles = useCallback(() => api.client().auditUser({ userId: ANYBODY, from, to }), [api, from, to])
  const askOnline = useCallback(
    () => api.client().auditOnline(kind === 'group' ? { group: id, at } : { conversation: id, at }),
    [api, kind, id, at],
  )
  const trail = useAnswer(askHoles, 0)
  const online = useAnswer(askOnline, REST_MS)
  const holes = trail.answer?.holes ?? []
  const { again: askHolesAgain } = trail
  const { again: askOnlineAgain } = online
  const askAgain = useCallback(() => {
    askHolesAgain()
    askOnlineAgain()
  }, [askHolesAgain, askOnlineAgain])
  useEffect(() => {
    if (trail.answer?.holes.some(({ why }) => why === 'not_written_yet') !== true) return
    const timer = setTimeout(askAgain, NEWEST_MS)
    return () => clearTimeout(timer)
  }, [trail.answer, askAgain])
  const spoken = moment(at, today)
  const problem = online.problem ?? trail.problem
  const sliderId = useId()
  const dayId = useId()
  const sentences = holeSentences(holes, range, language)
  return (
    <div className="scrubber" data-testid="scrubber">
      <div className="slider-head">
        <label htmlFor={sliderId}>{texts.pastMoment}</label>
        <output htmlFor={sliderId} data-testid="past-moment">
          {spoken}
        </output>
      </div>
      <div className="track">
        <div className="spans" aria-hidden="true">
          {holes.map((hole) => (
            <HoleSpan key={`${hole.boot ?? ''} ${hole.why} ${hole.from ?? ''}`} hole={hole} range={range} />
          ))}
        </div>
        <input
          id={sliderId}
          type="range"
          data-testid="past-slider"
          min={from}
          max={to}
          step={stepMs}
          value={at}
          aria-valuetext={isInHole(at, holes) ? `${spoken}, ${texts.pastNotComplete}` : spoken}
          onChange={({ target }) => setAt(Number(target.value))}
        />
      </div>
      <p className="ticks soft" aria-hidden="true">
        {[from, (from + to) / 2, to].map((tick) => (
          <span key={tick}>{language.clock(tick, false)}</span>
        ))}
      </p>
      {sentences.length > 0 && (
        <ul className="holes" data-testid="past-holes">
          {sentences.slice(0, HOLES_MAX).map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
          {sentences.length > HOLES_MAX && <li>{texts.andMore(sentences.length - HOLES_MAX)}</li>}
        </ul>
      )}
      <PastProblem problem={problem} again={askAgain} />
      <div aria-busy={!online.isCurrent} className="past-answer" data-current={online.isCurrent}>
        <p role="status" className="past-verdict" data-testid="past-verdict" data-current={online.isCurrent}>
          {online.answer !== undefined && verdict(online.answer)}
          {online.answer === undefined && online.problem === undefined && texts.loading}
        </p>
        {online.answer !== undefined && (
          <People answer={online.answer} range={range} chosen={userId} choose={setUserId} dayId={dayId} />
        )}
      </div>
      <div id={dayId}>
        {userId !== undefined && (
          <Day key={userId} userId={userId} range={range} at={at} close={() => setUserId(undefined)} />
        )}
      </div>
    </div>
  )

  function verdict(answer: AuditOnline): string {
    const time = moment(answer.at, today)
    if (answer.holes.some(({ why, to: end }) => why === 'before_trail' && end === null))
      return texts.pastNothing
    const name = texts[answer.kind](answer.id)
    const count = answer.users.length
    const said = count === 0 ? texts.pastNobody(name, time) : texts.pastOnline(count, name, time)
    return [
      said,
      ...(answer.holes.length > 0 ? [texts.pastMayBeWrong] : []),
      ...(answer.erasures > 0 ? [texts.pastErased] : []),
    ].join(' ')
  }
}

function HoleSpan({ hole, range }: { readonly hole: AuditHole; readonly range: Range }) {
  const { left, width } = placeOn(range, hole)
  return (
    <span
      className="hole"
      data-testid="past-hole"
      data-why={hole.why}
      style={{ left: `${left}%`, width: `${width}%` }}
    />
  )
}

interface PeopleProps {
  readonly answer: AuditOnline
  readonly range: Range
  readonly chosen: string | undefined
  readonly choose: (userId: string | undefined) => void
  readonly dayId: string
}

function People({ answer, range, chosen, choose, dayId }: PeopleProps) {
  const language = useLanguage()
  const { texts } = language
  const { users, at } = answer
  const isFew = users.length <= REASONS_MAX
  return (
    <ul className="past-people">
      {users.slice(0, SHOWN_MAX).map(({ userId, devices }) => (
        <li key={userId} data-testid="past-person" data-id={userId}>
          <button
            type="button"
            className="name"
            dir="auto"
            aria-expanded={chosen === userId}
            aria-controls={dayId}
            onClick={() => choose(chosen === userId ? undefined : userId)}
          >
            {userId}
          </button>
          <div className="soft">
            {devices.map((device) => (
              <p key={device.deviceId}>{deviceSentence(device, range, language)}</p>
            ))}
            {(isFew || chosen === userId) && <Reason userId={userId} at={at} range={range} />}
          </div>
        </li>
      ))}
      {users.length > SHOWN_MAX && <li className="soft">{texts.andMore(users.length - SHOWN_MAX)}</li>}
    </ul>
  )
}

/** Why somebody was online then: what happened last. */
function Reason({ userId, at, range }: { userId: string; at: number; range: Range }) {
  const { texts, moment } = useLanguage()
  const api = useApi()
  const ask = useCallback(() => api.client().auditWhy({ userId, at }), [api, userId, at])
  const { answer, isCurrent, problem } = useAnswer(ask, REASON_REST_MS)
  if (problem !== undefined) return <p>{texts.pastReasonUnknown}</p>
  if (answer === undefined || !isCurrent) return <p>{texts.pastReasonAsked}</p>
  const { because } = answer
  return (
    <p data-testid="past-reason" data-reason={because?.reason}>
      {because === null
        ? texts.pastReasonBefore
        : texts.pastReason(reasonText(because.reason, texts), moment(because.at, range.today))}
    </p>
  )
}
