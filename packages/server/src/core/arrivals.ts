/**
 * Beside stations 1 and 4 · many who arrive at once: a server that started again, a network that is back.
 * In:   each connection (from sessions.ts), the end of a stretch (from engine.ts)
 * Out:  how often sessions are written meanwhile (asked by outbox.ts, typing.ts)
 *
 * Whoever arrives in a crowd hears of everybody else who does, one by one: of ten thousand in groups of a hundred that
 * is a million pieces of news within seconds. While many arrive, each session is told of them a few times instead.
 */
import type { World } from './model.js'

/** Connections of the stretch under way. Its deadline: the end of it. */
export interface Arrivals {
  readonly is: 'arrivals'
  count: number
  /** Whether there were so many, in this stretch or in the one before. */
  isMass: boolean
}

const STRETCH_MS = 1_000

/** Call it for each connection, once its session is there. */
export function noteArrival(world: World): void {
  const { arrivals, deadlines, now } = world
  if (arrivals.count === 0) deadlines.set(arrivals, now + STRETCH_MS)
  arrivals.count++
  arrivals.isMass ||= isMass(world)
}

/** A stretch is over: if it was no part of a mass arrival, that is over, too. Without a connection there is no next. */
export function endStretch(world: World): void {
  const { arrivals, deadlines, now } = world
  arrivals.isMass = isMass(world)
  arrivals.count = 0
  if (arrivals.isMass) deadlines.set(arrivals, now + STRETCH_MS)
}

function isMass({ arrivals: { count }, settings, sessions }: World): boolean {
  return count >= settings.massArrivalMinSessions && count > settings.massArrivalShare * sessions.size
}

/** How often a session is written at most, in milliseconds. */
export function writeWindowMs({ arrivals, settings, windowMs }: World): number {
  return arrivals.isMass ? Math.max(windowMs, settings.massArrivalWindowMs) : windowMs
}
