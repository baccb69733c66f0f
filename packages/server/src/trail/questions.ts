/**
 * Questions about the past: who was online, when, and why. Every answer is exact, or says from when to when it may not
 * be. See docs/audit-trail.md.
 */
import { isId } from '@vigie/protocol'
import type {
  AuditFact,
  AuditOnline,
  AuditPeak,
  AuditUser,
  AuditWhy,
  OnlineUser,
  Peak,
  Reliability,
} from './answers.js'
import { DAY_MS, dayOf, isDay } from './days.js'
import { groupBy } from './group-by.js'
import { holesOf, livesOf, segmentsOf, type Life, type Mark, type Segment } from './lives.js'
import { devicesOf, onlineDevices, staysOf, unionOf, type SessionRow } from './stays.js'

/** The longest time of one question about a user. Days. */
export const USER_DAYS_MAX = 31
/** How many facts `why` names at most. */
export const WHY_FACTS = 20

/** A row of kind `rooms`: which rooms a user is in from then on. */
export interface RoomsRow {
  readonly boot: string
  readonly position: number
  readonly at: number
  readonly userId: string
  /** Whether the room is among them that was asked for. */
  readonly isIn: boolean
}

export interface Room {
  readonly kind: 'group' | 'conversation'
  readonly id: string
}

/** Reads the trail; the answers are made here. */
export interface TrailReader {
  /** All marks of boots that had not ended before `from`, and had started, or have a hole that began, at `to`. */
  marks(
    from: number,
    to: number,
  ): Promise<{
    readonly marks: readonly Mark[]
    /** When the first checkpoint or start was written that is kept. */
    readonly begin: number | null
    readonly erasures: number
    /** By the clock of the store. */
    readonly now: number
  }>
  /** Of everybody of whom a row names the room: the last row of each session, and the last `rooms` row on each boot. */
  room(
    room: Room,
    segments: readonly Segment[],
    at: number,
  ): Promise<{ readonly sessions: readonly SessionRow[]; readonly rooms: readonly RoomsRow[] }>
  /** All `session` rows of a user in these segments, until `to`. */
  user(userId: string, segments: readonly Segment[], to: number): Promise<readonly SessionRow[]>
  /** The most users, and the most devices, at one time from `from` until `to`, which is not included. */
  peak(
    segments: readonly Segment[],
    from: number,
    to: number,
  ): Promise<{ readonly users: Peak; readonly devices: Peak }>
  /** The latest facts about a user until `at`, checkpoints left out, the last one first. */
  facts(userId: string, at: number, limit: number): Promise<readonly AuditFact[]>
  /** The last `session` row of a user until `at`, also one that repeats what was so. */
  lastSession(userId: string, at: number): Promise<SessionRow | undefined>
  close(): Promise<void>
}

/** Questions to the audit trail. Instants are milliseconds since 1970; one that is to come is refused (RangeError). */
export interface TrailQuestions {
  /** Who of a conversation, or of a group, was online. */
  online(
    question:
      | { readonly conversation: string; readonly at: number }
      | { readonly group: string; readonly at: number },
  ): Promise<AuditOnline>
  /** When a user was online, with which devices, and why it began and ended; 31 days at most. */
  user(question: { readonly userId: string; readonly from: number; readonly to: number }): Promise<AuditUser>
  /** The most users, and the most devices, that were online at one time of a day (YYYY-MM-DD, UTC). Reads all of that day. */
  peak(question: { readonly day: string }): Promise<AuditPeak>
  /** Whether a user was online, and what made it so. */
  why(question: { readonly userId: string; readonly at: number }): Promise<AuditWhy>
  close(): Promise<void>
}

interface Look extends Reliability {
  readonly lives: readonly Life[]
  readonly segments: readonly Segment[]
  readonly now: number
}

