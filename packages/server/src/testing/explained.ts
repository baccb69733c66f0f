/** Why a user is shown so, by the truth and by what clients know. It shares no code with the engine's explain.ts. */
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import type { UserId } from '@vigie/protocol'
import type {
  Engine,
  ExplainedRoom,
  ExplainedTransition,
  ExplainedViewer,
  Explanation,
} from '../core/index.js'
import { isInSight, type Viewer } from './allowed.js'
import type { Tally } from './steps.js'
import type { TrueRoom, TrueTransition, Truth } from './truth.js'

/** A client that is connected, as far as it matters here. */
interface Connected extends Viewer {
  readonly sessionId: string
  readonly asked: ReadonlySet<UserId>
  readonly isFresh: boolean
}

interface Explained {
  readonly asWhole: Omit<Explanation, 'viewer' | 'transitions'>
  readonly asViewer: (viewerId: UserId) => ExplainedViewer
  readonly transitions: readonly TrueTransition[]
}

/** Those whom histories name mostly, and somebody whom they do not. */
const EXPLAINED = Array.from({ length: 7 }, (_, index) => `user-${index}` as UserId)

interface CheckOptions {
  readonly engine: Pick<Engine, 'explain'>
  readonly truth: Truth
  readonly clients: ReadonlyMap<string, Connected>
  readonly tally: Tally
  /** At each call some pairs of user and viewer, one after the other; or all. */
  readonly explains: 'some' | 'all'
}

/**
 * Makes the check of why a user is shown so, what a viewer sees, and what the viewer is still to be told.
 * @throws AssertionError from the check, when the engine says something else than the truth.
 */
export function createExplainedCheck({ engine, truth, clients, tally, explains }: CheckOptions): () => void {
  const asked = { wallTime: (at: number) => at }
  let turn = 0

  function check(userId: UserId, viewerIds: readonly UserId[]): void {
    const { asWhole, asViewer, transitions } = explainedBy(truth, [...clients.values()], userId)
    const { transitions: found, ...whole } = engine.explain(userId, asked)
    deepStrictEqual(plainly(whole), plainly(asWhole), `why ${userId} is shown so`)
    checkTransitions(found, transitions, userId)
    for (const viewerId of viewerIds) {
      const { viewer } = engine.explain(userId, { ...asked, viewerId })
      const expected = asViewer(viewerId)
      deepStrictEqual(viewer && plainly(viewer), plainly(expected), `what ${viewerId} sees of ${userId}`)
      tally.explained++
      if (expected.hiddenBy) tally[expected.hiddenBy]++
      else if (expected.isWatching && expected.told.online) tally.watching++
      if (expected.pendingSessions > 0) tally.waiting++
    }
  }

  return () => {
    const userIds = explains === 'all' ? EXPLAINED : [explainedAt(turn)]
    for (const userId of userIds) check(userId, explains === 'all' ? EXPLAINED : viewersAt(turn))
    turn++
  }
}

function explainedAt(index: number): UserId {
  return EXPLAINED[index % EXPLAINED.length] as UserId
}

/** Two viewers for a turn; within a few turns each user meets all. */
function viewersAt(turn: number): UserId[] {
  const shift = turn + Math.floor(turn / EXPLAINED.length)
  return [explainedAt(shift), explainedAt(shift + 3)]
}

const OFFLINE = { online: false, count: 0 }

