import { useState, type SubmitEvent } from 'react'
import { useLanguage } from '../texts/use-language.js'
import { rangeOf, type Range, type Span } from './range.js'
import { Scrubber, type Room } from './scrubber.js'

const SPANS: readonly Span[] = ['hour', 'six_hours', 'day', 'date']

interface PastProps {
  /** How far the server's clock is ahead of this device's. */
  readonly aheadMs: number
}

/** Who of a conversation or a group was online at a time of the past: what, which time, and a slider over it. */
export function Past({ aheadMs }: PastProps) {
  const { texts } = useLanguage()
  const [kind, setKind] = useState<Room['kind']>('conversation')
  const [id, setId] = useState('')
  const [span, setSpan] = useState<Span>('hour')
  const [date, setDate] = useState('')
  const [isNoDay, setIsNoDay] = useState(false)
  const [shown, setShown] = useState<{ readonly room: Room; readonly range: Range; readonly turn: number }>()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const range = rangeOf(span, date, Date.now() + aheadMs)
    const trimmed = id.trim()
    setIsNoDay(range === undefined)
    if (range === undefined || trimmed === '') return
    setShown({ room: { kind, id: trimmed }, range, turn: (shown?.turn ?? 0) + 1 })
  }
  return (
    <section className="card past" aria-labelledby="past-title" data-testid="past">
      <h2 id="past-title">{texts.past}</h2>
      <p className="soft past-lead">{texts.pastLead(Intl.DateTimeFormat().resolvedOptions().timeZone)}</p>
      <form className="past-form" onSubmit={submit}>
        <div>
          <label htmlFor="past-kind">{texts.pastKind}</label>
          <select
            id="past-kind"
            data-testid="past-kind"
            value={kind}
            onChange={({ target }) => setKind(target.value === 'group' ? 'group' : 'conversation')}
          >
            <option value="conversation">{texts.pastConversation}</option>
            <option value="group">{texts.pastGroup}</option>
          </select>
        </div>
        <div className="past-id">
          <label htmlFor="past-id">{texts.pastId}</label>
          <input
            id="past-id"
            data-testid="past-id"
            type="text"
            required
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={128}
            value={id}
            onChange={({ target }) => setId(target.value)}
          />
        </div>
        <div>
          <label htmlFor="past-span">{texts.pastSpan}</label>
          <select
            id="past-span"
            data-testid="past-span"
            value={span}
            onChange={({ target }) => setSpan(SPANS.find((each) => each === target.value) ?? 'hour')}
          >
            {SPANS.map((each) => (
              <option key={each} value={each}>
                {texts.spans[each]}
              </option>
            ))}
          </select>
        </div>
        {span === 'date' && (
          <div>
            <label htmlFor="past-date">{texts.pastDate}</label>
            <input
              id="past-date"
              data-testid="past-date"
              type="date"
              required
              aria-describedby="past-no-day"
              value={date}
              onChange={({ target }) => setDate(target.value)}
            />
          </div>
        )}
        <button type="submit" className="button primary" data-testid="past-show">
          {texts.pastShow}
        </button>
      </form>
      <p id="past-no-day" className="problem" role="alert">
        {isNoDay && texts.pastNoDay}
      </p>
      {shown !== undefined && <Scrubber key={shown.turn} room={shown.room} range={shown.range} />}
    </section>
  )
}
