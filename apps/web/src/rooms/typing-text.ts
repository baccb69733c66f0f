import type { Language } from '../texts/language.js'

/** From here on only two are named. */
const NAMED_MAX = 3

/** "Ana and 3 others are typing…"; empty while nobody types. */
export function typingText(names: readonly string[], { texts, list }: Language): string {
  const [only] = names
  if (only === undefined) return ''
  if (names.length === 1) return texts.isTyping(only)
  const named = names.length > NAMED_MAX ? names.slice(0, 2) : names
  const others = names.length - named.length
  return texts.areTyping(list(others > 0 ? [...named, texts.others(others)] : named))
}
