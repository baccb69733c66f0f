/**
 * The known name that a misspelt one most likely means: the one that shares the longest beginning and end with it,
 * letters alone. Undefined when all are far.
 */
export function nearestName(wrong: string, known: readonly string[]): string | undefined {
  const written = lettersOf(wrong)
  let nearest: string | undefined
  let highest = 0
  for (const name of known) {
    const letters = lettersOf(name)
    const score = sharedLetters(letters, written)
    if (score < letters.length / 2 || (nearest !== undefined && score <= highest)) continue
    nearest = name
    highest = score
  }
  return nearest
}

function lettersOf(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

function sharedLetters(a: string, b: string): number {
  let start = 0
  while (start < a.length && a[start] === b[start]) start++
  let end = 0
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++
  return start + end - Math.abs(a.length - b.length)
}
