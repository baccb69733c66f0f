/**
 * Asks some clients for a digest of their picture, and compares it with what they were told: `presence.auditClients()`.
 * Only clients of protocol 2 that said so when they connected are asked; see `presence:digest` in docs/protocol.md.
 *
 * The question follows everything that was written to the session, on the same connection. So what its client has to answer
 * is known when it is asked, however much it is told meanwhile. A difference is looked at a second time before it counts,
 * because a client may have just asked to watch somebody, or not any more.
 */
import { randomUUID } from 'node:crypto'
import { parseDigestAnswer, type DigestAnswer, type DigestQuestion, type SessionId } from '@vigie/protocol'
import type { Log, RoomName, SessionDigest } from '../core/index.js'
import type { ShellCounts } from '../host/shell-counts.js'
import {
  CLIENT_AUDIT_SAMPLE_DEFAULT,
  CLIENT_AUDIT_SAMPLE_MAX,
  type ClientAudit,
  type DifferentClient,
} from '../host/server-api.js'

/** The parts that are asked. */
export interface AuditedClients {
  /** The sessions whose clients said that they answer. */
  answering(): Iterable<SessionId>
  /** Whether the session is there, and everything that was taken from the engine for it is written. */
  isCaughtUp(sessionId: SessionId): boolean
  isLive(sessionId: SessionId): boolean
  /** What the client has to answer; undefined: nobody can say now. */
  digest(sessionId: SessionId, nonce: string): SessionDigest | undefined
  /** What the client answers; undefined: it has not by then. */
  ask(
    sessionId: SessionId,
    question: DigestQuestion,
    withinMs: number,
  ): Promise<{ readonly answer: unknown } | undefined>
}

interface ClientAuditorOptions {
  readonly counts: ShellCounts
  readonly log: Log
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** At least 0 and less than 1. */
  readonly random?: () => number
}

export interface ClientAuditor {
  /**
   * A call while another is under way gets the result of that one.
   * @throws RangeError (rejects) when `sample` is no whole number from 1 to {@link CLIENT_AUDIT_SAMPLE_MAX}.
   */
  audit(sample?: number): Promise<ClientAudit>
  /** An audit that is under way ends at once: who has not answered yet is passed over. */
  close(): void
}

/** Those whose turn has not come by then are passed over. Milliseconds. */
export const BEGIN_WITHIN_MS = 5_000
/** A client that has not answered by then is not waited for. Milliseconds. */
export const ANSWER_WITHIN_MS = 3_000
/** A difference is looked at again after this long. Milliseconds. */
export const SECOND_LOOK_MS = 1_000
/** A session for which something is pending is looked at again after this long … Milliseconds. */
export const QUIET_EVERY_MS = 50
/** … so many times, before it is passed over. */
export const QUIET_LOOKS_MAX = 10
/** Most rooms that are named of one client. */
export const DIFFERENT_ROOMS_MAX = 20

/** In what a client's picture is not what it was told; with all rooms. */
type Difference = Omit<DifferentClient, 'sessionId' | 'rooms' | 'moreRooms'> & {
  readonly rooms: readonly RoomName[]
}

type Result = 'unanswered' | 'malformed' | 'skipped'