function explainedBy(truth: Truth, clients: readonly Connected[], userId: UserId): Explained {
  const roomOf = (room: TrueRoom): ExplainedRoom => ({
    kind: room.kind,
    id: room.id,
    mode: truth.isCounted(room) ? 'count' : 'names',
  })
  const sessions = truth.sessions
    .filter((session) => session.userId === userId && truth.counts(session))
    .map((session) => {
      const { id, device, isSdk, lostAt, graceEndsAt, backgroundGraceMs, typing } = session
      return {
        sessionId: id,
        deviceId: deviceIdOf(device),
        protocol: isSdk ? (2 as const) : (1 as const),
        since: 0,
        ...(lostAt === undefined
          ? { state: 'live' as const }
          : { state: 'lost' as const, lostAt, graceEndsAt }),
        ...(backgroundGraceMs !== undefined && { backgroundGraceMs }),
        ...(typing && truth.now < typing.endsAt && { typingIn: typing.conversationId }),
      }
    })

  function asViewer(viewerId: UserId): ExplainedViewer {
    const mine = clients.filter((client) => client.userId === viewerId)
    const isSelf = viewerId === userId
    const isWatching = mine.some(({ watched }) => watched.has(userId))
    const shared = truth.roomsOf(viewerId).filter((room) => truth.isMember(userId, room))
    const named = shared.filter((room) => !truth.isCounted(room))
    const sees = mine.length > 0 && (isSelf || mine.some((client) => isInSight(truth, client, userId)))
    const isTold = (client: Connected) => hasNews(truth, client, userId)
    return {
      userId: viewerId,
      sees,
      through: (isWatching ? shared : named).map(roomOf),
      isSelf,
      isWatching,
      ...(!sees && {
        hiddenBy:
          mine.length === 0
            ? ('viewer_not_here' as const)
            : shared.length > 0
              ? ('only_large_rooms' as const)
              : ('no_shared_room' as const),
      }),
      told: sees ? truth.presenceOf(userId) : OFFLINE,
      liveSessions: mine.length,
      pendingSessions: mine.filter(isTold).length,
    }
  }

  return {
    asWhole: {
      userId,
      presence: truth.presenceOf(userId),
      sessions,
      nodes: truth.nodesOf(userId),
      rooms: truth.roomsOf(userId).map(roomOf),
    },
    asViewer,
    transitions: truth.transitionsOf(userId),
  }
}

/** What it shows of the user is not what it would be told, or it has asked. */
function hasNews(truth: Truth, client: Connected, userId: UserId): boolean {
  const { synced, picture, isFresh, asked } = client
  const isSelf = client.userId === userId
  const { count } = truth.presenceOf(userId)
  const isSeen = isInSight(truth, client, userId)
  if (!isFresh) return isSeen || (isSelf && !synced)
  if (synced) return asked.has(userId) || (synced.users.get(userId) ?? 0) !== (isSeen ? count : 0)
  const shared = truth
    .roomsOf(client.userId)
    .filter((room) => !truth.isCounted(room) && truth.isMember(userId, room))
  const inGroup = isSelf || shared.some(({ kind }) => kind === 'group')
  if ((picture.users.get(userId) ?? 0) !== (inGroup ? count : 0)) return true
  const inConversations = new Set<string>(
    shared.flatMap((room) => (room.kind === 'conversation' ? [room.id] : [])),
  )
  return [...new Set([...inConversations, ...picture.conversations.keys()])].some(
    (id) => (picture.conversations.get(id)?.get(userId) ?? 0) !== (inConversations.has(id) ? count : 0),
  )
}

/**
 * The same transitions in the same order; of those that one input made happen in any order, and with what others saw
 * when all of them had.
 */
function checkTransitions(
  found: readonly ExplainedTransition[],
  expected: readonly TrueTransition[],
  userId: UserId,
): void {
  const oldestFirst = found.toReversed()
  strictEqual(oldestFirst.length, expected.length, `how often something happened to ${userId}`)
  let place = 0
  while (place < expected.length) {
    const batch = expected.filter((each) => each.batch === expected[place]?.batch)
    const mine = oldestFirst.slice(place, place + batch.length)
    const lines = mine.map(({ at, reason, sessionId, deviceId }) =>
      [at, reason, sessionId, deviceId].map(String).join(' '),
    )
    const expectedLines = batch.map(({ at, reason, session }) =>
      [at, reason, session?.id, session && deviceIdOf(session.device)].map(String).join(' '),
    )
    deepStrictEqual(lines.sort(), expectedLines.sort(), `what happened to ${userId}`)
    const count = batch.at(-1)?.count ?? 0
    deepStrictEqual(mine.at(-1)?.after, { online: count > 0, count }, `what others saw of ${userId}`)
    place += batch.length
  }
}

/** `named phone`, `anonymous session-3`: see truth.ts. */
function deviceIdOf(device: string): string {
  return device.startsWith('named ') ? device.slice('named '.length) : device.replace('anonymous ', '~')
}

/** Comparable: lists whose order says nothing are sorted. */
function plainly(value: object): object {
  const sorted = (list: readonly unknown[]) => list.map((each) => JSON.stringify(sortedKeys(each))).sort()
  return Object.fromEntries(
    Object.entries(value).map(([key, each]: [string, unknown]) => [
      key,
      Array.isArray(each) ? sorted(each) : each,
    ]),
  )
}

function sortedKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
