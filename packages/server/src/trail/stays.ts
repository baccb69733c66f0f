/** From a user's rows to when the user was there. Pure: the same rows give the same answer. */
import { deviceIdOf } from '../core/index.js'
import type { DeviceInterval, Interval, OnlineDevice } from './answers.js'
import { groupBy } from './group-by.js'
import type { Segment } from './lives.js'

/** A row of kind `session`. */
export interface SessionRow {
  readonly boot: string
  readonly position: number
  readonly at: number
  readonly state: string
  readonly reason: string
  readonly userId: string
  readonly sessionId: string
  /** As the engine keeps it: {@link deviceIdOf}. */
  readonly device: string
  readonly since: number | null
}

/** A session in one state. */
export interface Stay extends Interval {
  readonly row: SessionRow
  /** Whether nothing is known to have ended it. */
  readonly isOpen: boolean
}

/** A session that is known since a hole only: when it came, and why, was not recorded. */
const UNKNOWN = 'unknown'

/**
 * Each state of each session, from the row that told of it until the next one of the session, the end of the boot, or a
 * checkpoint that does not repeat it.
 * @param rows Of these segments, in any order.
 */
export function staysOf(rows: readonly SessionRow[], segments: readonly Segment[]): readonly Stay[] {
  const sessions = groupBy(rows, ({ boot, sessionId }) => `${boot} ${sessionId}`)
  return [...sessions.values()].flatMap((of) => {
    const ordered = of.toSorted((one, other) => one.position - other.position)
    return ordered.flatMap((row, index): Stay[] => {
      if (row.state === 'ended') return []
      const next = ordered[index + 1]
      const segment = segments.find(
        ({ boot, first, before }) =>
          boot === row.boot && first <= row.position && (before ?? Infinity) > row.position,
      )
      if (!segment) return []
      const cut = segment.cut ?? Infinity
      const isNext = next !== undefined && next.at <= cut
      const to = isNext ? next.at : cut
      const isRepeated = row.reason === 'checkpoint'
      return [
        {
          row,
          from: row.at,
          to,
          began: isRepeated ? UNKNOWN : row.reason,
          ended: isNext ? next.reason : segment.cutBy === 'checkpoint' ? UNKNOWN : segment.cutBy,
          isOpen: to === Infinity,
        },
      ]
    })
  })
}

/** When at least one of the stays lasted, within `from` to `to`. */
export function unionOf(stays: readonly Stay[], from: number, to: number): readonly Interval[] {
  // Also those that ended in the instant in which they began: one may have begun what another goes on with.
  const ordered = stays
    .filter((stay) => stay.from < to && stay.to >= from)
    .sort((one, other) => one.from - other.from || one.to - other.to)
  const found: { from: number; to: number; began: string | null; ended: string | null }[] = []
  for (const stay of ordered) {
    const last = found.at(-1)
    const began = stay.began === UNKNOWN && stay.from === from ? null : stay.began
    if (!last || stay.from > last.to) {
      found.push({ from: stay.from, to: stay.to, began, ended: stay.ended })
      continue
    }
    if (stay.from === last.from && last.began === UNKNOWN) last.began = began
    if (stay.to > last.to || (stay.to === last.to && stay.ended !== UNKNOWN)) {
      last.to = stay.to
      last.ended = stay.ended
    }
  }
  return found
    .map((one) => ({
      from: Math.max(one.from, from),
      to: Math.min(one.to, to),
      began: one.from < from ? null : one.began,
      ended: one.to > to ? null : one.ended,
    }))
    .filter((one) => one.from < one.to)
}

/** {@link unionOf} for each device. */
export function devicesOf(stays: readonly Stay[], from: number, to: number): readonly DeviceInterval[] {
  return [...groupBy(stays, ({ row }) => row.device)]
    .flatMap(([device, of]) =>
      unionOf(of, from, to).map((interval) => ({ deviceId: deviceIdOf({ device }), ...interval })),
    )
    .sort((one, other) => one.from - other.from || (one.deviceId < other.deviceId ? -1 : 1))
}

/** The devices of sessions that are there, in order of their ids. */
export function onlineDevices(rows: readonly SessionRow[]): readonly OnlineDevice[] {
  return [...groupBy(rows, ({ device }) => device)]
    .map(([device, of]): OnlineDevice => {
      const known = of.flatMap(({ since }) => since ?? [])
      return {
        deviceId: deviceIdOf({ device }),
        state: of.some(({ state }) => state === 'live') ? 'live' : 'lost',
        since: known.length === 0 ? null : Math.min(...known),
      }
    })
    .sort((one, other) => (one.deviceId < other.deviceId ? -1 : 1))
}