export function createClientAuditor(
  clients: AuditedClients,
  { counts, log, now, random = Math.random }: ClientAuditorOptions,
): ClientAuditor {
  let running: Promise<ClientAudit> | undefined
  let isClosed = false
  /** Ends each wait that is under way. */
  const waits = new Set<() => void>()

  /** Resolves at once when the auditor is closed. */
  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        waits.delete(end)
        resolve()
      }
      const timer = setTimeout(end, ms).unref()
      waits.add(end)
      if (isClosed) end()
    })
  }

  async function askSome(sample: number): Promise<ClientAudit> {
    const { picked, size } = pick(clients.answering(), sample, random)
    const looks: Promise<DifferentClient | Result | undefined>[] = []
    const beganAt = now()
    for (const sessionId of picked) {
      const at = now()
      looks.push(at - beganAt < BEGIN_WITHIN_MS ? lookSafely(sessionId) : Promise.resolve('skipped'))
      // The digest of a large picture takes milliseconds: the rest is as long, so that others are told what they wait for.
      await pause(now() - at)
    }
    const results = await Promise.all(looks)
    const numberOf = (result: Result | undefined) => results.filter((each) => each === result).length
    const different = results.filter((result) => typeof result === 'object')
    const [equal, unanswered, malformed, skipped] = [
      numberOf(undefined),
      numberOf('unanswered'),
      numberOf('malformed'),
      numberOf('skipped'),
    ]
    const { clientAudits } = counts
    clientAudits.equal += equal
    clientAudits.different += different.length
    clientAudits.unanswered += unanswered
    clientAudits.malformed += malformed
    clientAudits.skipped += skipped
    const [first] = different
    if (first) {
      log.warn(
        'A client shows something else than it was told. Its user may see people as online who are not, until the app is loaded anew. ' +
          'If it speaks through @vigie/client, this is a bug of Vigie: please report it.',
        { ...first, ...(different.length > 1 && { more: different.length - 1 }) },
      )
    }
    const asked = results.length - skipped
    return { answering: size, asked, equal, different, unanswered, malformed, skipped }
  }

  /** Others are waited for meanwhile: a promise that is rejected now would be nobody's, and end the process. */
  async function lookSafely(sessionId: SessionId): Promise<DifferentClient | Result | undefined> {
    try {
      return await lookTwice(sessionId)
    } catch (error) {
      log.error('A client could not be asked for its picture. The audit goes on without it.', {
        sessionId,
        error,
      })
      return 'skipped'
    }
  }

  /** Undefined: its picture is what it was told. Only what differs both times counts. */
  async function lookTwice(sessionId: SessionId): Promise<DifferentClient | Result | undefined> {
    const first = await look(sessionId)
    if (typeof first !== 'object') return first
    await pause(SECOND_LOOK_MS)
    const second = await look(sessionId)
    if (typeof second !== 'object') return second
    const both = inBoth(first, second)
    return both && { sessionId, ...nameRooms(both) }
  }

  async function look(sessionId: SessionId): Promise<Difference | Result | undefined> {
    for (let looks = 1; !isClosed; looks++) {
      const nonce = randomUUID()
      const told = clients.isCaughtUp(sessionId) ? clients.digest(sessionId, nonce) : undefined
      if (told) return await askFor(sessionId, { nonce }, told)
      if (looks === QUIET_LOOKS_MAX || !clients.isLive(sessionId)) break
      await pause(QUIET_EVERY_MS)
    }
    return 'skipped'
  }

  async function askFor(
    sessionId: SessionId,
    question: DigestQuestion,
    told: SessionDigest,
  ): Promise<Difference | Result | undefined> {
    counts.frames['presence:digest']++
    const given = await untilClosed(clients.ask(sessionId, question, ANSWER_WITHIN_MS))
    // A connection that has ended is no client that does not answer.
    if (!given) return isClosed || !clients.isLive(sessionId) ? 'skipped' : 'unanswered'
    const digest = parseDigestAnswer(given.answer)
    return digest ? compare(told, digest) : 'malformed'
  }

  /** Undefined when the auditor is closed before. */
  function untilClosed<Value>(promise: Promise<Value>): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      const end = () => {
        resolve(undefined)
      }
      waits.add(end)
      promise.then(resolve, reject).finally(() => waits.delete(end))
    })
  }

  return {
    async audit(sample = CLIENT_AUDIT_SAMPLE_DEFAULT) {
      if (!Number.isInteger(sample) || sample < 1 || sample > CLIENT_AUDIT_SAMPLE_MAX)
        throw new RangeError(`\`sample\` must be a whole number from 1 to ${CLIENT_AUDIT_SAMPLE_MAX}.`)
      running ??= askSome(sample).finally(() => {
        running = undefined
      })
      return running
    },
    close() {
      isClosed = true
      for (const end of waits) end()
    },
  }
}

/** So many of them, each as likely as the others; and how many there are. */
function pick<Item>(all: Iterable<Item>, most: number, random: () => number) {
  const picked: Item[] = []
  let size = 0
  for (const item of all) {
    const place = Math.floor(random() * ++size)
    if (picked.length < most) picked.push(item)
    else if (place < most) picked[place] = item
  }
  return { picked, size }
}

/** Undefined: nothing. */
function compare(told: SessionDigest, digest: DigestAnswer): Difference | undefined {
  const rest = new Map<number, number>()
  for (const hash of digest.rooms) rest.set(hash, (rest.get(hash) ?? 0) + 1)
  const rooms: RoomName[] = []
  for (const { name, hash } of told.rooms) {
    const left = rest.get(hash) ?? 0
    if (left > 0) rest.set(hash, left - 1)
    else rooms.push(name)
  }
  const extra = digest.rooms.length - (told.rooms.length - rooms.length)
  const difference = {
    userId: told.userId,
    isBehind: digest.at?.[0] !== told.at[0] || digest.at[1] !== told.at[1],
    rooms,
    // Of a room that differs the client has a hash, too.
    extraRooms: Math.max(0, extra - rooms.length),
    hasOtherPeople: digest.others !== told.others,
    hasOtherDevices: digest.devices !== told.devices,
  }
  return isDifferent(difference) ? difference : undefined
}

function isDifferent({ isBehind, rooms, extraRooms, hasOtherPeople, hasOtherDevices }: Difference): boolean {
  return isBehind || rooms.length > 0 || extraRooms > 0 || hasOtherPeople || hasOtherDevices
}

function inBoth(first: Difference, second: Difference): Difference | undefined {
  const keys = new Set(first.rooms.map(keyOf))
  const both = {
    userId: second.userId,
    isBehind: first.isBehind && second.isBehind,
    rooms: second.rooms.filter((room) => keys.has(keyOf(room))),
    extraRooms: Math.min(first.extraRooms, second.extraRooms),
    hasOtherPeople: first.hasOtherPeople && second.hasOtherPeople,
    hasOtherDevices: first.hasOtherDevices && second.hasOtherDevices,
  }
  return isDifferent(both) ? both : undefined
}

function keyOf({ kind, id }: RoomName): string {
  return `${kind} ${id}`
}

function nameRooms({ rooms, ...difference }: Difference) {
  return {
    ...difference,
    rooms: rooms.slice(0, DIFFERENT_ROOMS_MAX),
    moreRooms: Math.max(0, rooms.length - DIFFERENT_ROOMS_MAX),
  }
}
