/**
 * The ghost auditor: compares, a little at a time, what is kept with what it was made from.
 *
 *   sockets     a socket of Socket.IO that was let in has a live session
 *   sessions    a live session has a connection that still exists
 *   published   what others see of a user is what the user's devices say; the number of a large room is how many are in it
 *   rosters     the engine's members and memberships are the rows that were read last; and the slow re-read, which reads
 *               the tables again, finds nothing that no feed has told
 *   rooms       sockets are in the rooms of Socket.IO that their rows name
 *
 * A difference that is still there at a second look is a ghost: it is counted, logged with one sentence, and repaired
 * by the input that the missing event should have caused. See docs/decisions/auditor.md.
 */
import type { SessionId, UserId } from '@vigie/protocol'
import type { Audit, Input, KnownRoom, KnownRooms, Log, Place, Stale } from '../core/index.js'
import { NO_GHOSTS, type GhostPlace, type Ghosts } from '../host/server-api.js'

/** The parts that are compared. */
export interface Audited<Socket extends object> {
  readonly audit: Audit
  readonly accept: (input: Input) => void
  readonly rows: {
    heldRooms(): Iterator<KnownRoom>
    rooms(userId: UserId): KnownRooms | undefined
    /** From now on the user's rows are kept up to date. */
    pin(userId: UserId): void
    sizes(): Readonly<Record<'heldRooms', number>>
  }
  readonly sockets: {
    all(): Iterator<Socket>
    size(): number
    idOf(socket: Socket): SessionId
    /** Whether it should be a session: it was one, and nobody is ending it. */
    isExpected(socket: Socket): boolean
    /** Its client is to come back. */
    cut(socket: Socket): void
    /** Whether the connection of a session is still there. */
    isConnected(sessionId: SessionId): boolean
    /** The connection of a session has ended. */
    lose(sessionId: SessionId): void
  }
  /** Absent: there are no rooms. */
  readonly rooms: { isRight(sessionId: SessionId): boolean; repair(sessionId: SessionId): void } | undefined
}

interface AuditorOptions {
  /** How long one round over everybody takes at most, second looks included; 0: `turn` is never called. Milliseconds. */
  readonly auditMs: number
  /** Milliseconds, monotonic. */
  readonly now: () => number
  readonly log: Log
}

export interface Auditor {
  /** How often `turn` is to be called. Milliseconds. */
  readonly turnMs: number
  /** Looks at the next part of everything, as much as is due since the last turn. */
  turn(): void
  /** The slow re-read found rows that had changed, and nobody has said so yet. */
  found(place: Place): void
  /** Somebody says that these have changed: what the slow re-read found of them was only early. */
  heard(stale: Stale): void
  /** Ghosts that were found in the last round and in this one. */
  ghosts(): Ghosts
  /** How many were repaired since the start. */
  readonly repaired: number
}

/** Most differences of one kind that wait for their second look; more are found in the next round. */
export const SUSPECTS_MAX = 1_000
/** A feed tells a change within a second; what it has not told by then it has missed. Milliseconds. */
export const HEARD_WITHIN_MS = 2_000
/** A difference is looked at again after this long, or a quarter of a round. Milliseconds. */
const SECOND_LOOK_MS = 5_000
const TURN_MS = 100
/** A turn that comes late looks at no more than so many turns' worth. */
const TURNS_AT_ONCE = 5

/** One kind of thing that is looked at, one after the other. */
interface Sweep<Subject> {
  readonly place: GhostPlace
  readonly size: () => number
  readonly all: () => Iterator<Subject>
  readonly isGhost: (subject: Subject) => boolean
  readonly repair: (subject: Subject) => void
  /** What was wrong, what followed, and what is done. */
  readonly sentence: string
  readonly fields: (subject: Subject) => Readonly<Record<string, unknown>>
}

