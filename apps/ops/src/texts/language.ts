import { chooseLocale, languageOf } from '@vigie/web/texts/locale.js'
import type { Unit } from '../charts/charts.js'
import { en, type Texts } from './en.js'
import { fr } from './fr.js'

const LANGUAGES: ReadonlyMap<string, Texts> = new Map([
  ['en', en],
  ['fr', fr],
])
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Words, and how a place writes times, lengths of time, lists and numbers. */
export interface Language {
  readonly texts: Texts
  /** "14:05:03", and the date before it if that was not today. */
  moment(at: number, now: number): string
  /** "14:05", or "14:05:03". */
  clock(at: number, hasSeconds: boolean): string
  /** "3 seconds", "5 minutes", "2 hours". */
  duration(ms: number): string
  /** "12 ms", "84 MB", "3.5 /s". */
  measure(value: number, unit: Unit): string
  number(value: number): string
  list(items: readonly string[]): string
}

/** The first of the person's languages that the page speaks, English where it speaks none. */
export function chooseLanguage(preferred: readonly string[]): Language {
  const locale = chooseLocale(preferred, new Set(LANGUAGES.keys())) ?? 'en'
  const texts = LANGUAGES.get(languageOf(locale)) ?? en
  const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  const shortClock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' })
  const date = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' })
  const lists = new Intl.ListFormat(locale, { type: 'conjunction' })
  const numbers = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 })
  const inUnit = (unit: string, value: number, options: Intl.NumberFormatOptions = {}) =>
    new Intl.NumberFormat(locale, { style: 'unit', unit, maximumFractionDigits: 0, ...options }).format(value)
  const long = { unitDisplay: 'long' } as const
  return {
    texts,
    moment(at, now) {
      const isToday = new Date(at).toDateString() === new Date(now).toDateString()
      return isToday ? clock.format(at) : `${date.format(at)} ${clock.format(at)}`
    },
    clock: (at, hasSeconds) => (hasSeconds ? clock : shortClock).format(at),
    duration(ms) {
      const length = Math.max(0, ms)
      if (length < MINUTE_MS) return inUnit('second', Math.round(length / 1_000), long)
      if (length < HOUR_MS) return inUnit('minute', Math.floor(length / MINUTE_MS), long)
      if (length < 2 * DAY_MS) return inUnit('hour', Math.floor(length / HOUR_MS), long)
      return inUnit('day', Math.floor(length / DAY_MS), long)
    },
    measure(value, unit) {
      switch (unit) {
        case 'count':
          return numbers.format(value)
        case 'per_second':
          return texts.perSecond(numbers.format(value))
        case 'seconds':
          return value >= 1
            ? `${numbers.format(value)} s`
            : inUnit('millisecond', value * 1_000, { maximumSignificantDigits: 2 })
        case 'bytes':
          return inUnit('megabyte', value / 1e6)
      }
    },
    number: (value) => numbers.format(value),
    list: (items) => lists.format(items),
  }
}
