import type { ReactNode } from 'react'

interface AvatarProps {
  /** Gives the colour: the same for the same id. */
  readonly id: string
  readonly name: string
  /** Of a room it is square. */
  readonly shape?: 'round' | 'square'
  /** A dot or a number in its corner. */
  readonly children?: ReactNode
}

const HUES = 12

/** Initials on a colour. The name stands beside it wherever it is used, so it is not read out. */
export function Avatar({ id, name, shape = 'round', children }: AvatarProps) {
  return (
    <span className="avatar" data-shape={shape}>
      <span className="avatar-face" data-hue={hueOf(id)} aria-hidden="true">
        {initialsOf(name, shape === 'square' ? 1 : 2)}
      </span>
      {children}
    </span>
  )
}

function initialsOf(name: string, max: number): string {
  const words = name.split(/[\s&]+/u).filter((word) => word !== '')
  const [first = '?'] = words
  const last = words.length > 1 ? words.at(-1) : undefined
  return [first, last]
    .slice(0, max)
    .map((word) => firstLetterOf(word ?? ''))
    .join('')
}

/** A letter may be two units of a string. */
function firstLetterOf(word: string): string {
  const code = word.codePointAt(0)
  return code === undefined ? '' : String.fromCodePoint(code).toLocaleUpperCase()
}

function hueOf(id: string): number {
  let hash = 0
  for (const character of id) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0
  return hash % HUES
}
