/** Answers of the audit trail in plain sentences. */
import { ApiError, type AuditHole, type AuditOnline, type AuditUser } from '@vigie/server/http'
import { problemKindOf } from '../server/api.js'
import { problemText } from '../server/problem.js'
import type { Texts } from '../texts/en.js'
import type { Language } from '../texts/language.js'
import type { Range } from './range.js'

const MINUTE_MS = 60_000

type OnlineDevice = AuditOnline['users'][number]['devices'][number]
type Interval = AuditUser['intervals'][number]

/** Each hole, and once what several starts of servers have in common. */
export function holeSentences(
  holes: readonly AuditHole[],
  range: Range,
  language: Language,
): readonly string[] {
  return [...new Set(holes.map((hole) => holeSentence(hole, range, language)))]
}

function holeSentence({ from, to, why }: AuditHole, { today }: Range, language: Language): string {
  const { texts } = language
  const reason = texts.holes[why]
  if (from === null) return to === null ? texts.holeAlways(reason) : texts.holeUntil(moment(to), reason)
  if (to === null) return texts.holeSince(moment(from), reason)
  if (to - from < MINUTE_MS) return texts.holeBetween(moment(from), moment(to), reason)
  // Minutes say enough of a long one; they are rounded away from it, so that the sentence stays true.
  return texts.holeBetween(minute(from), minute(Math.ceil(to / MINUTE_MS) * MINUTE_MS), reason)

  function moment(at: number): string {
    return at % MINUTE_MS === 0 ? minute(at) : language.moment(at, today)
  }
  function minute(at: number): string {
    const isToday = new Date(at).toDateString() === new Date(today).toDateString()
    return isToday ? language.clock(at, false) : language.moment(at, today)
  }
}

/** Whether the trail is not complete at this moment. */
export function isInHole(at: number, holes: readonly AuditHole[]): boolean {
  return holes.some(({ from, to }) => (from ?? -Infinity) <= at && at < (to ?? Infinity))
}

/** The server names a device by its session where the client gave no id. */
export function deviceName(deviceId: string, texts: Texts): string {
  return deviceId.startsWith('~') ? texts.unnamedDevice : texts.device(deviceId)
}

/** "Device phone, since 14:02:03." */
export function deviceSentence(
  { deviceId, state, since }: OnlineDevice,
  { today }: Range,
  { texts, moment }: Language,
): string {
  const name = deviceName(deviceId, texts)
  const said = since === null ? `${name}.` : texts.deviceSince(name, moment(since, today))
  return state === 'lost' ? `${said} ${texts.deviceLost}` : said
}

/** "14:02:03 to 14:05:00, 2 minutes. Connected → Left." */
export function intervalSentence(
  { from, to, began, ended }: Interval,
  { today }: Range,
  language: Language,
): string {
  const { texts, moment, duration } = language
  const start = began === null ? texts.wasOnlineBefore : reasonText(began, texts)
  const end = ended === null ? texts.wasOnlineAfter : reasonText(ended, texts)
  return `${texts.fromTo(moment(from, today), moment(to, today), duration(to - from))} ${start} → ${end}`
}

/** A reason that is newer than this page is shown as the server writes it. */
export function reasonText(reason: string, texts: Texts): string {
  const words: Readonly<Record<string, string>> = { ...texts.reasons, ...texts.trailReasons }
  return words[reason] ?? reason
}

/** Why the trail did not answer; the server itself may well. */
export function pastProblem(problem: unknown, texts: Texts): string {
  if (problem instanceof ApiError && problem.status === 404) return texts.pastNotThere
  switch (problemKindOf(problem)) {
    case 'no_answer':
      return texts.pastNoAnswer
    case 'unavailable':
      return texts.pastAway
    case 'server_error':
      return texts.pastError
    case 'not_understood':
      return texts.pastRefused
    default:
      return problemText(problem, texts)
  }
}
