/** A session as a document shows it: who sends what, who is sent what, in the order in which it happens. */

export type Line =
  | { readonly does: 'opens'; readonly who: string; readonly path: string }
  | { readonly does: 'loses'; readonly who: string }
  | { readonly does: 'sends' | 'hears'; readonly who: string; readonly frame: string }

const LINE = /^(?<who>\w+) (?<does>→|←|opens|loses) (?<what>\S.*)$/u

/** The first fenced block after a heading. A line that is indented goes on where the one before it ended. */
export function readTranscript(markdown: string, heading: string): Line[] {
  const from = markdown.indexOf(`\n${heading}\n`)
  const block = /^```text\n(?<text>[\s\S]*?)^```$/mu.exec(markdown.slice(Math.max(0, from)))
  if (from < 0 || !block?.groups) throw new Error(`There is no session under ${heading}.`)
  return (block.groups.text ?? '')
    .replaceAll(/\n +/gu, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(readLine)
}

function readLine(line: string): Line {
  const { who = '', does, what = '' } = LINE.exec(line)?.groups ?? {}
  switch (does) {
    case '→':
      return { does: 'sends', who, frame: what }
    case '←':
      return { does: 'hears', who, frame: what }
    case 'opens':
      return { does: 'opens', who, path: what }
    case 'loses':
      return { does: 'loses', who }
    default:
      throw new Error(`This is no line of a session: ${line}`)
  }
}

/** What `<names>` in frames stand for: what the server makes by chance, and tokens. */
export interface Placeholders {
  readonly values: ReadonlyMap<string, string>
  /** The frame with every placeholder replaced. @throws Error for one that stands for nothing yet. */
  fill(frame: string): string
  /** Whether `actual` is the frame, letter by letter; a placeholder that is new stands for what is in its place. */
  matches(frame: string, actual: string): boolean
}

const NAME = /<(?<name>[\w' ]+)>/u

/** @param known What is known before the session begins. */
export function createPlaceholders(known: Readonly<Record<string, string>>): Placeholders {
  const values = new Map(Object.entries(known))
  return {
    values,
    fill: (frame) =>
      frame.replaceAll(new RegExp(NAME, 'gu'), (_, name: string) => {
        const value = values.get(name)
        if (value === undefined) throw new Error(`<${name}> is used before the server has said it.`)
        return value
      }),
    matches(frame, actual) {
      const learned = new Map<string, string>()
      let expected = frame
      let rest = actual
      for (let found = NAME.exec(expected); found?.groups; found = NAME.exec(expected)) {
        const before = expected.slice(0, found.index)
        if (!rest.startsWith(before)) return false
        rest = rest.slice(before.length)
        const name = found.groups.name ?? ''
        const value = values.get(name) ?? learned.get(name) ?? /^[^",\]}]+/u.exec(rest)?.[0]
        if (value === undefined || !rest.startsWith(value)) return false
        learned.set(name, value)
        rest = rest.slice(value.length)
        expected = expected.slice(found.index + found[0].length)
      }
      if (rest !== expected) return false
      for (const [name, value] of learned) values.set(name, value)
      return true
    },
  }
}
