/**
 * Station 1 of 4 · who is connected.
 * In:   connections, their losses and ends, graces that are over (from engine.ts)
 * Out:  the person whose devices may have changed
 * Next: presence.ts
 */
import type { UserId } from '@vigie/protocol'
import { putOff } from './grace.js'
import type { Input, Recorded, TransitionReason } from './inputs.js'
import {
  closeSession,
  deviceIdOf,
  deviceKey,
  isAnonymous,
  NOT_DUE,
  type Person,
  type Session,
  type World,
} from './model.js'
import { noteQuestion, noteSight, noteSnapshot } from './pending.js'
import { settle } from './presence.js'
import { noteTransition } from './transitions.js'
import { endTyping } from './typing.js'

type Connect = Extract<Input, { type: 'connect' }>
type Kick = Extract<Input, { type: 'kick' }>

/**
 * A connection becomes a session. It ends, without anybody noticing, the older session of the same program
 * (`clientId`), or takes over a lost one that, like itself, has no device id: a stock client's reload.
 */
export function connect(world: World, user: Person, input: Connect): void {
  const session = open(world, user, input)
  if (session) noteSnapshot(world, session)
  settle(world, user)
}

function open(world: World, user: Person, input: Connect): Session | undefined {
  loseNamesake(world, user, input)
  const older = findSame(world, input) ?? findReplaced(user, input) ?? findAdopted(user, input)
  const reason = !older ? 'connected' : older.state === 'live' ? 'replaced' : 'returned'
  if (older) {
    if (older.state === 'lost') world.counts.returned++
    if (older.state === 'live' && older.id !== input.sessionId) closeSession(world, older, 'replaced')
    removeSession(world, older)
  } else if (user.sessions.length >= world.settings.sessionsPerUserMax && !removeOldestLost(world, user)) {
    world.effects.push({ type: 'close', sessionId: input.sessionId, why: 'too_many_sessions' })
    const device = deviceKey(input.deviceId, input.sessionId)
    noteTransition(world, user, 'too_many_sessions', { id: input.sessionId, device })
    return undefined
  }
  // The fields that each piece of news reads come first, close together in memory.
  const session: Session = {
    is: 'session',
    state: 'live',
    user,
    outlet: input.outlet,
    protocol: input.protocol ?? 1,
    firstPending: undefined,
    pending: undefined,
    dueAt: NOT_DUE,
    nextAt: 0,
    devicesTold: undefined,
    toldAt: 0,
    id: input.sessionId,
    device:
      input.deviceId === undefined && older && isAnonymous(older)
        ? older.device
        : deviceKey(input.deviceId, input.sessionId),
    clientId: input.clientId,
    label: input.label,
    since: older?.since ?? input.since,
    lostAt: 0,
    graceMs: 0,
    putOffMs: 0,
    backgroundGraceMs: undefined,
    typing: undefined,
    position: input.position,
    watched: undefined,
  }
  world.sessions.set(session.id, session)
  const isOnlyLive = user.live.length === user.sessions.length
  user.sessions = withOneMore(user.sessions, session)
  // Nearly always they are the same, and then they are one list.
  user.live = isOnlyLive ? user.sessions : withOneMore(user.live, session)
  setTokenEnd(world, session, input.expiresAt)
  noteTransition(world, user, reason, session)
  record(world, session, reason)
  // The end of the older session is recorded second: a reader of the record never finds the user without a session.
  if (older && older.id !== session.id) record(world, older, reason)
  return session
}

/** A list of just the right length, which a spread does not make. */
function withOneMore(sessions: readonly Session[], session: Session): readonly Session[] {
  return sessions.length === 0 ? [session] : sessions.concat(session)
}

/**
 * With `allowRecovery` a connection may also come back under its old id as another user. The first user's session keeps
 * its grace, without a connection of its own: its id names the new session now, and must not be closed with it.
 */
function loseNamesake(world: World, user: Person, { sessionId }: Connect): void {
  const namesake = world.sessions.get(sessionId)
  if (namesake && namesake.user !== user) markLost(world, namesake, 'lost')
}

/** With `allowRecovery` a connection comes back under its old name. */
function findSame(world: World, { sessionId, userId }: Connect): Session | undefined {
  const session = world.sessions.get(sessionId)
  return session?.user.id === userId ? session : undefined
}

function findReplaced(user: Person, { clientId }: Connect): Session | undefined {
  if (clientId === undefined) return undefined
  for (const session of user.sessions) if (session.clientId === clientId) return session
  return undefined
}

function findAdopted(user: Person, { deviceId }: Connect): Session | undefined {
  if (deviceId !== undefined) return undefined
  return oldestLost(user, isAnonymous)
}

function oldestLost(user: Person, isMeant: (session: Session) => boolean): Session | undefined {
  let oldest: Session | undefined
  for (const session of user.sessions) {
    if (session.state !== 'lost' || !isMeant(session)) continue
    if (!oldest || session.lostAt < oldest.lostAt) oldest = session
  }
  return oldest
}

/** A lost session gives way to somebody who is really there. */
function removeOldestLost(world: World, user: Person): boolean {
  const oldest = oldestLost(user, () => true)
  if (oldest) removeFor(world, oldest, 'too_many_sessions')
  return oldest !== undefined
}

/** The token's end makes a session lost, not left: a client that comes back with a new one in time is never shown as offline. */
export function setTokenEnd(world: World, session: Session, at: number | undefined): void {
  if (session.state !== 'live') return
  if (at === undefined) world.deadlines.delete(session)
  else world.deadlines.set(session, at)
}

/**
 * The connection is gone; the session counts until its grace is over. Its typing is seen to end at once. On a drain it
 * has at least the re-attach grace, even if the client asked for less.
 */
