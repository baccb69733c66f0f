import type { Crowd, Seat } from './crowd.js'
import { isGroup, type Change, type Rows } from './rows.js'

/** A row that changed is live within this long after its COMMIT, on both sides. */
export const PROMISE_MS = 1_000

/** What one client must come to see because of one change. */
interface Expectation {
  readonly change: { readonly startedAt: number; latestMs: number }
  readonly seat: Seat
  readonly subject: string
  /** A group: the subject as a user; a conversation: the subject as its member. */
  readonly room: string
  readonly isWanted: boolean
}

/** What the stopwatch read. */
export interface EffectReport {
  /** For each change that somebody could see: how long until the last who could see it saw it, in order of size. */
  readonly latenciesMs: readonly number[]
  /** Single views that came true. */
  readonly views: number
  /** Views that were given up within the promise because another event came between. */
  readonly overtaken: number
  /** Views that did not come true within the promise, in words. */
  readonly late: readonly string[]
}

/**
 * Measures from before a COMMIT is sent until the last client that can see its effect has taken it in. A view
 * counts only while nothing else touches it: a connection of the viewer or the subject, or another row of both.
 */
export class EffectWatch {
  readonly #rows: Rows
  readonly #crowd: Crowd
  readonly #isQuiet: (userId: string, now: number) => boolean
  readonly #open = new Map<Seat, Set<Expectation>>()
  readonly #bySubject = new Map<string, Set<Expectation>>()
  readonly #changes: Expectation['change'][] = []
  readonly #late: string[] = []
  #views = 0
  #overtaken = 0

  /** `isQuiet`: none of the user's connections came or went for long enough to know what others see of them. */
  constructor(rows: Rows, crowd: Crowd, isQuiet: (userId: string, now: number) => boolean) {
    this.#rows = rows
    this.#crowd = crowd
    this.#isQuiet = isQuiet
  }

  /** Takes the change into the rows, and notes who must see what of it. Call just before its COMMIT is sent. */
  begin(change: Change, names: (room: string) => boolean, now: number): void {
    const touched = [...change.added, ...change.removed].filter(({ room }) => names(room))
    const pairs = new Map<string, { viewer: string; subject: string; room: string; before: boolean }>()
    for (const { room, userId } of touched) {
      for (const other of [...this.#rows.members(room), ...touched.map((row) => row.userId)]) {
        if (other === userId) continue
        for (const [viewer, subject] of [
          [userId, other],
          [other, userId],
        ] as const) {
          const level = isGroup(room) ? 'group' : room
          const key = `${viewer} ${subject} ${level}`
          if (!pairs.has(key))
            pairs.set(key, { viewer, subject, room, before: this.#sees(viewer, subject, room) })
        }
      }
    }
    for (const { room, userId } of touched) this.#overtakeRow(userId, isGroup(room) ? undefined : room, now)
    this.#rows.begin(change, now)

    const started = { startedAt: now, latestMs: -1 }
    this.#changes.push(started)
    for (const { viewer, subject, room, before } of pairs.values()) {
      const isWanted = this.#sees(viewer, subject, room)
      if (isWanted === before || !this.#isQuiet(viewer, now) || !this.#isQuiet(subject, now)) continue
      for (const seat of this.#crowd.seatsOf(viewer)) {
        if (seat.client?.socket.connected !== true || shows(seat, subject, room) === isWanted) continue
        this.#add({ change: started, seat, subject, room, isWanted })
      }
    }
  }

  /** A client has taken in an event: whether something came true. */
  look(seat: Seat, now: number): void {
    for (const expectation of this.#open.get(seat) ?? []) {
      const { change, subject, room, isWanted } = expectation
      if (shows(seat, subject, room) !== isWanted) continue
      this.#settle(expectation)
      const tookMs = now - change.startedAt
      change.latestMs = Math.max(change.latestMs, tookMs)
      this.#views += 1
      if (tookMs > PROMISE_MS) this.#late.push(`${describe(expectation)} after ${Math.round(tookMs)} ms`)
    }
  }

  /** A connection of the seat's user came or went: what others see of them has causes of its own now. */
  moved(seat: Seat, now: number): void {
    for (const expectation of this.#open.get(seat) ?? []) this.#overtake(expectation, now)
    for (const expectation of this.#bySubject.get(seat.userId) ?? []) this.#overtake(expectation, now)
  }

  /** Ends the watch: whatever is still open did not come. */
  report(now: number): EffectReport {
    for (const open of this.#open.values()) for (const expectation of open) this.#overtake(expectation, now)
    const latenciesMs = this.#changes.map(({ latestMs }) => latestMs).filter((latestMs) => latestMs >= 0)
    return {
      latenciesMs: latenciesMs.sort((a, b) => a - b),
      views: this.#views,
      overtaken: this.#overtaken,
      late: this.#late,
    }
  }

  #sees(viewer: string, subject: string, room: string): boolean {
    if (isGroup(room)) return this.#rows.shareGroup(viewer, subject)
    return this.#rows.has(room, viewer) && this.#rows.has(room, subject)
  }

  #add(expectation: Expectation): void {
    for (const [map, key] of [
      [this.#open as Map<unknown, Set<Expectation>>, expectation.seat],
      [this.#bySubject as Map<unknown, Set<Expectation>>, expectation.subject],
    ] as const) {
      const found = map.get(key) ?? new Set<Expectation>()
      map.set(key, found.add(expectation))
    }
  }

  #settle(expectation: Expectation): void {
    this.#open.get(expectation.seat)?.delete(expectation)
    this.#bySubject.get(expectation.subject)?.delete(expectation)
  }

  #overtakeRow(userId: string, room: string | undefined, now: number): void {
    const touches = (expectation: Expectation) =>
      room === undefined ? isGroup(expectation.room) : expectation.room === room
    const open = this.#crowd.seatsOf(userId).flatMap((seat) => [...(this.#open.get(seat) ?? [])])
    for (const expectation of [...open, ...(this.#bySubject.get(userId) ?? [])]) {
      if (touches(expectation)) this.#overtake(expectation, now)
    }
  }

  #overtake(expectation: Expectation, now: number): void {
    this.#settle(expectation)
    const waitedMs = now - expectation.change.startedAt
    if (waitedMs > PROMISE_MS)
      this.#late.push(`${describe(expectation)}: not after ${Math.round(waitedMs)} ms`)
    else this.#overtaken += 1
  }
}

function shows({ client }: Seat, subject: string, room: string): boolean {
  const seen = isGroup(room) ? client?.picture.user(subject) : client?.picture.member(room, subject)
  return seen?.online === true
}

function describe({ seat, subject, room, isWanted }: Expectation): string {
  return `${seat.userId} ${isWanted ? 'sees' : 'sees no more'} ${subject} in ${room}`
}
