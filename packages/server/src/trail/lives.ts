/**
 * What is known of the boots: when each ran, from which rows on one reads to know what was so, and where something is
 * missing. See docs/decisions/audit-trail.md.
 */
import type { Hole } from './answers.js'
import { groupBy } from './group-by.js'
import { SILENT_MS } from './recorder.js'

/** A row that tells of a boot, or (`last`) its last row of all. */
export interface Mark {
  readonly boot: string
  readonly kind: 'start' | 'checkpoint' | 'hole' | 'stop' | 'death' | 'last'
  readonly day: string
  readonly position: number
  readonly at: number
  /** Of a checkpoint and of a hole. */
  readonly from: number | undefined
  /** Of a death. */
  readonly lastAt: number | undefined
}

/** What was so from here on is found from here on. */
interface Base {
  readonly day: string
  readonly position: number
  readonly at: number
}

export interface Life {
  readonly boot: string
  /** Its start and its checkpoints, in order. */
  readonly bases: readonly Base[]
  /** Each lasts until the next base. */
  readonly overflows: readonly { readonly position: number; readonly from: number }[]
  readonly end: { readonly kind: 'stop' | 'death'; readonly at: number; readonly lastAt: number } | undefined
  readonly lastAt: number
  /** False: its first rows are not kept. */
  readonly hasStart: boolean
}

/** The rows of a boot from one base to the next: of what was so before, only what is repeated there is so after it. */
export interface Segment {
  readonly boot: string
  readonly day: string
  /** The position of the first row. */
  readonly first: number
  /** The position of the first row of the next segment. */
  readonly before: number | null
  /** When what is not repeated ends: with the next segment, or with the boot. */
  readonly cut: number | null
  readonly cutBy: 'checkpoint' | 'stop' | 'death' | null
}

/** @param marks Those of one boot need be all that are kept. */
export function livesOf(marks: readonly Mark[]): readonly Life[] {
  return [...groupBy(marks, ({ boot }) => boot)].map(([boot, all]) => lifeOf(boot, all))
}

function lifeOf(boot: string, marks: Mark[]): Life {
  marks.sort((one, other) => one.position - other.position)
  const end = marks.find(({ kind }) => kind === 'stop' || kind === 'death')
  return {
    boot,
    bases: marks.flatMap(({ kind, day, position, at, from = position }) =>
      kind === 'start' || kind === 'checkpoint' ? [{ day, position: from, at }] : [],
    ),
    overflows: marks.flatMap(({ kind, position, from }) =>
      kind === 'hole' && from !== undefined ? [{ position, from }] : [],
    ),
    end: end && { kind: end.kind as 'stop' | 'death', at: end.at, lastAt: end.lastAt ?? end.at },
    lastAt: Math.max(...marks.map(({ at }) => at)),
    hasStart: marks.some(({ kind }) => kind === 'start'),
  }
}

/** What has to be read to know all that was so from `from` to `to`, both included. */
export function segmentsOf(lives: readonly Life[], from: number, to: number): readonly Segment[] {
  return lives.flatMap(({ boot, bases, end }) => {
    if (end && end.at <= from) return []
    const found: Segment[] = []
    for (const [index, { day, position, at }] of bases.entries()) {
      const next = bases[index + 1]
      if (at > to || (next && next.at <= from)) continue
      const cut = next?.at ?? end?.at ?? null
      const cutBy = next ? 'checkpoint' : (end?.kind ?? null)
      found.push({ boot, day, first: position, before: next?.position ?? null, cut, cutBy })
    }
    return found
  })
}

/**
 * What is not known of the time from `from` to `to`, both included.
 * @param begin When what is kept begins; null: there is nothing.
 * @param now By the clock of the store.
 */
export function holesOf(
  lives: readonly Life[],
  begin: number | null,
  { from, to, now }: { readonly from: number; readonly to: number; readonly now: number },
): readonly Hole[] {
  const holes: Hole[] = []
  if (begin === null || begin > from) holes.push({ from: null, to: begin, boot: null, why: 'before_trail' })
  for (const life of lives) holes.push(...holesOfLife(life, now))
  return holes
    .filter((hole) => (hole.from ?? -Infinity) <= to && (hole.to ?? Infinity) > from)
    .sort(
      (one, other) => (one.from ?? 0) - (other.from ?? 0) || ((one.boot ?? '') < (other.boot ?? '') ? -1 : 1),
    )
}

function holesOfLife({ boot, bases, overflows, end, lastAt, hasStart }: Life, now: number): Hole[] {
  const holes: Hole[] = []
  if (!hasStart) holes.push({ from: null, to: bases[0]?.at ?? end?.at ?? null, boot, why: 'not_kept' })
  for (const { position, from } of overflows) {
    const next = bases.find((base) => base.position > position)
    holes.push({ from, to: next?.at ?? end?.at ?? null, boot, why: 'overflow' })
  }
  if (end?.kind === 'death') holes.push({ from: end.lastAt, to: end.at, boot, why: 'killed' })
  if (!end) {
    holes.push({
      from: lastAt,
      to: null,
      boot,
      why: now - lastAt >= SILENT_MS ? 'silent' : 'not_written_yet',
    })
  }
  return holes
}