export function createQuestions(reader: TrailReader): TrailQuestions {
  /** What is known of the boots, before anything is read of people. */
  async function look(from: number, to: number, name: string): Promise<Look> {
    const { marks, begin, erasures, now } = await reader.marks(from, to)
    if (from > now) throw new RangeError(`\`${name}\` is to come: the trail tells of the past.`)
    const lives = livesOf(marks)
    return {
      lives,
      segments: segmentsOf(lives, from, to),
      holes: holesOf(lives, begin, { from, to: Math.min(to, now), now }),
      erasures,
      now,
    }
  }

  async function online(question: {
    conversation?: string
    group?: string
    at: number
  }): Promise<AuditOnline> {
    const room = roomOf(question)
    const { at } = question
    refuseWrongTime('at', at)
    const { segments, holes, erasures } = await look(at, at, 'at')
    const { sessions, rooms } = await reader.room(room, segments, at)
    return { ...room, at, users: usersIn(sessions, rooms), holes, erasures }
  }

  async function user({
    userId,
    from,
    to,
  }: {
    readonly userId: string
    readonly from: number
    readonly to: number
  }): Promise<AuditUser> {
    refuseWrongId('userId', userId)
    refuseWrongTime('from', from)
    refuseWrongTime('to', to)
    if (from >= to) throw new RangeError('`from` must be before `to`.')
    if (to - from > USER_DAYS_MAX * DAY_MS) {
      throw new RangeError(`From \`from\` to \`to\` there may be ${USER_DAYS_MAX} days at most.`)
    }
    return timesOf(userId, from, to)
  }

  async function timesOf(userId: string, from: number, to: number): Promise<AuditUser> {
    const { segments, holes, erasures, now } = await look(from, to, 'from')
    const until = Math.min(to, now)
    const stays = staysOf(await reader.user(userId, segments, until), segments)
    const intervals = unionOf(stays, from, until)
    return { userId, from, to: until, intervals, devices: devicesOf(stays, from, until), holes, erasures }
  }

  return {
    online,
    user,
    async peak({ day }) {
      const from = startOfDay(day)
      const { segments, holes, erasures, now } = await look(from, from + DAY_MS - 1, 'day')
      const until = Math.min(from + DAY_MS, now + 1)
      return { day, ...(await reader.peak(segments, from, until)), holes, erasures }
    },
    async why({ userId, at }) {
      refuseWrongId('userId', userId)
      refuseWrongTime('at', at)
      const { segments, holes, erasures } = await look(at, at, 'at')
      const [rows, facts] = await Promise.all([
        reader.user(userId, segments, at),
        reader.facts(userId, at, WHY_FACTS),
      ])
      const sessions = staysOf(rows, segments).flatMap(({ row, from, to }) =>
        from <= at && at < to ? [row] : [],
      )
      const devices = onlineDevices(sessions)
      const isOnline = devices.length > 0
      const because = isOnline ? await whyOnline(userId, at) : await whyOffline(userId, at)
      return {
        userId,
        at,
        online: isOnline,
        count: devices.length,
        devices,
        because,
        facts: facts.toReversed(),
        holes,
        erasures,
      }
    },
    close: () => reader.close(),
  }

  /** Of the day of `at`: when it began before, a checkpoint only says that it was so. */
  async function whyOnline(userId: string, at: number): Promise<AuditWhy['because']> {
    const { intervals } = await timesOf(userId, Math.max(0, startOfDay(dayOf(at)) - 1), at + 1)
    const last = intervals.at(-1)
    return last && last.began !== null ? { at: last.from, reason: last.began } : null
  }

  /**
   * What ended the session that began last of those that ended last: a row of its own, the end of its boot, or a hole. In one
   * instant a session may return, the one before it end, and the boot stop.
   */
  async function whyOffline(userId: string, at: number): Promise<AuditWhy['because']> {
    const row = await reader.lastSession(userId, at)
    if (!row) return null
    const { segments } = await look(Math.max(0, row.at - 1), at, 'at')
    const last = staysOf(await reader.user(userId, segments, at), segments)
      .filter(({ to }) => to >= row.at && to <= at)
      .sort(
        (one, other) => one.to - other.to || one.from - other.from || one.row.position - other.row.position,
      )
      .at(-1)
    if (last?.ended) return { at: last.to, reason: last.ended }
    return row.state === 'ended' ? { at: row.at, reason: row.reason } : null
  }
}

/** Who is there, and in the room: as the node has it that read the user's rows last. */
function usersIn(sessions: readonly SessionRow[], rooms: readonly RoomsRow[]): readonly OnlineUser[] {
  const roomsOf = groupBy(rooms, ({ userId }) => userId)
  const found: OnlineUser[] = []
  for (const [userId, all] of groupBy(sessions, (row) => row.userId)) {
    const there = all.filter(({ state }) => state !== 'ended')
    const boots = new Set(there.map(({ boot }) => boot))
    const known = (roomsOf.get(userId) ?? []).filter(({ boot }) => boots.has(boot))
    const last = known.reduce<RoomsRow | undefined>(
      (best, row) =>
        best && (best.at > row.at || (best.at === row.at && best.boot > row.boot)) ? best : row,
      undefined,
    )
    if (last?.isIn !== true) continue
    const devices = onlineDevices(there)
    found.push({ userId, count: devices.length, devices })
  }
  return found.sort((one, other) => (one.userId < other.userId ? -1 : 1))
}

function roomOf({ conversation, group }: { conversation?: string; group?: string }): Room {
  if ((conversation === undefined) === (group === undefined)) {
    throw new TypeError('Either `conversation` or `group` must be given.')
  }
  if (conversation !== undefined) {
    refuseWrongId('conversation', conversation)
    return { kind: 'conversation', id: conversation }
  }
  refuseWrongId('group', group)
  return { kind: 'group', id: group as string }
}

function refuseWrongId(name: string, id: unknown): void {
  if (!isId(id)) throw new TypeError(`\`${name}\` must have 1 to 128 characters and no control characters.`)
}

/** Years that every clock, and PostgreSQL, can say. */
const TIME_MAX = Date.UTC(9_999, 11, 31)

function refuseWrongTime(name: string, time: unknown): void {
  if (!Number.isInteger(time) || (time as number) < 0 || (time as number) > TIME_MAX) {
    throw new RangeError(`\`${name}\` must be a time in whole milliseconds since 1970.`)
  }
}

/** @throws RangeError when it is no day. */
function startOfDay(day: string): number {
  if (!isDay(day) || Date.parse(day) < 0) throw new RangeError('`day` must be a day as YYYY-MM-DD.')
  return Date.parse(day)
}
