/**
 * The first of the person's languages that a page speaks; undefined where it speaks none. The region is kept: the British
 * and the Americans write times in different ways.
 */
export function chooseLocale(preferred: readonly string[], spoken: ReadonlySet<string>): string | undefined {
  return preferred.find((tag) => spoken.has(languageOf(tag)) && isTag(tag))
}

/** "fr" of "fr-CA". */
export function languageOf(tag: string): string {
  return tag.split('-')[0]?.toLowerCase() ?? ''
}

/** Some systems hand their own notation through to the browser ("en-US@posix"), which `Intl` throws at. */
function isTag(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length > 0
  } catch {
    return false
  }
}