export function createAuditor<Socket extends object>(
  audited: Audited<Socket>,
  { auditMs, now, log }: AuditorOptions,
): Auditor {
  const turnMs = Math.min(TURN_MS, Math.floor(auditMs / 8))
  const secondLookMs = Math.min(SECOND_LOOK_MS, auditMs / 4)
  /** The rest is for second looks. */
  const sweepMs = auditMs / 2
  const tally = createTally(auditMs, log)
  const sweeps = [
    ...sweepsOf(audited).map((sweep) => createSweep(sweep as Sweep<unknown>, secondLookMs, tally)),
  ]
  /** What the slow re-read found, until somebody says that it has changed. */
  const unheard = new Map<string, { readonly place: Place; readonly at: number }>()
  let lastTurnAt = now()

  function countUnheard(at: number): void {
    for (const [key, { place, at: since }] of unheard) {
      if (at - since < HEARD_WITHIN_MS) break
      unheard.delete(key)
      tally.count('rosters', UNHEARD, { kind: place.kind, id: place.id })
    }
  }

  return {
    turnMs,
    turn() {
      const at = now()
      const elapsedMs = Math.min(at - lastTurnAt, TURNS_AT_ONCE * turnMs)
      lastTurnAt = at
      tally.begin(at)
      for (const sweep of sweeps) sweep(at, elapsedMs / sweepMs)
      countUnheard(at)
      tally.end()
    },
    found(place) {
      const key = keyOf(place.kind, place.id)
      if (auditMs > 0 && unheard.size < SUSPECTS_MAX && !unheard.has(key))
        unheard.set(key, { place, at: now() })
    },
    heard(stale) {
      if (unheard.size === 0) return
      if (stale === 'all') {
        unheard.clear()
        return
      }
      for (const id of stale.users) unheard.delete(keyOf('user', id))
      for (const id of stale.groups) unheard.delete(keyOf('group', id))
      for (const id of stale.conversations) unheard.delete(keyOf('conversation', id))
    },
    ghosts: tally.ghosts,
    get repaired() {
      return tally.repaired
    },
  }
}

function keyOf(kind: Place['kind'], id: string): string {
  return `${kind} ${id}`
}

const UNHEARD =
  'Rows had changed, and no change feed said so: the slow re-read found it, and what was wrong is right now. ' +
  'If this goes on, look at the triggers (`vigie migrate`), or at calls of `membershipsChanged` that are missing.'

/** Looks at a share of all, and a second time at what was wrong. */
function createSweep<Subject>(
  { place, size, all, isGhost, repair, sentence, fields }: Sweep<Subject>,
  secondLookMs: number,
  tally: ReturnType<typeof createTally>,
): (at: number, share: number) => void {
  /** With the time of the first look, the oldest first. */
  const suspects = new Map<Subject, number>()
  let rest: Iterator<Subject> | undefined
  /** How many there were when the sweep began: what ends meanwhile must not slow it down. */
  let sizeAtFirst = 0
  /** Of what is due, what is less than one. */
  let due = 0

  function lookAgain(at: number): void {
    for (const [subject, since] of suspects) {
      if (at - since < secondLookMs) return
      suspects.delete(subject)
      if (!isGhost(subject)) continue
      tally.count(place, sentence, fields(subject), () => {
        repair(subject)
      })
    }
  }

  return (at, share) => {
    lookAgain(at)
    if (!rest) {
      rest = all()
      sizeAtFirst = size()
    }
    for (due += Math.max(sizeAtFirst, size()) * share; due > 0; due--) {
      const next = rest.next()
      if (next.done === true) {
        rest = undefined
        due = 0
        return
      }
      const subject = next.value
      if (suspects.size < SUSPECTS_MAX && !suspects.has(subject) && isGhost(subject))
        suspects.set(subject, at)
    }
  }
}

