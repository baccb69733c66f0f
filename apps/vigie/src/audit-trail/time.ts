import { OperatorError } from '../operator-error.js'

const TIME = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/u

/**
 * A time that somebody has written, as milliseconds since 1970; undefined: it is none. A day alone is its first moment in
 * UTC. A time needs its offset from UTC: without it, the same command would mean another moment in another time zone.
 */
export function timeIn(text: string): number | undefined {
  const day = TIME.exec(text)?.[1]
  const time = Date.parse(text)
  // `Date` takes the 31st of February for the 3rd of March.
  const isInCalendar = day !== undefined && !Number.isNaN(time) && new Date(day).toISOString().startsWith(day)
  return isInCalendar ? time : undefined
}

/**
 * {@link timeIn} of an option.
 * @throws OperatorError one sentence with the name of the option.
 * @example parseTime('--from', '2026-11-29T14:05Z')
 */
export function parseTime(option: string, text: string): number {
  const time = timeIn(text)
  if (time !== undefined) return time
  throw new OperatorError(
    `${option} is ${JSON.stringify(text)}; it must be a time such as 2026-11-29T14:05Z or 2026-11-29T15:05:30+01:00, or a day such as 2026-11-29.`,
  )
}
