/** Plays a history, remembers the truth of every instant, and makes the rows that nodes would have written. */
import type { ConversationId, GroupId, SessionId, UserId } from '@vigie/protocol'
import { deviceIdOf } from '../../src/core/index.js'
import type { Fact, TrailRow } from '../../src/trail/facts.js'
import type { Hole } from '../../src/trail/answers.js'
import { rowOf } from '../../src/trail/rows.js'
import { dayOf } from '../../src/trail/days.js'

export const USERS = ['ann', 'ben', 'cat', 'dan']
export const ROOMS = ['red', 'green', 'blue']
const NODES = ['north', 'south']
const DEVICES = ['=phone', '=laptop', '~tablet']

/** Numbers pick among what is there. */
export interface Step {
  readonly do:
    'start' | 'connect' | 'lose' | 'return' | 'end' | 'rooms' | 'stop' | 'kill' | 'fill' | 'drain' | 'quiet'
  /** Milliseconds since the step before. */
  readonly after: number
  readonly a: number
  readonly b: number
  readonly c: number
}

interface Session {
  readonly userId: string
  readonly device: string
  readonly since: number
  state: 'live' | 'lost'
}

interface Overflow extends Hole {
  to: number | null
}

interface Boot {
  readonly id: string
  readonly sessions: Map<string, Session>
  readonly rows: { fact: Fact; at: number }[]
  day: string
  hole: { count: number; from: number; until: number } | undefined
  isFull: boolean
  /** With how many rows it was told, and how many say also what was so after it. */
  readonly overflows: { readonly hole: Overflow; readonly told: number; readonly over: number }[]
}

/** What was so from `at` on. */
export interface Moment {
  readonly at: number
  /** Of each user who is online: the keys of the devices. */
  readonly online: ReadonlyMap<string, ReadonlySet<string>>
  readonly rooms: ReadonlyMap<string, ReadonlySet<string>>
}

export interface Played {
  readonly rows: readonly TrailRow[]
  readonly moments: readonly Moment[]
  readonly holes: readonly Hole[]
  /** Reasons of what happened to a user at an instant. */
  readonly reasons: ReadonlyMap<string, ReadonlySet<string>>
  readonly end: number
}

let boots = 0
/** Ids that sort in the order of starts would hide what depends on it. */
function bootId(): string {
  const tail = String(++boots).padStart(12, '0')
  return `${((boots * 7_919) % 65_536).toString(16).padStart(8, '0')}-0000-4000-8000-${tail}`
}

