/**
 * How a history is played against an engine with the truth beside it. After every step everything that must
 * always hold is checked; the first thing that does not is thrown.
 */
import { deepStrictEqual, notDeepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import type { ClientId, ConversationId, DeviceId, GroupId, SessionId, UserId } from '@vigie/protocol'
import type {
  createEngine,
  DueSession,
  Effect,
  Input,
  KnownRooms,
  Presence,
  PresenceEvent,
  Settings,
} from '../core/index.js'
import { createExplainedCheck } from './explained.js'
import { checkHeld, expectedPicture, flat, isAllowed, isInSight, plain, type Viewer } from './allowed.js'
import { emptyPicture, fold, type Picture } from './picture.js'
import { emptySynced, foldDiff, foldState, pictureOf, type Synced } from './synced.js'
import { emptyTally, type History, type Step, type Tally } from './steps.js'
import { createTruth, type TrueRoom } from './truth.js'

/** So many windows a crowd waits at most for its next number, when many arrive. */
const WIDEST = 8
/** After pressure a crowd may still have to wait so long for its next number. */
const PRESSED_CROWD_MS = 8_000

export interface Client extends Viewer {
  readonly sessionId: SessionId
  /** What it said of itself when it connected. */
  readonly hello: Extract<Step, { do: 'connect' }>
  picture: Picture
  readonly watched: Set<UserId>
  /** It has asked about somebody since it was last told something, and is answered even with what it knew. */
  hasAsked: boolean
  /** Whom it has asked about since. */
  readonly asked: Set<UserId>
  isBlocked: boolean
  due: DueSession | undefined
  /** Its first picture has come. */
  isFresh: boolean
}

/**
 * Plays a history. `explains`: after each step one user, or all, are explained to each viewer.
 * @throws AssertionError at the first step after which something is not as it must be.
 */
export function play(
  history: History,
  create: typeof createEngine,
  settings: Settings,
  { explains = 'some' }: { readonly explains?: 'some' | 'all' } = {},
): Tally {
  const engine = create(settings)
  const truth = createTruth(settings)
  const clients = new Map<SessionId, Client>()
  const tally = emptyTally()
  const known = new Set<UserId>()
  const checkExplained = createExplainedCheck({ engine, truth, clients, tally, explains })
  let made = 0
  let seq = 0
  /** Reads that have not answered yet: of a user's rows, or of a room's. */
  const reads: (UserId | TrueRoom)[] = []
  let isPressed = false
  /** Who types where, by the engine's effects. */
  const typing = new Set<string>()
  /** What others may have to be told of, so far. */
  let changes = 0

  const sessionAt = (index: number) => [...clients.keys()][index % Math.max(1, clients.size)]

  function apply(input: Input, delivery: 'now' | 'later' = 'now'): readonly Effect[] {
    const before = new Map(USERS.map((userId) => [userId, engine.get(userId)]))
    const effects = engine.apply(input, truth.now)
    const first = new Map<UserId, Presence>()
    for (const effect of effects) {
      switch (effect.type) {
        case 'due': {
          for (const session of effect.sessions) {
            const client = clients.get(session.id)
            if (client) client.due = session
          }
          break
        }
        case 'close':
          clients.delete(effect.sessionId)
          break
        case 'presence':
          changes++
          tally.transitions++
          if (!first.has(effect.userId)) first.set(effect.userId, effect.before)
          deepStrictEqual(
            effect.before,
            before.get(effect.userId) ?? { online: false, count: 0 },
            'transitions are a chain',
          )
          before.set(effect.userId, effect.after)
          strictEqual(effect.after.online, effect.after.count > 0, 'online is count > 0')
          break
        case 'want':
          known.add(effect.userId)
          break
        case 'refused':
          tally.refused++
          break
        case 'forget':
          known.delete(effect.userId)
          truth.tellOwn(effect.userId, undefined)
          break
        // Of Socket.IO's rooms, which are not played here.
        case 'unplaced':
          break
        // Of a recorder, whom nobody asked for.
        case 'session':
        case 'rooms':
          break
        case 'reread':
          tally.reread++
          reads.push(effect.userId)
          for (const room of effect.rooms) reads.push({ kind: room.kind, id: room.id } as TrueRoom)
          break
        case 'typing': {
          changes++
          const typist = `${effect.userId} in ${effect.conversationId}`
          strictEqual(typing.has(typist), !effect.typing, 'typing starts and ends in turn')
          if (effect.typing) typing.add(typist)
          else typing.delete(typist)
          break
        }
      }
    }
    for (const [userId, presence] of first) {
      notDeepStrictEqual(engine.get(userId), presence, `${userId} blinked: there and back at one moment`)
    }
    truth.settleTransitions()
    if (delivery === 'now') deliver()
    return effects
  }

  function deliver(): void {
    for (const client of clients.values()) {
      const { due } = client
      if (!due || client.isBlocked) continue
      client.due = undefined
      for (const event of engine.take(due, truth.now)) receive(client, event)
      client.isFresh = true
    }
  }

  function receive(client: Client, event: PresenceEvent): void {
    tally.events++
    if (event.name === 'presence:state' || event.name === 'presence:diff') {
      sync(client, event)
      return
    }
    const isNews = fold(client.picture, event)
    // The first picture may name people who are offline; after it, what changes nothing is not sent.
    // Numbers of a crowd may be there and back in a window that the client did not read in.
    if (client.isFresh && event.name !== 'presence:occupancy')
      ok(isNews, `${client.userId} was told what it knew: ${JSON.stringify(event)}`)
    if (event.name.startsWith('typing')) tally.typing++
    if (event.name === 'presence:occupancy') tally.occupancy++
    checkAllowed(client, event)
  }

  function sync(
    client: Client,
    event: Extract<PresenceEvent, { name: 'presence:state' | 'presence:diff' }>,
  ): void {
    const { synced } = client
    ok(synced, 'a client of protocol 1 was told a state')
    if (event.name === 'presence:state') {
      tally.states++
      foldState(synced, event.payload)
    } else {
      if (!client.isFresh) tally.resumed++
      // A list of devices may change while their number does not, which is all that is kept here.
      const before = client.isFresh && !event.payload.devices ? JSON.stringify(flat(synced)) : ''
      foldDiff(synced, event.payload, client.watched)
      ok(
        client.hasAsked || before !== JSON.stringify(flat(synced)),
        `${client.userId} was told what it knew: ${JSON.stringify(event)}`,
      )
    }
    client.hasAsked = false
    client.asked.clear()
    client.picture = pictureOf(synced)
    for (const change of [...(event.payload.groups ?? []), ...(event.payload.conversations ?? [])]) {
      if ('gone' in change || 'remove' in change) tally.retractions++
    }
    for (const [userId, count] of event.payload.users ?? []) {
      ok(
        count === 0 || isInSight(truth, client, userId),
        `${client.userId} was told of ${userId}, out of its sight`,
      )
    }
  }

  /** Nobody is told of anybody unless a row says so at that moment; a retraction is the exception that ends it. */
  function checkAllowed(client: Client, event: PresenceEvent): void {
    if (event.name === 'presence:devices') return
    const isEnd =
      event.name === 'typing:stop' ||
      (event.name === 'presence:occupancy' && event.payload.members === 0) ||
      ('count' in event.payload && event.payload.count === 0)
    const allowed = isAllowed(truth, client, event)
    if (!allowed && isEnd) tally.retractions++
    ok(allowed || isEnd, `${client.userId} was told of what it may not see: ${JSON.stringify(event)}`)
  }

  /** A user's own rows, with what the shell knows of the rooms: of one that is held what was read last, else what is so. */
  function tellOwn(userId: UserId, own: readonly TrueRoom[]): KnownRooms {
    const unknown = own.filter((room) => !truth.isHeld(room))
    truth.tellOwn(userId, own)
    for (const room of unknown) truth.tellRoom(room, truth.rosterOf(room))
    return own.map(withValue)
  }

  function withValue(room: TrueRoom) {
    const roster = truth.toldRosterOf(room)
    return { ...room, value: roster.length > settings.namesMax ? roster.length : roster }
  }

  /** What the shell knows of a user: of one who is wanted already what was read last. */
  function ownRooms(userId: UserId): readonly TrueRoom[] {
    return truth.ownOf(userId) ?? truth.rowsOf(userId)
  }

  /** A read answers with what stands in the tables at that moment. */
  function answer(read: UserId | TrueRoom, delivery: 'now' | 'later' = 'now'): void {
    if (typeof read === 'string') {
      if (!known.has(read)) return
      const rooms = tellOwn(read, truth.rowsOf(read))
      apply({ type: 'memberships', userId: read, rooms }, delivery)
    } else if (truth.isHeld(read)) {
      truth.tellRoom(read, truth.rosterOf(read))
      apply({ type: 'rooms', rooms: [withValue(read)] }, delivery)
    }
  }

  function connect(step: Extract<Step, { do: 'connect' }>, resumed?: Synced): void {
    const sessionId = `session-${++made}` as SessionId
    const userId = userAt(step.user)
    const deviceId = step.device === undefined ? undefined : (`device-${step.device}` as DeviceId)
    const clientId = step.client === undefined ? undefined : (`client-${step.client}` as ClientId)
    const rooms = tellOwn(userId, ownRooms(userId))
    const counted = truth.sessions.length
    truth.connect({ id: sessionId, userId, deviceId, clientId, isSdk: step.sdk })
    if (truth.sessions.length === counted) tally.adopted++
    clients.set(sessionId, {
      sessionId,
      userId,
      hello: step,
      picture: emptyPicture(),
      synced: step.sdk ? (resumed ?? emptySynced()) : undefined,
      watched: new Set(),
      hasAsked: false,
      asked: new Set(),
      isBlocked: false,
      due: undefined,
      isFresh: false,
    })
    apply({
      type: 'connect',
      sessionId,
      userId,
      rooms,
      deviceId,
      clientId,
      protocol: step.sdk ? 2 : 1,
      position: step.sdk ? resumed?.at : undefined,
      since: 0,
    })
  }

  /** The rows change. Which reads answer at once, and in which order, is part of the history. */
  function changeRow(step: Extract<Step, { do: 'join' | 'part' }>): void {
    const userId = userAt(step.user)
    const room: TrueRoom =
      step.group === undefined
        ? { kind: 'conversation', id: `conversation-${step.conversation ?? 0}` as ConversationId }
        : { kind: 'group', id: `group-${step.group}` as GroupId }
    if (step.do === 'join') truth.addRow(userId, room)
    else truth.removeRow(userId, room)
    const inOrder = step.read === 'both' ? [userId, room] : [room, userId]
    const atOnce = inOrder.filter((read) =>
      step.read === 'user' ? read === userId : step.read === 'room' ? read === room : step.read !== 'neither',
    )
    if (atOnce.length < 2) tally.disagreed++
    for (const read of inOrder) {
      if (!atOnce.includes(read)) reads.push(read)
      // Two readings of one change: nobody is told between them.
      else answer(read, read === atOnce.at(-1) ? 'now' : 'later')
    }
  }

  function end(
    step: Extract<Step, { do: 'lose' | 'disconnect' | 'leave' | 'logOut' | 'kick' | 'expire' }>,
  ): void {
    const sessionId = sessionAt(step.session)
    const client = sessionId && clients.get(sessionId)
    if (!client) return
    const { userId } = client
    switch (step.do) {
      case 'lose':
        clients.delete(sessionId)
        truth.lose(sessionId, 'lost')
        apply({ type: 'lost', sessionId })
        return
      case 'expire':
        truth.lose(sessionId, 'token_expired')
        apply({ type: 'expires', sessionId, at: truth.now })
        apply({ type: 'wake' })
        strictEqual(clients.has(sessionId), false, 'the end of a token closes the connection')
        return
      case 'disconnect':
        clients.delete(sessionId)
        if (settings.leaveGraceMs === 0) truth.end(sessionId, 'left')
        else truth.lose(sessionId, 'left', settings.leaveGraceMs)
        apply({ type: 'disconnected', sessionId })
        return
      case 'leave':
        truth.end(sessionId, 'left')
        apply({ type: 'leave', sessionId, scope: 'session' })
        return
      case 'logOut':
        truth.endDevice(sessionId)
        apply({ type: 'leave', sessionId, scope: 'device' })
        return
      case 'kick':
        truth.end(sessionId, 'kicked')
        apply({ type: 'kick', userId, sessionId })
    }
  }

  function perform(step: Step): void {
    switch (step.do) {
      case 'connect':
        connect(step)
        return
      case 'lose':
      case 'disconnect':
      case 'leave':
      case 'logOut':
      case 'kick':
      case 'expire':
        end(step)
        return
      case 'reload': {
        const sessionId = sessionAt(step.session)
        const client = sessionId && clients.get(sessionId)
        if (!client) return
        const { user, device, client: program, sdk } = client.hello
        end({ do: 'lose', session: step.session })
        for (const other of step.meanwhile ?? []) perform(other)
        wait(step.ms)
        const hello = {
          do: 'connect',
          user,
          ...(device !== undefined && { device }),
          ...(step.isSameProgram && program !== undefined && { client: program }),
          ...(sdk !== undefined && { sdk }),
        } as const
        connect(hello, step.isSameProgram ? client.synced : undefined)
        return
      }
      case 'keepTyping':
        for (let time = 0; time < step.times; time++) {
          perform({ do: 'type', session: step.session, conversation: step.conversation })
          checkTyping()
          wait(settings.typingRepeatMs)
        }
        return
      case 'background': {
        const sessionId = sessionAt(step.session)
        if (!sessionId) return
        truth.background(sessionId, step.graceMs)
        apply({ type: 'background', sessionId, graceMs: step.graceMs })
        return
      }
      case 'type':
      case 'stopTyping': {
        const sessionId = sessionAt(step.session)
        if (!sessionId) return
        const conversationId = `conversation-${step.conversation}` as ConversationId
        truth.type(sessionId, conversationId, step.do === 'type')
        apply({ type: 'typing', sessionId, conversationId, typing: step.do === 'type' })
        return
      }
      case 'hostStopTyping':
        for (const session of truth.sessions)
          if (session.userId === userAt(step.user)) session.typing = undefined
        apply({ type: 'stopTyping', userId: userAt(step.user) })
        return
      case 'join':
      case 'part':
        changeRow(step)
        return
      case 'contribute': {
        const userId = userAt(step.user)
        const devices = Array.from({ length: step.devices }, (_, index) => `elsewhere-${index}`)
        truth.contribute(`node-${step.node}`, userId, devices)
        apply({ type: 'contribution', node: `node-${step.node}`, epoch: '1', seq: ++seq, userId, devices })
        return
      }
      case 'loseNode':
        truth.loseNode(`node-${step.node}`)
        apply({ type: 'nodeLost', node: `node-${step.node}`, epoch: '1' })
        return
      case 'holdBack':
        truth.holdBack(step.delayMs)
        apply({ type: 'admission', delayMs: step.delayMs })
        return
      case 'press':
        isPressed = step.windowMs > 0
        apply({ type: 'window', ms: step.windowMs })
        return
      case 'answer': {
        const [read] = reads.splice(step.which % Math.max(1, reads.length), 1)
        if (read !== undefined) answer(read)
        return
      }
      case 'watch':
      case 'unwatch': {
        const sessionId = sessionAt(step.session)
        const client = sessionId && clients.get(sessionId)
        if (!sessionId || !client?.synced) return
        const userId = userAt(step.user)
        const isOn = step.do === 'watch'
        if (client.watched.has(userId) === isOn) return
        if (isOn) client.watched.add(userId)
        else client.watched.delete(userId)
        tally.watched++
        client.hasAsked = true
        if (isOn) client.asked.add(userId)
        apply({ type: 'watch', sessionId, add: isOn ? [userId] : [], remove: isOn ? [] : [userId] })
        return
      }
      case 'block':
      case 'unblock': {
        const sessionId = sessionAt(step.session)
        const client = sessionId && clients.get(sessionId)
        if (client) client.isBlocked = step.do === 'block'
        deliver()
        return
      }
      case 'wait':
        wait(step.ms)
    }
  }

  /** Each deadline at its own moment, so that what happens between two of them is seen. */
  function wait(ms: number): void {
    const end = truth.now + ms
    for (let at = engine.nextDeadline(); at !== undefined && at <= end; at = engine.nextDeadline()) {
      truth.now = Math.max(truth.now, at)
      apply({ type: 'wake' })
      checkPresence()
      checkTyping()
    }
    truth.now = end
    if (ms <= WIDEST * settings.windowMs || isPressed) return
    // A session that reads was told by now of everything that it may not see any more.
    tally.looked++
    for (const client of clients.values())
      if (!client.isBlocked && !client.due && client.isFresh) checkHeld(truth, client)
  }

  function checkPresence(): void {
    for (const userId of USERS)
      deepStrictEqual(engine.get(userId), truth.presenceOf(userId), `presence of ${userId}`)
  }

  function checkTyping(): void {
    const expected = new Set<string>()
    for (const session of truth.sessions) {
      const lease = session.typing
      if (lease && truth.now < lease.endsAt) expected.add(`${session.userId} in ${lease.conversationId}`)
    }
    deepStrictEqual([...typing].sort(), [...expected].sort(), 'who types')
  }

  /** When nothing changes any more, every client that reads knows the truth: all of it, and nothing else. */
  function checkPictures(): void {
    for (const client of clients.values()) {
      if (client.isBlocked) continue
      deepStrictEqual(
        plain(client.picture),
        plain(expectedPicture(truth, client)),
        `the picture of ${client.userId}`,
      )
      for (const userId of client.watched) {
        const expected = isInSight(truth, client, userId) ? truth.presenceOf(userId).count : 0
        strictEqual(
          client.synced?.users.get(userId) ?? 0,
          expected,
          `${userId} on the screen of ${client.userId}`,
        )
      }
    }
  }

  for (const step of history) {
    perform(step)
    checkPresence()
    checkTyping()
    checkExplained()
  }
  for (const client of clients.values()) client.isBlocked = false
  deliver()
  // In the end every read has answered: the engine knows what stands in the tables.
  while (reads.length > 0) answer(reads.shift() as UserId | TrueRoom)
  isPressed = false
  apply({ type: 'window', ms: 0 })
  const pressedMs = history.some((step) => step.do === 'press') ? PRESSED_CROWD_MS : 0
  // The slots and windows of what has just happened; again, if meanwhile a grace or a lease has ended.
  for (let before = -1; before !== changes;) {
    before = changes
    wait(WIDEST * settings.windowMs + settings.occupancyWindowMs + pressedMs + 10)
  }
  checkPresence()
  checkPictures()
  checkOnceAll(engine.sizes())
  tally.putOff = truth.putOffs
  return tally

  /** After every grace, lease and memory nothing is left of anybody who is not connected. */
  function checkOnceAll(sizes: ReturnType<typeof engine.sizes>): void {
    strictEqual(sizes.sessions, truth.sessions.filter((session) => truth.counts(session)).length)
    wait(settings.reattachGraceMs + settings.offlineMemoryMs + settings.typingLeaseMs + 60_000)
    checkPresence()
    checkPictures()
    const local = new Set(
      truth.sessions.filter((session) => truth.counts(session)).map(({ userId }) => userId),
    )
    deepStrictEqual([...known].sort(), [...local].sort(), 'somebody who is gone is forgotten')
    strictEqual(engine.sizes().local, local.size)
    const rooms = [...local].flatMap((userId) => truth.rowsOf(userId))
    const keys = new Set(rooms.map((room) => `${room.kind} ${room.id}`))
    strictEqual(engine.sizes().rooms, keys.size, 'a room that nobody needs is dropped')
    const seen = rooms.filter((room) => !truth.isCounted(room)).flatMap((room) => truth.rosterOf(room))
    const elsewhere = USERS.filter((userId) => truth.presenceOf(userId).online)
    strictEqual(engine.sizes().users, new Set([...local, ...seen, ...elsewhere]).size, 'nobody else is kept')
    strictEqual(engine.sizes().offline, 0)
    strictEqual(engine.sizes().owed, 0)
  }
}

/** Whom a history may name. */
const USERS = Array.from({ length: 20 }, (_, index) => userAt(index))

function userAt(index: number): UserId {
  return `user-${index}` as UserId
}