function sweepsOf<Socket extends object>({ audit, accept, rows, sockets, rooms }: Audited<Socket>) {
  const sessionCount = () => audit.sessionCount
  const ofSession = (sessionId: SessionId) => ({ sessionId })
  const ofUser = (userId: UserId) => ({ userId })
  const ofRoom = ({ kind, id }: KnownRoom) => ({ kind, id })
  const nameOf = ({ kind, id }: KnownRoom) => ({ kind, id }) as KnownRoom

  const socketSweep: Sweep<Socket> = {
    place: 'sockets',
    size: sockets.size,
    all: sockets.all,
    isGhost: (socket) => sockets.isExpected(socket) && !audit.isLive(sockets.idOf(socket)),
    repair: sockets.cut,
    sentence:
      'A connection had no session any more: its user was not counted, and its client heard nothing. It is cut, so that its client comes back.',
    fields: (socket) => ({ sessionId: sockets.idOf(socket) }),
  }
  const sessionSweep: Sweep<SessionId> = {
    place: 'sessions',
    size: sessionCount,
    all: audit.sessions,
    isGhost: (id) => audit.isLive(id) && !sockets.isConnected(id),
    repair: sockets.lose,
    sentence:
      'A session had no connection any more, and nothing had said so: its user was shown as online. It is treated as lost.',
    fields: ofSession,
  }
  const userSweep: Sweep<UserId> = {
    place: 'published',
    size: () => audit.userCount,
    all: audit.users,
    isGhost: (id) => !audit.isPublished({ kind: 'user', id }),
    repair(id) {
      accept({ type: 'settle', place: { kind: 'user', id } })
    },
    sentence:
      'What others see of a user was not what the user’s devices say. It is derived anew, and told. This is a bug of Vigie: please report it.',
    fields: ofUser,
  }
  const numberSweep: Sweep<KnownRoom> = {
    place: 'published',
    size: () => rows.sizes().heldRooms,
    all: rows.heldRooms,
    isGhost: (room) => !audit.isPublished(room),
    repair(room) {
      accept({ type: 'settle', place: nameOf(room) })
    },
    sentence:
      'The number of a large room was not how many are online in it. It is counted anew, and told. This is a bug of Vigie: please report it.',
    fields: ofRoom,
  }
  const rosterSweep: Sweep<KnownRoom> = {
    place: 'rosters',
    size: () => rows.sizes().heldRooms,
    all: rows.heldRooms,
    isGhost: (room) => !audit.hasRows(room),
    repair(room) {
      accept({ type: 'rooms', rooms: [room] })
      if (audit.hasRows(room)) return
      // The rows are the same, so that the engine had nothing to do: the members are made anew, within one input,
      // so that nobody is told anything between.
      accept({ type: 'rooms', rooms: [{ ...nameOf(room), value: 0 }, room] })
    },
    sentence:
      'The members of a room were not those of the rows that were read last. They are now. This is a bug of Vigie: please report it.',
    fields: ofRoom,
  }
  const ownRowsSweep: Sweep<UserId> = {
    place: 'rosters',
    size: () => audit.userCount,
    all: audit.users,
    isGhost: (id) => !audit.hasOwnRooms(id, rows.rooms(id)),
    repair(id) {
      const known = rows.rooms(id)
      if (known) accept({ type: 'memberships', userId: id, rooms: known })
      else rows.pin(id)
    },
    sentence:
      'The groups and conversations of a user were not those of the rows that were read last. They are now. This is a bug of Vigie: please report it.',
    fields: ofUser,
  }
  const roomSweep: Sweep<SessionId> | undefined = rooms && {
    place: 'rooms',
    size: sessionCount,
    all: audit.sessions,
    isGhost: (id) => audit.isLive(id) && !rooms.isRight(id),
    repair: rooms.repair,
    sentence:
      'A socket was not in the rooms of Socket.IO that its rows name, or in others: messages of the host went astray. It is now.',
    fields: ofSession,
  }
  return [
    socketSweep,
    sessionSweep,
    userSweep,
    numberSweep,
    rosterSweep,
    ownRowsSweep,
    ...(roomSweep ? [roomSweep] : []),
  ]
}

/** Counts by round, and says of each kind one sentence a turn. */
function createTally(auditMs: number, log: Log) {
  let roundAt: number | undefined
  let current: Record<GhostPlace, number> = { ...NO_GHOSTS }
  let last: Ghosts = NO_GHOSTS
  let repaired = 0
  /** What is to be logged at the end of the turn. */
  const lines = new Map<string, { readonly fields: Readonly<Record<string, unknown>>; more: number }>()

  return {
    begin(at: number): void {
      roundAt ??= at
      if (at - roundAt < auditMs) return
      // After a pause of more than a round nothing of before counts.
      last = at - roundAt < 2 * auditMs ? current : NO_GHOSTS
      current = { ...NO_GHOSTS }
      roundAt = at
    },
    count(
      place: GhostPlace,
      sentence: string,
      fields: Readonly<Record<string, unknown>>,
      repair?: () => void,
    ): void {
      current[place]++
      const line = lines.get(sentence)
      if (line) line.more++
      else lines.set(sentence, { fields: { place, ...fields }, more: 0 })
      try {
        repair?.()
        repaired++
      } catch (error) {
        log.error('A ghost could not be repaired; the next round tries again.', { place, ...fields, error })
      }
    },
    end(): void {
      for (const [sentence, { fields, more }] of lines)
        log.warn(sentence, more === 0 ? fields : { ...fields, more })
      lines.clear()
    },
    ghosts(): Ghosts {
      const sum = { ...current }
      for (const place of Object.keys(sum) as GhostPlace[]) sum[place] += last[place]
      return sum
    },
    get repaired() {
      return repaired
    },
  }
}
