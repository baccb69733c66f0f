import { en, type Texts } from './en.js'
import { fr } from './fr.js'
import { chooseLocale, languageOf } from './locale.js'

const LANGUAGES: ReadonlyMap<string, Texts> = new Map([
  ['en', en],
  ['fr', fr],
])

/** Words, and how a place writes times, lists and numbers. */
export interface Language {
  readonly texts: Texts
  /** "14:05", or "2:05 PM". */
  time(at: number): string
  /** "Today", "Yesterday", or the date. */
  day(at: number, now: number): string
  /** "22/11/2026", as short as that place writes it. */
  date(at: number): string
  /** "Ana, Ben and 3 others". */
  list(items: readonly string[]): string
  number(value: number): string
  /** "5 seconds". */
  seconds(value: number): string
  /** By name, as a phone book of that place would. */
  compare(one: string, other: string): number
}

/** The first of the person's languages that the page speaks, English where it speaks none. */
export function chooseLanguage(preferred: readonly string[]): Language {
  const locale = chooseLocale(preferred, new Set(LANGUAGES.keys())) ?? 'en'
  const texts = LANGUAGES.get(languageOf(locale)) ?? en
  const clock = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' })
  const longDate = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' })
  const shortDate = new Intl.DateTimeFormat(locale, { dateStyle: 'short' })
  const lists = new Intl.ListFormat(locale, { type: 'conjunction' })
  const numbers = new Intl.NumberFormat(locale)
  const durations = new Intl.NumberFormat(locale, { style: 'unit', unit: 'second', unitDisplay: 'long' })
  const names = new Intl.Collator(locale)
  return {
    texts,
    time: (at) => clock.format(at),
    day(at, now) {
      const age = daysBetween(at, now)
      return age === 0 ? texts.today : age === 1 ? texts.yesterday : longDate.format(at)
    },
    date: (at) => shortDate.format(at),
    list: (items) => lists.format(items),
    number: (value) => numbers.format(value),
    seconds: (value) => durations.format(value),
    compare: (one, other) => names.compare(one, other),
  }
}

/** Midnights between two moments, in the time of this place; a day may have 23 or 25 hours. */
function daysBetween(from: number, to: number): number {
  const midnight = (at: number) => new Date(at).setHours(0, 0, 0, 0)
  return Math.round((midnight(to) - midnight(from)) / 86_400_000)
}