export function play(steps: readonly Step[], begin: number): Played {
  const running = new Map<string, Boot>()
  const dead = new Map<string, { boot: Boot; lastAt: number }>()
  const rooms = new Map(USERS.map((user) => [user, new Set<string>()]))
  const moments: Moment[] = []
  const holes: (Hole | Overflow)[] = []
  const rows: TrailRow[] = []
  const reasons = new Map<string, Set<string>>()
  let now = begin
  let sessions = 0
  let first: number | undefined

  const remember = () => {
    const online = new Map<string, Set<string>>()
    for (const { sessions: all } of running.values()) {
      for (const { userId, device } of all.values()) {
        online.set(userId, (online.get(userId) ?? new Set()).add(deviceIdOf({ device })))
      }
    }
    const known = new Map([...rooms].map(([user, of]) => [user, new Set(of)]))
    moments.push({ at: now, online, rooms: known })
  }
  const because = (userId: string, reason: string) => {
    const key = `${userId} ${now}`
    reasons.set(key, (reasons.get(key) ?? new Set()).add(reason))
  }
  const push = (boot: Boot, fact: Fact) => boot.rows.push({ fact, at: now })

  /** As the recorder does it: the engine has done it already when it is recorded. */
  const record = (boot: Boot, fact: Fact) => {
    if (boot.isFull) {
      boot.hole ??= { count: 0, from: now, until: now }
      boot.hole.count++
      boot.hole.until = now
      return
    }
    const today = dayOf(now)
    if (boot.hole) {
      push(boot, { kind: 'hole', detail: { ...boot.hole } })
      const hole: Overflow = { from: boot.hole.from, to: now, boot: boot.id, why: 'overflow' }
      const told = boot.rows.length
      boot.hole = undefined
      checkpoint(boot)
      holes.push(hole)
      boot.overflows.push({ hole, told, over: boot.rows.length })
    } else if (boot.day !== today) checkpoint(boot)
    boot.day = today
    push(boot, fact)
  }
  const checkpoint = (boot: Boot) => {
    const from = boot.rows.length + 1
    for (const [id, session] of boot.sessions) push(boot, sessionFact(id, session, 'checkpoint'))
    for (const userId of usersOf(boot)) push(boot, roomsFact(userId, 'checkpoint'))
    push(boot, { kind: 'checkpoint', detail: { from } })
  }
  const usersOf = (boot: Boot) => new Set([...boot.sessions.values()].map(({ userId }) => userId))
  const sessionFact = (id: string, session: Session, reason: string, isEnded = false): Fact => ({
    kind: 'session',
    state: isEnded ? 'ended' : session.state,
    reason: reason as 'connected',
    userId: session.userId as UserId,
    sessionId: id as SessionId,
    device: session.device,
    detail: { since: session.since },
  })
  const roomsFact = (userId: string, reason: 'seen' | 'changed' | 'checkpoint'): Fact => ({
    kind: 'rooms',
    reason,
    userId: userId as UserId,
    groups: [...(rooms.get(userId) ?? [])].map((room) => `group ${room}` as GroupId),
    conversations: [...(rooms.get(userId) ?? [])] as ConversationId[],
  })
  const write = ({ id, rows: facts }: Boot) => {
    let hash: { day: string; hash: string } | undefined
    for (const [index, { fact, at }] of facts.entries()) {
      const row = rowOf(
        { fact, position: index + 1, at },
        id,
        hash?.day === dayOf(at) ? hash.hash : undefined,
        '00'.repeat(16),
      )
      hash = row
      rows.push(row)
    }
  }

  const actions: Record<Step['do'], (step: Step, boot: Boot | undefined, node: string) => void> = {
    start(_, boot, node) {
      if (boot) return
      const former = dead.get(node)
      if (former) {
        // What ended earlier, and was not written, ends with it for the trail.
        for (const { fact } of former.boot.rows)
          if ('userId' in fact && fact.userId) because(fact.userId, 'death')
        push(former.boot, { kind: 'death', detail: { lastAt: former.lastAt } })
        holes.push({ from: former.lastAt, to: now, boot: former.boot.id, why: 'killed' })
        for (const { hole } of former.boot.overflows) hole.to ??= now
        write(former.boot)
        dead.delete(node)
      }
      const started: Boot = {
        id: bootId(),
        sessions: new Map(),
        rows: [],
        day: dayOf(now),
        hole: undefined,
        isFull: false,
        overflows: [],
      }
      first ??= now
      running.set(node, started)
      push(started, { kind: 'start', detail: { node } })
    },
    connect({ b, c }, boot) {
      if (!boot) return
      const userId = at(USERS, b)
      const isNew = !usersOf(boot).has(userId)
      const session: Session = { userId, device: at(DEVICES, c), since: now, state: 'live' }
      const id = `session-${++sessions}`
      boot.sessions.set(id, session)
      because(userId, 'connected')
      record(boot, sessionFact(id, session, 'connected'))
      if (isNew) record(boot, roomsFact(userId, 'seen'))
    },
    lose({ b }, boot) {
      const [id, session] = boot ? at([...boot.sessions], b, true) : []
      if (!boot || !id || !session) return
      session.state = 'lost'
      record(boot, sessionFact(id, session, 'lost'))
    },
    /** Another session takes its place in the same instant. */
    return({ b }, boot) {
      const [id, session] = boot ? at([...boot.sessions], b, true) : []
      if (!boot || !id || !session) return
      boot.sessions.delete(id)
      const next: Session = { ...session, state: 'live' }
      const nextId = `session-${++sessions}`
      boot.sessions.set(nextId, next)
      // The new one first, as the engine does: what is lost with a kill never leaves the user without a session.
      record(boot, sessionFact(nextId, next, 'returned'))
      record(boot, sessionFact(id, session, 'returned', true))
    },
    end({ b, c }, boot) {
      const [id, session] = boot ? at([...boot.sessions], b, true) : []
      if (!boot || !id || !session) return
      const reason = at(['left', 'grace_over', 'kicked'], c)
      boot.sessions.delete(id)
      because(session.userId, reason)
      record(boot, sessionFact(id, session, reason, true))
    },
    rooms({ b, c }) {
      const userId = at(USERS, b)
      const room = at(ROOMS, c)
      const own = rooms.get(userId)
      if (own?.delete(room) === false) own.add(room)
      for (const each of running.values()) {
        if (usersOf(each).has(userId)) record(each, roomsFact(userId, 'changed'))
      }
    },
    stop(_, boot, node) {
      if (!boot) return
      boot.isFull = false
      for (const userId of usersOf(boot)) because(userId, 'stop')
      // It is said before anybody is let go.
      record(boot, { kind: 'stop' })
      boot.sessions.clear()
      write(boot)
      running.delete(node)
    },
    kill({ b }, boot, node) {
      if (!boot) return
      boot.rows.splice(Math.max(1, boot.rows.length - (b % 6)))
      for (const { hole, told, over } of boot.overflows) {
        if (told > boot.rows.length) holes.splice(holes.indexOf(hole), 1)
        else if (over > boot.rows.length) hole.to = null
      }
      running.delete(node)
      dead.set(node, { boot, lastAt: boot.rows.at(-1)?.at ?? now })
    },
    fill(_, boot) {
      if (boot) boot.isFull = true
    },
    drain(_, boot) {
      if (!boot) return
      boot.isFull = false
      if (boot.hole) record(boot, { kind: 'alive' })
    },
    quiet(_, boot) {
      if (boot) record(boot, { kind: 'alive' })
    },
  }

  moments.push({ at: -Infinity, online: new Map(), rooms: new Map() })
  for (const step of steps) {
    const then = now + step.after
    // A day begins for everybody, a moment late.
    for (let midnight = nextMidnight(now); midnight + 999 <= then; midnight = nextMidnight(now)) {
      now = midnight + (step.a % 300)
      for (const boot of running.values())
        if (!boot.isFull && boot.day !== dayOf(now)) record(boot, { kind: 'alive' })
    }
    now = Math.max(now, then)
    const node = at(NODES, step.a)
    actions[step.do](step, running.get(node), node)
    remember()
  }
  for (const boot of [...running.values()]) {
    write(boot)
    holes.push({ from: boot.rows.at(-1)?.at ?? now, to: null, boot: boot.id, why: 'silent' })
  }
  for (const { boot, lastAt } of dead.values()) {
    write(boot)
    holes.push({ from: lastAt, to: null, boot: boot.id, why: 'silent' })
  }
  holes.push({ from: null, to: first ?? null, boot: null, why: 'before_trail' })
  return { rows, moments, holes, reasons, end: now }
}

/** The truth at an instant: what the last step until then has left. */
export function momentAt({ moments }: Played, instant: number): Moment {
  return moments.findLast(({ at: from }) => from <= instant) as Moment
}

/** What happened in a hole has no reason; it is known from the end of the hole on. */
export function reasonsAt({ reasons, holes }: Played, userId: string, at: number): ReadonlySet<string> {
  const known = reasons.get(`${userId} ${at}`) ?? new Set()
  return holes.some(({ to }) => to === at) ? new Set([...known, 'unknown']) : known
}

export function holesBetween({ holes }: Played, from: number, to: number): readonly Hole[] {
  return holes.filter((hole) => (hole.from ?? -Infinity) <= to && (hole.to ?? Infinity) > from)
}

function nextMidnight(instant: number): number {
  return (Math.floor(instant / 86_400_000) + 1) * 86_400_000
}

function at<T>(all: readonly T[], index: number): T
function at<T>(all: readonly T[], index: number, mayBeEmpty: true): T | []
function at<T>(all: readonly T[], index: number): T | [] {
  return all.length === 0 ? [] : (all[index % all.length] as T)
}