export function lose(world: World, session: Session, isDrain: boolean): void {
  if (isDrain) markLost(world, session, 'lost', { atLeastMs: world.settings.reattachGraceMs })
  else markLost(world, session, 'lost')
  settle(world, session.user)
}

/** The client disconnected by itself. */
export function disconnect(world: World, session: Session): void {
  const { leaveGraceMs } = world.settings
  if (leaveGraceMs === 0) removeFor(world, session, 'left')
  else markLost(world, session, 'left', { graceMs: leaveGraceMs })
  settle(world, session.user)
}

function markLost(
  world: World,
  session: Session,
  reason: 'lost' | 'left' | 'token_expired',
  { graceMs = world.settings.graceMs, atLeastMs = 0 } = {},
): void {
  if (session.state !== 'live') return
  noteTransition(world, session.user, reason, session)
  detach(world, session)
  session.state = 'lost'
  session.lostAt = world.now
  record(world, session, reason)
  const ownGraceMs = Math.max(session.backgroundGraceMs ?? graceMs, atLeastMs)
  session.graceMs = ownGraceMs
  const isMass = isMassLoss(world, session)
  world.deadlines.set(session, world.now + (isMass ? atLeastReattach(world, session) : ownGraceMs))
}

function atLeastReattach(world: World, { graceMs }: Session): number {
  return Math.max(graceMs, world.settings.reattachGraceMs)
}

/**
 * When many are lost at once, the network or a proxy is at fault, and they come back all together, which takes
 * longer. The loss that tips the scale lengthens the grace of those just before it, too.
 */
function isMassLoss(world: World, session: Session): boolean {
  const { graceMs, massLossShare, massLossMinSessions } = world.settings
  const recent = world.recentlyLost
  for (const earlier of recent) {
    if (earlier.lostAt + graceMs > world.now) break
    recent.delete(earlier)
  }
  recent.add(session)
  const total = world.sessions.size
  const isMass = total >= massLossMinSessions && recent.size > massLossShare * total
  if (isMass && !world.isMassLoss) {
    for (const lost of recent) {
      world.deadlines.set(lost, lost.lostAt + atLeastReattach(world, lost) + lost.putOffMs)
    }
  }
  world.isMassLoss = isMass
  return isMass
}

/** A deadline of a session has come: a lost one's grace is over, a live one's token has ended. */
export function expire(world: World, session: Session): void {
  if (session.state === 'live') {
    closeSession(world, session, 'token_expired')
    markLost(world, session, 'token_expired')
  } else if (!putOff(world, session)) {
    world.counts.expired++
    removeFor(world, session, 'grace_over')
  }
  settle(world, session.user)
}

function removeFor(world: World, session: Session, reason: TransitionReason): void {
  removeSession(world, session)
  noteTransition(world, session.user, reason, session)
  record(world, session, reason)
}

/** Tells the state that the session has from now on, if somebody keeps a record. */
function record(world: World, session: Session, reason: TransitionReason): void {
  if (world.isRecorded) world.effects.push(recordOf(session, reason, world.now))
}

export function recordOf(
  { state, user, id, device, since }: Session,
  reason: TransitionReason,
  at: number,
): Extract<Recorded, { type: 'session' }> {
  return { type: 'session', state, reason, userId: user.id, sessionId: id, device, since, at }
}

/** The session is no more. Its connection, if any, is the caller's to close. */
function removeSession(world: World, session: Session): void {
  if (session.state === 'live') detach(world, session)
  session.state = 'ended'
  world.deadlines.delete(session)
  world.recentlyLost.delete(session)
  // Its id may name another session by now; see loseNamesake.
  if (world.sessions.get(session.id) === session) world.sessions.delete(session.id)
  const { user } = session
  user.sessions = user.sessions.filter((other) => other !== session)
}

/** Nothing can be written to it any more, and it does not type. */
function detach(world: World, session: Session): void {
  const { user } = session
  endTyping(world, session)
  if (session.watched) watch(world, session, { add: [], remove: [...session.watched] })
  user.live = user.live.filter((other) => other !== session)
}

/** Ends a session, or, on a log-out, all sessions of its device. */
export function leave(world: World, session: Session, scope: 'session' | 'device'): void {
  for (const other of session.user.sessions) {
    if (other !== session && !(scope === 'device' && other.device === session.device)) continue
    if (other.state === 'live') closeSession(world, other, other === session ? 'left' : 'logged_out')
    removeFor(world, other, scope === 'device' ? 'logged_out' : 'left')
  }
  settle(world, session.user)
}

/** Ends what the host named. */
export function kick(world: World, user: Person, match: Pick<Kick, 'deviceId' | 'sessionId'>): void {
  for (const session of user.sessions) {
    if (match.deviceId !== undefined && deviceIdOf(session) !== match.deviceId) continue
    if (match.sessionId !== undefined && session.id !== match.sessionId) continue
    if (session.state === 'live') closeSession(world, session, 'kicked')
    removeFor(world, session, 'kicked')
  }
  settle(world, user)
}

/** People on the session's screen. Whether it may be told of them is asked when it is. */
export function watch(
  world: World,
  session: Session,
  { add, remove }: { add: readonly UserId[]; remove: readonly UserId[] },
): void {
  for (const id of [...remove, ...add]) {
    const subject = world.people.get(id)
    if (subject) noteSight(world, session, subject)
  }
  for (const id of remove) {
    session.watched?.delete(id)
    const watchers = world.watchers.get(id)
    watchers?.delete(session)
    if (watchers?.size === 0) world.watchers.delete(id)
  }
  for (const id of add) {
    session.watched ??= new Set()
    session.watched.add(id)
    const watchers = world.watchers.get(id) ?? new Set()
    world.watchers.set(id, watchers)
    watchers.add(session)
    noteQuestion(world, session, id)
  }
}
