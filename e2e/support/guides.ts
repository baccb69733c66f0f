import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A block of code of a guide. */
export interface GuideCode {
  /** What its first line, a comment, says that it is called. */
  readonly file: string
  readonly text: string
}

/**
 * All blocks of a guide that are in one of these languages; each must say how its file is called.
 *
 * @example
 * const files = await codeOfGuide('flutter', ['dart'])
 */
export async function codeOfGuide(guide: string, languages: readonly string[]): Promise<GuideCode[]> {
  const markdown = await readFile(join(import.meta.dirname, `../../docs/guides/${guide}.md`), 'utf8')
  const blocks = [...markdown.matchAll(/^```(\w+)\n(.*?)^```/gmsu)]
  return blocks
    .filter(([, language = '']) => languages.includes(language))
    .map(([, , text = '']) => {
      const file = /^(?:\/\/|#|<!--) (\S+?)(?: -->)?\n/u.exec(text)?.[1]
      if (file === undefined) throw new Error(`A block of ${guide}.md names no file:\n${text}`)
      return { file, text }
    })
}
