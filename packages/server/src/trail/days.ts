/** Days of the trail: YYYY-MM-DD, in UTC. */

export const DAY_MS = 86_400_000
/** The day that was asked for last: nearly always it is asked for again. */
let lastDay = { number: NaN, name: '' }

/** YYYY-MM-DD in UTC. */
export function dayOf(at: number): string {
  const number = Math.floor(at / DAY_MS)
  if (number !== lastDay.number) lastDay = { number, name: new Date(at).toISOString().slice(0, 10) }
  return lastDay.name
}

export function dayBefore(day: string): string {
  return dayOf(Date.parse(day) - DAY_MS)
}

const DAY = /^\d{4}-\d\d-\d\d$/u

/** YYYY-MM-DD, and in the calendar: `Date` takes the 31st of February for the 3rd of March. */
export function isDay(text: string): boolean {
  if (!DAY.test(text) || Number.isNaN(Date.parse(text))) return false
  return new Date(Date.parse(text)).toISOString().startsWith(text)
}
