import type { Explanation } from '@vigie/server/http'
import { useCallback, useEffect, useRef, useState } from 'react'
import { useNow } from '@vigie/web/look/use-now.js'
import { problemText } from '../server/problem.js'
import { useApi } from '../server/use-api.js'
import { usePolled } from '../server/use-polled.js'
import { useLanguage } from '../texts/use-language.js'
import { KickDialog, type Kick } from './kick-dialog.js'
import { roomName, sessionSentences, transitionSentence, verdict, viewerSentences } from './sentences.js'

const EVERY_MS = 2_000
const SECOND_MS = 1_000
/** As many as one reads at a glance. */
const ROOMS_SHOWN = 10

interface ExplanationViewProps {
  readonly userId: string
  readonly viewerId: string | undefined
  /** How far the server's clock, which the explanation's times are of, is ahead of this device's. */
  readonly aheadMs: number
  /** False while the page is paused. */
  readonly isLive: boolean
  readonly close: () => void
  readonly say: (text: string) => void
}

/** Why one user is shown as online or offline, as it is now; and a way to end their sessions. */
export function ExplanationView(props: ExplanationViewProps) {
  const { userId, viewerId, aheadMs, isLive, close, say } = props
  const language = useLanguage()
  const { texts } = language
  const api = useApi()
  const ask = useCallback(() => api.client().explain(userId, { viewer: viewerId }), [api, userId, viewerId])
  const { answer, answeredAt, problem, again } = usePolled(ask, isLive ? EVERY_MS : 0)
  const [kick, setKick] = useState<Kick>()
  const title = useRef<HTMLHeadingElement>(null)
  // The focus goes to the answer: on a phone it is below the search.
  useEffect(() => title.current?.focus(), [userId, viewerId])
  const endKick = (isDone: boolean) => {
    setKick(undefined)
    if (!isDone) return
    say(texts.kicked(userId))
    again()
    // The button that was pressed goes with its session.
    title.current?.focus()
  }
  return (
    <section className="card explanation" aria-labelledby="explanation-title" data-testid="explanation">
      <header>
        <h2
          id="explanation-title"
          ref={title}
          tabIndex={-1}
          dir="auto"
          data-testid="verdict"
          data-online={answer?.presence.online}
        >
          {answer === undefined ? userId : verdict(answer, language)}
        </h2>
        <button type="button" className="link" onClick={close}>
          {texts.closeExplanation}
        </button>
      </header>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problemText(problem, texts)}
        </p>
      )}
      {answer === undefined && problem === undefined && <p className="soft">{texts.loading}</p>}
      {answer !== undefined && (
        <Answer
          explanation={answer}
          answeredAt={answeredAt + aheadMs}
          aheadMs={aheadMs}
          isLive={isLive}
          kick={setKick}
        />
      )}
      {kick !== undefined && <KickDialog kick={kick} close={endKick} />}
    </section>
  )
}

interface AnswerProps {
  readonly explanation: Explanation
  /** By the server's clock. */
  readonly answeredAt: number
  readonly aheadMs: number
  readonly isLive: boolean
  readonly kick: (kick: Kick) => void
}

function Answer({ explanation, answeredAt, aheadMs, isLive, kick }: AnswerProps) {
  const language = useLanguage()
  const { texts, moment } = language
  const ticking = useNow(isLive ? SECOND_MS : 0)
  const now = isLive ? Math.max(ticking + aheadMs, answeredAt) : answeredAt
  const { userId, sessions, nodes, transitions, rooms, viewer } = explanation
  return (
    <>
      <p className="soft">{texts.asOf(moment(answeredAt, now))}</p>

      {viewer !== undefined && (
        <>
          <h3>{texts.viewerTitle(viewer.userId, userId)}</h3>
          <ul className="sentences" data-testid="viewer" data-sees={viewer.sees}>
            {viewerSentences(viewer, userId, language).map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </>
      )}

      <h3>{texts.sessions}</h3>
      {sessions.length === 0 && <p className="soft">{texts.noSessions}</p>}
      <ul className="sessions">
        {sessions.map((session) => (
          <Session key={session.sessionId} session={session} now={now} userId={userId} kick={kick} />
        ))}
      </ul>
      {sessions.length > 0 && (
        <button
          type="button"
          className="button danger"
          data-testid="kick-all"
          onClick={() => kick({ userId })}
        >
          {texts.kickAll}
        </button>
      )}

      {nodes.length > 0 && (
        <>
          <h3>{texts.otherNodes}</h3>
          <ul className="sentences">
            {nodes.map(({ node, devices, isLost }) => (
              <li key={node}>
                {(isLost ? texts.nodeIsLost : texts.onNode)(node, texts.devices(devices.length))}
              </li>
            ))}
          </ul>
        </>
      )}

      <h3>{texts.timeline}</h3>
      {transitions.length === 0 && <p className="soft">{texts.timelineNone}</p>}
      <ol className="timeline" data-testid="timeline">
        {transitions.map((transition, place) => (
          <li
            key={`${transition.at} ${transitions.length - place}`}
            data-online={transition.after.online}
            data-reason={transition.reason}
          >
            <time dateTime={new Date(transition.at).toISOString()}>{moment(transition.at, now)}</time>{' '}
            {transitionSentence(transition, language)}
          </li>
        ))}
      </ol>

      <h3>{texts.rooms}</h3>
      <Rooms rooms={rooms} />
    </>
  )
}

interface SessionProps {
  readonly session: Explanation['sessions'][number]
  readonly now: number
  readonly userId: string
  readonly kick: (kick: Kick) => void
}

function Session({ session, now, userId, kick }: SessionProps) {
  const language = useLanguage()
  const { texts } = language
  const { deviceId, label, protocol, state } = session
  return (
    <li data-testid="session" data-state={state} data-device={deviceId}>
      <p className="session-name">
        <span className="dot" data-presence={state === 'live' ? 'online' : 'offline'} aria-hidden="true" />
        <strong dir="auto">{label ?? texts.device(deviceId)}</strong>
      </p>
      <p className="soft ids">
        {label !== undefined && `${texts.device(deviceId)} · `}
        {texts.protocol(String(protocol))}
      </p>
      {sessionSentences(session, language, now).map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      <button
        type="button"
        className="link"
        data-testid="kick"
        aria-label={`${texts.kickDevice}: ${deviceId}`}
        onClick={() => kick({ userId, deviceId })}
      >
        {texts.kickDevice}
      </button>
    </li>
  )
}

function Rooms({ rooms }: { readonly rooms: Explanation['rooms'] }) {
  const { texts } = useLanguage()
  if (rooms.length === 0) return <p className="soft">{texts.roomsNone}</p>
  const rest = rooms.slice(ROOMS_SHOWN)
  return (
    <>
      <RoomList rooms={rooms.slice(0, ROOMS_SHOWN)} />
      {rest.length > 0 && (
        <details>
          <summary>{texts.andMore(rest.length)}</summary>
          <RoomList rooms={rest} />
        </details>
      )}
    </>
  )
}

function RoomList({ rooms }: { readonly rooms: Explanation['rooms'] }) {
  const { texts } = useLanguage()
  return (
    <ul className="names">
      {rooms.map((room) => (
        <li key={`${room.kind} ${room.id}`} className="name">
          {roomName(room, texts)}
          {room.mode === 'count' && <span className="soft"> ({texts.byNumbers})</span>}
        </li>
      ))}
    </ul>
  )
}
