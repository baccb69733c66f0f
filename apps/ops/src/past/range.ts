/** The time that the slider goes over. Pure: what time it is comes as an argument. */

/** `date`: a day that the operator names; the others end now. */
export type Span = 'hour' | 'six_hours' | 'day' | 'date'

export interface Range {
  /** Milliseconds since 1970, as all times. */
  readonly from: number
  /** Included; a whole number of steps after `from`. */
  readonly to: number
  /** What one press of an arrow key moves. */
  readonly stepMs: number
  /** Times of the same day as this are written without their date. */
  readonly today: number
}

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** A time that is to come is refused: the clocks of the page and of the database need not be the same to a second. */
const MARGIN_MS = 1_000

const RECENT: Readonly<
  Record<Exclude<Span, 'date'>, { readonly lengthMs: number; readonly stepMs: number }>
> = {
  hour: { lengthMs: HOUR_MS, stepMs: SECOND_MS },
  six_hours: { lengthMs: 6 * HOUR_MS, stepMs: 10 * SECOND_MS },
  day: { lengthMs: 24 * HOUR_MS, stepMs: MINUTE_MS },
}

/**
 * @param date YYYY-MM-DD, a day where the operator is; used with `date` alone.
 * @returns Undefined where that is no day, or one that has not begun.
 * @example rangeOf('hour', '', Date.now())
 */
export function rangeOf(span: Span, date: string, now: number): Range | undefined {
  const last = Math.floor((now - MARGIN_MS) / SECOND_MS) * SECOND_MS
  if (span !== 'date') {
    const { lengthMs, stepMs } = RECENT[span]
    return { from: last - lengthMs, to: last, stepMs, today: last }
  }
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/u.exec(date)?.map(Number) ?? []
  if (year === undefined || month === undefined || day === undefined) return undefined
  const from = new Date(year, month - 1, day).getTime()
  // A day on which clocks are changed has not 24 hours.
  const end = Math.min(new Date(year, month - 1, day + 1).getTime(), last)
  const to = from + Math.floor((end - from) / MINUTE_MS) * MINUTE_MS
  return to > from ? { from, to, stepMs: MINUTE_MS, today: from } : undefined
}

/** Where a span of time lies on the track, in hundredths of its width; what is outside of it is cut off. */
export function placeOn(
  { from, to }: Range,
  span: { readonly from: number | null; readonly to: number | null },
): { readonly left: number; readonly width: number } {
  const share = (at: number) => (100 * (Math.min(Math.max(at, from), to) - from)) / (to - from)
  const left = share(span.from ?? from)
  return { left, width: share(span.to ?? to) - left }
}
